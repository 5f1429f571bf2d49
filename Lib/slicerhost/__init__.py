"""Run a Slicer scripted module in a window of its own, on slicer-core and PySide6.

`start()` makes `qt`, `ctk` and `slicer` what a scripted module expects; `load_module` and `module_widget` bring a
module up; `run` (`python -m slicerhost MODULE.py`) opens it in a window, `self_test` (`--self-test`) runs the module's
own test there.
"""

from __future__ import annotations

from typing import Any

from .errors import HostError
from .runner import run, self_test
from .start import load_module, module_widget, start, stop

__all__ = ["HostError", "MainWindow", "load_module", "module_widget", "run", "self_test", "start", "stop"]


def __getattr__(name: str) -> Any:
    if name == "MainWindow":  # needs the dialect, hence not before it is asked for
        from .window import MainWindow

        return MainWindow
    raise AttributeError(f"module 'slicerhost' has no attribute '{name}'")
