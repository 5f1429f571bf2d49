"""Datasets: what is to be done, and marks that nobody overwrites unseen."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import fields
from http import HTTPStatus
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from starlette.concurrency import run_in_threadpool

from fractureai.dataset import STATUSES, Annotation, Dataset, annotation_from_json, annotation_to_json
from fractureai.dataset.annotation import FORMAT_VERSION
from fractureai.errors import DatasetError, StaleAnnotationError
from fractureai.server.documents_dataset import Conflict, Datasets, Marks, PutBody, Worklist
from fractureai.server.errors import ApiError, sentence
from fractureai.server.requests import body_content, json_body
from fractureai.server.services import Services, Shared

router = APIRouter(tags=["datasets"])

Name = Annotated[str, Path(min_length=1, max_length=255, examples=["wrists"])]
Uid = Annotated[str, Path(min_length=1, max_length=200, examples=["1.2.840.1.1"])]
Rater = Annotated[str, Path(min_length=1, max_length=200, examples=["AM"])]

_SHOWN = ("id", "study", "patient", "view", "side", "date", "stratum", "description")
_ADDRESS = "/datasets/{name}/radiographs/{uid}/annotations/{rater}"


@router.get("/datasets", response_model=Datasets)
def list_datasets(services: Shared) -> dict[str, Any]:
    """List the datasets below the server's roots."""
    found = services.datasets.all()
    return {"datasets": [_summary(name, dataset) for name, dataset in sorted(found.items())]}


@router.get("/datasets/{name}/worklist", response_model=Worklist)
def worklist(
    name: Name,
    services: Shared,
    rater: Annotated[str, Query(min_length=1, max_length=200, examples=["AM"])],
    status: Literal["open", "done", "flagged"] | None = None,
    text: Annotated[str, Query(max_length=200)] = "",
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> dict[str, Any]:
    """List the radiographs for a rater: open ones first, then flagged, then done.

    `status` and `text` (words that must all occur) choose; `offset` and `limit` cut out a page.
    """
    dataset = services.datasets.get(name)
    problems: list[str] = []
    everything = dataset.worklist(rater, report=lambda error: problems.append(sentence(error, error.path.name)))
    items = dataset.worklist(rater, status=status, text=text, report=lambda _: None)
    counts = Counter(item.status for item in everything)
    page = items[offset : offset + limit]
    return {
        "total": len(items),
        "offset": offset,
        "counts": {name: counts[name] for name in STATUSES},
        "problems": problems,
        "items": [
            {
                **{key: getattr(item.row, key) for key in _SHOWN},
                "index": item.index,
                "status": item.status,
                "label": item.annotation.label if item.annotation else None,
                "revision": item.annotation.revision if item.annotation else 0,
                "updated": item.annotation.updated if item.annotation else "",
            }
            for item in page
        ],
    }


@router.get(_ADDRESS, response_model=Marks)
def get_annotation(name: Name, uid: Uid, rater: Rater, services: Shared) -> dict[str, Any]:
    """Return a rater's marks on a radiograph; null and revision 0 while there are none."""
    dataset = _holding(services, name, uid)
    return _marks(dataset.annotation(uid, rater))


@router.put(
    _ADDRESS,
    response_model=Marks,
    responses={
        409: {"model": Conflict, "description": "Somebody saved these marks in the meantime; they are included."}
    },
    openapi_extra=body_content(PutBody),
)
async def put_annotation(name: Name, uid: Uid, rater: Rater, request: Request, services: Shared) -> dict[str, Any]:
    """Save a rater's marks, if they are still at the revision that was read (0: there were none).

    When the answer is 200, they are on disk whole. When it is 409, nothing was changed, and it brings the current ones.
    """
    body = await json_body(request, PutBody)
    return await run_in_threadpool(_save, services, name, uid, rater, body)


def _save(services: Services, name: str, uid: str, rater: str, body: PutBody) -> dict[str, Any]:
    dataset = _holding(services, name, uid)
    annotation = _annotation(body.annotation, uid, rater)
    try:
        return _marks(dataset.save(annotation, expected_revision=body.expected_revision))
    except StaleAnnotationError as error:
        current = _marks(dataset.annotation(uid, rater))
        detail = "Somebody saved these marks in the meantime; read them again and repeat the change."
        raise ApiError(HTTPStatus.CONFLICT, detail, current) from error


def _annotation(table: dict[str, Any], uid: str, rater: str) -> Annotation:
    """Return the marks a client sent; keys it left out are empty, and revision and time are the server's."""
    for key, expected in (("radiograph", uid), ("rater", rater)):
        if table.get(key, expected) != expected:
            raise ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, f"annotation: its {key} is not that of the address.")
    empty = json.loads(annotation_to_json(Annotation(uid, rater)))
    known = {field.name for field in fields(Annotation)} | {"format_version"}
    unknown = sorted(set(table) - known)
    if unknown:
        raise ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, "annotation: it has a key that marks do not have.")
    merged = {**empty, "format_version": FORMAT_VERSION, **table, "revision": 0, "updated": ""}
    try:
        return annotation_from_json(json.dumps(merged).encode(), FilePath("annotation"))
    except (DatasetError, RecursionError) as error:
        reason = error.reason if isinstance(error, DatasetError) else "it is nested too deeply"
        shown = re.sub(r" is .*, not ", " is not ", reason, flags=re.DOTALL)  # what was sent is not repeated
        raise ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, f"annotation: {shown}.") from error


def _holding(services: Services, name: str, uid: str) -> Dataset:
    dataset = services.datasets.get(name)
    if uid not in dataset:
        raise ApiError(HTTPStatus.NOT_FOUND, "There is no such radiograph in this dataset.")
    return dataset


def _marks(annotation: Annotation | None) -> dict[str, Any]:
    if annotation is None:
        return {"revision": 0, "annotation": None}
    return {"revision": annotation.revision, "annotation": json.loads(annotation_to_json(annotation))}


def _summary(name: str, dataset: Dataset) -> dict[str, Any]:
    return {
        "name": name,
        "title": dataset.name,
        "folder": str(dataset.folder),
        "site": dataset.site.name,
        "label_set": list(dataset.label_set),
        "radiographs": len(dataset.radiographs),
        "raters": list(dataset.raters),
    }
