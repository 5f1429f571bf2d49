"""The slice view: a slice of the scene with its markups, rulers and annotations, driven by the mouse as in Slicer."""

from __future__ import annotations

from typing import Any

import slicer
import vtk
from PySide6.QtCore import Qt
from PySide6.QtGui import QCursor, QImage, QPainter
from PySide6.QtWidgets import QWidget
from vtkmodules.util.numpy_support import vtk_to_numpy

from ..dialect.attributes import stands_for_cpp
from .render_view import RenderView, turned_over

# As in qMRMLSliceView, plus what Slicer's modules register (Markups, Segmentations, Colors). Models are not cut (no
# vtkMRMLModelSliceDisplayableManager): it asks for everything to be drawn anew at every change of window and level.
DISPLAYABLE_MANAGERS = (
    "vtkMRMLCrosshairDisplayableManager",
    "vtkMRMLOrientationMarkerDisplayableManager",
    "vtkMRMLRulerDisplayableManager",
    "vtkMRMLScalarBarDisplayableManager",
    "vtkMRMLMarkupsDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager2D",
    "vtkMRMLColorLegendDisplayableManager",
)


@stands_for_cpp
class qMRMLSliceView(RenderView):
    """Shows what a vtkMRMLSliceLogic makes."""

    def __init__(self, logic: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._logic = logic
        self._node: Any = None
        self._slice = QImage()
        self._overlay_dirty = True
        self._overlay_time = (0, 0)
        self._mapper = vtk.vtkImageMapper()
        self._mapper.SetColorWindow(255)
        self._mapper.SetColorLevel(127.5)
        self._image_actor = vtk.vtkActor2D()
        self._image_actor.SetMapper(self._mapper)
        self._image_actor.GetProperty().SetDisplayLocationToBackground()
        self._annotation = vtk.vtkCornerAnnotation()
        self._annotation.SetMaximumLineHeight(0.07)
        self._annotation.GetTextProperty().SetShadow(1)
        self._renderer.AddViewProp(self._annotation)
        self._group = _displayable_managers(self._renderer)
        self._style = slicer.vtkMRMLSliceViewInteractorStyle()
        self._style.SetSliceLogic(logic)
        self._style.SetDisplayableManagers(self._group)
        self._style.SetInteractor(self._interactor)
        self._tags = [
            (self._group, self._group.AddObserver("UpdateEvent", self._request)),
            (logic, logic.AddObserver("ModifiedEvent", self._logic_modified)),
            (logic, logic.AddObserver(logic.CompositeModifiedEvent, self._schedule_slice)),
        ]
        interaction = logic.GetMRMLApplicationLogic().GetInteractionNode()
        changed = interaction.InteractionModeChangedEvent
        self._tags.append((interaction, interaction.AddObserver(changed, lambda *_: self._default_cursor())))
        scene = logic.GetMRMLScene()
        for event, enabled in ((scene.StartBatchProcessEvent, False), (scene.EndBatchProcessEvent, True)):
            self._tags.append((scene, scene.AddObserver(event, lambda *_, on=enabled: self.setRenderEnabled(on))))
        self._window.Render()

    # As in qMRMLSliceView.

    def setMRMLSliceNode(self, node: Any) -> None:
        """Show a slice node: the displayable managers take their settings from it."""
        if node is self._node:
            return
        self._node = node
        self._group.SetMRMLDisplayableNode(node)
        self._logic_modified()

    def mrmlSliceNode(self) -> Any:
        """The slice node shown."""
        return self._node

    def sliceViewInteractorStyle(self) -> Any:
        """The interaction rules of the view (which drag does what)."""
        return self._style

    interactorObserver = sliceViewInteractorStyle

    def cornerAnnotation(self) -> Any:
        """The text in the four corners."""
        return self._annotation

    def displayableManagerByClassName(self, class_name: str) -> Any:
        """The view's displayable manager of a class; None when there is none."""
        return self._group.GetDisplayableManagerByClassName(class_name)

    def getDisplayableManagers(self, collection: Any) -> None:
        """Add the view's displayable managers to a vtkCollection."""
        for index in range(self._group.GetDisplayableManagerCount()):
            collection.AddItem(self._group.GetNthDisplayableManager(index))

    def convertDeviceToXYZ(self, xy: Any) -> list[float]:
        """A physical pixel of the view (x, y from below) as slice coordinates."""
        return [float(xy[0]), float(xy[1]), 0.0]

    def convertXYZToRAS(self, xyz: Any) -> list[float]:
        """Slice coordinates as a position in the scene, in millimetres."""
        return list(self._node.GetXYToRAS().MultiplyPoint((xyz[0], xyz[1], xyz[2], 1.0))[:3])

    def convertRASToXYZ(self, ras: Any) -> list[float]:
        """A position in the scene as slice coordinates."""
        inverse = vtk.vtkMatrix4x4()
        vtk.vtkMatrix4x4.Invert(self._node.GetXYToRAS(), inverse)
        return list(inverse.MultiplyPoint((ras[0], ras[1], ras[2], 1.0))[:3])

    def setViewCursor(self, cursor: QCursor) -> None:
        """Show a cursor over the view."""
        self.setCursor(cursor)

    def unsetViewCursor(self) -> None:
        """Show the default cursor over the view again."""
        self._default_cursor()

    # Following the logic.

    def _request(self, *_: Any) -> None:
        self.scheduleRender()

    def _logic_modified(self, *_: Any) -> None:
        connection = self._logic.GetImageDataConnection()
        shown = bool(self._renderer.HasViewProp(self._image_actor))
        if connection is not None:
            self._mapper.SetInputConnection(connection)
            if not shown:
                self._renderer.AddViewProp(self._image_actor)
        elif shown:
            self._renderer.RemoveViewProp(self._image_actor)
            self._mapper.RemoveAllInputConnections(0)
        self._schedule_slice()

    def _fit_window(self) -> None:
        before = tuple(self._window.GetSize())
        super()._fit_window()
        after = tuple(self._window.GetSize())
        self._overlay_dirty |= before != after
        if self._node is not None and (before != after or tuple(self._node.GetDimensions()[:2]) != after):
            self._logic.ResizeSliceNode(*after)

    # Drawing. Qt paints the slice itself, and VTK draws only what lies on it: sending a new texture to a software
    # renderer for every frame takes three times as long as all the rest.

    def scheduleRender(self) -> None:
        """Ask for a new frame with everything drawn anew."""
        self._overlay_dirty = True
        super().scheduleRender()

    def forceRender(self) -> None:
        """Draw everything now."""
        self._overlay_dirty = True
        super().forceRender()

    def _schedule_slice(self, *_: Any) -> None:
        """Ask for a new frame because the slice's picture changed (what lies on it may be as before)."""
        super().scheduleRender()

    def _render(self) -> None:
        self._fit_window()
        self._update_slice()
        if self._overlay_is_old():
            super()._render()
            self._overlay_time = self._props_time()
            self._overlay_dirty = False
        else:
            self._dirty = False
            self._frames += 1

    def _draw(self) -> None:
        self._image_actor.VisibilityOff()
        super()._draw()
        self._image_actor.VisibilityOn()

    def _overlay_is_old(self) -> bool:
        return self._overlay_dirty or self._image.isNull() or self._props_time() != self._overlay_time

    def _props_time(self) -> tuple[int, int]:
        """What changes when something is added to the view, or when something in it was modified."""
        props = self._renderer.GetViewProps()
        count = props.GetNumberOfItems()
        return count, max((props.GetItemAsObject(i).GetMTime() for i in range(count)), default=0)

    def _is_paused(self) -> bool:
        return bool(slicer.app.isRenderPaused()) if hasattr(slicer.app, "isRenderPaused") else False

    def _update_slice(self) -> None:
        """Bring the slice's picture up to date."""
        connection = self._logic.GetImageDataConnection()
        if connection is None:
            self._slice = QImage()
            return
        connection.GetProducer().Update()
        picture = connection.GetProducer().GetOutputDataObject(connection.GetIndex())
        width, height, _ = picture.GetDimensions()
        scalars = picture.GetPointData().GetScalars()
        if scalars is None or scalars.GetNumberOfComponents() != 4:
            self._slice = QImage()
            return
        rows = vtk_to_numpy(scalars).reshape(height, width, 4)
        self._slice = turned_over(rows, self._slice, QImage.Format.Format_RGBA8888)
        self._slice.setDevicePixelRatio(self._ratio)

    def _paint_below(self, painter: QPainter) -> None:
        if not self._slice.isNull():
            painter.drawImage(0, 0, self._slice)

    def _default_cursor(self) -> None:
        interaction = self._logic.GetMRMLApplicationLogic().GetInteractionNode()
        if interaction.GetCurrentInteractionMode() == interaction.Place:
            self.setCursor(Qt.CursorShape.CrossCursor)
        else:
            self.unsetCursor()

    def finalize(self) -> None:
        """Leave the scene and free the graphics resources."""
        for subject, tag in self._tags:
            subject.RemoveObserver(tag)
        self._tags.clear()
        self._style.SetInteractor(None)
        self._group.SetMRMLDisplayableNode(None)
        super().finalize()


def _displayable_managers(renderer: Any) -> Any:
    """A group with one of each displayable manager, drawing into a renderer."""
    factory = slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance()
    for class_name in DISPLAYABLE_MANAGERS:
        if hasattr(slicer, class_name) and not factory.IsDisplayableManagerRegistered(class_name):
            factory.RegisterDisplayableManager(class_name)
    return factory.InstantiateDisplayableManagers(renderer)
