"""radiographs.csv: one row for each radiograph of a dataset."""

from __future__ import annotations

import csv
import io
import math
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from fractureai.errors import DatasetError

STRATA = ("", "general", "hard")


@dataclass(frozen=True)
class RadiographRow:
    """What the dataset knows about one radiograph without opening it.

    Attributes:
        id: SOP Instance UID; identifies the radiograph in annotations.
        study: Study Instance UID; the radiographs of one study share it.
        patient: pseudonym of the patient; the unit of splits.
        view, side: as the header says, or as given by the user; ``unknown`` where nobody said.
        file: path with forward slashes, relative to the dataset's folder, or absolute.
        sha256: of the file, 64 hexadecimal digits; "" when not computed.
        row_spacing_mm, col_spacing_mm: given by the user for a file without spacing; else None.
        age_years: of the patient at the study, or None.
        sex: ``F``, ``M``, ``O`` or "".
        date: of the study, ``YYYYMMDD`` or "".
        stratum: ``general``, ``hard`` (invisible to most readers, known from CT) or "".
        description: free text.
        extra: further columns of the table, name -> text.
    """

    id: str
    study: str = ""
    patient: str = ""
    view: str = "unknown"
    side: str = "unknown"
    file: str = ""
    sha256: str = ""
    row_spacing_mm: float | None = None
    col_spacing_mm: float | None = None
    age_years: float | None = None
    sex: str = ""
    date: str = ""
    stratum: str = ""
    description: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def spacing_mm(self) -> tuple[float, float] | None:
        """(row, column) spacing given by the user, or None."""
        if self.row_spacing_mm is None or self.col_spacing_mm is None:
            return None
        return self.row_spacing_mm, self.col_spacing_mm

    @property
    def group(self) -> str:
        """What must stay together in a split: the patient; where unknown the study; where unknown the radiograph."""
        return self.patient or self.study or self.id


COLUMNS = tuple(f.name for f in fields(RadiographRow) if f.name != "extra")
_NUMBERS = ("row_spacing_mm", "col_spacing_mm", "age_years")


class _LineFeeds:
    """Takes the lines of a CSV writer and ends them with a line feed.

    The writer itself must end them with CR LF, or it does not quote texts that hold a carriage return.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []

    def write(self, line: str) -> None:
        """Take one line."""
        self.lines.append(line.removesuffix("\r\n") + "\n")


def rows_to_csv(rows: Iterable[RadiographRow]) -> bytes:
    """Return rows as the content of radiographs.csv (UTF-8, comma, line feed); same rows, same bytes.

    Raises:
        ValueError: a text holds a NUL character or half a surrogate pair.
    """
    rows = tuple(rows)
    extra = list(dict.fromkeys(name for row in rows for name in row.extra))
    sink = _LineFeeds()
    writer = csv.writer(sink)
    writer.writerow([*COLUMNS, *extra])
    for row in rows:
        values = [getattr(row, name) for name in COLUMNS] + [row.extra.get(name, "") for name in extra]
        writer.writerow(["" if v is None else repr(float(v)) if isinstance(v, (int, float)) else v for v in values])
    text = "".join(sink.lines)
    if "\0" in text:
        raise ValueError("a text holds a NUL character")
    return text.encode("utf-8")


def rows_from_csv(data: bytes, path: Path, *, unique: bool = True) -> tuple[RadiographRow, ...]:
    """Parse the content of radiographs.csv.

    A byte order mark and semicolons, as some spreadsheet programs write them, are accepted.

    Args:
        data: the content.
        path: named in errors.
        unique: False to let ids be repeated, for finding all of them.

    Raises:
        DatasetError: it is not UTF-8, ``id`` is missing or repeated, a number is none, or a row has too many cells.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DatasetError(path, "it is not UTF-8 text", "save it as CSV UTF-8") from error
    first = text.split("\n", 1)[0]
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=";" if first.count(";") > first.count(",") else ",")
    try:
        header = next(lines, [])
        if "id" not in header or len(set(header)) != len(header):
            raise DatasetError(path, f"its first line must name each column once, {', '.join(COLUMNS)}", "restore it")
        foreign = [name for name in header if name not in COLUMNS]
        rows = tuple(_row(header, foreign, cells, path, lines.line_num) for cells in lines if cells)
    except csv.Error as error:
        raise DatasetError(path, f"line {lines.line_num} is not valid CSV ({error})", "correct it") from error
    if unique:
        check_unique_ids(rows, path)
    return rows


def id_key(radiograph: str) -> str:
    """Return what two ids share that file systems can not keep apart: letter case and the spelling of accents."""
    return unicodedata.normalize("NFC", radiograph).casefold()


def check_unique_ids(rows: Iterable[RadiographRow], path: Path) -> None:
    """Refuse two rows of one id (`id_key`).

    Raises:
        DatasetError: an id is repeated.
    """
    seen: set[str] = set()
    for row in rows:
        key = id_key(row.id)
        if key in seen:
            raise DatasetError(path, f"radiograph {row.id} is there twice", "keep one of the rows")
        seen.add(key)


def _row(header: list[str], foreign: list[str], cells: list[str], path: Path, line: int) -> RadiographRow:
    if len(cells) > len(header):
        raise DatasetError(path, f"line {line} has {len(cells)} cells, the header {len(header)}", "correct the line")
    table = dict(zip(header, cells, strict=False))
    if not table["id"]:
        raise DatasetError(path, f"line {line} has no id", "correct the line")
    numbers = {name: _number(table.pop(name, ""), name, path, line) for name in _NUMBERS}
    extra = {name: table.pop(name) for name in foreign if name in table}
    return RadiographRow(**table, **numbers, extra={name: text for name, text in extra.items() if text})  # type: ignore[arg-type]


def _number(text: str, name: str, path: Path, line: int) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0 or (value == 0 and name != "age_years"):
        raise DatasetError(path, f"line {line}: {name} is {text!r}, not a positive number", "correct or empty the cell")
    return value
