"""A model's reading of a study in the scene: for each radiograph landmarks, region of interest, activation map.

All of a reading hangs in one folder below the study; its JSON (inference/reading.schema.json) is kept in a text node
there, so that a saved scene can be opened and shown again without the model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import slicer
import vtk

from fractureai.geometry import Roi, crop_matrix
from fractureai.scene.landmarks import add_landmarks
from fractureai.scene.nodes import (
    KIND,
    STUDY_UID,
    Node,
    hierarchy,
    kind_of,
    nodes_of_kind,
    place,
    radiograph_of,
    remove_node,
    scene,
)
from fractureai.scene.overlay import CUTOFF, VALUES, ActivationNodes, add_activation, add_roi
from fractureai.scene.radiograph import UID, add_study, study_item_of
from fractureai.scene.verdicts import Verdict, store_verdict, verdicts, verdicts_csv, verdicts_json
from fractureai.sites import Landmark, ViewProfile

__all__ = [
    "ReadingNodes",
    "Verdict",
    "ViewNodes",
    "add_reading",
    "find_readings",
    "remove_reading",
    "roi_of",
    "store_verdict",
    "verdicts",
    "verdicts_csv",
    "verdicts_json",
]


@dataclass(frozen=True)
class ViewNodes:
    """What a reading drew on one radiograph.

    Attributes:
        volume: the radiograph.
        landmarks: vtkMRMLMarkupsFiducialNode, locked; None when the reading had none.
        roi: vtkMRMLMarkupsROINode, locked.
        activation: the map, or None.
    """

    volume: Node
    landmarks: Node | None = None
    roi: Node | None = None
    activation: ActivationNodes | None = None


@dataclass(frozen=True)
class ReadingNodes:
    """A reading in the scene.

    Attributes:
        record: vtkMRMLTextNode with the JSON.
        item: hierarchy item of its folder.
        views: SOP Instance UID -> nodes, for the radiographs that are in the scene.
    """

    record: Node
    item: int
    views: Mapping[str, ViewNodes] = field(default_factory=dict)

    @property
    def reading(self) -> dict[str, Any]:
        """The reading's JSON object."""
        content: dict[str, Any] = json.loads(self.record.GetText())
        return content


def add_reading(
    reading: Mapping[str, Any],
    volumes: Mapping[str, Node],
    activations: Mapping[str, npt.NDArray[Any]] | None = None,
    *,
    cutoff: float = CUTOFF,
) -> ReadingNodes:
    """Add a reading: one folder below the study, in it what the model drew, named for people.

    An earlier reading of the same radiographs by the same model is replaced (a study may hold both wrists).

    Args:
        reading: JSON object of inference/reading.schema.json.
        volumes: SOP Instance UID -> radiograph in the scene (`add_radiograph`); views of other radiographs are kept in
            the record and not drawn.
        activations: SOP Instance UID -> activation map, square, 0..1.
        cutoff: of the activation maps, see `style_activation`.
    """
    study_uid, study_item = _study(reading, volumes)
    for earlier in find_readings(study_uid):
        if _is_replaced(earlier.reading, reading):
            remove_reading(earlier)
    tree = hierarchy()
    item = int(tree.CreateFolderItem(study_item, f"Reading - {reading['model']}"))
    tree.SetItemAttribute(item, KIND, "reading")
    record = slicer.vtkMRMLTextNode()
    record.SetName(f"Reading - {reading['model']} (record)")
    record.SetAttribute(KIND, "reading")
    record.SetAttribute(STUDY_UID, study_uid)
    record.SetEncoding(vtk.VTK_ENCODING_UTF_8)
    record.SetText(json.dumps(dict(reading), ensure_ascii=False))
    scene().AddNode(record)
    place(record, item)
    views = {}
    for view in reading["views"]:
        uid = view["sop_instance_uid"]
        if uid in volumes:
            views[uid] = _add_view(view, reading["model"], volumes[uid], (activations or {}).get(uid), item, cutoff)
    return ReadingNodes(record, item, views)


def find_readings(study_uid: str | None = None) -> tuple[ReadingNodes, ...]:
    """Return the readings of a study, or of all studies in the scene (also after a scene was loaded)."""
    records = nodes_of_kind("reading")
    return tuple(_found(record) for record in records if study_uid in (None, record.GetAttribute(STUDY_UID)))


def remove_reading(nodes: ReadingNodes) -> None:
    """Remove a reading with its folder and all it drew; the radiographs and people's marks stay."""
    tree = hierarchy()
    for node in (*_nodes_below(nodes.item), nodes.record):
        if scene().IsNodePresent(node):
            remove_node(node)
    tree.RemoveItem(nodes.item, True, True)


def _is_replaced(earlier: Mapping[str, Any], reading: Mapping[str, Any]) -> bool:
    """Tell whether a reading takes the place of an earlier one of its study."""
    if earlier.get("model") != reading["model"]:
        return False
    before, now = ({view["sop_instance_uid"] for view in one["views"]} for one in (earlier, reading))
    return not before or not now or bool(before & now)


def roi_of(view: Mapping[str, Any]) -> Roi:
    """Return the region of interest of one item of a reading's ``views``."""
    roi, (row_mm, col_mm) = view["roi"], view["spacing_mm"]
    return Roi(roi["row"], roi["col"], roi["side_mm"], (row_mm, col_mm), roi["turns"])


def _add_view(
    view: Mapping[str, Any],
    model: str,
    volume: Node,
    activation: npt.NDArray[Any] | None,
    item: int,
    cutoff: float,
) -> ViewNodes:
    suffix = f"{view['view']} - {model}"
    roi = roi_of(view)
    points = {point["name"]: (point["row"], point["col"]) for point in view["landmarks"]}
    landmarks = add_landmarks(volume, _profile(view), points, role="reading") if points else None
    if landmarks is not None:
        landmarks.SetName(f"Landmarks {suffix}")
        place(landmarks, item)
    box = add_roi(volume, roi, name=f"Region of interest {suffix}", parent_item=item)
    shown = None
    if activation is not None:
        matrix = crop_matrix(roi, np.shape(activation)[0])
        shown = add_activation(volume, activation, matrix, name=f"Activation {suffix}", cutoff=cutoff, parent_item=item)
    return ViewNodes(volume, landmarks, box, shown)


def _profile(view: Mapping[str, Any]) -> ViewProfile:
    """Return a view profile with just the landmarks the reading names (the site of the model need not be here)."""
    names = [point["name"] for point in view["landmarks"]]
    landmarks = tuple(Landmark(name, name.replace("_", " "), "") for name in names)
    return ViewProfile(view["view"], view["view"], (), 1.0, 0.0, 1, (), "", 1.0, 1.0, landmarks)


def _study(reading: Mapping[str, Any], volumes: Mapping[str, Node]) -> tuple[str, int]:
    """Return the Study Instance UID and the hierarchy item the reading belongs to."""
    for view in reading["views"]:
        volume = volumes.get(view["sop_instance_uid"])
        if volume is not None:
            uid = volume.GetAttribute(STUDY_UID) or str(reading["study"])
            item = study_item_of(volume)
            if item != hierarchy().GetSceneItemID():
                return uid, item
            return uid, add_study(uid, "Study")
    return str(reading["study"]), add_study(str(reading["study"]), "Study")


def _found(record: Node) -> ReadingNodes:
    item = int(hierarchy().GetItemParent(hierarchy().GetItemByDataNode(record)))
    parts: dict[str, dict[str, Any]] = {}
    for node in _nodes_below(item):
        volume = radiograph_of(node)
        if volume is None:
            continue
        part = parts.setdefault(volume.GetAttribute(UID) or "", {"volume": volume})
        if kind_of(node) in ("landmarks", "roi"):
            part[kind_of(node)] = node
        elif kind_of(node) == "activation":
            part["activation"] = ActivationNodes(node.GetNodeReference(VALUES), node)
    return ReadingNodes(record, item, {uid: ViewNodes(**part) for uid, part in parts.items()})


def _nodes_below(item: int) -> list[Node]:
    nodes = vtk.vtkCollection()
    hierarchy().GetDataNodesInBranch(item, nodes)
    return [nodes.GetItemAsObject(index) for index in range(nodes.GetNumberOfItems())]
