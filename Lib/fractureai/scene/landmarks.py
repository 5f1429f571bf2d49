"""Named landmarks of a view as one point list: in the order of the site profile, placed or not yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import slicer

from fractureai.scene.nodes import COLOURS, Node, attach, nodes_on, scene
from fractureai.scene.radiograph import pixel_to_ras, ras_to_pixel
from fractureai.sites import ViewProfile

Point = tuple[float, float]


@dataclass(frozen=True)
class _Look:
    """How the landmarks of one role look and behave."""

    name: str
    colour: str
    opacity: float
    locked: bool
    labels: bool


ROLES = {
    "annotation": _Look("Landmarks", "human", 1.0, False, True),
    "proposal": _Look("Proposed landmarks", "model bright", 0.8, False, False),
    "reading": _Look("Landmarks of the model", "model bright", 1.0, True, False),
}
"""annotation: what a person marks; proposal: what a model suggests, to be dragged; reading: what a model used."""

GLYPH_SCALE = 3.5
"""Size of the crosses in per cent of the view, whatever the zoom."""

TEXT_SCALE = 2.6
ROLE = "FractureAI.Role"
NAMES = "FractureAI.Landmarks"


def add_landmarks(
    volume: Node,
    view_profile: ViewProfile,
    points: Mapping[str, Point] | None = None,
    *,
    role: str = "annotation",
) -> Node:
    """Add the landmarks of a view: as many points as the profile has, those not given unset and placed in order.

    Args:
        volume: the radiograph.
        view_profile: names, titles and order.
        points: name -> (row, col); names the profile does not have are ignored.
        role: see `ROLES`.

    Returns:
        vtkMRMLMarkupsFiducialNode below the radiograph in the subject hierarchy.
    """
    look = ROLES[role]
    node = slicer.vtkMRMLMarkupsFiducialNode()
    node.SetName(f"{look.name} {view_profile.name}")
    node.SetAttribute(ROLE, role)
    node.SetAttribute("FractureAI.View", view_profile.name)
    node.SetAttribute(NAMES, " ".join(view_profile.landmark_names))
    scene().AddNode(node)
    node.CreateDefaultDisplayNodes()  # does nothing where the markups logic was faster
    _style(node.GetDisplayNode(), look)
    attach(node, volume, "landmarks")
    for index, landmark in enumerate(view_profile.landmarks):
        node.AddControlPoint((0.0, 0.0, 0.0))
        node.SetNthControlPointLabel(index, landmark.title)
        node.SetNthControlPointDescription(index, landmark.hint)
        node.UnsetNthControlPointPosition(index)
    node.SetFixedNumberOfControlPoints(True)
    for index, name in enumerate(view_profile.landmark_names):
        if points and name in points:
            set_landmark(node, index, volume, points[name])
    node.SetLocked(look.locked)
    return node


def read_landmarks(node: Node, volume: Node) -> dict[str, Point]:
    """Return name -> (row, col) of the landmarks that are placed."""
    result = {}
    for index, name in enumerate(names_of(node)):
        if is_placed(node, index):
            row, col = ras_to_pixel(volume, node.GetNthControlPointPositionWorld(index))
            result[name] = (float(row), float(col))
    return result


def names_of(node: Node) -> tuple[str, ...]:
    """Return the names of the landmarks in their order."""
    return tuple((node.GetAttribute(NAMES) or "").split())


def is_placed(node: Node, index: int) -> bool:
    """Return whether a landmark has a position (not while it only follows the mouse)."""
    return bool(node.GetNthControlPointPositionStatus(index) == slicer.vtkMRMLMarkupsNode.PositionDefined)


def next_index(node: Node) -> int | None:
    """Return the index of the first landmark without a position, or None when all are placed."""
    return next((index for index in range(len(names_of(node))) if not is_placed(node, index)), None)


def set_landmark(node: Node, index: int, volume: Node, point_rc: Point) -> None:
    """Put a landmark at a point (row, col) of the radiograph."""
    node.SetNthControlPointPositionWorld(index, [float(value) for value in pixel_to_ras(volume, point_rc)])


def set_landmarks(node: Node, volume: Node, points: Mapping[str, Point]) -> None:
    """Put all landmarks where ``points`` says, and take the others away; one notification for all (undo, redo)."""
    was_modifying = node.StartModify()
    for index, name in enumerate(names_of(node)):
        if name in points:
            set_landmark(node, index, volume, points[name])
        elif node.GetNthControlPointPositionStatus(index) != slicer.vtkMRMLMarkupsNode.PositionUndefined:
            node.UnsetNthControlPointPosition(index)
    node.EndModify(was_modifying)


def unset_landmark(node: Node, index: int) -> None:
    """Take a landmark away; the next click in Place mode places it again."""
    node.UnsetNthControlPointPosition(index)
    node.SetControlPointPlacementStartIndex(index)


def start_placing(node: Node, *, persistent: bool = True) -> None:
    """Let clicks in the slice views place the unset points of a markup, in order.

    Args:
        node: any markup of ours.
        persistent: stay in Place mode until all points are placed; else for one point.
    """
    selection = scene().GetNodeByID("vtkMRMLSelectionNodeSingleton")
    interaction = scene().GetNodeByID("vtkMRMLInteractionNodeSingleton")
    selection.SetReferenceActivePlaceNodeClassName(node.GetClassName())
    selection.SetActivePlaceNodeID(node.GetID())
    interaction.SetPlaceModePersistence(int(persistent))
    interaction.SetCurrentInteractionMode(interaction.Place)


def stop_placing() -> None:
    """Leave Place mode: the mouse moves points and the view again."""
    interaction = scene().GetNodeByID("vtkMRMLInteractionNodeSingleton")
    interaction.SetCurrentInteractionMode(interaction.ViewTransform)


def is_placing() -> bool:
    """Return whether clicks place points now."""
    interaction = scene().GetNodeByID("vtkMRMLInteractionNodeSingleton")
    return bool(interaction.GetCurrentInteractionMode() == interaction.Place)


def landmarks_on(volume: Node, role: str = "annotation") -> list[Node]:
    """Return the point lists of a role on a radiograph, in the order of the scene."""
    return [node for node in nodes_on(volume) if node.GetAttribute(ROLE) == role]


def _style(display: Node, look: _Look) -> None:
    colour = COLOURS[look.colour]
    display.SetUseGlyphScale(True)
    display.SetGlyphScale(GLYPH_SCALE)
    display.SetGlyphTypeFromString("CrossDot2D")
    display.SetTextScale(TEXT_SCALE)
    display.SetColor(*colour)
    display.SetSelectedColor(*colour)
    display.SetActiveColor(*(0.5 + 0.5 * part for part in colour))
    display.SetOpacity(look.opacity)
    display.SetPointLabelsVisibility(look.labels)
    display.SetPropertiesLabelVisibility(False)
    display.SetHandlesInteractive(False)
    display.SetSliceProjection(False)
    text = display.GetTextProperty()
    text.SetColor(*colour)
    text.SetBackgroundColor(0, 0, 0)
    text.SetBackgroundOpacity(0.45)
    text.SetShadow(True)
