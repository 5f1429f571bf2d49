"""How tuples, lists, dictionaries and unions are kept: piece by piece, under the parameter's name and a dot."""

from __future__ import annotations

import typing
from typing import Any

import slicer

from .observed import ObservedDict, ObservedList
from .serializers import (
    NoneSerializer,
    NumberSerializer,
    Serializer,
    ValidatedSerializer,
    parameterNodeSerializer,
    serializer_of,
)


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
