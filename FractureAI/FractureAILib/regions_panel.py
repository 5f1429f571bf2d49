"""Regions on the radiograph: boxes and curves, what each shows, and in which bone."""

import qt
import slicer
from slicer.i18n import tr as _

from fractureai.dataset import Annotation, Region
from fractureai.scene import regions as scene_regions
from fractureai.scene.landmarks import start_placing, stop_placing
from fractureai.scene.nodes import remove_node
from FractureAILib.case import Case, same_point
from FractureAILib.editor import Editor
from FractureAILib.screen import Screen

KINDS = ("fracture", "cast", "metal", "periosteal reaction", "other")
SHAPES = {"box": "boxButton", "curve": "curveButton"}
ROW_HEIGHT_PX = 22
EVENTS = ("PointPositionDefinedEvent", "PointEndInteractionEvent", "PointRemovedEvent")


class RegionsPanel:
    """Keeps the markups of the regions, the annotation and the panel's table the same."""

    def __init__(self, ui, editor: Editor, screen: Screen) -> None:
        self.ui, self.editor, self.screen = ui, editor, screen
        self.case: Case | None = None
        self._nodes: list = []
        self._tags: list[tuple] = []
        self._drawing = None
        self._busy = False

    def setup(self) -> None:
        """Connect the widgets; called once."""
        ui = self.ui
        ui.kindBox.addItems(list(KINDS))
        ui.boxButton.connect("clicked()", lambda: self.draw("box"))
        ui.curveButton.connect("clicked()", lambda: self.draw("curve"))
        ui.removeRegionButton.connect("clicked()", self.remove)
        ui.kindBox.connect("currentTextChanged(QString)", self._described)
        ui.boneBox.connect("currentIndexChanged(int)", self._described)
        ui.regionsTable.setColumnCount(3)
        ui.regionsTable.horizontalHeader().setStretchLastSection(True)
        ui.regionsTable.verticalHeader().setDefaultSectionSize(ROW_HEIGHT_PX)
        ui.regionsTable.connect("itemSelectionChanged()", self._selected)

    def open(self, case: Case, annotation: Annotation) -> None:
        """Show the regions of another radiograph."""
        self.close()
        self.case = case
        self._busy = True
        self.ui.boneBox.clear()
        self.ui.boneBox.addItems(["–", *case.dataset.site.bones])
        self._busy = False
        self.update(annotation)

    def close(self) -> None:
        """Let the radiograph go; its nodes leave the scene with it."""
        for node, tag in self._tags:
            node.RemoveObserver(tag)
        self._tags, self._nodes, self._drawing, self.case = [], [], None, None

    def update(self, annotation: Annotation) -> None:
        """Show a new state of the annotation."""
        if self.case is None or self._busy:
            return
        shown = self._read()
        if len(shown) != len(annotation.regions) or not all(map(_same, shown, annotation.regions)):
            self._rebuild(annotation.regions)
        self._fill_table(annotation.regions)

    def draw(self, shape: str) -> None:
        """Let the next clicks on the image draw a region; a second press gives it up."""
        if self.case is None:
            return
        if self._drawing is not None:
            self._give_up()
        else:
            self.ui.regionsTable.clearSelection()
            kind, bone = self._chosen_kind()
            node = scene_regions.add_region(self.case.volume, Region(kind or KINDS[0], (), shape, bone))
            self._drawing = (node, shape)
            self._watch(node)
            self.screen.confine_marks()
            start_placing(node, persistent=False)
            self.screen.wake_mouse()
        self.show_mode()

    def show_mode(self) -> None:
        """Show on the buttons what is being drawn; called whenever the mode of the mouse changes."""
        if self._drawing is not None and not self._is_placing(self._drawing[0]):
            qt.QTimer.singleShot(0, self._drawn)
        for shape, name in SHAPES.items():
            getattr(self.ui, name).checked = self._drawing is not None and self._drawing[1] == shape

    def remove(self) -> None:
        """Remove the chosen region, or the only one."""
        regions = list(self.editor.annotation.regions) if self.editor.annotation is not None else []
        place = self._place()
        if place is None and len(regions) == 1:
            place = 0
        if place is not None:
            del regions[place]
            self.editor.change(_("region removed"), regions=tuple(regions))

    def _drawn(self) -> None:
        """A region was finished, or given up."""
        if self._drawing is None:
            return
        node, shape = self._drawing
        self._drawing = None
        if not slicer.mrmlScene.IsNodePresent(node) or not scene_regions.is_complete(node):
            self._forget(node)
        else:
            if shape == "box":
                scene_regions.tidy_box(node, self.case.volume)
            self._nodes.append(node)
            self._pull()
            self.ui.regionsTable.selectRow(len(self._nodes) - 1)  # so that kind and bone can be said at once
        self.show_mode()

    def _give_up(self) -> None:
        stop_placing()
        self._drawn()

    def _pull(self, *_event) -> None:
        """Take the regions from the scene into the annotation."""
        if self._busy or self.case is None:
            return
        before = self.editor.annotation.regions
        there = self._read()
        kept = [old if _same(old, new) else new for old, new in zip(before, there, strict=False)] + there[len(before) :]
        self._busy = True
        self.editor.change(_("region"), regions=tuple(kept))
        self._busy = False
        self._fill_table(self.editor.annotation.regions)

    def _read(self) -> list[Region]:
        found = []
        for node in self._nodes:
            region = scene_regions.read_region(node, self.case.volume)
            points = tuple((round(row, 3), round(col, 3)) for row, col in region.points)
            found.append(Region(region.kind, points, region.shape, region.bone))
        return found

    def _rebuild(self, regions: tuple[Region, ...]) -> None:
        self._busy = True
        for node in self._nodes:
            self._forget(node)
        self._nodes = [scene_regions.add_region(self.case.volume, region) for region in regions]
        for node in self._nodes:
            self._watch(node)
        self.screen.confine_marks()
        self._busy = False

    def _forget(self, node) -> None:
        for watched, tag in self._tags:
            if watched is node:
                node.RemoveObserver(tag)
        self._tags = [(watched, tag) for watched, tag in self._tags if watched is not node]
        if slicer.mrmlScene.IsNodePresent(node):
            remove_node(node)

    def _watch(self, node) -> None:
        self._tags += [(node, node.AddObserver(getattr(node, event), self._node_changed)) for event in EVENTS]

    def _node_changed(self, caller, _event) -> None:
        if self._drawing is None or self._drawing[0] is not caller:
            self._pull()

    def _fill_table(self, regions: tuple[Region, ...]) -> None:
        table = self.ui.regionsTable
        place = self._place()
        self._busy = True
        table.visible = bool(regions)
        table.setFixedHeight(ROW_HEIGHT_PX * min(3, max(1, len(regions))) + 4)
        table.setRowCount(len(regions))
        model = table.model()
        for row, region in enumerate(regions):
            for column, text in enumerate((region.kind, region.bone, region.shape)):
                model.setData(model.index(row, column), text)
        if place is not None and place < len(regions):
            table.selectRow(place)
        self._busy = False

    def _place(self) -> int | None:
        rows = self.ui.regionsTable.selectionModel().selectedRows()
        return rows[0].row() if rows else None

    def _selected(self) -> None:
        place = self._place()
        if self._busy or place is None:
            return
        region = self.editor.annotation.regions[place]
        self._busy = True
        self.ui.kindBox.setEditText(region.kind)
        bones = ["", *self.case.dataset.site.bones]
        self.ui.boneBox.currentIndex = bones.index(region.bone) if region.bone in bones else 0
        self._busy = False

    def _chosen_kind(self) -> tuple[str, str]:
        index = self.ui.boneBox.currentIndex
        return self.ui.kindBox.currentText, ["", *self.case.dataset.site.bones][max(0, index)]

    def _described(self, *_value) -> None:
        """Change what the chosen region shows."""
        place = self._place()
        if self._busy or place is None or self.editor.annotation is None:
            return
        kind, bone = self._chosen_kind()
        scene_regions.describe_region(self._nodes[place], kind, bone)
        self._pull()

    def _is_placing(self, node) -> bool:
        interaction = slicer.mrmlScene.GetNodeByID("vtkMRMLInteractionNodeSingleton")
        selection = slicer.mrmlScene.GetNodeByID("vtkMRMLSelectionNodeSingleton")
        placing = interaction.GetCurrentInteractionMode() == interaction.Place
        return placing and selection.GetActivePlaceNodeID() == node.GetID()


def _same(first: Region, second: Region) -> bool:
    described = (first.kind, first.bone, first.shape) == (second.kind, second.bone, second.shape)
    return described and len(first.points) == len(second.points) and all(map(same_point, first.points, second.points))
