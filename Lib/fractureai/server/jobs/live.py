"""What a job's events add up to: progress, curves, and how it ended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fractureai.server.jobs.folder import EventReader, StoredEvent

NO_PROGRESS: dict[str, Any] = {
    "text": "",
    "fraction": 0.0,
    "seconds_left": None,
    "fit": "",
    "epoch": 0,
    "epochs": 0,
    "loss": None,
    "validation_loss": None,
    "metric": None,
    "metric_name": "",
}
_CURVE = ("fit", "epoch", "epochs", "loss", "validation_loss", "metric", "metric_name")


class Live:
    """Follows the events of one job.

    Attributes:
        progress: the latest message.
        result: what the job's process said in its latest run that it made; None when it did not end well.
        error: the sentence with which the latest run ended badly; "".
    """

    def __init__(self, folder: Path) -> None:
        self._reader = EventReader(folder)
        self._history: dict[tuple[str, int], dict[str, Any]] = {}
        self.progress = dict(NO_PROGRESS)
        self.result: dict[str, Any] | None = None
        self.error = ""

    def update(self) -> None:
        """Take in what is new."""
        for event in self._reader.read():
            self._take(event)

    @property
    def history(self) -> list[dict[str, Any]]:
        """One entry an epoch and fit, in order; an epoch that was reported again after a resume is there once."""
        return list(self._history.values())

    def _take(self, event: StoredEvent) -> None:
        if event.name == "progress":
            self.progress = {**NO_PROGRESS, **event.data}
            if self.progress["epoch"]:
                entry = {name: self.progress[name] for name in _CURVE}
                self._history[entry["fit"], entry["epoch"]] = entry
        elif event.name == "result":
            self.result = event.data
        elif event.name == "error":
            self.error = str(event.data.get("text", ""))
        elif event.name == "state" and event.data.get("state") == "running":
            self.result, self.error = None, ""
