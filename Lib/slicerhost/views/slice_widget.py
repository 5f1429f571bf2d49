"""A slice view with its slim bar."""

from __future__ import annotations

from typing import Any

import slicer
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QVBoxLayout, QWidget

from ..dialect.attributes import stands_for_cpp
from .slice_view import qMRMLSliceView
from .view_bar import ViewBar


@stands_for_cpp
class qMRMLSliceWidget(QWidget):
    """A slice view of one slice node, with the logic that fills it."""

    def __init__(self, node: Any, application_logic: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        scene = node.GetScene()
        self._logic = slicer.vtkMRMLSliceLogic()
        self._logic.SetMRMLApplicationLogic(application_logic)
        self._logic.SetMRMLScene(scene)
        self._logic.SetSliceNode(node)
        self._view = qMRMLSliceView(self._logic, self)
        self._view.setMRMLSliceNode(node)
        self.setObjectName(f"qMRMLSliceWidget{node.GetLayoutName()}")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        colour = QColor.fromRgbF(*node.GetLayoutColor())
        self._bar = ViewBar(node.GetLayoutLabel() or node.GetLayoutName()[:1], colour, self.fitSliceToBackground, self)
        column.addWidget(self._bar)
        column.addWidget(self._view, 1)
        self._tag = self._logic.AddObserver(self._logic.CompositeModifiedEvent, self._name)
        self._composite_tag = self.mrmlSliceCompositeNode().AddObserver("ModifiedEvent", self._name)
        self._name()

    def sliceLogic(self) -> Any:
        """The logic that reslices the volumes for this view."""
        return self._logic

    def sliceView(self) -> qMRMLSliceView:
        """The view itself."""
        return self._view

    def sliceController(self) -> ViewBar:
        """The bar above the view (only its visibility is as in Slicer; it has no slider)."""
        return self._bar

    def mrmlSliceNode(self) -> Any:
        """The slice node: orientation, field of view, offset."""
        return self._logic.GetSliceNode()

    def mrmlSliceCompositeNode(self) -> Any:
        """The composite node: which volumes are shown, and how they are blended."""
        return self._logic.GetSliceCompositeNode()

    def mrmlScene(self) -> Any:
        """The scene."""
        return self._logic.GetMRMLScene()

    def fitSliceToBackground(self) -> None:
        """Show the whole background volume."""
        self._logic.FitSliceToBackground()
        self._logic.SnapSliceOffsetToIJK()

    def interactorStyle(self) -> Any:
        """The interaction rules of the view."""
        return self._view.sliceViewInteractorStyle()

    def _name(self, *_: Any) -> None:
        volume = self.mrmlScene().GetNodeByID(self.mrmlSliceCompositeNode().GetBackgroundVolumeID() or "")
        self._bar.set_text(volume.GetName() if volume is not None else "")

    def finalize(self) -> None:
        """Leave the scene and free the graphics resources."""
        self._logic.RemoveObserver(self._tag)
        self.mrmlSliceCompositeNode().RemoveObserver(self._composite_tag)
        self._view.finalize()
