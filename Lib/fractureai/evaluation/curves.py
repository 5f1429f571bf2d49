"""ROC and precision-recall curves with bootstrap bands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fractureai.evaluation.bootstrap import CONFIDENCE, IntArray, Ranking
from fractureai.evaluation.metrics import FloatArray, checked

BAND_RESAMPLES = 1000
_GRID = np.linspace(0, 1, 201)


@dataclass(frozen=True, eq=False)
class Curve:
    """A curve and its band.

    Attributes:
        x, y: the curve's corners; ROC: 1 - specificity and sensitivity; precision-recall: recall and precision.
        band_x, band_low, band_high: pointwise interval of y at fixed x.
    """

    x: FloatArray
    y: FloatArray
    band_x: FloatArray
    band_low: FloatArray
    band_high: FloatArray


def roc(
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    seed: int = 0,
    confidence: float = CONFIDENCE,
    patients: Sequence[str] | None = None,
) -> Curve:
    """Return the ROC curve of cases of both classes; the band as of `bootstrap_metrics`."""
    truth, scores, _ = checked(labels, probabilities, 0.5)
    from sklearn.metrics import roc_curve

    x, y, _ = roc_curve(truth, scores, drop_intermediate=False)
    sampled = [np.interp(_GRID, false, true) for false, true, _ in _rates(truth, scores, seed, patients)]
    return _curve(x, y, np.array(sampled), confidence)


def precision_recall(
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    seed: int = 0,
    confidence: float = CONFIDENCE,
    patients: Sequence[str] | None = None,
) -> Curve:
    """Return the precision-recall curve of cases of both classes, up to the highest threshold that finds all.

    Left of each corner the precision is the corner's: the step function whose area is average precision.
    """
    truth, scores, _ = checked(labels, probabilities, 0.5)
    from sklearn.metrics import precision_recall_curve

    precision, recall, _ = precision_recall_curve(truth, scores)
    part = slice(int(np.searchsorted(-recall, -1.0, side="right")) - 1, int(np.searchsorted(-recall, 0.0)))
    x, y = recall[part][::-1], precision[part][::-1]
    sampled = []
    for _, true, its_precision in _rates(truth, scores, seed, patients):
        first = np.searchsorted(true, np.maximum(_GRID, np.finfo(float).tiny) - 1e-12 * (_GRID > 0), side="left")
        sampled.append(its_precision[first])
    return _curve(np.concatenate([[0.0], x]), np.concatenate([y[:1], y]), np.array(sampled), confidence)


def _rates(
    truth: npt.NDArray[np.bool_], scores: FloatArray, seed: int, patients: Sequence[str] | None
) -> list[tuple[FloatArray, FloatArray, FloatArray]]:
    """Return (false positive rate, sensitivity, precision) of each resample at every threshold, falling, 0 first."""
    ranking = Ranking(truth, scores, np.full(len(scores), 0.5))
    levels = np.unique(scores)[::-1]
    positive = np.searchsorted(-scores[ranking.positive_order], -levels, side="right")
    negative = np.searchsorted(-scores[ranking.negative_order], -levels, side="right")
    rates = []
    for positive_counts, negative_counts in ranking.draw(truth, patients, BAND_RESAMPLES, seed):
        true, false = _at(positive_counts, positive), _at(negative_counts, negative)
        precision = np.where(true + false > 0, true / np.maximum(true + false, 1), 1.0)
        for i in range(true.shape[1]):
            rates.append((false[:, i] / false[-1, i], true[:, i] / true[-1, i], precision[:, i]))
    return rates


def _at(counts: IntArray, upto: IntArray) -> FloatArray:
    total = np.concatenate([np.zeros((1, counts.shape[1])), np.cumsum(counts, axis=0)])
    return np.asarray(total[np.concatenate([[0], upto])], dtype=np.float64)


def _curve(x: FloatArray, y: FloatArray, sampled: FloatArray, confidence: float) -> Curve:
    low, high = np.quantile(sampled, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    return Curve(np.asarray(x), np.asarray(y), _GRID, low, high)
