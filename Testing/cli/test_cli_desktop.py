"""`fractureai desktop`: a window on a screen, a sentence where there is none."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fractureai.dataset import Dataset

pytest.importorskip("slicer")
pytest.importorskip("PySide6")

COMMAND = [sys.executable, "-m", "fractureai.cli", "desktop"]


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return Dataset.create(tmp_path / "wrists", name="wrists").folder


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can be without a screen")
def test_without_a_screen_it_says_so(dataset: Path) -> None:
    without = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    without.pop("QT_QPA_PLATFORM", None)
    done = subprocess.run([*COMMAND, str(dataset)], env=without, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert done.stderr.startswith("There is no screen")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("Xvfb") is None, reason="Xvfb is not installed")
def test_on_a_screen_the_window_stays_open(dataset: Path, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1280x800x24"],
        pass_fds=(writing,),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    number = os.read(reading, 20).decode().strip()
    screen = {"DISPLAY": f":{number}", "QT_QPA_PLATFORM": "xcb", "XDG_CONFIG_HOME": str(tmp_path)}
    window = subprocess.Popen([*COMMAND, str(dataset)], env={**os.environ, **screen}, stderr=subprocess.PIPE, text=True)
    time.sleep(12)
    still_open = window.poll() is None
    window.terminate()
    _, err = window.communicate(timeout=30)
    server.terminate()
    server.wait(30)
    assert still_open, err
    assert "Traceback" not in err
