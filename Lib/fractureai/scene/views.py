"""How a radiograph lies in a slice view: whole, upright, turned by quarters, zoomed. No view is rendered here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fractureai.errors import GeometryError
from fractureai.geometry import roi_from_landmarks
from fractureai.scene.nodes import FloatArray, Node, SceneError, to_array, to_vtk, world_matrix
from fractureai.scene.radiograph import pixel_to_ras, ras_to_pixel, spacing_of
from fractureai.sites import ViewProfile

SliceLogic = Any
"""A vtkMRMLSliceLogic: ``slicer.app.layoutManager().sliceWidget("Red").sliceLogic()``."""


def show(
    slice_logic: SliceLogic, background: Node | None, *, foreground: Node | None = None, opacity: float = 0.45
) -> None:
    """Show volumes in a slice view.

    Args:
        slice_logic: the view's logic.
        background: the radiograph; None for an empty view.
        foreground: the volume over it, for example an activation's ``rgba``; None for none.
        opacity: of the foreground, 0..1.
    """
    composite = slice_logic.GetSliceCompositeNode()
    was_modifying = composite.StartModify()
    composite.SetBackgroundVolumeID(background.GetID() if background is not None else None)
    composite.SetForegroundVolumeID(foreground.GetID() if foreground is not None else None)
    composite.SetLabelVolumeID(None)
    composite.SetClipToBackgroundVolume(True)  # a map that reaches over the image's edge is shown on the image only
    composite.SetForegroundOpacity(opacity if foreground is not None else 0.0)
    composite.EndModify(was_modifying)


def fit(
    slice_logic: SliceLogic,
    volume: Node,
    size_px: tuple[int, int] | None = None,
    turns: int = 0,
    *,
    margin: float = 0.0,
) -> None:
    """Show the whole image, upright after quarter turns, centred in the view.

    Args:
        slice_logic: the view's logic.
        volume: the radiograph.
        size_px: width and height of the view in its pixels; by default as the view knows it.
        turns: where the forearm points on the image: +row (0), +col (1), -row (2), -col (3), as `Roi.turns`; it points
            down in the view, fingers up.
        margin: share of the view left free at each side, 0..0.5.
    """
    node = slice_logic.GetSliceNode()
    width_px, height_px = size_px or node.GetDimensions()[:2]
    columns, rows, _ = volume.GetImageData().GetDimensions()
    axes = _view_axes(volume, turns)
    edges = np.array([(-0.5, -0.5), (-0.5, columns - 0.5), (rows - 0.5, columns - 0.5), (rows - 0.5, -0.5)])
    corners = pixel_to_ras(volume, edges)
    extent = np.ptp(corners @ axes[:, :2], axis=0)
    mm_per_px = max(extent[0] / width_px, extent[1] / height_px) / (1 - 2 * margin)
    slice_to_ras = np.eye(4)
    slice_to_ras[:3, :3] = axes
    slice_to_ras[:3, 3] = corners.mean(axis=0)
    was_modifying = node.StartModify()
    if size_px is not None:
        node.SetDimensions(int(width_px), int(height_px), max(1, node.GetDimensions()[2]))
    node.SetXYZOrigin(0, 0, 0)
    node.SetFieldOfView(width_px * mm_per_px, height_px * mm_per_px, node.GetFieldOfView()[2])
    _set_slice_to_ras(node, slice_to_ras)
    node.EndModify(was_modifying)


def turn(slice_logic: SliceLogic, turns: int) -> None:
    """Turn what a view shows clockwise by quarter turns about the middle of the view; the zoom stays."""
    node = slice_logic.GetSliceNode()
    matrix = to_array(node.GetSliceToRAS())
    centre = _ras_at(node, *(size / 2 for size in node.GetDimensions()[:2]))
    cos, sin = [(1, 0), (0, 1), (-1, 0), (0, -1)][turns % 4]
    right, up = matrix[:3, 0].copy(), matrix[:3, 1].copy()
    matrix[:3, 0], matrix[:3, 1] = cos * right + sin * up, cos * up - sin * right
    matrix[:3, 3] = centre
    was_modifying = node.StartModify()
    node.SetXYZOrigin(0, 0, 0)
    _set_slice_to_ras(node, matrix)
    node.EndModify(was_modifying)


def zoom(slice_logic: SliceLogic, factor: float, at_xy: tuple[float, float] | None = None) -> None:
    """Enlarge what a view shows; the point under ``at_xy`` stays where it is.

    Args:
        slice_logic: the view's logic.
        factor: above 1 enlarges.
        at_xy: view pixels from the bottom left; the middle by default.
    """
    node = slice_logic.GetSliceNode()
    x, y = at_xy or tuple(size / 2 for size in node.GetDimensions()[:2])
    before = _ras_at(node, x, y)
    width, height, depth = node.GetFieldOfView()
    was_modifying = node.StartModify()
    node.SetFieldOfView(width / factor, height / factor, depth)
    node.UpdateMatrices()
    matrix = to_array(node.GetSliceToRAS())
    matrix[:3, 3] += before - _ras_at(node, x, y)
    _set_slice_to_ras(node, matrix)
    node.EndModify(was_modifying)


def zoom_to(slice_logic: SliceLogic, volume: Node, point_rc: tuple[float, float], scale: float = 8.0) -> None:
    """Show a point (row, col) of a radiograph in the middle of the view, ``scale`` view pixels to an image pixel."""
    node = slice_logic.GetSliceNode()
    zoom(slice_logic, scale / magnification(slice_logic, volume))
    matrix = to_array(node.GetSliceToRAS())
    middle = _ras_at(node, *(size / 2 for size in node.GetDimensions()[:2]))
    matrix[:3, 3] += pixel_to_ras(volume, point_rc) - middle
    _set_slice_to_ras(node, matrix)


def magnification(slice_logic: SliceLogic, volume: Node) -> float:
    """Return how many view pixels an image pixel is wide; for unequal spacing a geometric mean."""
    xy_to_ras = to_array(slice_logic.GetSliceNode().GetXYToRAS())[:3, :2]
    image = world_matrix(volume)[:3, :2]
    return float(np.sqrt(_area(image) / _area(xy_to_ras)))


def xy_to_pixel(slice_logic: SliceLogic, volume: Node, points_xy: Any) -> FloatArray:
    """Map (..., 2) view pixels (x, y from the bottom left) to (..., 2) points (row, col) of a radiograph."""
    points = np.asarray(points_xy, dtype=float)
    matrix = to_array(slice_logic.GetSliceNode().GetXYToRAS())
    return ras_to_pixel(volume, points @ matrix[:3, :2].T + matrix[:3, 3])


def pixel_to_xy(slice_logic: SliceLogic, volume: Node, points_rc: Any) -> FloatArray:
    """Map (..., 2) points (row, col) of a radiograph to (..., 2) view pixels (x, y from the bottom left)."""
    matrix = np.linalg.inv(to_array(slice_logic.GetSliceNode().GetXYToRAS()))
    return np.asarray(pixel_to_ras(volume, points_rc) @ matrix[:2, :3].T + matrix[:2, 3])


def upright_turns(volume: Node, view_profile: ViewProfile, landmarks: Mapping[str, tuple[float, float]]) -> int:
    """Return the quarter turns for `fit` that let the fingers point up, from the landmarks.

    0 where a landmark is missing, or nothing can be told from them.
    """
    points = [landmarks[name] for name in view_profile.landmark_names if name in landmarks]
    if len(points) < len(view_profile.landmarks):
        return 0
    try:
        return roi_from_landmarks(points, view_profile, spacing_of(volume) or (1.0, 1.0)).turns
    except GeometryError:
        return 0


def _view_axes(volume: Node, turns: int) -> FloatArray:
    """Return the RAS directions of the view's right, up and depth as the columns of a 3x3 matrix."""
    matrix = world_matrix(volume)[:3, :3]
    lengths = np.linalg.norm(matrix, axis=0)
    if not (lengths > 0).all():
        raise SceneError(f"{volume.GetName()} lies below a transform that flattens it; take it out of it.")
    columns, rows, depth = (matrix / lengths).T
    cos, sin = [(1, 0), (0, 1), (-1, 0), (0, -1)][turns % 4]
    right = cos * columns - sin * rows
    down = sin * columns + cos * rows
    down = down - (down @ right) * right
    return np.stack([right, -down / np.linalg.norm(down), depth], axis=1)


def _ras_at(node: Any, x: float, y: float) -> FloatArray:
    return np.asarray((to_array(node.GetXYToRAS()) @ (x, y, 0, 1))[:3])


def _set_slice_to_ras(node: Any, matrix: FloatArray) -> None:
    node.GetSliceToRAS().DeepCopy(to_vtk(matrix))
    node.UpdateMatrices()


def _area(axes: FloatArray) -> float:
    return float(np.linalg.norm(np.cross(axes[:, 0], axes[:, 1])))
