"""The slice view: a slice of the scene with its markups, rulers and annotations, driven by the mouse as in Slicer."""

from __future__ import annotations

from typing import Any

import slicer
import vtk
from PySide6.QtCore import Qt
from PySide6.QtGui import QCursor
from PySide6.QtWidgets import QWidget

from .render_view import RenderView

# As in qMRMLSliceView, plus what Slicer's modules register (Markups, Segmentations, Colors).
DISPLAYABLE_MANAGERS = (
    "vtkMRMLModelSliceDisplayableManager",
    "vtkMRMLCrosshairDisplayableManager",
    "vtkMRMLOrientationMarkerDisplayableManager",
    "vtkMRMLRulerDisplayableManager",
    "vtkMRMLScalarBarDisplayableManager",
    "vtkMRMLMarkupsDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager2D",
    "vtkMRMLColorLegendDisplayableManager",
)


class SliceView(RenderView):
    """Shows what a vtkMRMLSliceLogic makes; the counterpart of qMRMLSliceView."""

    def __init__(self, logic: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._logic = logic
        self._node: Any = None
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
            (logic, logic.AddObserver(logic.CompositeModifiedEvent, self._request)),
        ]
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
        self.scheduleRender()

    def _fit_window(self) -> None:
        before = tuple(self._window.GetSize())
        super()._fit_window()
        after = tuple(self._window.GetSize())
        if self._node is not None and (before != after or tuple(self._node.GetDimensions()[:2]) != after):
            self._logic.ResizeSliceNode(*after)

    def _default_cursor(self) -> None:
        interaction = slicer.app.applicationLogic().GetInteractionNode()
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
