"""What a job is."""

from __future__ import annotations

import datetime
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

KINDS = ("train", "evaluate", "export")
STATES = ("queued", "running", "done", "failed", "cancelled", "interrupted")
RESUMABLE = ("failed", "cancelled", "interrupted")
FINAL = ("done", *RESUMABLE)


@dataclass(frozen=True)
class Job:
    """A job as ``job.json`` holds it; progress and history lie in ``events.jsonl``.

    Attributes:
        id: starts with the time it was made, so that ids sort.
        kind: one of ``KINDS``.
        parameters: as checked by `fractureai.server.jobs.parameters`, with every default filled in.
        state: one of ``STATES``. ``interrupted``: the engine ended while it ran; nobody wanted that.
        result: of a ``done`` job.
        error: one sentence, or "".
        created, started, finished: ISO 8601 UTC, or "".
        pid: of the job's process while it runs, else 0.
    """

    id: str
    kind: str
    parameters: Mapping[str, Any]
    state: str = "queued"
    result: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""
    created: str = ""
    started: str = ""
    finished: str = ""
    pid: int = 0


def new_job(kind: str, parameters: Mapping[str, Any]) -> Job:
    """Return a queued job with an id of its own."""
    now = utc_now()
    stamp = now[:19].replace("-", "").replace(":", "").replace("T", "-")
    return Job(f"{stamp}-{secrets.token_hex(4)}", kind, parameters, created=now)


def job_to_json(job: Job) -> dict[str, Any]:
    """Return a job as plain values."""
    return {**asdict(job), "parameters": dict(job.parameters), "result": dict(job.result)}


def job_from_json(table: Mapping[str, Any]) -> Job:
    """Return a job from `job_to_json`'s values; keys of later versions are left out.

    Raises:
        ValueError: it is none.
    """
    known = {f.name for f in fields(Job)}
    try:
        job = Job(**{name: value for name, value in table.items() if name in known})
    except TypeError as error:
        raise ValueError(str(error)) from error
    if job.state not in STATES or not isinstance(job.parameters, dict) or not isinstance(job.result, dict):
        raise ValueError("its state, parameters or result are malformed")
    return job


def utc_now() -> str:
    """Return the time now, ISO 8601 UTC to the millisecond."""
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
