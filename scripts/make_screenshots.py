"""Make the pictures of the documentation: the four pages at work on simulated wrists, and the settings.

    python scripts/make_screenshots.py WORK [--size 1280x800] [--dark] [--out docs/screenshots]

WORK keeps the simulated radiographs and a short training between runs. Needs no screen.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
MODULE = ROOT / "FractureAI" / "FractureAI.py"
STUDIES, SEED = 24, 3
RATERS = {"AM": 3.0, "BK": 8.0, "CL": 5.0}
"""Rater -> standard deviation of the landmarks in pixels."""
RECIPE = """
format_version = 1
name = "short"
title = "Short: for a picture, a minute on a CPU"
seed = 3
folds = 1
[localizer]
input_px = 128
network = { name = "hourglass", parameters = { width = 16, depth = 2 } }
fit = { epochs = 12, batch_size = 4, optimizer = "adamw", learning_rate = 3e-3 }
augmentation = { rotation_deg = 20.0 }
[classifier]
window_px = 128
network = { name = "small_cnn", parameters = { widths = [8, 16, 32] } }
fit = { epochs = 12, batch_size = 8, learning_rate = 1e-2, schedule = "one_cycle" }
augmentation = { rotation_deg = 20.0 }
"""


def make_dataset(folder: Path) -> None:
    """Simulate wrists and three raters who differ a little from the truth and from each other."""
    from fractureai.dataset import Dataset
    from fractureai.phantom import write_dataset

    if (folder / "made").exists():
        dataset = Dataset.open(folder)
        for own in dataset.annotations("AM"):
            if own.status == "open":  # placed for an earlier picture
                dataset.annotation_path(own.radiograph, own.rater).unlink()
        return
    dataset = write_dataset(folder, studies=STUDIES, seed=SEED)
    draw = random.Random(SEED)
    for rater, error_px in RATERS.items():
        for row in dataset.radiographs:
            truth = dataset.annotation(row.id, "truth")
            if draw.random() < 0.25:
                continue
            label = truth.label if draw.random() < 0.8 else draw.choice(dataset.label_set)
            points = {
                name: (line + draw.gauss(0, error_px), column + draw.gauss(0, error_px))
                for name, (line, column) in truth.landmarks.items()
            }
            own = replace(truth, rater=rater, label=label, landmarks=points, status="done", revision=0, updated="")
            dataset.save(own)
    (folder / "made").touch()


class Camera:
    """The window, and what a person would do in it."""

    def __init__(self, size: tuple[int, int], out: Path, suffix: str) -> None:
        import slicer

        from slicerhost.runner import open_window

        self.slicer = slicer
        self.window, self.widget = open_window(MODULE)
        self.window.resize(*size)
        self._out, self._suffix = out, suffix
        self.wait(0.3)

    def wait(self, seconds: float = 60.0, until: Callable[[], Any] = lambda: False) -> None:
        """Let the window work until something is true, or for so long."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not until():
            self.slicer.app.processEvents()
            time.sleep(0.005)

    def shoot(self, name: str) -> None:
        """Save the window as it is."""
        self.wait(0.6)
        path = self._out / f"{name}{self._suffix}.png"
        self.window.grab().save(str(path))
        with Image.open(path) as picture:
            whole = picture.convert("RGB")
        whole.save(path, optimize=True)
        print(path)


def annotate(camera: Camera) -> None:
    """Place two of three landmarks and a label, beside the model's proposals."""
    from PySide6.QtCore import QPoint, Qt
    from PySide6.QtTest import QTest

    from fractureai.scene import views

    page = camera.widget.pages[0]
    camera.widget.showPage(0)
    camera.wait(20, lambda: page.case is not None and page.editor.annotation is not None)
    camera.wait(15, lambda: camera.slicer.util.getNodes("Proposed*"))
    view = camera.slicer.app.layoutManager().sliceWidget("Red").sliceView()
    truth = camera.widget.session.dataset.annotation(page.current, "truth").landmarks
    QTest.keyClick(camera.window, Qt.Key.Key_P)
    names = page.case.profile(page.editor.annotation).landmark_names
    for name in names[:2]:
        x, y = views.pixel_to_xy(page.screen.logic(), page.case.volume, truth[name])
        at = QPoint(round(x), round(view.renderWindow().GetSize()[1] - 1 - y))
        QTest.mouseMove(view, at)
        camera.wait(0.3)
        QTest.mouseClick(view, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, at)
        camera.wait(0.3)
    QTest.keyClick(camera.window, Qt.Key.Key_2)
    QTest.mouseMove(view, QPoint(view.width - 160, view.height // 2))  # the next point waits beside the wrist
    camera.shoot("annotate")


def read(camera: Camera) -> None:
    camera.widget.showPage(1)
    page = camera.widget.pages[1]
    camera.wait(20, lambda: page.study is not None and page.study.is_whole and page.ui.readButton.enabled)
    page.read()
    camera.wait(60, lambda: page.nodes is not None)
    camera.wait(1.0)
    camera.shoot("read")


def train(camera: Camera, recipe: Path) -> None:
    camera.widget.showPage(2)
    page = camera.widget.pages[2]
    camera.wait(20, lambda: page.ui.startButton.enabled)
    camera.shoot("train-plan")
    page.plan.add_recipe(str(recipe))
    page.start()
    camera.wait(120, lambda: page.run.job is not None and len(page.run.job["history"]) >= 10)
    camera.wait(1.0)
    camera.shoot("train")
    camera.wait(600, lambda: page.run.job is not None and page.run.job["state"] in ("done", "failed"))
    camera.wait(1.5)
    camera.shoot("train-done")


def review(camera: Camera) -> None:
    camera.widget.showPage(3)
    page = camera.widget.pages[3]
    camera.wait(20, lambda: bool(page.ui.differencesTable.rowCount))
    page.ui.differencesTable.selectRow(0)
    camera.wait(1.5)
    camera.shoot("review")


def main() -> int:
    """Make the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--size", default="1280x800")
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "screenshots")
    parser.add_argument("--only", nargs="*", default=["annotate", "read", "train", "review", "settings"])
    options = parser.parse_args()
    folder = options.work.absolute() / "wrists"
    make_dataset(folder)
    recipe = options.work.absolute() / "short.toml"
    recipe.write_text(RECIPE, encoding="utf-8")
    options.out.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from slicerhost import probe, start
    from slicerhost.settings import keep_settings_in

    probe.prepare(window=False)
    settings = options.work.absolute() / "settings"
    settings.mkdir(exist_ok=True)
    keep_settings_in(settings)
    slicer = start()
    slicer.app.setTestingEnabled(True)
    from slicerhost import style

    style.choose("dark" if options.dark else "light")
    width, height = map(int, options.size.split("x"))
    camera = Camera((width, height), options.out, "-dark" if options.dark else "")
    camera.widget.session.rater = "AM"
    camera.widget.session.open_dataset(str(folder))
    steps: dict[str, Callable[[], None]] = {
        "annotate": lambda: annotate(camera),
        "read": lambda: read(camera),
        "train": lambda: train(camera, recipe),
        "review": lambda: review(camera),
        "settings": lambda: (camera.widget.showSettings(), camera.shoot("settings")),
    }
    for name in options.only:
        steps[name]()
    sys.stdout.flush()
    camera.widget.cleanup()
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
