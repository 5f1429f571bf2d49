"""From a foreign file to the dataset and back: find or add the images, save the marks, choose what to export."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path

from fractureai.dataset.adding import IMAGE_SUFFIXES
from fractureai.dataset.annotation import Annotation
from fractureai.dataset.annotation_json import annotation_to_json
from fractureai.dataset.core import Dataset
from fractureai.dataset.files import encode_name, file_lock
from fractureai.dataset.formats.images import FolderIndex
from fractureai.dataset.formats.records import (
    ExportOptions,
    ExportReport,
    ImageFacts,
    ImportOptions,
    ImportReport,
    Marks,
    annotation_from,
)
from fractureai.dataset.layout import LOCK
from fractureai.dataset.pseudonyms import Pseudonymiser, load_pseudonymiser
from fractureai.dataset.reference import AUTHORITIES, MODEL_PREFIX, resolve_view
from fractureai.dataset.table import RadiographRow
from fractureai.errors import DatasetError, FileError
from fractureai.radiograph.model import UNKNOWN, Radiograph, RadiographHeader

_PSEUDONYM = re.compile(r"P-[0-9A-HJKMNP-TV-Z]{8}")
_WORKERS = 4
_NAMED = 3


class ImportSession:
    """One import: finds the radiographs that a foreign file speaks of, adds those that are new, and saves the marks.

    Args:
        dataset: receives images and marks.
        source: the file or folder that is imported; named in problems.
        options: how.
        default_rater: who marked, where the options name nobody.
    """

    def __init__(self, dataset: Dataset, source: Path, options: ImportOptions, default_rater: str) -> None:
        self.dataset = dataset
        self.source = source
        self.options = options
        self.rater = options.rater or default_rater
        self._folder = options.images or (source if source.is_dir() else source.parent)
        self._problems: list[FileError] = []
        self._pending: dict[tuple[str, str], Annotation] = {}
        self._headers: dict[str, RadiographHeader | None] = {}
        self._added = 0
        self._skipped = 0

    @cached_property
    def files(self) -> FolderIndex:
        """The files below the folder of the images."""
        return FolderIndex.of(self._folder)

    def problem(self, error: FileError) -> None:
        """Report a file or row that can not be used."""
        self._problems.append(error)

    def clause(self, text: str) -> None:
        """Report something in the source that can not be used, as a clause without a full stop."""
        self._problems.append(FileError(self.source, text))

    def find(self, facts: ImageFacts) -> Path | None:
        """Return the file of an image below the folder of the images; the suffix may be missing in its name."""
        names = (facts.file, *facts.aliases)
        return self.files.find_any([*names, *(name + suffix for name in names for suffix in IMAGE_SUFFIXES)])

    def locate(self, facts: Sequence[ImageFacts]) -> list[RadiographRow | None]:
        """Find the radiograph of each image; images that are new are added in one go.

        An image is a radiograph of the dataset when its name (without suffix) is the radiograph's id, when it is the
        same file or has the same content, or, where it is not below the folder, when exactly one radiograph's file has
        its name.

        Returns:
            For each image its row, or None where there is none; that is reported.
        """
        by_name: dict[str, list[str]] = {}
        for row in self.dataset.radiographs:
            by_name.setdefault(Path(row.file).name, []).append(row.id)
        by_id = {encode_name(row.id): row.id for row in self.dataset.radiographs}
        found: list[str | None] = []
        new: dict[Path, list[int]] = {}
        missing: list[str] = []
        for index, fact in enumerate(facts):
            name = Path(fact.file.replace("\\", "/")).name
            identified = by_id.get(name) or by_id.get(name.rpartition(".")[0])
            path = None if identified else self.find(fact)
            named = by_name.get(name, ()) if path is None else ()
            found.append(identified or (named[0] if len(named) == 1 else None))
            if path is not None:
                new.setdefault(path, []).append(index)
            elif found[-1] is None:
                missing.append(fact.file)
        self._report_missing(missing, len(facts))
        for path, radiograph in self._add({path: facts[indices[0]] for path, indices in new.items()}).items():
            for index in new[path]:
                found[index] = radiograph
        return [self.dataset.row(radiograph) if radiograph else None for radiograph in found]

    def header(self, row: RadiographRow) -> RadiographHeader | None:
        """Return the header of a radiograph, with the row's spacing where it has none; None is reported."""
        if row.id not in self._headers:
            try:
                self._headers[row.id] = read_row_header(self.dataset, row)
            except FileError as error:
                self.problem(error)
                self._headers[row.id] = None
        return self._headers[row.id]

    def save(self, row: RadiographRow, marks: Marks, facts: ImageFacts | None = None, rater: str = "") -> None:
        """Keep marks to be saved by `finish`; what of them can not be used is reported.

        Args:
            row: the radiograph.
            marks: what the source says.
            facts: when its view or side contradict the radiograph's own, the annotation says so.
            rater: who marked; "" for the rater of the session.
        """
        rater = rater or self.rater
        annotation, problems = annotation_from(marks, row.id, rater, self.dataset, row.view)
        for text in problems:
            self.clause(f"{marks.file}: {text}")
        if facts is not None:
            annotation = _with_facts(annotation, row, facts)
        try:
            annotation_to_json(annotation)
            existing = self.dataset.annotation(row.id, rater)
        except ValueError as error:
            self.clause(f"{marks.file}: {error}")
            return
        except DatasetError as error:
            self.problem(error)
            existing = None
        if existing is not None and not self.options.replace:
            self._skipped += 1
        elif self._pending.setdefault((row.id, rater), annotation) != annotation:
            self.clause(f"{marks.file}: the image is there twice with different marks; the first are kept")

    def save_marks(self, marks: Sequence[Marks], facts: Sequence[ImageFacts]) -> None:
        """Locate the images of all marks and keep the marks of those that say anything."""
        for item, fact, row in zip(marks, facts, self.locate(facts), strict=True):
            if row is None:
                continue
            annotation, _ = annotation_from(item, row.id, self.rater, self.dataset, row.view)
            if annotation != Annotation(row.id, self.rater) or item.problems or item.points:
                self.save(row, item, fact)

    def finish(self) -> ImportReport:
        """Save all marks and return what was done."""
        saved = self.dataset.save_all(self._pending.values())
        return ImportReport(self._added, saved, self._skipped, tuple(self._problems))

    def _report_missing(self, names: Sequence[str], total: int) -> None:
        if names:
            examples = ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
            reason = f"{len(names):,} of the {total:,} images that it names are not there ({examples})"
            advice = f"put them below {self._folder} or say where they are"
            self._problems.append(FileError(self.source, reason, advice))

    def _add(self, facts: Mapping[Path, ImageFacts]) -> dict[Path, str]:
        """Add files whose pixels can be read; return the id of the radiograph of each."""
        headers: dict[Path, RadiographHeader] = {}
        with ThreadPoolExecutor(_WORKERS) as pool:
            for number, (path, result) in enumerate(zip(facts, pool.map(_readable, facts), strict=True), start=1):
                if isinstance(result, FileError):
                    self._problems.append(result)
                else:
                    headers[path] = result
                if self.options.progress is not None:
                    self.options.progress(number, len(facts))
        if not headers:
            return {}
        report = self.dataset.add(headers, copy=self.options.copy, spacing_mm=self.options.spacing_mm)
        self._problems += [error for error in report.problems if isinstance(error, FileError)]
        self._added += len(report.added)
        new = {row.id: row for row in report.added}
        told: dict[str, RadiographRow] = {}
        for path, header in headers.items():
            uid = header.sop_instance_uid
            if uid in new:
                told.setdefault(uid, self._told(new[uid], facts[path], header))
        self.dataset.update_rows(told.values())
        ids = {path: header.sop_instance_uid for path, header in headers.items()}
        return {path: uid for path, uid in ids.items() if uid in self.dataset}

    def _told(self, row: RadiographRow, facts: ImageFacts, header: RadiographHeader) -> RadiographRow:
        """Return a row with what the source says where the file itself says nothing."""
        patient = facts.patient
        if patient and not facts.public and not _PSEUDONYM.fullmatch(patient):
            patient = self._pseudonymiser.pseudonym(f"patient {patient}")
        spacing = facts.spacing_mm if header.spacing_mm is None else None
        own_study = bool(header.study_instance_uid)
        return replace(
            row,
            study=row.study if own_study else facts.study or row.study,
            patient=row.patient if header.patient_id else patient or (not own_study and facts.study) or row.patient,
            view=facts.view or UNKNOWN if row.view == UNKNOWN else row.view,
            side=facts.side or UNKNOWN if row.side == UNKNOWN else row.side,
            row_spacing_mm=spacing[0] if spacing else row.row_spacing_mm,
            col_spacing_mm=spacing[1] if spacing else row.col_spacing_mm,
            age_years=facts.age_years if row.age_years is None else row.age_years,
            sex=row.sex or facts.sex,
            date=row.date or facts.date,
            stratum=row.stratum or facts.stratum,
            description=row.description or facts.description,
        )

    @cached_property
    def _pseudonymiser(self) -> Pseudonymiser:
        with file_lock(self.dataset.folder / LOCK):
            return load_pseudonymiser(self.dataset.folder)[0]


@dataclass(frozen=True)
class ExportItem:
    """A radiograph to export: its row, the annotation that was chosen (or None), and its view (the rater's first)."""

    row: RadiographRow
    annotation: Annotation | None
    view: str


class ExportSession:
    """One export: chooses the annotations, reads the images, collects what could not be written.

    Args:
        dataset: what is exported.
        target: the folder or file that is written.
        options: how.
        finished: export annotations of status ``done`` only, for formats that can not carry the status.
    """

    def __init__(self, dataset: Dataset, target: Path, options: ExportOptions, *, finished: bool = False) -> None:
        self.dataset = dataset
        self.target = target
        self.options = options
        self.chosen = choose_annotations(dataset, options.raters, finished=finished)
        self._problems: list[FileError] = []

    def items(self) -> Iterator[ExportItem]:
        """Go through all radiographs in the order of radiographs.csv."""
        rows = self.dataset.radiographs
        for number, row in enumerate(rows, start=1):
            annotation = self.chosen.get(row.id)
            yield ExportItem(row, annotation, resolve_view(row, annotation))
            if self.options.progress is not None:
                self.options.progress(number, len(rows))

    def file_name(self, item: ExportItem, suffix: str) -> str:
        """Return a file name made of the radiograph's id, by which an import finds the radiograph again."""
        return encode_name(item.row.id) + suffix

    def image_name(self, item: ExportItem, suffix: str) -> str:
        """Return the name of the image that is written, or of the radiograph's own file where none is."""
        return self.file_name(item, suffix) if self.options.images else item.row.file

    def header(self, item: ExportItem) -> RadiographHeader | None:
        """Return a radiograph's header, with the row's spacing where it has none; None is reported."""
        try:
            return read_row_header(self.dataset, item.row)
        except FileError as error:
            self._problems.append(error)
            return None

    def read(self, item: ExportItem) -> Radiograph | None:
        """Read a radiograph; None is reported."""
        try:
            return self.dataset.read(item.row)
        except FileError as error:
            self._problems.append(error)
            return None

    def clause(self, item: ExportItem, text: str) -> None:
        """Report what the format can not carry of a radiograph, as a clause without a full stop."""
        self._problems.append(FileError(self.dataset.image_path(item.row), text))

    def report(self, *, images: int, annotations: int) -> ExportReport:
        """Return what was done."""
        return ExportReport(self.target, images, annotations, tuple(self._problems))


def choose_annotations(dataset: Dataset, raters: Sequence[str] | None, *, finished: bool) -> dict[str, Annotation]:
    """Return one annotation for each radiograph that was marked.

    Args:
        dataset: whose annotations.
        raters: the first of them who marked a radiograph counts. None: as `Dataset.reference_annotations`.
        finished: leave out annotations that are not ``done``.

    Raises:
        DatasetError: a rater never annotated, or several people marked and none is chosen.
    """
    if finished:
        return dataset.reference_annotations(raters)
    unknown = [rater for rater in raters or () if rater not in dataset.raters]
    if unknown:
        raise DatasetError(dataset.folder, f"rater {unknown[0]} has no annotations", "choose one who has")
    people = [name for name in dataset.raters if name not in AUTHORITIES and not name.startswith(MODEL_PREFIX)]
    ordered = list(raters) if raters is not None else [name for name in AUTHORITIES if name in dataset.raters]
    chosen: dict[str, Annotation] = {}
    for rater in ordered:
        for annotation in dataset.annotations(rater):
            chosen.setdefault(annotation.radiograph, annotation)
    settled = set(chosen)
    for rater in people if raters is None else ():
        for annotation in dataset.annotations(rater):
            other = chosen.setdefault(annotation.radiograph, annotation)
            if other is not annotation and annotation.radiograph not in settled:
                reason = (
                    f"{other.rater} and {rater} both marked radiograph {annotation.radiograph}, without a consensus"
                )
                raise DatasetError(dataset.folder, reason, "say whose marks are exported")
    return chosen


def read_row_header(dataset: Dataset, row: RadiographRow) -> RadiographHeader:
    """Read the header of a radiograph; the row's spacing stands in where the file has none.

    Raises:
        RadiographError: the file is missing or can not be read.
    """
    from fractureai.radiograph import read_header

    header = read_header(dataset.image_path(row))
    if header.spacing_mm is None and row.spacing_mm is not None:
        return replace(header, spacing_mm=row.spacing_mm, spacing_source="user")
    return header


def _readable(path: Path) -> RadiographHeader | FileError:
    """Read a file whole, so that damage to its pixels shows, and return its header or what is wrong."""
    from fractureai.radiograph import read_radiograph

    try:
        radiograph = read_radiograph(path)
    except FileError as error:
        return error
    rows, columns = radiograph.shape
    names = [item.name for item in fields(RadiographHeader) if item.name not in ("rows", "columns")]
    return RadiographHeader(rows=rows, columns=columns, **{name: getattr(radiograph, name) for name in names})


def _with_facts(annotation: Annotation, row: RadiographRow, facts: ImageFacts) -> Annotation:
    """Say view and side in the annotation where the source contradicts the radiograph."""
    view = annotation.view or (facts.view if facts.view not in ("", UNKNOWN, row.view) else "")
    side = annotation.side or (facts.side if facts.side not in ("", UNKNOWN, row.side) else "")
    return replace(annotation, view=view, side=side)
