"""`python -m slicerhost [--self-test] MODULE.py`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path


def main(arguments: list[str] | None = None) -> int:
    """Open a scripted module in a window, or run its own test; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m slicerhost", description="Run a 3D Slicer scripted module without Slicer."
    )
    parser.add_argument("module", type=Path, metavar="MODULE.py", help="the module's file")
    parser.add_argument(
        "--self-test", action="store_true", help="run the module's test class; exit code 0 when it passes"
    )
    parser.add_argument("--limit", type=float, metavar="SECONDS", help="end a test that takes longer")
    options = parser.parse_args(arguments)
    from .errors import HostError
    from .runner import log_to_console, run, self_test

    log_to_console()
    try:
        if options.self_test:
            return self_test(options.module, limit_s=options.limit)
        return run(options.module)
    except HostError as error:
        print(f"{error}.", file=sys.stderr)
        return 2


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # the order in which Qt, VTK and Python let go of each other is nobody's
