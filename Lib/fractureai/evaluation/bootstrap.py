"""Confidence intervals by the stratified bootstrap, thousands of resamples at once.

A resample draws as many fractures from the fractures, and as many normals from the normals, as there are. All seven
metrics depend on it only through how often each case was drawn (multinomial counts), so that cumulative sums over the
cases in order of their probability give the metrics of a whole block of resamples without building or sorting any.
Percentile intervals, as DeepWrist (5,000 resamples, 2.5th and 97.5th percentile).

Studies of one patient tend to be right or wrong together. Where a patient has several, patients are resampled instead
of studies (`draw_cases`), in three strata: those with fractures only, with normal studies only, with both. An interval
from resampled studies would be too narrow there. DeepWrist had one study a patient, where both are the same.

With few cases, or at a share of 0 or 1, a bootstrap interval is too narrow (down to no width at all); `wilson` is not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fractureai.errors import EvaluationError
from fractureai.evaluation.metrics import METRICS, BoolArray, FloatArray, binary_metrics, checked

IntArray = npt.NDArray[np.int64]

RESAMPLES = 5000
CONFIDENCE = 0.95
_BLOCK = 64  # resamples at a time: counts and sums of 500 cases stay in the processor's cache


@dataclass(frozen=True)
class Estimate:
    """A value and its confidence interval; nan where the cases do not define it."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """Return for example ``0.97 (0.94–1.00)``, or ``–`` for an undefined value."""
        return f"{self.value_text} ({self.interval_text})" if self.interval_text else self.value_text

    @property
    def value_text(self) -> str:
        """The value with two decimals, or ``–``."""
        return "–" if math.isnan(self.value) else f"{self.value:.2f}"

    @property
    def interval_text(self) -> str:
        """The interval, for example ``0.94–1.00``, or ""."""
        return "" if math.isnan(self.low) else f"{self.low:.2f}–{self.high:.2f}"


class Ranking:
    """Cases prepared for counting: each class in order of probability, with the places of the other class in it.

    Args:
        labels, probabilities, threshold: as of `binary_metrics`.
    """

    def __init__(self, labels: BoolArray, probabilities: FloatArray, threshold: FloatArray) -> None:
        called = probabilities >= threshold
        # Falling probability for both classes: row i of a cumulative sum counts the draws ranked at or above case i.
        self.positive_order = _falling(probabilities, labels)
        self.negative_order = _falling(probabilities, ~labels)
        positive, negative = probabilities[self.positive_order], probabilities[self.negative_order]
        self.positive_called = called[self.positive_order]
        self.negative_called = called[self.negative_order]
        self._positives_up_to = np.searchsorted(-positive, -positive, side="right")
        self._negatives_up_to = np.searchsorted(-negative, -positive, side="right")
        self._negatives_above = np.searchsorted(-negative, -positive, side="left")

    def draw(
        self, labels: BoolArray, patients: Sequence[str] | None, resamples: int, seed: int
    ) -> Iterator[tuple[IntArray, IntArray]]:
        """Yield blocks of resamples for `metrics`, of patients where one has several cases, else of cases."""
        if patients is None or len(set(patients)) == len(labels):
            yield from draw(len(self.positive_order), len(self.negative_order), resamples, seed)
        else:
            for counts in draw_cases(labels, patients, resamples, seed):
                yield counts[self.positive_order], counts[self.negative_order]

    def metrics(self, positive_counts: IntArray, negative_counts: IntArray) -> dict[str, FloatArray]:
        """Compute the metrics of resamples given by counts.

        Args:
            positive_counts: (fractures, resamples): how often the fracture ``positive_order[i]`` was drawn.
            negative_counts: (normals, resamples), likewise.

        Returns:
            name -> (resamples,), nan where a resample does not define the metric.
        """
        fractures = positive_counts.sum(axis=0, dtype=np.float64)
        normals = negative_counts.sum(axis=0, dtype=np.float64)
        tp = positive_counts[self.positive_called].sum(axis=0, dtype=np.float64)
        fp = negative_counts[self.negative_called].sum(axis=0, dtype=np.float64)
        auroc, aupr = self._areas(positive_counts, negative_counts, fractures, normals)
        with np.errstate(invalid="ignore", divide="ignore"):
            sensitivity, specificity = tp / fractures, (normals - fp) / normals
            return {
                "auroc": auroc,
                "aupr": aupr,
                "sensitivity": sensitivity,
                "specificity": specificity,
                "precision": tp / (tp + fp),
                "f1": 2 * tp / (fractures + tp + fp),
                "balanced_accuracy": (sensitivity + specificity) / 2,
            }

    def _areas(
        self, positive: IntArray, negative: IntArray, fractures: FloatArray, normals: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        if not len(positive) or not len(negative):
            return np.full(fractures.shape, np.nan), np.full(normals.shape, np.nan)
        true_at, false_at = _cumulative(positive)[self._positives_up_to], _cumulative(negative)
        up_to, above = false_at[self._negatives_up_to], false_at[self._negatives_above]
        # Mann-Whitney U: normals ranked below a fracture count 1, ties 1/2.
        lost = np.einsum("ij,ij->j", positive, up_to + above)
        auroc = 1 - lost / (2 * fractures * normals)
        precision = true_at / np.maximum(true_at + up_to, 1)
        # A sum, which rounding takes above 1.
        aupr = np.minimum(np.einsum("ij,ij->j", positive, precision) / fractures, 1.0)
        return auroc, aupr


def bootstrap_metrics(
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    threshold: float | npt.ArrayLike = 0.5,
    resamples: int = RESAMPLES,
    seed: int = 0,
    confidence: float = CONFIDENCE,
    patients: Sequence[str] | None = None,
) -> dict[str, Estimate]:
    """Estimate the seven metrics with percentile intervals from a stratified bootstrap.

    Args:
        labels, probabilities, threshold: as of `binary_metrics`; the threshold stays fixed.
        resamples: how many.
        seed: the same seed gives the same intervals.
        confidence: of the interval, 0..1.
        patients: (n,) whose case it is; patients are then resampled with all their cases. None: cases are.

    Returns:
        metric name -> estimate, in the order of `METRICS`. Resamples that do not define a metric (precision when
        no drawn case was called) are left out of its interval.

    Raises:
        EvaluationError: as `binary_metrics`, or resamples or confidence are out of range.
    """
    check_bootstrap(resamples, confidence)
    truth, scores, limits = checked(labels, probabilities, threshold)
    point = binary_metrics(truth, scores, limits)
    ranking = Ranking(truth, scores, limits)
    blocks = [ranking.metrics(*counts) for counts in ranking.draw(truth, patients, resamples, seed)]
    return {
        name: percentile_estimate(getattr(point, name), np.concatenate([block[name] for block in blocks]), confidence)
        for name in METRICS
    }


def bootstrap_sums(
    values: npt.ArrayLike,
    labels: npt.ArrayLike,
    patients: Sequence[str] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> FloatArray:
    """Sum what belongs to each case over stratified resamples: all cells of many tables at once.

    Args:
        values: (n, k); for example 1 in the cell of a confusion matrix into which the case falls, else 0.
        labels: (n,) by which cases are stratified.
        patients: as of `bootstrap_metrics`.
        resamples, seed: as of `bootstrap_metrics`.

    Returns:
        (resamples, k); row i of two calls with the same labels, patients and seed is of the same resample.
    """
    table, truth = np.asarray(values, dtype=np.float64), np.asarray(labels, dtype=bool)
    return np.concatenate([counts.T @ table for counts in draw_cases(truth, patients, resamples, seed)])


def check_bootstrap(resamples: int, confidence: float) -> None:
    """Refuse settings that no interval can be made with.

    Raises:
        EvaluationError: resamples or confidence are out of range.
    """
    if resamples < 1 or not 0 < confidence < 1:
        raise EvaluationError("The bootstrap needs at least one resample and a confidence between 0 and 1.")


def draw_cases(labels: BoolArray, patients: Sequence[str] | None, resamples: int, seed: int) -> Iterator[IntArray]:
    """Yield blocks of stratified resamples as (n, block): how often each case was drawn.

    Args:
        labels: (n,) True for a fracture.
        patients: (n,) whose case it is; None, or one case each: cases are resampled.
        resamples, seed: as of `bootstrap_metrics`.

    Raises:
        EvaluationError: there are not as many patients as cases.
    """
    group = np.arange(len(labels)) if patients is None else np.unique(list(patients), return_inverse=True)[1]
    if group.shape != labels.shape:
        raise EvaluationError("There must be one patient for each case.")
    number = int(group.max(initial=-1)) + 1
    kind = np.zeros(number, dtype=np.int64)
    np.bitwise_or.at(kind, group, np.where(labels, 1, 2))
    strata = [np.flatnonzero(kind == value) for value in (1, 2, 3)]
    generator = np.random.default_rng(seed)
    for start in range(0, resamples, _BLOCK):
        counts = np.zeros((number, min(_BLOCK, resamples - start)), dtype=np.int64)
        for members in strata:
            counts[members] = _counts(len(members), counts.shape[1], generator)
        yield counts[group]


def draw(fractures: int, normals: int, resamples: int, seed: int) -> Iterator[tuple[IntArray, IntArray]]:
    """Yield blocks of stratified resamples as counts, (fractures, block) and (normals, block)."""
    generator = np.random.default_rng(seed)
    for start in range(0, resamples, _BLOCK):
        size = min(_BLOCK, resamples - start)
        yield _counts(fractures, size, generator), _counts(normals, size, generator)


def wilson(hits: float, n: float, confidence: float = CONFIDENCE) -> Estimate:
    """Return a share with Wilson's score interval, which keeps its width at 0, at 1 and for few cases.

    Args:
        hits: 0..n; need not be whole (effective sample sizes).
        n: how many; 0 gives nan.
        confidence: of the interval, 0..1.
    """
    if not n:
        return Estimate(math.nan, math.nan, math.nan)
    from scipy.special import ndtri

    z = float(ndtri((1 + confidence) / 2))
    p = hits / n
    middle, half = p + z**2 / (2 * n), z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    scale = 1 + z**2 / n
    return Estimate(p, max(0.0, min(p, (middle - half) / scale)), min(1.0, max(p, (middle + half) / scale)))


def _counts(cases: int, resamples: int, generator: np.random.Generator) -> IntArray:
    """Draw from ``cases`` with replacement, ``cases`` times, ``resamples`` times; (cases, resamples) counts."""
    if not cases:
        return np.zeros((0, resamples), dtype=np.int64)
    picks = generator.integers(0, cases, (cases, resamples), dtype=np.int64) * resamples + np.arange(resamples)
    return np.bincount(picks.ravel(), minlength=cases * resamples).reshape(cases, resamples)


def _cumulative(counts: IntArray) -> FloatArray:
    """Return (cases + 1, resamples) sums of the first 0, 1, 2, ... cases; float64 is exact and divides fastest."""
    total = np.zeros((len(counts) + 1, counts.shape[1]))
    np.cumsum(counts, axis=0, out=total[1:])
    return total


def _falling(probabilities: FloatArray, members: BoolArray) -> IntArray:
    indices = np.flatnonzero(members)
    return indices[np.argsort(-probabilities[indices], kind="stable")]


def percentile_estimate(value: float, resampled: FloatArray, confidence: float = CONFIDENCE) -> Estimate:
    """Return a value with the percentile interval of its (resamples,) resampled values; nan among them are left out."""
    defined = resampled[~np.isnan(resampled)]
    if math.isnan(value) or not len(defined):
        return Estimate(value, math.nan, math.nan)
    low, high = np.quantile(defined, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Estimate(value, float(low), float(high))
