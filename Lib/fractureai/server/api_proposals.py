"""Proposals: landmarks to take over, and doubts about the view."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool

from fractureai.errors import FractureAIError
from fractureai.inference import ViewProposal, propose
from fractureai.radiograph import read_radiograph
from fractureai.server.documents import Proposal, ProposalBody, ProposalFields
from fractureai.server.errors import ApiError, sentence
from fractureai.server.requests import body_content, fields_of, form_of, is_multipart, json_body, uploads_of
from fractureai.server.services import Services, Shared
from fractureai.server.sources import Sources, named_sources, uploaded_sources
from fractureai.server.work import Watch

router = APIRouter(tags=["reading"])

_FILE = {"file": {"type": "string", "format": "binary"}}


@router.post("/proposals", response_model=Proposal, openapi_extra=body_content(ProposalBody, _FILE, ProposalFields))
async def proposals(request: Request, services: Shared) -> dict[str, Any]:
    """Find landmarks on one radiograph, and say whether it looks like the view it is said to be.

    `view_suggested` is set when the landmarks are implausible for the stated view and plausible for exactly one other.
    `side_suggested` is null: the landmarks of a left wrist, of a right one with the palm up and of a mirrored right one
    are the same.
    """
    limits = services.settings.limits
    if is_multipart(request):
        async with form_of(request, 1) as form:
            fields = fields_of(form, ProposalFields)
            sources = await uploaded_sources(uploads_of(form, "file", 1), services.settings.uploads)
    else:
        body = await json_body(request, ProposalBody)
        fields = ProposalFields(model=body.model, view=body.view)
        sources = await run_in_threadpool(named_sources, [body.path], services.roots, limits)
    work = functools.partial(_propose, services, sources, fields)
    task = services.workers.submit(work, limits.read_s, sources.remove)
    return await task.result(request)


def _propose(services: Services, sources: Sources, fields: ProposalFields, watch: Watch) -> dict[str, Any]:
    if len(sources.paths) != 1:
        raise ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, "Landmarks are proposed on one radiograph; name its file.")
    pipeline = services.models.pipeline(fields.model)
    sources.check(services.settings.limits)
    try:
        radiograph = read_radiograph(sources.paths[0], view=fields.view)
        watch.check()
        found = propose(pipeline, radiograph, view=fields.view)
    except FractureAIError as error:
        detail = sentence(error, sources.show(sources.paths[0]))
        raise ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, detail) from error
    own = found.views[found.view] if found.view else None
    return {
        "sop_instance_uid": found.sop_instance_uid,
        "view": found.view,
        "landmarks": _points(own.landmarks) if own else [],
        "spread": list(own.spread) if own else [],
        "views": {name: _view(view) for name, view in found.views.items()},
        "view_suggested": found.view_suggested,
        "side_suggested": None,
    }


def _view(view: ViewProposal) -> dict[str, Any]:
    return {
        "plausible": view.plausible,
        "reasons": list(view.reasons),
        "landmarks": _points(view.landmarks),
        "spread": list(view.spread),
    }


def _points(landmarks: Mapping[str, tuple[float, float]]) -> list[dict[str, Any]]:
    return [{"name": name, "row": row, "col": col} for name, (row, col) in landmarks.items()]
