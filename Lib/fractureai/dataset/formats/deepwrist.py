"""The CSV files of DeepWrist (Raisuddin et al. 2021, published code).

* Landmarks: ``Fname, Points, Side``; Points = ``[(x, y), (x, y), (x, y)]`` in the order of the site profile, in pixels
  of the whole image (pixel indices: col = x, row = y); Side 0 = PA, 1 = LAT; the image is ``{PA|LAT}/{Fname}``.
* Classifier: ``ID, Side, Fname, Fracture`` with 0 and 1; ID is the study. Test sets add a column for each reader,
  ``Fracture_Resident``, ``Fracture_R1``, ...: raters ``Resident``, ``R1`` here. The image is Fname, or
  ``{PA|LAT}/{ID}_{PA|LAT}.png``. Further columns are kept in `Annotation.extra`.

An export can be trained on by the published code: ``landmarks.csv`` and ``classifier.csv``; whole images in
``{PA|LAT}/``, 8-bit PNG clipped to the 5th and 99th percentile (what its localiser reads); and regions of interest of
256 x 256 pixels in ``roi/{PA|LAT}/`` (what its classifier reads), for radiographs whose landmarks and spacing are
known.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from fractureai.dataset.core import Dataset
from fractureai.dataset.files import encode_name
from fractureai.dataset.formats.binding import ExportItem, ExportSession, ImportSession
from fractureai.dataset.formats.images import grey8, write_png, write_png8
from fractureai.dataset.formats.records import (
    EXTRA_PREFIX,
    ExportOptions,
    ExportReport,
    ImageFacts,
    ImportOptions,
    ImportReport,
    Marks,
    Point,
    binary_label,
    number,
)
from fractureai.dataset.formats.textfiles import parse_csv, plain, read_text, to_csv, write_text
from fractureai.dataset.reference import MODEL_PREFIX
from fractureai.dataset.table import RadiographRow
from fractureai.errors import DatasetError, FractureAIError
from fractureai.radiograph.model import Radiograph
from fractureai.radiograph.normalise import normalise
from fractureai.sites import Site

DEFAULT_RATER = "consensus"
VIEWS = ("PA", "LAT")
LANDMARKS = ("Fname", "Points", "Side")
CLASSIFIER = ("ID", "Side", "Fname", "Fracture")
READER = "Fracture_"
MODEL_COLUMN = "Fracture_Prediction"


@dataclass(frozen=True)
class LandmarkLine:
    """A line of the landmarks CSV; points (row, col)."""

    file: str
    view: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class ClassifierLine:
    """A line of the classifier CSV.

    Attributes:
        study: ID.
        view: ``PA`` or ``LAT``.
        file: Fname, or "".
        label: Fracture, or None where the cell is empty.
        readers: reader -> fracture or not.
        extra: further columns.
    """

    study: str
    view: str
    file: str
    label: bool | None
    readers: Mapping[str, bool] = field(default_factory=dict)
    extra: Mapping[str, str] = field(default_factory=dict)


def import_(source: Path, dataset: Dataset, options: ImportOptions = ImportOptions()) -> ImportReport:
    """Import landmarks and labels.

    Args:
        source: one of the two CSV files, or a folder whose CSV files are read.
        dataset: receives images and marks; its site's landmarks give the points their names.
        options: how; ``Fracture`` and the landmarks go to the rater of the options (default ``consensus``). The images
            carry no spacing, so give it.

    Raises:
        DatasetError: a file is neither, or the folder has none.
    """
    session = ImportSession(dataset, source, options, DEFAULT_RATER)
    lines = _read_lines(source, session)
    facts = [_facts(line) for line in lines]
    marks: dict[str, tuple[RadiographRow, Marks, ImageFacts]] = {}
    for line, fact, row in zip(lines, facts, session.locate(facts), strict=True):
        if row is None:
            continue
        _, known, first = marks.get(row.id, (row, Marks(fact.file), fact))
        marks[row.id] = (row, _merged(known, line, dataset.site), first)
        for reader, fractured in line.readers.items() if isinstance(line, ClassifierLine) else ():
            fields = {"label": binary_label(fractured, dataset.site), "status": "done"}
            session.save(row, Marks(fact.file, fields=fields), fact, reader)
    for row, merged, fact in marks.values():
        session.save(row, merged, fact)
    return session.finish()


def export(dataset: Dataset, target: Path, options: ExportOptions = ExportOptions()) -> ExportReport:
    """Export finished annotations of PA and LAT radiographs to a folder; see the module for its files.

    The reference annotations give ``Fracture`` and the landmarks; each further person gets a column.

    Args:
        dataset: what to export.
        target: the folder; it is created.
        options: whose marks are the reference, and whether to write the images.

    Raises:
        DatasetError: the folder can not be written, or several raters marked and none is chosen.
    """
    session = ExportSession(dataset, target, options, finished=True)
    reference = {annotation.rater for annotation in session.chosen.values()}
    readers = [name for name in dataset.raters if name not in reference and not name.startswith(MODEL_PREFIX)]
    landmarks: list[LandmarkLine] = []
    labels: list[ClassifierLine] = []
    ids: dict[tuple[str, str], int] = {}
    images = 0
    for item in session.items():
        profile = dataset.site.view_for(item.view)
        if item.annotation is None:
            continue
        if profile is None or profile.name not in VIEWS:
            session.clause(item, f"its view is {item.view}; DeepWrist knows PA and LAT")
            continue
        study = _study_id(item.row, profile.name, ids)
        line = ClassifierLine(study, profile.name, f"{profile.name}/{study}_{profile.name}.png", None)
        if options.images:
            radiograph = session.read(item)
            if radiograph is None:
                continue
            write_png8(target / line.file, radiograph)
            images += 1
            _write_roi(session, item, radiograph, target / "roi" / line.file)
        if all(name in item.annotation.landmarks for name in profile.landmark_names):
            points = tuple(item.annotation.landmarks[name] for name in profile.landmark_names)
            landmarks.append(LandmarkLine(Path(line.file).name, profile.name, points))
        elif item.annotation.landmarks:
            session.clause(item, "some of its landmarks are not marked; DeepWrist needs all")
        labels.append(_labelled(line, item, dataset, readers))
    write_text(target / "landmarks.csv", landmarks_csv(landmarks))
    write_text(target / "classifier.csv", classifier_csv(labels))
    return session.report(images=images, annotations=len(labels))


def parse_landmarks(text: str, source: Path) -> tuple[tuple[LandmarkLine, ...], tuple[str, ...]]:
    """Parse the landmarks CSV.

    Returns:
        The lines, and a clause for each that can not be used.

    Raises:
        DatasetError: a column is missing.
    """
    lines, problems = [], []
    for index, cells in parse_csv(text, source, LANDMARKS):
        points, view = _points(cells["Points"]), _view(cells["Side"])
        if not cells["Fname"] or not points or not view:
            problems.append(f"line {index} of {source.name} has no file name, points or side 0 or 1")
            continue
        lines.append(LandmarkLine(cells["Fname"], view, points))
    return tuple(lines), tuple(problems)


def parse_classifier(text: str, source: Path) -> tuple[tuple[ClassifierLine, ...], tuple[str, ...]]:
    """Parse the classifier CSV; ``Fname`` may be missing.

    Returns:
        The lines, and a clause for each that can not be used.

    Raises:
        DatasetError: a column is missing.
    """
    lines, problems = [], []
    for index, cells in parse_csv(text, source, ("ID", "Side", "Fracture")):
        view, words = _view(cells["Side"]), {name: text for name, text in cells.items() if name.startswith("Fracture")}
        words.pop(MODEL_COLUMN, None)
        unclear = [name for name, text in words.items() if text and _fractured(text) is None]
        if not cells["ID"] or not view or unclear:
            what = f"{unclear[0]} is not 0 or 1" if unclear else "there is no ID, or no side 0 or 1"
            problems.append(f"line {index} of {source.name}: {what}")
            continue
        readers = {
            name.removeprefix(READER): fractured
            for name, text in words.items()
            if name.startswith(READER) and (fractured := _fractured(text)) is not None
        }
        extra = {name: text for name, text in cells.items() if name not in (*CLASSIFIER, *words) and text}
        label = _fractured(cells["Fracture"])
        lines.append(ClassifierLine(cells["ID"], view, cells.get("Fname", ""), label, readers, extra))
    return tuple(lines), tuple(problems)


def landmarks_csv(lines: Sequence[LandmarkLine]) -> str:
    """Write the landmarks CSV."""
    rows = []
    for line in lines:
        points = repr([(plain(col), plain(row)) for row, col in line.points])
        rows.append({"Fname": line.file, "Points": points, "Side": VIEWS.index(line.view)})
    return to_csv(LANDMARKS, rows)


def classifier_csv(lines: Sequence[ClassifierLine]) -> str:
    """Write the classifier CSV; empty cells where somebody said nothing."""
    readers = dict.fromkeys(reader for line in lines for reader in line.readers)
    extra = dict.fromkeys(name for line in lines for name in line.extra)
    rows = []
    for line in lines:
        label = "" if line.label is None else int(line.label)
        cells: dict[str, object] = {
            "ID": line.study,
            "Side": VIEWS.index(line.view),
            "Fname": line.file,
            "Fracture": label,
        }
        cells |= {READER + reader: int(fractured) for reader, fractured in line.readers.items()}
        rows.append(cells | dict(line.extra))
    return to_csv((*CLASSIFIER, *(READER + reader for reader in readers), *extra), rows)


def _read_lines(source: Path, session: ImportSession) -> list[ClassifierLine | LandmarkLine]:
    """Read the source's tables, classifier lines first: they name the study."""
    paths = sorted(p for p in source.iterdir() if p.suffix.lower() == ".csv") if source.is_dir() else [source]
    if not paths:
        raise DatasetError(source, "there is no CSV file", "choose the folder of landmarks or classifier CSV")
    landmarks: list[LandmarkLine] = []
    labels: list[ClassifierLine] = []
    for path in paths:
        text = read_text(path)
        if "Points" in text.partition("\n")[0]:
            marked, problems = parse_landmarks(text, path)
            landmarks += marked
        else:
            labelled, problems = parse_classifier(text, path)
            labels += labelled
        for problem in problems:
            session.clause(problem)
    return [*labels, *landmarks]


def _points(text: str) -> tuple[Point, ...]:
    """Parse ``[(x, y), ...]`` to (row, col) points; () where it is none."""
    try:
        pairs = ast.literal_eval(text)
        points = tuple((float(y), float(x)) for x, y in pairs)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return ()
    return points if all(math.isfinite(value) for point in points for value in point) else ()


def _view(text: str) -> str:
    side = number(text)
    return VIEWS[int(side)] if side in (0, 1) else ""


def _fractured(text: str) -> bool | None:
    value = number(text)
    return bool(value) if value in (0, 1) else None


def _facts(line: ClassifierLine | LandmarkLine) -> ImageFacts:
    if isinstance(line, ClassifierLine):
        published = f"{line.view}/{line.study}_{line.view}.png"
        return ImageFacts(line.file or published, line.view, study=line.study, aliases=(published,))
    stem = Path(line.file.replace("\\", "/")).stem
    study = stem.removesuffix(f"_{line.view}") if stem.endswith(f"_{line.view}") else ""
    return ImageFacts(f"{line.view}/{line.file}", line.view, study=study, aliases=(line.file,))


def _merged(marks: Marks, line: ClassifierLine | LandmarkLine, site: Site) -> Marks:
    """Add what a line says to the marks of its image; a finished reading, as the format knows no other."""
    fields = {**marks.fields, "status": "done"}
    if isinstance(line, LandmarkLine):
        names = site.view(line.view).landmark_names
        problems = marks.problems
        if len(names) != len(line.points):
            problems = (*problems, f"{len(line.points)} points where the view {line.view} has {len(names)} landmarks")
            return replace(marks, problems=problems, fields=fields)
        return replace(marks, points=tuple(zip(names, line.points, strict=True)), fields=fields)
    if line.label is not None:
        fields["label"] = binary_label(line.label, site)
    return replace(marks, fields=fields | {EXTRA_PREFIX + name: text for name, text in line.extra.items()})


def _study_id(row: RadiographRow, view: str, ids: dict[tuple[str, str], int]) -> str:
    """Return an ID that is unique for each view: the study's name, with a number where it has several of a view."""
    study = encode_name(row.study or row.id)
    count = ids[study, view] = ids.get((study, view), 0) + 1
    return study if count == 1 else f"{study}-{count}"


def _labelled(line: ClassifierLine, item: ExportItem, dataset: Dataset, readers: Sequence[str]) -> ClassifierLine:
    """Return a line with the labels of the reference and of the readers."""
    site = dataset.site
    known = {name: name == site.positive_class for name in site.classes}
    said = {}
    for reader in readers:
        annotation = dataset.annotation(item.row.id, reader)
        if annotation is not None and annotation.label in known:
            said[reader] = known[annotation.label]
    assert item.annotation is not None
    extra = {name: text for name, text in item.annotation.extra.items() if not name.startswith("Fracture")}
    return replace(line, label=known.get(item.annotation.label or ""), readers=said, extra=extra)


def _write_roi(session: ExportSession, item: ExportItem, radiograph: Radiograph, path: Path) -> None:
    from fractureai.geometry import crop_roi, roi_from_landmarks  # loads scipy: only where a region is cut out

    profile = session.dataset.site.view_for(item.view)
    marked = item.annotation.landmarks if item.annotation else {}
    if profile is None or radiograph.spacing_mm is None or not set(profile.landmark_names) <= set(marked):
        return
    try:
        roi = roi_from_landmarks([marked[name] for name in profile.landmark_names], profile, radiograph.spacing_mm)
    except FractureAIError as error:
        session.clause(item, f"no region of interest can be cut out ({error})")
        return
    write_png(path, grey8(crop_roi(normalise(radiograph.pixels), roi, profile.roi_size_px)))
