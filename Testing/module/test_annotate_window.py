"""The annotation page in a real window: marks by the mouse, keys, what is shown and what is hidden."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fractureai.dataset import Annotation, Dataset, RadiographRow


def test_drag_corrects_and_one_undo_takes_the_whole_drag_back(desk, dataset_folder):
    desk.open(dataset_folder)
    clicked = desk.place_all(desk.truth().landmarks)
    name, (row, col) = next(iter(clicked.items()))
    start, end = desk.point_of(row, col), desk.point_of(row + 40, col - 30)
    target = desk.pixel_under(end)
    desk.drag(start, end)
    assert math.dist(desk.stored().landmarks[name], target) < 2.0
    desk.key(desk.Qt.Key.Key_Z, widget=desk.view)
    assert math.dist(desk.stored().landmarks[name], (row, col)) < 1.0
    assert set(desk.stored().landmarks) == set(clicked)


def test_redo_one_landmark(desk, dataset_folder):
    desk.open(dataset_folder)
    clicked = desk.place_all(desk.truth().landmarks)
    names = list(clicked)
    assert set(desk.stored().landmarks) == set(names)
    _holder, _button, _distance, target = desk.page.landmarks.rows._rows[1]
    desk.press(target)
    assert names[1] not in desk.stored().landmarks
    assert desk.page.landmarks.placing
    row, col = clicked[names[1]]
    point = desk.point_of(row - 25, col + 12)
    desk.click(point)
    assert math.dist(desk.stored().landmarks[names[1]], desk.pixel_under(point)) < 1.0
    assert math.dist(desk.stored().landmarks[names[2]], clicked[names[2]]) < 1.0
    assert not desk.page.landmarks.placing


def test_regions_by_the_mouse(desk, dataset_folder):
    desk.open(dataset_folder)
    desk.key(desk.Qt.Key.Key_R)
    corners = desk.point_of(200, 150), desk.point_of(260, 230)
    for corner in corners:
        desk.click(corner)
    desk.settle(0.2)
    (box,) = desk.stored().regions
    assert (box.kind, box.shape) == ("fracture", "box")
    for found, corner in zip(box.points, corners, strict=True):
        assert math.dist(found, desk.pixel_under(corner)) < 1.5
    desk.ui.boneBox.currentIndex = 1  # the new region is the chosen one
    desk.wait(lambda: desk.page.autosave.state == "saved")
    assert desk.stored().regions[0].bone == "radius"
    desk.key(desk.Qt.Key.Key_L)
    for row, col in ((300, 200), (320, 240), (330, 280)):
        desk.click(desk.point_of(row, col))
    desk.click(desk.point_of(340, 300), desk.Qt.MouseButton.RightButton)
    desk.settle(0.2)
    assert [region.shape for region in desk.stored().regions] == ["box", "curve"]
    assert len(desk.stored().regions[1].points) == 3
    desk.key(desk.Qt.Key.Key_Z, widget=desk.view)
    assert [region.shape for region in desk.stored().regions] == ["box"]


def test_marks_are_hidden_while_space_is_held(desk, dataset_folder):
    from PySide6.QtTest import QTest

    desk.open(dataset_folder)
    desk.place_all(desk.truth().landmarks)
    display = desk.page.landmarks.node.GetDisplayNode()
    assert display.GetVisibility()
    QTest.keyPress(desk.window, desk.Qt.Key.Key_Space)
    desk.settle()
    assert not display.GetVisibility()
    QTest.keyRelease(desk.window, desk.Qt.Key.Key_Space)
    desk.settle()
    assert display.GetVisibility()


def test_zoom_turn_and_window_by_key(desk, dataset_folder):
    desk.open(dataset_folder)
    node = desk.page.screen.logic().GetSliceNode()
    whole = node.GetFieldOfView()[0]
    desk.key(desk.Qt.Key.Key_Plus)
    assert node.GetFieldOfView()[0] == pytest.approx(whole / 1.25)
    desk.key(desk.Qt.Key.Key_Minus)
    assert node.GetFieldOfView()[0] == pytest.approx(whole)
    before = desk.pixel_under(desk.view.rect.center())
    desk.key(desk.Qt.Key.Key_BracketRight)
    turned = desk.point_of(before[0], before[1] + 50) - desk.point_of(*before)
    assert abs(turned.x()) <= 1  # what was to the right is now below
    assert turned.y() > 10
    display = desk.page.case.volume.GetDisplayNode()
    window = display.GetWindow()
    desk.key(desk.Qt.Key.Key_W)
    assert display.GetWindow() != window


def test_the_radiograph_stays_whole_when_the_window_grows(desk, dataset_folder):
    desk.open(dataset_folder)
    node = desk.page.screen.logic().GetSliceNode()
    rows, columns = desk.page.case.radiograph.shape
    for size in ((1920, 1080), (1280, 800)):
        desk.window.resize(*size)
        desk.settle(0.3)
        corners = [desk.point_of(0, 0), desk.point_of(rows - 1, columns - 1)]
        assert all(desk.view.rect.adjusted(-2, -2, 2, 2).contains(corner) for corner in corners)
        assert corners[1].y() - corners[0].y() > 0.97 * desk.view.height or node.GetFieldOfView()[0] > 0


def test_a_changed_key_works_and_is_shown(desk, dataset_folder):
    from FractureAILib.keys_dialog import KeysDialog

    desk.open(dataset_folder)
    dialog = KeysDialog(desk.session.settings, desk.page.shortcuts.actions)
    dialog.set_keys("Label2", "1")
    dialog.accept()
    assert "twice" in dialog._problem.text
    dialog.set_keys("Label2", "Ctrl+J")
    dialog.accept()
    desk.page.enter()
    desk.key(desk.Qt.Key.Key_2)
    assert desk.page.editor.annotation.label is None
    desk.key(desk.Qt.Key.Key_J, desk.Qt.KeyboardModifier.ControlModifier)
    assert desk.stored().label == "fracture"


def test_rater_is_asked_once_and_checked(desk, dataset_folder):
    assert desk.session.dataset_actions.open(str(dataset_folder))
    desk.wait(lambda: desk.page.case is not None)
    header = desk.widget.ui
    assert not header.raterPanel.isHidden()
    assert not desk.ui.casePanel.enabled
    for wrong in ("", "truth", "model:demo", "\t", "consensus"):
        header.raterEdit.text = wrong
        desk.press(header.raterOkButton)
        assert desk.session.rater == ""
        assert header.footerLabel.text
    desk.type(header.raterEdit, "AM")
    header.raterEdit.text = "AM"
    desk.press(header.raterOkButton)
    desk.wait(lambda: desk.page.editor.annotation is not None)
    assert desk.session.rater == "AM"
    assert header.raterPanel.isHidden()
    assert desk.ui.casePanel.enabled
    assert desk.session.settings.rater == "AM"


def test_blinded_hides_the_others(desk, dataset_folder):
    dataset = Dataset.open(dataset_folder)
    for row in dataset.radiographs:
        dataset.save(Annotation(row.id, "BK", status="done", label="fracture"))
    desk.open(dataset_folder)
    view = desk.ui.worklistView
    assert "BK" in desk.page.list.worklist.entries[0].raters
    assert not view.isColumnHidden(5)
    desk.press(desk.widget.ui.blindedButton)
    desk.wait(lambda: view.isColumnHidden(5) and view.isColumnHidden(6))
    assert desk.page.list.worklist.entries[0].others == ()


def test_dropped_files_are_added(desk, dataset_folder, tmp_path):
    from PySide6.QtCore import QMimeData, QPoint, QPointF, QUrl
    from PySide6.QtGui import QDragEnterEvent, QDropEvent

    Dataset.create(tmp_path / "mine", name="Mine")
    desk.session.rater = "AM"
    assert desk.session.dataset_actions.open(str(tmp_path / "mine"))
    files = sorted((dataset_folder / "images").glob("*.dcm"))[:3]
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in files])
    panel = desk.widget.ui.FractureAI
    copy, none = desk.Qt.DropAction.CopyAction, desk.Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(QPoint(20, 20), copy, data, desk.Qt.MouseButton.LeftButton, none)
    desk.slicer.app.sendEvent(panel, enter)
    assert enter.isAccepted()
    drop = QDropEvent(QPointF(20, 20), copy, data, desk.Qt.MouseButton.LeftButton, none)
    desk.slicer.app.sendEvent(panel, drop)
    desk.wait(lambda: desk.page.case is not None)
    assert len(Dataset.open(tmp_path / "mine").radiographs) == 3
    assert "3 radiographs added" in desk.widget.ui.footerLabel.text


def test_simulated_wrists_come_up_with_progress(desk, tmp_path):
    told = []
    desk.session.rater = "AM"
    desk.session.dataset_actions.progress.connect(lambda sentence, share: told.append((sentence, share)))
    desk.session.dataset_actions.simulate(str(tmp_path / "new"), studies=3, pixels=128)
    desk.wait(lambda: desk.page.case is not None)
    assert len(desk.page.list.worklist.entries) == 6
    assert any(share == 1.0 for _sentence, share in told)
    assert desk.widget.ui.workPanel.isHidden()
    desk.session.dataset_actions.simulate(str(tmp_path / "other"), studies=50, pixels=128)
    desk.settle(0.2)
    desk.session.dataset_actions.cancel()
    desk.wait(lambda: not (tmp_path / "other").exists())
    assert desk.widget.ui.workPanel.isHidden()


def test_five_thousand_rows_stay_fluid(desk, tmp_path):
    dataset = Dataset.create(tmp_path / "large", name="Large")
    dataset.add_rows(
        RadiographRow(f"1.2.{n}", study=f"1.{n // 2}", patient=f"P-{n // 2:08d}", view="PA" if n % 2 else "LAT")
        for n in range(5000)
    )
    dataset.save_all(Annotation(f"1.2.{n}", "AM", status="done", label="normal") for n in range(0, 5000, 5))
    desk.session.rater = "AM"
    desk.session.dataset_actions.open(str(dataset.folder))
    desk.wait(lambda: len(desk.page.list.worklist.entries) == 5000 and desk.page.current is not None)
    assert desk.ui.progressLabel.text.startswith("1000 of 5000")
    began = time.perf_counter()
    desk.ui.openCheck.checked = True
    desk.slicer.app.processEvents()
    assert desk.page.list.visible_count() == 4000
    assert time.perf_counter() - began < 1.0
    began = time.perf_counter()
    desk.page.list.update(Annotation("1.2.1", "AM", status="flagged"))
    desk.slicer.app.processEvents()
    assert time.perf_counter() - began < 2.0


def test_the_focus_goes_from_top_to_bottom(desk, dataset_folder):
    from PySide6.QtTest import QTest

    desk.open(dataset_folder)
    desk.ui.worklistView.setFocus()
    seen = []
    for _step in range(12):
        QTest.keyClick(desk.window.focusWidget() or desk.window, desk.Qt.Key.Key_Tab)
        desk.settle(0.01)
        seen.append(desk.window.focusWidget().name)
    order = ["mineCheck", "openCheck", "flaggedCheck", "searchEdit", "viewBox", "sideBox", "placeButton"]
    assert [name for name in seen if name in order] == order


def test_nothing_is_cut_off(desk, dataset_folder):
    from PySide6.QtWidgets import QWidget

    desk.open(dataset_folder)
    desk.ui.detailsButton.setCollapsed(False)
    for size in ((1280, 800), (1920, 1080)):
        desk.window.resize(*size)
        desk.settle(0.3)
        area = desk.window.panel_area().viewport()
        for child in desk.widget.ui.FractureAI.findChildren(QWidget):
            if child.isVisibleTo(area) and child.name and not child.name.startswith("qt_"):
                right = child.mapTo(area, child.rect.topRight()).x()
                assert right <= area.width, child.name


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("xvfb-run") is None, reason="Xvfb is not installed")
def test_the_day_on_an_x_server():
    test = str(Path(__file__).with_name("test_annotate_day.py")) + "::test_a_day"
    environment = {**os.environ, "QT_QPA_PLATFORM": "xcb"}
    command = ["xvfb-run", "-a", "-s", "-screen 0 1920x1200x24", sys.executable, "-m", "pytest", "-q", test]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]


def test_a_click_counts_although_the_mouse_has_not_moved(desk, dataset_folder):
    from PySide6.QtTest import QTest

    desk.open(dataset_folder)
    point = desk.point_of(300, 200)
    QTest.mouseMove(desk.view, point)
    desk.settle()
    desk.key(desk.Qt.Key.Key_P)
    QTest.mouseClick(desk.view, desk.Qt.MouseButton.LeftButton, desk.Qt.KeyboardModifier.NoModifier, point)
    desk.settle()
    (found,) = desk.stored().landmarks.values()
    assert math.dist(found, desk.pixel_under(point)) < 1.0


def test_unsaved_marks_survive_the_end_of_the_program(desk, dataset_folder, tmp_path):
    desk.open(dataset_folder)
    marked = desk.page.current
    dataset_folder.rename(tmp_path / "gone")  # the drive is lost ...
    desk.key(desk.Qt.Key.Key_2)
    assert desk.page.autosave.state == "failed"
    assert "not saved" in desk.page.screen.text().text("alarm")
    desk.page.autosave._timer.stop()
    fresh = desk.slicer.modules.fractureai.createNewWidgetRepresentation()  # ... the program ends, another one starts
    widget = fresh.self()
    (tmp_path / "gone").rename(dataset_folder)
    widget.session.rater = "AM"
    page = widget.pages[0]
    assert widget.session.dataset_actions.open(str(dataset_folder))
    desk.wait(lambda: page.editor.annotation is not None)
    assert not page.ui.rescueButton.isHidden()
    assert Dataset.open(dataset_folder).annotation(marked, "AM") is None
    page.ui.rescueButton.click()
    desk.wait(lambda: page.ui.rescueButton.isHidden())
    assert Dataset.open(dataset_folder).annotation(marked, "AM").label == "fracture"
    widget.cleanup()
    desk.page.autosave.take_theirs()


def test_proposals_are_ghosts_to_drag_or_accept(desk, dataset_folder):
    desk.open(dataset_folder)
    truth = desk.truth().landmarks
    proposed = {name: (row + 30, col + 20) for name, (row, col) in truth.items()}
    desk.page.landmarks.propose(proposed)
    desk.page.labels.warn(["The model sees a left wrist."])
    assert desk.stored() is None  # a proposal is no mark
    name, (row, col) = next(iter(proposed.items()))
    end = desk.point_of(row - 60, col + 10)
    target = desk.pixel_under(end)
    desk.drag(desk.point_of(row, col), end)
    desk.settle(0.2)
    assert math.dist(desk.stored().landmarks[name], target) < 2.0
    names = desk.page.case.profile(desk.page.editor.annotation).landmark_names
    _holder, _button, distance, _redo = desk.page.landmarks.rows._rows[names.index(name)]
    mm = math.dist(target, proposed[name]) * desk.page.case.radiograph.spacing_mm[0]
    assert float(distance.text.split()[0]) == pytest.approx(mm, abs=0.5)
    desk.key(desk.Qt.Key.Key_A, widget=desk.view)
    marks = desk.stored().landmarks
    assert math.dist(marks[name], target) < 2.0  # what was placed stays
    assert all(math.dist(marks[other], proposed[other]) < 0.1 for other in proposed if other != name)
    desk.press(desk.widget.ui.blindedButton)
    assert desk.page.landmarks.proposals == {}
    assert desk.ui.acceptButton.isHidden()
    assert desk.ui.viewWarning.isHidden()


def test_reload_leaves_nothing_behind(desk, dataset_folder):
    import threading

    from PySide6.QtGui import QShortcut

    from fractureai.scene import nodes

    def left() -> tuple[int, int]:
        threads = [t for t in threading.enumerate() if t.name.startswith("FractureAI") and t.is_alive()]
        return len(desk.window.findChildren(QShortcut)), len(threads)

    desk.panel.exit()
    desk.settle(0.2)
    before = left()
    for _time in range(3):
        panel = desk.slicer.modules.fractureai.createNewWidgetRepresentation()
        panel.enter()
        widget = panel.self()
        widget.session.rater = "AM"
        widget.session.dataset_actions.open(str(dataset_folder))
        page = widget.pages[0]
        desk.wait(lambda page=page: page.case is not None)
        panel.exit()
        widget.cleanup()
        panel.deleteLater()
        desk.settle(0.3)
    desk.wait(lambda: left() <= before)
    assert not list(nodes.nodes_of_kind("radiograph"))
    assert not desk.slicer.util.getNodesByClass("vtkMRMLMarkupsNode")
