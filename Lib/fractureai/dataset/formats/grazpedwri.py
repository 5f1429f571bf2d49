"""GRAZPEDWRI-DX (Nagy et al. 2022): ``dataset.csv``, 16-bit PNG, boxes as Pascal VOC XML or YOLO text.

A line of dataset.csv is one image; an empty cell means no. The radiograph's row gets patient, study (patient and study
number), view (projection 1 = PA, 2 = lateral, 3 = oblique), side, age, sex and spacing; the annotation gets the label
(``fracture_visible``, of this image: it differs between the views of a study), cast, implant (``metal``) and the boxes.
All further columns are kept in `Annotation.extra` under their names, and the label of the whole study (a fracture when
any of its images in the CSV shows one) as ``study_label``.

The boxes of an image come from its VOC file, else from its YOLO file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fractureai.dataset.annotation import Annotation, Region
from fractureai.dataset.core import Dataset
from fractureai.dataset.files import encode_name
from fractureai.dataset.formats.binding import ExportItem, ExportSession, ImportSession
from fractureai.dataset.formats.boxes import parse_voc, parse_yolo, to_voc, to_yolo
from fractureai.dataset.formats.images import write_png16
from fractureai.dataset.formats.records import (
    ExportOptions,
    ExportReport,
    ImageFacts,
    ImportOptions,
    ImportReport,
    Marks,
    binary_label,
    number,
)
from fractureai.dataset.formats.textfiles import parse_csv, read_text, to_csv, write_text
from fractureai.dataset.table import RadiographRow
from fractureai.errors import DatasetError
from fractureai.sites import Site

DEFAULT_RATER = "grazpedwri"
CLASSES = (
    "boneanomaly",
    "bonelesion",
    "foreignbody",
    "fracture",
    "metal",
    "periostealreaction",
    "pronatorsign",
    "softtissue",
    "text",
)
COLUMNS = (
    "filestem",
    "patient_id",
    "study_number",
    "timehash",
    "gender",
    "age",
    "laterality",
    "projection",
    "initial_exam",
    "ao_classification",
    "cast",
    "diagnosis_uncertain",
    "osteopenia",
    "fracture_visible",
    "metal",
    "pixel_spacing",
    "device_manufacturer",
)
STUDY_LABEL = "study_label"
_NEEDED = ("filestem", "patient_id", "study_number", "laterality", "projection", "fracture_visible")
_MAPPED = ("gender", "age", "laterality", "cast", "fracture_visible", "metal", "pixel_spacing")
_VIEWS = {"1": "PA", "2": "LAT", "3": "OBLIQUE"}
_PROJECTIONS = {"PA": "1", "AP": "1", "LAT": "2", "OBLIQUE": "3"}


@dataclass(frozen=True)
class GrazLine:
    """A line of dataset.csv.

    Attributes:
        stem: file name without suffix.
        patient: patient_id.
        study: study_number.
        view: ``PA``, ``LAT``, ``OBLIQUE`` or "" when not given; side: ``L``, ``R`` or "".
        age_years, sex, spacing_mm: None or "" when not given; the spacing is the same along rows and columns.
        fracture, cast, metal: an empty cell is False.
        extra: the other columns that are not empty.
    """

    stem: str
    patient: str
    study: str
    view: str = ""
    side: str = ""
    age_years: float | None = None
    sex: str = ""
    spacing_mm: float | None = None
    fracture: bool = False
    cast: bool = False
    metal: bool = False
    extra: Mapping[str, str] = field(default_factory=dict)


def import_(source: Path, dataset: Dataset, options: ImportOptions = ImportOptions()) -> ImportReport:
    """Import GRAZPEDWRI-DX, or the part of it that is there.

    Args:
        source: ``dataset.csv``, or the folder it is in; images and boxes are below that folder.
        dataset: receives images and marks.
        options: how; the default rater is ``grazpedwri``.

    Raises:
        DatasetError: there is no dataset.csv, or it is another one.
    """
    table = source / "dataset.csv" if source.is_dir() else source
    lines, problems = parse_graz_csv(read_text(table), table)
    session = ImportSession(dataset, table, options, DEFAULT_RATER)
    for problem in problems:
        session.clause(problem)
    facts = [_facts(line) for line in lines]
    fractured = {(line.patient, line.study) for line in lines if line.fracture}
    for line, fact, row in zip(lines, facts, session.locate(facts), strict=True):
        if row is None:
            continue
        study = binary_label((line.patient, line.study) in fractured, dataset.site)
        fields = {
            **line.extra,
            "label": binary_label(line.fracture, dataset.site),
            "cast": "yes" if line.cast else "no",
            "implant": "yes" if line.metal else "no",
            STUDY_LABEL: study,
        }
        regions, clauses = _boxes(session, line.stem, row)
        session.save(row, Marks(f"{line.stem}.png", regions=regions, fields=fields, problems=clauses), fact)
    return session.finish()


def export(dataset: Dataset, target: Path, options: ExportOptions = ExportOptions()) -> ExportReport:
    """Export finished annotations to a folder.

    It gets ``dataset.csv``, ``images/*.png`` (16 bit), ``pascalvoc/*.xml`` and ``yolov5/labels/*.txt``. The format
    carries no landmarks, no outlines (their bounding boxes are written) and no statement by whom. The
    YOLO files hold the nine classes of GRAZPEDWRI-DX only, the VOC files all.

    Args:
        dataset: what to export.
        target: the folder; it is created.
        options: whose marks, and whether to write the images.

    Raises:
        DatasetError: the folder can not be written, or several raters marked and none is chosen.
    """
    session = ExportSession(dataset, target, options, finished=True)
    lines: list[GrazLine] = []
    numbers: dict[str, dict[str, int]] = {}
    for item in session.items():
        header = session.header(item) if item.annotation else None
        if item.annotation is None or header is None:
            continue
        stem = encode_name(item.annotation.extra.get("filestem") or item.row.id)
        if options.images:
            radiograph = session.read(item)
            if radiograph is None:
                continue
            write_png16(target / "images" / f"{stem}.png", radiograph)
        shape, regions = (header.rows, header.columns), item.annotation.regions
        write_text(target / "pascalvoc" / f"{stem}.xml", to_voc(f"{stem}.png", shape, regions))
        write_text(target / "yolov5" / "labels" / f"{stem}.txt", to_yolo(shape, regions, CLASSES))
        if item.annotation.landmarks:
            session.clause(item, "its landmarks are not exported; GRAZPEDWRI-DX has none")
        spacing = header.spacing_mm[1] if header.spacing_mm else None
        lines.append(_line(item, item.annotation, stem, spacing, dataset.site, numbers))
    write_text(target / "dataset.csv", "\ufeff" + graz_csv(lines))
    return session.report(images=len(lines) if options.images else 0, annotations=len(lines))


def parse_graz_csv(text: str, source: Path) -> tuple[tuple[GrazLine, ...], tuple[str, ...]]:
    """Parse dataset.csv.

    Returns:
        The lines, and a clause for each that can not be used.

    Raises:
        DatasetError: a column is missing.
    """
    lines, problems = [], []
    for index, cells in parse_csv(text, source, _NEEDED):
        if not cells["filestem"] or not cells["patient_id"]:
            problems.append(f"line {index} has no filestem or no patient_id")
            continue
        spacing = number(cells.get("pixel_spacing", ""))
        age, sex = number(cells.get("age", "")), cells.get("gender", "").upper()
        lines.append(
            GrazLine(
                cells["filestem"],
                cells["patient_id"],
                cells["study_number"],
                _VIEWS.get(cells["projection"], ""),
                cells["laterality"] if cells["laterality"] in ("L", "R") else "",
                age if age is not None and age >= 0 else None,
                sex if sex in ("F", "M", "O") else "",
                spacing if spacing is not None and spacing > 0 else None,
                _ticked(cells["fracture_visible"]),
                _ticked(cells.get("cast", "")),
                _ticked(cells.get("metal", "")),
                {name: text for name, text in cells.items() if name not in _MAPPED and text},
            )
        )
    return tuple(lines), tuple(problems)


def graz_csv(lines: Sequence[GrazLine]) -> str:
    """Write dataset.csv, without byte order mark; inverse of `parse_graz_csv`."""
    rows = []
    for line in lines:
        given = {
            "filestem": line.stem,
            "patient_id": line.patient,
            "study_number": line.study,
            "projection": _PROJECTIONS.get(line.view, ""),
            "gender": line.sex,
            "age": "" if line.age_years is None else repr(line.age_years),
            "laterality": line.side,
            "pixel_spacing": "" if line.spacing_mm is None else repr(line.spacing_mm),
            "fracture_visible": "1" if line.fracture else "",
            "cast": "1" if line.cast else "",
            "metal": "1" if line.metal else "",
        }
        rows.append({**{name: text for name, text in line.extra.items() if name in COLUMNS}, **given})
    return to_csv(COLUMNS, rows)


def _ticked(cell: str) -> bool:
    return cell not in ("", "0", "0.0")


def _facts(line: GrazLine) -> ImageFacts:
    patient = f"GRAZPEDWRI-{line.patient}"
    return ImageFacts(
        f"{line.stem}.png",
        line.view,
        line.side,
        (line.spacing_mm, line.spacing_mm) if line.spacing_mm else None,
        study=f"{patient}-{line.study}",
        patient=patient,
        age_years=line.age_years,
        sex=line.sex,
        public=True,
    )


def _boxes(session: ImportSession, stem: str, row: RadiographRow) -> tuple[tuple[Region, ...], tuple[str, ...]]:
    """Return the boxes of an image and clauses on what of them can not be used."""
    voc = session.files.find(f"{stem}.xml")
    try:
        if voc is not None:
            return parse_voc(read_text(voc), voc)
        yolo = session.files.find(f"{stem}.txt")
        header = session.header(row) if yolo is not None else None
        if yolo is not None and header is not None:
            return parse_yolo(read_text(yolo), (header.rows, header.columns), CLASSES)
    except DatasetError as error:
        session.problem(error)
    return (), ()


def _line(
    item: ExportItem,
    annotation: Annotation,
    stem: str,
    spacing_mm: float | None,
    site: Site,
    numbers: dict[str, dict[str, int]],
) -> GrazLine:
    studies = numbers.setdefault(item.row.group, {})
    study = studies.setdefault(item.row.study or item.row.id, len(studies) + 1)
    side = annotation.side or item.row.side
    return GrazLine(
        stem,
        annotation.extra.get("patient_id") or item.row.group,
        annotation.extra.get("study_number") or str(study),
        item.view if item.view in _PROJECTIONS else "",
        side if side in ("L", "R") else "",
        item.row.age_years,
        item.row.sex,
        spacing_mm,
        annotation.label == site.positive_class,
        bool(annotation.cast),
        bool(annotation.implant),
        annotation.extra,
    )
