"""A signal in plain Python, for what is no Qt object: connect functions, emit to all of them."""

from collections.abc import Callable
from typing import Any


class Signal:
    """Calls every connected function, in the order of connection, with the arguments it is emitted with."""

    def __init__(self) -> None:
        self._slots: list[Callable[..., Any]] = []

    def connect(self, slot: Callable[..., Any]) -> None:
        """Call ``slot`` at every emission from now on."""
        self._slots.append(slot)

    def disconnect(self, slot: Callable[..., Any]) -> None:
        """Stop calling ``slot``.

        Raises:
            ValueError: it was not connected.
        """
        self._slots.remove(slot)

    def emit(self, *values: Any) -> None:
        """Call all connected functions; one that disconnects another meanwhile does no harm."""
        for slot in tuple(self._slots):
            slot(*values)
