"""How values are kept in a parameter node: as texts under the parameter's name, and as node references."""

from __future__ import annotations

import abc
import enum
import logging
import pathlib
import types
import typing
from typing import Any

import slicer

from .annotations import IsInstance, IsNone, NotNone, Validator, split_validators, splitAnnotations
from .observed import ObservedDict, ObservedList

_PATHS = (
    pathlib.Path,
    pathlib.PosixPath,
    pathlib.WindowsPath,
    pathlib.PurePath,
    pathlib.PurePosixPath,
    pathlib.PureWindowsPath,
)


class Serializer(abc.ABC):
    """Keeps values of one type in a parameter node; derive from it to keep a type of your own."""

    @staticmethod
    @abc.abstractmethod
    def canSerialize(type_: Any) -> bool:
        """Whether values of the type can be kept."""

    @staticmethod
    @abc.abstractmethod
    def create(type_: Any) -> Serializer | None:
        """A serializer of the type, or None."""

    @abc.abstractmethod
    def default(self) -> Any:
        """The value of a parameter that was given no default."""

    @abc.abstractmethod
    def isIn(self, parameterNode: Any, name: str) -> bool:
        """Whether the node has a value of that name."""

    @abc.abstractmethod
    def write(self, parameterNode: Any, name: str, value: Any) -> None:
        """Keep a value."""

    @abc.abstractmethod
    def read(self, parameterNode: Any, name: str) -> Any:
        """The value kept."""

    @abc.abstractmethod
    def remove(self, parameterNode: Any, name: str) -> None:
        """Keep it no longer."""

    def supportsCaching(self) -> bool:
        """Whether what `read` gave may be kept until the node changes."""
        return False


class ValidatedSerializer(Serializer):
    """A serializer with rules that are checked before a value is kept."""

    def __init__(self, serializer: Serializer, validators: list[Any] | None) -> None:
        inner = isinstance(serializer, ValidatedSerializer)
        self.serializer: Serializer = serializer.serializer if inner else serializer  # type: ignore[attr-defined]
        self.validators: list[Any] = [*(serializer.validators if inner else []), *(validators or [])]  # type: ignore[attr-defined]

    @staticmethod
    def canSerialize(_type: Any) -> bool:
        """Never chosen by itself."""
        return False

    @staticmethod
    def create(_type: Any) -> None:
        """Never made by itself."""
        raise TypeError("ValidatedSerializer does not support create")

    def validate(self, value: Any) -> None:
        """Raises ValueError or TypeError when the value breaks a rule."""
        for validator in self.validators:
            validator.validate(value)

    def default(self) -> Any:
        """As the serializer within."""
        return self.serializer.default()

    def isIn(self, node: Any, name: str) -> bool:
        """As the serializer within."""
        return self.serializer.isIn(node, name)

    def write(self, node: Any, name: str, value: Any) -> None:
        """Check the value, then keep it."""
        self.validate(value)
        self.serializer.write(node, name, value)

    def read(self, node: Any, name: str) -> Any:
        """As the serializer within."""
        return self.serializer.read(node, name)

    def remove(self, node: Any, name: str) -> None:
        """As the serializer within."""
        self.serializer.remove(node, name)

    def supportsCaching(self) -> bool:
        """As the serializer within."""
        return self.serializer.supportsCaching()


_registered: list[type[Serializer]] = []


def parameterNodeSerializer(cls: Any = None) -> Any:
    """Class decorator that makes a serializer known; raises TypeError for a class that is none."""

    def register(kind: Any) -> Any:
        if not issubclass(kind, Serializer):
            raise TypeError("Must be a serializer type.")
        _registered.append(kind)
        return kind

    return register if cls is None else register(cls)


def create_serializer(kind: Any, annotations: Any) -> tuple[ValidatedSerializer, list[Any]]:
    """The serializer for a type with its rules, and the annotations that are neither.

    Raises TypeError when values of the type can not be kept.
    """
    validators, rest = split_validators(annotations)
    own = [a for a in rest if isinstance(a, Serializer)]
    rest = [a for a in rest if not isinstance(a, Serializer)]
    if own:
        return ValidatedSerializer(own[0], validators), rest
    for cls in _registered:
        if cls.canSerialize(kind):
            made = cls.create(kind)
            if made is not None:
                return ValidatedSerializer(made, validators), rest
    raise TypeError(f"Unable to create serializer for type: {kind}")


def serializer_of(annotated: Any) -> ValidatedSerializer:
    """The serializer for a type as it stands in the code, annotations included."""
    kind, annotations = splitAnnotations(annotated)
    serializer, unused = create_serializer(kind, annotations)
    if unused:
        logging.warning("Unused annotations: %s", unused)
    return serializer


class _Text(Serializer):
    """A value kept as one text under its name."""

    def __init__(self, kind: Any) -> None:
        self.kind = kind

    def isIn(self, node: Any, name: str) -> bool:
        return bool(node.HasParameter(name))

    def write(self, node: Any, name: str, value: Any) -> None:
        node.SetParameter(name, str(value))

    def read(self, node: Any, name: str) -> Any:
        return self.kind(node.GetParameter(name))

    def remove(self, node: Any, name: str) -> None:
        node.UnsetParameter(name)

    def supportsCaching(self) -> bool:
        return True

    def default(self) -> Any:
        return self.kind()


@parameterNodeSerializer
class NumberSerializer(_Text):
    """int and float; a float parameter takes whole numbers too."""

    @staticmethod
    def canSerialize(type_: Any) -> bool:
        """For int and float."""
        return type_ in (int, float)

    @staticmethod
    def create(type_: Any) -> Serializer:
        """With the rule that it is a number."""
        rule = IsInstance((int, float) if type_ is float else int)
        return ValidatedSerializer(NumberSerializer(type_), [NotNone(), rule])

    def default(self) -> Any:
        """Zero."""
        return 0


@parameterNodeSerializer
class StringSerializer(_Text):
    """str."""

    def __init__(self) -> None:
        super().__init__(str)

    @staticmethod
    def canSerialize(type_: Any) -> bool:
        """For str."""
        return type_ is str

    @staticmethod
    def create(type_: Any) -> Serializer:
        """With the rule that it is a text."""
        return ValidatedSerializer(StringSerializer(), [NotNone(), IsInstance(type_)])


@parameterNodeSerializer
class PathSerializer(_Text):
    """The classes of pathlib."""

    @staticmethod
    def canSerialize(type_: Any) -> bool:
        """For pathlib's classes."""
        return type_ in _PATHS

    @staticmethod
    def create(type_: Any) -> Serializer:
        """With the rule that it is a path."""
        return ValidatedSerializer(PathSerializer(type_), [NotNone(), IsInstance(type_)])


@parameterNodeSerializer
class BoolSerializer(_Text):
    """bool, kept as "True" and "False"."""

    def __init__(self) -> None:
        super().__init__(bool)

    @staticmethod
    def canSerialize(type_: Any) -> bool:
        """For bool."""
        return type_ is bool

    @staticmethod
    def create(type_: Any) -> Serializer:
        """With the rule that it is True or False."""
        return ValidatedSerializer(BoolSerializer(), [NotNone(), IsInstance(type_)])

    def write(self, node: Any, name: str, value: Any) -> None:
        """Keep "True" or "False"."""
        node.SetParameter(name, "True" if value else "False")

    def read(self, node: Any, name: str) -> bool:
        """Whether "True" is kept."""
        return bool(node.GetParameter(name) == "True")


@parameterNodeSerializer
class EnumSerializer(_Text):
    """Enumerations, kept by the member's name."""

    @staticmethod
    def canSerialize(type_: Any) -> bool:
        """For enumeration classes."""
        return isinstance(type_, type) and issubclass(type_, enum.Enum)

    @staticmethod
    def create(type_: Any) -> Serializer:
        """With the rule that it is a member; raises ValueError for an enumeration without any."""
        if not len(type_):
            raise ValueError("Cannot serialize empty Enum.")
        return ValidatedSerializer(EnumSerializer(type_), [IsInstance(type_)])

    def default(self) -> Any:
        """The first member."""
        return next(iter(self.kind))

    def write(self, node: Any, name: str, value: Any) -> None:
        """Keep the member's name."""
        node.SetParameter(name, value.name)

    def read(self, node: Any, name: str) -> Any:
        """The member; raises ValueError when the name kept is none of the enumeration's."""
        key = node.GetParameter(name)
        if key not in self.kind.__members__:
            raise ValueError(f"Found {key!r} in parameter node but it is not a name in {self.kind!r}")
        return self.kind[key]


@parameterNodeSerializer
class NodeSerializer(_Text):
    """MRML nodes, kept as references; an empty text of the same name says that there is a value, even None."""

    def __init__(self) -> None:
        super().__init__(lambda: None)

    @staticmethod
    def canSerialize(type_: Any) -> bool:
        """For node classes."""
        return isinstance(type_, type) and issubclass(type_, slicer.vtkMRMLNode)

    @staticmethod
    def create(type_: Any) -> Serializer:
        """With the rule that the node is of the class."""
        return ValidatedSerializer(NodeSerializer(), [IsInstance(type_)])

    def write(self, node: Any, name: str, value: Any) -> None:
        """Keep the reference."""
        node.SetParameter(name, "")
        node.SetNodeReferenceID(name, value.GetID() if value is not None else None)

    def read(self, node: Any, name: str) -> Any:
        """The node, or None."""
        return node.GetNodeReference(name)

    def remove(self, node: Any, name: str) -> None:
        """Keep neither text nor reference."""
        node.UnsetParameter(name)
        node.RemoveNodeReferenceIDs(name)


@parameterNodeSerializer
class NoneSerializer(_Text):
    """None, as one of the types of an Optional."""

    def __init__(self) -> None:
        super().__init__(lambda *_: None)

    @staticmethod
    def canSerialize(type_: Any) -> bool:
        """For the type of None."""
        return type_ is types.NoneType

    @staticmethod
    def create(_type: Any) -> Serializer:
        """With the rule that it is None."""
        return ValidatedSerializer(NoneSerializer(), [IsNone()])

    def write(self, node: Any, name: str, value: Any) -> None:  # noqa: ARG002
        """Keep that there is a value."""
        node.SetParameter(name, "True")


@parameterNodeSerializer
class TupleSerializer(Serializer):
    """Tuples of fixed length: each element under its own name."""

    def __init__(self, serializers: list[Any]) -> None:
        self._serializers = serializers

    @staticmethod
    def canSerialize(type_: Any) -> bool:
        """For tuple[...]."""
        return typing.get_origin(type_) is tuple

    @staticmethod
    def create(type_: Any) -> Serializer:
        """One serializer for each element."""
        return TupleSerializer([serializer_of(arg) for arg in typing.get_args(type_)])

    def _each(self, name: str) -> list[tuple[str, Any]]:
        return [(f"{name}.{i}", serializer) for i, serializer in enumerate(self._serializers)]

    def default(self) -> Any:
        """The elements' defaults."""
        return tuple(s.default() for s in self._serializers)

    def isIn(self, node: Any, name: str) -> bool:
        """Whether the first element is kept."""
        return bool(self._serializers[0].isIn(node, f"{name}.0"))

    def write(self, node: Any, name: str, value: Any) -> None:
        """Keep each element; raises ValueError for another number of elements."""
        values = tuple(value)
        if len(values) != len(self._serializers):
            raise ValueError("Unexpected number of tuple values")
        with slicer.util.NodeModify(node):
            for (key, serializer), one in zip(self._each(name), values, strict=True):
                serializer.write(node, key, one)

    def read(self, node: Any, name: str) -> Any:
        """The elements."""
        return tuple(serializer.read(node, key) for key, serializer in self._each(name))

    def remove(self, node: Any, name: str) -> None:
        """Keep none of the elements."""
        with slicer.util.NodeModify(node):
            for key, serializer in self._each(name):
                serializer.remove(node, key)

    def supportsCaching(self) -> bool:
        """Where all elements do."""
        return all(s.supportsCaching() for s in self._serializers)


@parameterNodeSerializer
class ListSerializer(Serializer):
    """Lists: the length under NAME.len, the elements under NAME.0, NAME.1 ..."""

    def __init__(self, element: Any) -> None:
        self._element, self._length = element, NumberSerializer(int)

    @staticmethod
    def canSerialize(type_: Any) -> bool:
        """For list[...]."""
        return typing.get_origin(type_) is list

    @staticmethod
    def create(type_: Any) -> Serializer:
        """With the elements' serializer."""
        return ListSerializer(serializer_of(typing.get_args(type_)[0]))

    def _count(self, node: Any, name: str) -> int:
        return int(self._length.read(node, f"{name}.len")) if self.isIn(node, name) else 0

    def default(self) -> Any:
        """An empty list."""
        return []

    def isIn(self, node: Any, name: str) -> bool:
        """Whether a length is kept."""
        return self._length.isIn(node, f"{name}.len")

    def write(self, node: Any, name: str, value: Any) -> None:
        """Keep all elements, or, where one can not be kept, what was there before."""
        with slicer.util.NodeModify(node):
            before = list(self.read(node, name)) if self.isIn(node, name) else None
            count = self._count(node, name)
            values = list(value)
            try:
                for i, one in enumerate(values):
                    self._element.write(node, f"{name}.{i}", one)
            except Exception:
                for i in range(count, len(values)):
                    self._element.remove(node, f"{name}.{i}")
                if before is not None:
                    self.write(node, name, before)
                raise
            self._length.write(node, f"{name}.len", len(values))
            for i in range(len(values), count):
                self._element.remove(node, f"{name}.{i}")

    def read(self, node: Any, name: str) -> ObservedList:
        """A list that keeps itself when it is changed."""
        values = [self._element.read(node, f"{name}.{i}") for i in range(self._count(node, name))]
        return ObservedList(node, self, name, values)

    def remove(self, node: Any, name: str) -> None:
        """Keep neither length nor elements."""
        with slicer.util.NodeModify(node):
            for i in range(self._count(node, name)):
                self._element.remove(node, f"{name}.{i}")
            self._length.remove(node, f"{name}.len")

    def supportsCaching(self) -> bool:
        """Where the elements do."""
        return bool(self._element.supportsCaching())


@parameterNodeSerializer
class DictSerializer(Serializer):
    """Dictionaries, kept as a list of pairs."""

    def __init__(self, key: Any, value: Any) -> None:
        self._pairs = ListSerializer(TupleSerializer([key, value]))

    @staticmethod
    def canSerialize(type_: Any) -> bool:
        """For dict[...]."""
        return typing.get_origin(type_) is dict

    @staticmethod
    def create(type_: Any) -> Serializer:
        """With the serializers of keys and values."""
        return DictSerializer(*(serializer_of(arg) for arg in typing.get_args(type_)))

    def default(self) -> Any:
        """An empty dictionary."""
        return {}

    def isIn(self, node: Any, name: str) -> bool:
        """Whether there is one."""
        return self._pairs.isIn(node, name)

    def write(self, node: Any, name: str, value: Any) -> None:
        """Keep all pairs."""
        self._pairs.write(node, name, value.items())

    def read(self, node: Any, name: str) -> ObservedDict:
        """A dictionary that keeps itself when it is changed."""
        return ObservedDict(node, self, name, dict(self._pairs.read(node, name)))

    def remove(self, node: Any, name: str) -> None:
        """Keep no pair."""
        self._pairs.remove(node, name)

    def supportsCaching(self) -> bool:
        """Where keys and values do."""
        return self._pairs.supportsCaching()


@parameterNodeSerializer
class UnionSerializer(Serializer):
    """typing.Union and typing.Optional: the value under NAME.i, where i is the place of its type."""

    def __init__(self, serializers: list[Any]) -> None:
        self._serializers = [ValidatedSerializer(s, []) for s in serializers]

    @staticmethod
    def canSerialize(type_: Any) -> bool:
        """For typing.Union; `int | None` is not one before Python 3.14, and Slicer refuses it too."""
        return typing.get_origin(type_) is typing.Union

    @staticmethod
    def create(type_: Any) -> Serializer:
        """With the serializers of all its types."""
        return UnionSerializer([serializer_of(arg) for arg in typing.get_args(type_)])

    def default(self) -> Any:
        """None for an Optional, else the first type's default."""
        if len(self._serializers) == 2 and isinstance(self._serializers[1].serializer, NoneSerializer):
            return None
        return self._serializers[0].default()

    def isIn(self, node: Any, name: str) -> bool:
        """Whether a value of any of its types is kept."""
        return any(s.isIn(node, f"{name}.{i}") for i, s in enumerate(self._serializers))

    def _fitting(self, value: Any) -> int:
        reason: Exception = TypeError(f"Unable to write value '{value}' of type '{type(value)}'")
        for i, serializer in enumerate(self._serializers):
            if serializer.serializer.canSerialize(type(value)):
                try:
                    serializer.validate(value)
                except (TypeError, ValueError) as error:
                    reason = error
                else:
                    return i
        raise reason

    def write(self, node: Any, name: str, value: Any) -> None:
        """Keep the value as the first of its types that takes it; raises TypeError or ValueError when none does."""
        with slicer.util.NodeModify(node):
            i = self._fitting(value)
            self.remove(node, name)
            self._serializers[i].write(node, f"{name}.{i}", value)

    def read(self, node: Any, name: str) -> Any:
        """The value kept; raises KeyError when there is none."""
        for i, serializer in enumerate(self._serializers):
            if serializer.isIn(node, f"{name}.{i}"):
                return serializer.read(node, f"{name}.{i}")
        raise KeyError(f"Unable to find value for name: {name}")

    def remove(self, node: Any, name: str) -> None:
        """Keep no value."""
        with slicer.util.NodeModify(node):
            for i, serializer in enumerate(self._serializers):
                serializer.remove(node, f"{name}.{i}")

    def supportsCaching(self) -> bool:
        """Where all its types do."""
        return all(s.supportsCaching() for s in self._serializers)


__all__ = ["Serializer", "ValidatedSerializer", "Validator", "parameterNodeSerializer"]
