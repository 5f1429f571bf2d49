"""Bodies that are JSON or multipart: parsed by hand, since one address takes both, and documented all the same."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request

from fractureai.server.documents import Problem
from fractureai.server.errors import ApiError, validation_sentence

B = TypeVar("B", bound=BaseModel)

MULTIPART = "multipart/form-data"
_MOST_FIELDS = 16
_MOST_FIELD_BYTES = 64 * 1024

ERRORS: dict[int | str, dict[str, Any]] = {
    int(status): {"model": Problem, "description": description}
    for status, description in (
        (HTTPStatus.BAD_REQUEST, "The request is malformed."),
        (HTTPStatus.UNAUTHORIZED, "The token is missing or wrong."),
        (HTTPStatus.NOT_FOUND, "There is no such thing."),
        (HTTPStatus.REQUEST_TIMEOUT, "The request did not arrive in time."),
        (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The request is too large."),
        (HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The body is of a kind that this address does not take."),
        (HTTPStatus.MISDIRECTED_REQUEST, "The Host header names another server."),
        (HTTPStatus.UNPROCESSABLE_ENTITY, "What was sent can not be used."),
        (HTTPStatus.SERVICE_UNAVAILABLE, "The server is busy."),
    )
}
"""What any address may answer beside what it is for."""


def is_multipart(request: Request) -> bool:
    """Tell whether a request brings files."""
    return _kind(request) == MULTIPART


async def json_body(request: Request, kind: type[B]) -> B:
    """Parse a JSON body.

    Raises:
        ApiError: it is not JSON, or not of this kind.
    """
    if _kind(request) not in ("application/json", ""):
        detail = "The body must be JSON or, where files are taken, multipart/form-data."
        raise ApiError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail)
    try:
        table = json.loads(await request.body())
    except (ValueError, RecursionError) as error:
        raise ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, "The body is not valid JSON.") from error
    return validated(kind, table)


def validated(kind: type[B], table: object) -> B:
    """Check what a client sent.

    Raises:
        ApiError: a value is missing, unknown or of the wrong kind.
    """
    try:
        return kind.model_validate(table)
    except ValidationError as error:
        raise ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, validation_sentence(error)) from error


@contextlib.asynccontextmanager
async def form_of(request: Request, files: int) -> AsyncIterator[FormData]:
    """Parse a multipart body; its temporary files go when the block ends.

    Raises:
        ApiError: it is malformed, or holds too many files or fields.
    """
    try:
        form = await request.form(max_files=files, max_fields=_MOST_FIELDS, max_part_size=_MOST_FIELD_BYTES)
    except (ValueError, KeyError, UnicodeError, LookupError) as error:
        raise ApiError(HTTPStatus.BAD_REQUEST, "The multipart body is malformed.") from error
    try:
        yield form
    finally:
        await form.close()


def uploads_of(form: FormData, name: str, most: int) -> list[UploadFile]:
    """Return the uploaded files of a field.

    Raises:
        ApiError: there are none, too many, or files under another name.
    """
    found = [value for key, value in form.multi_items() if key == name and isinstance(value, UploadFile)]
    astray = any(isinstance(value, UploadFile) != (key == name) for key, value in form.multi_items())
    if not found or len(found) > most or astray:
        amount = "one file" if most == 1 else f"1 to {most} files"
        raise ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, f"The field {name} must hold {amount}.")
    return found


def fields_of(form: FormData, kind: type[B]) -> B:
    """Return the fields of a form that are no files; an empty one counts as not given.

    Raises:
        ApiError: a value is unknown or of the wrong kind.
    """
    return validated(kind, {key: value for key, value in form.multi_items() if isinstance(value, str) and value})


def body_content(
    kind: type[BaseModel], files: Mapping[str, Any] | None = None, fields: type[BaseModel] | None = None
) -> dict[str, Any]:
    """Return the OpenAPI description of a body that is JSON or, where files are taken, multipart.

    Args:
        kind: the JSON body.
        files: name of the field with the files -> its schema; None where none are taken.
        fields: the other fields of the form.
    """
    content: dict[str, Any] = {"application/json": {"schema": _inline(kind)}}
    if files:
        described = _inline(fields) if fields else {"properties": {}}
        form = {
            "type": "object",
            "properties": {**files, **described["properties"]},
            "required": list(files),
            "additionalProperties": False,
        }
        content[MULTIPART] = {"schema": form}
    return {"requestBody": {"required": True, "content": content}}


def _inline(kind: type[BaseModel]) -> dict[str, Any]:
    schema = kind.model_json_schema()
    assert "$defs" not in schema, "the schema of a body stands by itself"
    return schema


def _kind(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()
