"""Text files of other programs: read with clear errors, written atomically."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from fractureai.dataset.files import write_atomically
from fractureai.errors import DatasetError

_WIDEST_CELL = 10_000_000
"""Characters; a polygon of VIA stands in one cell."""


def read_text(path: Path) -> str:
    """Read a UTF-8 file; a byte order mark is dropped.

    Raises:
        DatasetError: the file is missing, can not be read or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DatasetError(path, f"it can not be read ({error.strerror})", "check the path") from error
    except UnicodeDecodeError as error:
        raise DatasetError(path, "it is not UTF-8 text", "save it as UTF-8") from error


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file atomically, its folder too.

    Raises:
        DatasetError: it could not be written.
    """
    make_folder(path.parent)
    write_atomically(path, text.encode("utf-8"))


def make_folder(folder: Path) -> None:
    """Create a folder and its parents; it may exist.

    Raises:
        DatasetError: it could not be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatasetError(folder, f"the folder could not be created ({error.strerror})", "choose another") from error


def parse_csv(text: str, source: Path, columns: Iterable[str]) -> tuple[tuple[int, dict[str, str]], ...]:
    """Parse a CSV file with a header line.

    Blanks around names and cells are dropped; a short line is filled up with empty cells.

    Args:
        text: the file's content.
        source: named in errors.
        columns: columns that must be there.

    Returns:
        For each line its number in the file and its cells by column.

    Raises:
        DatasetError: a column is missing, or it is not CSV.
    """
    before = csv.field_size_limit(_WIDEST_CELL)
    try:
        lines = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True)
        header = [name.strip() for name in next(lines, [])]
        missing = [name for name in columns if name not in header]
        if missing:
            raise DatasetError(source, f"it has no column {', '.join(missing)}", "check that it is the right file")
        blanks = [""] * len(header)
        return tuple(
            (lines.line_num, dict(zip(header, [*(cell.strip() for cell in cells), *blanks], strict=False)))
            for cells in lines
            if cells
        )
    except csv.Error as error:
        raise DatasetError(source, f"it is not valid CSV ({error})", "export it again") from error
    finally:
        csv.field_size_limit(before)


def to_csv(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> str:
    """Return CSV text with a header line; line feed at the end of each line."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def parse_json(text: str, source: Path) -> dict[str, Any]:
    """Parse JSON whose outermost value is an object.

    Raises:
        DatasetError: it is not JSON, or not an object.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DatasetError(source, f"it is not valid JSON ({error})", "export it again") from error
    if not isinstance(value, dict):
        raise DatasetError(source, "its JSON is not an object", "check that it is the right file")
    return value


def to_json(value: object) -> str:
    """Return indented JSON with a final line feed; NaN is refused."""
    return json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def parse_xml(text: str, source: Path) -> ElementTree.Element:
    """Parse XML without a document type declaration, so that no entity can be declared, expanded or fetched.

    Raises:
        DatasetError: it is not XML, or declares a document type.
    """
    parser = ElementTree.XMLParser(target=_NoDoctype())
    try:
        parser.feed(text)
        root = parser.close()
    except ElementTree.ParseError as error:
        raise DatasetError(source, f"it is not valid XML ({error})", "export it again") from error
    except _DoctypeError as error:
        raise DatasetError(source, "it declares a document type, which is refused", "remove the declaration") from error
    assert isinstance(root, ElementTree.Element)
    return root


class _DoctypeError(Exception):
    pass


class _NoDoctype(ElementTree.TreeBuilder):
    def doctype(self, _name: str, _public: str | None, _system: str | None) -> None:
        raise _DoctypeError


def plain(value: float) -> int | float:
    """Return a whole number as int, so that foreign readers that expect integers find them; else the number."""
    return int(value) if value == int(value) else value
