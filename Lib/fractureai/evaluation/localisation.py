"""Where a map lies against the marked regions of a radiograph: is its maximum inside, and how much of it is."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fractureai.dataset.annotation import Region
from fractureai.errors import EvaluationError
from fractureai.evaluation.metrics import BoolArray, FloatArray
from fractureai.geometry import Roi, Spacing, crop_matrix, pixel_to_mm, transform_points
from fractureai.inference.prediction import ViewPrediction

MARGIN_MM = 5.0


@dataclass(frozen=True, eq=False)
class RegionMask:
    """Marked regions on the pixels of a region of interest.

    Attributes:
        inside: (S, S) True inside a marked region.
        near: (S, S) True there and up to a margin around it.
    """

    inside: BoolArray
    near: BoolArray


def activation_peak(view: ViewPrediction) -> tuple[float, float]:
    """Return (row, col) on the radiograph of the activation map's maximum.

    The mean place where the maximum is shared; nan where the map is zero everywhere and so points nowhere.
    """
    return peak_on_image(view.activation_map, view.roi)


def peak_on_image(heat: npt.NDArray[np.floating], roi: Roi) -> tuple[float, float]:
    """Return (row, col) on the radiograph of the maximum of a map of a region of interest; see `map_peak`."""
    row, col = transform_points(crop_matrix(roi, heat.shape[0]), map_peak(heat))
    return float(row), float(col)


def map_peak(heat: npt.NDArray[np.floating]) -> tuple[float, float]:
    """Return (row, col) of a map's maximum, the mean place where it is shared; nan when nothing is above 0."""
    highest = heat.max()
    if not highest > 0:
        return float("nan"), float("nan")
    row, col = np.argwhere(heat == highest).mean(axis=0)
    return float(row), float(col)


def distance_mm(points_rc: npt.ArrayLike, region: Region, spacing_mm: Spacing) -> FloatArray:
    """Return how far (n, 2) points (row, col) lie from a marked region; 0 inside, nan for points that are nan.

    A curve has no inside: its distance is that from the line.
    """
    points = np.atleast_2d(np.asarray(pixel_to_mm(points_rc, spacing_mm), dtype=float))
    outline = np.asarray(pixel_to_mm(_outline(region), spacing_mm), dtype=float)
    result = np.full(len(points), np.inf)
    for start, end in itertools.pairwise(outline):
        result = np.minimum(result, _segment_distance(points, start, end))
    if region.shape != "curve":
        from matplotlib.path import Path

        result[Path(outline).contains_points(points)] = 0
    result[np.isnan(points).any(axis=1)] = np.nan
    return result


def inside_regions(
    points: npt.ArrayLike,
    regions: Sequence[Sequence[Region]],
    spacings_mm: Sequence[Spacing],
    margin_mm: float = MARGIN_MM,
) -> BoolArray:
    """Tell which points lie inside one of their radiograph's regions, or at most a margin away from it.

    Args:
        points: (n, 2) (row, col), one a radiograph.
        regions: n lists of regions (boxes, polygons, curves) in pixels, at least one each.
        spacings_mm: n spacings (row, column).
        margin_mm: how far outside still counts.

    Returns:
        (n,) booleans.

    Raises:
        EvaluationError: the lists differ in length, or a radiograph has no region.
    """
    places = np.asarray(points, dtype=float).reshape(-1, 2)
    if not len(places) == len(regions) == len(spacings_mm) or not all(regions):
        raise EvaluationError("Each point needs the regions (at least one) and the spacing of its radiograph.")
    return np.array(
        [
            any(distance_mm(point, region, spacing)[0] <= margin_mm for region in its_regions)
            for point, its_regions, spacing in zip(places, regions, spacings_mm, strict=True)
        ],
        dtype=bool,
    )


def region_mask(regions: Sequence[Region], roi: Roi, size_px: int, margin_mm: float = MARGIN_MM) -> RegionMask:
    """Draw marked regions on the pixels of a region of interest; what lies beyond it is cut off.

    Args:
        regions: in pixels of the radiograph.
        roi: the region of interest.
        size_px: S, its pixels a side.
        margin_mm: of `RegionMask.near`.
    """
    pixels = np.indices((size_px, size_px)).reshape(2, -1).T
    places = transform_points(crop_matrix(roi, size_px), pixels)
    distance = np.full(len(places), np.inf)
    # A curve, or a region thinner than a pixel, holds the pixels it runs through.
    thin_mm = roi.side_mm / size_px / 2**0.5
    inside = np.zeros(len(places), dtype=bool)
    for region in regions:
        own = distance_mm(places, region, roi.spacing_mm)
        inside |= own <= (0 if (own == 0).any() else thin_mm)
        distance = np.minimum(distance, own)
    shape = (size_px, size_px)
    return RegionMask(inside.reshape(shape), (inside | (distance <= margin_mm)).reshape(shape))


def outline_in_roi(region: Region, roi: Roi, size_px: int) -> FloatArray:
    """Return a region's outline as (n, 2) points (row, col) in pixels of a region of interest, the last the first."""
    to_roi = np.linalg.inv(crop_matrix(roi, size_px))
    return np.asarray(transform_points(to_roi, _outline(region)), dtype=float)


def _outline(region: Region) -> FloatArray:
    points = np.asarray(region.points, dtype=float)
    if region.shape == "box":
        (top, left), (bottom, right) = points.min(axis=0), points.max(axis=0)
        points = np.array([(top, left), (top, right), (bottom, right), (bottom, left)])
    return points if region.shape == "curve" else np.vstack([points, points[:1]])


def _segment_distance(points: FloatArray, start: FloatArray, end: FloatArray) -> FloatArray:
    along = end - start
    length = float(along @ along)
    share = np.clip((points - start) @ along / length, 0, 1) if length else np.zeros(len(points))
    return np.asarray(np.linalg.norm(points - start - share[:, None] * along, axis=1), dtype=float)
