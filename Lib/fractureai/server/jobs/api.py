"""The routes of jobs."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Body, Header, HTTPException, Request
from fastapi.responses import FileResponse, PlainTextResponse, StreamingResponse
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from fractureai.errors import FractureAIError
from fractureai.server.jobs.errors import JobConflictError, UnknownJobError
from fractureai.server.jobs.folder import EventReader
from fractureai.server.jobs.model import FINAL
from fractureai.server.jobs.parameters import EvaluateParameters, ExportParameters, TrainParameters
from fractureai.server.jobs.store import JobStore

_POLL_S = 0.1
_SIGN_OF_LIFE_S = 5.0
_SENT = ("progress", "state")
T = TypeVar("T")


class TrainJob(BaseModel):
    """A training."""

    kind: Literal["train"]
    parameters: TrainParameters


class EvaluateJob(BaseModel):
    """An evaluation."""

    kind: Literal["evaluate"]
    parameters: EvaluateParameters


class ExportJob(BaseModel):
    """An export."""

    kind: Literal["export"]
    parameters: ExportParameters


class Problem(BaseModel):
    """What is wrong."""

    detail: str = Field(description="One sentence for people.")


class JobProgress(BaseModel):
    """The latest message of a job; figures of an epoch are null outside a fit."""

    text: str
    fraction: float = Field(description="Share of the job that is done, 0..1.")
    seconds_left: float | None
    fit: str = Field(description="What is being fitted, for example 'PA localizer'; empty outside a fit.")
    epoch: int
    epochs: int
    loss: float | None
    validation_loss: float | None
    metric: float | None
    metric_name: str


class HistoryEntry(BaseModel):
    """One epoch of one fit."""

    fit: str
    epoch: int
    epochs: int
    loss: float | None
    validation_loss: float | None
    metric: float | None
    metric_name: str


class JobAnswer(BaseModel):
    """A job."""

    id: str
    kind: Literal["train", "evaluate", "export"]
    state: Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]
    parameters: dict[str, Any]
    progress: JobProgress
    history: list[HistoryEntry]
    result: dict[str, Any] = Field(description="Of a job that is done: bundle, report, model; or file.")
    error: str = Field(description="One sentence, empty when nothing is wrong.")
    created: str
    started: str
    finished: str


class JobList(BaseModel):
    """All jobs, newest first."""

    jobs: list[JobAnswer]


JobRequest = Annotated[TrainJob | EvaluateJob | ExportJob, Field(discriminator="kind")]
_EXAMPLES: dict[str, Any] = {
    "training": {"value": {"kind": "train", "parameters": {"dataset": "/data/wrists", "recipe": "quick"}}},
    "evaluation": {"value": {"kind": "evaluate", "parameters": {"bundle": "demo", "dataset": "/data/wrists"}}},
    "export": {"value": {"kind": "export", "parameters": {"dataset": "/data/wrists", "raters": ["consensus"]}}},
}
_UNKNOWN: dict[int | str, dict[str, Any]] = {404: {"model": Problem}}
_CONFLICT: dict[int | str, dict[str, Any]] = {**_UNKNOWN, 409: {"model": Problem}}
_WRONG: dict[int | str, dict[str, Any]] = {409: {"model": Problem}, 422: {"model": Problem}}


def make_router(jobs: JobStore) -> APIRouter:
    """Return the routes below ``/jobs``; the caller mounts them below ``/v1`` and starts and stops the store."""
    router = APIRouter(tags=["jobs"])

    @router.post("/jobs", status_code=201, response_model=JobAnswer, responses=_WRONG)
    def start_job(request: Annotated[JobRequest, Body(openapi_examples=_EXAMPLES)]) -> dict[str, Any]:
        """Queue a training, an evaluation or an export."""
        return _answered(lambda: jobs.create(request.kind, request.parameters.model_dump()))

    @router.get("/jobs", response_model=JobList)
    def list_jobs() -> dict[str, Any]:
        """List all jobs, newest first."""
        return {"jobs": jobs.jobs()}

    @router.get("/jobs/{id}", response_model=JobAnswer, responses=_UNKNOWN)
    def get_job(id: str) -> dict[str, Any]:
        """Return one job with its progress and its curves."""
        return _answered(lambda: jobs.job(id))

    @router.delete("/jobs/{id}", status_code=204, responses=_CONFLICT)
    def delete_job(id: str) -> None:
        """Remove a job that has ended, with its files in the work folder; a registered model stays."""
        _answered(lambda: jobs.delete(id))

    @router.post("/jobs/{id}/cancel", response_model=JobAnswer, responses=_CONFLICT)
    def cancel_job(id: str) -> dict[str, Any]:
        """End a job with all its processes; answers when they are gone."""
        return _answered(lambda: jobs.cancel(id))

    @router.post("/jobs/{id}/resume", response_model=JobAnswer, responses=_CONFLICT)
    def resume_job(id: str) -> dict[str, Any]:
        """Let a cancelled, failed or interrupted job go on where it stopped."""
        return _answered(lambda: jobs.resume(id))

    @router.get("/jobs/{id}/log", response_class=PlainTextResponse, responses=_UNKNOWN)
    def get_log(id: str) -> PlainTextResponse:
        """Return the end of a job's log as text."""
        return PlainTextResponse(_answered(lambda: jobs.log(id)))

    @router.get("/jobs/{id}/report", response_class=FileResponse, responses=_UNKNOWN)
    def get_report(id: str) -> FileResponse:
        """Return the evaluation report: one HTML page that stands alone."""
        return FileResponse(_answered(lambda: jobs.result_file(id, "report")), media_type="text/html")

    @router.get("/jobs/{id}/file", response_class=FileResponse, responses=_UNKNOWN)
    def get_file(id: str) -> FileResponse:
        """Return the archive that an export wrote."""
        return FileResponse(_answered(lambda: jobs.result_file(id, "file")), media_type="application/zip")

    @router.get("/jobs/{id}/events", response_class=StreamingResponse, responses=_UNKNOWN)
    async def get_events(
        id: str, request: Request, last_event_id: Annotated[str, Header(description="Go on after this event.")] = ""
    ) -> StreamingResponse:
        """Send what happens to a job as events (``progress``, ``state``), from the first or a given one on."""
        folder = await run_in_threadpool(lambda: _answered(lambda: jobs.path(id)))
        after = int(last_event_id) if last_event_id.isascii() and last_event_id.isdigit() else 0
        stream = _events(jobs, id, EventReader(folder), after, request)
        return StreamingResponse(stream, media_type="text/event-stream", headers={"Cache-Control": "no-store"})

    return router


async def _events(jobs: JobStore, id: str, reader: EventReader, after: int, request: Request) -> AsyncIterator[str]:
    """Send events until the job has ended and all of them are sent."""
    sent = time.monotonic()
    yield ": events\n\n"
    while not jobs.is_stopping and not await request.is_disconnected():
        # Asked first: what was written before the state became final is read below.
        ended = await run_in_threadpool(_has_ended, jobs, id)
        for event in await run_in_threadpool(reader.read):
            if event.id > after and event.name in _SENT:
                sent = time.monotonic()
                yield f"id: {event.id}\nevent: {event.name}\ndata: {json.dumps(event.data)}\n\n"
        if ended:
            return
        if time.monotonic() - sent > _SIGN_OF_LIFE_S:
            sent = time.monotonic()
            yield ": still there\n\n"
        await asyncio.sleep(_POLL_S)


def _has_ended(jobs: JobStore, id: str) -> bool:
    try:
        return jobs.state(id) in FINAL
    except UnknownJobError:
        return True


def _answered(work: Callable[[], T]) -> T:
    """Return what a call gives, or turn its error into the HTTP status that fits."""
    try:
        return work()
    except UnknownJobError as error:
        raise HTTPException(404, str(error)) from error
    except JobConflictError as error:
        raise HTTPException(409, str(error)) from error
    except FractureAIError as error:
        raise HTTPException(422, str(error)) from error
    except OSError as error:
        raise HTTPException(507, f"The work folder can not be written ({error.strerror}); free some space.") from error
