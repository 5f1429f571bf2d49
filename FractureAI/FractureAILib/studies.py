"""A study that is open: its radiographs, readings and opinions in the scene."""

from collections.abc import Mapping, Sequence
from typing import Any

from fractureai.dataset import Dataset
from fractureai.radiograph import UNKNOWN, Radiograph
from fractureai.scene import radiograph as scene_radiograph
from fractureai.scene.nodes import hierarchy, nodes_of_kind
from fractureai.scene.reading import (
    ReadingNodes,
    Verdict,
    add_reading,
    find_readings,
    remove_reading,
    store_verdict,
    verdicts,
)
from FractureAILib import study_source
from FractureAILib.study_source import Case

OWNER = "FractureAI.Page"
"""Attribute of the radiographs that this page added: the page Annotate takes its own away when it goes on."""


class OpenStudy:
    """One case, and what there is of it in the scene.

    Attributes:
        case: the case.
        was_shown: whether its radiographs have been in the scene.
        conflicts: sentences on headers that contradict themselves.
    """

    def __init__(self, case: Case) -> None:
        self.case = case
        self.was_shown = self.is_whole
        self.conflicts: tuple[str, ...] = tuple(text for header in case.headers for text in header.conflicts)

    @classmethod
    def in_scene(cls, known: Sequence[Case]) -> tuple[Case, ...]:
        """Return the cases in the scene that have readings and are not known yet (a scene was loaded)."""
        listed = {uid for case in known for uid in case.radiographs}
        cases = []
        for nodes in find_readings():
            volumes = {uid: part.volume for uid, part in nodes.views.items()}
            if not volumes or listed.intersection(volumes):
                continue
            listed.update(volumes)
            for volume in volumes.values():
                volume.SetAttribute(OWNER, "Read")
            first = next(iter(volumes.values()))
            item = scene_radiograph.study_item_of(first)
            order = study_source.in_order([(uid, _view(volume)) for uid, volume in volumes.items()])
            title = f"{hierarchy().GetItemName(item)}, " + ", ".join(volumes[uid].GetName() for uid in order)
            cases.append(study_source.case_of_saved_scene(_study_uid(first), title, order))
        return tuple(cases)

    # --- radiographs ---

    @property
    def is_whole(self) -> bool:
        """Whether all its radiographs are in the scene."""
        return bool(self.case.radiographs) and all(self._volume(uid) is not None for uid in self.case.radiographs)

    def volumes(self) -> tuple[Any, ...]:
        """Return its radiographs in the scene: frontal, lateral, others."""
        found = (self._volume(uid) for uid in self.case.radiographs)
        return tuple(volume for volume in found if volume is not None)

    @property
    def view_names(self) -> tuple[str, ...]:
        """The views of its radiographs, in order."""
        return tuple(_view(volume) for volume in self.volumes())

    @property
    def view_is_unknown(self) -> bool:
        """Whether a person has to say which view the only radiograph is."""
        return self.view_names == (UNKNOWN,) and self.case.given_view is None

    def read_files(self, dataset: Dataset | None) -> tuple[Radiograph, ...]:
        """Read its radiographs; for a thread beside the viewer."""
        return study_source.read_case(self.case, dataset)

    def add(self, radiographs: Sequence[Radiograph]) -> None:
        """Add its radiographs to the scene."""
        for radiograph in radiographs:
            if self._volume(radiograph.sop_instance_uid) is None:
                scene_radiograph.add_radiograph(radiograph).SetAttribute(OWNER, "Read")
        self.was_shown = True

    def header_of(self, volume) -> Any:
        """Return what the file of a radiograph in the scene says, or None when the file is not known."""
        uid = volume.GetAttribute(scene_radiograph.UID)
        return next((header for header in self.case.headers if header.sop_instance_uid == uid), None)

    def leave(self) -> None:
        """Another study is opened: one that was read stays in the scene, one that was not goes."""
        if not self.readings():
            self.remove()

    def remove(self) -> None:
        """Take everything of it out of the scene."""
        volumes = self.volumes()
        if not volumes:
            return
        item = scene_radiograph.study_item_of(volumes[0])
        for nodes in self.readings():
            remove_reading(nodes)
        uid = _study_uid(volumes[0])
        for volume in volumes:
            scene_radiograph.remove_radiograph(volume)
        others = [node for node in nodes_of_kind("radiograph") if _study_uid(node) == uid]
        if not others and item != hierarchy().GetSceneItemID():
            scene_radiograph.remove_study(item)

    # --- readings ---

    def readings(self) -> tuple[ReadingNodes, ...]:
        """Return the readings of its radiographs, in the order they were made."""
        own, found = set(self.case.radiographs), []
        for nodes in find_readings(self._uid()):
            read = {view["sop_instance_uid"] for view in nodes.reading["views"]}
            if not read or read & own:
                found.append(nodes)
        return tuple(found)

    def add_reading(self, reading: Mapping[str, Any], activations: Mapping[str, Any], cutoff: float) -> ReadingNodes:
        """Add a reading; one by the same model is replaced."""
        volumes = {volume.GetAttribute(scene_radiograph.UID): volume for volume in self.volumes()}
        # The server knows a study without DICOM header by the name of an uploaded file.
        return add_reading({**reading, "study": self._uid()}, volumes, activations, cutoff=cutoff)

    def verdict(self, reader: str, model: str) -> Verdict | None:
        """Return what a reader said last of a model's reading, or None."""
        said = [one for one in verdicts(self._uid()) if one.reader == reader and one.model == model]
        return said[-1] if said else None

    def store(self, verdict: Verdict) -> None:
        """Keep what a reader says in the scene."""
        store_verdict(self._uid(), verdict)

    def _uid(self) -> str:
        volumes = self.volumes()
        return _study_uid(volumes[0]) if volumes else self.case.study

    def _volume(self, uid: str):
        found = [
            node
            for node in nodes_of_kind("radiograph")
            if node.GetAttribute(scene_radiograph.UID) == uid and node.GetAttribute(OWNER) == "Read"
        ]
        return found[-1] if found else None


def _view(volume) -> str:
    return volume.GetAttribute("FractureAI.View") or UNKNOWN


def _study_uid(volume) -> str:
    return volume.GetAttribute("FractureAI.StudyInstanceUID") or ""
