"""How far two readers agree beyond chance: quadratic Cohen's kappa with a bootstrap and a large-sample interval.

With two labels (fracture or not) the quadratic kappa is the unweighted one of `fractureai.dataset.agreement`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fractureai.dataset.agreement import kappa_and_error
from fractureai.errors import EvaluationError
from fractureai.evaluation.bootstrap import (
    CONFIDENCE,
    RESAMPLES,
    Estimate,
    bootstrap_sums,
    check_bootstrap,
    percentile_estimate,
)
from fractureai.evaluation.metrics import FloatArray


@dataclass(frozen=True)
class KappaEstimate:
    """Quadratic Cohen's kappa of two readers.

    Attributes:
        bootstrap: 1 for full agreement, 0 for chance, with the percentile interval; nan where it is not defined (no
            common case, or one label only).
        analytic: the same value with the large-sample interval of Fleiss, Cohen and Everitt (1969), cut at -1 and 1.
            With full agreement both intervals have no width, which is not certainty.
        n: cases that both read.
        agreeing: those with the same label.
    """

    bootstrap: Estimate
    analytic: Estimate
    n: int
    agreeing: int

    @property
    def value(self) -> float:
        """Kappa, or nan."""
        return self.bootstrap.value


def quadratic_weights(levels: int) -> FloatArray:
    """Return (levels, levels) agreement: 1 on the diagonal, falling with the square of the distance to 0."""
    steps = np.arange(levels)
    return 1 - ((steps[:, None] - steps[None, :]) / max(levels - 1, 1)) ** 2


def quadratic_kappa(tables: npt.ArrayLike) -> FloatArray:
    """Compute the quadratic kappa of many tables.

    Args:
        tables: (..., k, k) cases by the first and the second reader's label, in the labels' order.

    Returns:
        (...) kappa; nan where a table is empty or has one label only.
    """
    counts = np.asarray(tables, dtype=np.float64)
    apart = 1 - quadratic_weights(counts.shape[-1])
    n = counts.sum(axis=(-2, -1))
    by_chance = np.einsum("...i,ij,...j->...", counts.sum(axis=-1), apart, counts.sum(axis=-2))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(1 - n * (apart * counts).sum(axis=(-2, -1)) / by_chance)


def kappa_estimate(
    table: npt.ArrayLike, resampled: npt.ArrayLike | None = None, confidence: float = CONFIDENCE
) -> KappaEstimate:
    """Return kappa of one table with its intervals.

    Args:
        table: (k, k) cases by the first and the second reader's label.
        resampled: (resamples, k, k) the same table of resamples; None gives no bootstrap interval.
        confidence: of both intervals, 0..1.
    """
    counts = np.asarray(table, dtype=np.float64)
    value, n = float(quadratic_kappa(counts)), int(counts.sum())
    none = Estimate(value, math.nan, math.nan)
    drawn = none if resampled is None else percentile_estimate(value, quadratic_kappa(resampled), confidence)
    if math.isnan(value):
        return KappaEstimate(none, none, n, int(np.trace(counts)))
    from scipy.special import ndtri

    _, error = kappa_and_error(counts / n, n, quadratic_weights(len(counts)))
    half = float(ndtri((1 + confidence) / 2)) * error
    analytic = Estimate(value, max(value - half, -1.0), min(value + half, 1.0))
    return KappaEstimate(drawn, analytic, n, int(np.trace(counts)))


def reader_kappa(
    first: Sequence[int],
    second: Sequence[int],
    levels: int = 2,
    *,
    labels: npt.ArrayLike | None = None,
    patients: Sequence[str] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
    confidence: float = CONFIDENCE,
) -> KappaEstimate:
    """Compute the quadratic kappa of two readers.

    Args:
        first, second: (n,) labels 0, 1, ... ``levels`` - 1, in their order (normal, uncertain, fracture).
        levels: number of labels.
        labels: (n,) the outcome by which the bootstrap is stratified; None: not stratified.
        patients: as of `bootstrap_metrics`.
        resamples, seed, confidence: as of `bootstrap_metrics`.

    Raises:
        EvaluationError: lengths differ, or a label is out of range.
    """
    check_bootstrap(resamples, confidence)
    a, b = np.asarray(first, dtype=np.int64), np.asarray(second, dtype=np.int64)
    if a.ndim != 1 or a.shape != b.shape:
        raise EvaluationError("Both readers need a label for every case.")
    if not (np.isin(a, range(levels)).all() and np.isin(b, range(levels)).all()):
        raise EvaluationError(f"The labels of the readers must be whole numbers from 0 to {levels - 1}.")
    cells = np.eye(levels * levels)[a * levels + b]
    outcome = np.zeros(len(a), dtype=bool) if labels is None else np.asarray(labels, dtype=bool)
    sums = bootstrap_sums(cells, outcome, patients, resamples, seed)
    return kappa_estimate(cells.sum(axis=0).reshape(levels, levels), sums.reshape(-1, levels, levels), confidence)
