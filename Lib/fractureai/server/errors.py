"""What clients see when something is wrong: always ``{"detail": "one sentence"}``, never a path, a value or a trace."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from fractureai.errors import FileError, FractureAIError

_SENTENCES = {
    HTTPStatus.BAD_REQUEST: "The request is malformed.",
    HTTPStatus.NOT_FOUND: "There is nothing at this address.",
    HTTPStatus.METHOD_NOT_ALLOWED: "This address does not take that method.",
}


class ApiError(Exception):
    """A request that can not be served.

    Args:
        status: HTTP status.
        detail: one sentence for people.
        more: further keys of the answer.
    """

    def __init__(self, status: int, detail: str, more: Mapping[str, Any] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.more = int(status), detail, dict(more or {})


def sentence(error: FractureAIError, subject: str = "") -> str:
    """Return an error as a sentence without the path of a file.

    Args:
        error: what happened.
        subject: how the client knows the file.
    """
    if isinstance(error, FileError):
        text = error.reason + (f"; {error.advice}" if error.advice else "")
        return f"{subject or 'This can not be used'}: {text}."
    return f"{subject}: {error}" if subject else str(error)


def validation_sentence(error: ValidationError | RequestValidationError) -> str:
    """Return the first thing that is wrong with a request; what was sent is not repeated."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path"))
    text = str(first["msg"]).rstrip(".")
    return f"{place}: {text}." if place else f"{text}."


def answer(status: int, detail: str, more: Mapping[str, Any] | None = None) -> JSONResponse:
    """Return the JSON answer of an error."""
    headers = {"Retry-After": "2"} if status == HTTPStatus.SERVICE_UNAVAILABLE else None
    return JSONResponse({"detail": detail, **(more or {})}, int(status), headers)


def install_handlers(app: FastAPI) -> None:
    """Make every error of an application answer with one sentence."""

    @app.exception_handler(ApiError)
    async def api_error(_: Request, error: ApiError) -> JSONResponse:
        return answer(error.status, error.detail, error.more)

    @app.exception_handler(FractureAIError)
    async def own_error(_: Request, error: FractureAIError) -> JSONResponse:
        return answer(HTTPStatus.UNPROCESSABLE_ENTITY, sentence(error))

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        return answer(HTTPStatus.UNPROCESSABLE_ENTITY, validation_sentence(error))

    @app.exception_handler(HTTPException)
    async def http_error(_: Request, error: HTTPException) -> JSONResponse:
        text = error.detail if error.detail.endswith(".") else _SENTENCES.get(HTTPStatus(error.status_code), "")
        response = answer(error.status_code, text or f"{error.detail}.")
        response.headers.update(error.headers or {})
        return response
