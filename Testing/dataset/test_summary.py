"""What can be trained on: compared with what training itself takes."""

from dataclasses import replace

import pytest

from fractureai.dataset import Annotation, Dataset, RadiographRow, make_splits
from fractureai.dataset.summary import Gap, Obstacle, summarise

PA = {"distal_ulna": (1.0, 2.0), "distal_radius": (3.0, 4.0), "wrist_centre": (5.0, 6.0)}
LAT = {"dorsal_rim": (1.0, 2.0), "palmar_rim": (3.0, 4.0), "wrist_centre": (5.0, 6.0)}


def add(dataset, name, view="PA", patient=None, file=True):
    """Add a row; where ``file``, with a file of no content: nobody looks at pixels here."""
    row = RadiographRow(name, study=f"study of {name}", patient=patient or name, view=view, file=f"images/{name}.dcm")
    if file:
        dataset.image_path(row).touch()
    dataset.add_rows([row])


def mark(dataset, name, rater="AM", **values):
    values = {"status": "done", "label": "normal", "landmarks": PA, **values}
    dataset.save(Annotation(name, rater, **values))


def test_an_empty_dataset_has_nothing_to_train_on(dataset):
    summary = summarise(dataset)
    assert (summary.radiographs, summary.usable, summary.gaps, summary.folds) == (0, 0, (), 0)
    assert summary.obstacles == (Obstacle("nothing"),)
    assert not summary.has_splits


def test_each_thing_that_is_missing_names_its_radiographs(dataset):
    for name in ("whole", "no_marks", "half", "no_label", "unsure", "open", "bare"):
        add(dataset, name)
    add(dataset, "oblique", view="OBL")
    add(dataset, "no_file", file=False)
    for name in ("whole", "oblique", "no_file"):
        mark(dataset, name, label="fracture")
    mark(dataset, "half", landmarks={"wrist_centre": (5.0, 6.0)})
    mark(dataset, "no_label", label=None)
    mark(dataset, "unsure", label="uncertain")
    mark(dataset, "open", status="flagged")
    mark(dataset, "bare", label=None, landmarks={})
    summary = summarise(dataset)
    assert summary.gaps == (
        Gap("file", ("no_file",)),
        Gap("unfinished", ("no_marks", "open")),
        Gap("view", ("oblique",)),
        Gap("landmarks", ("half", "bare")),
        Gap("label", ("no_label", "bare")),
        Gap("uncertain", ("unsure",)),
    )
    pa, lat = summary.views
    assert (pa.view, pa.radiographs, pa.localizer, pa.classifier) == ("PA", 4, 3, 2)
    assert pa.labels == {"normal": 1, "fracture": 1}
    assert (lat.view, lat.radiographs) == ("LAT", 0)
    assert (summary.usable, summary.radiographs) == (4, 9)


def test_a_raters_view_goes_before_the_headers(dataset):
    add(dataset, "turned", view="PA")
    mark(dataset, "turned", view="LAT", landmarks=LAT)
    pa, lat = summarise(dataset).views
    assert (pa.radiographs, lat.radiographs, lat.localizer) == (0, 1, 1)


def test_two_people_without_a_consensus_are_undecided_until_somebody_says_who_counts(dataset):
    for name in ("both", "only_am", "only_bk"):
        add(dataset, name)
    for name in ("both", "only_am"):
        mark(dataset, name)
    for name in ("both", "only_bk"):
        mark(dataset, name, rater="BK", label="fracture")
    mark(dataset, "both", rater="model:demo")
    summary = summarise(dataset)
    assert summary.gaps == (Gap("undecided", ("both",)),)
    assert [(r.rater, r.finished, r.counted) for r in summary.raters] == [
        ("AM", 2, 1),
        ("BK", 2, 1),
        ("model:demo", 1, 0),
    ]
    named = summarise(dataset, ["BK", "AM"])
    assert named.usable == 3
    assert named.views[0].labels == {"normal": 1, "fracture": 2}
    assert summarise(dataset, ["AM"]).gaps == (Gap("unfinished", ("only_bk",)),)
    mark(dataset, "both", rater="consensus", label="fracture")
    settled = summarise(dataset)
    assert not settled.gaps
    assert {r.rater: r.counted for r in settled.raters}["consensus"] == 1


@pytest.fixture
def split_dataset(dataset):
    """20 patients, split; one of them came later and has none."""
    for number in range(20):
        add(dataset, f"p{number}")
        mark(dataset, f"p{number}", label="fracture" if number % 2 else "normal")
    make_splits(dataset, fractions=(0.6, 0.2, 0.2), folds=4, seed=1)
    add(dataset, "late")
    mark(dataset, "late")
    return dataset


def test_test_patients_are_left_out_and_late_ones_have_no_split(split_dataset):
    summary = summarise(split_dataset)
    assert (summary.has_splits, summary.folds, summary.usable) == (True, 4, 16)
    assert summary.views[0].tested == 4
    assert summary.gaps == (Gap("split", ("late",)),)
    assert summary.obstacles == ()
    assert summarise(split_dataset, folds=4).obstacles == ()
    assert summarise(split_dataset, folds=5).obstacles == (Obstacle("empty_fold", "PA", 4),)


def test_held_out_radiographs_of_one_class_are_an_obstacle(split_dataset):
    for row in split_dataset.radiographs:
        mark(split_dataset, row.id, label="normal")
    assert summarise(split_dataset).obstacles == (Obstacle("one_class", "PA"),)


def test_too_few_patients_for_splits_are_an_obstacle(dataset):
    for number in range(5):
        add(dataset, f"p{number}")
        mark(dataset, f"p{number}")
    assert summarise(dataset).obstacles == (Obstacle("patients"),)


def test_radiographs_of_unknown_patients_train_too(dataset):
    samples = pytest.importorskip("fractureai.training.samples")
    for number in range(12):
        dataset.add_rows([RadiographRow(f"r{number}", study=f"s{number}", view="PA", file=f"images/{number}.dcm")])
        dataset.image_path(dataset.radiographs[-1]).touch()
        mark(dataset, f"r{number}", label="fracture" if number % 2 else "normal")
    make_splits(dataset, folds=2, seed=1)
    taken = samples.samples_of_view(dataset, dataset.site.views[0], None)
    assert len(taken) == summarise(dataset).usable > 6


def test_it_counts_what_training_takes(split_dataset):
    samples = pytest.importorskip("fractureai.training.samples")
    for number, change in enumerate(({"label": None}, {"landmarks": {}}, {"status": "open"}, {"label": "uncertain"})):
        mark(split_dataset, f"p{number}", **change)
    split_dataset.update_rows([replace(split_dataset.row("p5"), view="LAT")])
    mark(split_dataset, "p5", landmarks=LAT)
    reopened = Dataset.open(split_dataset.folder)
    for folds in (1, 4):
        summary = summarise(reopened, folds=folds)
        for view, found in zip(reopened.site.views, summary.views, strict=True):
            taken = samples.samples_of_view(reopened, view, None)
            assert found.localizer == sum(samples.has_all_landmarks(s, view) for s in taken)
            labelled = [s for s in taken if samples.has_label(s, reopened.site.classes)]
            assert found.classifier == len(labelled)
            lacking = set(range(folds)) - {samples.fold_of(s, folds) for s in taken}
            obstacles = [o for o in summary.obstacles if o.view == view.name and o.kind == "empty_fold"]
            assert bool(obstacles) == bool(taken and lacking)
