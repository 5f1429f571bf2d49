"""The main window: a module's panel on the left, the views on the right."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QMainWindow, QScrollArea, QSplitter, QWidget

from .layout import LayoutManager

PANEL_WIDTHS = (380, 460)


class MainWindow(QMainWindow):
    """Panel left, views right; `slicer.util.mainWindow()` finds it by its object name."""

    def __init__(self, layout_manager: LayoutManager, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("qSlicerMainWindow")
        self._layout_manager = layout_manager
        self._panel = QScrollArea()
        self._panel.setWidgetResizable(True)
        self._panel.setFrameShape(QFrame.Shape.NoFrame)
        self._panel.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._panel.setMinimumWidth(PANEL_WIDTHS[0])
        self._panel.setMaximumWidth(PANEL_WIDTHS[1])
        self._views = QWidget()
        layout_manager.setViewport(self._views)
        self._splitter = QSplitter(Qt.Orientation.Horizontal)
        self._splitter.setChildrenCollapsible(False)
        self._splitter.addWidget(self._panel)
        self._splitter.addWidget(self._views)
        self._splitter.setStretchFactor(1, 1)
        self._splitter.setSizes([420, 860])
        self.setCentralWidget(self._splitter)
        self.resize(1280, 800)

    def set_module(self, title: str, panel: QWidget) -> None:
        """Show a module's panel, and its title as the window's."""
        self._panel.setWidget(panel)
        self.setWindowTitle(title)

    def layout_manager(self) -> Any:
        """The layout manager whose views the window shows."""
        return self._layout_manager
