"""Quadratic kappa against scikit-learn and statsmodels, and its intervals."""

import math

import numpy as np
import numpy.testing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import cohens_kappa

from fractureai.dataset.agreement import cohen_kappa
from fractureai.errors import EvaluationError
from fractureai.evaluation.agreement import kappa_estimate, quadratic_kappa, quadratic_weights, reader_kappa


@settings(deadline=None)
@given(st.integers(2, 4), st.data())
def test_equals_statsmodels(levels: int, data: st.DataObject) -> None:
    cells = data.draw(st.lists(st.integers(0, 30), min_size=levels**2, max_size=levels**2))
    table = np.array(cells).reshape(levels, levels)
    ours = kappa_estimate(table)
    used = int(np.sum((table.sum(axis=0) + table.sum(axis=1)) > 0))
    if used < 2:
        assert math.isnan(ours.value)
        return
    theirs = cohens_kappa(table, wt="quadratic")
    assert ours.value == pytest.approx(theirs.kappa, abs=1e-12)
    assert ours.n == table.sum()
    error = math.sqrt(max(theirs.var_kappa, 0.0))
    expected = np.clip([theirs.kappa - 1.959963984540054 * error, theirs.kappa + 1.959963984540054 * error], -1, 1)
    npt.assert_allclose((ours.analytic.low, ours.analytic.high), expected, atol=1e-6)


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 4), st.integers(2, 60), st.integers(0, 10**6))
def test_equals_scikit_learn(levels: int, n: int, seed: int) -> None:
    first, second = np.random.default_rng(seed).integers(0, levels, (2, n))
    ours = reader_kappa(first, second, levels, resamples=1)
    if len({*first, *second}) > 1:
        theirs = cohen_kappa_score(first, second, weights="quadratic", labels=range(levels))
        assert ours.value == pytest.approx(theirs, abs=1e-12)
    assert ours.agreeing == np.sum(first == second)


def test_with_two_labels_it_is_the_kappa_of_the_dataset() -> None:
    first, second = np.random.default_rng(1).integers(0, 2, (2, 50))
    ours, plain = reader_kappa(first, second), cohen_kappa(list(map(str, first)), list(map(str, second)))
    npt.assert_allclose((ours.value, ours.analytic.low, ours.analytic.high), (plain.value, plain.low, plain.high))


def test_both_intervals_agree_and_cover() -> None:
    generator = np.random.default_rng(2)
    truth = generator.random(400) < 0.5
    first, second = (np.where(generator.random(400) < 0.15, ~truth, truth).astype(int) for _ in range(2))
    ours = reader_kappa(first, second, labels=truth)
    assert ours.bootstrap.low < ours.value < ours.bootstrap.high
    assert ours.bootstrap.low == pytest.approx(ours.analytic.low, abs=0.015)
    assert ours.bootstrap.high == pytest.approx(ours.analytic.high, abs=0.015)
    pairs = reader_kappa(np.repeat(first, 3), np.repeat(second, 3), patients=[f"P{i // 3}" for i in range(1200)])
    assert pairs.bootstrap.high - pairs.bootstrap.low == pytest.approx(ours.analytic.high - ours.analytic.low, rel=0.1)


def test_without_cases_or_with_one_label_it_is_nan() -> None:
    for table in (np.zeros((2, 2)), [[0, 0], [0, 7]]):
        ours = kappa_estimate(table)
        assert math.isnan(ours.value)
        assert str(ours.bootstrap) == str(ours.analytic) == "–"
    assert np.isnan(quadratic_kappa(np.zeros((3, 2, 2)))).all()
    npt.assert_allclose(quadratic_weights(3), [[1, 0.75, 0], [0.75, 1, 0.75], [0, 0.75, 1]])


@pytest.mark.parametrize(("first", "second"), [([0, 1], [0]), ([0, 2], [0, 1]), ([[0]], [[0]])])
def test_bad_labels_are_refused(first: list, second: list) -> None:
    with pytest.raises(EvaluationError):
        reader_kappa(first, second)
