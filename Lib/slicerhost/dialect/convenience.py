"""Methods that PythonQt adds to Qt's classes, and calls whose form differs between PythonQt and PySide6."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import shiboken6
from PySide6.QtCore import QObject
from PySide6.QtWidgets import QFileDialog, QInputDialog, QMenu, QWidget

_find_children = QObject.findChildren
_find_child = QObject.findChild


def install(qt: ModuleType) -> None:
    """Add `name`, `className()`, `delete()`, searches by class name, and dialogs that return one value."""
    QObject.name = property(lambda s: s.objectName, lambda s, v: s.setObjectName(v))  # type: ignore[attr-defined]
    QObject.className = lambda s: s.metaObject().className()  # type: ignore[attr-defined]
    QObject.delete = lambda s: shiboken6.delete(s)  # type: ignore[attr-defined]
    QObject.findChildren = _children  # type: ignore[method-assign,assignment]
    QObject.findChild = _child  # type: ignore[method-assign,assignment]
    for name in ("getOpenFileName", "getSaveFileName", "getOpenFileNames"):
        setattr(QFileDialog, name, _first_of(getattr(QFileDialog, name)))
    for name in ("getText", "getMultiLineText", "getItem", "getInt", "getDouble"):
        setattr(QInputDialog, name, _first_of(getattr(QInputDialog, name)))
    _accept_any_title(QMenu)
    qt.QWidget = QWidget  # type: ignore[attr-defined]


def _children(self: QObject, kind: Any = QObject, *name: Any) -> list[QObject]:
    """Children by class or class name, and by object name where one is given."""
    if isinstance(kind, str):
        named = (c for c in _find_children(self, QObject) if c.inherits(kind))
        return [c for c in named if not name or c.objectName == name[0]]
    return list(_find_children(self, kind, *name))


def _child(self: QObject, kind: Any = QObject, *name: Any) -> QObject | None:
    """The first of `findChildren`, or None."""
    if isinstance(kind, str):
        return next(iter(_children(self, kind, *name)), None)
    return _find_child(self, kind, *name)


def _first_of(function: Callable[..., Any]) -> Callable[..., Any]:
    """PythonQt drops what C++ returns through pointers (the chosen filter, the OK flag): the value alone comes back."""

    def call(*arguments: Any, **named: Any) -> Any:
        return function(*arguments, **named)[0]

    return staticmethod(call)  # type: ignore[return-value]


def _accept_any_title(cls: Any) -> None:
    """PythonQt turns an argument that is no widget into the title; Slicer's own base class relies on it."""
    original = cls.__init__

    def init(self: Any, *arguments: Any, **named: Any) -> None:
        fit = (a if a is None or isinstance(a, (str, QWidget)) else str(a) for a in arguments)
        original(self, *fit, **named)

    cls.__init__ = init
