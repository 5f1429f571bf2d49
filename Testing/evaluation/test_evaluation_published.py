"""The paper's Tables 2 to 4: each row from one confusion matrix, and its intervals from the bootstrap."""

import math

import numpy as np
import pytest

from fractureai.evaluation import binary_metrics, bootstrap_metrics
from fractureai.evaluation.agreement import kappa_estimate, reader_kappa
from fractureai.evaluation.published import CASES, PUBLISHED, PUBLISHED_KAPPA_PCP, PUBLISHED_ROWS, PublishedRow

SHARES = ("sensitivity", "specificity", "precision", "f1", "balanced_accuracy")
each_row = pytest.mark.parametrize("row", PUBLISHED_ROWS, ids=lambda row: f"{row.set}-{row.reader}")


def hundredths(value: float) -> int:
    return round(100 * value)


def cut(value: float) -> int:
    return math.floor(100 * value + 1e-9)


def called(row: PublishedRow) -> tuple[np.ndarray, np.ndarray]:
    fractures, normals = CASES[row.set]
    calls = [1.0] * row.true_positive + [0.0] * row.false_negative + [1.0] * row.false_positive
    return np.arange(fractures + normals) < fractures, np.array(calls + [0.0] * row.true_negative)


def shares_of(fractures: int, normals: int, tp: int, fp: int) -> tuple[float, ...]:
    sensitivity, specificity = tp / fractures, (normals - fp) / normals
    precision = tp / (tp + fp) if tp + fp else 0.0
    return sensitivity, specificity, precision, 2 * tp / (fractures + tp + fp), (sensitivity + specificity) / 2


@each_row
def test_the_matrix_gives_every_printed_share_cut_after_two_decimals(row: PublishedRow) -> None:
    labels, calls = called(row)
    ours = binary_metrics(labels, calls)
    assert (ours.n, ours.n_positive) == (row.n, row.n_positive)
    for name in SHARES:
        assert cut(getattr(ours, name)) == hundredths(row.estimates[name].value), name


@each_row
def test_no_other_matrix_does(row: PublishedRow) -> None:
    fractures, normals = CASES[row.set]
    printed = [hundredths(row.estimates[name].value) for name in SHARES]
    fitting = [
        (tp, fp)
        for tp in range(fractures + 1)
        for fp in range(normals + 1)
        if [cut(value) for value in shares_of(fractures, normals, tp, fp)] == printed
    ]
    assert fitting == [(row.true_positive, row.false_positive)]


def test_rounding_explains_two_rows_only() -> None:
    explained = []
    for row in PUBLISHED_ROWS:
        fractures, normals = CASES[row.set]
        printed = [hundredths(row.estimates[name].value) for name in SHARES]
        explained.append(
            any(
                [math.floor(100 * value + 0.5) for value in shares_of(fractures, normals, tp, fp)] == printed
                for tp in range(fractures + 1)
                for fp in range(normals + 1)
            )
        )
    assert sum(explained) == 2


@pytest.mark.parametrize("row", [row for row in PUBLISHED_ROWS if row.kappa == row.kappa], ids=lambda row: row.reader)
def test_the_matrix_gives_the_printed_kappa_rounded(row: PublishedRow) -> None:
    table = [[row.true_negative, row.false_positive], [row.false_negative, row.true_positive]]
    assert f"{kappa_estimate(table).value:.2f}" == f"{row.kappa:.2f}"


def test_kappa_of_the_primary_care_physicians_is_one_that_their_matrices_allow() -> None:
    """How their errors overlap is not printed; somewhere between least and most overlap kappa is the printed one."""
    first, second = (next(r for r in PUBLISHED_ROWS if (r.set, r.reader) == ("general", k)) for k in ("PCP1", "PCP2"))
    found = set()
    for missed in range(2):  # of the one fracture that PCP1 missed
        for alarms in range(3):  # of the two normals that PCP2 called
            both = np.zeros((2, 2))
            both[0, 0] = missed + 78 - first.false_positive - (second.false_positive - alarms)
            both[0, 1] = (first.false_negative - missed) + (second.false_positive - alarms)
            both[1, 0] = (second.false_negative - missed) + (first.false_positive - alarms)
            both[1, 1] = 207 - both.sum()
            found.add(f"{kappa_estimate(both).value:.2f}")
    assert f"{PUBLISHED_KAPPA_PCP:.2f}" in found


@each_row
def test_the_printed_intervals_are_those_of_the_bootstrap(row: PublishedRow) -> None:
    """5,000 resamples of the matrix; the paper's own are other resamples, so a case more or less is chance."""
    estimates = bootstrap_metrics(*called(row), seed=1)
    for name in SHARES:
        for end in ("low", "high"):
            ours, printed = getattr(estimates[name], end), getattr(row.estimates[name], end)
            assert printed - 0.001 <= ours <= printed + 0.0201, (name, end)


def test_most_printed_ends_of_intervals_are_equal_to_ours_when_cut() -> None:
    ends = [
        (getattr(found[name], end), hundredths(getattr(row.estimates[name], end)))
        for row in PUBLISHED_ROWS
        for found in [bootstrap_metrics(*called(row), seed=1)]
        for name in SHARES
        for end in ("low", "high")
    ]
    assert len(ends) == 150
    assert sum(cut(ours) == printed for ours, printed in ends) >= 130
    assert sum(math.floor(100 * ours + 0.5) == printed for ours, printed in ends) <= 100


def test_the_model_s_rows_for_studies() -> None:
    assert [(row.set, row.n, row.n_positive) for row in PUBLISHED] == [("general", 207, 129), ("hard", 105, 20)]
    assert str(PUBLISHED[1].estimates["aupr"]) == "0.64 (0.46–0.83)"
    assert [row.is_person for row in PUBLISHED_ROWS].count(True) == 9


def test_kappa_of_readings_equals_that_of_the_matrix() -> None:
    row = next(row for row in PUBLISHED_ROWS if row.reader == "PCP1")
    labels, calls = called(row)
    ours = reader_kappa(labels.astype(int), calls.astype(int), labels=labels)
    assert ours.value == pytest.approx(0.7616, abs=5e-5)
    assert ours.bootstrap.low < 0.7616 < ours.bootstrap.high
