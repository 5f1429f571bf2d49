"""Landmarks, regions of interest and marked regions as arrays."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from fractureai.dataset import Region
from fractureai.geometry import Roi, Spacing, crop_matrix, roi_from_landmarks, spacing_from_landmarks, transform_points
from fractureai.sites import ViewProfile

CURVE_WIDTH_PX = 5
"""A curve is drawn so wide into the mask."""


def region_of_interest(landmarks_rc: npt.ArrayLike, view: ViewProfile, spacing_mm: Spacing | None) -> Roi:
    """Return the region for landmarks in pixels; without spacing the scale is taken from the landmarks."""
    return roi_from_landmarks(landmarks_rc, view, spacing_mm or spacing_from_landmarks(landmarks_rc, view))


def with_context(roi: Roi, context: float) -> Roi:
    """Return the region enlarged around its centre."""
    return dataclasses.replace(roi, side_mm=roi.side_mm * context)


def region_mask(regions: Sequence[Region], roi: Roi, size_px: int) -> npt.NDArray[np.bool_]:
    """Draw marked regions (image pixels) into a crop of ``size_px`` a side."""
    to_crop = np.linalg.inv(crop_matrix(roi, size_px))
    canvas = Image.new("1", (size_px, size_px))
    draw = ImageDraw.Draw(canvas)
    for region in regions:
        points = [(col, row) for row, col in transform_points(to_crop, _outline(region))]
        if region.shape == "curve":
            draw.line(points, fill=1, width=CURVE_WIDTH_PX)
        else:
            draw.polygon(points, fill=1, outline=1)
    return np.array(canvas, dtype=bool)


def _outline(region: Region) -> list[tuple[float, float]]:
    if region.shape != "box":
        return list(region.points)
    (row0, col0), (row1, col1) = region.points
    return [(row0, col0), (row0, col1), (row1, col1), (row1, col0)]
