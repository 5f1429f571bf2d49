"""Agreement of raters: kappa against statsmodels, distances, the worst first, and what becomes the consensus."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.inter_rater import cohens_kappa, to_table

from fractureai.dataset import Annotation, Dataset, RadiographRow
from fractureai.dataset.agreement import agreement, cohen_kappa
from fractureai.dataset.consensus import is_unanimous, merge, take
from fractureai.errors import DatasetError

LABELS = ("normal", "fracture", "uncertain")
POINTS = {"distal_ulna": (10.0, 20.0), "distal_radius": (30.0, 40.0)}


@given(st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from(LABELS)), min_size=2, max_size=60))
def test_kappa_and_its_interval_are_those_of_statsmodels(pairs):
    found = cohen_kappa([a for a, _ in pairs], [b for _, b in pairs])
    assert found.cases == len(pairs)
    assert found.agreeing == sum(a == b for a, b in pairs)
    numbers = np.array([(LABELS.index(a), LABELS.index(b)) for a, b in pairs])
    if len(set(numbers.ravel())) < 2:
        assert found.value is None
        return
    reference = cohens_kappa(to_table(numbers)[0])
    assert found.value == pytest.approx(reference.kappa)
    if np.isnan(reference.std_kappa):  # a variance of zero that rounding made negative
        assert (found.low, found.high) == pytest.approx((found.value, found.value), abs=1e-6)
        return
    assert found.low == pytest.approx(max(reference.kappa_low, -1), abs=1e-6)
    assert found.high == pytest.approx(min(reference.kappa_upp, 1), abs=1e-6)


@pytest.fixture
def read_twice(tmp_path):
    dataset = Dataset.create(tmp_path / "set", name="set")
    rows = [RadiographRow(id=f"1.2.{n}", patient=f"P{n}", row_spacing_mm=0.5, col_spacing_mm=0.25) for n in range(4)]
    dataset.add_rows([*rows, RadiographRow(id="1.2.9", patient="P9")])
    for row in dataset.radiographs:
        dataset.save(Annotation(row.id, "AM", status="done", label="normal", landmarks=POINTS))
    other = Annotation("", "BK", status="done", label="normal", landmarks=POINTS)
    moved = {**POINTS, "distal_ulna": (14.0, 20.0)}
    dataset.save(replace(other, radiograph="1.2.0"))
    dataset.save(replace(other, radiograph="1.2.1", label="uncertain"))
    dataset.save(replace(other, radiograph="1.2.2", label="fracture"))
    dataset.save(replace(other, radiograph="1.2.3", landmarks=moved))
    dataset.save(replace(other, radiograph="1.2.9", landmarks=moved, status="flagged"))
    return dataset


def test_the_worst_disagreements_come_first_and_distances_have_their_unit(read_twice):
    pair = agreement(read_twice, ["AM", "BK"])[("AM", "BK")]
    assert [found.row.id for found in pair.disagreements] == ["1.2.2", "1.2.1", "1.2.3", "1.2.0", "1.2.9"]
    ulna = {found.unit: found for found in pair.landmarks if found.name == "distal_ulna"}
    assert ulna["mm"].distances == (0, 0, 0, 2.0)
    assert ulna["px"].distances == (4.0,)
    assert pair.disagreements[2].worst_landmark == "distal_ulna"
    assert (pair.kappa.cases, pair.kappa.agreeing) == (5, 3)


def test_open_radiographs_are_not_compared(read_twice):
    read_twice.save(Annotation("1.2.0", "BK", status="open", label="fracture"))
    assert agreement(read_twice, ["AM", "BK"])[("AM", "BK")].kappa.cases == 4


def test_unanimous_within_the_tolerance_only():
    first = Annotation("1.2", "AM", status="done", label="normal", landmarks=POINTS)
    near = replace(first, rater="BK", landmarks={**POINTS, "distal_ulna": (13.9, 20.0)})
    assert is_unanimous([first, near], (0.5, 0.25))
    assert not is_unanimous([first, near], (0.6, 0.25))
    assert not is_unanimous([first, near], None)
    assert not is_unanimous([first, replace(near, label="fracture")], (0.5, 0.25))
    assert not is_unanimous([first, replace(near, landmarks={})], (0.5, 0.25))


def test_the_consensus_takes_the_mean_of_those_who_agree(read_twice):
    marks = [read_twice.annotation("1.2.3", rater) for rater in ("AM", "BK")]
    merged = read_twice.save(merge(marks, chosen="BK", adjudicator="CL"))
    assert merged.rater == "consensus"
    assert merged.landmarks["distal_ulna"] == (12.0, 20.0)
    assert merged.extra == {"consensus_of": "AM BK", "adjudicated_by": "CL"}
    assert read_twice.reference_annotations(["consensus"])["1.2.3"] == merged
    exact = take(marks, chosen="BK", adjudicator="CL")
    assert exact.landmarks["distal_ulna"] == (14.0, 20.0)
    assert exact.extra["consensus_of"] == "AM BK"
    other = [read_twice.annotation("1.2.2", rater) for rater in ("AM", "BK")]
    assert merge(other, chosen="BK", adjudicator="CL").label == "fracture"
    with pytest.raises(DatasetError, match="CL did not mark"):
        merge(marks, chosen="CL", adjudicator="CL")
