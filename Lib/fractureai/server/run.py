"""Run a server: one process, one token, one address, and an end that leaves nothing behind."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import secrets
import signal
import socket
import sys
import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
import uvicorn
from starlette.concurrency import run_in_threadpool

from fractureai.dataset.files import write_atomically
from fractureai.errors import ServerError
from fractureai.server.app import create_app
from fractureai.server.memory import keep_small
from fractureai.server.services import Services
from fractureai.server.settings import ServerSettings

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_REACHED_AS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}
_TOKEN_BYTES = 32
_SHORTEST_TOKEN = 16
_GRACE_S = 5
_PARENT_GLANCE_S = 1.0

log = logging.getLogger("fractureai.server")


@dataclass(frozen=True)
class Address:
    """Where a server listens, and how that is told.

    Attributes:
        host, port: of the socket; port 0 takes a free one.
        token_file: is told with the address, never the token.
        address_file: gets ``{"url", "pid", "token_file"}`` once the server listens, and goes when it ends; or None.
        tls_cert, tls_key: PEM files for HTTPS; or None.
        parent: process id; the server ends when that process does; or None.
    """

    host: str
    port: int
    token_file: Path
    address_file: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    parent: int | None = None


def token_of(path: Path) -> str:
    """Read the token of a file; when there is none, make one at random that only this user can read.

    Raises:
        ServerError: the file can not be used, or its token is too short or not plain text.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with contextlib.suppress(FileExistsError):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(secrets.token_urlsafe(_TOKEN_BYTES) + "\n")
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ServerError(f"The token file {path} can not be used; choose another.") from error
    if len(token) < _SHORTEST_TOKEN or not token.isprintable() or " " in token:
        raise ServerError(f"The token in {path} must have {_SHORTEST_TOKEN} characters or more; remove the file.")
    return token


def serve(settings: ServerSettings, address: Address, listening: Callable[[str], None] | None = None) -> None:
    """Serve until a signal comes, or the parent process ends.

    Args:
        settings: token, folders and limits.
        address: where to listen.
        listening: is called with the URL once requests are taken.

    Raises:
        ServerError: the port is taken, or the certificate can not be used.
    """
    _quiet()
    keep_small()
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_S,
        timeout_keep_alive=30,
        ssl_certfile=address.tls_cert,
        ssl_keyfile=address.tls_key,
    )
    try:
        config.load()
    except (OSError, ValueError) as error:
        raise ServerError(
            "The certificate or its key can not be used; give two PEM files that belong together."
        ) from error
    listener = _listener(address)
    server = _Server(config, app.state.services, address, url_of(listener, address), listening)
    if address.parent is not None:
        threading.Thread(target=_watch_parent, args=(address.parent, server), name="parent", daemon=True).start()
    # uvicorn ends in good order and then raises the signal again: an ordered end is no failure
    previous = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        server.run([listener])
    finally:
        signal.signal(signal.SIGTERM, previous)


def url_of(listener: socket.socket, address: Address) -> str:
    """Return the URL under which this computer reaches a listening socket."""
    scheme = "https" if address.tls_cert else "http"
    name = _REACHED_AS.get(address.host, address.host)
    host = f"[{name}]" if ":" in name else name
    return f"{scheme}://{host}:{listener.getsockname()[1]}"


class _Server(uvicorn.Server):
    """Tells its address when it listens, and takes that back when it ends."""

    def __init__(
        self,
        config: uvicorn.Config,
        services: Services,
        address: Address,
        url: str,
        listening: Callable[[str], None] | None,
    ) -> None:
        super().__init__(config)
        self._services, self._address, self._url, self._listening = services, address, url, listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        facts = {"url": self._url, "pid": os.getpid(), "token_file": str(self._address.token_file.absolute())}
        if self._address.address_file is not None:
            self._address.address_file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self._address.address_file, (json.dumps(facts) + "\n").encode(), mode=0o600)
        if self._listening is not None:
            self._listening(self._url)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._address.address_file is not None:
            _remove_own(self._address.address_file)
        # First what connections wait for (readings, the events of jobs), or they would keep the server from its end.
        await run_in_threadpool(self._services.close)
        await super().shutdown(sockets)


def _remove_own(path: Path) -> None:
    """Remove the address file, unless another server has written its own there."""
    with contextlib.suppress(OSError, ValueError):
        if json.loads(path.read_text(encoding="utf-8")).get("pid") == os.getpid():
            path.unlink()


def _listener(address: Address) -> socket.socket:
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ServerError(f"There is no address {address.host}; give one of this computer.") from error
    try:
        if sys.platform == "win32":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
    except OSError as error:
        listener.close()
        raise ServerError(f"Port {address.port} of {address.host} can not be used; choose another or 0.") from error
    listener.setblocking(False)
    return listener


def _watch_parent(parent: int, server: uvicorn.Server) -> None:
    """End the server when a process is gone; another process of the same number does not count."""
    try:
        process = psutil.Process(parent)
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            time.sleep(_PARENT_GLANCE_S)
    except psutil.NoSuchProcess:
        pass
    log.info("the process that started this server has ended")
    server.should_exit = True


def _quiet() -> None:
    """Keep what libraries say about the content of files out of the log: it may name a patient."""
    warnings.simplefilter("ignore")
    warnings.showwarning = lambda *_: None
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    for name, level in (("fractureai.server", logging.INFO), ("uvicorn.error", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)
    root = logging.getLogger()
    root.handlers = [logging.NullHandler()]
    for name in ("pydicom", "matplotlib", "PIL"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def default_work() -> Path:
    """Return where a server keeps its files unless it is told otherwise."""
    return Path.home() / ".fractureai" / "server"
