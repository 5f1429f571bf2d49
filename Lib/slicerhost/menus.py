"""The main window's menu: files, layouts, style, the module's developer actions, and what this is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import shiboken6
import slicer
from PySide6.QtCore import QObject
from PySide6.QtGui import QAction, QActionGroup, QKeySequence
from PySide6.QtWidgets import QApplication, QFileDialog, QMainWindow, QMenu, QMessageBox

from . import style
from .io import FILE_TYPES

ABOUT = (
    "<p>This window runs a 3D Slicer scripted module on slicer-core (Slicer's own scene, markups and displayable "
    "managers) and Qt for Python. It is not 3D Slicer, and not for clinical use.</p>"
)


class Menus(QObject):
    """Builds the menu of a main window and does what it says."""

    def __init__(self, window: QMainWindow, layout_manager: Any, *, developer: bool) -> None:
        super().__init__(window)
        self._window = window
        self._layout_manager = layout_manager
        self._layouts: dict[int, QAction] = {}
        self._module: Any = None
        self._file_menu(window.menuBar().addMenu(self.tr("&File")))
        self._view_menu(window.menuBar().addMenu(self.tr("&View")))
        self._module_menu: QMenu | None = None
        if developer:
            self._module_menu = window.menuBar().addMenu(self.tr("&Module"))
            self._add(self._module_menu, self.tr("&Reload"), self.reload, "Ctrl+R")
            self._add(self._module_menu, self.tr("Run self-&test"), self.self_test)
        help_menu = window.menuBar().addMenu(self.tr("&Help"))
        self._add(help_menu, self.tr("Module's &help"), self.module_help)
        self._add(help_menu, self.tr("&About"), self.about)

    def set_module(self, module: Any) -> None:
        """The module that the menu's actions are about."""
        self._module = module

    @staticmethod
    def _add(menu: QMenu, text: str, action: Callable[[], Any], keys: Any = None) -> QAction:
        added = menu.addAction(text)
        added.triggered.connect(lambda *_: action())
        if keys is not None:
            added.setShortcut(QKeySequence(keys))
        return added

    # File

    def _file_menu(self, menu: QMenu) -> None:
        standard = QKeySequence.StandardKey
        self._add(menu, self.tr("&Add data…"), self.add_data, standard.Open)
        self._add(menu, self.tr("Add &folder of images…"), self.add_folder)
        menu.addSeparator()
        self._add(menu, self.tr("Open &scene…"), self.open_scene)
        self._add(menu, self.tr("Save scene &as…"), self.save_scene, standard.Save)
        self._add(menu, self.tr("&Close scene"), self.close_scene)
        menu.addSeparator()
        self._add(menu, self.tr("&Quit"), self._window.close, standard.Quit)

    def add_data(self) -> None:
        """Ask for files, and load them."""
        endings = " ".join(f"*{e}" for kind in FILE_TYPES for e in kind.extensions)
        filters = [self.tr("Known files") + f" ({endings})", self.tr("DICOM without ending") + " (*)"]
        filters += [f"{kind.description} ({' '.join('*' + e for e in kind.extensions)})" for kind in FILE_TYPES]
        names = self._ask(self.tr("Add data"), QFileDialog.FileMode.ExistingFiles, filters)
        self._window.open_files([Path(name) for name in names])

    def add_folder(self) -> None:
        """Ask for a folder, and load every DICOM file and image in it."""
        for name in self._ask(self.tr("Add folder of images"), QFileDialog.FileMode.Directory, []):
            manager = slicer.app.coreIOManager()
            files = [path for path in sorted(Path(name).iterdir()) if path.is_file()]
            self._window.open_files([path for path in files if manager.fileType(str(path)) == "VolumeFile"])

    def open_scene(self) -> None:
        """Ask for a scene, and open it instead of the present one."""
        filters = [self.tr("Scene") + " (*.mrb *.mrml)"]
        for name in self._ask(self.tr("Open scene"), QFileDialog.FileMode.ExistingFile, filters):
            messages = slicer.vtkMRMLMessageCollection()
            opened = slicer.app.coreIOManager().loadScene(name, True, messages)
            self._say(self.tr("Scene opened") if opened else self.tr("The scene could not be opened"))

    def save_scene(self) -> None:
        """Ask for a file, and save the whole scene as a bundle."""
        for name in self._ask(self.tr("Save scene"), QFileDialog.FileMode.AnyFile, [self.tr("Bundle") + " (*.mrb)"]):
            saved = slicer.app.coreIOManager().saveScene(name)
            self._say(self.tr("Scene saved") if saved else self.tr("The scene could not be saved"))

    def _ask(self, title: str, mode: QFileDialog.FileMode, filters: list[str]) -> list[str]:
        """The files chosen; none when the dialog was cancelled."""
        dialog = QFileDialog(self._window, title)
        dialog.setFileMode(mode)
        if filters:
            dialog.setNameFilters(filters)
        if mode == QFileDialog.FileMode.AnyFile:
            dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
            dialog.setDefaultSuffix("mrb")
        accepted = bool(dialog.exec())
        dialog.deleteLater()
        return list(dialog.selectedFiles()) if accepted else []

    def close_scene(self) -> None:
        """Remove everything from the scene, after asking."""
        question = self.tr("Close the scene? What was not saved is lost.")
        if QMessageBox.question(self._window, self.tr("Close scene"), question) == QMessageBox.StandardButton.Yes:
            slicer.mrmlScene.Clear(0)

    # View

    def _view_menu(self, menu: QMenu) -> None:
        node = slicer.vtkMRMLLayoutNode
        layouts = (
            (self.tr("&One view"), node.SlicerLayoutOneUpRedSliceView),
            (self.tr("&Side by side"), node.SlicerLayoutSideBySideView),
            (self.tr("Four views and a &plot"), node.SlicerLayoutFourUpPlotView),
            (self.tr("P&lot only"), node.SlicerLayoutOneUpPlotView),
        )
        group = QActionGroup(self)
        for text, number in layouts:
            action = self._add(menu, text, lambda number=number: self._layout_manager.setLayout(number))
            action.setCheckable(True)
            group.addAction(action)
            self._layouts[number] = action
        self._layout_manager.layoutChanged.connect(self._check_layout)
        self._check_layout(self._layout_manager.layout)
        self._add(menu, self.tr("&Fit to view"), self._layout_manager.resetSliceViews)
        styles = menu.addMenu(self.tr("S&tyle"))
        group = QActionGroup(self)
        names = {"system": self.tr("As the &system"), "light": self.tr("&Light"), "dark": self.tr("&Dark")}
        for name, text in names.items():
            action = self._add(styles, text, lambda name=name: style.choose(name))
            action.setCheckable(True)
            action.setChecked(name == style.chosen())
            group.addAction(action)

    def _check_layout(self, layout: int) -> None:
        if not shiboken6.isValid(self):  # the window is gone, the layout manager is not
            self._layout_manager.layoutChanged.disconnect(self._check_layout)
            return
        for number, action in self._layouts.items():
            action.setChecked(number == layout)

    # Module and help

    def reload(self) -> None:
        """Load the module anew from its file."""
        if self._module is not None:
            slicer.util.reloadScriptedModule(self._module.name)

    def self_test(self) -> None:
        """Run the module's own tests; the outcome is in the status bar."""
        widget = self._window.module_widget()
        if widget is not None:
            widget.onTest()

    def module_help(self) -> None:
        """Show what the module says about itself."""
        text = self._module.helpText if self._module is not None else ""
        QMessageBox.information(self._window, self.tr("Help"), text or self.tr("The module has no help text."))

    def about(self) -> None:
        """Say what this window is."""
        acknowledgement = self._module.acknowledgementText if self._module is not None else ""
        version = QApplication.applicationVersion()
        text = f"{ABOUT}<p>Slicer {version}</p>{acknowledgement}"
        QMessageBox.about(self._window, self.tr("About"), text)

    def _say(self, text: str) -> None:
        self._window.statusBar().showMessage(text, 5000)
