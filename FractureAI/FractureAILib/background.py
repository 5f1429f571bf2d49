"""Work beside the viewer: on threads that never touch Qt or MRML, with results handed back on the GUI thread.

Python threads inside Slicer run only while the GUI thread lets go of the interpreter, which it does not do while it
waits for events. So a timer gives it up for a moment, again and again, as long as there is work.
"""

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import qt

from fractureai.errors import FractureAIError

PUMP_INTERVAL_MS = 5
YIELD_S = 0.003
"""How long the GUI thread sleeps at each beat of the pump, so that the others get the interpreter."""


class Task:
    """One piece of work in the background."""

    def __init__(self, post: Callable[..., None], progress: Callable[[Any], None] | None) -> None:
        self._cancelled = threading.Event()
        self._post = post
        self._progress = progress

    def cancel(self) -> None:
        """Ask the work to stop; whatever it still says is not handed on."""
        self._cancelled.set()

    def cancelled(self) -> bool:
        """Tell whether the work should stop; asked by the work itself now and then."""
        return self._cancelled.is_set()

    def report(self, value: Any) -> None:
        """Hand a value from the working thread to the ``progress`` function on the GUI thread."""
        if self._progress is not None:
            self._post(self, self._progress, value)


class Background:
    """Runs work on threads and hands results back on the GUI thread."""

    def __init__(self, threads: int = 4) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="FractureAI")
        self._results: queue.SimpleQueue[tuple[Task, Callable[..., Any], Any]] = queue.SimpleQueue()
        self._pending: set[Task] = set()
        self._timer = qt.QTimer()
        self._timer.setInterval(PUMP_INTERVAL_MS)
        self._timer.connect("timeout()", self._pump)

    def run(
        self,
        work: Callable[[Task], Any],
        done: Callable[[Any], None],
        failed: Callable[[FractureAIError], None],
        progress: Callable[[Any], None] | None = None,
    ) -> Task:
        """Start work; returns at once.

        Args:
            work: runs on another thread; gets its task, to report and to ask whether it was cancelled.
            done: gets what ``work`` returned.
            failed: gets the error when ``work`` raised a `FractureAIError`. Any other error is a fault of the program
                and is raised on the GUI thread.
            progress: gets what ``work`` reports.
        """
        task = Task(self._post, progress)
        self._pending.add(task)
        future = self._pool.submit(work, task)
        future.add_done_callback(lambda finished: self._post(task, self._finish, (task, finished, done, failed)))
        self._timer.start()
        return task

    @property
    def busy(self) -> bool:
        """Whether any work has not been handed back yet."""
        return bool(self._pending)

    def wait(self, timeout_s: float) -> bool:
        """Wait for all work and hand its results back now, without going through the event loop.

        Args:
            timeout_s: how long to wait at most.

        Returns:
            Whether everything has been handed back.
        """
        end = time.monotonic() + timeout_s
        while self._pending:
            try:
                self._hand_on(self._results.get(timeout=max(0.0, end - time.monotonic())))
            except queue.Empty:
                return False
        return True

    def stop(self) -> None:
        """Cancel everything and hand nothing back any more."""
        for task in self._pending:
            task.cancel()
        self._timer.stop()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _post(self, task: Task, call: Callable[..., Any], value: Any) -> None:
        self._results.put((task, call, value))

    def _finish(
        self, ended: tuple[Task, Future[Any], Callable[[Any], None], Callable[[FractureAIError], None]]
    ) -> None:
        task, future, done, failed = ended
        self._pending.discard(task)
        if task.cancelled() or future.cancelled():
            return
        try:
            result = future.result()
        except FractureAIError as error:
            failed(error)
        else:
            done(result)

    def _pump(self) -> None:
        time.sleep(YIELD_S)
        for _ in range(self._results.qsize()):
            if self._results.empty():  # `wait` was called meanwhile
                break
            self._hand_on(self._results.get())
        if not self._pending:
            self._timer.stop()

    def _hand_on(self, result: tuple[Task, Callable[..., Any], Any]) -> None:
        task, call, value = result
        if call == self._finish or not task.cancelled():
            call(value)
