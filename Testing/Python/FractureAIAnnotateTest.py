"""The annotation page without mouse and keys: saving, undo, worklist, second reading. For Slicer and the host."""

import math
import shutil
import tempfile
import time
import unittest
from pathlib import Path

import slicer

from fractureai.dataset import Annotation, Dataset
from fractureai.dataset.second_reading import second_readings
from fractureai.phantom import write_dataset
from fractureai.scene import landmarks as scene_landmarks
from fractureai.scene import regions as scene_regions

PATIENCE_S = 20


class FractureAIAnnotateTest(unittest.TestCase):
    """Drives the page by what its widgets and nodes call."""

    @classmethod
    def setUpClass(cls):
        cls.source = Path(tempfile.mkdtemp(prefix="fractureai-test-")) / "wrists"
        write_dataset(cls.source, studies=3, seed=5, pixels=256, workers=1)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.source.parent, ignore_errors=True)

    def setUp(self):
        slicer.mrmlScene.Clear(0)
        self.folder = Path(tempfile.mkdtemp(prefix="fractureai-test-")) / "wrists"
        shutil.copytree(self.source, self.folder)
        self.panel = slicer.modules.fractureai.widgetRepresentation()
        self.panel.enter()
        self.widget = self.panel.self()
        self.widget.showPage(0)
        self.session, self.page = self.widget.session, self.widget.pages[0]
        self.before = self.session.rater, self.session.settings.blinded
        self.session.rater = "TT"
        self.session.open_dataset(str(self.folder))
        self.wait(lambda: self.page.case is not None and self.page.editor.annotation is not None)

    def tearDown(self):
        if not self.folder.exists():
            (self.folder.parent / "gone").rename(self.folder)
            self.page.autosave.retry()
        self.session.close_dataset()
        self.session.rater, self.session.blinded = self.before
        shutil.rmtree(self.folder.parent, ignore_errors=True)

    def wait(self, until, seconds=PATIENCE_S):
        end = time.monotonic() + seconds
        while not until():
            slicer.app.processEvents()
            time.sleep(0.002)
            assert time.monotonic() < end, "what was waited for did not happen"

    def stored(self, rater="TT", radiograph=None):
        return Dataset.open(self.folder).annotation(radiograph or self.page.current, rater)

    def place(self):
        """Put the landmarks of the simulation on the radiograph, through the point list in the scene."""
        truth = self.session.dataset.annotation(self.page.current, "truth").landmarks
        node, volume = self.page.landmarks.node, self.page.case.volume
        for index, name in enumerate(scene_landmarks.names_of(node)):
            scene_landmarks.set_landmark(node, index, volume, truth[name])
        return truth

    def choose(self, label):
        self.page.labels.buttons[label].click()
        assert self.page.flush()

    def test_every_mark_is_on_disk(self):
        truth = self.place()
        assert self.page.flush()
        for name, point in self.stored().landmarks.items():
            assert math.dist(point, truth[name]) < 0.01
        self.choose("fracture")
        assert self.stored().label == "fracture"
        self.choose("fracture")  # once more takes it back
        assert self.stored().label is None
        assert "saved" in self.page.ui.savedLabel.text

    def test_undo_and_redo_over_everything(self):
        self.place()
        self.choose("normal")
        self.page.ui.sideBox.currentIndex = 1
        self.page.ui.sideBox.activated(1)
        steps = len(self.page.landmarks.proposals) + 3 + 1 + 1
        for _step in range(steps):
            self.page.undo()
        self.page.flush()
        assert (self.stored().landmarks, self.stored().label, self.stored().side) == ({}, None, "")
        assert scene_landmarks.next_index(self.page.landmarks.node) is not None
        for _step in range(steps):
            self.page.redo()
        self.page.flush()
        assert (len(self.stored().landmarks), self.stored().label, self.stored().side) == (3, "normal", "L")
        assert scene_landmarks.next_index(self.page.landmarks.node) is None

    def test_mirror_exchanges_the_ends_of_the_joint_line(self):
        truth = self.place()
        first, second = self.page.case.profile(self.page.editor.annotation).joint_line
        self.page.landmarks.mirror()
        self.page.flush()
        marks = self.stored().landmarks
        assert math.dist(marks[first], truth[second]) < 0.01
        assert math.dist(marks[second], truth[first]) < 0.01
        self.page.undo()
        self.page.flush()
        assert math.dist(self.stored().landmarks[first], truth[first]) < 0.01

    def test_undo_reaches_the_case_before(self):
        first = self.page.current
        self.choose("normal")
        self.page.next_case()
        assert self.page.current != first
        self.page.undo()
        assert self.page.current == first
        self.page.flush()
        assert self.stored().status == "open"

    def test_a_folder_that_is_gone_loses_nothing(self):
        self.choose("normal")
        self.folder.rename(self.folder.parent / "gone")
        self.page.labels.buttons["fracture"].click()
        assert not self.page.flush()
        assert "gone" in self.page.ui.savedLabel.text
        assert not self.page.ui.retryButton.isHidden()
        here = self.page.current
        self.page.next_case()
        assert self.page.current == here  # it is not left behind unsaved
        (self.folder.parent / "gone").rename(self.folder)
        self.page.ui.retryButton.click()
        assert self.page.flush()
        assert self.stored().label == "fracture"
        assert self.page.ui.troublePanel.isHidden()

    def test_marks_from_elsewhere(self):
        for button, label in (("mineButton", "fracture"), ("theirsButton", "uncertain")):
            self.choose("normal")
            other = Dataset.open(self.folder)
            other.save(Annotation(self.page.current, "TT", label="uncertain"))
            self.page.labels.buttons["fracture"].click()
            assert not self.page.flush()
            assert self.stored().label == "uncertain"
            assert not getattr(self.page.ui, button).isHidden()
            getattr(self.page.ui, button).click()
            assert self.page.flush()
            assert self.stored().label == label
            assert self.page.labels.buttons[label].checked

    def test_a_list_read_anew_leaves_the_marks_in_hand_alone(self):
        self.choose("fracture")
        here = self.page.current
        self.page.editor.change("comment", soon=True, comment="just typed")
        self.session.dataset_changed.emit()  # radiographs were added
        assert self.page.current == here
        self.page.editor.change("comment", soon=True, comment="just typed on")
        self.page.listing.reload()
        self.wait(lambda: not self.session.background.busy)
        assert self.page.editor.annotation.comment == "just typed on"
        assert self.page.flush()
        assert self.stored().comment == "just typed on"
        assert (
            self.page.list.worklist.entries[self.page.list.worklist.place(here)].annotation.comment == "just typed on"
        )

    def test_worklist_filters_and_progress(self):
        rows = self.page.list
        assert rows.visible_count() == 6
        self.choose("normal")
        self.page.next_case()
        self.page.flag()
        self.page.flush()
        assert "1 of 6" in self.page.ui.progressLabel.text
        assert "1" in self.page.ui.flaggedLabel.text
        for box, count in ((self.page.ui.mineCheck, 2), (self.page.ui.openCheck, 4), (self.page.ui.flaggedCheck, 1)):
            box.checked = True
            assert rows.visible_count() == count
            box.checked = False
        self.page.ui.searchEdit.text = "_LAT"
        self.wait(lambda: rows.visible_count() == 3)
        self.page.ui.searchEdit.text = ""
        self.wait(lambda: rows.visible_count() == 6)

    def test_another_page_can_ask_for_some_radiographs(self):
        wanted = [entry.row.id for entry in self.page.list.worklist.entries[3:5]]
        self.session.show_radiographs.emit("No label", wanted)
        self.wait(lambda: len(self.page.list.worklist.entries) == 2)
        self.wait(lambda: self.page.current == wanted[0])
        assert "No label" in self.page.ui.restrictionButton.text
        self.session.show_radiographs.emit("Differs", wanted[1:])
        self.wait(lambda: self.page.current == wanted[1] and self.page.case is not None)
        self.page.ui.restrictionButton.click()
        self.wait(lambda: len(self.page.list.worklist.entries) == 6)
        assert self.page.ui.restrictionButton.isHidden()

    def test_second_reading_is_blind_and_apart(self):
        first = self.page.current
        self.choose("normal")
        self.page.next_case()
        self.page.flush()
        assert second_readings(self.session.dataset, "TT") == (first,)
        self.session.rater = "TT.2"
        self.wait(lambda: self.page.editor.annotation is not None and self.page.case is not None)
        assert self.session.blinded
        assert (self.page.current, len(self.page.list.worklist.entries)) == (first, 1)
        assert self.page.editor.annotation.label is None
        self.choose("fracture")
        assert self.stored("TT.2").label == "fracture"
        assert self.stored("TT").label == "normal"

    def test_a_region_is_saved_and_undone(self):
        node = scene_regions.add_region(self.page.case.volume, _box())
        self.page.regions._nodes.append(node)
        self.page.regions._pull()
        self.page.flush()
        (region,) = self.stored().regions
        assert (region.kind, region.shape) == ("fracture", "box")
        assert math.dist(region.points[1], (60.0, 70.0)) < 0.01
        self.page.undo()
        self.page.flush()
        assert self.stored().regions == ()
        assert scene_regions.regions_on(self.page.case.volume) == []

    def test_another_view_has_other_landmarks(self):
        self.place()
        names = scene_landmarks.names_of(self.page.landmarks.node)
        other = "LAT" if "distal_ulna" in names else "PA"
        box = self.page.ui.viewBox
        box.currentIndex = box.findText(other)
        box.activated(box.currentIndex)
        assert scene_landmarks.names_of(self.page.landmarks.node) != names
        self.page.undo()
        assert scene_landmarks.names_of(self.page.landmarks.node) == names
        assert scene_landmarks.next_index(self.page.landmarks.node) is None

    def test_a_broken_file_is_one_sentence_and_the_next_goes_on(self):
        following = self.page.list.worklist.next_open(self.page.current)
        (self.folder / following.row.file).write_bytes(b"no radiograph")
        self.page.loader.open(self.session.dataset)
        self.page.choose(following.row.id)
        self.wait(lambda: not self.page.ui.problemLabel.isHidden())
        assert self.page.case is None
        self.page.next_case()
        self.wait(lambda: self.page.case is not None)
        assert self.page.ui.problemLabel.isHidden()

    def test_a_closed_scene_is_shown_again(self):
        self.place()
        self.page.flush()
        slicer.mrmlScene.Clear(0)
        self.wait(lambda: self.page.case is not None)
        assert scene_landmarks.next_index(self.page.landmarks.node) is None
        assert len(self.stored().landmarks) == 3

    def test_leaving_takes_keys_and_observers_away(self):
        assert self.page.shortcuts._shortcuts
        self.panel.exit()
        assert not self.page.shortcuts._shortcuts
        assert self.page._mode_tag is None
        self.panel.enter()
        assert self.page.shortcuts._shortcuts


def _box():
    from fractureai.dataset import Region

    return Region("fracture", ((40.0, 50.0), (60.0, 70.0)), "box", "radius")


def runTest():
    """Run the tests of this file; for Slicer's test driver."""
    result = unittest.TextTestRunner(verbosity=2).run(
        unittest.defaultTestLoader.loadTestsFromTestCase(FractureAIAnnotateTest)
    )
    assert result.wasSuccessful()
