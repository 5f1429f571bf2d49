"""Landmark errors and calibration."""

import math

import numpy as np
import numpy.testing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss
from statsmodels.stats.proportion import proportion_confint

from fractureai.errors import EvaluationError
from fractureai.evaluation import calibration, landmark_errors_mm, landmark_recall
from fractureai.evaluation.landmarks import RECALL_MM, recall_curve


def test_errors_use_row_and_column_spacing() -> None:
    reference = {"a": (10.0, 20.0), "b": (0.0, 0.0)}
    errors = landmark_errors_mm({"a": (13.0, 24.0), "c": (0.0, 0.0)}, reference, (1.0, 0.5))
    assert errors["a"] == pytest.approx(math.hypot(3, 2))
    assert errors["b"] == math.inf
    assert set(errors) == {"a", "b"}


def test_recall_of_single_landmarks_is_a_share_with_wilsons_interval() -> None:
    errors = [0.5, 1.0, 1.2, 2.9, 3.0, 7.0, math.inf, math.nan]
    result = landmark_recall(errors)
    assert (result.n_points, result.n_radiographs, result.missed) == (7, 7, 1)
    assert result.median_mm == pytest.approx((1.2 + 2.9) / 2)
    assert result.mean_mm == pytest.approx(np.mean(errors[:6]))
    for limit, hits in {1.0: 2, 1.5: 3, 2.0: 3, 3.0: 5, 4.0: 5, 5.0: 5}.items():
        assert result.recall[limit].value == pytest.approx(hits / 7)
        # One landmark a radiograph: the design effect is n / (n - 1).
        low, high = proportion_confint(6 * hits / 7, 6, method="wilson")
        npt.assert_allclose((result.recall[limit].low, result.recall[limit].high), (low, high))


def test_interval_covers_the_true_share_of_dependent_landmarks() -> None:
    """Three landmarks that share most of their error must not count as three independent ones."""
    generator = np.random.default_rng(0)
    truth = np.mean(np.abs(generator.normal(0, 3, 10**6)) <= 3)
    covered = 0
    for _ in range(600):
        shared = generator.normal(0, 3, (40, 1))
        estimate = landmark_recall(np.repeat(np.abs(shared), 3, axis=1), (3.0,)).recall[3.0]
        covered += estimate.low <= truth <= estimate.high
    assert 0.92 <= covered / 600 <= 0.98


@given(st.integers(1, 30), st.integers(1, 4), st.floats(0, 10))
def test_all_or_none_within_leaves_width(radiographs: int, landmarks: int, error: float) -> None:
    estimate = landmark_recall(np.full((radiographs, landmarks), error), (5.0,)).recall[5.0]
    low, high = proportion_confint(radiographs * (error <= 5), radiographs, method="wilson")
    npt.assert_allclose((estimate.value, estimate.low, estimate.high), (float(error <= 5), low, high), atol=1e-12)


def test_no_reference_gives_nan_and_negative_errors_are_refused() -> None:
    result = landmark_recall([[math.nan, math.nan]])
    assert result.n_radiographs == 0
    assert math.isnan(result.recall[5.0].value)
    with pytest.raises(EvaluationError):
        landmark_recall([-1.0])


@given(st.integers(2, 200), st.integers(1, 15), st.integers(0, 10**6))
def test_calibration_equals_scikit_learn(n: int, bins: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    probabilities = generator.random(n)
    labels = generator.random(n) < probabilities
    ours = calibration(labels, probabilities, bins)
    observed, mean = calibration_curve(labels, probabilities, n_bins=bins)
    npt.assert_allclose([b.observed.value for b in ours.bins], observed, atol=1e-12)
    npt.assert_allclose([b.mean_probability for b in ours.bins], mean)
    assert ours.brier == pytest.approx(brier_score_loss(labels, probabilities))
    assert sum(b.n for b in ours.bins) == n


def test_calibration_error_by_hand() -> None:
    ours = calibration([1, 0, 1, 1], [0.95, 0.05, 1.0, 0.05], 10)
    assert ours.expected_error == pytest.approx((2 * abs(0.05 - 0.5) + 2 * abs(0.975 - 1)) / 4)
    assert [(b.low, b.n) for b in ours.bins] == [(0.0, 2), (0.9, 2)]


@given(st.integers(1, 30), st.integers(1, 3), st.integers(0, 10**6))
def test_the_curve_is_the_table_at_any_distance(radiographs: int, landmarks: int, seed: int) -> None:
    errors = np.random.default_rng(seed).gamma(2, 1.2, (radiographs, landmarks))
    errors[0, 0] = math.inf
    curve, table = recall_curve(errors, RECALL_MM), landmark_recall(errors)
    for i, limit in enumerate(RECALL_MM):
        estimate = table.recall[limit]
        npt.assert_allclose(
            (curve.recall[i], curve.low[i], curve.high[i]), (estimate.value, estimate.low, estimate.high)
        )
    whole = recall_curve(errors)
    assert (whole.distance_mm[0], whole.distance_mm[-1], len(whole.recall)) == (0, 8, 161)
    assert (np.diff(whole.recall) >= 0).all()
    assert ((whole.low <= whole.recall) & (whole.recall <= whole.high)).all()
