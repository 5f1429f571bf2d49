"""Qt properties as Python attributes, on every class that has them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from types import MethodDescriptorType
from typing import Any

from PySide6.QtCore import QObject

_read = QObject.property
_write = QObject.setProperty
_WHOLE_NUMBERS = {"int", "uint", "qlonglong", "qulonglong", "short", "ushort"}


class QtProperty:
    """One property: its value on an object; on the class, whatever PySide6 has there (a static method, for one)."""

    def __init__(self, name: str, type_name: str, writable: bool, is_enum: bool, on_class: Any) -> None:
        self.name, self.type_name, self.writable = name, type_name, writable
        self.is_enum, self.on_class = is_enum, on_class
        # The reader itself, where there is one: when it is virtual, Qt asks Python for an override of that name and
        # would be sent in a circle if this asked Qt's property system.
        self._reader = on_class if isinstance(on_class, MethodDescriptorType) else None

    @classmethod
    def of(cls, meta: Any, on_class: Any) -> QtProperty:
        """From Qt's description of the property."""
        return cls(meta.name(), meta.typeName(), meta.isWritable(), meta.isEnumType(), on_class)

    def __get__(self, obj: Any, cls: type | None = None) -> Any:
        if obj is None:
            if self.on_class is None:
                raise AttributeError(f"type object '{getattr(cls, '__name__', cls)}' has no attribute '{self.name}'")
            return self.on_class
        try:
            return self.read(obj)
        except RuntimeError as error:  # PySide6: the C++ object is gone
            name = type(obj).__name__
            raise ValueError(f"Trying to read property '{self.name}' from a destroyed {name} object") from error

    def read(self, obj: Any) -> Any:
        """The value on this object."""
        return _read(obj, self.name) if self._reader is None else self._reader(obj)

    def __set__(self, obj: Any, value: Any) -> None:
        name = type(obj).__name__
        if not self.writable:
            raise AttributeError(f"Property '{self.name}' of {name} object is not writable")
        try:
            taken = value is not None and _write(obj, self.name, self._converted(value))
        except (TypeError, ValueError, OverflowError):
            taken = False
        except RuntimeError as error:
            raise AttributeError(f"Trying to set property '{self.name}' on a destroyed {name} object") from error
        if not taken:
            raise AttributeError(
                f"Property '{self.name}' of type '{self.type_name}' does not accept an object of type "
                f"{type(value).__name__} ({value!r})"
            )

    def _converted(self, value: Any) -> Any:
        if self.is_enum:
            return value if isinstance(value, str) else int(value)
        if self.type_name == "QString":
            return value if isinstance(value, str) else str(value)
        if self.type_name == "bool":
            return bool(int(value))
        if self.type_name in _WHOLE_NUMBERS:
            return int(value)
        if self.type_name in ("double", "float"):
            return float(value)
        if self.type_name == "QStringList":
            return [str(x) for x in value]
        return value


def install(classes: Iterable[type]) -> None:
    """Put a `QtProperty` on each class for each property that its meta-object adds or whose reader is anew."""
    for cls in classes:
        if not issubclass(cls, QObject):
            continue
        meta = cls.staticMetaObject  # type: ignore[attr-defined]
        for i in range(meta.propertyCount()):
            p = meta.property(i)
            if i >= meta.propertyOffset() or p.name() in vars(cls):
                setattr(cls, p.name(), QtProperty.of(p, _on_class(cls, p.name())))


def _on_class(cls: type, name: str) -> Any:
    value = vars(cls).get(name, getattr(cls, name, None))
    return value.on_class if isinstance(value, QtProperty) else value


@cache
def declared(cls: Any, name: str) -> QtProperty:
    """The property of a class written in Python with PySide6's `Property`: set as those of C++ classes are set.

    To be asked for once before the loader of .ui files makes such a widget: PySide6 then loses the class's description.
    """
    meta = cls.staticMetaObject
    return QtProperty.of(meta.property(meta.indexOfProperty(name)), None)
