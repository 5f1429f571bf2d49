"""How a job's process says what it does."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fractureai.server.jobs.folder import EventReader, append_event

_BETWEEN_S = 0.25


class Reporter:
    """Writes progress events: every epoch once, and of other messages not more than four a second.

    A training that goes on reports the epochs of its earlier run again; they are among the events already.

    Args:
        folder: of the job.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._written = -math.inf
        events = [event.data for event in EventReader(folder).read() if event.name == "progress"]
        self._told = {(data["fit"], data["epoch"]) for data in events if data.get("epoch")}

    def progress(self, text: str, fraction: float, seconds_left: float | None = None, **figures: Any) -> None:
        """Write one message.

        Args:
            text: what is going on, one line.
            fraction: of the whole job, 0..1.
            seconds_left: an estimate, or None.
            figures: of an epoch: ``fit``, ``epoch``, ``epochs``, ``loss``, ``validation_loss``, ``metric``,
                ``metric_name``.
        """
        now = time.monotonic()
        if figures:
            epoch = (figures["fit"], figures["epoch"])
            figures = {} if epoch in self._told else figures
            self._told.add(epoch)
        if not figures and now - self._written < _BETWEEN_S:
            return
        self._written = now
        append_event(
            self._folder,
            "progress",
            _finite({"text": text, "fraction": fraction, "seconds_left": seconds_left, **figures}),
        )

    def step(self, text: str, fraction: float) -> None:
        """Write a message that says what begins now, and a line in the log."""
        self._written = -math.inf
        print(text, flush=True)
        self.progress(text, fraction)


def _finite(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values in which numbers that JSON does not know are None."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in values.items()
    }
