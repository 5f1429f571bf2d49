"""A radiologist's reading in a real window with a real server: mouse, keys, pixels, saved scenes."""

from __future__ import annotations

import json
import os
import signal

import numpy as np
import pytest

from fractureai.dataset import Dataset
from fractureai.geometry import crop_matrix
from fractureai.inference import Pipeline
from fractureai.scene import reading as scene_reading

from .reading_room import ReadingRoom

FAR = 60
"""Grey levels of all three colours together by which a pixel of the map differs from the radiograph, at least."""


@pytest.fixture
def room(desk, tmp_path):
    made = ReadingRoom(desk, tmp_path)
    made.go()
    return made


@pytest.fixture(scope="session")
def studies(phantoms):
    """Decision -> the files of a study that is decided so, and its reading by the library."""
    dataset = Dataset.open(phantoms)
    pipeline = Pipeline.load("demo")
    found = {}
    for study in dict.fromkeys(row.study for row in dataset.radiographs):
        files = [dataset.image_path(row) for row in dataset.radiographs if row.study == study]
        prediction = pipeline.read(files)
        key = "refer" if prediction.refer else prediction.decision
        found.setdefault(key, (files, prediction))
    return found


@pytest.fixture
def positive(studies):
    return studies["positive"]


def test_a_positive_study_is_read_by_one_press(room, positive):
    files, expected = positive
    assert room.ui.emptyBox.visible  # nothing open yet: the page says what to do
    assert not room.ui.readButton.enabled
    room.open(*files)
    assert room.desk.slicer.app.layoutManager().layout == 29
    room.desk.wait(lambda: room.engine.state == "ready", 90)
    seen = []
    room.engine.state_changed.connect(lambda *state: seen.append(state))
    reading = room.read()
    assert reading["ensemble"]["probability"] == pytest.approx(expected.probability, abs=1e-6)
    line = expected.probability, expected.threshold, *expected.interval
    figures = [f"{value:.3f}" for value in line], [f"{value:.2f}" for value in line]
    texts = [f"Fracture likely {p} (threshold {t}, 95 % CI {low}-{high})" for p, t, low, high in figures]
    assert room.plain(room.ui.headlineLabel) in texts
    assert "how steady the model is" in room.ui.headlineLabel.toolTip.lower()
    table = room.ui.resultTable
    assert [table.item(row, 0).text() for row in range(table.rowCount)] == ["PA", "LAT", "Both"]
    assert [table.item(row, 4).text() for row in range(3)] == ["likely"] * 3
    assert expected.notice in room.plain(room.ui.noticeLabel)
    for name, view in (("Red", "PA"), ("Yellow", "LAT")):
        text = room.page.screen.text(name)
        assert text.text("top_left").startswith(view)
        assert "not for" in text.text("bottom_left")
        assert "mm" in text.text("scale")
    assert not seen  # a warm server was used as it was


def test_the_overlay_is_where_the_map_is(room, positive):
    files, expected = positive
    room.open(*files)
    room.read()
    room.ui.marksVisible.checked = False
    room.ui.overlayOpacity.value = 1.0
    for name, view in zip(("Red", "Yellow"), expected.views, strict=True):
        room.ui.overlayVisible.checked = True
        with_map = room.pixels(name)
        room.ui.overlayVisible.checked = False
        without = room.pixels(name)
        difference = np.abs(with_map - without).sum(axis=2)
        size = len(view.activation_map)
        grid = np.stack(np.meshgrid(np.arange(2, size, 6), np.arange(2, size, 6), indexing="ij"), -1).reshape(-1, 2)
        shares = view.activation_map[grid[:, 0], grid[:, 1]]
        on_image = (crop_matrix(view.roi, size) @ np.c_[grid, np.ones(len(grid))].T).T[:, :2]
        rows, columns = np.rint(room.places(name, on_image)).astype(int).T
        rows_seen, columns_seen = difference.shape
        inside = (rows > 60) & (rows < rows_seen - 90) & (columns > 5) & (columns < columns_seen - 5)
        strong, weak = inside & (shares > 0.75), inside & (shares < 0.15)
        assert strong.sum() > 5
        assert weak.sum() > 50
        assert (difference[rows[strong], columns[strong]] > FAR).all()
        assert (difference[rows[weak], columns[weak]] == 0).all()
        outside = np.ones_like(difference, bool)  # nothing beyond the region of interest is touched
        low, high = room.places(name, view.roi.corners()).min(axis=0), room.places(name, view.roi.corners()).max(axis=0)
        outside[max(0, int(low[0]) - 3) : int(high[0]) + 4, max(0, int(low[1]) - 3) : int(high[1]) + 4] = False
        assert (difference[outside] == 0).all()


def test_sliders_and_keys_change_what_is_seen(room, positive):
    desk, qt = room.desk, room.desk.Qt
    room.open(*positive[0])
    room.read()
    room.ui.marksVisible.checked = False
    shown = room.pixels()
    node = desk.widget._parameterNode
    desk.key(qt.Key.Key_H, widget=room.view())
    off = room.pixels()
    assert node.overlayVisible is False
    assert np.abs(shown - off).sum() > 10_000
    desk.key(qt.Key.Key_H, widget=room.view())
    assert room.same("Red", shown)

    slider = next(child for child in room.ui.overlayCutoff.findChildren("QObject") if child.inherits("QAbstractSlider"))
    slider.setFocus()
    for _ in range(6):
        desk.key(qt.Key.Key_Right, widget=slider)
    assert room.ui.overlayCutoff.value > 0.4
    assert node.overlayCutoff == pytest.approx(room.ui.overlayCutoff.value)
    narrow = room.pixels()
    area_before, area_after = ((np.abs(image - off).sum(axis=2) > 0).sum() for image in (shown, narrow))
    assert 0 < area_after < area_before
    node.overlayOpacity = 0.1  # the scene's node leads as well
    desk.settle()
    assert room.ui.overlayOpacity.value == pytest.approx(0.1)
    assert 0 < np.abs(room.pixels() - off).sum() < np.abs(narrow - off).sum()

    room.ui.marksVisible.checked = True
    desk._test.keyPress(room.view(), qt.Key.Key_Space)
    desk.settle()
    assert room.same("Red", off)  # as long as the key is held, the radiograph alone
    assert "not for" in room.page.screen.text("Red").text("bottom_left")
    desk._test.keyRelease(room.view(), qt.Key.Key_Space)
    desk.settle()
    assert np.abs(room.pixels() - off).sum() > 0


def test_a_negative_reading_does_not_look_like_a_finding(room, studies):
    files, expected = studies["negative"]
    room.open(*files)
    room.read()
    assert room.plain(room.ui.headlineLabel).startswith("Fracture unlikely")
    assert not room.ui.overlayVisible.checked
    assert "not a finding" in room.ui.overlayNoteLabel.text
    room.ui.marksVisible.checked = False
    without = room.pixels()
    room.desk.press(room.ui.overlayVisible)
    if expected.views[0].activation_map.max() > 0.5:
        assert np.abs(room.pixels() - without).sum() > 0


def test_the_case_open_in_annotate_is_there_at_once(desk, dataset_folder, tmp_path):
    desk.open(dataset_folder)
    current = desk.page.current
    room = ReadingRoom(desk, tmp_path)
    room.go()
    desk.wait(lambda: room.page.study is not None and room.page.study.is_whole)
    assert current in room.page.study.case.radiographs
    assert len(room.page.study.volumes()) == 2
    reading = room.read()
    assert {view["sop_instance_uid"] for view in reading["views"]} == set(room.page.study.case.radiographs)
    desk.press(desk.widget.ui.annotateButton)  # and back: each page has its own radiographs
    desk.wait(lambda: desk.page.case is not None)
    desk.press(desk.widget.ui.readButton)
    assert room.page.study.is_whole
    assert room.ui.resultBox.visible


def test_doubts_come_before_figures(room, positive, tmp_path):
    from PIL import Image

    from fractureai.radiograph import normalise, read_radiograph

    file = tmp_path / "frontal.png"  # an image that says neither view nor spacing
    pixels = (65535 * normalise(read_radiograph(positive[0][0]).pixels)).astype(np.uint16)
    Image.fromarray(pixels).save(file)
    room.open(file)
    assert room.ui.givenViewCombo.visible
    room.read()
    assert room.plain(room.ui.headlineLabel) == "Not sure: please read without me"
    assert "the view is unknown" in room.plain(room.ui.reasonsLabel)
    assert not room.ui.resultTable.visible  # nothing was read, so there are no figures
    room.ui.givenViewCombo.setFocus()
    room.desk.key(room.desk.Qt.Key.Key_Down, widget=room.ui.givenViewCombo)
    reading = room.read()
    assert [view["view"] for view in reading["views"]] == ["PA"]
    assert room.plain(room.ui.headlineLabel) == "Not sure: please read without me"
    reasons = room.plain(room.ui.reasonsLabel)
    assert "no pixel spacing" in reasons
    assert "Without these doubts it would say" in reasons
    assert room.ui.resultTable.rowCount == 1
    assert room.page.screen.text("Red").text("scale") == "no spacing"
    assert room.page.screen.text("Red").text("top_left").startswith("PA")


def test_cancel(room, positive):
    room.open(*positive[0])
    room.desk.wait(lambda: room.engine.state == "ready", 90)
    os.kill(room.engine.process.pid, signal.SIGSTOP)  # a server that is too busy to answer
    try:
        room.desk.press(room.ui.readButton)
        assert room.page.run.is_running
        assert room.ui.progressBox.visible
        assert "open images" in room.plain(room.ui.stagesLabel).replace("\xa0", " ")
        room.desk.press(room.ui.cancelButton)
        assert room.page.run.state == "cancelled"
        assert room.ui.readButton.enabled
        assert not room.ui.progressBox.visible
    finally:
        os.kill(room.engine.process.pid, signal.SIGCONT)
    room.desk.settle(1.0)
    assert room.page.nodes is None  # nothing of it comes late
    room.read()
    assert room.page.nodes is not None


def test_a_saved_scene_shows_the_same(room, positive, tmp_path):
    desk, slicer = room.desk, room.desk.slicer
    room.open(*positive[0])
    room.read()
    room.ui.overlayOpacity.value = 0.7
    desk.session.rater = "RD"
    desk.press(room.ui.agreeButton)
    before = {name: room.pixels(name) for name in ("Red", "Yellow")}
    line = room.plain(room.ui.headlineLabel)
    file = tmp_path / "reading.mrb"
    assert slicer.util.saveScene(str(file))
    slicer.mrmlScene.Clear(0)
    desk.settle()
    assert room.page.study is None
    assert room.ui.emptyBox.visible
    slicer.util.loadScene(str(file))
    desk.wait(lambda: room.page.nodes is not None)
    desk.settle(0.2)
    assert room.plain(room.ui.headlineLabel) == line
    assert room.ui.overlayOpacity.value == pytest.approx(0.7)
    assert "RD agrees" in room.ui.verdictLabel.text
    for name, pixels in before.items():
        assert room.same(name, pixels), name
    room.ui.overlayOpacity.value = 0.2
    assert (room.pixels() != before["Red"]).any()
    room.ui.overlayOpacity.value = 0.7
    assert room.same("Red", before["Red"])


def test_a_study_is_removed_with_all_it_has(room, positive, studies):
    desk, slicer = room.desk, room.desk.slicer
    room.open(*positive[0])
    room.read()
    desk.session.rater = "RD"
    desk.press(room.ui.agreeButton)
    kinds = {node.GetAttribute("FractureAI.Kind") for node in room.nodes()}
    assert {"radiograph", "landmarks", "roi", "activation", "activation values", "reading", "verdicts"} <= kinds
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    study = tree.GetItemAncestorAtLevel(tree.GetItemByDataNode(room.page.study.volumes()[0]), "Study")
    assert study
    for node in room.nodes():
        assert tree.GetItemAncestorAtLevel(tree.GetItemByDataNode(node), "Study") == study
    desk.press(room.ui.removeStudyButton)
    assert room.nodes() == []
    assert not tree.GetItemByUID("DICOM", positive[1].study)
    assert room.ui.emptyBox.visible
    room.open(*positive[0])  # removed by hand, in the subject hierarchy
    room.read()
    volume = room.page.study.volumes()[0]
    item = tree.GetItemAncestorAtLevel(tree.GetItemByDataNode(volume), "Study")
    tree.RemoveItem(item, True, True)
    desk.wait(lambda: room.page.study is None)
    assert not room.ui.resultBox.visible
    assert room.page.screen.shown_views() == []


def test_opinions_are_kept_with_time_and_reader(room, dataset_folder, studies, tmp_path):
    desk = room.desk
    desk.session.rater = "RD"
    desk.session.open_dataset(str(dataset_folder))
    files = [dataset_folder / "images" / file.name for file in studies["positive"][0]]
    room.open(*files)
    room.read()
    desk.press(room.ui.disagreeButton)
    assert "reason" in room.ui.verdictLabel.text
    assert scene_reading.verdicts() == ()  # not before there is a reason
    room.ui.reasonCombo.setFocus()
    for _ in range(2):
        desk.key(desk.Qt.Key.Key_Down, widget=room.ui.reasonCombo)
    room.desk.press(room.ui.storeButton)
    (stored,) = scene_reading.verdicts()
    assert (stored.reader, stored.agrees, stored.reason) == ("RD", False, "no-fracture")
    room.ui.commentEdit.setFocus()
    desk.type(room.ui.commentEdit, "old fracture, head")
    desk.key(desk.Qt.Key.Key_Return, widget=room.ui.commentEdit)
    log = [json.loads(line) for line in (dataset_folder / "reading-log.jsonl").read_text("utf-8").splitlines()]
    assert [line["comment"] for line in log] == ["", "old fracture, head"]
    assert log[-1]["model"] == studies["positive"][1].model
    assert log[-1]["probability"] == pytest.approx(studies["positive"][1].probability, abs=1e-6)
    assert log[-1]["time"].endswith("+00:00")
    from FractureAILib import opinions

    assert opinions.export_to(desk.session, tmp_path / "out.csv") == 2
    assert "old fracture, head" in (tmp_path / "out.csv").read_text("utf-8-sig")


def test_several_readings_of_a_study(room, positive, tmp_path):
    from .models import other_bundle

    room.open(*positive[0])
    room.read()
    settings = room.desk.widget.pages[-1]
    room.desk.press(room.desk.widget.ui.settingsButton)
    room.desk.wait(lambda: settings.models)
    settings.import_model(str(other_bundle(tmp_path)))
    room.desk.wait(lambda: len(settings.models) == 2)
    room.desk.press(room.desk.widget.ui.settingsButton)  # back
    assert room.desk.widget.page is room.page
    room.desk.wait(lambda: room.ui.modelCombo.count == 2)
    other = room.read()
    assert other["model"] != positive[1].model
    assert room.ui.readingsCombo.count == 2
    assert other["model"] in room.ui.readingsCombo.itemText(room.ui.readingsCombo.currentIndex)
    room.ui.readingsCombo.setCurrentIndex(0)
    room.page._choose_reading(0)
    assert room.page.nodes.reading["model"] == positive[1].model
    assert positive[1].model in room.page.screen.text("Red").text("bottom_left")


def test_readings_of_both_wrists_of_a_study_stand_side_by_side(room, positive):
    room.open(*positive[0])
    reading = room.read()
    views = [{**view, "sop_instance_uid": f"2.25.{number}"} for number, view in enumerate(reading["views"], 1)]
    scene_reading.add_reading({**reading, "views": views}, {})  # the other wrist, of the same study
    assert len(scene_reading.find_readings()) == 2
    room.read()  # replaces its own, not the other's
    assert len(scene_reading.find_readings()) == 2
    assert room.ui.readingsCombo.count == 1


def test_blinded_readers_see_nothing_of_it(room, positive):
    room.open(*positive[0])
    room.read()
    with_all = room.pixels()
    room.desk.session.blinded = True
    room.desk.settle()
    assert not room.ui.resultBox.visible
    assert not room.ui.readButton.enabled
    assert room.page.screen.text("Red").text("bottom_left") == ""
    assert (room.pixels() != with_all).any()
    room.desk.session.blinded = False
    room.desk.settle()
    assert room.ui.resultBox.visible
    assert room.same("Red", with_all)
