"""Readers' CSV files as DeepWrist wrote them, and raters of a dataset as readers.

The files have ``ID, Side, Fname, Fracture`` and a column each, ``Fracture_Resident``, ``Fracture_R1``, ...; a row a
radiograph or a study; ``Side`` and ``Fname`` may be missing. A reader calls a study a fracture when one of its rows is
1. Rows are matched with studies as in `fractureai.evaluation.matching`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from fractureai.dataset import Annotation, Dataset
from fractureai.dataset.agreement import FINISHED
from fractureai.dataset.formats.deepwrist import MODEL_COLUMN, READER
from fractureai.dataset.formats.textfiles import parse_csv, read_text
from fractureai.dataset.reference import study_label
from fractureai.errors import DatasetError
from fractureai.evaluation.matching import Notes, StudyIndex, match_rows, zero_or_one
from fractureai.evaluation.prediction_files import other_model, read_prediction_file
from fractureai.evaluation.readers import ReaderTable
from fractureai.evaluation.run import studies


def read_reader_file(path: Path, index: StudyIndex, labels: Mapping[str, bool] | None = None) -> ReaderTable:
    """Read one readers' CSV file.

    Args:
        path: the file.
        index: of the studies that there are.
        labels: study -> fracture, of the reference; where the file's column ``Fracture`` says otherwise, that is noted.

    Raises:
        DatasetError: there is no reader's column, a value is neither 0 nor 1, a row contradicts another, an ID stands
            for several studies, or no row belongs to a study.
    """
    rows = parse_csv(read_text(path), path, ("ID",))
    columns = [name for name in (rows[0][1] if rows else {}) if name.startswith(READER) and name != MODEL_COLUMN]
    if not columns:
        raise DatasetError(
            path,
            "it has no reader's column with rows below",
            "name the columns Fracture_R1, Fracture_R2, ..., one a reader",
        )
    notes = Notes(path)
    matched = match_rows(path, rows, index, notes)
    calls: dict[str, dict[str, bool]] = {name.removeprefix(READER): {} for name in columns}
    for column in columns:
        said = calls[column.removeprefix(READER)]
        for line, study, cells in matched:
            value = zero_or_one(path, line, column, cells[column])
            if value is None:
                notes.add(f"{column} is empty, so these rows do not count for this reader", line)
            else:
                said[study] = value or said.get(study, False)
    _compare_labels(path, matched, labels or {}, notes)
    return ReaderTable({name: said for name, said in calls.items() if said}, notes=notes.sentences())


def readers_from_raters(
    dataset: Dataset, names: Sequence[str], references: Mapping[str, Annotation] | None = None
) -> ReaderTable:
    """Take raters of a dataset as readers: their finished labels, a study a fracture when one radiograph is.

    Args:
        dataset: whose raters.
        names: of the raters.
        references: as of `studies`.

    Raises:
        DatasetError: there is no such rater.
    """
    unknown = [name for name in names if name not in dataset.raters]
    if unknown:
        reason = f"rater {unknown[0]} has no annotations"
        raise DatasetError(dataset.folder, reason, f"raters are: {', '.join(dataset.raters) or 'none yet'}")
    site, groups = dataset.site, studies(dataset, None, references)
    calls: dict[str, dict[str, bool]] = {}
    notes = []
    for name in names:
        marks = {mark.radiograph: mark.label for mark in dataset.annotations(name) if mark.status in FINISHED}
        labels = {
            key: study_label([marks[row.id] for row in rows if row.id in marks], site.classes, site.positive_class)
            for key, rows in groups.items()
        }
        calls[name] = {key: label == site.positive_class for key, label in labels.items() if label in site.classes}
        unsure = sum(label is not None and label not in site.classes for label in labels.values())
        if unsure:
            notes.append(
                f"{name} was uncertain about {unsure} studies of the dataset; they do not count for this reader."
            )
    return ReaderTable(calls, notes=tuple(notes))


def reader_table(
    dataset: Dataset,
    files: Sequence[Path] = (),
    as_readers: Sequence[str] = (),
    predictions: Sequence[Path] = (),
    threshold: float = 0.5,
    raters: Sequence[str] | None = None,
) -> ReaderTable:
    """Put all readers of a dataset's studies together.

    Args:
        dataset: whose studies.
        files: readers' CSV files.
        as_readers: raters of the dataset.
        predictions: other models' CSV files.
        threshold: of these.
        raters: whose marks are the reference; see `Dataset.reference_annotations`.

    Raises:
        DatasetError: as `read_reader_file`, `read_prediction_file` and `readers_from_raters`; or a reader's own marks
            are the reference.
        EvaluationError: two readers have one name.
    """
    references = dataset.reference_annotations(raters)
    judged = {mark.rater for mark in references.values()}.intersection(as_readers)
    if judged:
        reason = f"the marks of {min(judged)} are the reference, so this reader can not be judged by them"
        raise DatasetError(dataset.folder, reason, "name other raters as the reference, or other readers")
    index, site = StudyIndex.of_dataset(dataset, references), dataset.site
    labels = {}
    for key, rows in studies(dataset, None, references).items():
        given = [references[row.id].label for row in rows if row.id in references]
        label = study_label(given, site.classes, site.positive_class)
        if label in site.classes:
            labels[key] = label == site.positive_class
    table = readers_from_raters(dataset, as_readers, references)
    for path in files:
        table = table.merged(read_reader_file(path, index, labels))
    for path in predictions:
        table = table.merged(other_model(read_prediction_file(path), index, threshold))
    return table


def _compare_labels(
    path: Path,
    matched: Sequence[tuple[int, str, Mapping[str, str]]],
    labels: Mapping[str, bool],
    notes: Notes,
) -> None:
    """Note where the file's own reference says otherwise; one row of a study with 1 makes it a fracture."""
    said: dict[str, bool] = {}
    first: dict[str, int] = {}
    for line, study, cells in matched:
        value = zero_or_one(path, line, "Fracture", cells.get("Fracture", ""))
        if value is not None and study in labels:
            said[study] = value or said.get(study, False)
            first.setdefault(study, line)
    for study, value in said.items():
        if value != labels[study]:
            notes.add("Fracture is not what the reference says, which counts", first[study])
