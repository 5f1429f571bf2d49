"""What may stand in `Annotated[type, ...]` of a parameter: its default, its limits, hints for its widget."""

from __future__ import annotations

import abc
import typing
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any


class Default:
    """The value of a parameter that has none yet; from the generator, called each time, where one is given."""

    def __init__(self, value: Any = None, *, generator: Callable[[], Any] | None = None) -> None:
        self._value, self._generator = value, generator

    @property
    def value(self) -> Any:
        """The default value."""
        return self._generator() if self._generator else self._value

    def __eq__(self, other: object) -> bool:
        same = isinstance(other, Default)
        return same and (self._value, self._generator) == (other._value, other._generator)  # type: ignore[attr-defined]

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Default(value={self._value}, generator={self._generator})"


class Validator(abc.ABC):
    """A rule for a value; derive from it to make another."""

    @abc.abstractmethod
    def validate(self, value: Any) -> None:
        """Raises ValueError or TypeError when the value breaks the rule."""


class NotNone(Validator):
    """There must be a value."""

    def validate(self, value: Any) -> None:
        """Raises ValueError for None."""
        if value is None:
            raise ValueError("Value must not be None")


class IsNone(Validator):
    """There must not be a value."""

    def validate(self, value: Any) -> None:
        """Raises ValueError for anything but None."""
        if value is not None:
            raise ValueError("Value must be None")


class IsInstance(Validator):
    """The value must be of a type, or None."""

    def __init__(self, classtype: Any) -> None:
        self.classtype = classtype

    def validate(self, value: Any) -> None:
        """Raises TypeError for a value of another type."""
        if value is not None and not isinstance(value, self.classtype):
            raise TypeError(f"Value must be of type '{self.classtype}', is type '{type(value)}' value '{value}'")


@dataclass
class WithinRange(Validator):
    """The value must lie between two others, both included."""

    minimum: Any
    maximum: Any

    def validate(self, value: Any) -> None:
        """Raises ValueError outside the range."""
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"Value must be within range [{self.minimum}, {self.maximum}], is {value}")


@dataclass
class Minimum(Validator):
    """The value must not be less."""

    minimum: Any

    def validate(self, value: Any) -> None:
        """Raises ValueError below the minimum."""
        if value < self.minimum:
            raise ValueError(f"Value must be at least {self.minimum}, is {value}")


@dataclass
class Maximum(Validator):
    """The value must not be more."""

    maximum: Any

    def validate(self, value: Any) -> None:
        """Raises ValueError above the maximum."""
        if value > self.maximum:
            raise ValueError(f"Value must be at most {self.maximum}, is {value}")


@dataclass
class Choice(Validator):
    """The value must be one of these."""

    choices: Any

    def validate(self, value: Any) -> None:
        """Raises ValueError for any other value."""
        if value not in self.choices:
            raise ValueError(f"Value is {value}, but must be one of the following: {self.choices}")


@dataclass
class Exclude(Validator):
    """The value must be none of these."""

    excludedValues: Any

    def validate(self, value: Any) -> None:
        """Raises ValueError for one of the values."""
        if value in self.excludedValues:
            raise ValueError(f"Value is {value}, which is excluded: {self.excludedValues}")


@dataclass
class Decimals:
    """How many decimals the widget of the parameter shows."""

    value: int


@dataclass
class SingleStep:
    """What one step of the parameter's widget changes."""

    value: float


def splitAnnotations(annotated: Any) -> tuple[Any, tuple[Any, ...]]:
    """A type, and what `Annotated` says of it."""
    if typing.get_origin(annotated) is typing.Annotated:
        kind, *rest = typing.get_args(annotated)
        return kind, tuple(rest)
    return annotated, ()


def unannotatedType(annotated: Any) -> Any:
    """The type without its annotations."""
    return splitAnnotations(annotated)[0]


def findFirstAnnotation(annotations: Iterable[Any], kind: type) -> Any:
    """The first annotation of a class, or None."""
    return next((a for a in annotations if isinstance(a, kind)), None)


def split_validators(annotations: Iterable[Any]) -> tuple[list[Validator], list[Any]]:
    """The rules among the annotations, and the others."""
    every = list(annotations)
    return [a for a in every if isinstance(a, Validator)], [a for a in every if not isinstance(a, Validator)]


def split_default(annotations: Iterable[Any]) -> tuple[Default | None, list[Any]]:
    """The default among the annotations, and the others; raises ValueError when there are two defaults."""
    every = list(annotations)
    defaults = [a for a in every if isinstance(a, Default)]
    if len(defaults) > 1:
        raise ValueError("Multiple defaults found")
    return (defaults[0] if defaults else None), [a for a in every if not isinstance(a, Default)]


def split_name(name: str) -> tuple[str, str | None]:
    """ "x.y.z" -> ("x", "y.z"); "x" -> ("x", None)."""
    top, dot, rest = name.partition(".")
    return top, rest if dot else None
