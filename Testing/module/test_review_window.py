"""The page Review in a real window: who differs where, seen on the image, settled by key and mouse."""

from __future__ import annotations

import csv
from dataclasses import replace

import pytest

from fractureai.dataset import Dataset


@pytest.fixture
def read_by_two(dataset_folder):
    """A dataset that AM read as the truth and BK with one wrong label and one landmark far off."""
    dataset = Dataset.open(dataset_folder)
    for number, row in enumerate(dataset.radiographs[:6]):
        truth = dataset.annotation(row.id, "truth")
        own = replace(truth, rater="AM", status="done", revision=0, updated="")
        dataset.save(own)
        other = replace(own, rater="BK")
        if number == 1:
            other = replace(other, label="normal" if own.label == "fracture" else "fracture")
        if number == 3:
            name, (line, column) = next(iter(own.landmarks.items()))
            other = replace(other, landmarks={**own.landmarks, name: (line + 60, column)})
        dataset.save(other)
    return dataset


@pytest.fixture
def review(desk, read_by_two):
    desk.session.rater = "CL"
    desk.session.open_dataset(str(read_by_two.folder))
    desk.press(desk.widget.ui.reviewButton)
    desk.page = desk.widget.pages[3]
    desk.ui = desk.page.ui
    desk.wait(lambda: desk.page._comparison is not None)
    for action in desk.ui.ratersButton.menu().actions():
        action.checked = action.text in ("AM", "BK")
    desk.wait(lambda: desk.page._comparison is not None and desk.page.raters == ["AM", "BK"])
    return desk


def test_matrix_sentence_and_the_worst_difference_first(review):
    ui = review.ui
    assert ui.kappaTable.item(1, 0).text() == "n = 6"
    assert ui.introLabel.text.startswith("AM and BK gave the same label to 5 of 6 radiographs.")
    rows = review.session.dataset.radiographs
    assert [found.row.id for found in review.page._listed] == [rows[1].id, rows[3].id]
    ui.differencesTable.selectRow(1)
    volume = review.wait(lambda: review.page.marks._screen.volume(rows[3].id))
    markups = review.slicer.util.getNodesByClass("vtkMRMLMarkupsFiducialNode")
    assert {node.GetName().split(":")[0] for node in markups} == {"AM", "BK"}
    assert all(node.GetLocked() for node in markups)
    assert volume is not None
    review.press(review.widget.ui.annotateButton)
    assert not review.slicer.util.getNodesByClass("vtkMRMLMarkupsFiducialNode") or (
        review.page.marks._screen.volume(rows[3].id) is not volume
    )


def test_a_difference_is_settled_by_a_key_and_leaves_the_list(review, read_by_two):
    first, second = review.page._listed
    review.ui.differencesTable.selectRow(0)
    assert not review.ui.mergeButton.enabled  # labels differ: there is no mean of findings
    review.key(review.Qt.Key.Key_2)
    settled = read_by_two.annotation(first.row.id, "consensus")
    assert (settled.label, settled.extra["adjudicated_by"]) == (first.second.label, "CL")
    assert [found.row.id for found in review.page._listed] == [second.row.id]
    review.ui.differencesTable.selectRow(0)
    review.press(review.ui.mergeButton)
    name = second.worst_landmark
    mean = (second.first.landmarks[name][0] + second.second.landmarks[name][0]) / 2
    assert read_by_two.annotation(second.row.id, "consensus").landmarks[name][0] == pytest.approx(mean)
    assert review.page._listed == []


def test_what_all_agree_on_is_accepted_at_once(review, read_by_two):
    assert review.ui.unanimousLabel.text.startswith("4 radiographs")
    review.press(review.ui.unanimousButton)
    review.wait(lambda: review.ui.unanimousLabel.text.startswith("0 radiographs"))
    assert sum(1 for _ in read_by_two.annotations("consensus")) == 4


def test_blinded_nothing_of_others_is_shown(review):
    review.session.blinded = True
    review.settle()
    assert review.page._comparison is None
    assert not review.ui.kappaTable.isVisible()
    assert review.ui.introLabel.text.startswith("Blinded")
    review.session.blinded = False


def test_nobody_settles_without_a_name(review, read_by_two):
    review.session.rater = ""
    review.ui.differencesTable.selectRow(0)
    review.press(review.ui.takeFirstButton)
    assert next(read_by_two.annotations("consensus"), None) is None


def test_the_table_that_is_exported_says_what_the_page_says(review, tmp_path):
    review.page.export(str(tmp_path / "agreement.csv"))
    rows = list(csv.reader((tmp_path / "agreement.csv").open(encoding="utf-8")))
    kappa = next(row for row in rows if row[2:3] == ["kappa"])
    assert kappa[:2] + kappa[3:4] == ["AM", "BK", "6"]
    assert any(row[2:3] == [review.page._listed[0].row.id] for row in rows)
