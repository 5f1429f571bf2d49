"""Signals as PythonQt has them: `w.connect("clicked(bool)", f)`, `w.clicked.connect(f)`, `w.clicked()`."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import FunctionType, MethodType
from typing import Any

import shiboken6
from PySide6.QtCore import QMetaMethod, QMetaObject, QObject, SignalInstance

_connect = QObject.connect
_disconnect = QObject.disconnect
_VARIABLE_ARGUMENTS = 0x04
_VTK_POINTER = re.compile(r"\b(?:vtk|qSlicer)\w*\s*\*")


@dataclass(frozen=True)
class _Connection:
    signature: str
    target: Any
    receiver: Callable[..., None]


#: Address of the sending object -> its connections. PySide6's own wrapper of it may come and go meanwhile.
_connections: dict[int, list[_Connection]] = {}


def accepted_arguments(target: Callable[..., Any]) -> int | None:
    """How many arguments of a signal PythonQt would pass to this function; None: all of them."""
    function = target.__func__ if isinstance(target, MethodType) else target
    if not isinstance(function, FunctionType) or function.__code__.co_flags & _VARIABLE_ARGUMENTS:
        return None
    return function.__code__.co_argcount - isinstance(target, MethodType)


def signature_of(obj: QObject, signal: str) -> str | None:
    """The signal of this object that the text means ("clicked(bool)"), normalised; None when there is none."""
    text = _VTK_POINTER.sub("PyObject", signal.strip())
    normal = QMetaObject.normalizedSignature(text)
    normal = normal.toStdString() if hasattr(normal, "toStdString") else _text(normal)
    return normal if obj.metaObject().indexOfSignal(normal) >= 0 else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else bytes(value).decode()


def connect(sender: QObject, signal: Any, *target: Any) -> bool:
    """Connect a signal with a function, or with `receiver, "slot(...)"`; the sender may be given first, as in C++.

    Raises ValueError when the object has no such signal, TypeError when there is nothing that can be called.
    """
    if isinstance(signal, QObject):
        return connect(signal, *target)
    if len(target) == 2 and isinstance(target[0], QObject):
        return bool(_connect(sender, "2" + _require(sender, signal), target[0], "1" + target[1].lstrip("12")))
    if len(target) != 1 or not (callable(target[0]) or isinstance(target[0], BoundSignal)):
        raise TypeError(f"connect('{signal}', ...) needs a function, or a receiver and the name of its slot")
    signature = _require(sender, signal)
    function = target[0]
    count = accepted_arguments(function)

    def receiver(*arguments: Any) -> None:
        try:
            function(*(arguments if count is None else arguments[:count]))
        except Exception:  # noqa: BLE001 - told, and never raised into whoever caused the signal, as with PythonQt
            sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]

    _connect(sender, "2" + signature, receiver)
    address = _address(sender)
    if address not in _connections:
        _connections[address] = []
        _connect(sender, "2destroyed()", lambda: _connections.pop(address, None))
    _connections[address].append(_Connection(signature, function, receiver))
    return True


def disconnect(sender: QObject, signal: Any, *target: Any) -> bool:
    """Undo one connection with this function, or all with this signal when no function is given.

    Returns whether there was one; raises ValueError when the object has no such signal.
    """
    if isinstance(signal, QObject):
        return disconnect(signal, *target)
    signature = _require(sender, signal)
    if len(target) == 2 and isinstance(target[0], QObject):
        return bool(_disconnect(sender, "2" + signature, target[0], "1" + target[1].lstrip("12")))
    mine = _connections.get(_address(sender), [])
    found = [c for c in mine if c.signature == signature and (not target or c.target == target[0])]
    for connection in found[:1] if target else found:
        mine.remove(connection)
        _disconnect(sender, "2" + signature, connection.receiver)
    return bool(found)


def _address(obj: QObject) -> int:
    return shiboken6.getCppPointer(obj)[0]


def _require(obj: QObject, signal: str) -> str:
    text = signal[1:] if signal[:1] in "12" else signal
    signature = signature_of(obj, text)
    if signature is None:
        raise ValueError(f"signal '{text}' does not exist on {obj.metaObject().className()}")
    return signature


class BoundSignal:
    """A signal of one object: `connect`, `disconnect`, `emit`; calling it emits, as with PythonQt."""

    def __init__(self, sender: QObject, name: str, instance: SignalInstance, chosen: bool = False) -> None:
        self._sender, self._name, self._instance, self._chosen = sender, name, instance, chosen

    def __getitem__(self, types: Any) -> BoundSignal:
        """One of several signals of the name, by the types of its arguments."""
        return BoundSignal(self._sender, self._name, self._instance[types], True)

    def _signature(self) -> str:
        if self._chosen:  # PySide6 says which one it is in its text only
            return repr(self._instance).split("SignalInstance ", 1)[1].rsplit(" at ", 1)[0]
        meta = self._sender.metaObject()
        found = None
        for i in range(meta.methodCount()):
            method = meta.method(i)
            if method.methodType() == QMetaMethod.MethodType.Signal and _text(bytes(method.name())) == self._name:
                signature = _text(bytes(method.methodSignature()))
                if found is None or len(signature) > len(found):
                    found = signature
        return found or self._name

    def connect(self, *target: Any) -> bool:
        """Connect the signal with a function, or with an object and the name of its slot."""
        if len(target) == 1 and isinstance(target[0], BoundSignal):
            return connect(self._sender, self._signature(), target[0].emit)
        return connect(self._sender, self._signature(), *target)

    def disconnect(self, *target: Any) -> bool:
        """Undo the connection with the function; all when none is given."""
        return disconnect(self._sender, self._signature(), *target)

    def emit(self, *arguments: Any) -> None:
        """Send the signal."""
        self._instance.emit(*arguments)

    __call__ = emit

    def __repr__(self) -> str:
        return f"<signal {self._signature()} of {self._sender!r}>"
