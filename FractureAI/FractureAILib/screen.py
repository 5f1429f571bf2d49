"""Radiographs in the slice views: shown whole and upright, turned, zoomed, with text in the corners."""

import slicer
from slicer.i18n import tr as _

from fractureai.radiograph import Radiograph, VoiWindow
from fractureai.scene import nodes as scene_nodes
from fractureai.scene import radiograph as scene_radiograph
from fractureai.scene import views
from fractureai.scene.text import ViewText

FIRST, SECOND = "Red", "Yellow"
"""The slice views used: one radiograph is shown in the first, a pair in both."""


class _Fitted:
    """A view that shows a whole radiograph, fitted again whenever the view changes its size."""

    def __init__(self, logic, volume, turns: int) -> None:
        self.logic, self.volume, self.turns = logic, volume, turns
        self.node = logic.GetSliceNode()
        self._busy = False
        self._whole = True
        self._tag = self.node.AddObserver("ModifiedEvent", self._modified)
        self.fit()

    def fit(self) -> None:
        """Show the whole radiograph again."""
        self._busy = True
        try:
            views.fit(self.logic, self.volume, None, self.turns)
        finally:
            self._busy = False
        self._whole = True
        self._size, self._place = self._state()

    def release(self) -> None:
        """Let the view go."""
        self.node.RemoveObserver(self._tag)

    def _state(self):
        matrix = self.node.GetSliceToRAS()
        place = tuple(matrix.GetElement(row, col) for row in range(3) for col in range(4))
        return self.node.GetDimensions()[:2], (*place, *self.node.GetFieldOfView()[:2], *self.node.GetXYZOrigin()[:2])

    def _modified(self, _caller, _event) -> None:
        if self._busy:
            return
        size, place = self._state()
        if size == self._size:
            self._whole = self._whole and place == self._place  # the user zoomed or moved
        elif self._whole:
            self.fit()
        self._size = size


class Screen:
    """Shows one radiograph, or two side by side, and keeps no others of its own in the scene.

    A page has its own screen. Marks are seen only over the radiograph they belong to, and only in its view.

    Attributes:
        marks_visible: whether marks are shown; see `set_marks_visible`.
    """

    def __init__(self) -> None:
        self.marks_visible = True
        self._shown: dict[str, _Fitted] = {}
        self._texts: dict[str, ViewText] = {}
        self._window = 0

    def show_one(self, radiograph: Radiograph, *, name: str | None = None, turns: int = 0, image=None):
        """Show one radiograph, whole and upright, with the header's window.

        Args:
            radiograph: what was read.
            name: of its node; by default view and side.
            turns: quarter turns, see `fractureai.scene.views.fit`.
            image: its voxels, when they were prepared before, see `fractureai.scene.radiograph.exact_image`.

        Returns:
            Its volume node. The radiographs this screen showed before leave the scene, with their marks.
        """
        return self._show({FIRST: (radiograph, turns, image)}, name)[0]

    def show_pair(self, first: Radiograph, second: Radiograph, *, turns: tuple[int, int] = (0, 0)):
        """Show two radiographs side by side; returns their volume nodes; otherwise like `show_one`."""
        return self._show({FIRST: (first, turns[0], None), SECOND: (second, turns[1], None)}, None)

    def volume(self, sop_instance_uid: str):
        """Return the volume node of a radiograph in the scene, or None."""
        return scene_radiograph.find_radiograph(sop_instance_uid)

    def shown(self, view_name: str = FIRST):
        """Return the volume node this screen shows in a view, or None."""
        fitted = self._shown.get(view_name)
        return fitted.volume if fitted is not None and slicer.mrmlScene.IsNodePresent(fitted.volume) else None

    def logic(self, view_name: str = FIRST):
        """Return the slice logic of a view; None without a window."""
        widget = self._widget(view_name)
        return widget.sliceLogic() if widget is not None else None

    def text(self, view_name: str = FIRST) -> ViewText:
        """Return the texts in the corners of a view."""
        if view_name not in self._texts:
            self._texts[view_name] = ViewText(self._widget(view_name).sliceView().renderWindow())
        return self._texts[view_name]

    def render(self) -> None:
        """Draw the views that show something soon."""
        for name in self._shown:
            self._widget(name).sliceView().scheduleRender()

    def render_all(self) -> None:
        """Draw the first view soon, also when it is empty."""
        widget = self._widget(FIRST)
        if widget is not None:
            widget.sliceView().scheduleRender()

    def show_again(self) -> None:
        """Bring back what this screen showed after another screen used the views."""
        if not self._shown:
            return
        self._arrange(len(self._shown))
        for fitted in self._shown.values():
            if fitted.logic.GetSliceCompositeNode().GetBackgroundVolumeID() != fitted.volume.GetID():
                views.show(fitted.logic, fitted.volume)
                fitted.fit()
        self.confine_marks()

    def remove_texts(self) -> None:
        """Take the texts out of the corners; `text` brings them back."""
        for text in self._texts.values():
            text.remove()
        self._texts = {}
        self.render()

    def fit(self) -> None:
        """Show the radiographs whole again."""
        for fitted in self._shown.values():
            fitted.fit()

    def turn(self, quarters: int, view_name: str = FIRST) -> int:
        """Turn a view clockwise by quarter turns, and show the radiograph whole; returns all its turns so far."""
        fitted = self._shown[view_name]
        fitted.turns = (fitted.turns + quarters) % 4
        fitted.fit()
        return fitted.turns

    def zoom(self, factor: float) -> None:
        """Enlarge the view the mouse is over at the cursor; the first view at its middle when it is over none."""
        for name in self._shown:
            at = self._cursor(name)
            if at is not None:
                views.zoom(self.logic(name), factor, at)
                return
        if FIRST in self._shown:
            views.zoom(self.logic(FIRST), factor)

    def wake_mouse(self) -> None:
        """Tell the views that the mouse is where it is.

        Slicer takes the first click after a change of the mouse's mode only where the mouse has moved since.
        """
        for name in self._shown:
            if self._cursor(name) is not None:
                self._widget(name).sliceView().interactor().InvokeEvent("MouseMoveEvent")

    def next_window(self, view_name: str = FIRST) -> str:
        """Show the next window of the header, or after the last one the whole range; returns its name."""
        volume = self.shown(view_name)
        if volume is None:
            return ""
        whole = scene_radiograph.whole_window(volume)
        bright = VoiWindow(whole.center + whole.width / 4, whole.width / 2, _("dense bone"), "LINEAR_EXACT")
        presets = (*(scene_radiograph.windows_of(volume) or (whole,)), bright, whole)
        self._window = (self._window + 1) % len(presets)
        scene_radiograph.apply_window(volume, presets[self._window])
        return presets[self._window].explanation

    def set_marks_visible(self, visible: bool) -> None:
        """Show or hide all marks."""
        self.marks_visible = visible
        self.confine_marks()

    def confine_marks(self) -> None:
        """Show marks over their own radiograph only; to be called after marks were added to a radiograph.

        While another page has the views, only this screen's own marks are hidden: those of the other page are its own.
        """
        own = {one.volume.GetID() for one in self._shown.values()}
        shown = {
            one.volume.GetID(): one.node.GetID() for name, one in self._shown.items() if self._is_seen(name, one.volume)
        }
        for node in self._marks():
            radiograph, display = node.GetNodeReferenceID(scene_nodes.RADIOGRAPH), node.GetDisplayNode()
            if display is None or not (shown or radiograph in own):
                continue
            view = shown.get(radiograph)
            if view is not None:
                display.SetViewNodeIDs((view,))
            display.SetVisibility(view is not None and self.marks_visible)

    def clear(self) -> None:
        """Show nothing, and take the radiographs of this screen out of the scene."""
        logics = [self.logic(name) for name, one in self._shown.items() if self._is_seen(name, one.volume)]
        self._forget(remove=True)
        for logic in logics:
            views.show(logic, None)

    def _is_seen(self, name: str, volume) -> bool:
        """Tell whether a view still shows a volume, not what another page shows there by now."""
        logic = self.logic(name)
        return logic is not None and logic.GetSliceCompositeNode().GetBackgroundVolumeID() == volume.GetID()

    def scene_closed(self) -> None:
        """The scene was closed: the nodes are gone already."""
        self._forget(remove=False)

    def cleanup(self) -> None:
        """Give the views back."""
        self.clear()

    def _show(self, wanted, name):
        self._arrange(len(wanted))
        old, self._shown = self._shown, {}
        self._window = 0
        volumes = []
        for view_name, (radiograph, turns, image) in wanted.items():
            volume = scene_radiograph.add_radiograph(radiograph, name=name, image=image)
            volumes.append(volume)
            logic = self.logic(view_name)
            if logic is not None:
                views.show(logic, volume)
                self._shown[view_name] = _Fitted(logic, volume, turns)
        for fitted in old.values():
            fitted.release()
            if slicer.mrmlScene.IsNodePresent(fitted.volume):
                scene_radiograph.remove_radiograph(fitted.volume)
        self.confine_marks()
        return tuple(volumes)

    def _arrange(self, count: int) -> None:
        layout = slicer.vtkMRMLLayoutNode
        arrangement = layout.SlicerLayoutOneUpRedSliceView if count == 1 else layout.SlicerLayoutSideBySideView
        manager = slicer.app.layoutManager()
        if manager is not None and manager.layout != arrangement:
            manager.setLayout(arrangement)

    def _forget(self, remove: bool) -> None:
        for fitted in self._shown.values():
            fitted.release()
            if remove and slicer.mrmlScene.IsNodePresent(fitted.volume):
                scene_radiograph.remove_radiograph(fitted.volume)
        self._shown = {}
        self.remove_texts()

    def _marks(self):
        nodes = slicer.mrmlScene.GetNodes()
        every = [nodes.GetItemAsObject(index) for index in range(nodes.GetNumberOfItems())]
        return [node for node in every if node.IsA("vtkMRMLMarkupsNode") and scene_nodes.kind_of(node)]

    def _widget(self, view_name: str):
        manager = slicer.app.layoutManager()
        return manager.sliceWidget(view_name) if manager is not None else None

    def _cursor(self, view_name: str):
        """Return the mouse in view pixels from the bottom left; None when it is not over the view."""
        import qt

        view = self._widget(view_name).sliceView()
        at = view.mapFromGlobal(qt.QCursor.pos())
        if not view.visible or not view.rect.contains(at):
            return None
        width, height = self.logic(view_name).GetSliceNode().GetDimensions()[:2]
        return at.x() * width / view.width, (view.height - 1 - at.y()) * height / view.height
