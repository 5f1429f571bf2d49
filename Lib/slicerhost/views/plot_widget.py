"""A plot view with its slim bar."""

from __future__ import annotations

from typing import Any

from PySide6.QtGui import QColor
from PySide6.QtWidgets import QVBoxLayout, QWidget

from ..dialect.attributes import stands_for_cpp
from .plot_view import qMRMLPlotView
from .view_bar import ViewBar


@stands_for_cpp
class qMRMLPlotWidget(QWidget):
    """A plot view of one plot view node."""

    def __init__(self, node: Any, _application_logic: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(f"qMRMLPlotWidget{node.GetLayoutName()}")
        self._view = qMRMLPlotView(node, self)
        colour = QColor.fromRgbF(*node.GetLayoutColor())
        self._bar = ViewBar(node.GetLayoutLabel() or "P", colour, self._view.fitToContent, self)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self._bar)
        column.addWidget(self._view, 1)
        self._tag = node.AddObserver("ModifiedEvent", self._name)
        self._name()

    def mrmlPlotViewNode(self) -> Any:
        """The plot view node: which chart is shown."""
        return self._view.mrmlPlotViewNode()

    def plotView(self) -> qMRMLPlotView:
        """The view itself."""
        return self._view

    def plotController(self) -> ViewBar:
        """The bar above the view."""
        return self._bar

    def _name(self, *_: Any) -> None:
        chart = self._view.chartNode()
        self._bar.set_text(chart.GetName() if chart is not None else "")

    def finalize(self) -> None:
        """Let go of the scene."""
        self.mrmlPlotViewNode().RemoveObserver(self._tag)
        self._view.finalize()
