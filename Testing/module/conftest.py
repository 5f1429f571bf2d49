"""The module in a real window of the host, with a hand for mouse and keys, and datasets of simulated wrists."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("slicer")
pytest.importorskip("PySide6")

MODULE = Path(__file__).resolve().parents[2] / "FractureAI" / "FractureAI.py"
PATIENCE_S = 20.0


@pytest.fixture(scope="session")
def slicer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The host, started once; settings and documents go to a temporary folder."""
    home = tmp_path_factory.mktemp("home")
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    os.environ["XDG_CONFIG_HOME"] = os.environ["XDG_DATA_HOME"] = str(home)
    import slicerhost

    slicer = slicerhost.start()
    if not hasattr(slicer.modules, "fractureai"):
        slicerhost.load_module(MODULE)
    return slicer


@pytest.fixture(scope="session")
def main_window(slicer: Any) -> Any:
    """The window, shown once."""
    from slicerhost import MainWindow

    window = MainWindow(slicer.app.layoutManager())
    window.resize(1280, 800)
    window.show()
    window.activateWindow()
    slicer.app.processEvents()
    return window


@pytest.fixture(scope="session")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of four simulated wrists with two views each, made once."""
    from fractureai.phantom import write_dataset

    folder = tmp_path_factory.mktemp("phantoms") / "wrists"
    write_dataset(folder, studies=4, seed=11, pixels=768, workers=1)
    return folder


@pytest.fixture
def dataset_folder(phantoms: Path, tmp_path: Path) -> Path:
    """A copy of the simulated dataset, to be marked."""
    return Path(shutil.copytree(phantoms, tmp_path / "wrists"))


class Desk:
    """A person at the window: sees the panel and the view, moves the mouse, presses keys."""

    def __init__(self, slicer: Any, window: Any, panel: Any) -> None:
        from PySide6 import QtCore
        from PySide6.QtTest import QTest

        self.slicer, self.window, self.panel = slicer, window, panel
        self.widget = panel.self()
        self.session = self.widget.session
        self.page = self.widget.pages[0]
        self.ui = self.page.ui
        self._test, self._core = QTest, QtCore
        self.Qt = QtCore.Qt

    @property
    def view(self) -> Any:
        return self.slicer.app.layoutManager().sliceWidget("Red").sliceView()

    def wait(self, until: Callable[[], Any] = lambda: False, seconds: float | None = None) -> Any:
        """Let the window work until something is true; fails when it does not become true."""
        end = time.monotonic() + (PATIENCE_S if seconds is None else seconds)
        while not (found := until()):
            self.slicer.app.processEvents()
            time.sleep(0.001)
            if time.monotonic() > end:
                if seconds is not None:
                    return None
                raise AssertionError("what was waited for did not happen")
        self.slicer.app.processEvents()
        return found

    def settle(self, seconds: float = 0.05) -> None:
        self.wait(seconds=seconds)

    def open(self, folder: Path, rater: str = "AM") -> None:
        """Open a dataset as a rater and wait for the first radiograph."""
        self.session.rater = rater
        assert self.session.dataset_actions.open(str(folder))
        self.wait(lambda: self.page.case is not None and self.page.editor.annotation is not None)
        self.settle()

    def key(self, key: Any, modifiers: Any = None, widget: Any = None) -> None:
        self._test.keyClick(widget or self.window, key, modifiers or self.Qt.KeyboardModifier.NoModifier)
        self.settle()

    def type(self, widget: Any, text: str) -> None:
        widget.setFocus()
        self._test.keyClicks(widget, text)

    def press(self, button: Any) -> None:
        self._test.mouseClick(button, self.Qt.MouseButton.LeftButton)
        self.settle()

    def point_of(self, row: float, col: float) -> Any:
        """The place in the view, in whole widget pixels, nearest to a pixel of the radiograph."""
        from fractureai.scene import views

        x, y = views.pixel_to_xy(self.page.screen.logic(), self.page.case.volume, (row, col))
        ratio = self.view.devicePixelRatioF()
        height = self.view.renderWindow().GetSize()[1]
        return self._core.QPoint(round(x / ratio), round((height - 1 - y) / ratio))

    def pixel_under(self, point: Any) -> tuple[float, float]:
        """The (row, col) of the radiograph under a place in the view."""
        from fractureai.scene import views

        ratio = self.view.devicePixelRatioF()
        height = self.view.renderWindow().GetSize()[1]
        at = (point.x() * ratio, height - 1 - point.y() * ratio)
        row, col = views.xy_to_pixel(self.page.screen.logic(), self.page.case.volume, at)
        return float(row), float(col)

    def look_at(self, row: float, col: float, scale: float = 8.0) -> None:
        """Zoom in so that an image pixel is so many screen pixels wide."""
        from fractureai.scene import views

        views.zoom_to(self.page.screen.logic(), self.page.case.volume, (row, col), scale)
        self.settle()

    def click(self, point: Any, button: Any = None) -> None:
        """Move the mouse there and click on the view."""
        self._test.mouseMove(self.view, point)
        self.settle(0.02)
        no = self.Qt.KeyboardModifier.NoModifier
        self._test.mouseClick(self.view, button or self.Qt.MouseButton.LeftButton, no, point)
        self.settle()

    def drag(self, start: Any, end: Any, steps: int = 8) -> None:
        """Drag with the left button."""
        left, no = self.Qt.MouseButton.LeftButton, self.Qt.KeyboardModifier.NoModifier
        self._test.mouseMove(self.view, start)
        self.settle(0.05)
        self._test.mousePress(self.view, left, no, start)
        for step in range(1, steps + 1):
            part = self._core.QPoint(
                start.x() + (end.x() - start.x()) * step // steps, start.y() + (end.y() - start.y()) * step // steps
            )
            self._test.mouseMove(self.view, part)
            self.settle(0.02)
        self._test.mouseRelease(self.view, left, no, end)
        self.settle()

    def place_all(self, points: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
        """Place the landmarks by key and clicks, in the order of the profile; return where the clicks went."""
        self.key(self.Qt.Key.Key_P)
        clicked = {}
        for name in self.page.case.profile(self.page.editor.annotation).landmark_names:
            point = self.point_of(*points[name])
            clicked[name] = self.pixel_under(point)
            self.click(point)
        return clicked

    def truth(self, radiograph: str | None = None) -> Any:
        """What the simulation knows about a radiograph."""
        return self.session.dataset.annotation(radiograph or self.page.current, "truth")

    def stored(self, radiograph: str | None = None, rater: str | None = None) -> Any:
        """What is on disk, read by another eye, as soon as the panel does not say that it is still saving."""
        self.wait(lambda: self.page.autosave.state != "waiting")
        from fractureai.dataset import Dataset

        dataset = Dataset.open(self.session.dataset.folder)
        return dataset.annotation(radiograph or self.page.current, rater or self.session.rater)


@pytest.fixture
def desk(slicer: Any, main_window: Any) -> Iterator[Desk]:
    """A fresh panel in the window, with an empty scene and fresh settings."""
    slicer.app.userSettings().clear()
    slicer.app.userSettings().setValue("FractureAI/Proposals", "no")  # where no model is meant to speak
    slicer.mrmlScene.Clear(0)
    panel = slicer.modules.fractureai.createNewWidgetRepresentation()
    main_window.set_module("FractureAI", panel)
    main_window.resize(1280, 800)
    main_window.activateWindow()  # keys go to the active window; another test's dialog may have been that
    panel.enter()
    slicer.app.processEvents()
    made = Desk(slicer, main_window, panel)
    made.press(main_window.statusBar())  # else the first click would be taken for the second of a double click
    yield made
    panel.exit()
    made.widget.cleanup()
    slicer.app.processEvents()


@pytest.fixture
def python() -> str:
    return sys.executable
