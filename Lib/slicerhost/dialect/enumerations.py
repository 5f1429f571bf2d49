"""PythonQt's enumeration values are whole numbers: `dialog.exec_() == qt.QDialog.Accepted`."""

from __future__ import annotations

import enum
from collections.abc import Iterable


def make_integers(classes: Iterable[type]) -> None:
    """Let enumerations that PySide6 made without whole-number semantics compare and count like whole numbers.

    Nothing is to be done where PySide6 was imported through this package; a test runner may have been quicker.
    """
    for cls in classes:
        for value in list(vars(cls).values()):
            if isinstance(value, type) and issubclass(value, enum.Enum) and not issubclass(value, int):
                _number(value)


def _number(cls: type[enum.Enum]) -> None:
    def value(x: object) -> object:
        return x.value if isinstance(x, enum.Enum) else x

    cls.__eq__ = lambda self, other: value(self) == value(other)  # type: ignore[assignment,method-assign]
    cls.__ne__ = lambda self, other: value(self) != value(other)  # type: ignore[assignment,method-assign]
    cls.__hash__ = lambda self: hash(self.value)  # type: ignore[method-assign]
    cls.__int__ = lambda self: int(self.value)  # type: ignore[attr-defined]
    cls.__index__ = lambda self: int(self.value)  # type: ignore[attr-defined]
    cls.__lt__ = lambda self, other: value(self) < value(other)  # type: ignore[attr-defined,operator]
    cls.__gt__ = lambda self, other: value(self) > value(other)  # type: ignore[attr-defined,operator]
