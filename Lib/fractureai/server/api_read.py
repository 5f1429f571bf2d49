"""Readings and their files."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse
from starlette.concurrency import run_in_threadpool

from fractureai.errors import FractureAIError
from fractureai.server.documents import READING_EXAMPLE, Fields, ReadBody, reading_schema
from fractureai.server.errors import ApiError, sentence
from fractureai.server.events import MEDIA_TYPE, event, wants_events
from fractureai.server.guard import ClientGoneError
from fractureai.server.reader import read_study
from fractureai.server.requests import body_content, fields_of, form_of, is_multipart, json_body, uploads_of
from fractureai.server.services import Services, Shared
from fractureai.server.sources import Sources, named_sources, uploaded_sources
from fractureai.server.work import Task, Watch

router = APIRouter(tags=["reading"])

_FILES = {"files": {"type": "array", "items": {"type": "string", "format": "binary"}, "minItems": 1}}
_EVENTS = 'event: stage\ndata: {"stage": "localize"}\n\nevent: result\ndata: {...}\n\n'
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The reading; with `Accept: text/event-stream` events: `stage` ..., then `result` or `error`.",
        "content": {
            "application/json": {"schema": reading_schema(), "example": READING_EXAMPLE},
            MEDIA_TYPE: {"schema": {"type": "string"}, "example": _EVENTS},
        },
    }
}
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_FILE_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file.",
        "content": {
            "application/x-npy": _BINARY,
            "image/png": _BINARY,
            "application/json": {"schema": {"type": "object"}, "example": READING_EXAMPLE},
        },
    }
}
_MEDIA_TYPES = {".npy": "application/x-npy", ".png": "image/png", ".json": "application/json"}


@router.post("/read", responses=_ANSWERS, openapi_extra=body_content(ReadBody, _FILES, Fields))
async def read(request: Request, services: Shared) -> Response:
    """Read a study of one wrist: files that the server can see, or uploaded ones.

    A radiograph that can not be read becomes a referral, and the others are read; when none can be read, that is the
    answer (422). A closed connection ends the reading. Activation maps are kept for a while under the addresses given.
    """
    sources, fields = await _asked(request, services)
    if wants_events(request):
        return await _stream(request, services, sources, fields)
    work = functools.partial(read_study, services, sources, fields)
    task = services.workers.submit(work, services.settings.limits.read_s, sources.remove)
    return JSONResponse(await task.result(request))


@router.get("/readings/{id}/{name}", responses=_FILE_ANSWERS, response_class=FileResponse)
async def reading_file(id: str, name: str, services: Shared) -> FileResponse:
    """Return a file of a reading: `1.npy`, `2.npy`, ... (activation maps), `overlay.png`, `reading.json`."""
    await services.readings.drawn(id, name)
    path = await run_in_threadpool(services.readings.file, id, name)
    return FileResponse(path, media_type=_MEDIA_TYPES[path.suffix])


async def _asked(request: Request, services: Services) -> tuple[Sources, Fields]:
    limits = services.settings.limits
    if is_multipart(request):
        async with form_of(request, limits.files) as form:
            fields = fields_of(form, Fields)
            await run_in_threadpool(services.models.pipeline, fields.model)  # before anything is stored
            sources = await uploaded_sources(uploads_of(form, "files", limits.files), services.settings.uploads)
            return sources, fields
    body = await json_body(request, ReadBody)
    await run_in_threadpool(services.models.pipeline, body.model)
    return await run_in_threadpool(named_sources, body.paths, services.roots, limits), body


async def _stream(request: Request, services: Services, sources: Sources, fields: Fields) -> StreamingResponse:
    loop = asyncio.get_running_loop()
    stages: asyncio.Queue[str] = asyncio.Queue()

    def work(watch: Watch) -> dict[str, Any]:
        return read_study(services, sources, fields, watch, lambda stage: _tell(loop, stages, stage))

    task = services.workers.submit(work, services.settings.limits.read_s, sources.remove)
    return StreamingResponse(_events(request, task, stages), media_type=MEDIA_TYPE)


def _tell(loop: asyncio.AbstractEventLoop, stages: asyncio.Queue[str], stage: str) -> None:
    loop.call_soon_threadsafe(stages.put_nowait, stage)


async def _events(request: Request, task: Task[dict[str, Any]], stages: asyncio.Queue[str]) -> AsyncIterator[bytes]:
    result = asyncio.ensure_future(task.result(request))
    try:
        while not result.done() or not stages.empty():
            following = asyncio.ensure_future(stages.get())
            await asyncio.wait((following, result), return_when=asyncio.FIRST_COMPLETED)
            if following.done():
                yield event("stage", {"stage": following.result()})
            else:
                following.cancel()
        yield _last_event(result)
    finally:
        result.cancel()
        task.stop()


def _last_event(result: asyncio.Future[dict[str, Any]]) -> bytes:
    try:
        return event("result", result.result())
    except ApiError as error:
        return event("error", {"detail": error.detail})
    except FractureAIError as error:
        return event("error", {"detail": sentence(error)})
    except ClientGoneError:
        return b""
