"""`slicer.app`: the application object."""

from __future__ import annotations

import platform
import sys
import tempfile
from pathlib import Path
from typing import Any

from PySide6.QtCore import Property, QCoreApplication, QProcessEnvironment, QSettings, Qt, Signal
from PySide6.QtWidgets import QApplication

from .dialect.attributes import stands_for_cpp

#: The version of Slicer whose behaviour the host follows (slicer-core 5.12.4 has the same MRML libraries).
SLICER_VERSION = (5, 12, 4)


@stands_for_cpp
class qSlicerApplication(QApplication):
    """What modules ask the application for: settings, folders, managers, the override cursor, events."""

    startupCompleted = Signal()
    mrmlSceneChanged = Signal(object)

    def __init__(self, arguments: list[str]) -> None:
        super().__init__(arguments)
        self.setApplicationName("SlicerHost")
        self.setOrganizationName("slicerhost")
        self.setApplicationVersion(".".join(map(str, SLICER_VERSION)))
        self._scene: Any = None
        self._logic: Any = None
        self._layout_manager: Any = None
        self._io_manager: Any = None
        self._module_manager: Any = None
        self._testing = False
        self._options = _CommandOptions()
        self._paused_renders = 0

    # Numbers and folders

    majorVersion = Property(int, lambda _self: SLICER_VERSION[0])
    minorVersion = Property(int, lambda _self: SLICER_VERSION[1])
    revision = Property(str, lambda _self: "host")
    platform = Property(str, lambda _self: f"{sys.platform}-{platform.machine()}")
    os = Property(str, lambda _self: {"win32": "win", "darwin": "macosx"}.get(sys.platform, "linux"))
    arch = Property(str, lambda _self: platform.machine())
    slicerHome = Property(str, lambda _self: str(Path(__file__).parent))
    temporaryPath = Property(
        str, lambda self: self._folder("TemporaryPath"), lambda self, p: self._keep("TemporaryPath", p)
    )
    cachePath = Property(str, lambda self: self._folder("Cache/Path"), lambda self, p: self._keep("Cache/Path", p))
    documentationBaseUrl = Property(str, lambda _self: "https://slicer.readthedocs.io/en/latest/")
    slicerUserSettingsFilePath = Property(str, lambda _self: QSettings().fileName())

    def _folder(self, key: str) -> str:
        kept = QSettings().value(key)
        folder = Path(str(kept)) if kept else Path(tempfile.gettempdir()) / f"SlicerHost-{Path.home().name}"
        folder.mkdir(parents=True, exist_ok=True)
        return str(folder)

    def _keep(self, key: str, path: str) -> None:
        QSettings().setValue(key, str(path))

    # Managers

    def mrmlScene(self) -> Any:
        """The scene."""
        return self._scene

    def setMRMLScene(self, scene: Any) -> None:
        """Set the scene and announce it."""
        self._scene = scene
        self.mrmlSceneChanged.emit(scene)

    def applicationLogic(self) -> Any:
        """The vtkSlicerApplicationLogic."""
        return self._logic

    def layoutManager(self) -> Any:
        """The layout manager; None without a window."""
        return self._layout_manager

    def setLayoutManager(self, manager: Any) -> None:
        """Set the layout manager."""
        self._layout_manager = manager

    def moduleManager(self) -> Any:
        """The module manager."""
        return self._module_manager

    def coreIOManager(self) -> Any:
        """What reads and writes files."""
        return self._io_manager

    ioManager = coreIOManager

    def setCoreIOManager(self, manager: Any) -> None:
        """Set what reads and writes files."""
        self._io_manager = manager

    def commandOptions(self) -> Any:
        """What the command line said."""
        return self._options

    def testingEnabled(self) -> bool:
        """Whether message boxes are to be skipped."""
        return self._testing

    def setTestingEnabled(self, enabled: bool) -> None:
        """Skip message boxes, or show them."""
        self._testing = bool(enabled)
        self._options.testingEnabled = bool(enabled)

    def isEmbeddedModule(self, _file_name: str) -> bool:
        """Whether the module comes with the application: none does."""
        return False

    # Settings, language, events

    def userSettings(self) -> QSettings:
        """The user's settings."""
        return QSettings()

    def settings(self) -> QSettings:
        """The settings."""
        return QSettings()

    def revisionUserSettings(self) -> QSettings:
        """The settings of this version: the host keeps one file for all."""
        return QSettings()

    def translate(self, context: str, text: str) -> str:
        """The text in the user's language."""
        return QCoreApplication.translate(context, text)

    def startupEnvironment(self) -> QProcessEnvironment:
        """The environment that programs started from here should get; the host changes nothing in it."""
        return QProcessEnvironment.systemEnvironment()

    def moduleDocumentationUrl(self, module_name: str) -> str:
        """Where Slicer documents a module of its own."""
        return f"{self.documentationBaseUrl}user_guide/modules/{module_name.lower()}.html"

    def pauseRender(self) -> int:
        """Stop drawing the views until `resumeRender` was called as often; returns how often it was paused."""
        self._paused_renders += 1
        return self._paused_renders

    def resumeRender(self) -> int:
        """Undo one `pauseRender`."""
        self._paused_renders = max(0, self._paused_renders - 1)
        if not self._paused_renders and self._layout_manager is not None:
            for name in self._layout_manager.sliceViewNames():
                self._layout_manager.sliceWidget(name).sliceView().scheduleRender()
        return self._paused_renders

    def isRenderPaused(self) -> bool:
        """Whether drawing is paused."""
        return self._paused_renders > 0

    def setRenderPaused(self, pause: bool) -> None:
        """Pause or resume once."""
        (self.pauseRender if pause else self.resumeRender)()

    def restart(self) -> None:
        """Slicer starts itself again here; the host only closes."""
        self.quit()

    def openUrl(self, url: str) -> None:
        """Show a page in the browser."""
        from PySide6.QtGui import QDesktopServices

        QDesktopServices.openUrl(url)

    def showInformation(self, text: str) -> None:
        """Put a text into the status bar."""
        import slicer

        slicer.util.showStatusMessage(text)


class _CommandOptions:
    """The command line of Slicer, as far as scripts look at it."""

    def __init__(self) -> None:
        self.testingEnabled = False
        self.noMainWindow = False
        self.noSplash = True
        self.runPythonAndExit = False
        self.displayMessageAndExit = False


def application() -> qSlicerApplication:
    """The one application object of this process.

    Raises RuntimeError when the process has a QApplication that is not the host's.
    """
    existing = QApplication.instance()
    if existing is None:
        QApplication.setAttribute(Qt.ApplicationAttribute.AA_ShareOpenGLContexts)
        QSettings.setDefaultFormat(QSettings.Format.IniFormat)
        return qSlicerApplication(sys.argv[:1] or ["slicerhost"])
    if not isinstance(existing, qSlicerApplication):
        raise RuntimeError("this process already has a QApplication: start the host before making one")
    return existing
