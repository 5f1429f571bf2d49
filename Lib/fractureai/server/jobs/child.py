"""The process of one job: ``python -m fractureai.server.jobs.child FOLDER``.

It writes its progress, its result or its one-sentence error into the job's events, everything else (what libraries
print, stack traces) into its log. It ends itself, with its whole session, when the server that started it is gone.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
import time
import traceback
import warnings
from pathlib import Path

from fractureai.errors import FractureAIError
from fractureai.server.jobs import processes
from fractureai.server.jobs.events import Reporter
from fractureai.server.jobs.folder import append_event, read_job
from fractureai.server.jobs.model import utc_now

_WATCH_S = 0.5
_NEEDS = {"torch": "train", "monai": "train", "onnxruntime": "read", "sklearn": "evaluate", "statsmodels": "evaluate"}


def main(folder: Path) -> int:
    """Do the job in a folder; return the exit code."""
    _watch_parent(folder)
    warnings.filterwarnings("ignore", category=FutureWarning)
    job = read_job(folder)
    print(f"{utc_now()} {job.kind}, process {os.getpid()}", flush=True)
    report = Reporter(folder)
    try:
        from fractureai.server.jobs import work

        result = work.KINDS[job.kind](job, folder, report)
    except Exception as error:  # noqa: BLE001  # the sentence must be written, whatever it was
        traceback.print_exc()
        append_event(folder, "error", {"text": _sentence(error, job.kind)})
        return 1
    report.step("done", 1.0)
    append_event(folder, "result", result)
    return 0


def _sentence(error: Exception, kind: str) -> str:
    """Return what a person is told about an exception."""
    if isinstance(error, FractureAIError):
        return str(error)
    if isinstance(error, ModuleNotFoundError):
        return _missing(error)
    if isinstance(error, MemoryError):
        return "Memory ran out; close other programs, or use a recipe with smaller images or batches."
    if isinstance(error, OSError):
        return _refused(error)
    return f"The job ({kind}) ended with a mistake of FractureAI; its log says more."


def _missing(error: ModuleNotFoundError) -> str:
    extra = _NEEDS.get(str(error.name).split(".")[0], "train")
    return f"{error.name} is needed for this and is not installed; install what {extra} needs, then continue."


def _refused(error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return "The disk is full; free some space, then continue."
    return f"{error.filename or 'A file'}: {error.strerror or error}; correct that, then continue."


def _watch_parent(folder: Path) -> None:
    """End all processes of this job when the server is gone."""
    parent = os.getppid()

    def watch() -> None:
        while _is_there(parent):
            time.sleep(_WATCH_S)
        print(f"{utc_now()} the server is gone; this job ends", flush=True)
        for process in processes.find(folder):
            process.kill()
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="fractureai-parent").start()


def _is_there(parent: int) -> bool:
    if os.name != "nt":
        return os.getppid() == parent
    import psutil

    return psutil.pid_exists(parent)


if __name__ == "__main__":
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    sys.exit(main(Path(sys.argv[1])))
