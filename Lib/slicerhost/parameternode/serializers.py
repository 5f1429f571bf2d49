"""How values are kept in a parameter node: as texts under the parameter's name, and as node references."""

from __future__ import annotations

import abc
import enum
import logging
import pathlib
import types
from typing import Any

import slicer

from .annotations import IsInstance, IsNone, NotNone, Validator, split_validators, splitAnnotations

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


__all__ = ["Serializer", "ValidatedSerializer", "Validator", "parameterNodeSerializer"]
