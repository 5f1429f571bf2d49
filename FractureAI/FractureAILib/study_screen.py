"""The views of the page Read: studies stay in the scene while others are shown."""

import slicer

from fractureai.scene import views
from FractureAILib.screen import FIRST, SECOND, Screen, _Fitted

FAR_MM = 1000.0


class StudyScreen(Screen):
    """Shows radiographs that are in the scene already, and lets the views go without taking anything out of it."""

    def show_volumes(self, volumes) -> None:
        """Show one or two radiographs, whole and upright; those shown before stay in the scene."""
        layout = slicer.vtkMRMLLayoutNode
        arrangement = layout.SlicerLayoutOneUpRedSliceView if len(volumes) < 2 else layout.SlicerLayoutSideBySideView
        manager = slicer.app.layoutManager()
        if manager is None:
            return
        if manager.layout != arrangement:
            manager.setLayout(arrangement)
        for fitted in self._shown.values():
            fitted.release()
        for name in (FIRST, SECOND)[len(volumes) :]:
            if name in self._texts:
                self._texts.pop(name).remove()
        self._shown = {}
        self._window = 0
        for name, volume in zip((FIRST, SECOND), volumes, strict=False):
            logic = self.logic(name)
            _forget_place(logic.GetSliceNode())
            views.show(logic, volume)
            self._shown[name] = _Fitted(logic, volume, 0)

    def text_on_top(self, view_name: str):
        """Return new texts for a view, above all marks that are in it by now."""
        if view_name in self._texts:
            self._texts.pop(view_name).remove()
        return self.text(view_name)

    def shown_views(self):
        """Return (view name, volume) of what is shown and still in the scene."""
        found = [(name, self.shown(name)) for name in (FIRST, SECOND)]
        return [(name, volume) for name, volume in found if volume is not None]

    def leave(self, empty: bool = False) -> None:
        """Let the views go; what is in the scene stays there.

        Args:
            empty: whether the views are emptied.
        """
        for name, _volume in self.shown_views():
            if empty:
                views.show(self.logic(name), None)
        self._forget(remove=False)


def _forget_place(node) -> None:
    """Let a view be anywhere else, so that it takes its next place exactly.

    A slice node ignores changes of its matrices below a thousandth, and a saved scene keeps them with six figures only:
    without this, a loaded scene would be shown that much beside.
    """
    matrix = node.GetSliceToRAS()
    for row in range(3):
        matrix.SetElement(row, 3, matrix.GetElement(row, 3) + FAR_MM)
    node.UpdateMatrices()
