"""A training as the server sees it: asked for once a second while it runs, stopped, continued, its log read."""

from collections.abc import Callable, Mapping
from typing import Any

import qt

from fractureai.errors import FractureAIError
from FractureAILib.signals import Signal
from FractureAILib.train_texts import RUNNING_STATES, STOPPED_STATES

POLL_MS, SLOW_POLL_MS, MANY_EPOCHS = 1000, 5000, 1000
"""How often the server is asked; less often once its answer, which holds every epoch so far, has become long."""

PATIENCE = 5
"""So many questions in a row may stay unanswered before the user is told."""


FOLDER_WAIT_MS, FOLDER_WAITS = 200, 100
"""How often, and how many times at most, it is looked whether the engine may work in the dataset's folder."""


class TrainRun:
    """Follows one training job.

    The server is asked with short calls instead of one that stays open: a viewer that is closed, a server that is
    started anew or a network that breaks off changes nothing.

    Args:
        session: shared state.

    Attributes:
        job: as the server last told; None before one is followed.
        busy: whether a request of the user's (start, cancel, continue) is not answered yet: ``starting``,
            ``cancelling`` or ``continuing``; "" for none.
        log: the end of what the training wrote, while `follow_log` is on.
        changed: emitted without values when any of these has changed.
        failed: emitted with the error of a request.
        ended: emitted with the job when a training that was followed has ended.
    """

    def __init__(self, session) -> None:
        self.session = session
        self.job: dict[str, Any] | None = None
        self.busy = ""
        self.log = ""
        self.changed = Signal()
        self.failed = Signal()
        self.ended = Signal()
        self._follow_log = False
        self._asking = None
        self._requesting = None
        self._unanswered = 0
        self._timer = qt.QTimer()
        self._timer.setInterval(POLL_MS)
        self._timer.connect("timeout()", self._ask)

    @property
    def state(self) -> str:
        """State of the job; "" while none is followed."""
        return str(self.job["state"]) if self.job is not None else ""

    @property
    def running(self) -> bool:
        """Whether the job goes on by itself."""
        return self.state in RUNNING_STATES

    @property
    def stopped(self) -> bool:
        """Whether the job can be continued."""
        return self.state in STOPPED_STATES

    def start(self, parameters: Mapping[str, Any]) -> None:
        """Start a new training and follow it."""
        self.follow(None)
        if not self.busy:
            self.busy = "starting"
            self.changed.emit()
            self.session.engine.share(str(parameters["dataset"]))
            self._start_when_seen(dict(parameters), FOLDER_WAITS)

    def _start_when_seen(self, parameters: dict[str, Any], waits_left: int) -> None:
        """Ask for the training once the engine may work in the dataset's folder, for which it may start anew first."""
        if self.busy != "starting":  # given up meanwhile
            return
        if waits_left and not self.session.engine.sees(parameters["dataset"]):
            qt.QTimer.singleShot(FOLDER_WAIT_MS, lambda: self._start_when_seen(parameters, waits_left - 1))
            return
        self.busy = ""
        self._request("starting", lambda client, _task: client.start_job("train", parameters), needs="train")

    def cancel(self) -> None:
        """Stop the training with all its processes."""
        job = self.job
        if job is not None and self.running:
            self._request("cancelling", lambda client, _task: client.cancel_job(job["id"]))

    def resume(self) -> None:
        """Let it go on from the last whole epoch."""
        job = self.job
        if job is not None and self.stopped:
            self._request("continuing", lambda client, _task: client.resume_job(job["id"]), needs="train")

    def follow(self, job: Mapping[str, Any] | None) -> None:
        """Follow another job, or none."""
        self._cancel_calls()
        self.log = ""
        self._take(job)
        if self._follow_log:
            self._ask()

    def follow_log(self, wanted: bool) -> None:
        """Read the log too, from now on or no more."""
        self._follow_log = wanted
        if wanted:
            self._ask()

    def stop(self) -> None:
        """Ask no more; the training goes on."""
        self._cancel_calls()
        self._timer.stop()

    def look_again(self) -> None:
        """Ask now, and go on asking when it runs."""
        if self.job is not None:
            self._ask()
            self._watch()

    # --- parts ---

    def _cancel_calls(self) -> None:
        for task in (self._asking, self._requesting):
            if task is not None:
                task.cancel()
        self._asking = self._requesting = None
        self.busy = ""

    def _request(self, what: str, work: Callable[[Any, Any], Mapping[str, Any]], needs: str = "read") -> None:
        if self.busy:
            return
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None
        self.busy = what
        self.changed.emit()
        self._requesting = self.session.engine.call(work, self._answered, self._refused, needs=needs)

    def _answered(self, job: Mapping[str, Any]) -> None:
        self._requesting = None
        self.busy = ""
        self._take(job)

    def _refused(self, error: FractureAIError) -> None:
        self._requesting = None
        self.busy = ""
        self.changed.emit()
        self.failed.emit(error)
        self._watch()

    def _ask(self) -> None:
        """Ask for the job, unless an answer is still awaited."""
        if self.job is None or self._asking is not None or self._requesting is not None:
            return
        id_, with_log = self.job["id"], self._follow_log

        def work(client, _task):
            return client.job(id_), client.job_log(id_) if with_log else ""

        self._asking = self.session.engine.call(work, self._told, self._not_told)

    def _told(self, answer: tuple[Mapping[str, Any], str]) -> None:
        self._asking = None
        self._unanswered = 0
        job, log = answer
        if self._follow_log:
            self.log = log
        self._take(job)

    def _not_told(self, error: FractureAIError) -> None:
        self._asking = None
        self._unanswered += 1
        if self._unanswered == PATIENCE:
            self.failed.emit(error)

    def _take(self, job: Mapping[str, Any] | None) -> None:
        was_running = self.running
        self.job = None if job is None else dict(job)
        self._watch()
        self.changed.emit()
        if was_running and not self.running and self.job is not None:
            self.ended.emit(self.job)

    def _watch(self) -> None:
        self.session.engine.occupied = self.running
        if self.running:
            many = self.job is not None and len(self.job["history"]) > MANY_EPOCHS
            interval = SLOW_POLL_MS if many else POLL_MS
            if self._timer.interval != interval or not self._timer.active:
                self._timer.start(interval)
        else:
            self._timer.stop()
