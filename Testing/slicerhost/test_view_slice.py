"""The slice view: what it shows, and what mouse and keys do in it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest


def test_the_picture_is_the_volume_through_its_window(hand, radiograph, slicer):
    hand.show(radiograph)
    values = slicer.util.arrayFromVolume(radiograph)[0]
    high = float(values.max())
    picture = hand.picture()
    for x, y in ((300, 200), (430, 380), (520, 600)):
        row, column = hand.pixel_at(radiograph, x, y)
        expected = 255.0 * float(values[round(row), round(column)]) / high
        assert abs(float(picture[y, x, 0]) - expected) < 2.5
    assert (picture[5, 5] == 0).all()


def test_qt_paints_what_vtk_would_draw(hand, radiograph, slicer, scene):
    """The picture painted by Qt is, with markups and text on it, the one that the render window has by itself."""
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkRenderingCore import vtkWindowToImageFilter

    hand.show(radiograph)
    roi = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode")
    roi.SetCenter(-15, -18, 0)
    roi.SetSize(9, 9, 9)
    roi.GetDisplayNode().SetFillOpacity(0.5)
    hand.view.cornerAnnotation().SetText(2, "wrist")
    hand.view.forceRender()
    painted = hand.picture().astype(int)
    window = hand.view.renderWindow()
    capture = vtkWindowToImageFilter()
    capture.SetInput(window)
    capture.ReadFrontBufferOff()
    capture.Update()
    width, height, _ = capture.GetOutput().GetDimensions()
    drawn = vtk_to_numpy(capture.GetOutput().GetPointData().GetScalars()).reshape(height, width, 3)[::-1].astype(int)
    hand.view.cornerAnnotation().ClearAllTexts()
    assert drawn.shape == painted.shape
    assert (np.abs(drawn - painted).max(axis=2) > 3).mean() < 0.002
    assert (drawn[..., 0] != drawn[..., 1]).sum() > 1000  # the box is there, in colour


def test_a_volume_gone_leaves_a_black_view(hand, radiograph, scene):
    hand.show(radiograph)
    assert hand.picture().any()
    scene.RemoveNode(radiograph)
    hand.settle()
    assert not hand.picture().any()


@pytest.mark.parametrize("row_column", [(31, 40), (120, 100), (200, 163)])
def test_at_eight_times_zoom_a_click_lands_on_the_pixel_seen(hand, volume_of, scene, row_column):
    """A single bright pixel is looked for in the picture; the click on its centre must give its very indices."""
    pixels = np.zeros((1, 250, 200), np.uint16)
    pixels[0, row_column[0], row_column[1]] = 1000
    volume = volume_of(pixels)
    hand.show(volume)
    hand.zoom_to(volume, row_column[0] + 7, row_column[1] - 11, 8)
    bright = hand.picture()[..., 0].astype(float)
    ys, xs = np.mgrid[0 : bright.shape[0], 0 : bright.shape[1]]
    ratio = hand.view.devicePixelRatioF()
    x, y = (round(float((at * bright).sum() / bright.sum()) / ratio) for at in (xs, ys))
    node = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode")
    hand.place(node)
    hand.click(x, y)
    row, column = hand.pixel_of(volume, node.GetNthControlPointPositionWorld(0))
    step = ratio / 8  # how many image pixels one step of the mouse is
    assert abs(row - row_column[0]) <= 0.1 + step / 2
    assert abs(column - row_column[1]) <= 0.1 + step / 2


@pytest.mark.slow
@pytest.mark.parametrize("scale", ["1.25", "2"])
def test_scaled_screens(scale):
    """The same, in a process of its own, on a screen scaled by 125 % and 200 %."""
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "QT_SCALE_FACTOR": scale}
    test = f"{Path(__file__)}::test_at_eight_times_zoom_a_click_lands_on_the_pixel_seen"
    more = f"{Path(__file__)}::test_text_of_a_module_shows"
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", test, more],
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-3000:]


def test_points_are_filled_in_order_and_stay_under_the_cursor(hand, radiograph, scene):
    hand.show(radiograph)
    node = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "landmarks")
    for index, label in enumerate(("ulna", "radius", "centre")):
        node.AddControlPoint(0, 0, 0)
        node.SetNthControlPointLabel(index, label)
    node.UnsetAllControlPoints()
    node.SetFixedNumberOfControlPoints(True)
    hand.place(node, persistent=True)
    positions = [(350, 200), (420, 300), (470, 500)]
    for position in positions:
        hand.click(*position)
    assert node.GetNumberOfDefinedControlPoints() == 3
    for index, position in enumerate(positions):
        found = hand.pixel_of(radiograph, node.GetNthControlPointPositionWorld(index))
        assert np.allclose(found, hand.pixel_at(radiograph, *position), atol=0.01)


def test_dragging_a_point(hand, radiograph, scene):
    hand.show(radiograph)
    node = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode")
    hand.place(node)
    hand.click(350, 300)
    hand.drag((350, 300), (430, 411))
    found = hand.pixel_of(radiograph, node.GetNthControlPointPositionWorld(0))
    assert np.allclose(found, hand.pixel_at(radiograph, 430, 411), atol=0.3)


def test_a_locked_point_stays(hand, radiograph, scene):
    hand.show(radiograph)
    node = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode")
    hand.place(node)
    hand.click(350, 300)
    node.SetLocked(True)
    before = node.GetNthControlPointPosition(0)
    hand.drag((350, 300), (430, 411))
    assert node.GetNthControlPointPosition(0) == before


def test_boxes_and_curves(hand, radiograph, scene):
    hand.show(radiograph)
    box = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode")
    hand.place(box)
    hand.click(320, 200)
    hand.click(420, 330)
    spacing = abs(hand.node.GetXYToRAS().GetElement(0, 0))
    assert np.allclose(box.GetSize()[:2], (100 * spacing, 130 * spacing), rtol=0.02)
    curve = scene.AddNewNodeByClass("vtkMRMLMarkupsClosedCurveNode")
    hand.place(curve)
    for position in ((480, 300), (540, 320), (530, 420)):
        hand.click(*position)
    hand.click(530, 420, hand.Qt.MouseButton.RightButton)
    assert curve.GetNumberOfDefinedControlPoints() == 3


def test_window_and_level_change_only_in_their_mode(hand, radiograph, slicer):
    hand.show(radiograph)
    display = radiograph.GetDisplayNode()
    before = display.GetWindow(), display.GetLevel()
    hand.drag((300, 300), (380, 340))
    assert (display.GetWindow(), display.GetLevel()) == before
    interaction = slicer.app.applicationLogic().GetInteractionNode()
    interaction.SetCurrentInteractionMode(interaction.AdjustWindowLevel)
    dark = hand.picture().astype(int)
    hand.drag((300, 300), (380, 340))
    assert display.GetWindow() > before[0]
    assert display.GetLevel() != before[1]
    assert np.abs(hand.picture().astype(int) - dark).max() > 10


def test_right_drag_zooms_middle_and_shift_drag_pan(hand, radiograph):
    hand.show(radiograph)
    qt = hand.Qt
    field = hand.node.GetFieldOfView()[0]
    hand.drag((300, 300), (300, 360), qt.MouseButton.RightButton)
    assert hand.node.GetFieldOfView()[0] < 0.95 * field
    for button, modifiers in ((qt.MouseButton.MiddleButton, None), (None, qt.KeyboardModifier.ShiftModifier)):
        under = hand.pixel_at(radiograph, 400, 400)
        hand.drag((400, 400), (440, 380), button, modifiers)
        assert np.allclose(hand.pixel_at(radiograph, 440, 380), under, atol=0.6)


def test_control_wheel_zooms_at_the_cursor(hand, radiograph):
    hand.show(radiograph)
    under, field = hand.pixel_at(radiograph, 350, 500), hand.node.GetFieldOfView()[0]
    hand.wheel(350, 500, 120, hand.Qt.KeyboardModifier.ControlModifier)
    assert hand.node.GetFieldOfView()[0] < 0.95 * field
    assert np.allclose(hand.pixel_at(radiograph, 350, 500), under, atol=0.01)


def test_the_wheel_goes_through_slices_and_fine_wheels_add_up(hand, volume_of):
    volume = volume_of(np.arange(7 * 40 * 30, dtype=np.uint16).reshape(7, 40, 30))
    hand.show(volume)
    hand.logic.SetSliceOffset(3.0)
    hand.wheel(400, 400, 120)
    assert hand.logic.GetSliceOffset() == pytest.approx(4.0)
    for _ in range(4):
        hand.wheel(400, 400, -30)
    assert hand.logic.GetSliceOffset() == pytest.approx(3.0)


def test_keys(hand, radiograph):
    hand.show(radiograph)
    seen = []
    interactor = hand.view.interactor()
    tag = interactor.AddObserver(
        "KeyPressEvent", lambda o, _e: seen.append((o.GetKeySym(), o.GetKeyCode(), o.GetControlKey(), o.GetShiftKey()))
    )
    key, modifier = hand.Qt.Key, hand.Qt.KeyboardModifier
    hand.key(key.Key_A)
    hand.key(key.Key_A, modifier.ShiftModifier)
    hand.key(key.Key_Escape)
    hand.key(key.Key_F3)
    hand.key(key.Key_Z, modifier.ControlModifier)
    interactor.RemoveObserver(tag)
    seen = [s for s in seen if not s[0].endswith("_L")]  # shift and control themselves
    assert [s[0] for s in seen] == ["a", "A", "Escape", "F3", "z"]
    assert [s[2] for s in seen] == [0, 0, 0, 0, 1]
    assert [s[3] for s in seen] == [0, 1, 0, 0, 0]
    hand.zoom_to(radiograph, 100, 100, 8)
    hand.move(300, 300)
    hand.key(key.Key_R)  # reset, as in Slicer
    assert hand.node.GetFieldOfView()[1] > 30


def test_double_click_enter_and_leave_reach_vtk(hand):
    seen = []
    interactor = hand.view.interactor()
    tags = [
        interactor.AddObserver(event, lambda _o, e: seen.append(e), 10.0)
        for event in ("LeftButtonDoubleClickEvent", "EnterEvent", "LeaveEvent")
    ]
    qt = hand.Qt
    hand.QTest.mouseDClick(hand.view, qt.MouseButton.LeftButton, qt.KeyboardModifier.NoModifier, hand.QPoint(200, 200))
    from PySide6.QtCore import QEvent
    from PySide6.QtGui import QEnterEvent

    at = hand.QPointF(10, 10)
    hand.slicer.app.sendEvent(hand.view, QEnterEvent(at, at, at))
    hand.slicer.app.sendEvent(hand.view, QEvent(QEvent.Type.Leave))
    for tag in tags:
        interactor.RemoveObserver(tag)
    assert seen == ["LeftButtonDoubleClickEvent", "EnterEvent", "LeaveEvent"]


def test_the_cursor_is_a_cross_while_placing(hand, radiograph, scene):
    hand.show(radiograph)
    shape = hand.Qt.CursorShape
    assert hand.view.cursor.shape() == shape.ArrowCursor
    hand.place(scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode"))
    assert hand.view.cursor.shape() == shape.CrossCursor
    hand.click(300, 300)
    assert hand.view.cursor.shape() == shape.ArrowCursor


def test_text_of_a_module_shows(hand, radiograph):
    import vtk

    hand.show(radiograph)
    before = hand.picture()
    text = vtk.vtkTextActor()
    text.SetInput("simulated-data model")
    text.GetTextProperty().SetFontSize(18)
    text.GetTextProperty().SetColor(1, 0.4, 0)
    text.SetPosition(8, 8)
    renderer = hand.view.renderWindow().GetRenderers().GetFirstRenderer()
    renderer.AddViewProp(text)
    hand.view.scheduleRender()
    hand.settle()
    changed = np.abs(hand.picture().astype(int) - before).max(axis=2) > 60
    ratio = hand.view.devicePixelRatioF()
    assert changed.sum() > 300 * ratio
    rows, columns = np.nonzero(changed)
    assert rows.min() > changed.shape[0] - 40 * ratio
    assert columns.max() > 120 * ratio  # as large as on a screen that is not scaled
    text.SetInput("")  # without asking for a frame: shows with the next change of the slice
    radiograph.GetDisplayNode().SetLevel(radiograph.GetDisplayNode().GetLevel() + 1)
    hand.settle()
    assert (np.abs(hand.picture().astype(int) - before).max(axis=2) > 60).sum() == 0
    renderer.RemoveViewProp(text)


def test_many_changes_make_one_frame(hand, radiograph):
    hand.show(radiograph)
    frames = hand.view.frames
    for step in range(50):
        radiograph.GetDisplayNode().SetLevel(100 + step)
        hand.view.scheduleRender()
    hand.settle()
    assert hand.view.frames == frames + 1


def test_paused_and_batched_changes_wait(hand, radiograph, slicer, scene):
    hand.show(radiograph)
    frames = hand.view.frames
    slicer.app.pauseRender()
    radiograph.GetDisplayNode().SetLevel(55)
    hand.settle()
    assert hand.view.frames == frames
    slicer.app.resumeRender()
    hand.settle()
    assert hand.view.frames == frames + 1
    scene.StartState(scene.BatchProcessState)
    radiograph.GetDisplayNode().SetLevel(77)
    hand.settle()
    assert hand.view.frames == frames + 1
    scene.EndState(scene.BatchProcessState)
    hand.settle()
    assert hand.view.frames > frames + 1


def test_positions_convert_there_and_back(hand, radiograph):
    hand.show(radiograph)
    ras = hand.view.convertXYZToRAS([120, 80, 0])
    assert hand.view.convertRASToXYZ(ras) == pytest.approx([120, 80, 0])


def test_a_soft_overlay_is_blended(hand, radiograph, slicer, scene):
    """A vector volume with alpha on a radiograph, half opaque: colour where it is, the radiograph elsewhere."""
    hand.show(radiograph)
    plain = hand.picture().astype(int)
    pixels = np.zeros((1, 250, 200, 4), np.uint8)
    pixels[0, 100:150, 80:120] = (255, 0, 0, 255)
    overlay = scene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", "map")
    slicer.util.updateVolumeFromArray(overlay, pixels)
    overlay.SetIJKToRASDirections(-1, 0, 0, 0, -1, 0, 0, 0, 1)
    overlay.SetSpacing(0.15, 0.15, 1)
    overlay.CreateDefaultDisplayNodes()
    slicer.util.setSliceViewerLayers(foreground=overlay, foregroundOpacity=0.5)
    hand.settle()
    blended = hand.picture().astype(int)
    different = np.abs(blended - plain).max(axis=2) > 2
    rows, columns = np.nonzero(different)
    assert 100 - 1.5 < hand.pixel_at(radiograph, columns.min(), rows.min())[0] < 100 + 1
    centre = rows.mean().round().astype(int), columns.mean().round().astype(int)
    assert blended[centre][0] == pytest.approx((plain[centre][0] + 255) / 2, abs=4)


def test_vtks_own_keys_do_nothing(hand, radiograph):
    """VTK's plain styles switch to stereo, wireframe or another camera on these keys; a slice view must not."""
    hand.show(radiograph)
    hand.move(400, 300)
    window, camera = hand.view.renderWindow(), hand.view.renderer().GetActiveCamera()
    before, position = hand.picture(), camera.GetPosition()
    for key in "3WSPFJTEQ":
        hand.key(getattr(hand.Qt.Key, f"Key_{key}"))
    assert not window.GetStereoRender()
    assert camera.GetPosition() == position
    assert (hand.picture() == before).mean() > 0.99


def test_shortcuts_of_a_module_come_before_the_views_keys(hand, radiograph, window):
    """A module's shortcut works with the pointer and the focus in the view."""
    import qt

    hand.show(radiograph)
    window.activateWindow()
    pressed = []
    shortcut = qt.QShortcut(qt.QKeySequence("R"), window)
    shortcut.connect("activated()", lambda: pressed.append("R"))
    hand.zoom_to(radiograph, 100, 100, 8)
    field = hand.node.GetFieldOfView()[0]
    hand.move(300, 300)
    hand.key(hand.Qt.Key.Key_R)
    assert pressed == ["R"]
    assert hand.node.GetFieldOfView()[0] == field
    shortcut.setParent(None)
    shortcut.deleteLater()
