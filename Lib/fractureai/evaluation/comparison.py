"""Whether two readers differ by more than chance: DeLong for two AUROCs, McNemar for two decisions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fractureai.errors import EvaluationError
from fractureai.evaluation.bootstrap import CONFIDENCE, Estimate
from fractureai.evaluation.metrics import FloatArray, checked


@dataclass(frozen=True)
class AurocComparison:
    """Two models on the same cases.

    Attributes:
        first, second: AUROC of each, with the interval of `delong_auroc`.
        difference: first - second, with its interval.
        p: two-sided, of no difference; nan where the cases do not define it.
    """

    first: Estimate
    second: Estimate
    difference: Estimate
    p: float


@dataclass(frozen=True)
class McNemar:
    """Two readers' right and wrong decisions on the same cases.

    Attributes:
        n: cases that both read.
        both_right, both_wrong: cases.
        only_first, only_second: cases that only this reader got right.
        p_exact: two-sided, of equally many errors (binomial).
        p_mid: the same by the mid-p form, which is less cautious (Fagerland, Lydersen and Laake, BMC Med Res Methodol
            13, 2013).
    """

    n: int
    both_right: int
    both_wrong: int
    only_first: int
    only_second: int
    p_exact: float
    p_mid: float


def auroc_covariance(
    labels: npt.ArrayLike, probabilities: npt.ArrayLike, patients: Sequence[str] | None = None
) -> tuple[FloatArray, FloatArray]:
    """Compute AUROCs of models on the same cases, and their covariance (DeLong, DeLong and Clarke-Pearson 1988).

    The components come from midranks in O(n log n) (Sun and Xu, IEEE Signal Processing Letters 21, 2014). With
    several cases of a patient their components are summed by patient first (Obuchowski, Biometrics 53, 1997); with
    one case a patient that is DeLong's covariance.

    Args:
        labels: (n,) True or 1 for a fracture.
        probabilities: (models, n).
        patients: (n,) whose case it is; None: each case is a patient.

    Returns:
        (models,) AUROCs, nan with one class only; (models, models) covariance, nan where fewer than two patients have a
        fracture or a normal case.

    Raises:
        EvaluationError: lengths differ, there are no cases, or a value is out of its range.
    """
    scores = np.atleast_2d(np.asarray(probabilities, dtype=np.float64))
    truth = checked(labels, scores[0], 0.5)[0]
    for row in scores[1:]:
        checked(labels, row, 0.5)
    group = np.arange(len(truth)) if patients is None else np.unique(list(patients), return_inverse=True)[1]
    if group.shape != truth.shape:
        raise EvaluationError("There must be one patient for each case.")
    models, fractures, normals = len(scores), int(truth.sum()), int((~truth).sum())
    if not fractures or not normals:
        return np.full(models, math.nan), np.full((models, models), math.nan)
    from scipy.stats import rankdata

    together = rankdata(scores, axis=1)
    above = (together[:, truth] - rankdata(scores[:, truth], axis=1)) / normals
    below = 1 - (together[:, ~truth] - rankdata(scores[:, ~truth], axis=1)) / fractures
    aurocs = above.mean(axis=1)
    by_fracture = _sums_by(group, truth, above - aurocs[:, None])
    by_normal = _sums_by(group, ~truth, below - aurocs[:, None])
    with_fracture, with_normal = len(np.unique(group[truth])), len(np.unique(group[~truth]))
    if min(with_fracture, with_normal) < 2:
        return aurocs, np.full((models, models), math.nan)
    patients_n = len(by_fracture)
    of_fractures = with_fracture / (with_fracture - 1) * by_fracture.T @ by_fracture / fractures**2
    of_normals = with_normal / (with_normal - 1) * by_normal.T @ by_normal / normals**2
    crossed = patients_n / (patients_n - 1) * by_fracture.T @ by_normal / (fractures * normals)
    return aurocs, of_fractures + of_normals + crossed + crossed.T


def delong_auroc(
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    patients: Sequence[str] | None = None,
    confidence: float = CONFIDENCE,
) -> Estimate:
    """Return the AUROC with DeLong's interval on the logit scale, which stays between 0 and 1.

    Args:
        labels, probabilities, patients: as of `auroc_covariance`, one model.
        confidence: of the interval, 0..1.

    Returns:
        The interval is nan where the AUROC is 0 or 1: the variance is then 0 and says nothing.
    """
    aurocs, covariance = auroc_covariance(labels, probabilities, patients)
    return _logit_interval(float(aurocs[0]), float(covariance[0, 0]), confidence)


def compare_auroc(
    labels: npt.ArrayLike,
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    patients: Sequence[str] | None = None,
    confidence: float = CONFIDENCE,
) -> AurocComparison:
    """Compare the AUROCs of two models on the same cases by DeLong's test.

    Args:
        labels, patients: as of `auroc_covariance`.
        first, second: (n,) probabilities.
        confidence: of the intervals, 0..1.
    """
    from scipy.special import ndtr, ndtri

    if np.shape(first) != np.shape(second):
        raise EvaluationError("Both models need a probability for every case.")
    aurocs, covariance = auroc_covariance(labels, np.stack([np.asarray(first), np.asarray(second)]), patients)
    difference = float(aurocs[0] - aurocs[1])
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    ours, theirs = (_logit_interval(float(aurocs[i]), float(covariance[i, i]), confidence) for i in (0, 1))
    if math.isnan(variance) or variance <= 1e-15:  # the same ranking, but for rounding
        p = 1.0 if difference == 0 and not math.isnan(variance) else math.nan
        return AurocComparison(ours, theirs, Estimate(difference, math.nan, math.nan), p)
    error = math.sqrt(variance)
    half = float(ndtri((1 + confidence) / 2)) * error
    p = float(2 * ndtr(-abs(difference) / error))
    return AurocComparison(ours, theirs, Estimate(difference, difference - half, difference + half), p)


def mcnemar(first_right: npt.ArrayLike, second_right: npt.ArrayLike) -> McNemar:
    """Compare two readers' decisions on the same cases.

    Args:
        first_right, second_right: (n,) whether each decision was right. Of fractures only, it compares sensitivities;
            of normals only, specificities.

    Raises:
        EvaluationError: lengths differ.
    """
    a, b = np.asarray(first_right, dtype=bool), np.asarray(second_right, dtype=bool)
    if a.ndim != 1 or a.shape != b.shape:
        raise EvaluationError("Both readers need a decision for every case.")
    table = np.array([[np.sum(a & b), np.sum(a & ~b)], [np.sum(~a & b), np.sum(~a & ~b)]])
    only_first, only_second = int(table[0, 1]), int(table[1, 0])
    exact, mid = 1.0, 1.0
    if only_first + only_second:
        from scipy.stats import binom
        from statsmodels.stats.contingency_tables import mcnemar as test

        exact = float(test(table, exact=True).pvalue)
        fewer, discordant = min(only_first, only_second), only_first + only_second
        mid = min(1.0, float(2 * binom.cdf(fewer, discordant, 0.5) - binom.pmf(fewer, discordant, 0.5)))
    return McNemar(len(a), int(table[0, 0]), int(table[1, 1]), only_first, only_second, exact, mid)


def p_cell(p: float) -> str:
    """Return a p-value for a table: ``0.031``, ``<0.001``, or a dash."""
    if math.isnan(p):
        return "–"
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def p_text(p: float) -> str:
    """Return a p-value for a sentence: ``= 0.031``, ``< 0.001``, or ``not defined``."""
    if math.isnan(p):
        return "not defined"
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"


def _sums_by(group: npt.NDArray[np.int64], members: npt.NDArray[np.bool_], values: FloatArray) -> FloatArray:
    """Return (groups, models) sums of (models, members) values."""
    sums = np.zeros((int(group.max()) + 1, len(values)))
    np.add.at(sums, group[members], values.T)
    return sums


def _logit_interval(value: float, variance: float, confidence: float) -> Estimate:
    if not 0 < value < 1 or math.isnan(variance):
        return Estimate(value, math.nan, math.nan)
    from scipy.special import expit, logit, ndtri

    half = float(ndtri((1 + confidence) / 2)) * math.sqrt(max(variance, 0.0)) / (value * (1 - value))
    return Estimate(value, float(expit(logit(value) - half)), float(expit(logit(value) + half)))
