"""How far a reading can be trusted, as a radiologist sees it on the page Read."""

from __future__ import annotations

import pytest

from fractureai.dataset import Dataset

from .reading_room import ReadingRoom


@pytest.fixture
def room(desk, tmp_path, calibrated_demo):
    """The page Read, with a calibrated model chosen."""
    made = ReadingRoom(desk, tmp_path)
    desk.press(desk.widget.ui.settingsButton)
    settings = desk.widget.page
    desk.wait(lambda: settings.models, 90)
    settings.import_model(str(calibrated_demo))
    desk.wait(lambda: desk.session.settings.model == "wrist-calibrated-1")
    made.go()
    made.page.models.refresh()
    desk.wait(lambda: len(made.page.models.models) == 2)
    return made


@pytest.fixture
def files(phantoms):
    dataset = Dataset.open(phantoms)
    return [dataset.image_path(row) for row in dataset.radiographs if row.study == dataset.radiographs[0].study]


def test_the_figures_stand_below_the_table_and_follow_the_coverage(room, files):
    room.open(*files)
    assert not room.ui.trustLabel.visible
    reading = room.read()
    assert reading["reliability"]["coverage"] == 0.9
    text = room.plain(room.ui.trustLabel)
    assert text.startswith(f"Calibrated probability {reading['reliability']['calibrated_probability']:.2f} (")
    assert "the limit for answering 90 of 100 studies." in text
    assert "Uncertainty" in room.ui.trustLabel.toolTip
    room.desk.session.settings.coverage = 1.0
    all_answered = room.read()
    assert all_answered["reliability"]["coverage"] == 1.0
    assert room.plain(room.ui.trustLabel).endswith("the model is to answer all studies.")
    room.desk.session.settings.coverage = 0.01
    few_answered = room.read()
    codes = [reason["code"] for reason in few_answered["reasons"]]
    assert ("score-uncertain" in codes) == (": above" in room.plain(room.ui.trustLabel))
    if "score-uncertain" in codes:
        assert "less sure here than on" in room.plain(room.ui.reasonsLabel)


def test_a_reading_of_a_model_that_was_never_calibrated_shows_none(room, files, monkeypatch):
    from FractureAILib import reading_text

    room.open(*files)
    reading = room.read()
    assert len(reading_text.trust(reading)) == 2
    assert reading_text.trust({**reading, "reliability": None}) == ()
    assert reading_text.trust({key: value for key, value in reading.items() if key != "reliability"}) == ()
    room.page.view.show({**reading, "reliability": None})
    assert not room.ui.trustLabel.visible


def test_words_for_what_can_not_be_ruled_out(slicer):
    from FractureAILib import reading_text

    assert reading_text.possible(["fracture"]) == "only fracture is likely"
    assert reading_text.possible(["normal", "fracture"]) == "undecided: normal and fracture are both possible"
    assert reading_text.possible([]) == "unusual: typical of neither answer"
