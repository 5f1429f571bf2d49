"""Where the time of an epoch goes."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import Any

import torch


class Stopwatch:
    """Adds up the time between marks by phase.

    On CUDA the marks are events in the device's own queue, read once at the end: the device is never made to wait, and
    the time is the device's (a phase in which it had nothing to do counts with all of its idle time). Elsewhere the
    computer's clock is read.

    Args:
        device: whose time is measured.
    """

    def __init__(self, device: torch.device) -> None:
        self._events = device.type == "cuda"
        self._device = device
        self._marks: list[tuple[str, Any]] = []
        self.mark("")

    def mark(self, phase: str) -> None:
        """End a phase: the time since the last mark was spent on it."""
        if self._events:
            event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
            event.record(torch.cuda.current_stream(self._device))
            self._marks.append((phase, event))
        else:
            self._marks.append((phase, time.perf_counter()))

    def seconds(self) -> dict[str, float]:
        """Return phase -> seconds; waits until the device has done all that was asked of it."""
        if self._events:
            torch.cuda.synchronize(self._device)
        found: dict[str, float] = defaultdict(float)
        for (_, before), (phase, after) in zip(self._marks, self._marks[1:], strict=False):
            found[phase] += before.elapsed_time(after) / 1000 if self._events else after - before
        return dict(found)
