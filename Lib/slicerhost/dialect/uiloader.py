"""Loading .ui files with the widgets of CTK and MRML in them."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from typing import Any

import shiboken6
from PySide6.QtCore import QBuffer, QByteArray, QIODevice
from PySide6.QtUiTools import QUiLoader as _QUiLoader
from PySide6.QtWidgets import QWidget

from .attributes import ignoring_new_attributes

#: Class name in a .ui file -> Python class that stands for it.
CUSTOM_WIDGETS: dict[str, type[QWidget]] = {}


class QUiLoader(_QUiLoader):
    """Qt's loader, which makes the host's widgets and connects signals that carry MRML objects.

    Raises RuntimeError for a widget class that the host does not have.
    """

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._made: list[QWidget] = []
        for cls in CUSTOM_WIDGETS.values():
            self.registerCustomWidget(cls)

    def createWidget(self, class_name: str, parent: Any = None, name: str = "") -> QWidget:
        """Make one widget; called by Qt for each in the file."""
        if class_name not in CUSTOM_WIDGETS:
            return super().createWidget(class_name, parent, name)
        widget = CUSTOM_WIDGETS[class_name](parent)
        widget.setObjectName(name)
        self._made.append(widget)
        return widget

    def load(self, device: Any, parent: Any = None) -> QWidget:
        """The widget that the opened file describes."""
        description = ElementTree.fromstring(bytes(device.readAll().data()).decode("utf-8"))
        self._require_known(description)
        connections = _take_mrml_connections(description)
        buffer = QBuffer()
        buffer.setData(QByteArray(ElementTree.tostring(description, encoding="utf-8")))
        buffer.open(QIODevice.OpenModeFlag.ReadOnly)
        with ignoring_new_attributes():
            widget = super().load(buffer, parent)
        if widget is None:
            raise RuntimeError(f"Could not load UI file: {self.errorString()}")
        _keep_alive(widget, self._made)
        for sender, signal, receiver, slot in connections:
            _connect_by_name(widget, sender, signal, receiver, slot)
        return widget

    def _require_known(self, description: ElementTree.Element) -> None:
        known = set(self.availableWidgets()) | set(CUSTOM_WIDGETS) | {"Line"}
        unknown = sorted({str(w.get("class")) for w in description.iter("widget")} - known)
        if unknown:
            raise RuntimeError(
                f"the host has no {', '.join(unknown)}: see Lib/slicerhost/README.md for the widgets it has"
            )


_alive: dict[int, list[QWidget]] = {}


def _keep_alive(widget: QWidget, made: list[QWidget]) -> None:
    """The Python halves of the widgets live as long as the widget they lie in."""
    key = shiboken6.getCppPointer(widget)[0]
    _alive[key] = list(made)
    widget.connect("destroyed()", lambda: _alive.pop(key, None))  # type: ignore[call-overload]


def _take_mrml_connections(description: ElementTree.Element) -> list[tuple[str, str, str, str]]:
    """Connections that carry VTK objects, taken out of the description: Qt's loader can not make these."""
    parent = description.find("connections")
    taken = []
    for entry in list(parent) if parent is not None else []:
        sender, signal, receiver, slot = (entry.findtext(tag, "") for tag in ("sender", "signal", "receiver", "slot"))
        if "vtk" in signal or "vtk" in slot:
            parent.remove(entry)  # type: ignore[union-attr]
            taken.append((sender, signal, receiver, slot))
    return taken


def _connect_by_name(root: Any, sender: str, signal: str, receiver: str, slot: str) -> None:
    def named(name: str) -> Any:
        return root if root.objectName == name else root.findChild(QWidget, name)

    named(sender).connect(signal, getattr(named(receiver), slot.split("(")[0]))
