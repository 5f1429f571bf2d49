"""The class decorator `parameterPack`: several values that belong together, as one parameter."""

from __future__ import annotations

import typing
from dataclasses import dataclass
from typing import Any

import slicer

from .annotations import IsInstance, NotNone, split_default, split_name, splitAnnotations, unannotatedType
from .serializers import Serializer, ValidatedSerializer, create_serializer, parameterNodeSerializer


@dataclass(frozen=True)
class PackMember:
    """One member of a pack: its name, how it is kept, its default, its type as written."""

    basename: str
    serializer: ValidatedSerializer
    default: Any
    unalteredType: Any


class _Pack:
    """What the decorator adds to a class."""

    allParameters: typing.ClassVar[dict[str, PackMember]]
    _is_parameterPack = True

    def __init__(self, *arguments: Any, **named: Any) -> None:
        names = list(self.allParameters)
        if len(arguments) > len(names):
            raise TypeError(f"__init__() takes {len(names)} arguments but {len(arguments)} were given")
        given = dict(zip(names, arguments, strict=False))
        for name, value in named.items():
            if name not in self.allParameters:
                raise TypeError(f"__init__() got an unexpected keyword argument '{name}'")
            if name in given:
                raise TypeError(f"__init__() got multiple values for argument '{name}'")
            given[name] = value
        for name, member in self.allParameters.items():
            setattr(self, name, given.get(name, member.default))

    def getValue(self, name: str) -> Any:
        """A member by its name, dotted within packs in packs; raises ValueError for an unknown name."""
        check_member(type(self), name)
        top, rest = split_name(name)
        value = getattr(self, top)
        return value if rest is None else value.getValue(rest)

    def setValue(self, name: str, value: Any) -> None:
        """Set a member by its name; raises ValueError for an unknown name, and what its rules raise."""
        check_member(type(self), name)
        top, rest = split_name(name)
        if rest is None:
            setattr(self, top, value)
            return
        inner = getattr(self, top)
        inner.setValue(rest, value)
        setattr(self, top, inner)

    @classmethod
    def dataType(cls, name: str) -> Any:
        """A member's type as written."""
        check_member(cls, name)
        top, rest = split_name(name)
        kind = cls.allParameters[top].unalteredType
        return kind if rest is None else unannotatedType(kind).dataType(rest)

    def __eq__(self, other: object) -> bool:
        if getattr(other, "allParameters", None) is not self.allParameters:
            return False
        return all(getattr(self, name) == getattr(other, name) for name in self.allParameters)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.allParameters)
        return f"{type(self).__name__}({values})"


def isParameterPack(thing: Any) -> bool:
    """Whether a class, or an object, is one of the decorator's."""
    return bool(getattr(thing, "_is_parameterPack", False))


def check_member(cls: Any, name: str) -> None:
    """Raises ValueError when the pack class has no member of that (dotted) name."""
    top, rest = split_name(name)
    if not isParameterPack(cls) or top not in cls.allParameters:
        raise ValueError(f"{cls} has no member '{top}'")
    if rest is not None:
        check_member(unannotatedType(cls.allParameters[top].unalteredType), rest)


def nestedParameterNames(pack: Any) -> list[str]:
    """The dotted names of all members of a pack class, within packs in packs."""
    names: list[str] = []
    for name, member in unannotatedType(pack).allParameters.items():
        kind = unannotatedType(member.unalteredType)
        names += [f"{name}.{inner}" for inner in nestedParameterNames(kind)] if isParameterPack(kind) else [name]
    return names


def _member(cls: type, name: str, annotated: Any) -> PackMember:
    kind, annotations = splitAnnotations(annotated)
    serializer, rest = create_serializer(kind, annotations)
    found, _ = split_default(rest)
    default = getattr(cls, name) if hasattr(cls, name) else found.value if found is not None else serializer.default()
    try:
        serializer.validate(default)
    except (TypeError, ValueError) as error:
        raise ValueError(f"The default parameter of '{default}' fails the validation checks: {error}") from error
    return PackMember(name, serializer, default, annotated)


def _property(name: str) -> property:
    def put(self: Any, value: Any) -> None:
        self.allParameters[name].serializer.validate(value)
        self.__dict__[f"_{name}"] = value
        kept = self.__dict__.get("_kept_in")
        if kept is not None:
            kept(self)

    return property(lambda self: self.__dict__[f"_{name}"], put)


def _make(cls: Any) -> Any:
    hints = typing.get_type_hints(cls, include_extras=True)
    if not hints:
        raise ValueError("Unable to find any members in parameterPack")
    members = {name: _member(cls, name, annotated) for name, annotated in hints.items()}
    for name in members:
        setattr(cls, name, _property(name))
    own_init = vars(cls).get("__init__")
    for name, value in vars(_Pack).items():
        if name in ("__module__", "__doc__", "__dict__", "__weakref__", "__annotations__", "__qualname__"):
            continue
        if name.startswith("__") and name in vars(cls):
            continue
        setattr(cls, name, value)
    if own_init is not None:

        def init(self: Any, *arguments: Any, **named: Any) -> None:
            _Pack.__init__(self)
            own_init(self, *arguments, **named)

        cls.__init__ = init
    cls.allParameters = members
    return cls


def parameterPack(cls: Any = None) -> Any:
    """Class decorator: the annotated members become typed values with rules, kept together in a parameter node.

    Raises TypeError for a member whose type can not be kept, ValueError for a default that breaks the rules.
    """
    return _make if cls is None else _make(cls)


@parameterNodeSerializer
class PackSerializer(Serializer):
    """Packs: each member under NAME.MEMBER."""

    def __init__(self, kind: Any) -> None:
        self._kind = kind

    @staticmethod
    def canSerialize(type_: Any) -> bool:
        """For classes made by `parameterPack`."""
        return isParameterPack(type_)

    @staticmethod
    def create(type_: Any) -> Serializer:
        """With the rule that it is a pack of the class."""
        return ValidatedSerializer(PackSerializer(type_), [NotNone(), IsInstance(type_)])

    def _members(self, name: str) -> list[tuple[str, Any]]:
        return [(f"{name}.{m.basename}", m) for m in self._kind.allParameters.values()]

    def default(self) -> Any:
        """A pack of the members' defaults."""
        return self._kind()

    def isIn(self, node: Any, name: str) -> bool:
        """Whether the first member is kept."""
        key, member = self._members(name)[0]
        return bool(member.serializer.isIn(node, key))

    def write(self, node: Any, name: str, value: Any) -> None:
        """Keep all members."""
        with slicer.util.NodeModify(node):
            for key, member in self._members(name):
                member.serializer.write(node, key, getattr(value, member.basename))

    def read(self, node: Any, name: str) -> Any:
        """A pack that keeps itself when a member is set."""
        pack = self._kind.__new__(self._kind)
        for key, member in self._members(name):
            pack.__dict__[f"_{member.basename}"] = member.serializer.read(node, key)
        pack.__dict__["_kept_in"] = lambda changed: self.write(node, name, changed)
        return pack

    def remove(self, node: Any, name: str) -> None:
        """Keep no member."""
        with slicer.util.NodeModify(node):
            for key, member in self._members(name):
                member.serializer.remove(node, key)

    def supportsCaching(self) -> bool:
        """Where all members do."""
        return all(m.serializer.supportsCaching() for m in self._kind.allParameters.values())
