"""Pixels, millimetres, RAS, and the region of interest.

Conventions (all of FractureAI): a point is (row, col), floats, integers at pixel centres; spacing is (row spacing,
column spacing) in millimetres, the order of DICOM's Pixel Spacing (PS3.3 10.7.1.3). In MRML i = col, j = row, k = 0 and
ijkToRAS = diag(-column spacing, -row spacing, 1): the image lies upright in Slicer's axial slice view.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from fractureai.errors import GeometryError
from fractureai.sites import ViewProfile

FloatArray = npt.NDArray[np.floating[Any]]
Spacing = tuple[float, float]


def pixel_to_mm(points_rc: npt.ArrayLike, spacing_mm: Spacing) -> FloatArray:
    """Scale (..., 2) points (row, col) to millimetres from the centre of pixel (0, 0)."""
    return np.asarray(points_rc, dtype=float) * _checked(spacing_mm)


def mm_to_pixel(points_mm: npt.ArrayLike, spacing_mm: Spacing) -> FloatArray:
    """Inverse of `pixel_to_mm`."""
    return np.asarray(points_mm, dtype=float) / _checked(spacing_mm)


def ijk_to_ras(spacing_mm: Spacing) -> FloatArray:
    """Return the 4x4 matrix from (col, row, 0, 1) to RAS millimetres: diag(-column spacing, -row spacing, 1, 1)."""
    row_mm, col_mm = _checked(spacing_mm)
    return np.diag([-col_mm, -row_mm, 1.0, 1.0])


def pixel_to_ras(points_rc: npt.ArrayLike, spacing_mm: Spacing) -> FloatArray:
    """Map (..., 2) points (row, col) to (..., 3) RAS millimetres on the plane S = 0."""
    mm = pixel_to_mm(points_rc, spacing_mm)
    return np.stack([-mm[..., 1], -mm[..., 0], np.zeros(mm.shape[:-1])], axis=-1)


def ras_to_pixel(points_ras: npt.ArrayLike, spacing_mm: Spacing) -> FloatArray:
    """Map (..., 3) RAS millimetres to (..., 2) points (row, col), along S."""
    ras = np.asarray(points_ras, dtype=float)
    return mm_to_pixel(np.stack([-ras[..., 1], -ras[..., 0]], axis=-1), spacing_mm)


def distance_mm(a_rc: npt.ArrayLike, b_rc: npt.ArrayLike, spacing_mm: Spacing) -> FloatArray:
    """Return the Euclidean distance in millimetres between (..., 2) points."""
    return np.asarray(np.linalg.norm(pixel_to_mm(np.subtract(a_rc, b_rc), spacing_mm), axis=-1))


def landmark_span_mm(landmarks_rc: npt.ArrayLike, spacing_mm: Spacing) -> float:
    """Return the mean distance in millimetres between all pairs of landmarks."""
    mm = pixel_to_mm(landmarks_rc, spacing_mm)
    first, second = np.triu_indices(len(mm), k=1)
    return float(np.linalg.norm(mm[first] - mm[second], axis=1).mean())


def spacing_from_landmarks(landmarks_rc: npt.ArrayLike, view: ViewProfile) -> Spacing:
    """Estimate the spacing of an image without one from the distance between its landmarks.

    An estimate for placing the region of interest only, never for measuring: people differ by
    ``view.landmark_span_sd_mm``.

    Raises:
        GeometryError: the landmarks coincide.
    """
    span_px = landmark_span_mm(landmarks_rc, (1.0, 1.0))
    if not span_px > 0 or not math.isfinite(span_px):
        raise GeometryError(f"The {view.name} landmarks coincide, so no scale can be derived from them.")
    return (view.landmark_span_mm / span_px,) * 2


@dataclass(frozen=True)
class Roi:
    """A square region of interest on a radiograph, in its pixels.

    Attributes:
        row: centre, row.
        col: centre, column.
        side_mm: side of the square.
        spacing_mm: spacing of the radiograph (row, column) with which ``side_mm`` becomes pixels.
        turns: quarter turns: the forearm points to +row (0), +col (1), -row (2) or -col (3).
    """

    row: float
    col: float
    side_mm: float
    spacing_mm: Spacing
    turns: int = 0

    @property
    def side_px(self) -> float:
        """Side in pixels; for unequal spacings the geometric mean of height and width."""
        return math.sqrt(self.height_px * self.width_px)

    @property
    def height_px(self) -> float:
        """Extent along the rows."""
        return self.side_mm / self.spacing_mm[0]

    @property
    def width_px(self) -> float:
        """Extent along the columns."""
        return self.side_mm / self.spacing_mm[1]

    def corners(self) -> FloatArray:
        """Return the 4 corners (row, col), clockwise from the top left of the image."""
        half = np.array([self.height_px, self.width_px]) / 2
        signs = np.array([[-1, -1], [-1, 1], [1, 1], [1, -1]])
        return np.array([self.row, self.col]) + signs * half

    def fraction_inside(self, shape: tuple[int, int]) -> float:
        """Return the share (0..1) of the region's area that lies on an image of this shape (rows, columns)."""
        corners = self.corners()
        low = np.maximum(corners.min(axis=0), -0.5)
        high = np.minimum(corners.max(axis=0), np.array(shape) - 0.5)
        return float(np.prod(np.maximum(high - low, 0)) / (self.height_px * self.width_px))


def roi_from_landmarks(landmarks_rc: npt.ArrayLike, view: ViewProfile, spacing_mm: Spacing) -> Roi:
    """Place the region of interest by the site profile (DeepWrist, ROI localization block).

    The centre is the mean of the landmarks, moved by the padding towards the forearm. The paper moves it to +row; so
    do we on every upright image. On an image that lies on its side or upside down, the landmarks tell where the forearm
    is, to the nearest quarter turn, and the crop is turned upright.

    Args:
        landmarks_rc: (n, 2) points (row, col) in the order of the profile.
        view: the view profile.
        spacing_mm: the radiograph's spacing (row, column).

    Raises:
        GeometryError: the number of landmarks is wrong, or one is not finite.
    """
    points = np.asarray(landmarks_rc, dtype=float)
    if points.shape != (len(view.landmarks), 2) or not np.isfinite(points).all():
        raise GeometryError(f"View {view.name} needs {len(view.landmarks)} finite landmarks (row, col).")
    turns = _forearm_turns(points, view, spacing_mm)
    direction = np.array([(1, 0), (0, 1), (-1, 0), (0, -1)][turns], dtype=float)
    row, col = points.mean(axis=0) + mm_to_pixel(direction * view.roi_padding_mm, spacing_mm)
    return Roi(float(row), float(col), view.roi_side_mm, spacing_mm, turns)


def _forearm_turns(points: FloatArray, view: ViewProfile, spacing_mm: Spacing) -> int:
    if not view.joint_line:
        return 0
    mm = pixel_to_mm(points, spacing_mm)
    first, second, distal = (mm[view.landmark_names.index(n)] for n in (*view.joint_line, view.distal_landmark))
    along = second - first
    across = np.array([-along[1], along[0]])
    down, right = -across if across @ (distal - first) > 0 else across
    return round(math.atan2(right, down) / (math.pi / 2)) % 4


def crop_matrix(roi: Roi, size_px: int) -> FloatArray:
    """Return the 3x3 matrix from crop (row, col, 1) to image (row, col, 1).

    Crop pixel centres are at integers; the crop's outer edges are the region's edges, so its first pixel centre lies
    half a crop pixel inside the region.
    """
    step_mm = roi.side_mm / size_px
    to_centre = np.array([[1, 0, -(size_px - 1) / 2], [0, 1, -(size_px - 1) / 2], [0, 0, 1.0]])
    sin, cos = [(0, 1), (1, 0), (0, -1), (-1, 0)][roi.turns % 4]
    turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1.0]])
    scale = np.diag([step_mm / roi.spacing_mm[0], step_mm / roi.spacing_mm[1], 1.0])
    to_image = np.array([[1, 0, roi.row], [0, 1, roi.col], [0, 0, 1.0]])
    return np.asarray(to_image @ scale @ turn @ to_centre)


def mirror_matrix(size_px: int) -> FloatArray:
    """Return the 3x3 matrix from a left-right mirrored image's (row, col, 1) to the original's; its own inverse."""
    return np.array([[1.0, 0, 0], [0, -1, size_px - 1], [0, 0, 1]])


def window_matrix(row: float, col: float) -> FloatArray:
    """Return the 3x3 matrix from a window's (row, col, 1) to those of the image it was cut out of at this corner."""
    return np.array([[1.0, 0, row], [0, 1, col], [0, 0, 1]])


def five_crop_corners(size_px: int, window_px: int) -> tuple[tuple[int, int], ...]:
    """Return the top left corners (row, col) of the four corner windows and the central one."""
    if not 0 < window_px <= size_px:
        raise GeometryError(f"A window of {window_px} pixels does not fit into {size_px}.")
    end, middle = size_px - window_px, (size_px - window_px) // 2
    return ((0, 0), (0, end), (end, 0), (end, end), (middle, middle))


def transform_points(matrix: npt.ArrayLike, points_rc: npt.ArrayLike) -> FloatArray:
    """Apply a 3x3 (projective) matrix to (..., 2) points (row, col)."""
    points = np.asarray(points_rc, dtype=float)
    homogeneous = np.concatenate([points, np.ones((*points.shape[:-1], 1))], axis=-1) @ np.asarray(matrix).T
    return np.asarray(homogeneous[..., :2] / homogeneous[..., 2:])


def resample(
    image: npt.NDArray[Any], out_to_in: npt.ArrayLike, shape: tuple[int, int], fill: float = 0.0
) -> npt.NDArray[np.float32]:
    """Sample an image bilinearly at the places an affine matrix gives.

    Outside the image the value is ``fill``; within half a pixel of its border the border's value is kept. When the
    output is coarser than the input, the input is averaged first over whole pixels so that fine texture does not alias.

    Args:
        image: (rows, columns).
        out_to_in: 3x3 affine matrix from output (row, col, 1) to input (row, col, 1).
        shape: rows and columns of the output.
        fill: value outside the image.

    Returns:
        float32 array of ``shape``.
    """
    matrix = np.asarray(out_to_in, dtype=float)
    corners = transform_points(matrix, [(-1, -1), (-1, shape[1]), (shape[0], shape[1]), (shape[0], -1)])
    low = np.clip(np.floor(corners.min(axis=0)).astype(int), 0, image.shape)
    high = np.clip(np.ceil(corners.max(axis=0)).astype(int) + 1, 0, image.shape)
    if (high <= low).any():
        return np.full(shape, fill, dtype=np.float32)
    patch = image[low[0] : high[0], low[1] : high[1]]
    step = np.linalg.norm(matrix[:2, :2], axis=1)  # input pixels per output pixel, along input rows and columns
    factor = np.minimum(np.maximum(np.floor(step).astype(int), 1), patch.shape)
    patch = _block_mean(patch, int(factor[0]), int(factor[1]))
    to_patch = np.diag([1 / factor[0], 1 / factor[1], 1.0])
    to_patch[:2, 2] = -(low + (factor - 1) / 2) / factor
    if matrix[0, 1] == matrix[1, 0] == 0:
        return _resample_upright(patch, to_patch @ matrix, matrix, image.shape, shape, fill)
    if matrix[0, 0] == matrix[1, 1] == 0:  # a quarter turn
        turned = matrix[:, [1, 0, 2]]
        return _resample_upright(patch, to_patch @ turned, turned, image.shape, shape[::-1], fill).T
    rows, cols = np.meshgrid(np.arange(shape[0]), np.arange(shape[1]), indexing="ij")
    where = np.asarray((to_patch @ matrix)[:2] @ np.stack([rows.ravel(), cols.ravel(), np.ones(rows.size)]))
    values = ndimage.map_coordinates(patch, where, order=1, mode="nearest", output=np.float32, prefilter=False)
    in_image = (matrix[:2] @ np.stack([rows.ravel(), cols.ravel(), np.ones(rows.size)])).T
    outside = ((in_image < -0.5) | (in_image > np.array(image.shape) - 0.5)).any(axis=1)
    values[outside] = fill
    return np.asarray(values.reshape(shape), dtype=np.float32)


def _resample_upright(
    patch: npt.NDArray[Any],
    to_patch: FloatArray,
    to_image: FloatArray,
    image_shape: tuple[int, ...],
    shape: tuple[int, int],
    fill: float,
) -> npt.NDArray[np.float32]:
    """Sample bilinearly where rows depend on rows and columns on columns only: one axis after the other."""
    values = np.asarray(patch, dtype=np.float32)
    for axis in (0, 1):
        where = np.clip(to_patch[axis, axis] * np.arange(shape[axis]) + to_patch[axis, 2], 0, values.shape[axis] - 1)
        first = np.floor(where).astype(np.intp)
        share = (where - first).astype(np.float32)
        share = share[:, None] if axis == 0 else share
        second = np.minimum(first + 1, values.shape[axis] - 1)
        before = values.take(first, axis)
        values = before + (values.take(second, axis) - before) * share
    for axis, lines in enumerate((values, values.T)):
        where = to_image[axis, axis] * np.arange(shape[axis]) + to_image[axis, 2]
        lines[(where < -0.5) | (where > image_shape[axis] - 0.5)] = fill
    return values


def crop_roi(image: npt.NDArray[Any], roi: Roi, size_px: int, fill: float = 0.0) -> npt.NDArray[np.float32]:
    """Cut a region of interest out of an image, upright, as float32 (size_px, size_px); ``fill`` outside the image."""
    return resample(image, crop_matrix(roi, size_px), (size_px, size_px), fill)


def resize_matrix(image_shape: tuple[int, int], shape: tuple[int, int]) -> FloatArray:
    """Return the 3x3 matrix from a (anisotropically) resized image's (row, col, 1) to the image's.

    Outer edges meet outer edges ("align_corners = False").
    """
    scale = np.array(image_shape) / np.array(shape)
    matrix = np.diag([scale[0], scale[1], 1.0])
    matrix[:2, 2] = (scale - 1) / 2
    return matrix


def resize(image: npt.NDArray[Any], shape: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Resize an image to ``shape`` (rows, columns), each axis by its own factor, averaging when it shrinks."""
    return resample(image, resize_matrix((image.shape[0], image.shape[1]), shape), shape)


def _block_mean(image: npt.NDArray[Any], rows: int, cols: int) -> npt.NDArray[np.float32]:
    """Average blocks of rows x cols pixels; the last, partial blocks are filled up with the border's values."""
    if rows == cols == 1:
        return np.asarray(image, dtype=np.float32)
    pad_rows, pad_cols = -image.shape[0] % rows, -image.shape[1] % cols
    if pad_rows or pad_cols:
        image = np.pad(image, ((0, pad_rows), (0, pad_cols)), mode="edge")
    across = sum((image[r::rows] for r in range(1, rows)), start=image[::rows].astype(np.float32))  # whole rows: fast
    total = sum((across[:, c::cols] for c in range(1, cols)), start=across[:, ::cols])
    return np.asarray(total / np.float32(rows * cols), dtype=np.float32)


def _checked(spacing_mm: Spacing) -> FloatArray:
    spacing = np.asarray(spacing_mm, dtype=float)
    if spacing.shape != (2,) or not (np.isfinite(spacing).all() and (spacing > 0).all()):
        raise GeometryError(f"Spacing must be two positive numbers (row, column) in millimetres, not {spacing_mm}.")
    return spacing
