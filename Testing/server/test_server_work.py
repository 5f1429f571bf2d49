"""Work on threads ends when nobody waits for it, when it takes too long, and when the server stops."""

import asyncio
import threading
import time

import pytest

from fractureai.server.errors import ApiError
from fractureai.server.guard import ClientGoneError
from fractureai.server.work import StoppedError, Workers


class Waiting:
    """The one thing that is asked of a request: whether its client is still there."""

    def __init__(self, seconds: float) -> None:
        self.end = time.monotonic() + seconds

    async def is_disconnected(self) -> bool:
        return time.monotonic() > self.end


class Work:
    """Work in many short stages."""

    def __init__(self) -> None:
        self.stages = 0
        self.ended = threading.Event()
        self.stopped = False

    def __call__(self, watch):
        try:
            for _ in range(1000):
                watch.check()
                self.stages += 1
                time.sleep(0.01)
        except StoppedError:
            self.stopped = True
            raise
        finally:
            self.ended.set()


@pytest.fixture
def workers():
    made = Workers(1, 1, "test")
    yield made
    made.close()


def test_a_result_comes_back_and_done_is_called(workers):
    done = threading.Event()
    task = workers.submit(lambda watch: 42, 5, done.set)
    assert asyncio.run(task.result(Waiting(60))) == 42
    assert done.wait(1)


def test_what_goes_wrong_comes_back(workers):
    def fail(watch):
        raise ApiError(422, "No.")

    with pytest.raises(ApiError, match=r"^No"):
        asyncio.run(workers.submit(fail, 5).result(Waiting(60)))


def test_it_ends_when_the_client_has_gone(workers):
    work, done = Work(), threading.Event()
    with pytest.raises(ClientGoneError):
        asyncio.run(workers.submit(work, 60, done.set).result(Waiting(0.2)))
    assert work.ended.wait(1)
    assert work.stopped
    assert 5 < work.stages < 60
    assert done.wait(1)


def test_it_ends_when_its_time_is_over(workers):
    work = Work()
    with pytest.raises(ApiError) as error:
        asyncio.run(workers.submit(work, 0.3).result(Waiting(60)))
    assert error.value.status == 504
    assert work.ended.wait(1)
    assert work.stopped


def test_it_ends_when_the_one_who_waits_is_cancelled(workers):
    work = Work()

    async def run():
        waiting = asyncio.ensure_future(workers.submit(work, 60).result(Waiting(60)))
        await asyncio.sleep(0.2)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(run())
    assert work.ended.wait(1)
    assert work.stopped


def test_the_queue_is_not_endless(workers):
    release, done = threading.Event(), []
    tasks = [workers.submit(lambda watch: release.wait(5), 60, lambda: done.append(1)) for _ in range(2)]
    with pytest.raises(ApiError) as error:
        workers.submit(lambda watch: None, 60, lambda: done.append("refused"))
    assert error.value.status == 503
    assert done == ["refused"]
    release.set()
    assert [asyncio.run(task.result(Waiting(60))) for task in tasks] == [True, True]
    assert asyncio.run(workers.submit(lambda watch: 7, 60).result(Waiting(60))) == 7


def test_what_waits_for_a_thread_is_dropped_at_once(workers):
    first, second = Work(), Work()
    running = workers.submit(first, 60)
    waiting = workers.submit(second, 60)
    with pytest.raises(ClientGoneError):
        asyncio.run(waiting.result(Waiting(0.1)))
    running.stop()
    assert first.ended.wait(1)
    time.sleep(0.1)
    assert second.stages == 0


def test_it_ends_with_the_server(workers):
    work = Work()
    task = workers.submit(work, 60)

    async def run():
        waiting = asyncio.ensure_future(task.result(Waiting(60)))
        await asyncio.sleep(0.1)
        workers.close()
        await waiting

    with pytest.raises(ApiError) as error:
        asyncio.run(run())
    assert error.value.status == 503
    assert work.stopped
