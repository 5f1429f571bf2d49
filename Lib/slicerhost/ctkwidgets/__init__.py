"""The module `ctk`: those of CTK's widgets that a clinical module is likely to use, with CTK's properties and signals.

Each works as CTK documents it; a widget that is not here is not offered at all. Names, properties, signals and default
values follow the headers in CTK's `Libs/Widgets`.
"""

from __future__ import annotations

import sys
from types import ModuleType


def install() -> ModuleType:
    """Return the module `ctk`, put into `sys.modules`; the dialect must have been installed before."""
    if getattr(sys.modules.get("ctk"), "_slicerhost", False):
        return sys.modules["ctk"]
    from PySide6.QtWidgets import QWidget

    from ..dialect.uiloader import CUSTOM_WIDGETS
    from . import collapsible, lines, paths, ranges, sliders

    ctk = ModuleType("ctk", "CTK's widgets on PySide6, as far as the host has them.")
    ctk._slicerhost = True  # type: ignore[attr-defined]
    for module in (collapsible, lines, paths, ranges, sliders):
        for name, value in vars(module).items():
            if name.startswith("ctk") and isinstance(value, type) and issubclass(value, QWidget):
                setattr(ctk, name, value)
                CUSTOM_WIDGETS[name] = value
    sys.modules["ctk"] = ctk
    return ctk
