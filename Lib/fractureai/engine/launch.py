"""Run a module with folders in front of everything else on ``sys.path``, until whoever started it is gone.

    python -s launch.py [--path FOLDER ...] -m MODULE [ARGUMENT ...]

A script of its own because an environment variable is not enough: the start program of 3D Slicer puts its own packages
before PYTHONPATH. Standard input is a pipe from the parent: when it closes, because the parent wants so or was killed,
this process gets an interrupt (Ctrl-C), on every operating system, and has some seconds to end well.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
import time

_GRACE_S = 10.0


def _watch_parent() -> None:
    try:
        while os.read(0, 1):
            pass
    except OSError:
        pass
    signal.raise_signal(signal.SIGINT)
    time.sleep(_GRACE_S)
    os._exit(1)


def main(words: list[str]) -> None:
    """Run the module that the command line names."""
    folders = []
    while words[0] == "--path":
        folders.append(words[1])
        words = words[2:]
    module, arguments = words[1], words[2:]
    sys.path[0:1] = folders  # the first entry is this script's own folder
    if folders:
        os.environ["PYTHONPATH"] = os.pathsep.join(folders)  # for processes that this one starts
    threading.Thread(target=_watch_parent, daemon=True).start()
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
