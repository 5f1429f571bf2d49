"""Which of PySide6's libraries make up the module `qt`, and the classes in them."""

from __future__ import annotations

from functools import cache
from types import ModuleType


@cache
def libraries() -> tuple[ModuleType, ...]:
    """The libraries whose names `qt` offers, as Slicer's `qt` does (core, gui, widgets, network, svg, print, ui)."""
    from PySide6 import QtCore, QtGui, QtNetwork, QtPrintSupport, QtSvg, QtSvgWidgets, QtUiTools, QtWidgets

    return QtCore, QtGui, QtWidgets, QtNetwork, QtPrintSupport, QtSvg, QtSvgWidgets, QtUiTools


@cache
def native_classes() -> tuple[type, ...]:
    """Every class of these libraries that wraps a C++ class; bases come before classes derived from them."""
    from PySide6.QtCore import QObject

    base = QObject.__mro__[-2]  # Shiboken.Object
    every = (getattr(library, name) for library in libraries() for name in dir(library))
    found = {value for value in every if isinstance(value, type)}
    return tuple(sorted((c for c in found if issubclass(c, base)), key=lambda c: (len(c.__mro__), c.__name__)))
