"""Activation maps: from the windows they were made in to the region of interest, and from there to the radiograph."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fractureai.geometry import crop_matrix, resample, transform_points, window_matrix
from fractureai.inference.prediction import ViewPrediction

FloatArray = npt.NDArray[np.float32]


def enlarge(maps: FloatArray, size_px: int) -> FloatArray:
    """Enlarge (n, h, w) maps bilinearly to (n, size_px, size_px); outer edges meet outer edges."""
    rows, cols = _weights(maps.shape[1], size_px), _weights(maps.shape[2], size_px)
    return np.asarray(rows @ maps @ cols.T, dtype=np.float32)


def merge_windows(
    maps: FloatArray, corners: Sequence[tuple[int, int]], mirrored: Sequence[bool], window_px: int, size_px: int
) -> FloatArray:
    """Put windows' activation maps back in place on their region of interest.

    Args:
        maps: (n, h, w) maps, each covering its window edge to edge.
        corners: (row, col) of each window's top left pixel, in the region or, for a mirrored one, in its mirror image.
        mirrored: whether the window was cut out of the region's left-right mirror image.
        window_px: side of the windows.
        size_px: side of the region.

    Returns:
        (size_px, size_px) mean of the maps where windows cover it, 0 elsewhere, divided by its maximum.
    """
    total = np.zeros((size_px, size_px), dtype=np.float32)
    count = np.zeros_like(total)
    for window, (row, col), flip in zip(enlarge(maps, window_px), corners, mirrored, strict=True):
        left = size_px - window_px - col if flip else col
        place = np.s_[row : row + window_px, left : left + window_px]
        total[place] += window[:, ::-1] if flip else window
        count[place] += 1
    mean = total / np.maximum(count, 1)
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
