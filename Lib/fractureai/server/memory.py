"""Give memory back after large radiographs, so that a server that runs for weeks stays small."""

from __future__ import annotations

import ctypes
import gc
import sys
import threading
from collections.abc import Callable

_PAUSE_S = 1.0
_MMAP_THRESHOLD, _ARENA_MAX = -3, -8  # of malloc.h
_LARGE_BYTES, _ARENAS = 256 * 1024, 4


class Housekeeper:
    """A thread that tidies up shortly after work: at most once a second, never while nothing happens.

    Radiographs are large, and what read them (parsed headers, errors with their tracebacks) refers to itself in circles
    that Python finds late; and the C library keeps freed memory for itself.
    """

    def __init__(self) -> None:
        self._work_ended = threading.Event()
        self._closed = threading.Event()
        self._trim = _trim_function()
        self._thread = threading.Thread(target=self._run, name="memory", daemon=True)

    def start(self) -> None:
        """Begin; what is in memory now is taken for lasting."""
        gc.collect()
        gc.freeze()
        self._thread.start()

    def notify(self) -> None:
        """Say that work has ended."""
        self._work_ended.set()

    def close(self) -> None:
        """End the thread."""
        self._closed.set()
        self._work_ended.set()

    def _run(self) -> None:
        while not self._closed.is_set():
            self._work_ended.wait()
            self._closed.wait(_PAUSE_S)
            self._work_ended.clear()
            gc.collect()
            self._trim()


def _trim_function() -> Callable[[], object]:
    """Return what makes the C library give freed memory back to the system; nothing where it does so itself."""
    library = _c_library()
    return (lambda: library.malloc_trim(0)) if library is not None else lambda: None


def keep_small() -> None:
    """Tell the C library (glibc; mallopt(3)) to take large blocks from the system one by one and give each back.

    By itself it puts blocks of up to 32 MiB, which radiographs are, into pools once one was freed; the pools get holes,
    and the process grows.
    """
    library = _c_library()
    if library is not None:
        library.mallopt(_MMAP_THRESHOLD, _LARGE_BYTES)
        library.mallopt(_ARENA_MAX, _ARENAS)


def _c_library() -> ctypes.CDLL | None:
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "malloc_trim") and hasattr(library, "mallopt") else None
