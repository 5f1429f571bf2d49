"""The host in this process: a real window (offscreen), a clean scene for each test, and a hand for mouse and keys."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("slicer")
pytest.importorskip("PySide6")


@pytest.fixture(scope="session")
def slicer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The host, started once for all tests; settings go to a temporary folder."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    os.environ.setdefault("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("settings")))
    import slicerhost

    return slicerhost.start()


@pytest.fixture
def scene(slicer: Any) -> Iterator[Any]:
    """The scene, empty and in the first layout."""
    slicer.mrmlScene.Clear(0)
    slicer.app.applicationLogic().GetInteractionNode().SwitchToViewTransformMode()
    slicer.app.layoutManager().setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpRedSliceView)
    yield slicer.mrmlScene
    slicer.mrmlScene.Clear(0)


@pytest.fixture
def window(slicer: Any, scene: Any) -> Iterator[Any]:
    """A main window of 1280 x 800 with an empty panel."""
    import qt

    from slicerhost import MainWindow

    qt.QSettings().remove("Host/MainWindow")
    window = MainWindow(developer=True)
    window.set_module("Test", qt.QWidget())
    window.show()
    slicer.app.processEvents()
    yield window
    window.close()
    window.deleteLater()
    slicer.app.processEvents()


@pytest.fixture
def radiograph(slicer: Any, scene: Any) -> Any:
    """A volume as radiographs lie in Slicer: 250 x 200 pixels of 0.15 mm, values that differ everywhere."""
    rows, columns = np.mgrid[0:250, 0:200]
    pixels = (rows * 10 + columns * 3).astype(np.uint16)[None]
    return add_volume(slicer, pixels, "radiograph")


def add_volume(slicer: Any, pixels: np.ndarray, name: str) -> Any:
    """A volume from rows and columns, window from 0 to the highest value."""
    volume = slicer.util.addVolumeFromArray(pixels, ijkToRAS=np.diag([-0.15, -0.15, 1.0, 1.0]), name=name)
    volume.CreateDefaultDisplayNodes()
    display = volume.GetDisplayNode()
    display.SetAutoWindowLevel(False)
    display.SetInterpolate(True)
    high = float(max(pixels.max(), 1))
    display.SetWindowLevel(high, high / 2)
    return volume


class Hand:
    """Mouse and keys on a slice view, in the widget's own coordinates."""

    def __init__(self, slicer: Any, widget: Any) -> None:
        from PySide6.QtCore import QPoint, QPointF, Qt
        from PySide6.QtGui import QMouseEvent, QWheelEvent
        from PySide6.QtTest import QTest

        self.slicer, self.widget, self.view = slicer, widget, widget.sliceView()
        self.Qt, self.QPoint, self.QPointF, self.QTest = Qt, QPoint, QPointF, QTest
        self.QMouseEvent, self.QWheelEvent = QMouseEvent, QWheelEvent
        self.node, self.logic = widget.mrmlSliceNode(), widget.sliceLogic()

    def show(self, volume: Any) -> None:
        """Show all of a volume."""
        self.slicer.util.setSliceViewerLayers(background=volume, fit=True)
        self.widget.fitSliceToBackground()
        self.settle()

    def settle(self) -> None:
        for _ in range(3):
            self.slicer.app.processEvents()

    def move(self, x: int, y: int, button: Any = None, modifiers: Any = None) -> None:
        point, qt = self.QPointF(x, y), self.Qt
        event = self.QMouseEvent(
            self.QMouseEvent.Type.MouseMove,
            point,
            self.view.mapToGlobal(point),
            qt.MouseButton.NoButton,
            button or qt.MouseButton.NoButton,
            modifiers or qt.KeyboardModifier.NoModifier,
        )
        self.slicer.app.sendEvent(self.view, event)
        self.settle()

    def click(self, x: int, y: int, button: Any = None) -> None:
        self.move(x, y)
        qt = self.Qt
        left = button or qt.MouseButton.LeftButton
        self.QTest.mouseClick(self.view, left, qt.KeyboardModifier.NoModifier, self.QPoint(x, y))
        self.settle()

    def drag(self, start: tuple[int, int], end: tuple[int, int], button: Any = None, modifiers: Any = None) -> None:
        qt = self.Qt
        button, modifiers = button or qt.MouseButton.LeftButton, modifiers or qt.KeyboardModifier.NoModifier
        self.move(*start)
        self.QTest.mousePress(self.view, button, modifiers, self.QPoint(*start))
        for share in np.linspace(0.1, 1, 10):
            x, y = (round(a + (b - a) * share) for a, b in zip(start, end, strict=True))
            self.move(x, y, button, modifiers)
        self.QTest.mouseRelease(self.view, button, modifiers, self.QPoint(*end))
        self.settle()

    def wheel(self, x: int, y: int, turn: int, modifiers: Any = None) -> None:
        qt, point = self.Qt, self.QPointF(x, y)
        event = self.QWheelEvent(
            point,
            self.view.mapToGlobal(point),
            self.QPoint(0, 0),
            self.QPoint(0, turn),
            qt.MouseButton.NoButton,
            modifiers or qt.KeyboardModifier.NoModifier,
            qt.ScrollPhase.NoScrollPhase,
            False,
        )
        self.slicer.app.sendEvent(self.view, event)
        self.settle()

    def key(self, key: Any, modifiers: Any = None) -> None:
        self.view.setFocus()
        self.QTest.keyClick(self.view, key, modifiers or self.Qt.KeyboardModifier.NoModifier)
        self.settle()

    def zoom_to(self, volume: Any, row: float, column: float, factor: float) -> None:
        """Show a pixel in the middle, each image pixel as so many physical pixels."""
        width, height = self.view.renderWindow().GetSize()
        spacing = volume.GetSpacing()[0]
        self.node.SetFieldOfView(width * spacing / factor, height * spacing / factor, 1)
        self.node.SetXYZOrigin(0, 0, 0)
        self.node.JumpSliceByCentering(-column * spacing, -row * spacing, 0)
        self.settle()

    def pixel_at(self, volume: Any, x: float, y: float) -> tuple[float, float]:
        """(row, column) of the volume under a position in the widget."""
        ratio = self.view.devicePixelRatioF()
        height = self.view.renderWindow().GetSize()[1]
        ras = self.node.GetXYToRAS().MultiplyPoint((x * ratio, height - 1 - y * ratio, 0, 1))
        return self.pixel_of(volume, ras[:3])

    def pixel_of(self, volume: Any, ras: Any) -> tuple[float, float]:
        import vtk

        matrix = vtk.vtkMatrix4x4()
        volume.GetRASToIJKMatrix(matrix)
        column, row, _, _ = matrix.MultiplyPoint((*ras, 1))
        return row, column

    def picture(self) -> np.ndarray:
        """What the widget shows, (rows, columns, RGB) in physical pixels."""
        return pixels_of(self.view)

    def place(self, node: Any, persistent: bool = False) -> None:
        """Switch to placing points of a markups node, as a module does."""
        selection = self.slicer.app.applicationLogic().GetSelectionNode()
        selection.SetReferenceActivePlaceNodeClassName(node.GetClassName())
        selection.SetReferenceActivePlaceNodeID(node.GetID())
        interaction = self.slicer.app.applicationLogic().GetInteractionNode()
        (interaction.SwitchToPersistentPlaceMode if persistent else interaction.SwitchToSinglePlaceMode)()
        self.settle()


def pixels_of(widget: Any) -> np.ndarray:
    """What a widget shows, (rows, columns, RGB)."""
    from PySide6.QtGui import QImage

    image = widget.grab().toImage().convertToFormat(QImage.Format.Format_RGBA8888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine() // 4, 4)
    return rows[:, : image.width(), :3].copy()


@pytest.fixture
def hand(slicer: Any, window: Any) -> Hand:
    """Mouse and keys on the red slice view."""
    return Hand(slicer, slicer.app.layoutManager().sliceWidget("Red"))


@pytest.fixture
def picture_of() -> Any:
    """`pixels_of`, for tests."""
    return pixels_of


@pytest.fixture
def volume_of(slicer: Any, scene: Any) -> Any:
    """`add_volume` bound to the scene."""
    return lambda pixels, name="volume": add_volume(slicer, pixels, name)
