"""Running a module: in a window for people, or its own test with an exit code."""

from __future__ import annotations

import faulthandler
import logging
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from . import probe
from .errors import HostError
from .start import load_module, module_widget, start, stop


def run(path: str | Path, *, ready: Callable[[Any], None] | None = None) -> int:
    """Open a window with the module; returns Qt's exit code when it is closed.

    `ready` is called with the module's widget object once everything is up.

    Raises HostError when there is no screen, nothing can be drawn, or the module's file is not there.
    """
    _require_file(path)
    probe.prepare(window=True)
    probe.require_drawing()
    slicer = start()
    window, widget = open_window(path)
    if ready is not None:
        ready(widget)
    code = int(slicer.app.exec())
    close_window(window)
    return code


def open_window(path: str | Path) -> tuple[Any, Any]:
    """Load a module and show it in the main window; returns the window and the module's widget object."""
    import slicer

    from .window import MainWindow

    window = MainWindow()
    module = load_module(path)
    widget, panel = module_widget(module.name)
    window.set_module(module.title, panel, module)
    window.show()
    slicer.app.processEvents()
    slicer.app.startupCompleted.emit()
    slicer.app.processEvents()
    return window, widget


def close_window(window: Any) -> None:
    """Unload the modules, close the window, and let go of the scene's observers."""
    import slicer

    window.close()
    stop()
    slicer.app.layoutManager().finalize()
    slicer.app.processEvents()


def self_test(path: str | Path, *, limit_s: float | None = None) -> int:
    """Run the test class of a module through its real panel in the real window.

    Message boxes are skipped as in Slicer's testing mode; settings go to a temporary folder. An exception anywhere - in
    the test, in a slot, in an observer, in a thread - is a failure. The last line printed is a summary.

    Returns 0 for success, 1 for a failure; after `limit_s` seconds the process ends with all stacks printed.

    Raises HostError when nothing can be drawn or the module's file is not there.
    """
    _require_file(path)
    probe.prepare(window=False)
    probe.require_drawing()
    if limit_s is not None:
        faulthandler.dump_traceback_later(limit_s, exit=True)
    name, began = Path(path).stem, time.monotonic()
    with tempfile.TemporaryDirectory() as folder, _uncaught() as errors:
        try:
            _run_test(path, name, Path(folder))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever the test raises is its result
            traceback.print_exc()
            errors.insert(0, f"{type(error).__name__}: {error}")
    faulthandler.cancel_dump_traceback_later()
    seconds = time.monotonic() - began
    sys.stderr.flush()
    if errors:
        print(f"FAILED {name}Test after {seconds:.1f} s: {len(errors)} error(s), the first: {errors[0]}", flush=True)
        return 1
    print(f"passed {name}Test in {seconds:.1f} s", flush=True)
    return 0


def _run_test(path: str | Path, name: str, settings: Path) -> None:
    from .settings import keep_settings_in

    keep_settings_in(settings)
    slicer = start()
    slicer.app.setTestingEnabled(True)
    window, _ = open_window(path)
    try:
        slicer.selfTests[name](msec=100)
        slicer.app.processEvents()
    finally:
        close_window(window)


@contextmanager
def _uncaught() -> Iterator[list[str]]:
    """Exceptions that nobody handles, as texts: those in slots and observers only reach `sys.excepthook`."""
    errors: list[str] = []
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook

    def in_slot(kind: type[BaseException], error: BaseException, trace: Any) -> None:
        errors.append(f"{kind.__name__}: {error}")
        hooks[0](kind, error, trace)

    def in_thread(arguments: threading.ExceptHookArgs) -> None:
        errors.append(f"{arguments.exc_type.__name__} in a thread: {arguments.exc_value}")
        hooks[1](arguments)

    def unraisable(arguments: Any) -> None:
        errors.append(f"{arguments.exc_type.__name__}: {arguments.exc_value}")
        hooks[2](arguments)

    sys.excepthook, threading.excepthook, sys.unraisablehook = in_slot, in_thread, unraisable
    try:
        yield errors
    finally:
        sys.excepthook, threading.excepthook, sys.unraisablehook = hooks


def _require_file(path: str | Path) -> None:
    if not Path(path).is_file():
        raise HostError(f"There is no module file {path}")


def log_to_console(level: int = logging.INFO) -> None:
    """Print what modules log, as Slicer's console does."""
    logging.basicConfig(level=level, format="%(levelname)s %(message)s")
