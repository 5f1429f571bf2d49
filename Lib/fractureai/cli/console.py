"""How a command talks: results on stdout, what is going on on stderr, JSON alone on stdout when asked for."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Annotated, Any

import typer

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else there.")]


WIDTH = 110
"""Columns of a table where stdout is no terminal."""


def step(text: str) -> None:
    """Print one line on stderr that says what is going on, in a command of several long steps."""
    from rich.console import Console

    Console(stderr=True, highlight=False).print(text, markup=False, soft_wrap=True)


def status(text: str) -> AbstractContextManager[object]:
    """Say on a terminal what is going on while the block runs; elsewhere say nothing."""
    from rich.console import Console

    console = Console(stderr=True)
    return console.status(text) if console.is_terminal else nullcontext()


def error_line(text: str) -> None:
    """Print exactly one line on stderr."""
    print(" ".join(text.split()), file=sys.stderr, flush=True)


def result(text: str) -> None:
    """Print a line of the result on stdout."""
    print(text, flush=True)


def result_json(document: Mapping[str, Any]) -> None:
    """Print the JSON document of a command on stdout; in ASCII, so that no terminal's encoding can spoil it."""
    print(json.dumps(document, indent=2, allow_nan=False), flush=True)


def result_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table on stdout; the first column is left-aligned, the others right."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title or None, title_justify="left")
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else WIDTH).print(table)


class ProgressBar:
    """A bar with the time left on stderr; where stderr is no terminal, a line now and then (so none in a short run).

    Args:
        title: what is going on, a few words.
        interval_s: time between lines where there is no terminal.
    """

    def __init__(self, title: str, interval_s: float = 15.0) -> None:
        self._title = title
        self._interval_s = interval_s
        self._bar: Any = None
        self._started = self._printed = time.monotonic()

    def __enter__(self) -> ProgressBar:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

        console = Console(stderr=True)
        if not console.is_terminal:
            return self
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
        )
        self._bar = Progress(
            *columns, TextColumn("{task.fields[left]}"), console=console, transient=True, redirect_stdout=False
        )
        self._bar.start()
        self._task = self._bar.add_task(self._title, total=None, left="")
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def advance(self, done: float, total: float, text: str = "", seconds_left: float | None = None) -> None:
        """Move the bar.

        Args:
            done, total: amount of work, in any unit.
            text: what is going on just now.
            seconds_left: an estimate, where the caller has a better one than elapsed time x work left / work done.
        """
        now = time.monotonic()
        if seconds_left is None and done > 0:
            seconds_left = (now - self._started) * (total - done) / done
        left = "" if seconds_left is None else f"{duration(seconds_left)} left"
        words = f"{self._title}: {text}" if text else self._title
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=total, description=words, left=left)
        elif now - self._printed >= self._interval_s:
            self._printed = now
            step(f"  {words}: {100 * done / max(total, 1e-9):.0f} %{', ' + left if left else ''}")


def duration(seconds: float) -> str:
    """Return seconds as ``2 min 05 s`` or ``7 s``."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
