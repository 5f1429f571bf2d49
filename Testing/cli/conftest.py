"""One small demo, run once as a user would, serves all tests of the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

TINY_RECIPE = """
format_version = 1
name = "tiny"
title = "One epoch of tiny networks: shows that the parts fit together, reads nothing well"
seed = 1
folds = 1

[localizer]
input_px = 64
network = { name = "hourglass", parameters = { width = 4, depth = 2, dropout = 0.0 } }
fit = { epochs = 1, batch_size = 8, optimizer = "adamw", learning_rate = 1e-3 }
augmentation = {}

[classifier]
window_px = 64
network = { name = "small_cnn", parameters = { widths = [4, 8, 8], dropout = 0.0 } }
fit = { epochs = 1, batch_size = 8, optimizer = "adamw", learning_rate = 1e-3 }
augmentation = {}
"""

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def run_fractureai(*words: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    command = [sys.executable, "-m", "fractureai.cli", *map(str, words)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "100", "PYTHONIOENCODING": "utf-8"}
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", env=environment, cwd=cwd)


@dataclass(frozen=True)
class Demo:
    """What `fractureai demo` made."""

    out: Path
    recipe: Path
    words: tuple[str, ...]
    document: dict[str, Any]
    stderr: str

    @property
    def dataset(self) -> Path:
        return self.out / "phantom"

    @property
    def bundle(self) -> Path:
        return self.out / "training" / "bundle"

    @property
    def pair(self) -> tuple[Path, Path]:
        images = self.dataset / "images"
        return images / "00000_PA.dcm", images / "00000_LAT.dcm"


@pytest.fixture(scope="session")
def fractureai() -> Run:
    return run_fractureai


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    folder = tmp_path_factory.mktemp("demo")
    recipe = folder / "tiny.toml"
    recipe.write_text(TINY_RECIPE, encoding="utf-8")
    words = ("demo", str(folder / "out"), "--studies", "14", "--recipe", str(recipe), "--device", "cpu", "--json")
    done = run_fractureai(*words)
    assert done.returncode == 0, done.stderr
    return Demo(folder / "out", recipe, words, json.loads(done.stdout), done.stderr)
