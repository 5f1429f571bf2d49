"""A radiologist at the window: opens studies on the page Read, presses, slides, looks at pixels."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np

ENGINE_PATIENCE_S = 90.0


class ReadingRoom:
    """The page Read in front, and hands for it.

    Attributes:
        desk: mouse, keys and patience.
        page, ui: the page.
    """

    def __init__(self, desk: Any, folder: Path) -> None:
        self.desk = desk
        self.folder = folder
        settings = desk.session.settings
        settings.engine_work_folder = str(folder / "engine-work")
        settings.engine_folder = str(folder / "engine")
        self.page = desk.widget.pages[1]
        self.ui = self.page.ui
        self.engine = desk.session.engine

    def go(self) -> None:
        """Bring the page to the front, by mouse."""
        self.desk.press(self.desk.widget.ui.readButton)

    def open(self, *files: Path) -> None:
        """Open files as if they were chosen in the dialog."""
        self.page.studies.open_paths([str(file) for file in files])
        self.desk.wait(lambda: self.page.study is not None and self.page.study.is_whole)
        self.desk.settle()

    def read(self) -> dict[str, Any]:
        """Press Read by mouse, wait for the result and return it."""
        self.desk.press(self.ui.readButton)
        assert self.page.run.state in ("running", "done"), (self.page.run.state, self.page.run.error)
        self.desk.wait(lambda: not self.page.run.is_running, ENGINE_PATIENCE_S)
        assert self.page.run.state == "done", self.page.run.error
        self.desk.settle()
        return dict(self.page.run.reading)

    def view(self, name: str = "Red") -> Any:
        return self.desk.slicer.app.layoutManager().sliceWidget(name).sliceView()

    def pixels(self, name: str = "Red") -> np.ndarray:
        """What the view shows: (height, width, 3), 0..255."""
        view = self.view(name)
        view.forceRender()
        self.desk.settle()
        image = view.grab().toImage().convertToFormat(_format())
        height, width = image.height(), image.width()
        rows = np.frombuffer(image.constBits(), np.uint8).reshape(height, image.bytesPerLine())
        return rows[:, : width * 4].reshape(height, width, 4)[..., :3].astype(int)

    def places(self, name: str, points: np.ndarray) -> np.ndarray:
        """Map (n, 2) points (row, col) of the radiograph in a view to (n, 2) rows and columns of `pixels`."""
        from fractureai.scene import views

        screen = self.page.screen
        xy = views.pixel_to_xy(screen.logic(name), screen.shown(name), points)
        view = self.view(name)
        ratio = view.devicePixelRatioF()
        height = view.renderWindow().GetSize()[1]
        return np.stack([(height - 1 - xy[:, 1]) / ratio, xy[:, 0] / ratio], axis=1)

    def plain(self, label: Any) -> str:
        """The text of a label without its tags."""
        return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", label.text))).strip()

    def same(self, name: str, expected: np.ndarray) -> bool:
        """Whether a view shows what it showed before, pixel by pixel; where not, both are kept as pictures."""
        seen = self.pixels(name)
        if seen.shape == expected.shape and (seen == expected).all():
            return True
        for title, picture in (("expected", expected), ("seen", seen)):
            _save(picture, self.folder / f"{name}-{title}.png")
        return False

    def nodes(self) -> list[Any]:
        """All nodes of ours in the scene."""
        scene = self.desk.slicer.mrmlScene
        every = [scene.GetNthNode(number) for number in range(scene.GetNumberOfNodes())]
        return [node for node in every if node.GetAttribute("FractureAI.Kind")]


def _save(picture: np.ndarray, path: Path) -> None:
    from PIL import Image

    Image.fromarray(picture.astype(np.uint8)).save(path)


def _format() -> Any:
    from PySide6.QtGui import QImage

    return QImage.Format.Format_RGBX8888
