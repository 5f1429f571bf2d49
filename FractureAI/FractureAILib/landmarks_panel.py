"""Placing the landmarks of a view: what comes next, where it belongs, how far it is from the model's proposal."""

from collections.abc import Mapping

import qt
import slicer
from slicer.i18n import tr as _

from fractureai.dataset import Annotation
from fractureai.scene import landmarks as scene_landmarks
from fractureai.scene import views
from fractureai.scene.nodes import remove_node
from FractureAILib.case import Case, Point, same_point
from FractureAILib.editor import Editor
from FractureAILib.landmark_rows import LandmarkRows
from FractureAILib.screen import Screen

GO_TO_SCALE = 3.0
"""Screen pixels to an image pixel when a landmark is looked at."""


class LandmarksPanel:
    """Keeps the point list in the scene, the annotation and the panel's rows the same."""

    def __init__(self, ui, editor: Editor, screen: Screen) -> None:
        self.ui, self.editor, self.screen = ui, editor, screen
        self.node = None
        self.case: Case | None = None
        self.proposals: dict[str, Point] = {}
        self.rows = LandmarkRows(ui, self.go_to, self.redo)
        self._ghosts = None
        self._profile = None
        self._tags: list[tuple] = []
        self._pushing = False
        self._drags = 0
        self._dragging = False
        self._walking = self._advancing = False

    def setup(self) -> None:
        """Connect the widgets; called once."""
        self.ui.placeButton.connect("clicked(bool)", lambda checked: self.place(checked))
        self.ui.mirrorButton.connect("clicked()", self.mirror)
        self.ui.acceptButton.connect("clicked()", self.accept)

    @property
    def placing(self) -> bool:
        """Whether clicks on the image place landmarks now."""
        interaction = slicer.mrmlScene.GetNodeByID("vtkMRMLInteractionNodeSingleton")
        selection = slicer.mrmlScene.GetNodeByID("vtkMRMLSelectionNodeSingleton")
        return (
            self.node is not None
            and interaction.GetCurrentInteractionMode() == interaction.Place
            and selection.GetActivePlaceNodeID() == self.node.GetID()
        )

    def open(self, case: Case, annotation: Annotation) -> None:
        """Show the landmarks of another radiograph."""
        self.close()
        self.case = case
        self._build(annotation)

    def close(self) -> None:
        """Let the radiograph go; its nodes leave the scene with it."""
        if self.placing:
            scene_landmarks.stop_placing()
        self._walking = False
        self._unobserve()
        self.node = self._ghosts = self.case = self._profile = None
        self.proposals = {}

    def update(self, annotation: Annotation) -> None:
        """Show a new state of the annotation, as after undo."""
        if self.case is None:
            return
        if self.case.profile(annotation) != self._profile:
            self._build(annotation)
            return
        if self.node is not None:
            there = self._read()
            wanted = self._of_profile(annotation.landmarks)
            if there.keys() != wanted.keys() or not all(same_point(there[name], wanted[name]) for name in wanted):
                self._pushing = True
                scene_landmarks.set_landmarks(self.node, self.case.volume, wanted)
                self._pushing = False
        self._show(annotation)

    def propose(self, points: Mapping[str, Point]) -> None:
        """Show where a model would put the landmarks, as ghosts that can be dragged; empty for none."""
        if self.case is None:
            return
        self.proposals = self._of_profile(points)
        if self._ghosts is not None:
            self._unobserve(self._ghosts)
            remove_node(self._ghosts)
            self._ghosts = None
        placing = self.placing
        if self.proposals and self.case is not None:
            self._ghosts = scene_landmarks.add_landmarks(
                self.case.volume, self._profile, self.proposals, role="proposal"
            )
            self._observe(self._ghosts, "PointEndInteractionEvent", self._ghost_dropped)
            if placing:  # a new point list becomes the one that clicks fill
                scene_landmarks.start_placing(self.node)
            self.screen.confine_marks()
        if self.editor.annotation is not None:
            self._show(self.editor.annotation)

    def toggle_placing(self) -> None:
        """Start placing, or stop."""
        self.place(not self._walking)

    def place(self, wanted: bool = True) -> None:
        """Let clicks on the image place what is missing, in order; or stop that."""
        following = scene_landmarks.next_index(self.node) if self.node is not None else None
        if wanted and following is not None:
            self._walk(following)
        else:
            self._walking = False
            if self.placing:
                scene_landmarks.stop_placing()
        self.show_mode()

    def redo(self, index: int) -> None:
        """Take one landmark away and let the next click place it again."""
        scene_landmarks.unset_landmark(self.node, index)
        self._walk(index)
        self.show_mode()

    def _walk(self, index: int) -> None:
        """Let clicks place the landmarks that are missing, this one first."""
        self._walking = True
        self.node.SetControlPointPlacementStartIndex(index)
        scene_landmarks.start_placing(self.node)
        self.screen.wake_mouse()

    def go_to(self, index: int) -> None:
        """Show a landmark in the middle of the view; place it when it is missing."""
        if not scene_landmarks.is_placed(self.node, index):
            self._walk(index)
            self.show_mode()
            return
        logic = self.screen.logic()
        point = self._read()[scene_landmarks.names_of(self.node)[index]]
        views.zoom_to(logic, self.case.volume, point, max(GO_TO_SCALE, views.magnification(logic, self.case.volume)))

    def mirror(self) -> None:
        """Exchange the landmarks at the two ends of the joint line, as if the side had been mistaken."""
        if self._profile is None or len(self._profile.joint_line) != 2:
            return
        first, second = self._profile.joint_line
        marks = dict(self.editor.annotation.landmarks)
        swapped = {first: marks.pop(second, None), second: marks.pop(first, None)}
        marks |= {name: point for name, point in swapped.items() if point is not None}
        self.editor.change(_("landmarks mirrored"), landmarks=marks)

    def accept(self) -> None:
        """Put every landmark that is missing where the model proposes it; all of them when none is missing."""
        marks = dict(self.editor.annotation.landmarks)
        missing = {name: point for name, point in self.proposals.items() if name not in marks}
        self.editor.change(_("proposals accepted"), landmarks=marks | (missing or self.proposals))
        if self.placing:
            self.place(False)

    def show_mode(self) -> None:
        """Show on the button whether landmarks are being placed, and say what comes next."""
        if self._walking and not self._advancing and not self.placing:
            self._walking = False  # the mode of the mouse was changed elsewhere
        self.ui.placeButton.checked = self._walking
        if self.editor.annotation is not None and self.case is not None:
            self._show(self.editor.annotation)

    def _build(self, annotation: Annotation) -> None:
        """Make the point list for the view as decided."""
        placing = self.placing
        self._unobserve()
        for node in (self.node, self._ghosts):
            if node is not None and slicer.mrmlScene.IsNodePresent(node):
                remove_node(node)
        self.node, self._ghosts, self.proposals = None, None, {}
        self._profile = self.case.profile(annotation)
        if self._profile is not None:
            points = self._of_profile(annotation.landmarks)
            self.node = scene_landmarks.add_landmarks(self.case.volume, self._profile, points)
            for event in ("PointModifiedEvent", "PointPositionUndefinedEvent"):
                self._observe(self.node, event, self._node_changed)
            self._observe(self.node, "PointPositionDefinedEvent", self._point_placed)
            self._observe(self.node, "PointStartInteractionEvent", self._drag_started)
            self._observe(self.node, "PointEndInteractionEvent", self._drag_ended)
            self.screen.confine_marks()
        elif placing:
            scene_landmarks.stop_placing()
        self.rows.build(self._profile)
        self._show(annotation)

    def _show(self, annotation: Annotation) -> None:
        marks = self._of_profile(annotation.landmarks)
        following = scene_landmarks.next_index(self.node) if self.node is not None else None
        self.rows.show(marks, following, self._walking, self._distances(marks), self.case.side(annotation))
        for button in (self.ui.placeButton, self.ui.mirrorButton):
            button.enabled = self.node is not None
        self.ui.acceptButton.visible = bool(self.proposals)
        if self._ghosts is not None:
            for index, name in enumerate(scene_landmarks.names_of(self._ghosts)):
                self._ghosts.SetNthControlPointVisibility(index, name not in marks)

    def _distances(self, marks: Mapping[str, Point]) -> dict[str, str]:
        """Return name -> distance from the proposal as a text."""
        texts = {}
        for name, point in marks.items():
            if name in self.proposals:
                length, unit = self.case.distance(point, self.proposals[name])
                texts[name] = _("{length} {unit}").format(length=f"{length:.1f}", unit=unit)
        return texts

    def _of_profile(self, points: Mapping[str, Point]) -> dict[str, Point]:
        names = self._profile.landmark_names if self._profile is not None else ()
        return {name: points[name] for name in names if name in points}

    def _read(self) -> dict[str, Point]:
        marks = scene_landmarks.read_landmarks(self.node, self.case.volume)
        return {name: (round(row, 3), round(col, 3)) for name, (row, col) in marks.items()}

    def _node_changed(self, _caller, _event) -> None:
        if self._pushing or self.editor.annotation is None:
            return
        before, there = self.editor.annotation.landmarks, self._read()
        kept = {name: before[name] if name in before and same_point(before[name], there[name]) else there[name]
                for name in there}  # fmt: skip
        foreign = {name: point for name, point in before.items() if name not in self._profile.landmark_names}
        merge = f"drag {self._drags}" if self._dragging else ""
        self.editor.change(_("landmark"), merge=merge, soon=self._dragging, landmarks=foreign | kept)

    def _point_placed(self, caller, event) -> None:
        self._node_changed(caller, event)
        if self._walking and not self._pushing:
            self._advancing = True
            qt.QTimer.singleShot(0, self._advance)  # after the click has been dealt with

    def _advance(self) -> None:
        """Show what comes next; leave the mode when nothing is missing any more."""
        self._advancing = False
        if self.node is not None and self._walking:
            self.place(scene_landmarks.next_index(self.node) is not None)

    def _drag_started(self, _caller, _event) -> None:
        self._drags += 1
        self._dragging = True

    def _drag_ended(self, caller, event) -> None:
        self._node_changed(caller, event)
        self._dragging = False
        self.editor.autosave.hurry()

    def _ghost_dropped(self, _caller, _event) -> None:
        """Take a ghost that was dragged for a landmark, and put the ghost back."""
        moved = scene_landmarks.read_landmarks(self._ghosts, self.case.volume)
        placed = {name: point for name, point in moved.items() if not same_point(point, self.proposals[name])}
        qt.QTimer.singleShot(0, self._put_ghosts_back)
        marks = {name: (round(row, 3), round(col, 3)) for name, (row, col) in placed.items()}
        self.editor.change(_("landmark"), landmarks=dict(self.editor.annotation.landmarks) | marks)

    def _put_ghosts_back(self) -> None:
        if self._ghosts is not None:
            scene_landmarks.set_landmarks(self._ghosts, self.case.volume, self.proposals)

    def _observe(self, node, event: str, call) -> None:
        self._tags.append((node, node.AddObserver(getattr(node, event), call)))

    def _unobserve(self, only=None) -> None:
        for node, tag in self._tags:
            if only is None or node is only:
                node.RemoveObserver(tag)
        self._tags = [] if only is None else [(node, tag) for node, tag in self._tags if node is not only]
