"""The jobs of a work folder: queued, run one at a time on each device, watched, stopped, and found again.

What holds after a crash of the server, in whatever moment:

* A queued job is queued, and starts.
* No job outlives its server: a job's process ends itself within two seconds after the server is gone (see
  `fractureai.server.jobs.child`), and the next server ends what is left before it touches the job's files. The job is
  ``interrupted``; when it is resumed, training goes on from its last checkpoint, which is at most one epoch old.
* A job whose process had finished is ``done``: its result is among its events.
* Two servers on one work folder (two windows) do no harm: the second one shows the jobs and starts none.
"""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fractureai.dataset.files import TEMPORARY_SUFFIX
from fractureai.errors import FractureAIError
from fractureai.server.errors import ApiError
from fractureai.server.jobs import lanes, processes
from fractureai.server.jobs.errors import JobConflictError, UnknownJobError
from fractureai.server.jobs.folder import JOB, LOG, OUT, append_event, log_tail, read_job, write_job
from fractureai.server.jobs.live import NO_PROGRESS, Live
from fractureai.server.jobs.lock import OwnerLock
from fractureai.server.jobs.model import FINAL, RESUMABLE, Job, job_to_json, new_job, utc_now
from fractureai.server.jobs.parameters import check_parameters

INTERRUPTED = "The engine ended while this ran; continue it, and it goes on where it stopped."
MOST_JOBS = 2000
_TICK_S = 0.1
_AFTER_TROUBLE_S = 2.0
_LOG = logging.getLogger(__name__)

Register = Callable[[Path], Mapping[str, Any]]


class JobStore:
    """The jobs of one work folder; safe to be used from many threads.

    Args:
        work: the folder; jobs lie in ``work/jobs``.
        roots: folders that jobs may read and write, besides the work folder.
        register: takes the bundle that a training made into the models and returns the model; None: it stays where
            it is.
        bundle_folder: returns the folder of a registered model by its id.
        python: the program that runs a job.
    """

    def __init__(
        self,
        work: Path,
        roots: Sequence[Path] = (),
        *,
        register: Register | None = None,
        bundle_folder: Callable[[str], Path] | None = None,
        python: str = sys.executable,
    ) -> None:
        self.folder = Path(work).absolute() / "jobs"
        self.roots = (*map(Path, roots), Path(work).absolute())
        self._register, self._bundle_folder, self._python = register, bundle_folder, python
        self._guard = threading.RLock()
        self._jobs: dict[str, Job] = {}
        self._live: dict[str, Live] = {}
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._cancelled: set[str] = set()
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = OwnerLock(self.folder / ".lock")
        self.is_owner = False

    # --- life ---

    def start(self) -> None:
        """Find the jobs of earlier runs, and start to work."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.is_owner = self._lock.take()
        with self._guard:
            if self.is_owner:
                self._tidy()
            self._load()
            if self.is_owner:
                for job in list(self._jobs.values()):
                    if job.state == "running":
                        self._recover(job)
                self._thread = threading.Thread(target=self._work, name="fractureai-jobs", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """End the processes of all jobs, in some seconds; running ones become ``interrupted``, queued ones stay."""
        self._stopping.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        for id in list(self._children):
            processes.stop(self.folder / id, self._children[id].pid)
        with self._guard:
            for id in list(self._children):
                self._finish(self._jobs[id])
        self._lock.free()

    @property
    def is_stopping(self) -> bool:
        """Whether `stop` was called; streams of events end then."""
        return self._stopping.is_set()

    # --- what clients ask ---

    def create(self, kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """Check and queue a job.

        Raises:
            JobRequestError: the parameters make no sense.
            JobConflictError: another server runs the jobs of this work folder.
        """
        self._must_own()
        parameters = check_parameters(kind, given, self.roots, self._bundle_folder)
        with self._guard:
            if len(self._jobs) >= MOST_JOBS:
                raise JobConflictError(f"There are {MOST_JOBS} jobs already; delete old ones from the work folder.")
            job = new_job(kind, parameters)
            (self.folder / job.id).mkdir()
            self._keep(job)
            shown = self._shown(job)
        self._wake.set()
        return shown

    def jobs(self) -> list[dict[str, Any]]:
        """Return all jobs, newest first."""
        with self._guard:
            if not self.is_owner:
                self._load()
            return [self._shown(job) for job in sorted(self._jobs.values(), key=lambda job: job.created)[::-1]]

    def job(self, id: str) -> dict[str, Any]:
        """Return one job.

        Raises:
            UnknownJobError: there is none of this id.
        """
        with self._guard:
            return self._shown(self._find(id))

    def state(self, id: str) -> str:
        """Return the state of a job.

        Raises:
            UnknownJobError: there is none of this id.
        """
        with self._guard:
            return self._find(id).state

    def result_file(self, id: str, name: str) -> Path:
        """Return a file that a job made: its ``report`` or the ``file`` of an export.

        Raises:
            UnknownJobError: there is no such job, or it made no such file.
        """
        with self._guard:
            path = self._find(id).result.get(name)
        if not isinstance(path, str) or not Path(path).is_file():
            raise UnknownJobError(f"This job has no {name}.")
        return Path(path)

    def log(self, id: str) -> str:
        """Return the end of a job's log.

        Raises:
            UnknownJobError: there is none of this id.
        """
        return log_tail(self.path(id))

    def path(self, id: str) -> Path:
        """Return the folder of a job.

        Raises:
            UnknownJobError: there is none of this id.
        """
        with self._guard:
            return self.folder / self._find(id).id

    def cancel(self, id: str) -> dict[str, Any]:
        """Take a job out of the queue, or end its processes; returns when they are gone.

        Raises:
            UnknownJobError: there is none of this id.
            JobConflictError: it does not run any more, or its processes do not end.
        """
        self._must_own()
        with self._guard:
            job = self._find(id)
            if job.state == "queued":
                self._keep(replace(job, state="cancelled", finished=utc_now()))
                return self.job(id)
            child = self._children.get(id)
            if child is None:
                raise JobConflictError(f"This job is {job.state}; there is nothing to cancel.")
            self._cancelled.add(id)
        if not processes.stop(self.folder / id, child.pid):
            raise JobConflictError("The job's process does not end; restart the computer if it goes on.")
        child.wait()
        self._step()
        return self.job(id)

    def resume(self, id: str) -> dict[str, Any]:
        """Queue a job again that was stopped or failed; it goes on with what it has.

        Raises:
            UnknownJobError: there is none of this id.
            JobConflictError: it is queued, runs or is done.
        """
        self._must_own()
        with self._guard:
            job = self._find(id)
            if job.state not in RESUMABLE:
                raise JobConflictError(f"This job is {job.state}; only one that was stopped or failed can go on.")
            self._keep(replace(job, state="queued", error="", finished=""))
        self._wake.set()
        return self.job(id)

    # --- parts ---

    def _must_own(self) -> None:
        if not self.is_owner:
            raise JobConflictError(
                "Another FractureAI runs the jobs of this work folder; close it, or use its window for this."
            )

    def _find(self, id: str) -> Job:
        if not self.is_owner:
            self._load()
        if id not in self._jobs:
            raise UnknownJobError(f"There is no job {id[:80]}.")
        return self._jobs[id]

    def _shown(self, job: Job) -> dict[str, Any]:
        live = self._live.get(job.id)
        if live is not None:
            live.update()
        table = job_to_json(job)
        del table["pid"]
        return {
            **table,
            "progress": dict(live.progress if live else NO_PROGRESS),
            "history": live.history if live else [],
        }

    def _tidy(self) -> None:
        """Remove what a server left that was killed while it wrote."""
        for path in self.folder.iterdir():
            for left in path.glob(f".{JOB}.*{TEMPORARY_SUFFIX}"):
                left.unlink(missing_ok=True)
            if path.is_dir() and not any(path.iterdir()):  # nobody was told of a job that was not written yet
                path.rmdir()

    def _load(self) -> None:
        """Read the folders of all jobs."""
        for path in sorted(self.folder.iterdir()):
            if not (path / JOB).is_file():
                continue
            try:
                job = read_job(path)
            except (ValueError, OSError) as error:
                job = Job(path.name, "train", {}, "failed", error=f"{path / JOB}: it can not be read ({error}).")
            if job.id == path.name:
                self._jobs[job.id] = job
                self._live.setdefault(job.id, Live(path))

    def _recover(self, job: Job) -> None:
        """Settle a job that a server left running which is gone."""
        if not processes.stop(self.folder / job.id, job.pid):
            _LOG.warning("A process of job %s does not end.", job.id)
        self._finish(job, stopped=True)

    def _keep(self, job: Job) -> None:
        """Write a job's state and tell those who listen."""
        folder = self.folder / job.id
        before = self._jobs.get(job.id)
        write_job(folder, job)
        self._jobs[job.id] = job
        self._live.setdefault(job.id, Live(folder))
        if before is None or before.state != job.state:
            append_event(folder, "state", {"state": job.state, "error": job.error, "result": dict(job.result)})

    def _work(self) -> None:
        while not self._stopping.is_set():
            try:
                self._step()
            except (OSError, FractureAIError) as error:  # a full disk: later again
                _LOG.warning("jobs: %s", type(error).__name__)
                self._stopping.wait(_AFTER_TROUBLE_S)
            self._wake.wait(_TICK_S)
            self._wake.clear()

    def _step(self) -> None:
        with self._guard:
            for job in [job for job in self._jobs.values() if job.state == "running"]:
                child = self._children.get(job.id)
                if child is None or child.poll() is not None:
                    self._finish(job)
            if self._stopping.is_set():
                return
            for job in sorted(self._jobs.values(), key=lambda job: job.created):
                if job.state == "queued" and self._is_free(lanes.device_of(job)):
                    self._begin(job)

    def _is_free(self, device: str) -> bool:
        return not any(lanes.collide(device, lanes.device_of(self._jobs[id])) for id in self._children)

    def _begin(self, job: Job) -> None:
        folder = self.folder / job.id
        # Said before it is true: a server that dies in between leaves a job that is looked after at the next start.
        job = replace(job, state="running", started=utc_now(), finished="", error="", result={})
        self._keep(job)
        command = [self._python, "-s", "-m", "fractureai.server.jobs.child", str(folder)]
        try:
            child = processes.start(command, folder, folder / LOG)
        except OSError as error:
            sentence = f"The job's process could not be started ({error.strerror})."
            self._keep(replace(job, state="failed", error=sentence, finished=utc_now()))
            return
        self._children[job.id] = child
        self._keep(replace(job, pid=child.pid))

    def _finish(self, job: Job, *, stopped: bool = False) -> None:
        """Settle a job whose process has ended; what it left running is ended, too."""
        child = self._children.get(job.id)
        if child is not None:
            processes.stop(self.folder / job.id)
        for left in (self.folder / job.id / OUT).rglob(f".*{TEMPORARY_SUFFIX}"):  # cut off while it was written
            left.unlink(missing_ok=True)
        live = self._live[job.id]
        live.update()
        ended = replace(job, finished=utc_now(), pid=0)
        if live.result is not None:
            self._keep(replace(ended, state="done", result=self._registered(live.result)))
        elif job.id in self._cancelled:
            self._keep(replace(ended, state="cancelled"))
        elif stopped or self._stopping.is_set():
            self._keep(replace(ended, state="interrupted", error=INTERRUPTED))
        else:
            code = child.returncode if child is not None else None
            self._keep(replace(ended, state="failed", error=live.error or _unexpected_end(code)))
        self._children.pop(job.id, None)  # last: what could not be written on a full disk is tried again
        self._cancelled.discard(job.id)

    def _registered(self, result: Mapping[str, Any]) -> dict[str, Any]:
        """Return a result with the model that its bundle became."""
        if self._register is None or not result.get("bundle") or result.get("model"):
            return dict(result)
        try:
            model = self._register(Path(result["bundle"]))
        except (FractureAIError, ApiError) as error:
            return {**result, "problems": [*result.get("problems", []), str(error)]}
        return {**result, "model": model.get("id")}

    def delete(self, id: str) -> None:
        """Remove a job that has ended, with everything in its folder.

        Raises:
            UnknownJobError: there is none of this id.
            JobConflictError: it is queued or runs.
        """
        self._must_own()
        with self._guard:
            job = self._find(id)
            if job.state not in FINAL:
                raise JobConflictError(f"This job is {job.state}; cancel it first.")
            del self._jobs[id], self._live[id]
            (self.folder / id / JOB).unlink(missing_ok=True)
            shutil.rmtree(self.folder / id, ignore_errors=True)


def _unexpected_end(code: int | None) -> str:
    if code is not None and code in (-9, 137):
        return "The job's process was killed, most often because memory ran out; see its log, or continue it."
    return "The job's process ended unexpectedly; see its log, or continue it."
