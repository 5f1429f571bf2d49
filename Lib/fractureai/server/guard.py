"""What every request passes: host, token, size and time of its body; and the log, which names no patient."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import logging
import secrets
import time
import traceback
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fractureai.server.errors import answer

if TYPE_CHECKING:
    from fractureai.server.settings import ServerSettings

log = logging.getLogger("fractureai.server")

CLIENT_GONE = 499
"""Status in the log of a request whose client did not wait."""


class ClientGoneError(Exception):
    """The client closed the connection: there is nobody to answer."""


class Guard:
    """Middleware around the whole interface; see the module's first line.

    Args:
        app: what it guards.
        settings: token, names and limits.
    """

    def __init__(self, app: ASGIApp, settings: ServerSettings) -> None:
        self._app, self._settings = app, settings
        self._token = settings.token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
                return
            await self._app(scope, receive, send)
            return
        request = _Request(scope, send)
        try:
            refusal = self._refusal(scope)
            if refusal is not None:
                status, detail = refusal
                response = answer(status, detail)
                if status == HTTPStatus.UNAUTHORIZED:
                    response.headers["WWW-Authenticate"] = "Bearer"
                await response(scope, receive, request.send)
            else:
                await self._app(scope, _limited(receive, self._body_limit(scope), self._settings), request.send)
        except (ClientGoneError, ClientDisconnect):
            request.status = CLIENT_GONE
        except Exception as error:
            _log_mistake(error, request.id)
            if request.started:
                raise
            detail = f"The server could not do that; its log says more about request {request.id}."
            await answer(HTTPStatus.INTERNAL_SERVER_ERROR, detail)(scope, receive, request.send)
        finally:
            request.log()

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        headers = Headers(scope=scope)
        if not self._knows_host(headers.get("host", "")):
            return HTTPStatus.MISDIRECTED_REQUEST, "This server is not known by that name; use its address in figures."
        scheme, _, given = headers.get("authorization", "").partition(" ")
        sent = given.strip().encode("latin-1", "replace")
        if scheme.lower() != "bearer" or not hmac.compare_digest(sent, self._token):
            return HTTPStatus.UNAUTHORIZED, "This server needs the token that it was started with."
        length = headers.get("content-length", "0")
        if not length.isascii() or not length.isdigit() or int(length) > self._body_limit(scope):
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _too_large(self._body_limit(scope))
        return None

    def _knows_host(self, host: str) -> bool:
        name = host.strip().lower()
        name = name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]
        if name == "localhost" or name in {known.lower() for known in self._settings.host_names}:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def _body_limit(self, scope: Scope) -> int:
        limits = self._settings.limits
        if not Headers(scope=scope).get("content-type", "").lower().startswith("multipart/form-data"):
            return limits.json_bytes
        return limits.bundle_bytes if scope["path"].rstrip("/").endswith("/models") else limits.upload_bytes


class _Request:
    """What is known of a request for its log line, and its answer's headers."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self.id = secrets.token_hex(6)
        self.status = 0
        self.started = False
        self._scope, self._send = scope, send
        self._began = time.perf_counter()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.started = message["status"], True
            headers = MutableHeaders(scope=message)
            headers["X-Request-ID"] = self.id
            headers["Cache-Control"] = "no-store"
            headers["X-Content-Type-Options"] = "nosniff"
        await self._send(message)

    def log(self) -> None:
        template = getattr(self._scope.get("route"), "path", "-")
        milliseconds = (time.perf_counter() - self._began) * 1000
        log.info("%s %s %d %.0f ms %s", self._scope["method"], template, self.status, milliseconds, self.id)


def _limited(receive: Receive, most: int, settings: ServerSettings) -> Receive:
    """Return a ``receive`` that refuses a body which is too large or takes too long."""
    seconds = settings.limits.upload_s
    end = time.monotonic() + seconds
    taken, whole = 0, False

    async def limited() -> Message:
        nonlocal taken, whole
        if whole:
            return await receive()
        try:
            message = await asyncio.wait_for(receive(), max(0.0, end - time.monotonic()))
        except asyncio.TimeoutError:
            detail = f"The request did not arrive within {seconds:g} s."
            raise HTTPException(HTTPStatus.REQUEST_TIMEOUT, detail) from None
        taken += len(message.get("body", b""))
        whole = message["type"] != "http.request" or not message.get("more_body", False)
        if taken > most:
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _too_large(most))
        return message

    return limited


def _too_large(most: int) -> str:
    return f"The request is too large; at most {most / (1 << 20):.0f} MiB are taken."


def _log_mistake(error: BaseException, request_id: str) -> None:
    """Log where a mistake happened, without its message, which may quote what was read."""
    frames = traceback.extract_tb(error.__traceback__)
    places = " < ".join(
        f"{frame.filename.rpartition('site-packages')[2]}:{frame.lineno}" for frame in frames[::-1][:12]
    )
    log.error("request %s: %s at %s", request_id, type(error).__name__, places)
