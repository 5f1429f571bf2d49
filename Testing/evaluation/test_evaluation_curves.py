"""The drawn curves carry the areas that the tables state."""

import numpy as np
import numpy.testing as npt
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import auc

from fractureai.evaluation import binary_metrics
from fractureai.evaluation.curves import precision_recall, roc


def readings(n: int, levels: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = np.concatenate([[True, False], generator.random(n) < 0.5])
    return labels, np.clip(np.round((0.3 * labels + generator.random(n + 2) * 0.7) * levels) / levels, 0, 1)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 40), st.integers(1, 50), st.integers(0, 10**6))
def test_areas_under_the_curves(n: int, levels: int, seed: int) -> None:
    labels, probabilities = readings(n, levels, seed)
    metrics = binary_metrics(labels, probabilities, 0.5)
    curve = roc(labels, probabilities)
    npt.assert_allclose(auc(curve.x, curve.y), metrics.auroc)
    steps = precision_recall(labels, probabilities)
    npt.assert_allclose(np.sum(np.diff(steps.x) * steps.y[1:]), metrics.aupr)
    assert (steps.x[0], steps.x[-1]) == (0, 1)


def test_bands_lie_around_the_curves_and_narrow_with_cases() -> None:
    widths = []
    for n in (100, 1600):
        labels, probabilities = readings(n, 1000, 1)
        for curve, left in ((roc(labels, probabilities), False), (precision_recall(labels, probabilities), True)):
            if left:
                y = curve.y[np.searchsorted(curve.x, curve.band_x)]
            else:
                y = np.interp(curve.band_x, curve.x, curve.y)
            inside = (curve.band_low - 1e-9 <= y) & (y <= curve.band_high + 1e-9)
            assert inside.mean() > 0.95
            widths.append(np.mean(curve.band_high - curve.band_low))
    assert 0.15 < widths[2] / widths[0] < 0.4  # a quarter, by the square root of 16
    assert 0.1 < widths[3] / widths[1] < 0.4
