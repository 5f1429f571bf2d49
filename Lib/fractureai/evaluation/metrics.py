"""What a classifier's probabilities are worth at one threshold and over all of them.

Definitions are those of DeepWrist (Metrics and statistical analyses): a positive case is a fracture, a case is called
positive when its probability is at least the threshold, AUPR is average precision. A value that the data can not define
is nan, never 0 or 1 by convention: sensitivity without fractures, specificity without normals, precision when no case
was called positive, AUROC and AUPR with one class only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fractureai.errors import EvaluationError

METRICS = ("auroc", "aupr", "sensitivity", "specificity", "precision", "f1", "balanced_accuracy")
"""Names of the seven metrics, in the order of the tables."""

METRIC_TITLES: Mapping[str, str] = {
    "auroc": "AUROC",
    "aupr": "AUPR",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "precision": "Precision",
    "f1": "F1",
    "balanced_accuracy": "Balanced accuracy",
}

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class BinaryMetrics:
    """Metrics of one set of cases; every share is 0..1, or nan where the cases do not define it.

    Attributes:
        n: number of cases.
        n_positive: how many of them are fractures.
        prevalence: their share; nan without cases.
        threshold: a case with at least this probability is called positive; nan when each case had its own.
        true_positive, false_positive, true_negative, false_negative: the confusion matrix at the threshold.
        sensitivity: share of the fractures that were called; nan without fractures.
        specificity: share of the normals that were not called; nan without normals.
        precision: share of the called that are fractures; nan when none was called.
        f1: harmonic mean of precision and sensitivity, 2 TP / (2 TP + FP + FN); nan when that is 0 / 0.
        balanced_accuracy: mean of sensitivity and specificity; nan with one class.
        auroc: area under the receiver operating characteristic; nan with one class.
        aupr: average precision; nan with one class.
    """

    n: int
    n_positive: int
    prevalence: float
    threshold: float
    true_positive: int
    false_positive: int
    true_negative: int
    false_negative: int
    sensitivity: float
    specificity: float
    precision: float
    f1: float
    balanced_accuracy: float
    auroc: float
    aupr: float


def binary_metrics(
    labels: npt.ArrayLike, probabilities: npt.ArrayLike, threshold: float | npt.ArrayLike = 0.5
) -> BinaryMetrics:
    """Compute the seven metrics and the confusion matrix.

    Args:
        labels: (n,) True or 1 for a fracture, False or 0 for a normal case.
        probabilities: (n,) of a fracture, 0..1.
        threshold: 0..1, or (n,) one for each case.

    Raises:
        EvaluationError: lengths differ, there are no cases, or a value is out of its range.
    """
    truth, scores, limits = checked(labels, probabilities, threshold)
    called = scores >= limits
    tp, fp = int(np.sum(called & truth)), int(np.sum(called & ~truth))
    fn, tn = int(truth.sum()) - tp, int((~truth).sum()) - fp
    sensitivity, specificity = share(tp, tp + fn), share(tn, tn + fp)
    auroc, aupr = _areas(truth, scores)
    return BinaryMetrics(
        n=len(truth),
        n_positive=tp + fn,
        prevalence=share(tp + fn, len(truth)),
        threshold=float(limits[0]) if len(set(limits.tolist())) == 1 else math.nan,
        true_positive=tp,
        false_positive=fp,
        true_negative=tn,
        false_negative=fn,
        sensitivity=sensitivity,
        specificity=specificity,
        precision=share(tp, tp + fp),
        f1=share(2 * tp, 2 * tp + fp + fn),
        balanced_accuracy=(sensitivity + specificity) / 2,
        auroc=auroc,
        aupr=aupr,
    )


def share(part: float, whole: float) -> float:
    """Return part / whole, or nan when the whole is 0."""
    return part / whole if whole else math.nan


def checked(
    labels: npt.ArrayLike, probabilities: npt.ArrayLike, threshold: float | npt.ArrayLike
) -> tuple[BoolArray, FloatArray, FloatArray]:
    """Return labels, probabilities and thresholds as (n,) arrays after checking them.

    Raises:
        EvaluationError: lengths differ, there are no cases, or a value is out of its range.
    """
    truth, scores = np.asarray(labels), np.asarray(probabilities, dtype=np.float64)
    if truth.ndim != 1 or truth.shape != scores.shape:
        raise EvaluationError(f"Labels {truth.shape} and probabilities {scores.shape} must be two lists of one length.")
    if len(truth) == 0:
        raise EvaluationError("There are no cases to evaluate.")
    if not np.isin(truth, (0, 1)).all():
        raise EvaluationError("Labels must be 1 (fracture) or 0 (normal); leave uncertain cases out.")
    if not ((scores >= 0) & (scores <= 1)).all():
        raise EvaluationError("Probabilities must lie between 0 and 1; leave out cases that were not read.")
    limits = np.asarray(threshold, dtype=np.float64)
    if limits.shape not in ((), truth.shape) or not np.isfinite(limits).all():
        raise EvaluationError("The threshold must be one number, or one for each case.")
    return truth.astype(bool), scores, np.broadcast_to(limits, truth.shape)


def _areas(truth: BoolArray, scores: FloatArray) -> tuple[float, float]:
    if truth.all() or not truth.any():
        return math.nan, math.nan
    from sklearn.metrics import average_precision_score, roc_auc_score

    # The average precision is a sum, which rounding takes above 1.
    return float(roc_auc_score(truth, scores)), min(1.0, float(average_precision_score(truth, scores)))
