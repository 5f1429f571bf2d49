"""Bringing the parts together: the modules `qt` and `ctk`, and a complete module `slicer`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any


def start(*, gui: bool = True) -> Any:
    """Make this process look like Slicer to a scripted module; returns the module `slicer`.

    A second call changes nothing. Installs `qt` and `ctk`, then fills `slicer`: app, mrmlScene, modules, the layout
    manager (with `gui`), files, the qMRML widgets, `slicer.ScriptedLoadableModule`, `slicer.parameterNodeWrapper` and
    `slicer.i18n`.

    Raises RuntimeError when the process already has another QApplication, ImportError when slicer-core or PySide6 are
    missing.
    """
    from . import ctkwidgets, dialect

    dialect.install()
    ctkwidgets.install()
    import slicer

    if getattr(slicer, "_slicerhost", False):
        return slicer
    from . import application, applogic, io, modules, qmrml

    app = application.application()
    slicer.app = app
    app._logic = applogic.install(slicer)
    app._module_manager = modules.qSlicerModuleManager()
    app.setMRMLScene(slicer.mrmlScene)
    qmrml.install(slicer)
    for cls in (modules.qSlicerScriptedLoadableModule, modules.qSlicerScriptedLoadableModuleWidget):
        setattr(slicer, cls.__name__, cls)
    _offer_python_modules(slicer)
    io.install(slicer)
    if gui:
        from . import layout

        layout.install(slicer)
    slicer._slicerhost = True
    return slicer


def _offer_python_modules(slicer: Any) -> None:
    """Make `import slicer.ScriptedLoadableModule` and its like find the host's modules."""
    from . import i18n

    sys.modules["slicer.i18n"] = slicer.i18n = i18n
    sys.modules["slicer.util"] = slicer.util
    from . import parameternode, scripted

    sys.modules["slicer.ScriptedLoadableModule"] = slicer.ScriptedLoadableModule = scripted
    sys.modules["slicer.parameterNodeWrapper"] = slicer.parameterNodeWrapper = parameternode


def load_module(path: str | Path) -> Any:
    """Load a scripted module from its file, see `slicerhost.modules.load`; returns `slicer.modules.<name>`."""
    from . import modules

    return modules.load(path)


def module_widget(name: str) -> tuple[Any, Any]:
    """The module's own widget object, entered, and the qMRMLWidget that it fills."""
    import slicer

    panel = slicer.util.getModule(name).widgetRepresentation()
    panel.enter()
    return panel.self(), panel


def stop() -> None:
    """Tell modules that they are unloaded, and let the event loop take note of it; the scene stays."""
    import slicer

    slicer.app.moduleManager()._unload_all()
    slicer.app.processEvents()
