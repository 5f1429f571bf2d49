"""The main window: a module's panel on the left, the views on the right, a menu, a status bar."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import slicer
from PySide6.QtCore import QByteArray, QSettings, QSize, Qt
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QFrame, QMainWindow, QScrollArea, QSplitter, QWidget

from . import style
from .menus import Menus
from .views import properties

# By this name slicer.util.mainWindow() finds the window.
NAME = "qSlicerMainWindow"
PANEL_WIDTHS = (380, 460)
PANEL_WIDTH = 420
SIZE = QSize(1280, 800)


class PanelArea(QScrollArea):
    """Scrolls a panel up and down, never sideways: the panel is always as wide as the area."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMinimumWidth(PANEL_WIDTHS[0])
        self.setMaximumWidth(PANEL_WIDTHS[1])

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the panel from being wider than what is seen of it."""
        super().resizeEvent(event)
        panel = self.widget()
        if panel is not None:
            panel.setMaximumWidth(properties.size(self.viewport()).width())


class MainWindow(QMainWindow):
    """Panel left, views right; `slicer.util.mainWindow()` finds it by its object name.

    Args:
        layout_manager: whose views are shown; `slicer.app.layoutManager()` when left out.
        developer: whether there is a menu to reload and test the module; Slicer's setting Developer/DeveloperMode when
            left out.
        parent: the parent widget.
    """

    def __init__(
        self, layout_manager: Any = None, *, developer: bool | None = None, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        style.apply()
        self.setObjectName(NAME)
        self.setAcceptDrops(True)
        self._layout_manager = layout_manager if layout_manager is not None else slicer.app.layoutManager()
        self._module: Any = None
        self._panel_area = PanelArea()
        self._panel_area.setObjectName("ModulePanel")
        self._views = QWidget()
        self._views.setObjectName("CentralWidget")
        self._layout_manager.setViewport(self._views)
        self._splitter = QSplitter(Qt.Orientation.Horizontal)
        self._splitter.setChildrenCollapsible(False)
        self._splitter.setHandleWidth(4)
        self._splitter.addWidget(self._panel_area)
        self._splitter.addWidget(self._views)
        self._splitter.setStretchFactor(0, 0)
        self._splitter.setStretchFactor(1, 1)
        self.setCentralWidget(self._splitter)
        if developer is None:
            developer = slicer.util.settingsValue("Developer/DeveloperMode", False, converter=slicer.util.toBool)
        self._menus = Menus(self, self._layout_manager, developer=developer)
        self.statusBar().setSizeGripEnabled(False)
        self._restore()

    # The module.

    def set_module(self, title: str, panel: QWidget, module: Any = None) -> None:
        """Show a module's panel, and its title as the window's.

        Args:
            title: the window's title.
            panel: the panel; the window owns it from now on.
            module: what `slicer.modules.<name>` is; its name is needed to reload and test it, and its widget is offered
                dropped files.
        """
        self._module = module
        panel.setMinimumWidth(0)
        self._panel_area.setWidget(panel)
        self.setWindowTitle(title)
        self._menus.set_module(module)

    def module(self) -> Any:
        """The module shown; None when there is none."""
        return self._module

    def module_widget(self) -> Any:
        """The object of the module's own widget class; None when there is none."""
        representation = self._module.widgetRepresentation() if self._module is not None else None
        return representation.self() if representation is not None else None

    def panel_area(self) -> PanelArea:
        """Where the panel stands."""
        return self._panel_area

    def layout_manager(self) -> Any:
        """The layout manager whose views the window shows."""
        return self._layout_manager

    # Dropped files.

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take files."""
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Open dropped files: by the module when it takes drops, else as the File menu does."""
        widget = self.module_widget()
        if hasattr(widget, "dropEvent"):
            widget.dropEvent(event)
            return
        event.acceptProposedAction()
        self.open_files([Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()])

    def open_files(self, paths: list[Path]) -> None:
        """Load files of any known type; what fails is said in the status bar."""
        manager = slicer.app.coreIOManager()
        failed = []
        for path in paths:
            try:
                if not manager.loadFile(str(path)):
                    failed.append(path.name)
            except (OSError, RuntimeError, ValueError):
                logging.getLogger(__name__).exception("Opening %s", path.name)
                failed.append(path.name)
        if failed:
            self.statusBar().showMessage(self.tr("Could not be opened: {0}").replace("{0}", ", ".join(failed)), 10000)
        elif paths:
            self.statusBar().showMessage(self.tr("Opened"), 3000)

    # Size and place, kept between runs.

    def _restore(self) -> None:
        self.resize(SIZE)
        self._splitter.setSizes([PANEL_WIDTH, SIZE.width() - PANEL_WIDTH])
        settings = QSettings()
        for key, restore in (("geometry", self.restoreGeometry), ("panel", self._splitter.restoreState)):
            kept = settings.value(f"Host/MainWindow/{key}")
            if isinstance(kept, QByteArray):
                restore(kept)

    def closeEvent(self, event: QCloseEvent) -> None:
        """Keep size and place."""
        settings = QSettings()
        settings.setValue("Host/MainWindow/geometry", self.saveGeometry())
        settings.setValue("Host/MainWindow/panel", self._splitter.saveState())
        self._layout_manager.setViewport(None)
        self.setObjectName("")  # a closed window is not the main window any more
        super().closeEvent(event)

    def showEvent(self, event: QShowEvent) -> None:
        """Take the views (another window may have had them)."""
        self.setObjectName(NAME)
        if self._layout_manager.viewport() is not self._views:
            self._layout_manager.setViewport(self._views)
        super().showEvent(event)
