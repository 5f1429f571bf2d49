"""Server-sent events out of a stream of bytes (WHATWG HTML, 9.2.6 "Interpreting an event stream")."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

LONGEST_EVENT = 64 << 20
"""Bytes of one event; a reading with its landmarks and regions is some kilobytes."""


@dataclass(frozen=True)
class ServerEvent:
    """One message of a server.

    Attributes:
        name: what it is, for example ``progress``; ``message`` where the server does not say.
        data: the JSON object it carries.
        id: number of the event in its stream, 0 where it has none; what ``Last-Event-ID`` takes.
    """

    name: str
    data: dict[str, Any] = field(default_factory=dict)
    id: int = 0


def parse_events(chunks: Iterable[bytes]) -> Iterator[ServerEvent]:
    """Return the events of a stream; an event that is cut off at the end is none.

    Raises:
        ValueError: an event is no JSON object, or too long.
    """
    name, number = "", 0
    data: list[str] = []
    for line in _lines(chunks):
        if not line:
            if data:
                yield ServerEvent(name or "message", _object("\n".join(data)), number)
            name, data = "", []
            continue
        key, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if key == "event":
            name = value
        elif key == "data":
            data.append(value)
        elif key == "id" and value.isascii() and value.isdigit():
            number = int(value)


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except RecursionError as error:
        raise ValueError("an event is nested too deeply") from error
    if not isinstance(value, dict):
        raise ValueError("an event is no JSON object")
    return value


def _lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Split at LF and CR LF, which is what servers send."""
    rest = bytearray()
    for chunk in chunks:
        rest += chunk
        *lines, last = rest.split(b"\n")
        rest = bytearray(last)
        if len(rest) > LONGEST_EVENT:
            raise ValueError("an event is too long")
        for line in lines:
            yield bytes(line).removesuffix(b"\r").decode("utf-8", "replace")
