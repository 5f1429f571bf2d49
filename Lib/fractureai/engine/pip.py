"""pip as a child process that tells how far it is, can be cancelled, and ends with its parent."""

from __future__ import annotations

import importlib.metadata
import os
import queue
import re
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from fractureai.engine import tree
from fractureai.engine.errors import EngineError, InstallCancelledError

LAUNCH = Path(__file__).with_name("launch.py")
Cancelled = Callable[[], bool]

_POLL_S = 0.1
_RAW_PROGRESS_SINCE = (24, 1)
_SIZE = re.compile(r"\((\d+(?:\.\d+)?) ([kMG]?B)\)")
_CONTRARY = ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT")
"""Settings of a user that contradict a folder of our own."""

_UNITS = {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9}


def pip_lines(python: str, arguments: Sequence[str], log: Path, cancelled: Cancelled | None) -> Iterator[str]:
    """Run ``python -m pip`` and return the lines it prints; they also go to a log file.

    Raises:
        InstallCancelledError: ``cancelled`` said so; pip and all it started have ended.
        EngineError: pip is not there, or it failed; the sentence ends with what it said last.
    """
    environment = {name: value for name, value in os.environ.items() if name not in _CONTRARY}
    environment |= {"PYTHONNOUSERSITE": "1", "PYTHONUTF8": "1", "PIP_NO_INPUT": "1", "PIP_USER": "0"}
    environment |= {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_REQUIRE_VIRTUALENV": "0"}
    command = [python, "-s", str(LAUNCH), "-m", "pip", *arguments]
    try:
        process = tree.start(command, environment, subprocess.PIPE)
    except OSError as error:
        raise EngineError(f"{python}: it can not be started ({error.strerror}); choose another Python.") from error
    tail: list[str] = []
    with log.open("a", encoding="utf-8") as sink:
        sink.write("$ " + subprocess.list2cmdline(command) + "\n")
        try:
            for line in _lines(process, cancelled):
                if not line.startswith("Progress "):
                    sink.write(line + "\n")
                    tail = [*tail[-20:], line]
                yield line
        finally:
            tree.kill(process)
    if process.returncode:
        raise EngineError(_failure(tail, log))


def _lines(process: subprocess.Popen[bytes], cancelled: Cancelled | None) -> Iterator[str]:
    lines: queue.Queue[str | None] = queue.Queue()

    def pump() -> None:
        for line in process.stdout or ():
            lines.put(line.decode("utf-8", "replace").rstrip())
        lines.put(None)

    threading.Thread(target=pump, daemon=True, name="fractureai-pip").start()
    while True:
        if cancelled is not None and cancelled():
            raise InstallCancelledError("Cancelled; what was downloaded is kept for the next time.")
        try:
            line = lines.get(timeout=_POLL_S)
        except queue.Empty:
            continue
        if line is None:
            process.wait()
            return
        yield line


def _failure(tail: Sequence[str], log: Path) -> str:
    """Return one sentence on why pip failed."""
    text = " ".join(tail)
    if "No module named pip" in text:
        return "This Python has no pip, so nothing can be installed; use a Python that has it."
    if "No space left" in text:
        return "The disk is full; free some space and try again: what was downloaded is kept."
    if "Could not find a version" in text or "No matching distribution" in text:
        if any(words in text for words in ("NewConnectionError", "Name or service", "getaddrinfo", "timed out")):
            return f"The package index can not be reached; check the network and try again. The log: {log}"
        return f"A package is not to be had for this computer; the log says which: {log}"
    errors = [line.removeprefix("ERROR: ") for line in tail if line.startswith("ERROR:")]
    said = f" ({errors[0].rstrip('.')})" if errors else ""
    return f"The installation failed{said}; check the network and the free space, and try again. The log: {log}"


def progress_options() -> list[str]:
    """Return pip's options for lines that tell how many bytes have come, where this pip has them (24.1 and newer)."""
    try:
        version = importlib.metadata.version("pip")
    except importlib.metadata.PackageNotFoundError:
        return ["--progress-bar", "off"]
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    return ["--progress-bar", "raw" if numbers >= _RAW_PROGRESS_SINCE else "off"]


def bytes_of(line: str) -> float | None:
    """Return the size that a line such as ``Downloading x.whl (12.3 MB)`` gives."""
    match = _SIZE.search(line)
    return float(match.group(1)) * _UNITS[match.group(2)] if match else None


def condensed(line: str) -> str:
    """Return what a line of pip says to a person, or "" where it says nothing new."""
    line = line.strip()
    if line.startswith("Installing collected packages:"):
        return f"Unpacking {line.count(',') + 1} packages (takes a minute or more)"
    if line.startswith("Downloading "):
        words = line.split(" ")
        return "Downloading " + words[1].rsplit("/", 1)[-1].split("-cp3")[0].split("-py3")[0]
    if line.startswith("Using cached "):
        return "Found " + line.split(" ")[2].split("-cp3")[0].split("-py3")[0]
    if line.startswith(("Collecting ", "Building ", "Preparing ", "Processing ")):
        return line.split(" (from ")[0]
    return ""
