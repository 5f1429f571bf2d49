"""The class decorator `parameterNodeWrapper`."""

from __future__ import annotations

import logging
import typing
import weakref
from dataclasses import dataclass
from typing import Any

import qt
import slicer
import vtk

from .annotations import Default, split_default, split_name, splitAnnotations, unannotatedType
from .connectors import GuiConnector, createGuiConnector
from .packs import check_member
from .serializers import ValidatedSerializer, create_serializer
from .widgets import pack_widgets

SlicerParameterNamePropertyName = "SlicerParameterName"


@dataclass(frozen=True)
class ParameterInfo:
    """One parameter of a wrapper class: its name, how it is kept, its default, its type as written."""

    basename: str
    serializer: ValidatedSerializer
    default: Default
    unalteredType: Any


class _Parameter:
    """A parameter in one node."""

    def __init__(self, info: ParameterInfo, name: str, node: Any) -> None:
        self.info, self.name, self.node = info, name, node
        if not info.serializer.isIn(node, name):
            self.write(info.default.value)

    def read(self) -> Any:
        if not self.info.serializer.isIn(self.node, self.name):
            self.info.serializer.write(self.node, self.name, self.info.default.value)
        return self.info.serializer.read(self.node, self.name)

    def write(self, value: Any) -> None:
        self.info.serializer.write(self.node, self.name, value)


class _CachedParameter(_Parameter):
    """A parameter in one node whose value is read again only when the node changes."""

    def __init__(self, info: ParameterInfo, name: str, node: Any) -> None:
        super().__init__(info, name, node)
        self._writing = False
        self._value = super().read()
        me = weakref.ref(self)

        def modified(*_: Any) -> None:
            parameter = me()
            if parameter is not None:
                parameter._modified()

        self._tag = node.AddObserver(vtk.vtkCommand.ModifiedEvent, modified)

    def __del__(self) -> None:
        if hasattr(self, "_tag"):
            self.node.RemoveObserver(self._tag)

    def _modified(self) -> None:
        if not self._writing:
            self._value = super().read()

    def read(self) -> Any:
        return self._value

    def write(self, value: Any) -> None:
        self._writing = True
        try:
            with slicer.util.NodeModify(self.node):
                super().write(value)
                self._value = super().read()
        finally:
            self._writing = False


class _Wrapper:
    """What the decorator adds to a class."""

    allParameters: typing.ClassVar[dict[str, ParameterInfo]]
    _is_parameter_node_wrapper = True

    def __init__(self, parameterNode: Any, prefix: str | None = None) -> None:
        self.parameterNode = parameterNode
        self._parameters: dict[str, _Parameter] = {}
        self._guis: dict[int, dict[str, GuiConnector]] = {}
        self._gui_observers: dict[int, int] = {}
        self._next_tag = 0
        self._updating = False
        for info in self.allParameters.values():
            kind = _CachedParameter if info.serializer.supportsCaching() else _Parameter
            self._parameters[info.basename] = kind(info, f"{prefix or ''}{info.basename}", parameterNode)

    # Values by name

    def isCached(self, name: str) -> bool:
        """Whether the parameter's value is kept until the node changes."""
        _check_name(self, name)
        return isinstance(self._parameters[name], _CachedParameter)

    def default(self, name: str) -> Default:
        """The parameter's default."""
        _check_name(self, name)
        return self._parameters[name].info.default

    def getValue(self, name: str) -> Any:
        """A value by its name, or by a dotted name within a parameter pack; raises ValueError for an unknown name."""
        _check_name(self, name)
        top, rest = split_name(name)
        value = self._parameters[top].read()
        return value if rest is None else value.getValue(rest)

    def setValue(self, name: str, value: Any) -> None:
        """Set a value by its name; raises ValueError for an unknown name, and what the parameter's rules raise."""
        _check_name(self, name)
        top, rest = split_name(name)
        if rest is None:
            self._parameters[top].write(value)
        else:
            self._parameters[top].read().setValue(rest, value)

    @classmethod
    def dataType(cls, name: str) -> Any:
        """A parameter's type as written, annotations included."""
        _check_name(cls, name)
        top, rest = split_name(name)
        kind = cls.allParameters[top].unalteredType
        return kind if rest is None else unannotatedType(kind).dataType(rest)

    # The node

    def StartModify(self) -> Any:
        """As the node's."""
        return self.parameterNode.StartModify()

    def EndModify(self, was_modified: Any) -> Any:
        """As the node's."""
        return self.parameterNode.EndModify(was_modified)

    def AddObserver(self, event: Any, callback: Any, priority: float = 0.0) -> int:
        """As the node's."""
        return int(self.parameterNode.AddObserver(event, callback, priority))

    def RemoveObserver(self, tag: int) -> None:
        """As the node's."""
        self.parameterNode.RemoveObserver(tag)

    def Modified(self) -> None:
        """As the node's."""
        self.parameterNode.Modified()

    # Widgets

    def connectGui(self, gui: Any) -> int:
        """Bind every widget that has the property SlicerParameterName; returns a tag for `disconnectGui`.

        `gui` is a widget, whose children are looked at, or an object whose attributes are widgets.
        """
        if getattr(gui, "isWidgetType", lambda: False)():
            widgets = gui.findChildren(qt.QWidget)
        else:
            widgets = list(vars(gui).values())
        named = ((w.property(SlicerParameterNamePropertyName), w) for w in widgets)
        return self.connectParametersToGui({name: widget for name, widget in named if name})

    def connectParametersToGui(self, mapping: dict[str, Any]) -> int:
        """Bind widgets, or connectors, by the parameters' names; returns a tag for `disconnectGui`.

        Raises ValueError for an unknown name, RuntimeError when a widget can not show the parameter's type.
        """
        for name in mapping:
            _check_name(self, name)
        connectors = {
            name: w if isinstance(w, GuiConnector) else createGuiConnector(w, self.dataType(name))
            for name, w in mapping.items()
        }
        tag, self._next_tag = self._next_tag, self._next_tag + 1
        self._guis[tag] = connectors
        for name, connector in connectors.items():
            connector.write(self.getValue(name))
            connector.onChanged(self._from_widget(name, connector))
        me = weakref.ref(self)

        def modified(*_: Any) -> None:
            wrapper = me()
            if wrapper is not None:
                wrapper._to_widgets()

        self._gui_observers[tag] = self.AddObserver(vtk.vtkCommand.ModifiedEvent, modified)
        return tag

    def disconnectGui(self, tag: int) -> None:
        """Undo `connectGui` or `connectParametersToGui`."""
        for connector in self._guis.pop(tag, {}).values():
            connector.onChanged(None)
        observer = self._gui_observers.pop(tag, None)
        if observer is not None:
            self.RemoveObserver(observer)

    def _from_widget(self, name: str, connector: GuiConnector) -> Any:
        def changed() -> None:
            if not self._updating:
                with slicer.util.NodeModify(self):
                    self.setValue(name, connector.read())

        return changed

    def _to_widgets(self) -> None:
        if self._updating:
            return
        self._updating = True
        try:
            with slicer.util.NodeModify(self):
                for connectors in list(self._guis.values()):
                    for name, connector in connectors.items():
                        connector.write(self.getValue(name))
        finally:
            self._updating = False


def _check_name(wrapper: Any, name: str) -> None:
    top, rest = split_name(name)
    if top not in wrapper.allParameters:
        raise ValueError(f"Cannot find a param with the given name: {top}; there are {list(wrapper.allParameters)}")
    if rest is not None:
        check_member(unannotatedType(wrapper.allParameters[top].unalteredType), rest)


def _property(name: str) -> property:
    return property(lambda self: self._parameters[name].read(), lambda self, value: self._parameters[name].write(value))


def _info(cls: type, name: str, annotated: Any) -> ParameterInfo:
    kind, annotations = splitAnnotations(annotated)
    try:
        serializer, rest = create_serializer(kind, annotations)
    except Exception as error:
        raise TypeError(f"Unable to create serializer for {cls} member {name}") from error
    if hasattr(cls, name):
        default: Default | None = Default(getattr(cls, name))
    else:
        default, rest = split_default(rest)
    hints = [a for a in rest if type(a).__name__ not in ("Decimals", "SingleStep")]
    if hints:
        logging.warning("Unused annotations: %s", hints)
    return ParameterInfo(name, serializer, default or Default(serializer.default()), annotated)


def _wrap(cls: Any) -> Any:
    parameters = {
        name: _info(cls, name, annotated) for name, annotated in typing.get_type_hints(cls, include_extras=True).items()
    }
    for name in parameters:
        setattr(cls, name, _property(name))
    for name, member in vars(_Wrapper).items():
        if name in ("__module__", "__doc__", "__dict__", "__weakref__", "__annotations__", "__qualname__"):
            continue
        if name != "__init__" and hasattr(cls, name):
            raise ValueError(f"Cannot use reserved name '{name}' in a parameterNodeWrapper")
        setattr(cls, name, member)
    cls.allParameters = parameters
    return cls


def parameterNodeWrapper(cls: Any = None) -> Any:
    """Class decorator: the annotated members become parameters of the node given to the constructor.

    Raises TypeError for a member whose type can not be kept, ValueError for a member of a reserved name.
    """
    return _wrap if cls is None else _wrap(cls)


def isParameterNodeWrapper(thing: Any) -> bool:
    """Whether a class, or an object, is one of the decorator's."""
    return bool(getattr(thing, "_is_parameter_node_wrapper", False))


def findChildWidgetForParameter(widget: Any, parameter: str) -> Any:
    """The child widget bound to a parameter, or None."""
    for child in widget.findChildren(qt.QWidget):
        if child.property(SlicerParameterNamePropertyName) == parameter:
            return child
    top, rest = split_name(parameter)
    owner = findChildWidgetForParameter(widget, top) if rest is not None else None
    return pack_widgets(owner).get(rest) if owner is not None else None
