"""The whole way of the paper's recipe by one command, on small networks."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fractureai.bundle import load_bundle

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "train_deepwrist_phantoms.py"


def run(*words):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-W", "ignore", SCRIPT, *map(str, words)], capture_output=True, text=True, env=environment
    )


@pytest.mark.slow
def test_tiny_trains_all_folds_and_views_and_says_what_it_found(tmp_path):
    done = run(tmp_path, "--tiny", "--studies", 30, "--device", "cpu")
    assert done.returncode == 0, done.stderr
    bundle = load_bundle(tmp_path / "training" / "bundle")
    assert {name: len(view.classifiers) for name, view in bundle.spec.views.items()} == {"PA": 5, "LAT": 5}
    assert (tmp_path / "report" / "report.html").is_file()
    text = (tmp_path / "result.md").read_text(encoding="utf-8")
    assert done.stdout.strip() == text.strip()
    assert "its figures say nothing" in text
    for name in ("PA localizer (5)", "PA classifier (5)", "LAT localizer (5)", "LAT classifier (5)"):
        assert f"| {name} |" in text
    weights = {path: path.stat().st_mtime_ns for path in (tmp_path / "training" / "runs").rglob("*.safetensors")}
    again = run(tmp_path, "--tiny", "--studies", 30, "--device", "cpu")
    assert again.returncode == 0, again.stderr
    assert {path: path.stat().st_mtime_ns for path in weights} == weights
    assert "epoch" not in again.stderr


def test_a_device_that_is_not_there_is_one_sentence(tmp_path):
    folder = tmp_path / "phantoms-1"
    done = run(tmp_path, "--tiny", "--studies", 1, "--device", "cuda:9")
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1].startswith("Device cuda:9 is not available")
    assert not folder.exists()
