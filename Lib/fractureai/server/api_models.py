"""Health and models."""

from __future__ import annotations

import os
import secrets
import shutil
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool

from fractureai import __version__
from fractureai.client import API_VERSION
from fractureai.server import devices
from fractureai.server.documents import Health, ImportBody, Model, Models, Problem
from fractureai.server.requests import body_content, form_of, is_multipart, json_body, uploads_of
from fractureai.server.services import Shared
from fractureai.server.sources import save_upload

router = APIRouter(tags=["server"])

_CONFLICT: dict[int | str, dict[str, Any]] = {409: {"model": Problem, "description": "It is in the way of another."}}
_FILE = {"file": {"type": "string", "format": "binary"}}


@router.get("/health", response_model=Health)
def health() -> dict[str, Any]:
    """Tell whether the server is there, and what it can do."""
    found = devices.devices()
    return {
        "api": API_VERSION,
        "version": __version__,
        "can_read": True,
        "can_train": devices.can_train(),
        "device": found[0],
        "devices": found,
        "pid": os.getpid(),
    }


@router.get("/models", response_model=Models, tags=["models"])
def list_models(services: Shared) -> dict[str, Any]:
    """List the models: the demo bundle first, then the newest."""
    return {"models": services.models.all()}


@router.post(
    "/models",
    response_model=Model,
    tags=["models"],
    responses=_CONFLICT,
    openapi_extra=body_content(ImportBody, _FILE),
)
async def import_model(request: Request, services: Shared) -> dict[str, Any]:
    """Register a bundle: a folder or ZIP file that the server can see, or an uploaded ZIP file.

    Nothing in it is believed before its hashes are checked; links, names that lead out of it, pickles and bundles that
    are too large are refused.
    """
    if not is_multipart(request):
        path = services.roots.resolve((await json_body(request, ImportBody)).path)
        return await run_in_threadpool(services.models.add, path)
    place = services.settings.uploads / secrets.token_hex(16)
    async with form_of(request, files=1) as form:
        (upload,) = uploads_of(form, "file", 1)
        try:
            place.mkdir(parents=True, mode=0o700)
            await run_in_threadpool(save_upload, upload, place / "bundle")
            return await run_in_threadpool(services.models.add, place / "bundle")
        finally:
            await run_in_threadpool(shutil.rmtree, place, ignore_errors=True)


@router.delete("/models/{model}", status_code=HTTPStatus.NO_CONTENT, tags=["models"], responses=_CONFLICT)
def remove_model(model: str, services: Shared) -> None:
    """Remove a registered model."""
    services.models.remove(model)
