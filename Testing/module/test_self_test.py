"""The self-tests of the module as Slicer runs them: through the real panel, in a process of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_the_self_tests_pass_on_the_host():
    command = [sys.executable, "-m", "slicerhost", "--self-test", "--limit", "280", "FractureAI/FractureAI.py"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert done.stdout.splitlines()[-1].startswith("passed FractureAITest")
    for page in ("Annotate", "Read", "Train", "Review"):
        assert (ROOT / "Testing" / "Python" / f"FractureAI{page}Test.py").is_file()
