"""Scripted modules: loading them, their widgets, and `slicer.app.moduleManager()`."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from PySide6.QtCore import Property, QObject, Signal
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QVBoxLayout, QWidget

from .dialect.attributes import stands_for_cpp
from .qmrml import qMRMLWidget


def _value(name: str, kind: Any) -> Any:
    def put(self: Any, value: Any) -> None:
        self._values[name] = value

    return Property(kind, lambda self: self._values[name], put)


@stands_for_cpp
class qSlicerScriptedLoadableModule(QObject):
    """A module as the application sees it; the module's own class fills in title, categories and texts."""

    def __init__(self, name: str, path: str) -> None:
        super().__init__()
        self.setObjectName(name)
        self._values: dict[str, Any] = dict.fromkeys(("title", "helpText", "acknowledgementText"), "")
        self._values |= {name: [] for name in ("categories", "dependencies", "contributors", "associatedNodeTypes")}
        self._values |= {"hidden": False, "widgetRepresentationCreationEnabled": True, "index": -1, "icon": QIcon()}
        self._path, self._module_name = path, name
        self._widget: qSlicerScriptedLoadableModuleWidget | None = None

    def widgetRepresentation(self) -> Any:
        """The module's panel, made when first asked for; None when the module wants none."""
        if self._widget is None and self._values["widgetRepresentationCreationEnabled"]:
            self._widget = self.createNewWidgetRepresentation()
        return self._widget

    def createNewWidgetRepresentation(self) -> Any:
        """Another panel of the module."""
        widget = qSlicerScriptedLoadableModuleWidget(self._module_name, self._path)
        widget._create()
        import slicer

        widget.setMRMLScene(slicer.mrmlScene)
        return widget

    def logic(self) -> Any:
        """The module's C++ logic: scripted modules have none."""
        return

    def _forget_widget(self) -> None:
        self._widget = None

    name = Property(str, lambda self: self._module_name)
    path = Property(str, lambda self: self._path)
    title = _value("title", str)
    helpText = _value("helpText", str)
    acknowledgementText = _value("acknowledgementText", str)
    categories = _value("categories", "QStringList")
    dependencies = _value("dependencies", "QStringList")
    contributors = _value("contributors", "QStringList")
    associatedNodeTypes = _value("associatedNodeTypes", "QStringList")
    hidden = _value("hidden", bool)
    widgetRepresentationCreationEnabled = _value("widgetRepresentationCreationEnabled", bool)
    index = _value("index", int)
    icon = _value("icon", QIcon)


@stands_for_cpp
class qSlicerScriptedLoadableModuleWidget(qMRMLWidget):
    """The panel of a scripted module: it makes the module's widget class and calls its setup, enter and exit."""

    def __init__(self, module_name: str, path: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._module_name, self._path, self._self, self._entered = module_name, path, None, False
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)

    def _create(self) -> None:
        import slicer

        cls = getattr(sys.modules[self._module_name], f"{self._module_name}Widget")
        self._self = cls(self)
        setattr(slicer.modules, f"{self._module_name}Widget", self._self)
        self._call("setup")

    def _call(self, method: str) -> None:
        function = getattr(self._self, method, None)
        if function is not None:
            function()

    def self(self) -> Any:
        """The object of the module's own widget class."""
        return self._self

    def enter(self) -> None:
        """The module is being shown."""
        if not self._entered:
            self._entered = True
            self._call("enter")

    def exit(self) -> None:
        """Another module is being shown."""
        if self._entered:
            self._entered = False
            self._call("exit")

    def reload(self) -> None:
        """Make the widget class anew, from the module as it is now in `sys.modules`."""
        self._create()
        if self._entered:
            self._call("enter")

    def setEditedNode(self, node: Any, role: str = "", context: str = "") -> bool:
        """Ask the module to edit a node."""
        function = getattr(self._self, "setEditedNode", None)
        return bool(function(node, role, context)) if function is not None else False

    isEntered = Property(bool, lambda self: self._entered)
    moduleName = Property(str, lambda self: self._module_name)


@stands_for_cpp
class qSlicerModuleManager(QObject):
    """Which modules there are; tells widgets when theirs is unloaded."""

    moduleLoaded = Signal(str)
    moduleAboutToBeUnloaded = Signal(str)
    moduleUnloaded = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._names: list[str] = []

    def module(self, name: str) -> Any:
        """A module by its name, or None."""
        import slicer

        found = getattr(slicer.modules, name.lower(), None)
        return found if found is not None and getattr(found, "name", None) == name else None

    def isLoaded(self, name: str) -> bool:
        """Whether there is such a module."""
        return self.module(name) is not None

    def modulesNames(self) -> list[str]:
        """The names of all modules."""
        import slicer

        return sorted(n for n in vars(slicer.moduleNames) if not n.startswith("_"))

    loadedModulesNames = modulesNames

    def factoryManager(self) -> Any:
        """What finds and loads modules."""
        return self

    loadedModuleNames = modulesNames
    registeredModuleNames = modulesNames

    def loadModules(self, _names: list[str]) -> bool:
        """Slicer loads registered modules by name; the host has loaded all it registered."""
        return True

    def _register(self, name: str) -> None:
        if name not in self._names:
            self._names.append(name)
        self.moduleLoaded.emit(name)

    def _unload_all(self) -> None:
        for name in reversed(self._names):
            self.moduleAboutToBeUnloaded.emit(name)
            self.moduleUnloaded.emit(name)
        self._names = []


def load(path: str | Path) -> qSlicerScriptedLoadableModule:
    """Load a scripted module from its file, as Slicer does: import it, make its module class, register it.

    Sets `slicer.modules.<name>`, `slicer.modules.<Name>Instance` and `slicer.moduleNames.<Name>`; the file's folder
    joins `sys.path`. Raises FileNotFoundError, and AttributeError when the file has no class of its own name.
    """
    import slicer

    path = Path(path).absolute()
    if not path.is_file():
        raise FileNotFoundError(f"no module file {path}")
    name = path.stem
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    python_module = _import(name, path)
    module = qSlicerScriptedLoadableModule(name, str(path))
    instance = getattr(python_module, name)(module)
    setattr(slicer.modules, name.lower(), module)
    setattr(slicer.modules, f"{name}Instance", instance)
    setattr(slicer.moduleNames, name, name)
    slicer.app.moduleManager()._register(name)
    return module


def _import(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    python_module = importlib.util.module_from_spec(spec)
    sys.modules[name] = python_module
    spec.loader.exec_module(python_module)
    return python_module
