"""Reading Qt properties in a way that works before and after the PythonQt dialect is put on PySide's classes.

In the dialect `widget.width` is a number, in PySide `widget.width()` is; `QObject.property` is the same in both.
"""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QObject, QSize


def value(qobject: QObject, name: str) -> Any:
    """The value of a Qt property of an object."""
    return QObject.property(qobject, name)


def size(widget: QObject) -> QSize:
    """A widget's size in device-independent pixels."""
    return QObject.property(widget, "size")
