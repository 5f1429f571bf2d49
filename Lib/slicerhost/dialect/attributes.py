"""Looking up and setting attributes of Qt objects as PythonQt does."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from types import GetSetDescriptorType
from typing import Any

import shiboken6
from PySide6.QtCore import Property, QObject, SignalInstance

from . import signals
from .properties import QtProperty, declared

_missing = object()
#: Classes that stand for C++ classes: PySide6's and those of the host marked with `stands_for_cpp`.
_cpp: set[type] = set()
_ignoring = False


def stands_for_cpp(cls: type) -> type:
    """Mark a class written in Python as one that Slicer has in C++: no new public attributes on its objects."""
    _cpp.add(cls)
    cls.__setattr__ = _set  # type: ignore[method-assign,assignment]
    for base in cls.__mro__:
        for name, value in vars(base).items():
            if isinstance(value, Property):
                declared(cls, name)
    return cls


@contextmanager
def ignoring_new_attributes() -> Iterator[None]:
    """PySide6's loader of .ui files makes an attribute of every child; PythonQt finds children by their name anyway."""
    global _ignoring
    _ignoring = True
    try:
        yield
    finally:
        _ignoring = False


def install(classes: Iterable[type]) -> None:
    """Replace attribute access on every class that PySide6 wraps."""
    _cpp.update(classes)
    for cls in classes:
        if issubclass(cls, QObject) and "__getattribute__" in vars(cls):  # the others inherit it
            cls.__getattribute__ = _getter(cls.__getattribute__)  # type: ignore[method-assign,assignment]
        cls.__setattr__ = _set  # type: ignore[method-assign,assignment]


def _getter(lookup: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
    """Attribute access in the dialect for a class whose own way is `lookup`; some classes have ways of their own."""

    def get(self: QObject, name: str) -> Any:
        if name == "connect":
            return partial(signals.connect, self)
        if name == "disconnect":
            return partial(signals.disconnect, self)
        try:
            value = lookup(self, name)
        except AttributeError:
            if name.startswith("__"):
                raise
            value = _dynamic(self, name)
            if value is _missing:
                raise
            return value
        return signals.BoundSignal(self, name, value) if type(value) is SignalInstance else value

    return get


def _dynamic(self: QObject, name: str) -> Any:
    """A dynamic property, or a child of that name: PythonQt looks for these last."""
    if not shiboken6.isValid(self):
        return _missing
    value = QObject.property(self, name)
    if value is not None:
        return value
    return next((c for c in QObject.children(self) if c.objectName == name), _missing)  # type: ignore[attr-defined]


def _set(self: Any, name: str, value: Any) -> None:
    if type(value) is SignalInstance:  # PySide keeps signals that it looked up
        self.__dict__[name] = value
        return
    cls = type(self)
    descriptor = inspect.getattr_static(cls, name, _missing)
    if isinstance(descriptor, Property):
        descriptor = declared(cls, name)
    if isinstance(descriptor, (QtProperty, property, GetSetDescriptorType)):  # the last: a field, as QStyleOption.rect
        descriptor.__set__(self, value)
        return
    if descriptor is not _missing and not name.startswith("_") and _from_cpp(cls, name):
        raise AttributeError(f"Slot '{name}' can not be overwritten on {cls.__name__} object")
    new = descriptor is _missing and isinstance(self, QObject) and not name.startswith("_")
    if new and shiboken6.isValid(self) and name in _dynamic_names(self):
        QObject.setProperty(self, name, value)
        return
    if _ignoring and isinstance(value, QObject) and value.objectName == name:  # type: ignore[comparison-overlap]
        return
    if cls in _cpp and not (name.startswith("_") and cls.__module__.startswith("slicerhost")):
        raise AttributeError(
            f"'{name}' does not exist on {cls.__name__} and creating new attributes on C++ objects is not allowed"
        )
    self.__dict__[name] = value


def _dynamic_names(obj: QObject) -> set[str]:
    return {bytes(n).decode() for n in QObject.dynamicPropertyNames(obj)}


def _from_cpp(cls: type, name: str) -> bool:
    return next((c in _cpp for c in cls.__mro__ if name in vars(c)), False)
