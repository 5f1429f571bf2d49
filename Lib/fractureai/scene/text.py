"""Text in the corners of a slice view: view and side, model and notice, scale. Readable over black and over white."""

from __future__ import annotations

import math
from typing import Any

import vtk

from fractureai.scene.nodes import COLOURS, Node
from fractureai.scene.radiograph import spacing_of

_CORNERS = {"bottom_left": (0, 0), "bottom_right": (1, 0), "top_left": (0, 1), "top_right": (1, 1)}
_SLICER_CORNER = {"bottom_left": 0, "bottom_right": 1, "top_left": 2, "top_right": 3}  # vtkCornerAnnotation's numbers
_LENGTHS_MM = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200)
_BAR_SHARE = 0.25
"""The scale bar is at most this share of the view's shorter side."""


class ViewText:
    """Our own text in one slice view, in its first renderer.

    It moves with the window's size, and leaves room where Slicer's corner annotation (data probe) writes.

    Args:
        render_window: of the slice view: ``sliceView.renderWindow()``.
    """

    def __init__(self, render_window: Any) -> None:
        self._window = render_window
        self._renderer = render_window.GetRenderers().GetItemAsObject(0)
        self._texts = {corner: _text_actor(corner) for corner in _CORNERS}
        self._alarm = _text_actor("top_left")
        self._alarm.GetTextProperty().SetColor(*COLOURS["alarm"])
        self._alarm.GetTextProperty().SetBackgroundOpacity(0.9)  # vermilion is too dark for a paler ground
        self._alarm.GetTextProperty().SetBold(True)
        self._scale_text = _text_actor("bottom_right")
        self._bar, self._bar_points = _bar_actor()
        self._slice_node: Any = None
        self._has_bar = False
        self._props = [*self._texts.values(), self._alarm, self._bar, self._scale_text]
        for prop in self._props:
            prop.SetVisibility(False)
            self._renderer.AddViewProp(prop)
        self._tag: int | None = self._renderer.AddObserver("StartEvent", self._arrange)

    def set(
        self,
        *,
        top_left: str | None = None,
        top_right: str | None = None,
        bottom_left: str | None = None,
        bottom_right: str | None = None,
        alarm: str | None = None,
    ) -> None:
        """Change what the corners say; None leaves a corner as it is, "" empties it. Render the view afterwards.

        Args:
            top_left: view and side, for example ``PA  left``.
            top_right: free.
            bottom_left: the model and its notice; lines are divided by a newline.
            bottom_right: text instead of the scale (`set_scale`).
            alarm: below the top left text in vermilion, for example ``header says LAT``.
        """
        given = {"top_left": top_left, "top_right": top_right, "bottom_left": bottom_left, "bottom_right": bottom_right}
        for corner, text in given.items():
            if text is not None:
                _say(self._texts[corner], text)
        if alarm is not None:
            _say(self._alarm, alarm)

    def set_scale(self, volume: Node | None, slice_node: Any = None) -> None:
        """Show the scale at the bottom right: a bar in millimetres, or "no spacing" where the radiograph has none.

        Args:
            volume: the radiograph; None for no scale.
            slice_node: the view's vtkMRMLSliceNode; the bar follows its zoom.
        """
        self._slice_node = slice_node
        self._has_bar = volume is not None and slice_node is not None and spacing_of(volume) is not None
        _say(self._scale_text, "" if volume is None else "mm" if self._has_bar else "no spacing")

    def text(self, corner: str) -> str:
        """Return what a corner says; also ``alarm`` and ``scale``."""
        actor = {"alarm": self._alarm, "scale": self._scale_text}.get(corner) or self._texts[corner]
        return str(actor.GetInput() or "")

    def set_visible(self, visible: bool) -> None:
        """Show or hide everything (while a key is held)."""
        for prop in self._props:
            prop.SetVisibility(visible and bool(prop is self._bar or prop.GetInput()))
        self._bar.SetVisibility(visible and self._has_bar)

    def remove(self) -> None:
        """Take everything out of the view again; harmless when done twice."""
        if self._tag is None:
            return
        self._renderer.RemoveObserver(self._tag)
        self._tag = None
        for prop in self._props:
            self._renderer.RemoveViewProp(prop)

    def _arrange(self, _caller: Any = None, _event: str = "") -> None:
        """Place and size everything for the window as it is now; called before each rendering."""
        width, height = self._window.GetSize()
        per_point = (self._window.GetDPI() or 72) / 72  # device pixels per text point: 2 on a 200 % display
        size = max(11, min(20, round(9 + min(width, height) / per_point / 120)))
        gap = round(0.6 * size * per_point)
        taken = _corner_annotation_heights(self._window)
        for corner, actor in self._texts.items():
            right, top = _CORNERS[corner]
            actor.GetTextProperty().SetFontSize(size)
            edge = gap + taken[corner]
            actor.SetPosition(width - gap if right else gap, height - edge if top else edge)
        line = round(1.5 * size * per_point)
        lines = self._texts["top_left"].GetInput() or ""
        below = taken["top_left"] + line * (lines.count("\n") + 1) if lines else taken["top_left"]
        self._alarm.GetTextProperty().SetFontSize(size)
        self._alarm.SetPosition(gap, height - gap - below)
        self._scale_text.GetTextProperty().SetFontSize(size)
        self._arrange_scale(width, _BAR_SHARE * min(width, height), gap, taken["bottom_right"], line, size * per_point)

    def _arrange_scale(self, width: int, longest: float, gap: int, taken: float, line: int, text_px: float) -> None:
        bottom = gap + taken
        if self._texts["bottom_right"].GetInput():
            bottom += line * (self._texts["bottom_right"].GetInput().count("\n") + 1)
        self._bar.SetVisibility(self._has_bar and self._scale_text.GetVisibility())
        if not self._has_bar:
            self._scale_text.SetPosition(width - gap, bottom)
            return
        px_per_mm = _px_per_mm(self._slice_node, width)
        fitting = [length for length in _LENGTHS_MM if length * px_per_mm <= longest]
        length = fitting[-1] if fitting else _LENGTHS_MM[0]
        self._scale_text.SetInput(f"{length:g} mm")
        tick = max(3.0, text_px / 3)
        right, left = width - gap, width - gap - length * px_per_mm
        for index, (x, y) in enumerate(((left, tick), (left, 0.0), (right, 0.0), (right, tick))):
            self._bar_points.SetPoint(index, x, bottom + y, 0)
        self._bar_points.Modified()
        self._bar.GetProperty().SetLineWidth(max(2.0, text_px / 7))
        self._scale_text.SetPosition(right, bottom + tick + 2)


def _px_per_mm(slice_node: Any, width: int) -> float:
    field = slice_node.GetFieldOfView()[0]
    return width / field if field > 0 and math.isfinite(field) else 1.0


def _say(actor: Any, text: str) -> None:
    actor.SetInput(text)
    actor.SetVisibility(bool(text))


def _text_actor(corner: str) -> Any:
    right, top = _CORNERS[corner]
    actor = vtk.vtkTextActor()
    actor.SetInput("")
    actor.SetTextScaleModeToNone()
    actor.PickableOff()
    style = actor.GetTextProperty()
    style.SetFontFamilyToArial()
    style.SetColor(1, 1, 1)
    style.SetBackgroundColor(0, 0, 0)
    style.SetBackgroundOpacity(0.55)
    style.SetShadow(False)
    style.SetJustification(2 if right else 0)
    style.SetVerticalJustification(2 if top else 0)
    style.SetLineSpacing(1.2)
    return actor


def _bar_actor() -> tuple[Any, Any]:
    points = vtk.vtkPoints()
    points.SetNumberOfPoints(4)
    lines = vtk.vtkCellArray()
    lines.InsertNextCell(4, (0, 1, 2, 3))
    shape = vtk.vtkPolyData()
    shape.SetPoints(points)
    shape.SetLines(lines)
    mapper = vtk.vtkPolyDataMapper2D()
    mapper.SetInputData(shape)
    actor = vtk.vtkActor2D()
    actor.SetMapper(mapper)
    actor.GetProperty().SetColor(1, 1, 1)
    actor.PickableOff()
    return actor, points


def _corner_annotation_heights(window: Any) -> dict[str, float]:
    """Return how many pixels Slicer's corner annotation takes in each corner."""
    heights = dict.fromkeys(_CORNERS, 0.0)
    renderers = window.GetRenderers()
    for index in range(renderers.GetNumberOfItems()):
        actors = renderers.GetItemAsObject(index).GetViewProps()
        for number in range(actors.GetNumberOfItems()):
            actor = actors.GetItemAsObject(number)
            if not actor.IsA("vtkCornerAnnotation") or not actor.GetVisibility():
                continue
            line = 1.3 * actor.GetMaximumFontSize() * (window.GetDPI() or 72) / 72
            for corner, slicer_corner in _SLICER_CORNER.items():
                text = (actor.GetText(slicer_corner) or "").strip("\n")
                heights[corner] += line * (text.count("\n") + 1) if text else 0.0
    return heights
