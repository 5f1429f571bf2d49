"""Work on threads, few at a time, that ends when nobody waits for it any more."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from http import HTTPStatus
from typing import Generic, TypeVar

from starlette.requests import Request

from fractureai.server.errors import ApiError
from fractureai.server.guard import ClientGoneError

T = TypeVar("T")

_GLANCE_S = 0.05
"""How often it is looked whether the client is still there."""


class StoppedError(Exception):
    """Work that was stopped between two stages."""


class Watch:
    """Tells work on a thread whether it is still wanted.

    Args:
        seconds: after which it is not.
    """

    def __init__(self, seconds: float) -> None:
        self.end = time.monotonic() + seconds
        self._stopped = threading.Event()

    @property
    def late(self) -> bool:
        """Whether the time is over."""
        return time.monotonic() > self.end

    def stop(self) -> None:
        """Ask the work to end at its next stage."""
        self._stopped.set()

    def check(self) -> None:
        """Go on, or not.

        Raises:
            StoppedError: nobody waits any more, or the time is over.
        """
        if self._stopped.is_set() or self.late:
            raise StoppedError


class Workers:
    """A few threads, and a queue that is not endless.

    Args:
        number: threads.
        waiting: how much work may wait for one.
        name: of the threads.
        after: is called after each piece of work.
    """

    def __init__(self, number: int, waiting: int, name: str, after: Callable[[], None] = lambda: None) -> None:
        self._after = after
        self._pool = ThreadPoolExecutor(number, thread_name_prefix=name)
        self._room = threading.BoundedSemaphore(number + waiting)
        self._watches: set[Watch] = set()

    def submit(self, work: Callable[[Watch], T], seconds: float, done: Callable[[], None] | None = None) -> Task[T]:
        """Begin work as soon as a thread is free.

        Args:
            work: gets a `Watch`, which it asks between stages.
            seconds: until it must be done, waiting included.
            done: is called when the work has ended, however that came.

        Raises:
            ApiError: too much waits already; ``done`` was called.
        """
        if not self._room.acquire(blocking=False):
            if done is not None:
                done()
            raise ApiError(HTTPStatus.SERVICE_UNAVAILABLE, "The server is busy; try again in a moment.")
        watch = Watch(seconds)
        self._watches.add(watch)

        def guarded() -> T:
            watch.check()
            return work(watch)

        def ended(_: Future[T]) -> None:
            self._watches.discard(watch)
            self._room.release()
            if done is not None:
                done()
            self._after()

        future = self._pool.submit(guarded)
        future.add_done_callback(ended)
        return Task(future, watch)

    def close(self) -> None:
        """Stop all work between two stages and take no more."""
        for watch in tuple(self._watches):
            watch.stop()
        self._pool.shutdown(wait=False, cancel_futures=True)


class Task(Generic[T]):
    """Work that has been handed to a thread."""

    def __init__(self, future: Future[T], watch: Watch) -> None:
        self._future, self._watch = future, watch

    def stop(self) -> None:
        """Stop it between two stages; at once when it has not begun."""
        self._watch.stop()
        self._future.cancel()

    async def result(self, request: Request) -> T:
        """Wait for what the work returns, as long as the client does.

        Raises:
            ClientGoneError: the client closed the connection; the work was stopped.
            ApiError: it took too long.
        """
        waiting = asyncio.wrap_future(self._future)
        try:
            while True:
                done, _ = await asyncio.wait((waiting,), timeout=_GLANCE_S)
                if done:
                    return waiting.result()
                if await request.is_disconnected():
                    raise ClientGoneError
                if self._watch.late:
                    raise ApiError(HTTPStatus.GATEWAY_TIMEOUT, "This took too long and was stopped; try again.")
        except StoppedError:
            if self._watch.late:
                raise ApiError(HTTPStatus.GATEWAY_TIMEOUT, "This took too long and was stopped; try again.") from None
            raise ApiError(HTTPStatus.SERVICE_UNAVAILABLE, "The server is being stopped; try again later.") from None
        finally:
            if not waiting.done():
                self.stop()
                waiting.add_done_callback(_forget)


def _forget(future: asyncio.Future[T]) -> None:
    """Take the outcome that nobody wants, so that it is not reported as lost."""
    if not future.cancelled():
        future.exception()
