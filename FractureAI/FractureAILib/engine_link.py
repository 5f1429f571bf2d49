"""The way from the panel to the server that reads and trains: started when first needed, restarted after a crash."""

from collections.abc import Callable
from typing import Any

from fractureai.client import Client
from fractureai.errors import FractureAIError
from FractureAILib.background import Background, Task
from FractureAILib.settings import Settings
from FractureAILib.signals import Signal


class EngineLink:
    """Hands work that needs the server to the background, and the server to the work.

    Attributes:
        state: ``off``, ``installing``, ``starting``, ``ready`` or ``failed``.
        state_changed: emitted with (state, sentence).
    """

    def __init__(self, background: Background, settings: Settings) -> None:
        self._background = background
        self._settings = settings
        self.state = "off"
        self.state_changed = Signal()

    def call(
        self,
        work: Callable[[Client, Task], Any],
        done: Callable[[Any], None],
        failed: Callable[[FractureAIError], None],
        progress: Callable[[Any], None] | None = None,
    ) -> Task:
        """Start the server when it does not run, then do ``work`` with a client; see `Background.run`."""
        raise NotImplementedError

    def stop(self) -> None:
        """Stop the server when it is ours."""
