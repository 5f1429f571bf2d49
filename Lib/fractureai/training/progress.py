"""How training reports what it does."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

ProgressCallback = Callable[["TrainingProgress"], None]


@dataclass(frozen=True)
class TrainingProgress:
    """One message of a running training.

    Attributes:
        text: what is going on, one line.
        fraction: share of the whole training that is done, 0..1.
        seconds_left: estimate for the whole training; None before the first epoch.
        epoch, epochs: of the current fit; 0 outside a fit.
        loss, validation_loss, metric: of the last epoch; None outside a fit.
        metric_name: what ``metric`` is.
        images_per_second, waiting: training images a second and share of the time without data, of the last epoch; None
            outside a fit.
    """

    text: str
    fraction: float
    seconds_left: float | None = None
    epoch: int = 0
    epochs: int = 0
    loss: float | None = None
    validation_loss: float | None = None
    metric: float | None = None
    metric_name: str = ""
    images_per_second: float | None = None
    waiting: float | None = None

    @property
    def speed(self) -> str:
        """The last two for people; "" outside a fit."""
        if self.images_per_second is None or self.waiting is None:
            return ""
        digits = 0 if self.images_per_second >= 10 else 1
        return f"{self.images_per_second:.{digits}f} images/s, {100 * self.waiting:.0f} % waiting for data"


class Clock:
    """Turns units of work into a fraction and an estimate of the time left.

    Args:
        total: units of work of the whole training.
        callback: receives the messages; None for nobody.
    """

    def __init__(self, total: float, callback: ProgressCallback | None) -> None:
        self._total = max(total, 1e-9)
        self._callback = callback
        self._done = 0.0
        self._timed = 0.0
        self._seconds = 0.0
        self._last = time.monotonic()

    def skip(self, units: float) -> None:
        """Count work that an earlier run did."""
        self._done += units
        self._last = time.monotonic()

    def advance(self, units: float) -> None:
        """Count work that was done since the last call."""
        now = time.monotonic()
        self._seconds += now - self._last
        self._last = now
        self._done += units
        self._timed += units

    def say(self, message: TrainingProgress) -> None:
        """Send a message with the fraction and the time left filled in."""
        left = (self._total - self._done) * self._seconds / self._timed if self._timed else None
        if self._callback is not None:
            self._callback(replace(message, fraction=min(self._done / self._total, 1.0), seconds_left=left))

    def text(self, text: str) -> None:
        """Send one line."""
        self.say(TrainingProgress(text, 0.0))
