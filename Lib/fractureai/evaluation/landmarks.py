"""How far predicted landmarks lie from the reference, and the share within some millimetres (recall of key points)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fractureai.errors import EvaluationError
from fractureai.evaluation.bootstrap import CONFIDENCE, Estimate, wilson
from fractureai.evaluation.metrics import FloatArray
from fractureai.geometry import Spacing, distance_mm

RECALL_MM = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0)
"""Distances of the recall table, as DeepWrist."""

CURVE_MM = tuple(i / 20 for i in range(161))
"""Distances of the recall curve: every 0.05 mm up to 8 mm."""


@dataclass(frozen=True)
class LandmarkRecall:
    """Landmark errors of a set of radiographs.

    Attributes:
        n_points: landmarks that have a reference.
        n_radiographs: radiographs they lie on.
        missed: of these landmarks, those the model did not place (it read the radiograph as another view).
        mean_mm, median_mm: over the landmarks that were placed; nan when none was.
        recall: distance in mm -> share of ``n_points`` placed within it.
    """

    n_points: int
    n_radiographs: int
    missed: int
    mean_mm: float
    median_mm: float
    recall: Mapping[float, Estimate]


@dataclass(frozen=True, eq=False)
class RecallCurve:
    """Share of landmarks placed within any distance.

    Attributes:
        distance_mm: (n,) rising.
        recall: (n,) share of the landmarks within it.
        low, high: (n,) pointwise interval, as of `landmark_recall`.
    """

    distance_mm: FloatArray
    recall: FloatArray
    low: FloatArray
    high: FloatArray


def landmark_errors_mm(
    predicted: Mapping[str, tuple[float, float]], reference: Mapping[str, tuple[float, float]], spacing_mm: Spacing
) -> dict[str, float]:
    """Return the distance in mm for each landmark of the reference; inf for one that was not predicted.

    Args:
        predicted, reference: name -> (row, col).
        spacing_mm: of the radiograph (row, column).
    """
    return {
        name: float(distance_mm(predicted[name], point, spacing_mm)) if name in predicted else math.inf
        for name, point in reference.items()
    }


def landmark_recall(
    errors_mm: npt.ArrayLike, thresholds_mm: Sequence[float] = RECALL_MM, confidence: float = CONFIDENCE
) -> LandmarkRecall:
    """Compute the recall table of landmark errors.

    Intervals are Wilson's, with the effective number of landmarks: those on one radiograph tend to be right or wrong
    together, so the number is divided by the design effect (the variance between radiographs over that of independent
    landmarks). Where all or none are within the distance that ratio is not defined, and radiographs are counted
    instead, which is the most cautious choice.

    Args:
        errors_mm: (radiographs, landmarks) or (radiographs,) distances; nan without a reference, inf when missed.
        thresholds_mm: distances of the table.
        confidence: of the intervals, 0..1.

    Raises:
        EvaluationError: an error is negative or the array has more than two axes.
    """
    errors = _checked(errors_mm)
    placed = errors[np.isfinite(errors)]
    return LandmarkRecall(
        n_points=int(np.sum(~np.isnan(errors))),
        n_radiographs=len(errors),
        missed=int(np.isinf(errors).sum()),
        mean_mm=float(placed.mean()) if len(placed) else math.nan,
        median_mm=float(np.median(placed)) if len(placed) else math.nan,
        recall={float(limit): _clustered_share(errors, limit, confidence) for limit in thresholds_mm},
    )


def recall_curve(
    errors_mm: npt.ArrayLike, distances_mm: npt.ArrayLike = CURVE_MM, confidence: float = CONFIDENCE
) -> RecallCurve:
    """Compute the share of landmarks within each distance, with the intervals of `landmark_recall`.

    Args:
        errors_mm, confidence: as of `landmark_recall`.
        distances_mm: (n,) rising.
    """
    errors, distances = _checked(errors_mm), np.asarray(distances_mm, dtype=np.float64)
    shares = [_clustered_share(errors, float(limit), confidence) for limit in distances]
    columns = (np.array([getattr(share, name) for share in shares]) for name in ("value", "low", "high"))
    return RecallCurve(distances, *columns)


def _checked(errors_mm: npt.ArrayLike) -> FloatArray:
    """Return (radiographs, landmarks), without radiographs that have no reference."""
    errors = np.asarray(errors_mm, dtype=np.float64)
    errors = errors[:, None] if errors.ndim == 1 else errors
    if errors.ndim != 2 or (errors < 0).any():
        raise EvaluationError("Landmark errors must be distances, one row a radiograph and one column a landmark.")
    return errors[~np.isnan(errors).all(axis=1)]


def _clustered_share(errors: FloatArray, limit_mm: float, confidence: float) -> Estimate:
    points = np.sum(~np.isnan(errors), axis=1)
    hits = np.sum(errors <= limit_mm, axis=1)
    n = float(points.sum())
    if not n:
        return wilson(0, 0)
    share = hits.sum() / n
    independent = share * (1 - share) / n
    if independent and len(points) > 1:
        between = np.sum((hits - share * points) ** 2) / n**2 * len(points) / (len(points) - 1)
        effective = min(n, n * independent / between) if between else n
    else:
        effective = float(len(points))
    interval = wilson(share * effective, effective, confidence)
    return Estimate(float(share), interval.low, interval.high)
