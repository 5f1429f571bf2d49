"""Which of Qt's, CTK's and MRML's widgets show which types: those that Slicer binds, and no others."""

from __future__ import annotations

import enum
import math
import typing
from typing import Any

import qt
import slicer

from .annotations import (
    Choice,
    Decimals,
    Maximum,
    Minimum,
    SingleStep,
    WithinRange,
    findFirstAnnotation,
    unannotatedType,
)
from .connectors import GuiConnector, WidgetConnector, createGuiConnector, parameterNodeGuiConnector
from .packs import isParameterPack, nestedParameterNames
from .serializers import _PATHS

PACK_MEMBER_PROPERTY = "SlicerPackParameterName"


@parameterNodeGuiConnector
class CheckBox(WidgetConnector):
    """QCheckBox and a checkable QPushButton for bool."""

    classes = ("QCheckBox", "QPushButton")
    signal = "toggled"

    @classmethod
    def canRepresent(cls, widget: Any, datatype: Any) -> bool:  # type: ignore[override]
        """For bool."""
        return unannotatedType(datatype) is bool and cls._is_one(widget)

    def _prepare(self) -> None:
        if not self._widget.checkable:
            self._widget.checkable = True

    def read(self) -> bool:
        """Whether it is checked."""
        return bool(self._widget.checked)

    def write(self, value: bool) -> None:
        """Check it or not."""
        self._widget.checked = value


class _Number(WidgetConnector):
    """A slider or a spin box."""

    signal = "valueChanged"
    needs_limits: tuple[str, ...] = ()
    none: tuple[Any, Any] = (0, 0)

    def _prepare(self) -> None:
        for annotation, attribute in ((Decimals, "decimals"), (SingleStep, "singleStep")):
            hint = findFirstAnnotation(self._annotations, annotation)
            if hint is not None:
                setattr(self._widget, attribute, hint.value)
        within = findFirstAnnotation(self._annotations, WithinRange)
        low, high = (findFirstAnnotation(self._annotations, kind) for kind in (Minimum, Maximum))
        minimum = within.minimum if within else low.minimum if low else None
        maximum = within.maximum if within else high.maximum if high else None
        if type(self._widget).__name__ in self.needs_limits and (minimum is None or maximum is None):
            name = type(self._widget).__name__
            raise RuntimeError(f"Cannot have a connection to {name} where the {self._type.__name__} type is unbounded.")
        self._widget.minimum = self.none[0] if minimum is None else minimum
        self._widget.maximum = self.none[1] if maximum is None else maximum

    def read(self) -> Any:
        """The number shown."""
        return self._widget.value

    def write(self, value: Any) -> None:
        """Show the number."""
        self._widget.value = value


@parameterNodeGuiConnector
class WholeNumber(_Number):
    """QSpinBox and QSlider for int; a slider needs both limits."""

    classes = ("QSlider", "QSpinBox")
    needs_limits = ("QSlider",)
    none = (-(2**31), 2**31 - 1)

    @classmethod
    def canRepresent(cls, widget: Any, datatype: Any) -> bool:  # type: ignore[override]
        """For int."""
        return unannotatedType(datatype) is int and cls._is_one(widget)


@parameterNodeGuiConnector
class Number(_Number):
    """QDoubleSpinBox and ctkSliderWidget for float; the latter needs both limits."""

    classes = ("QDoubleSpinBox", "ctkSliderWidget")
    needs_limits = ("ctkSliderWidget",)
    none = (-math.inf, math.inf)

    @classmethod
    def canRepresent(cls, widget: Any, datatype: Any) -> bool:  # type: ignore[override]
        """For float."""
        return unannotatedType(datatype) is float and cls._is_one(widget)


class _Choice(WidgetConnector):
    """QComboBox, filled with the values there are."""

    classes = ("QComboBox",)
    signal = "currentIndexChanged"
    values: list[Any]

    def read(self) -> Any:
        """The value chosen."""
        return self.values[self._widget.currentIndex]

    def write(self, value: Any) -> None:
        """Choose the value; raises ValueError when it is not among the choices."""
        if value not in self.values:
            raise ValueError(f"Unable to find value {value} in choices {self.values}")
        self._widget.currentIndex = self.values.index(value)

    def _fill(self, labels: list[str]) -> None:
        self._widget.clear()
        for label in labels:
            self._widget.addItem(label)


@parameterNodeGuiConnector
class ChoiceBox(_Choice):
    """QComboBox for str, int, float and bool with `Choice`."""

    @classmethod
    def canRepresent(cls, widget: Any, datatype: Any) -> bool:  # type: ignore[override]
        """For simple types."""
        return unannotatedType(datatype) in (int, float, str, bool) and cls._is_one(widget)

    def _prepare(self) -> None:
        choice = findFirstAnnotation(self._annotations, Choice)
        if choice is None:
            raise RuntimeError("A QComboBox requires the Choice annotation to be used.")
        self.values = list(choice.choices)
        self._fill([str(v) for v in self.values])


@parameterNodeGuiConnector
class EnumBox(_Choice):
    """QComboBox for enumerations: the members' names, or what their method `label` says."""

    @classmethod
    def canRepresent(cls, widget: Any, datatype: Any) -> bool:  # type: ignore[override]
        """For enumerations."""
        kind = unannotatedType(datatype)
        return cls._is_one(widget) and isinstance(kind, type) and issubclass(kind, enum.Enum)

    def _prepare(self) -> None:
        label = getattr(self._type, "label", lambda member: member.name)
        self.values = list(self._type)
        self._fill([label(v) for v in self.values])


@parameterNodeGuiConnector
class LineEdit(WidgetConnector):
    """QLineEdit for str."""

    classes = ("QLineEdit",)
    signal = "textChanged"

    @classmethod
    def canRepresent(cls, widget: Any, datatype: Any) -> bool:  # type: ignore[override]
        """For str."""
        return unannotatedType(datatype) is str and cls._is_one(widget)

    def read(self) -> str:
        """The text."""
        return str(self._widget.text)

    def write(self, value: str) -> None:
        """Show the text; the cursor stays where it is while the text is the same."""
        if self._widget.text != value:
            self._widget.text = value


@parameterNodeGuiConnector
class TextEdit(LineEdit):
    """QTextEdit for str."""

    classes = ("QTextEdit",)

    def read(self) -> str:
        """The text."""
        return str(self._widget.toPlainText())

    def write(self, value: str) -> None:
        """Show the text."""
        if self._widget.toPlainText() != value:
            self._widget.setPlainText(value)


@parameterNodeGuiConnector
class PathLine(WidgetConnector):
    """ctkPathLineEdit for paths."""

    classes: tuple[str, ...] = ("ctkPathLineEdit",)
    signal = "currentPathChanged"

    @classmethod
    def canRepresent(cls, widget: Any, datatype: Any) -> bool:  # type: ignore[override]
        """For paths."""
        return unannotatedType(datatype) in _PATHS and cls._is_one(widget)

    def read(self) -> Any:
        """The path."""
        return self._type(self._widget.currentPath)

    def write(self, value: Any) -> None:
        """Show the path."""
        self._widget.currentPath = str(value)


@parameterNodeGuiConnector
class Folder(PathLine):
    """ctkDirectoryButton for paths."""

    classes = ("ctkDirectoryButton",)
    signal = "directoryChanged"

    def read(self) -> Any:
        """The folder."""
        return self._type(self._widget.directory)

    def write(self, value: Any) -> None:
        """Show the folder."""
        self._widget.directory = str(value)


def _node_types(datatype: Any) -> list[Any] | None:
    """The node classes of a type, or None when it is not of nodes."""
    kind = unannotatedType(datatype)
    union = typing.get_origin(kind) is typing.Union
    kinds = [unannotatedType(k) for k in typing.get_args(kind)] if union else [kind]
    if not all(isinstance(k, type) and (k is type(None) or issubclass(k, slicer.vtkMRMLNode)) for k in kinds):
        return None
    return [k for k in kinds if k is not type(None)] or None


def isNodeOrUnionOfNodes(datatype: Any) -> bool:
    """Whether a type is a node class, or a Union of node classes and None."""
    return _node_types(datatype) is not None


def getNodeTypes(datatype: Any) -> tuple[str, ...]:
    """The names of a type's node classes; raises TypeError for another type."""
    kinds = _node_types(datatype)
    if kinds is None:
        raise TypeError(f"Cannot handle type {datatype}")
    return tuple(kind().GetClassName() for kind in kinds)


@parameterNodeGuiConnector
class NodeBox(WidgetConnector):
    """qMRMLNodeComboBox for node classes."""

    classes = ("qMRMLNodeComboBox",)
    signal = "currentNodeChanged"

    @classmethod
    def canRepresent(cls, widget: Any, datatype: Any) -> bool:  # type: ignore[override]
        """For nodes."""
        return cls._is_one(widget) and isNodeOrUnionOfNodes(datatype)

    def _prepare(self) -> None:
        self._widget.nodeTypes = getNodeTypes(self._type)

    def read(self) -> Any:
        """The node chosen."""
        return self._widget.currentNode()

    def write(self, value: Any) -> None:
        """Choose the node."""
        self._widget.setCurrentNode(value)


def pack_widgets(widget: Any) -> dict[str, Any]:
    """The widgets below one, by the dotted names of the pack members that they show."""
    found: dict[str, Any] = {}
    for child in widget.findChildren(qt.QWidget):
        names, at = [], child
        while at is not None and at is not widget:
            name = at.property(PACK_MEMBER_PROPERTY)
            if name:
                names.insert(0, name)
            at = at.parent()
        if child.property(PACK_MEMBER_PROPERTY):
            found[".".join(names)] = child
    return found


@parameterNodeGuiConnector
class Pack(GuiConnector):
    """A widget whose children show the members of a parameter pack."""

    def __init__(self, widget: Any, datatype: Any) -> None:
        super().__init__()
        self._widget, self._type = widget, unannotatedType(datatype)
        widgets = pack_widgets(widget)
        names = nestedParameterNames(self._type)
        self._connectors = {name: createGuiConnector(widgets[name], self._type.dataType(name)) for name in names}

    @staticmethod
    def canRepresent(widget: Any, datatype: Any) -> bool:
        """For packs all of whose members have a widget below this one."""
        kind = unannotatedType(datatype)
        return isParameterPack(kind) and set(nestedParameterNames(kind)) <= set(pack_widgets(widget))

    @staticmethod
    def create(widget: Any, datatype: Any) -> GuiConnector:
        """A connector of connectors."""
        return Pack(widget, datatype)

    def _connect(self) -> None:
        for connector in self._connectors.values():
            connector.onChanged(self.changed)

    def _disconnect(self) -> None:
        for connector in self._connectors.values():
            connector.onChanged(None)

    def widget(self) -> Any:
        """The widget."""
        return self._widget

    def read(self) -> Any:
        """A pack of what the widgets show."""
        pack = self._type()
        for name, connector in self._connectors.items():
            pack.setValue(name, connector.read())
        return pack

    def write(self, value: Any) -> None:
        """Show a pack."""
        for name, connector in self._connectors.items():
            connector.write(value.getValue(name))
