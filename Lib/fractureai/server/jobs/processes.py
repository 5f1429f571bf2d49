"""A job's processes: started as a tree of their own, and ended as a whole, also what left the tree.

Every process of a job carries the variable ``FRACTUREAI_JOB`` with the job's folder in its environment. So also a
process whose parent has ended, or that made a session of its own, is found and ended.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

MARK = "FRACTUREAI_JOB"
_GENTLE_S = 1.0
_KILL_S = 2.0


def start(command: Sequence[str], folder: Path, log: Path) -> subprocess.Popen[bytes]:
    """Start a job's process in a session (on Windows: a process group, without a window) of its own.

    Args:
        command: program and arguments.
        folder: of the job; the working directory.
        log: receives what the process prints, at its end.
    """
    environment = {**os.environ, MARK: str(folder), "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1", "MPLBACKEND": "Agg"}
    environment["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # cuda:1 is the card that health calls so
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
    with log.open("ab") as sink:
        return subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            creationflags=flags,
        )


def find(folder: Path, pid: int = 0) -> list[psutil.Process]:
    """Return all processes of a job that run: those below ``pid``, and all that carry the job's mark."""
    found: dict[int, psutil.Process] = {}
    wanted = str(folder)
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get(MARK) == wanted:
                found[process.pid] = process
    if pid in found:  # only where it is the job's: the number may belong to somebody else by now
        with contextlib.suppress(psutil.Error):
            found |= {child.pid: child for child in found[pid].children(recursive=True)}
    return [process for process in found.values() if _runs(process)]


def stop(folder: Path, pid: int = 0) -> bool:
    """End all processes of a job: asked first, then forced; within about three seconds.

    Returns:
        Whether all of them are gone.
    """
    asked = find(folder, pid)
    for process in asked:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    psutil.wait_procs(asked, timeout=_GENTLE_S)
    end = time.monotonic() + _KILL_S
    while left := find(folder, pid):
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(left, timeout=0.2)
        if time.monotonic() > end:
            return False
    return True


def _runs(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    return False
