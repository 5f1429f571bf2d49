"""One address, one token, limits of time and size, and one sentence for whatever goes wrong."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fractureai.client.events import ServerEvent, parse_events
from fractureai.errors import ServerError

if TYPE_CHECKING:
    import requests

API_VERSION = "v1"
LARGEST_ANSWER = 512 << 20
"""Bytes; activation maps are the largest answers (some megabytes)."""

_CONNECT_S = 5.0
_POLL_S = 0.05
_CHUNK = 1 << 16

Cancelled = Callable[[], bool]


class RequestCancelledError(ServerError):
    """The caller did not want to wait any longer."""


class ConflictError(ServerError):
    """Somebody else saved in the meantime (409).

    Attributes:
        answer: what the server sent, with what is stored now.
    """

    def __init__(self, detail: str, answer: Mapping[str, Any]) -> None:
        self.answer = dict(answer)
        super().__init__(detail)


@dataclass(frozen=True)
class Connection:
    """A server's address, and what is needed to be let in.

    Attributes:
        url: for example ``http://127.0.0.1:8010``.
        token: sent as bearer token, never as part of an address; "" for none.
        timeout_s: how long to wait for a short answer, in all: also from a server that sends a byte now and then.
        certificate: file of the certificate that vouches for an ``https`` server; "" for those the system trusts.
    """

    url: str
    token: str = field(default="", repr=False)
    timeout_s: float = 10.0
    certificate: str = ""

    @property
    def is_loopback(self) -> bool:
        """Whether the address is this computer's own."""
        host = urlsplit(self.url).hostname or ""
        if host == "localhost":
            return True
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return False

    def request(
        self,
        method: str,
        path: str,
        *,
        limit_s: float | None = None,
        cancelled: Cancelled | None = None,
        **options: Any,
    ) -> tuple[str, bytes]:
        """Send a request to ``/v1/<path>``.

        Args:
            method: of HTTP.
            path: below ``/v1/``.
            limit_s: time for sending and the whole answer; None: ``timeout_s``.
            cancelled: asked many times a second; when it says True the connection is closed.
            options: of ``requests.request``.

        Returns:
            Content type and content.

        Raises:
            ServerError: no whole answer in time, or an error.
            RequestCancelledError: ``cancelled`` said so.
        """
        limit = self.timeout_s if limit_s is None else limit_s
        call = _Call(self, method, path, limit, options)
        end = time.monotonic() + limit
        content = bytearray()
        with contextlib.closing(call):
            while (chunk := call.next_chunk(end, limit, cancelled)) is not None:
                content += chunk
                if len(content) > LARGEST_ANSWER:
                    raise self.foreign()
        return call.content_type, bytes(content)

    def events(
        self,
        method: str,
        path: str,
        *,
        silence_s: float,
        first_s: float | None = None,
        cancelled: Cancelled | None = None,
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Iterator[ServerEvent]:
        """Send a request whose answer is a stream of events, and return them as they come.

        Args:
            method, path, cancelled, options: see `request`.
            silence_s: how long the server may say nothing; it sends a comment every few seconds.
            first_s: the same for the first byte (uploads take their time); None: ``silence_s``.
            headers: further headers.

        Raises:
            ServerError: it was silent for too long, broke off, is none of ours, or answered with an error.
            RequestCancelledError: ``cancelled`` said so.
        """
        first = max(silence_s, first_s or 0.0)
        options["headers"] = {"Accept": "text/event-stream", **(headers or {})}
        call = _Call(self, method, path, first, options)

        def chunks() -> Iterator[bytes]:
            limit = first
            while (chunk := call.next_chunk(time.monotonic() + limit, limit, cancelled)) is not None:
                if not call.content_type.startswith("text/event-stream"):
                    raise self.foreign()
                yield chunk
                limit = silence_s

        with contextlib.closing(call):
            try:
                yield from parse_events(chunks())
            except ValueError as error:
                raise self.foreign() from error

    def foreign(self) -> ServerError:
        """Return the error for an answer that no FractureAI server gives."""
        return ServerError(f"What answers at {self.url} is no FractureAI server; check the address.")

    def late(self, limit_s: float) -> ServerError:
        """Return the error for a server that does not answer."""
        return ServerError(f"The server at {self.url} did not answer within {limit_s:g} s; try again.")


class _Call:
    """A request on a thread of its own, so that its caller can give up at any moment."""

    def __init__(
        self, connection: Connection, method: str, path: str, limit_s: float, options: Mapping[str, Any]
    ) -> None:
        self.content_type = ""
        self._connection = connection
        self._response: requests.Response | None = None
        self._closed = False
        self._items: queue.Queue[bytes | ServerError | None] = queue.Queue(maxsize=256)
        arguments = (method, path, limit_s, dict(options))
        threading.Thread(target=self._work, args=arguments, daemon=True, name="fractureai-request").start()

    def next_chunk(self, end: float, limit_s: float, cancelled: Cancelled | None) -> bytes | None:
        """Return the next piece of the answer, None at its end."""
        while True:
            if cancelled is not None and cancelled():
                raise RequestCancelledError("Cancelled.")
            left = end - time.monotonic()
            try:
                item = self._items.get(timeout=max(min(left, _POLL_S), 0.001))
            except queue.Empty:
                if left <= 0:
                    raise self._connection.late(limit_s) from None
                continue
            if isinstance(item, ServerError):
                raise item
            return item

    def close(self) -> None:
        """Close the connection, also while the thread waits for it."""
        self._closed = True
        if self._response is not None:
            _shut_down(self._response)

    def _work(self, method: str, path: str, limit_s: float, options: dict[str, Any]) -> None:
        last: ServerError | None = None
        try:
            self._send(method, path, limit_s, options)
        except ServerError as error:
            last = error
        except Exception as error:  # noqa: BLE001  # whatever foreign bytes make a library raise
            last = self._sentence(error)
        self._put(last)

    def _send(self, method: str, path: str, limit_s: float, options: dict[str, Any]) -> None:
        import requests

        connection = self._connection
        headers = {**options.pop("headers", {})}
        if connection.token:
            headers["Authorization"] = f"Bearer {connection.token}"
        address = f"{connection.url.rstrip('/')}/{API_VERSION}/{path.lstrip('/')}"
        with requests.Session() as session:
            session.trust_env = not connection.is_loopback  # a proxy has no business between two local processes
            response = session.request(
                method, address, headers=headers, timeout=(min(limit_s, _CONNECT_S), limit_s), stream=True,
                allow_redirects=False, verify=connection.certificate or True, **options,
            )  # fmt: skip
            with response:
                self._response = response
                self._receive(response)

    def _receive(self, response: requests.Response) -> None:
        if not response.ok or response.is_redirect:
            raise _refusal(self._connection, response)
        self.content_type = response.headers.get("Content-Type", "").lower()
        for chunk in response.iter_content(_CHUNK):
            if self._closed:
                return
            self._put(chunk)

    def _put(self, item: bytes | ServerError | None) -> None:
        while not self._closed:
            try:
                self._items.put(item, timeout=_POLL_S)
            except queue.Full:
                continue
            return

    def _sentence(self, error: Exception) -> ServerError:
        """Return what to say about an exception of `requests` and what lies below it."""
        import requests

        url = self._connection.url
        if isinstance(error, requests.Timeout):
            return self._connection.late(self._connection.timeout_s)
        if isinstance(error, requests.exceptions.SSLError):
            return ServerError(f"The certificate of the server at {url} is not trusted; give its certificate file.")
        if self._response is not None:
            return ServerError(f"The server at {url} stopped in the middle of an answer; try again.")
        if isinstance(error, requests.ConnectionError) and "Connection aborted" in str(error):
            if "BadStatusLine" in str(error) or "LineTooLong" in str(error):
                return self._connection.foreign()
            return ServerError(f"The server at {url} closed the connection without an answer; try again.")
        return ServerError(f"There is no server at {url}; start it, or check the address.")


def _refusal(connection: Connection, response: requests.Response) -> ServerError:
    """Return what an answer that is an error says, in one sentence."""
    if response.status_code in (401, 403):
        return ServerError(
            f"The server at {connection.url} does not accept the token; give the one it was started with."
        )
    content = bytearray()
    for chunk in response.iter_content(_CHUNK):
        content += chunk
        if len(content) > 16 * _CHUNK:
            break
    try:
        answer = json.loads(bytes(content))
    except (ValueError, RecursionError):
        return connection.foreign()
    if not isinstance(answer, dict):
        return connection.foreign()
    detail = answer.get("detail")
    if isinstance(detail, str):
        return ConflictError(detail, answer) if response.status_code == 409 else ServerError(detail)
    return ServerError(f"The server at {connection.url} could not do that; see its log.")


def _shut_down(response: requests.Response) -> None:
    """Wake a thread that waits for a response's next byte."""
    with contextlib.suppress(Exception):  # it may be closed already, in any of several ways
        shut = getattr(response.raw, "shutdown", None)  # urllib3 2.3 and newer
        if shut is not None:
            shut()
        else:
            raw: Any = response.raw
            raw.connection.sock.shutdown(socket.SHUT_RDWR)
