"""Child processes that are ended with all that they started; with the standard library alone."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

if sys.platform == "win32":
    NO_WINDOW = subprocess.CREATE_NO_WINDOW
    _OWN_GROUP = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
else:
    NO_WINDOW = 0
    _OWN_GROUP = 0


def start(
    command: Sequence[str], environment: Mapping[str, str], output: IO[bytes] | int, folder: Path | None = None
) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own (Windows: without a window); its standard input is a pipe.

    Raises:
        OSError: it can not be started.
    """
    return subprocess.Popen(
        command,
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        creationflags=_OWN_GROUP,
    )


def ask_to_end(process: subprocess.Popen[bytes]) -> None:
    """Close a process's standard input, which `fractureai.engine.launch` takes for Ctrl-C."""
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a process and its session at once, and wait for it."""
    if sys.platform == "win32":
        command = ["taskkill", "/F", "/T", "/PID", str(process.pid)]
        subprocess.run(command, capture_output=True, creationflags=NO_WINDOW, check=False)
    else:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(OSError):
        process.kill()
    process.wait()
    ask_to_end(process)


def stop(process: subprocess.Popen[bytes], timeout_s: float) -> None:
    """End a process: asked first; killed with its session when it has not ended in time."""
    ask_to_end(process)
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        kill(process)
