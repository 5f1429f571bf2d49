"""Activation maps: from the windows they were made in to the region of interest, and from there to the radiograph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fractureai.geometry import crop_matrix, resample, transform_points, window_matrix

if TYPE_CHECKING:
    from fractureai.inference.prediction import ViewPrediction

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class WindowMaps:
    """The activation maps of one region of interest, as they left the networks.

    They are small; the maps of the region that are made of them (`activation_map`, `member_maps`) are not, so that a
    reading keeps these.

    Attributes:
        maps: (members, n, h, w), 0 or above; each covers its window edge to edge.
        corners: (row, col) of each window's top left pixel, in the region or, for a mirrored one, in its mirror image.
        mirrored: whether the window was cut out of the region's left-right mirror image.
        window_px: side of the windows.
        size_px: side of the region.
    """

    maps: FloatArray
    corners: tuple[tuple[int, int], ...]
    mirrored: tuple[bool, ...]
    window_px: int
    size_px: int

    def activation_map(self) -> FloatArray:
        """Return (size_px, size_px), 0..1: the mean over members and windows as a share of its maximum."""
        mean = self.maps.mean(axis=0, dtype=np.float32)
        return merge_windows(mean, self.corners, self.mirrored, self.window_px, self.size_px)

    def member_maps(self) -> FloatArray:
        """Return (members, size_px, size_px): the mean over windows of each member.

        All are shares of the maximum of the mean over members, so that their mean is `activation_map`; a member's own
        maximum may be above 1.
        """
        placed = place_windows(self.maps, self.corners, self.mirrored, self.window_px, self.size_px)
        highest = placed.mean(axis=0).max()
        return np.asarray(placed / highest if highest > 0 else placed, dtype=np.float32)


def enlarge(maps: FloatArray, size_px: int) -> FloatArray:
    """Enlarge (n, h, w) maps bilinearly to (n, size_px, size_px); outer edges meet outer edges."""
    rows, cols = _weights(maps.shape[1], size_px), _weights(maps.shape[2], size_px)
    return np.asarray(rows @ maps @ cols.T, dtype=np.float32)


def place_windows(
    maps: FloatArray, corners: Sequence[tuple[int, int]], mirrored: Sequence[bool], window_px: int, size_px: int
) -> FloatArray:
    """Put the maps of windows back in place on their region of interest; mirrored windows are mirrored back.

    Args:
        maps, corners, mirrored, window_px, size_px: as of `WindowMaps`.

    Returns:
        (members, size_px, size_px): the mean of the maps where windows cover the region, 0 elsewhere.
    """
    total = np.zeros((len(maps), size_px, size_px), dtype=np.float32)
    count = np.zeros((size_px, size_px), dtype=np.float32)
    for number, ((row, col), flip) in enumerate(zip(corners, mirrored, strict=True)):
        window = enlarge(maps[:, number], window_px)
        left = size_px - window_px - col if flip else col
        place = np.s_[..., row : row + window_px, left : left + window_px]
        total[place] += window[:, :, ::-1] if flip else window
        count[place] += 1
    return np.asarray(total / np.maximum(count, 1), dtype=np.float32)


def merge_windows(
    maps: FloatArray, corners: Sequence[tuple[int, int]], mirrored: Sequence[bool], window_px: int, size_px: int
) -> FloatArray:
    """Merge the (n, h, w) maps of one member, or of the mean over members, into one map of the region of interest.

    Args:
        maps: (n, h, w).
        corners, mirrored, window_px, size_px: as of `WindowMaps`.

    Returns:
        (size_px, size_px) mean of the maps where windows cover it, 0 elsewhere, divided by its maximum.
    """
    mean = place_windows(maps[np.newaxis], corners, mirrored, window_px, size_px)[0]
    highest = mean.max()
    return np.asarray(mean / highest if highest > 0 else mean, dtype=np.float32)


def activation_on_image(view: ViewPrediction, shape: tuple[int, int]) -> FloatArray:
    """Place a view's activation map on its radiograph.

    Args:
        view: the reading.
        shape: rows and columns of the radiograph.

    Returns:
        float32 array of ``shape``, 0..1, 0 outside the region of interest.
    """
    result = np.zeros(shape, dtype=np.float32)
    size_px = view.activation_map.shape[0]
    to_image = crop_matrix(view.roi, size_px)
    edges = transform_points(to_image, [(-0.5, -0.5), (-0.5, size_px - 0.5), (size_px - 0.5, size_px - 0.5)])
    low = np.clip(np.floor(edges.min(axis=0)).astype(int), 0, shape)
    high = np.clip(np.ceil(edges.max(axis=0)).astype(int) + 1, 0, shape)
    if (high <= low).any():
        return result
    to_map = np.linalg.inv(to_image) @ window_matrix(*low)
    size = (int(high[0] - low[0]), int(high[1] - low[1]))
    result[low[0] : high[0], low[1] : high[1]] = resample(view.activation_map, to_map, size)
    return result


def _weights(inputs: int, outputs: int) -> FloatArray:
    """Return the (outputs, inputs) matrix of linear interpolation; beyond the outer centres the edge's value holds."""
    where = np.clip((np.arange(outputs) + 0.5) * inputs / outputs - 0.5, 0, inputs - 1)
    below = np.minimum(where.astype(int), max(inputs - 2, 0))
    matrix = np.zeros((outputs, inputs), dtype=np.float32)
    index = np.arange(outputs)
    matrix[index, below] = 1 - (where - below)
    if inputs > 1:
        matrix[index, below + 1] = where - below
    return matrix
