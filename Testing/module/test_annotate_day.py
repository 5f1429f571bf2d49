"""A whole annotator's day at the window: marks by mouse and keys, nothing lost."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fractureai.dataset import Dataset


def test_three_landmarks_within_a_pixel_at_eightfold_zoom(desk, dataset_folder):
    desk.open(dataset_folder)
    truth = desk.truth().landmarks
    names = desk.page.case.profile(desk.page.editor.annotation).landmark_names
    desk.key(desk.Qt.Key.Key_P)
    assert desk.page.landmarks.placing
    for name in names:
        desk.look_at(*truth[name], 8.0)
        point = desk.point_of(*truth[name])
        desk.click(point)
        row, col = desk.stored().landmarks[name]
        assert math.dist((row, col), truth[name]) < 1.0
        assert math.dist((row, col), desk.pixel_under(point)) < 0.2  # what was clicked, to a screen pixel or two
    assert not desk.page.landmarks.placing  # the walk ends by itself
    assert set(desk.stored().landmarks) == set(names)


def test_a_day(desk, dataset_folder):
    desk.open(dataset_folder)
    first = desk.page.current
    truth = desk.truth()
    clicked = desk.place_all(truth.landmarks)
    for name, point in clicked.items():
        assert math.dist(desk.stored().landmarks[name], point) < 1.0
    desk.key(desk.Qt.Key.Key_2)
    assert desk.stored().label == "fracture"
    desk.key(desk.Qt.Key.Key_Z)
    assert desk.stored().label is None
    desk.key(desk.Qt.Key.Key_Z, desk.Qt.KeyboardModifier.ShiftModifier)
    assert desk.stored().label == "fracture"
    desk.press(desk.ui.commentEdit)
    desk.type(desk.ui.commentEdit, "zip 123")  # keys typed into a field are text, not commands
    desk.wait(lambda: desk.page.autosave.state == "saved")
    assert desk.stored().comment == "zip 123"
    assert desk.stored().label == "fracture"

    desk.key(desk.Qt.Key.Key_Return)  # next
    second = desk.page.current
    assert second != first
    assert desk.stored(first).status == "done"
    assert desk.stored(second) is None
    desk.wait(lambda: desk.page.case is not None)
    assert desk.ui.progressLabel.text.startswith("1 of 8")

    desk.key(desk.Qt.Key.Key_Z, widget=desk.view)  # undo goes back to where the change was made
    assert desk.page.current == first
    assert desk.stored(first).status == "open"
    desk.wait(lambda: desk.page.case is not None)
    assert set(desk.page.landmarks._read()) == set(truth.landmarks)
    desk.key(desk.Qt.Key.Key_Z, desk.Qt.KeyboardModifier.ShiftModifier, desk.view)
    assert desk.stored(first).status == "done"

    desk.session.rater = "BK"  # another rater sees none of it
    desk.wait(lambda: desk.page.editor.annotation is not None and desk.page.editor.annotation.rater == "BK")
    desk.settle()
    assert desk.page.editor.annotation.landmarks == {}
    assert desk.page.landmarks._read() == {}
    assert desk.ui.commentEdit.text == ""
    desk.key(desk.Qt.Key.Key_1, widget=desk.view)
    assert desk.stored(rater="BK").label == "normal"
    assert desk.stored(first, rater="AM").label == "fracture"


_MARKER = """
import os, sys, time
sys.path.insert(0, {here!r})
import conftest, slicerhost
slicer = slicerhost.start()
slicerhost.load_module(conftest.MODULE)
from slicerhost import MainWindow
window = MainWindow(slicer.app.layoutManager())
window.resize(1280, 800)
window.show()
panel = slicer.modules.fractureai.createNewWidgetRepresentation()
window.set_module("FractureAI", panel)
panel.enter()
desk = conftest.Desk(slicer, window, panel)
from pathlib import Path
desk.open(Path({folder!r}))
for number in range(20):
    truth = desk.truth().landmarks
    if desk.page.landmarks.node is not None:
        for name, point in desk.place_all(truth).items():
            print("placed", desk.page.current, name, *point, flush=True)
    desk.key(desk.Qt.Key.Key_1 if number % 2 else desk.Qt.Key.Key_2, widget=desk.view)
    print("label", desk.page.current, "normal" if number % 2 else "fracture", flush=True)
    desk.key(desk.Qt.Key.Key_Return, widget=desk.view)
    desk.wait(lambda: desk.page.case is not None)
"""


@pytest.mark.slow
@pytest.mark.parametrize("lines", [2, 5, 9])
def test_nothing_is_lost_when_the_process_is_killed(dataset_folder, tmp_path, lines):
    code = _MARKER.format(here=str(Path(__file__).parent), folder=str(dataset_folder))
    script = tmp_path / "mark.py"
    script.write_text(code)
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "XDG_CONFIG_HOME": str(tmp_path)}
    process = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True, env=environment)
    said = []
    end = time.monotonic() + 120
    while len(said) < lines and time.monotonic() < end:
        line = process.stdout.readline()
        assert line, "the process ended by itself"
        if line.split()[:1] in (["placed"], ["label"]):
            said.append(line.split())
    process.send_signal(signal.SIGKILL)
    process.wait()
    dataset = Dataset.open(dataset_folder)
    for what, radiograph, *values in said:
        annotation = dataset.annotation(radiograph, "AM")
        if what == "placed":
            name, row, col = values[0], float(values[1]), float(values[2])
            assert math.dist(annotation.landmarks[name], (row, col)) < 1.0
        else:
            assert annotation.label == values[0]
