"""Splits: by patient, balanced, written once, extended without moving anybody."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fractureai.dataset import Annotation, Dataset, RadiographRow, extend_splits, make_splits
from fractureai.errors import DatasetError

patients_strategy = st.lists(
    st.tuples(
        st.sampled_from(["fracture", "normal", "normal", "normal"]),  # label
        st.sampled_from([None, 8.0, 50.0, 70.0]),  # age
        st.sampled_from(["", "general", "general", "hard"]),  # stratum
        st.sampled_from(["PA", "LAT", "PA LAT", "PA LAT PA LAT"]),  # views
    ),
    min_size=30,
    max_size=90,
)


def add_patients(dataset: Dataset, patients: list[tuple[str, float | None, str, str]], prefix: str = "p") -> None:
    rows, marks = [], []
    for number, (label, age, stratum, views) in enumerate(patients):
        name = f"{prefix}{number}"
        for i, view in enumerate(views.split()):
            identifier = f"{name}.{i}"
            row = RadiographRow(identifier, f"s{name}.{i // 2}", name, view, age_years=age, stratum=stratum)
            rows.append(row)
        marks.append(Annotation(f"{name}.0", "truth", status="done", label=label))
    dataset.add_rows(rows)
    dataset.save_all(marks)


@given(patients_strategy, st.integers(0, 5), st.integers(2, 5))
@settings(max_examples=15, deadline=None)
def test_every_split_is_by_patient_near_its_fraction_and_has_both_classes(
    patients: list[tuple[str, float | None, str, str]], seed: int, folds: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        dataset = Dataset.create(Path(folder) / "d", name="x")
        add_patients(dataset, patients)
        splits = make_splits(dataset, folds=folds, seed=seed, test_strata=())
        assert dataset.splits == splits
    assert set(splits) == {f"p{number}" for number in range(len(patients))}
    sizes = Counter(split.split for split in splits.values())
    for name, fraction in (("train", 0.7), ("validation", 0.2), ("test", 0.1)):
        assert abs(sizes[name] - fraction * len(patients)) <= 3
    assert all((split.fold is None) == (split.split == "test") for split in splits.values())
    fold_sizes = Counter(split.fold for split in splits.values() if split.fold is not None)
    assert set(fold_sizes) == set(range(folds))
    assert max(fold_sizes.values()) - min(fold_sizes.values()) <= 2
    label = {f"p{number}": patient[0] for number, patient in enumerate(patients)}
    for wanted in ("fracture", "normal"):
        have = [name for name in splits if label[name] == wanted]
        if len(have) >= 3:
            assert {splits[name].split for name in have} == {"train", "validation", "test"}
        if sum(splits[name].split != "test" for name in have) >= folds:
            assert {splits[name].fold for name in have} >= set(range(folds))


def test_labels_ages_strata_and_views_are_balanced(dataset: Dataset) -> None:
    patients = [
        (
            ("fracture", "normal")[i % 2],
            (8.0, 60.0)[i // 2 % 2],
            ("general", "hard")[i % 10 == 3],
            ("PA", "PA LAT")[i % 3 > 0],
        )
        for i in range(400)
    ]
    add_patients(dataset, patients)
    splits = make_splits(dataset, seed=4, test_strata=())
    for feature in range(4):
        for value in {patient[feature] for patient in patients}:
            having = [splits[f"p{i}"] for i, patient in enumerate(patients) if patient[feature] == value]
            shares = Counter(split.split for split in having)
            for name, fraction in (("train", 0.7), ("validation", 0.2), ("test", 0.1)):
                assert shares[name] == pytest.approx(fraction * len(having), abs=2)
            folds = Counter(split.fold for split in having if split.fold is not None)
            assert max(folds.values()) - min(folds.values()) <= 3


def test_hard_cases_are_only_tested_on(dataset: Dataset) -> None:
    """As in DeepWrist; the general cases keep their fractions, and so it stays when patients are added."""
    patients = [(("fracture", "normal")[i % 2], None, ("general", "hard")[i % 5 == 0], "PA") for i in range(200)]
    add_patients(dataset, patients[:100])
    make_splits(dataset, seed=1)
    add_patients(dataset, patients[100:], prefix="q")
    splits = extend_splits(dataset, seed=2)
    general = Counter(splits[f"{p}{i}"].split for p in "pq" for i in range(100) if i % 5)
    assert {splits[f"{p}{i}"].split for p in "pq" for i in range(0, 100, 5)} == {"test"}
    for name, fraction in (("train", 0.7), ("validation", 0.2), ("test", 0.1)):
        assert general[name] == pytest.approx(fraction * 160, abs=2)


def test_a_rare_class_is_in_every_split_when_there_are_patients_enough(dataset: Dataset) -> None:
    add_patients(dataset, [("fracture" if i < 4 else "normal", None, "", "PA") for i in range(40)])
    splits = make_splits(dataset, seed=1, folds=3)
    assert {splits[f"p{i}"].split for i in range(4)} == {"train", "validation", "test"}
    assert {splits[f"p{i}"].fold for i in range(4)} == {None, 0, 1, 2}


def test_the_seed_decides_and_the_order_of_rows_does_not(tmp_path: Path) -> None:
    patients = [(("fracture", "normal")[i % 2], None, "", "PA") for i in range(40)]
    found = []
    for name, seed, backwards in (("a", 1, False), ("b", 1, True), ("c", 2, False)):
        dataset = Dataset.create(tmp_path / name, name="x")
        add_patients(dataset, patients)
        if backwards:
            dataset.rewrite_rows(lambda rows: rows[::-1])
        found.append(dict(make_splits(dataset, seed=seed)))
    assert found[0] == found[1]
    assert found[0] != found[2]


def test_splits_are_written_once(dataset: Dataset) -> None:
    assert dict(dataset.splits) == {}
    add_patients(dataset, [("normal", None, "", "PA")] * 20)
    make_splits(dataset, seed=1)
    content = (dataset.folder / "splits.csv").read_bytes()
    assert content.startswith(b"patient,split,fold\n")
    with pytest.raises(DatasetError, match="never changed"):
        make_splits(dataset, seed=2)
    assert (dataset.folder / "splits.csv").read_bytes() == content
    (dataset.folder / "splits.csv").unlink()
    make_splits(dataset, seed=2)


@given(patients_strategy, patients_strategy)
@settings(max_examples=5, deadline=None)
def test_extending_moves_nobody_and_keeps_the_fractions(
    first: list[tuple[str, float | None, str, str]], later: list[tuple[str, float | None, str, str]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        dataset = Dataset.create(Path(folder) / "d", name="x")
        add_patients(dataset, first)
        before = dict(make_splits(dataset, seed=1, folds=3, test_strata=()))
        add_patients(dataset, later, prefix="q")
        after = extend_splits(dataset, seed=1, test_strata=())
        assert dataset.splits == after
    assert {name: after[name] for name in before} == before
    assert len(after) == len(first) + len(later)
    sizes = Counter(split.split for split in after.values())
    assert abs(sizes["test"] - 0.1 * len(after)) <= 4
    assert {split.fold for split in after.values()} == {None, 0, 1, 2}


def test_radiographs_without_patient_stay_together_by_study(dataset: Dataset) -> None:
    dataset.add_rows(RadiographRow(f"{i}.{j}", study=f"s{i}") for i in range(20) for j in range(2))
    splits = make_splits(dataset, seed=1)
    assert set(splits) == {f"s{i}" for i in range(20)}


def test_no_test_set_can_be_asked_for(dataset: Dataset) -> None:
    add_patients(dataset, [("normal", None, "", "PA")] * 20)
    splits = make_splits(dataset, seed=1, fractions=(0.8, 0.2, 0.0))
    assert {split.split for split in splits.values()} == {"train", "validation"}


def test_requests_that_make_no_sense_are_refused(dataset: Dataset) -> None:
    with pytest.raises(DatasetError, match="0 patients are too few"):
        make_splits(dataset, seed=1)
    add_patients(dataset, [("normal", None, "", "PA")] * 20)
    with pytest.raises(DatasetError, match="no splits yet"):
        extend_splits(dataset, seed=1)
    with pytest.raises(DatasetError, match="sum 1"):
        make_splits(dataset, seed=1, fractions=(0.7, 0.2, 0.2))
    with pytest.raises(DatasetError, match="1 folds"):
        make_splits(dataset, seed=1, folds=1)
    dataset.save(Annotation("p0.0", "AM", status="done", label="normal"))
    dataset.save(Annotation("p0.0", "HP", status="done", label="fracture"))
    assert make_splits(dataset, seed=1, raters=["HP", "truth"])


@pytest.mark.parametrize(
    "content",
    [
        "",
        "patient,split\np,train\n",
        "patient,split,fold\np,train,0\np,test,\n",
        "patient,split,fold\np,train,\n",
        "patient,split,fold\np,test,1\n",
        "patient,split,fold\np,both,1\n",
        "patient,split,fold\np,train,-1\n",
    ],
)
def test_malformed_splits_are_refused(dataset: Dataset, content: str) -> None:
    (dataset.folder / "splits.csv").write_text(content)
    with pytest.raises(DatasetError, match=r"splits\.csv.*restore"):
        _ = dataset.splits
