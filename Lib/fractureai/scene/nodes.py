"""What the other modules of the scene share: the scene, matrices, attributes, and the subject hierarchy.

Everything FractureAI adds to a scene carries the attribute ``FractureAI.Kind``, refers to its radiograph by the node
reference ``FractureAI.Radiograph``, and has an item in the subject hierarchy below its study. All three are saved with
the scene.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import slicer
import vtk
from vtkmodules.util.numpy_support import vtk_to_numpy

from fractureai.errors import FractureAIError

Node = Any
"""A MRML node."""

FloatArray = npt.NDArray[np.float64]

KIND = "FractureAI.Kind"
"""Attribute of every node of ours: ``radiograph``, ``landmarks``, ``region``, ``roi``, ``activation``, ..."""

RADIOGRAPH = "FractureAI.Radiograph"
"""Role of the node reference from a mark or a reading to its radiograph."""

STUDY_UID = "FractureAI.StudyInstanceUID"
"""Attribute of a node that belongs to a study, not to one radiograph."""

COLOURS: dict[str, tuple[float, float, float]] = {
    name: tuple(int(code[i : i + 2], 16) / 255 for i in (0, 2, 4))  # type: ignore[misc]
    for name, code in {
        "human": "E69F00",  # orange
        "model": "0072B2",  # blue
        "alarm": "D55E00",  # vermilion
        "done": "009E73",  # bluish green
        "model bright": "56B4E9",  # sky blue: what the model says, as a thin line or text on a dark image
    }.items()
}
"""Colours of Okabe and Ito (Color Universal Design, 2008), which the colour-blind can tell apart: RGB, 0..1."""


class SceneError(FractureAIError):
    """A node that can not be used: of another kind, without image, or below a transform that bends."""


def scene() -> Any:
    """Return the application's MRML scene (``slicer.mrmlScene``)."""
    return slicer.mrmlScene


def hierarchy() -> Any:
    """Return the subject hierarchy node of the scene."""
    return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene())


def to_array(matrix: Any) -> FloatArray:
    """Return a vtkMatrix4x4 as a 4x4 array."""
    return np.array([matrix.GetElement(row, col) for row in range(4) for col in range(4)]).reshape(4, 4)


def to_vtk(matrix: npt.ArrayLike) -> Any:
    """Return a 4x4 array as a vtkMatrix4x4."""
    result = vtk.vtkMatrix4x4()
    result.DeepCopy([float(value) for value in np.asarray(matrix, dtype=float).ravel()])
    return result


def scalars_of(image: Any) -> npt.NDArray[Any]:
    """Return the scalars of a vtkImageData as an array that shares their memory: (n,), or (n, components)."""
    array: npt.NDArray[Any] = vtk_to_numpy(image.GetPointData().GetScalars())  # type: ignore[no-untyped-call]
    return array


def local_matrix(volume: Node) -> FloatArray:
    """Return the 4x4 matrix from (col, row, slice, 1) to RAS millimetres before the volume's parent transform."""
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    return to_array(matrix)


def world_matrix(volume: Node) -> FloatArray:
    """Return the 4x4 matrix from (col, row, slice, 1) to world RAS millimetres, parent transforms included.

    Raises:
        SceneError: a parent transform is not linear.
    """
    return np.asarray(parent_matrix(volume) @ local_matrix(volume))


def parent_matrix(node: Node) -> FloatArray:
    """Return the 4x4 matrix from a node's own RAS to world RAS; identity without a parent transform.

    Raises:
        SceneError: a parent transform is not linear.
    """
    transform = node.GetParentTransformNode()
    if transform is None:
        return np.eye(4)
    if not transform.IsTransformToWorldLinear():
        raise SceneError(f"{node.GetName()} lies below a transform that bends; take it out of that transform.")
    matrix = vtk.vtkMatrix4x4()
    transform.GetMatrixTransformToWorld(matrix)
    return to_array(matrix)


def kind_of(node: Node) -> str:
    """Return what a node of ours is, or "" for any other node."""
    return (node.GetAttribute(KIND) or "") if node is not None else ""


def nodes_of_kind(kind: str) -> Iterator[Node]:
    """Yield the nodes of ours of this kind, in the order of the scene."""
    nodes = scene().GetNodes()
    for index in range(nodes.GetNumberOfItems()):
        node = nodes.GetItemAsObject(index)
        if node.GetAttribute(KIND) == kind:
            yield node


def nodes_on(volume: Node) -> list[Node]:
    """Return the nodes of ours that lie on a radiograph: landmarks, regions, and what models drew."""
    identifier = volume.GetID()
    nodes = scene().GetNodes()
    every = (nodes.GetItemAsObject(index) for index in range(nodes.GetNumberOfItems()))
    return [node for node in every if kind_of(node) and node.GetNodeReferenceID(RADIOGRAPH) == identifier]


def radiograph_of(node: Node) -> Node | None:
    """Return the radiograph a node of ours lies on, or None."""
    return node.GetNodeReference(RADIOGRAPH)


def attach(node: Node, volume: Node, kind: str, parent_item: int | None = None) -> None:
    """Make a node that is in the scene one of ours: kind, radiograph, its transform, and a place in the hierarchy.

    Args:
        node: the node.
        volume: the radiograph it lies on.
        kind: see `KIND`.
        parent_item: the hierarchy item to hang it below; the radiograph's by default.
    """
    node.SetAttribute(KIND, kind)
    node.SetNodeReferenceID(RADIOGRAPH, volume.GetID())
    if volume.GetTransformNodeID() and hasattr(node, "SetAndObserveTransformNodeID"):
        node.SetAndObserveTransformNodeID(volume.GetTransformNodeID())
    place(node, item_of(volume) if parent_item is None else parent_item)


def item_of(node: Node) -> int:
    """Return a node's hierarchy item, made now where the application has not made it (slicer-core does not)."""
    tree = hierarchy()
    return int(tree.GetItemByDataNode(node) or tree.CreateItem(tree.GetSceneItemID(), node))


def place(node: Node, parent_item: int) -> int:
    """Hang a node below a hierarchy item; return the node's own item."""
    tree = hierarchy()
    item = int(tree.GetItemByDataNode(node))
    if not item:
        return int(tree.CreateItem(parent_item, node))
    tree.SetItemParent(item, parent_item)
    return item


def remove_node(node: Node) -> None:
    """Remove a node with its display and storage nodes and its hierarchy item."""
    tree = hierarchy()
    companions = [
        getattr(node, f"GetNth{part}Node")(index)
        for part in ("Display", "Storage")
        if hasattr(node, f"GetNumberOf{part}Nodes")
        for index in range(getattr(node, f"GetNumberOf{part}Nodes")())
    ]
    item = tree.GetItemByDataNode(node)
    if item:
        tree.RemoveItem(item, False, False)
    for one in (node, *companions):
        if one is not None and scene().IsNodePresent(one):
            scene().RemoveNode(one)
