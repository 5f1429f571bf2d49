"""Frames a second while window and level are dragged with the mouse over a radiograph, in the host's slice view.

A radiograph of 2500 x 2000 pixels in a view of 1280 x 900, three landmarks on it. Every mouse move is sent as a Qt
event and the event loop is run until the frame is on the widget, so the figure holds for what a reader sees. Compared
with the plain way to put VTK into a Qt widget: image and marks drawn by VTK, the window copied by
vtkWindowToImageFilter.

    python scripts/benchmarks/window_level.py [--moves 200]
"""

from __future__ import annotations

import argparse
import os
import time
from typing import Any

import numpy as np

SIZE = (1280, 900)
GOAL = 30.0


def main() -> int:
    """Print both figures; the exit code is 1 when the host's is below the goal."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--moves", type=int, default=200, help="mouse moves measured")
    moves = parser.parse_args().moves
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    import slicerhost

    slicer = slicerhost.start()
    view, volume = show_radiograph(slicer)
    fps, slowest, frames = drag(slicer, view, volume, view, moves)
    print(f"host:  {fps:6.1f} frames a second (slowest {slowest:.0f} ms, {frames} frames for {moves} moves)")
    naive = naive_view(slicer, view)
    plain, slowest, _ = drag(slicer, view, volume, naive, moves)
    print(f"plain: {plain:6.1f} frames a second (slowest {slowest:.0f} ms)")
    print(f"ratio: {fps / plain:6.1f}")
    print(f"goal:  {GOAL:6.1f} frames a second: {'met' if fps >= GOAL else 'MISSED'}", flush=True)
    os._exit(0 if fps >= GOAL else 1)


def show_radiograph(slicer: Any) -> tuple[Any, Any]:
    """A view of the size measured, showing a radiograph with three landmarks."""
    import qt

    manager = slicer.app.layoutManager()
    manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpRedSliceView)
    global place  # the window must outlive this function
    place = qt.QWidget()
    manager.setViewport(place)
    widget = manager.sliceWidget("Red")
    widget.sliceController().setVisible(False)
    place.resize(*SIZE)
    place.show()
    slicer.app.processEvents()
    rows, columns = np.mgrid[0:2500, 0:2000]
    noise = np.random.default_rng(0).normal(0, 60, rows.shape)
    pixels = (2000 + 1500 * np.sin(columns / 40) * np.cos(rows / 60) + noise).clip(0, 4095).astype(np.uint16)
    volume = slicer.util.addVolumeFromArray(pixels[None], ijkToRAS=np.diag([-0.15, -0.15, 1, 1]), name="radiograph")
    volume.CreateDefaultDisplayNodes()
    volume.GetDisplayNode().SetAutoWindowLevel(False)
    slicer.util.setSliceViewerLayers(background=volume, fit=True)
    marks = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode")
    for column, row in ((500, 700), (900, 1200), (1400, 1800)):
        marks.AddControlPoint(-0.15 * column, -0.15 * row, 0)
    slicer.app.processEvents()
    view = widget.sliceView()
    assert tuple(view.renderWindow().GetSize()) == SIZE, view.renderWindow().GetSize()
    return view, volume


def drag(slicer: Any, view: Any, volume: Any, shown: Any, moves: int) -> tuple[float, float, int]:
    """Drag over a view with the window/level mode on; (frames a second, slowest frame in ms, frames drawn)."""
    from PySide6.QtCore import QPoint, QPointF, Qt
    from PySide6.QtGui import QMouseEvent
    from PySide6.QtTest import QTest

    interaction = slicer.app.applicationLogic().GetInteractionNode()
    interaction.SetCurrentInteractionMode(interaction.AdjustWindowLevel)
    volume.GetDisplayNode().SetWindowLevel(3000, 2000)
    none, left = Qt.KeyboardModifier.NoModifier, Qt.MouseButton.LeftButton
    QTest.mouseMove(view, QPoint(640, 450))
    QTest.mousePress(view, left, none, QPoint(640, 450))
    times, before = [], view.frames
    for move in range(moves + 10):
        angle = move / 15
        at = QPointF(640 + 200 * np.sin(angle), 450 + 150 * np.cos(angle))
        start = time.perf_counter()
        event = QMouseEvent(QMouseEvent.Type.MouseMove, at, at, Qt.MouseButton.NoButton, left, none)
        slicer.app.sendEvent(view, event)
        if shown is not view:
            shown.repaint()
        else:
            slicer.app.processEvents()
        times.append(time.perf_counter() - start)
    QTest.mouseRelease(view, left, none, QPoint(640, 450))
    measured = np.array(times[10:])
    return 1 / measured.mean(), 1000 * measured.max(), view.frames - before


def naive_view(slicer: Any, view: Any) -> Any:
    """The same slice and marks in a plain widget: everything drawn by VTK, copied through vtkWindowToImageFilter."""
    from PySide6.QtGui import QImage, QPainter
    from PySide6.QtWidgets import QWidget
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkRenderingCore import vtkWindowToImageFilter

    view.setRenderEnabled(False)
    window = view.renderWindow()

    class Naive(QWidget):
        def paintEvent(self, _event: Any) -> None:  # noqa: N802
            window.Render()
            capture = vtkWindowToImageFilter()
            capture.SetInput(window)
            capture.ReadFrontBufferOff()
            capture.Update()
            width, height, _ = capture.GetOutput().GetDimensions()
            scalars = capture.GetOutput().GetPointData().GetScalars()
            rows = vtk_to_numpy(scalars).reshape(height, width, 3)[::-1].copy()
            image = QImage(rows.data, width, height, 3 * width, QImage.Format.Format_RGB888).copy()
            painter = QPainter(self)
            painter.drawImage(0, 0, image)
            painter.end()

    naive = Naive()
    naive.resize(*SIZE)
    naive.show()
    slicer.app.processEvents()
    return naive


if __name__ == "__main__":
    raise SystemExit(main())
