"""Whether the activation map points at the fracture: its maximum lies in the marked box, or near it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fractureai.dataset.annotation import Region
from fractureai.errors import EvaluationError
from fractureai.evaluation.metrics import BoolArray
from fractureai.geometry import Spacing, crop_matrix, mm_to_pixel, transform_points
from fractureai.inference.prediction import ViewPrediction

MARGIN_MM = 5.0

Box = tuple[float, float, float, float]
"""First row, first column, last row, last column."""


def region_box(region: Region) -> Box:
    """Return the smallest upright box around a region's points."""
    points = np.asarray(region.points, dtype=float)
    (top, left), (bottom, right) = points.min(axis=0), points.max(axis=0)
    return float(top), float(left), float(bottom), float(right)


def activation_peak(view: ViewPrediction) -> tuple[float, float]:
    """Return (row, col) on the radiograph of the activation map's maximum; the mean place where it is shared."""
    peaks = np.argwhere(view.activation_map == view.activation_map.max()).mean(axis=0)
    row, col = transform_points(crop_matrix(view.roi, view.activation_map.shape[0]), peaks)
    return float(row), float(col)


def inside_boxes(
    points: npt.ArrayLike, boxes: Sequence[Sequence[Box]], spacings_mm: Sequence[Spacing], margin_mm: float = MARGIN_MM
) -> BoolArray:
    """Tell which points lie inside one of their radiograph's boxes, widened by a margin on every side.

    Args:
        points: (n, 2) (row, col), one a radiograph.
        boxes: n lists of boxes in pixels, at least one box each.
        spacings_mm: n spacings (row, column).
        margin_mm: how far outside still counts.

    Returns:
        (n,) booleans.

    Raises:
        EvaluationError: the lists differ in length, or a radiograph has no box.
    """
    places = np.asarray(points, dtype=float).reshape(-1, 2)
    if not len(places) == len(boxes) == len(spacings_mm) or not all(boxes):
        raise EvaluationError("Each point needs the boxes (at least one) and the spacing of its radiograph.")
    return np.array(
        [
            any(_inside(point, box, spacing, margin_mm) for box in its_boxes)
            for point, its_boxes, spacing in zip(places, boxes, spacings_mm, strict=True)
        ],
        dtype=bool,
    )


def _inside(point: npt.NDArray[np.float64], box: Box, spacing_mm: Spacing, margin_mm: float) -> bool:
    margin = mm_to_pixel((margin_mm, margin_mm), spacing_mm)
    return bool(((point >= np.array(box[:2]) - margin) & (point <= np.array(box[2:]) + margin)).all())
