"""The reading log: what readers said of the model's readings, one JSON object a line, in a file of their own."""

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fractureai.dataset.files import file_lock, write_atomically
from fractureai.errors import FileError

FILE_NAME = "reading-log.jsonl"
FIELDS = (
    "time",
    "reader",
    "agrees",
    "reason",
    "comment",
    "study",
    "model",
    "decision",
    "refer",
    "probability",
    "threshold",
    "low",
    "high",
    "notice",
)


def entry(reading: Mapping[str, Any], verdict: Any) -> dict[str, Any]:
    """Return one line of the log.

    Args:
        reading: what the model said (reading.schema.json).
        verdict: what a person said of it (`fractureai.scene` Verdict).
    """
    ensemble = reading["ensemble"]
    low, high = ensemble.get("interval") or (None, None)
    return {
        "time": verdict.time,
        "reader": verdict.reader,
        "agrees": verdict.agrees,
        "reason": verdict.reason,
        "comment": verdict.comment,
        "study": reading["study"],
        "model": reading["model"],
        "decision": reading["decision"],
        "refer": reading["refer"],
        "probability": ensemble["probability"],
        "threshold": ensemble["threshold"],
        "low": low,
        "high": high,
        "notice": reading["notice"],
    }


def append(path: str | Path, line: Mapping[str, Any]) -> None:
    """Add a line; the file holds its old or its new content whole at every moment, whoever else writes.

    Raises:
        FileError: the folder is missing, or the file can not be read or written.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FileError(path, "its folder is not there", "choose another file for the reading log in the settings")
    with file_lock(path.with_name(f".{path.name}.lock"), timeout_s=5.0):
        old = _content(path)
        if old and not old.endswith(b"\n"):
            old += b"\n"
        write_atomically(path, old + json.dumps(dict(line), ensure_ascii=False).encode("utf-8") + b"\n")


def entries(path: str | Path) -> tuple[dict[str, Any], ...]:
    """Return the lines of a log, the oldest first; () when there is none yet. A line that is cut off is passed over.

    Raises:
        FileError: the file can not be read.
    """
    found = []
    for text in _content(Path(path)).splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict):
            found.append(line)
    return tuple(found)


def export_csv(path: str | Path, target: str | Path) -> int:
    """Write a log as a table for a spreadsheet; returns the number of rows.

    Raises:
        FileError: the log can not be read, or the table not be written.
    """
    rows = entries(path)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, FIELDS, extrasaction="ignore")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _cell(row.get(name)) for name in FIELDS})
    write_table(target, text.getvalue())
    return len(rows)


def write_table(target: str | Path, text: str) -> None:
    """Write CSV so that spreadsheets know that it is UTF-8.

    Raises:
        FileError: the file can not be written.
    """
    write_atomically(Path(target), text.encode("utf-8-sig"))


def _cell(value: Any) -> Any:
    """Return a value that a spreadsheet does not take for a formula."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{value}"
    return "" if value is None else value


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise FileError(path, f"it can not be read ({error.strerror})", "check its permissions") from error
