"""Between a parameter and its widget: the base of all connectors, and finding the one that fits."""

from __future__ import annotations

import abc
from typing import Any

from .annotations import splitAnnotations, unannotatedType


class GuiConnector(abc.ABC):
    """Reads and writes one widget; derive from it to bind a widget of your own."""

    def __init__(self) -> None:
        super().__init__()
        self._callback: Any = None

    @staticmethod
    @abc.abstractmethod
    def canRepresent(widget: Any, datatype: Any) -> bool:
        """Whether the widget can show values of the type."""

    @staticmethod
    @abc.abstractmethod
    def create(widget: Any, datatype: Any) -> GuiConnector | None:
        """A connector of the widget, or None."""

    def onChanged(self, callback: Any) -> None:
        """Call the function when the user changes the widget; None: no longer."""
        self._callback = callback
        if callback is None:
            self._disconnect()
        else:
            self._connect()

    def changed(self) -> None:
        """For the widget's signal."""
        if self._callback:
            self._callback()

    @abc.abstractmethod
    def _connect(self) -> None: ...

    @abc.abstractmethod
    def _disconnect(self) -> None: ...

    @abc.abstractmethod
    def widget(self) -> Any:
        """The widget."""

    @abc.abstractmethod
    def read(self) -> Any:
        """The value that the widget shows."""

    @abc.abstractmethod
    def write(self, value: Any) -> None:
        """Show a value."""


_registered: list[type[GuiConnector]] = []


def parameterNodeGuiConnector(cls: Any = None) -> Any:
    """Class decorator that makes a connector known; raises TypeError for a class that is none."""

    def register(kind: Any) -> Any:
        if not issubclass(kind, GuiConnector):
            raise TypeError("Must be a GuiConnector subclass")
        _registered.append(kind)
        return kind

    return register if cls is None else register(cls)


def createGuiConnector(widget: Any, datatype: Any) -> GuiConnector:
    """A connector for a widget and a type; raises RuntimeError when no known one fits."""
    for cls in _registered:
        if cls.canRepresent(widget, datatype):
            made = cls.create(widget, datatype)
            if made is not None:
                return made
    raise RuntimeError(f"Unable to create GUI connector from datatype '{datatype}' to widget type '{type(widget)}'")


class WidgetConnector(GuiConnector):
    """A connector of one widget of some classes, with a signal and an attribute."""

    classes: tuple[str, ...] = ()
    signal = ""

    def __init__(self, widget: Any, datatype: Any) -> None:
        super().__init__()
        self._widget, self._type = widget, unannotatedType(datatype)
        self._annotations = splitAnnotations(datatype)[1]
        self._prepare()

    def _prepare(self) -> None:
        """Set the widget up for the type."""

    @classmethod
    def create(cls, widget: Any, datatype: Any) -> GuiConnector:  # type: ignore[override]
        """A connector of the widget."""
        return cls(widget, datatype)

    @classmethod
    def _is_one(cls, widget: Any) -> bool:
        return type(widget).__name__ in cls.classes

    def _connect(self) -> None:
        getattr(self._widget, self.signal).connect(self.changed)

    def _disconnect(self) -> None:
        getattr(self._widget, self.signal).disconnect(self.changed)

    def widget(self) -> Any:
        """The widget."""
        return self._widget
