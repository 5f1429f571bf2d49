"""Exceptions in virtual functions that Python overrides: told, as PythonQt does, and not fatal.

PySide6 6.12 ends the process when, for example, a `resizeEvent` raises while Qt shows the widget.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from types import FunctionType
from typing import Any

from PySide6.QtCore import QObject, QSize

#: Functions with a result that Qt needs -> what it gets when the override failed.
_RESULTS: dict[str, Callable[[], Any]] = {
    "event": bool,
    "eventFilter": bool,
    "sizeHint": QSize,
    "minimumSizeHint": QSize,
    "heightForWidth": lambda: -1,
    "hasHeightForWidth": bool,
    "hitButton": bool,
    "data": lambda: None,
    "headerData": lambda: None,
    "rowCount": int,
    "columnCount": int,
    "setData": bool,
    "filterAcceptsRow": lambda: True,
    "lessThan": bool,
    "editorEvent": bool,
    "paint": lambda: None,
    "createEditor": lambda: None,
    "setEditorData": lambda: None,
    "setModelData": lambda: None,
}


def install() -> None:
    """Guard the overrides of every class derived from now on."""
    QObject.__init_subclass__ = classmethod(_guard)  # type: ignore[assignment,arg-type]


def _guard(cls: type, **_: Any) -> None:
    for name, function in list(vars(cls).items()):
        if (
            isinstance(function, FunctionType)
            and (name in _RESULTS or name.endswith("Event"))
            and _inherited(cls, name)
        ):
            setattr(cls, name, _guarded(function, _RESULTS.get(name, lambda: None)))


def _inherited(cls: type, name: str) -> bool:
    return any(name in vars(base) for base in cls.__mro__[1:])


def _guarded(function: FunctionType, result: Callable[[], Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        try:
            return function(*arguments, **named)
        except Exception:  # noqa: BLE001 - told; Qt could not do anything with it
            sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
            return result()

    return call
