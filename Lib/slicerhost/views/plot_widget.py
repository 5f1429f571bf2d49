"""A plot view: the series of a plot chart node, drawn by Qt; the counterpart of qMRMLPlotWidget."""

from __future__ import annotations

from typing import Any

from PySide6.QtWidgets import QVBoxLayout, QWidget


class PlotWidget(QWidget):
    """A plot view of one plot view node."""

    def __init__(self, node: Any, application_logic: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._node = node
        QVBoxLayout(self)

    def mrmlPlotViewNode(self) -> Any:
        """The plot view node: which chart is shown."""
        return self._node

    def finalize(self) -> None:
        """Let go of the scene."""
