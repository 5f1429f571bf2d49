"""Lists and dictionaries that write themselves back to the parameter node when they are changed."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping, MutableSequence
from typing import Any


class ObservedList(MutableSequence[Any]):
    """A list parameter. It can be changed in place; `+` and `*` are not offered, as the result would not be kept."""

    def __init__(self, node: Any, serializer: Any, name: str, values: list[Any]) -> None:
        self._node, self._serializer, self._name, self._list = node, serializer, name, values

    def _save(self) -> None:
        try:
            self._serializer.write(self._node, self._name, self._list)
        finally:
            self._list = self._serializer.read(self._node, self._name)._list

    def __len__(self) -> int:
        return len(self._list)

    def __getitem__(self, index: Any) -> Any:
        return self._list[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        self._list[index] = value
        self._save()

    def __delitem__(self, index: Any) -> None:
        del self._list[index]
        self._save()

    def insert(self, index: int, value: Any) -> None:
        """Put a value before the place."""
        self._list.insert(index, value)
        self._save()

    def extend(self, values: Any) -> None:
        """Add values at the end."""
        self._list.extend(values)
        self._save()

    def clear(self) -> None:
        """Remove all values."""
        self._list.clear()
        self._save()

    def sort(self, *arguments: Any, **named: Any) -> None:
        """Sort in place."""
        self._list.sort(*arguments, **named)
        self._save()

    def reverse(self) -> None:
        """Turn the order round."""
        self._list.reverse()
        self._save()

    def __iadd__(self, other: Any) -> ObservedList:
        self.extend(other)
        return self

    def __imul__(self, times: int) -> ObservedList:
        self._list *= times
        self._save()
        return self

    def __add__(self, other: Any) -> Any:
        raise NotImplementedError("Adding an ObservedList is not supported. However, += is supported.")

    __radd__ = __add__

    def __mul__(self, other: Any) -> Any:
        raise NotImplementedError("Multiplying an ObservedList is not supported. However, *= is supported.")

    __rmul__ = __mul__

    def __eq__(self, other: object) -> bool:
        return bool(self._list == (other._list if isinstance(other, ObservedList) else other))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"ObservedList({self._list})"


class ObservedDict(MutableMapping[Any, Any]):
    """A dictionary parameter; it can be changed in place."""

    def __init__(self, node: Any, serializer: Any, name: str, values: dict[Any, Any]) -> None:
        self._node, self._serializer, self._name, self._dict = node, serializer, name, values

    def _save(self) -> None:
        try:
            self._serializer.write(self._node, self._name, self._dict)
        finally:
            self._dict = self._serializer.read(self._node, self._name)._dict

    def __len__(self) -> int:
        return len(self._dict)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._dict)

    def __getitem__(self, key: Any) -> Any:
        return self._dict[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        self._dict[key] = value
        self._save()

    def __delitem__(self, key: Any) -> None:
        del self._dict[key]
        self._save()

    def __eq__(self, other: object) -> bool:
        return bool(self._dict == (other._dict if isinstance(other, ObservedDict) else other))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"ObservedDict({self._dict})"
