"""Rows of other programs' CSV files, matched with the studies that are evaluated.

A row belongs to the study that its ``ID`` or ``Fname`` names: by Study Instance UID, SOP Instance UID, file name (with
or without suffix) or, where the patient has one study, patient. Empty cells and ``nan`` mean that nobody read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fractureai.dataset import Annotation, Dataset
from fractureai.dataset.files import encode_name
from fractureai.dataset.formats.records import number
from fractureai.errors import DatasetError
from fractureai.evaluation.cases import CaseResult
from fractureai.evaluation.run import studies

MISSING = ("", "nan", "na", "none")
"""What stands in a cell, in any case, where nobody read."""

_NAMED = 3


class StudyIndex:
    """Finds studies by what a file may call them.

    Args:
        names: kind of name ("study", "radiograph", ...), the surest first -> name -> studies that have it.
    """

    def __init__(self, names: Mapping[str, Mapping[str, set[str]]]) -> None:
        self._names = names

    @classmethod
    def of_dataset(cls, dataset: Dataset, references: Mapping[str, Annotation] | None = None) -> StudyIndex:
        """Index all studies of a dataset; keys as of `studies`."""
        names: dict[str, dict[str, set[str]]] = {kind: {} for kind in ("study", "radiograph", "file", "patient")}
        for key, rows in studies(dataset, None, references).items():
            _add(names["study"], key, [key, encode_name(key)])
            for row in rows:
                _add(names["study"], key, [row.study, encode_name(row.study)] if row.study else [])
                _add(names["radiograph"], key, [row.id, encode_name(row.id)])
                _add(names["file"], key, _file_names(row.file))
                _add(names["patient"], key, [row.patient] if row.patient else [])
        return cls(names)

    @classmethod
    def of_cases(cls, cases: Iterable[CaseResult]) -> StudyIndex:
        """Index cases by study, radiograph (its file's name where nothing else is known) and patient."""
        names: dict[str, dict[str, set[str]]] = {kind: {} for kind in ("study", "file", "patient")}
        for case in cases:
            _add(names["study"], case.study, [case.study])
            for view in case.views:
                _add(names["file"], case.study, _file_names(view.radiograph))
            _add(names["patient"], case.study, [case.patient])
        return cls(names)

    def find(self, *called: str) -> str | None:
        """Return the study that one of these names alone stands for, or None.

        Raises:
            LookupError: the names fit several studies.
        """
        several: tuple[str, int] | None = None
        for word in filter(None, called):
            for known in self._names.values():
                found = known.get(word) or known.get(Path(word.replace("\\", "/")).stem) or set()
                if len(found) == 1:
                    return next(iter(found))
                several = several or ((word, len(found)) if found else None)
        if several:
            raise LookupError(f"{several[0]} stands for {several[1]} studies")
        # An export numbers further radiographs of a view: <study>-2.
        bases = [word.rpartition("-")[0] for word in called if word.rpartition("-")[2].isdigit()]
        return self.find(*bases) if any(bases) else None


@dataclass
class Notes:
    """Collects what could not be used, line by line, into one sentence a kind."""

    path: Path
    lines: dict[str, list[int]] = field(default_factory=dict)

    def add(self, kind: str, line: int) -> None:
        """Note a line; ``kind`` is a clause without a full stop."""
        self.lines.setdefault(kind, []).append(line)

    def sentences(self) -> tuple[str, ...]:
        """Return what was noted."""
        return tuple(f"{self.path.name}: {kind} ({_lines_text(lines)})." for kind, lines in self.lines.items())


def match_rows(
    path: Path,
    rows: Sequence[tuple[int, Mapping[str, str]]],
    index: StudyIndex,
    notes: Notes,
    *,
    unique: bool = True,
) -> list[tuple[int, str, Mapping[str, str]]]:
    """Return (line, study, cells) of the rows that belong to a study; the others are noted.

    Args:
        path: the file.
        rows: number of the line and its cells by column.
        index: of the studies that there are.
        notes: receives what does not count.
        unique: refuse rows that are of the same radiograph and differ.

    Raises:
        DatasetError: an ID stands for several studies, two rows differ, or no row belongs to a study.
    """
    found = []
    seen: dict[tuple[str, ...], tuple[int, Mapping[str, str]]] = {}
    for line, cells in rows:
        try:
            study = index.find(cells["ID"], cells.get("Fname", ""))
        except LookupError as error:
            advice = "write the Study Instance UID, or the file's name in a column Fname"
            raise DatasetError(path, f"line {line}: {error}", advice) from error
        what = (cells["ID"], cells.get("Side", ""), cells.get("Fname", ""))
        if unique and what in seen:
            if seen[what][1] != cells:
                reason = f"lines {seen[what][0]} and {line} are of the same radiograph or study and differ"
                raise DatasetError(path, reason, "keep one of them")
            notes.add("a row is there twice and counts once", line)
            continue
        seen[what] = (line, cells)
        if study is None:
            notes.add("no study, radiograph, file or patient has this ID or Fname, so these rows do not count", line)
        else:
            found.append((line, study, cells))
    if not found:
        example = rows[0][1]["ID"] if rows else ""
        reason = f"none of its {len(rows)} rows belongs to a study that is there" + (f' ("{example}")' if rows else "")
        raise DatasetError(path, reason, "check the column ID against the studies, radiographs, files or patients")
    return found


def zero_or_one(path: Path, line: int, column: str, text: str) -> bool | None:
    """Parse a cell; None where it is empty.

    Raises:
        DatasetError: it is neither 0 nor 1.
    """
    if text.lower() in MISSING:
        return None
    value = number(text)
    if value not in (0, 1):
        advice = "write 1 for a fracture, 0 for none, or leave it empty"
        raise DatasetError(path, f'line {line}: {column} is "{text}"', advice)
    return bool(value)


def _add(names: dict[str, set[str]], study: str, words: Iterable[str]) -> None:
    for word in words:
        names.setdefault(word, set()).add(study)


def _file_names(file: str) -> list[str]:
    path = Path(file.replace("\\", "/"))
    return [file, path.name, path.stem] if file else []


def _lines_text(lines: Sequence[int]) -> str:
    shown = ", ".join(map(str, lines[:_NAMED])) + (", ..." if len(lines) > _NAMED else "")
    return f"{len(lines)} rows: lines {shown}" if len(lines) > 1 else f"line {shown}"
