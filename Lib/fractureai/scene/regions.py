"""Regions that people mark (fracture lines, casts, ...) as markups: box, polygon, open curve."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import slicer

from fractureai.dataset.annotation import Region
from fractureai.scene.nodes import (
    COLOURS,
    KIND,
    FloatArray,
    Node,
    SceneError,
    attach,
    nodes_on,
    parent_matrix,
    scene,
    to_array,
)
from fractureai.scene.overlay import set_box, style_box
from fractureai.scene.radiograph import pixel_to_ras, ras_to_pixel

_CLASSES = {
    "box": "vtkMRMLMarkupsROINode",
    "polygon": "vtkMRMLMarkupsClosedCurveNode",
    "curve": "vtkMRMLMarkupsCurveNode",
}
_REGION = "FractureAI.Region"
_BONE = "FractureAI.Bone"
_CORNERS = "FractureAI.Corners"
_UNMOVED_PX = 1e-3
"""A box's node keeps its centre as float32: nearer than this to the corners it was made with, it has not moved."""


def add_region(volume: Node, region: Region) -> Node:
    """Add a region; one without points is to be drawn by clicks (`landmarks.start_placing`).

    Args:
        volume: the radiograph.
        region: in its pixels. The edges of polygons and curves are straight, as they are stored.

    Returns:
        vtkMRMLMarkupsROINode (box), vtkMRMLMarkupsClosedCurveNode (polygon) or vtkMRMLMarkupsCurveNode (curve).

    Raises:
        SceneError: the shape is unknown, or a box does not have two corners.
    """
    if region.shape not in _CLASSES or (region.shape == "box" and len(region.points) not in (0, 2)):
        raise SceneError(f"A region is a box of two corners, a polygon or a curve; this is a {region.shape}.")
    node = getattr(slicer, _CLASSES[region.shape])()
    node.SetName(" ".join(part for part in (region.kind or "region", region.bone) if part).capitalize())
    node.SetAttribute(_REGION, region.kind)
    node.SetAttribute(_BONE, region.bone)
    scene().AddNode(node)
    node.CreateDefaultDisplayNodes()
    attach(node, volume, "region")
    if region.shape == "box":
        _set_corners(node, volume, region.points)
        style_box(node, COLOURS["human"])
        _allow_resizing(node)
    else:
        node.SetCurveTypeToLinear()
        for point in pixel_to_ras(volume, np.reshape(region.points, (-1, 2))):
            node.AddControlPointWorld([float(value) for value in point])
        _style_curve(node)
    return node


def read_region(node: Node, volume: Node) -> Region:
    """Return a region as it is now; only points that are placed count.

    A box that was not moved has exactly the corners it was made with, in their order; else top left and bottom right.
    """
    shape = next(name for name, class_name in _CLASSES.items() if node.IsA(class_name) and _is_exactly(node, name))
    points = _corners(node, volume) if shape == "box" else _vertices(node, volume)
    listed = tuple((float(row), float(col)) for row, col in points)
    return Region(node.GetAttribute(_REGION) or "", listed, shape, node.GetAttribute(_BONE) or "")


def describe_region(node: Node, kind: str, bone: str) -> None:
    """Change what a region shows and in which bone."""
    node.SetAttribute(_REGION, kind)
    node.SetAttribute(_BONE, bone)
    node.SetName(" ".join(part for part in (kind or "region", bone) if part).capitalize())


def is_complete(node: Node) -> bool:
    """Return whether a region has all it needs: two corners, three vertices of a polygon, two of a curve."""
    if node.IsA(_CLASSES["box"]):
        return bool(node.GetNumberOfControlPoints() and min(node.GetSize()[:2]) > 0)
    return int(node.GetNumberOfDefinedControlPoints()) >= (3 if node.IsA(_CLASSES["polygon"]) else 2)


def tidy_box(node: Node, volume: Node) -> None:
    """Lay a box that was drawn by clicks along the rows and columns, on the image plane, with a slim outline."""
    corners = _corners(node, volume)
    if len(corners):
        set_box(node, volume, corners[0], corners[1])
    style_box(node, COLOURS["human"])
    _allow_resizing(node)


def regions_on(volume: Node) -> list[Node]:
    """Return the regions on a radiograph in the order of the scene."""
    return [node for node in nodes_on(volume) if node.GetAttribute(KIND) == "region"]


def _is_exactly(node: Node, shape: str) -> bool:
    return shape != "curve" or not node.IsA(_CLASSES["polygon"])  # a closed curve is a curve as well


def _set_corners(node: Node, volume: Node, points: tuple[tuple[float, float], ...]) -> None:
    if not points:
        return
    corners = np.asarray(points, dtype=float)
    set_box(node, volume, corners.min(axis=0), corners.max(axis=0))
    node.SetAttribute(_CORNERS, json.dumps(corners.tolist()))


def _corners(node: Node, volume: Node) -> FloatArray:
    if not node.GetNumberOfControlPoints():
        return np.empty((0, 2))
    half = np.array(node.GetSize()) / 2
    matrix = parent_matrix(node) @ to_array(node.GetObjectToNodeMatrix())
    signs = np.array([(-1, -1, 0), (-1, 1, 0), (1, 1, 0), (1, -1, 0)])
    corners = ras_to_pixel(volume, (signs * half) @ matrix[:3, :3].T + matrix[:3, 3])
    box = np.stack([corners.min(axis=0), corners.max(axis=0)])
    made_with = np.array(json.loads(node.GetAttribute(_CORNERS) or "[[Infinity, 0], [0, 0]]"))
    return made_with if np.abs(np.sort(made_with, axis=0) - box).max() < _UNMOVED_PX else box


def _vertices(node: Node, volume: Node) -> FloatArray:
    defined = slicer.vtkMRMLMarkupsNode.PositionDefined
    points: list[Any] = [
        node.GetNthControlPointPositionWorld(index)
        for index in range(node.GetNumberOfControlPoints())
        if node.GetNthControlPointPositionStatus(index) == defined
    ]
    return ras_to_pixel(volume, np.reshape(points, (-1, 3)))


def _allow_resizing(node: Node) -> None:
    display = node.GetDisplayNode()
    display.SetHandlesInteractive(True)
    display.SetRotationHandleVisibility(False)
    display.SetTranslationHandleVisibility(True)
    display.SetScaleHandleVisibility(True)
    display.SetInteractionHandleScale(1.5)


def _style_curve(node: Node) -> None:
    display = node.GetDisplayNode()
    colour = COLOURS["human"]
    display.SetColor(*colour)
    display.SetSelectedColor(*colour)
    display.SetActiveColor(*(0.5 + 0.5 * part for part in colour))
    display.SetPropertiesLabelVisibility(False)
    display.SetPointLabelsVisibility(False)
    display.SetUseGlyphScale(True)
    display.SetGlyphScale(1.2)
    display.SetFillVisibility(False)
    display.SetCurveLineSizeMode(display.UseLineThickness)
    display.SetLineThickness(0.3)
