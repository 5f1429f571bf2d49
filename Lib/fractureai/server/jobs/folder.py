"""A job's folder: ``job.json``, ``events.jsonl``, ``log.txt``.

``job.json`` is replaced atomically, by the server alone. ``events.jsonl`` only grows; at any time one process writes
it: the server while the job's process does not run, the job's process while it does. An event's number is that of its
line, so it never changes. A line that a crash cut off is ended by the next writer and skipped by every reader.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fractureai.dataset.files import write_atomically
from fractureai.server.jobs.model import Job, job_from_json, job_to_json, utc_now

JOB, EVENTS, LOG, OUT = "job.json", "events.jsonl", "log.txt", "out"
LOG_TAIL = 1 << 20


@dataclass(frozen=True)
class StoredEvent:
    """A line of ``events.jsonl``: its number from 1, the event's name, and its data."""

    id: int
    name: str
    data: dict[str, Any]


def write_job(folder: Path, job: Job) -> None:
    """Write ``job.json``: whole, or not at all.

    Raises:
        DatasetError: the disk is full, or the folder can not be written.
    """
    write_atomically(folder / JOB, json.dumps(job_to_json(job), indent=1).encode())


def read_job(folder: Path) -> Job:
    """Read ``job.json``.

    Raises:
        ValueError: it is damaged.
        OSError: it is not there.
    """
    table = json.loads((folder / JOB).read_bytes())
    if not isinstance(table, dict):
        raise ValueError("it is no JSON object")
    return job_from_json(table)


def append_event(folder: Path, name: str, data: Mapping[str, Any]) -> None:
    """Append an event; it is on disk when this returns."""
    line = json.dumps({"event": name, "time": utc_now(), "data": dict(data)}, allow_nan=False).encode() + b"\n"
    descriptor = os.open(folder / EVENTS, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o666)
    try:
        size = os.fstat(descriptor).st_size
        if size:
            os.lseek(descriptor, size - 1, os.SEEK_SET)
            if os.read(descriptor, 1) != b"\n":
                line = b"\n" + line
        os.write(descriptor, line)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class EventReader:
    """Reads the events of a job as they are appended.

    Args:
        folder: of the job.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / EVENTS
        self._offset = 0
        self._lines = 0

    def read(self) -> list[StoredEvent]:
        """Return the events that are new since the last call."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        events = []
        for line in whole.splitlines():
            self._lines += 1
            event = _event(self._lines, line)
            if event is not None:
                events.append(event)
        return events


def _event(number: int, line: bytes) -> StoredEvent | None:
    """Return the event of a line; None for one that a crash cut off."""
    try:
        table = json.loads(line)
        return StoredEvent(number, str(table["event"]), dict(table["data"]))
    except (ValueError, KeyError, TypeError):
        return None


def log_tail(folder: Path) -> str:
    """Return the end of a job's log (at most ``LOG_TAIL`` bytes), "" when there is none yet."""
    try:
        with (folder / LOG).open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - LOG_TAIL))
            return file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
