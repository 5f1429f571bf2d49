"""Other programs' predictions as DeepWrist wrote them: ``ID, Fname, Side, Fracture_Prediction, Fracture``.

A study's probability is the mean of its views' means. ``Fracture`` is the reference. ``Patient``, ``Age``, ``Sex`` and
``Stratum`` are read where they are there. Rows are matched with studies as in `fractureai.evaluation.matching`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fractureai.dataset.formats.deepwrist import MODEL_COLUMN, VIEWS
from fractureai.dataset.formats.records import number
from fractureai.dataset.formats.textfiles import parse_csv, read_text
from fractureai.errors import DatasetError
from fractureai.evaluation.cases import CaseResult, LeftOut, ViewResult
from fractureai.evaluation.matching import MISSING, Notes, StudyIndex, match_rows, zero_or_one
from fractureai.evaluation.readers import OtherModel, ReaderTable


@dataclass(frozen=True)
class PredictionLine:
    """A row of a predictions file; ``label`` is None where it is empty."""

    line: int
    study: str
    file: str
    view: str
    probability: float
    label: bool | None
    patient: str = ""
    age_years: float | None = None
    sex: str = ""
    stratum: str = ""


@dataclass(frozen=True)
class PredictionFile:
    """Another program's predictions.

    Attributes:
        path: the file; its stem is the model's name.
        lines: one a row with a probability.
        notes: what could not be used.
    """

    path: Path
    lines: tuple[PredictionLine, ...]
    notes: tuple[str, ...] = ()


def read_prediction_file(path: Path) -> PredictionFile:
    """Read one predictions CSV file.

    Raises:
        DatasetError: a column is missing, a value is out of range, a radiograph occurs twice, or no row has a value.
    """
    rows = parse_csv(read_text(path), path, ("ID", MODEL_COLUMN))
    notes, lines = Notes(path), []
    seen: dict[tuple[str, str, str], int] = {}
    for line, cells in rows:
        if not cells["ID"]:
            raise DatasetError(path, f"line {line} has no ID", "write the study's ID or remove the line")
        what = (cells["ID"], cells.get("Side", ""), cells.get("Fname", ""))
        if what in seen:
            raise DatasetError(path, f"lines {seen[what]} and {line} are of the same radiograph", "remove one of them")
        seen[what] = line
        if cells[MODEL_COLUMN].lower() in MISSING:
            notes.add(f"{MODEL_COLUMN} is empty", line)
            continue
        value = number(cells[MODEL_COLUMN])
        if value is None or not 0 <= value <= 1:
            reason = f'line {line}: {MODEL_COLUMN} is "{cells[MODEL_COLUMN]}"'
            raise DatasetError(path, reason, "write a probability from 0 to 1, or leave it empty")
        lines.append(_prediction_line(path, line, cells, value))
    if not lines:
        raise DatasetError(path, f"no row has a {MODEL_COLUMN}", "check that it is the right file")
    if all(line.probability in (0, 1) for line in lines):
        notes.add("all predictions are 0 or 1, so its areas are those of decisions", lines[0].line)
    return PredictionFile(path, tuple(lines), notes.sentences())


def other_model(file: PredictionFile, index: StudyIndex, threshold: float) -> ReaderTable:
    """Match a predictions file with the studies that are evaluated.

    Raises:
        DatasetError: an ID stands for several studies, or no row belongs to a study.
    """
    notes = Notes(file.path)
    rows = [(line.line, {"ID": line.study, "Fname": line.file, "Side": line.view}) for line in file.lines]
    found = {line: study for line, study, _ in match_rows(file.path, rows, index, notes, unique=False)}
    by_study: dict[str, list[PredictionLine]] = {}
    for line in file.lines:
        if line.line in found:
            by_study.setdefault(found[line.line], []).append(line)
    probabilities = {study: _study_probability(lines) for study, lines in by_study.items()}
    return ReaderTable(
        models={file.path.stem: OtherModel(probabilities, threshold)}, notes=(*file.notes, *notes.sentences())
    )


def cases_of_predictions(file: PredictionFile, threshold: float) -> tuple[tuple[CaseResult, ...], tuple[LeftOut, ...]]:
    """Make cases of a predictions file that carries the reference (``Fracture``) too.

    Args:
        file: the predictions.
        threshold: a study, and a view, is called when its probability is at least this.

    Returns:
        The cases, and the studies without a reference.

    Raises:
        DatasetError: no study has a reference.
    """
    by_study: dict[str, list[PredictionLine]] = {}
    for line in file.lines:
        by_study.setdefault(line.study, []).append(line)
    cases, left_out = [], []
    for study, lines in by_study.items():
        given = [line.label for line in lines if line.label is not None]
        if not given:
            left_out.append(LeftOut(study, "Fracture is empty, so there is no reference."))
            continue
        views = tuple(
            ViewResult(line.file or f"{line.study} {line.view}", line.view or "image", line.probability, threshold)
            for line in lines
        )
        cases.append(
            CaseResult(
                study,
                _first(line.patient for line in lines) or study,
                any(given),
                _study_probability(lines),
                threshold,
                views,
                stratum=_first(line.stratum for line in lines),
                age_years=next((line.age_years for line in lines if line.age_years is not None), None),
                sex=_first(line.sex for line in lines),
            )
        )
    if not cases:
        raise DatasetError(file.path, "no row has a Fracture of 0 or 1", "add the reference in a column Fracture")
    return tuple(cases), tuple(left_out)


def _prediction_line(path: Path, line: int, cells: Mapping[str, str], probability: float) -> PredictionLine:
    side = number(cells.get("Side", ""))
    if cells.get("Side", "") and side not in (0, 1):
        raise DatasetError(path, f'line {line}: Side is "{cells["Side"]}"', "write 0 for PA, 1 for LAT")
    sex = cells.get("Sex", "").upper()[:1]
    stratum = cells.get("Stratum", "").lower()
    if stratum not in ("", "general", "hard"):
        raise DatasetError(path, f'line {line}: Stratum is "{stratum}"', "write general, hard, or leave it empty")
    return PredictionLine(
        line,
        cells["ID"],
        cells.get("Fname", ""),
        VIEWS[int(side)] if side is not None else "",
        probability,
        zero_or_one(path, line, "Fracture", cells.get("Fracture", "")),
        cells.get("Patient", ""),
        number(cells.get("Age", "")),
        sex if sex in ("F", "M", "O") else "",
        stratum,
    )


def _study_probability(lines: Sequence[PredictionLine]) -> float:
    views: dict[str, list[float]] = {}
    for line in lines:
        views.setdefault(line.view, []).append(line.probability)
    return float(np.mean([np.mean(values) for values in views.values()]))


def _first(values: Iterable[str]) -> str:
    return next((value for value in values if value), "")
