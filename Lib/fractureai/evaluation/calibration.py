"""Whether 0.8 means eight of ten: reliability bins, expected calibration error, Brier score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fractureai.errors import EvaluationError
from fractureai.evaluation.bootstrap import Estimate, wilson
from fractureai.evaluation.metrics import checked


@dataclass(frozen=True)
class CalibrationBin:
    """The cases whose probability lies in one bin.

    Attributes:
        low, high: the bin's edges; a probability on an edge belongs to the upper bin, 1 to the last.
        n: cases in it, at least 1.
        mean_probability: of these cases.
        observed: share of fractures among them, with Wilson's interval.
    """

    low: float
    high: float
    n: int
    mean_probability: float
    observed: Estimate


@dataclass(frozen=True)
class Calibration:
    """How probabilities compare with frequencies.

    Attributes:
        bins: those with at least one case, in order.
        expected_error: expected calibration error, 0 (best)..1: mean over the cases of the absolute difference between
            mean probability and share of fractures of their bin.
        brier: mean squared difference of probability and label, 0 (best)..1.
    """

    bins: tuple[CalibrationBin, ...]
    expected_error: float
    brier: float


def calibration(labels: npt.ArrayLike, probabilities: npt.ArrayLike, bins: int = 10) -> Calibration:
    """Sort the cases into bins of equal width and compare their probabilities with the share of fractures.

    Args:
        labels, probabilities: as of `binary_metrics`.
        bins: number of bins between 0 and 1.

    Raises:
        EvaluationError: as `binary_metrics`, or there is no bin.
    """
    if bins < 1:
        raise EvaluationError("Calibration needs at least one bin.")
    truth, scores, _ = checked(labels, probabilities, 0.5)
    edges = np.linspace(0, 1, bins + 1)
    index = np.clip(np.searchsorted(edges, scores, side="right") - 1, 0, bins - 1)
    filled = []
    for i in np.unique(index):
        inside = index == i
        observed = wilson(int(truth[inside].sum()), int(inside.sum()))
        filled.append(
            CalibrationBin(
                float(edges[i]), float(edges[i + 1]), int(inside.sum()), float(scores[inside].mean()), observed
            )
        )
    gap = sum(b.n * abs(b.mean_probability - b.observed.value) for b in filled)
    return Calibration(tuple(filled), gap / len(truth), float(np.mean((scores - truth) ** 2)))
