"""FracAtlas (Abedeen et al. 2023): ``dataset.csv``, JPEG images, fractures as COCO JSON, Pascal VOC XML or YOLO text.

A line of dataset.csv is one image. The annotation gets the label (``fractured``) and implant (``hardware``); all
columns are kept in `Annotation.extra` under their names. The view is known where exactly one of ``frontal``,
``lateral`` and ``oblique`` is ticked (frontal: PA for a hand, else AP) and ``multiscan`` is not. FracAtlas names no
patients, so each image is one of its own.

The fractures of an image come from the COCO file (outlines), else from its VOC file, else from its YOLO file (boxes).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fractureai.dataset.adding import IMAGE_SUFFIXES
from fractureai.dataset.annotation import Annotation, Region
from fractureai.dataset.core import Dataset
from fractureai.dataset.files import encode_name
from fractureai.dataset.formats.binding import ExportSession, ImportSession
from fractureai.dataset.formats.boxes import parse_voc, parse_yolo, to_voc, to_yolo
from fractureai.dataset.formats.coco import CocoImage, coco_json, parse_coco
from fractureai.dataset.formats.images import copy_file, write_png8
from fractureai.dataset.formats.records import (
    ExportOptions,
    ExportReport,
    ImageFacts,
    ImportOptions,
    ImportReport,
    Marks,
    binary_label,
)
from fractureai.dataset.formats.textfiles import parse_csv, read_text, to_csv, write_text
from fractureai.dataset.table import RadiographRow
from fractureai.errors import DatasetError

DEFAULT_RATER = "fracatlas"
PARTS = ("hand", "leg", "hip", "shoulder", "mixed")
COLUMNS = (
    "image_id",
    *PARTS,
    "hardware",
    "multiscan",
    "fractured",
    "fracture_count",
    "frontal",
    "lateral",
    "oblique",
)
COCO_FILE = "COCO_fracture_masks.json"
KIND, FOREIGN_KIND = "fracture", "fractured"
_FOLDERS = {True: "images/Fractured", False: "images/Non_fractured"}
_FRACTURED_IN = {"Fractured": "1", "Non_fractured": "0"}


@dataclass(frozen=True)
class AtlasLine:
    """A line of dataset.csv: the image's file name and all cells by column."""

    file: str
    cells: Mapping[str, str]

    @property
    def fractured(self) -> bool:
        """Whether the image shows a fracture."""
        return self.cells["fractured"] == "1"

    @property
    def view(self) -> str:
        """The view, "" where it is not clear."""
        ticked = [name for name in ("frontal", "lateral", "oblique") if self.cells.get(name) == "1"]
        if len(ticked) != 1 or self.cells.get("multiscan") == "1":
            return ""
        parts = [name for name in PARTS if self.cells.get(name) == "1"]
        frontal = "PA" if parts == ["hand"] else "AP"
        return {"frontal": frontal, "lateral": "LAT", "oblique": "OBLIQUE"}[ticked[0]]


def import_(
    source: Path, dataset: Dataset, options: ImportOptions = ImportOptions(), *, parts: tuple[str, ...] = PARTS
) -> ImportReport:
    """Import FracAtlas, or the part of it that is there. Truncated images are reported, the rest is imported.

    Images in the folders ``Fractured`` and ``Non_fractured`` that the CSV does not list (some releases leave out the
    damaged ones) get their label from the folder, and nothing else.

    Args:
        source: ``dataset.csv``, or the folder it is in; images and fractures are below that folder.
        dataset: receives images and marks.
        options: how; the default rater is ``fracatlas``.
        parts: import only images of these body parts, of `PARTS`; images that the CSV does not list belong to none.

    Raises:
        DatasetError: there is no dataset.csv, or it is another one.
    """
    table = source / "dataset.csv" if source.is_dir() else source
    lines, problems = parse_atlas_csv(read_text(table), table)
    session = ImportSession(dataset, table, options, DEFAULT_RATER)
    for problem in problems:
        session.clause(problem)
    if set(parts) >= set(PARTS):
        lines += _unlisted(session, {line.file for line in lines})
    else:
        lines = tuple(line for line in lines if any(line.cells.get(part) == "1" for part in parts))
    outlines = _outlines(session)
    facts = [_facts(line) for line in lines]
    for line, fact, row in zip(lines, facts, session.locate(facts), strict=True):
        if row is None:
            continue
        hardware = {"1": "yes", "0": "no"}.get(line.cells.get("hardware", ""), "")
        fields = {**line.cells, "label": binary_label(line.fractured, dataset.site), "implant": hardware}
        regions, clauses = outlines.get(line.file) or _boxes(session, line.file, row)
        marks = Marks(line.file, regions=tuple(map(_ours, regions)), fields=fields, problems=clauses)
        session.save(row, marks, fact)
    return session.finish()


def export(dataset: Dataset, target: Path, options: ExportOptions = ExportOptions()) -> ExportReport:
    """Export finished annotations in the layout of FracAtlas.

    The folder gets ``dataset.csv``, ``images/{Fractured|Non_fractured}`` (JPEG as they are, others as 8-bit PNG) and
    ``Annotations/`` with COCO JSON, Pascal VOC and YOLO. Only regions of the kind ``fracture`` are exported; the format
    has no landmarks.

    Args:
        dataset: what to export.
        target: the folder; it is created.
        options: whose marks, and whether to write the images.

    Raises:
        DatasetError: the folder can not be written, or several raters marked and none is chosen.
    """
    session = ExportSession(dataset, target, options, finished=True)
    lines: list[dict[str, str]] = []
    outlines: list[CocoImage] = []
    for item in session.items():
        header = session.header(item) if item.annotation else None
        if item.annotation is None or header is None:
            continue
        original = dataset.image_path(item.row)
        jpeg = original.suffix.lower() in (".jpg", ".jpeg")
        stem = encode_name(Path(item.annotation.extra.get("image_id") or item.row.id + ".png").stem)
        name = f"{stem}.jpg" if jpeg else f"{stem}.png"
        fractured = item.annotation.label == dataset.site.positive_class
        if options.images:
            radiograph = session.read(item)
            if radiograph is None:
                continue
            if jpeg:
                copy_file(original, target / _FOLDERS[fractured] / name)
            else:
                write_png8(target / _FOLDERS[fractured] / name, radiograph)
        shape = (header.rows, header.columns)
        regions = tuple(_theirs(region) for region in item.annotation.regions if region.kind == KIND)
        if regions:
            outlines.append(CocoImage(Marks(name, regions=regions), shape))
        folder = target / "Annotations"
        write_text(folder / "PASCAL VOC" / f"{stem}.xml", to_voc(name, shape, regions))
        write_text(folder / "YOLO" / f"{stem}.txt", to_yolo(shape, regions, (FOREIGN_KIND,)))
        if item.annotation.landmarks or len(regions) < len(item.annotation.regions):
            session.clause(item, "its landmarks and regions other than fractures are not exported; FracAtlas has none")
        lines.append(_cells(item.annotation, item.view, name, fractured, len(regions)))
    write_text(target / "Annotations" / "COCO JSON" / COCO_FILE, coco_json(outlines, dataset.site))
    write_text(target / "dataset.csv", to_csv(COLUMNS, lines))
    return session.report(images=len(lines) if options.images else 0, annotations=len(lines))


def parse_atlas_csv(text: str, source: Path) -> tuple[tuple[AtlasLine, ...], tuple[str, ...]]:
    """Parse dataset.csv.

    Returns:
        The lines, and a clause for each that can not be used.

    Raises:
        DatasetError: a column is missing.
    """
    lines, problems = [], []
    for index, cells in parse_csv(text, source, ("image_id", "fractured")):
        if not cells["image_id"] or cells["fractured"] not in ("0", "1"):
            problems.append(f"line {index} has no image_id, or fractured is not 0 or 1")
            continue
        lines.append(AtlasLine(cells["image_id"], {name: text for name, text in cells.items() if name and text}))
    return tuple(lines), tuple(problems)


def _facts(line: AtlasLine) -> ImageFacts:
    patient = f"FracAtlas-{Path(line.file).stem}"
    return ImageFacts(line.file, line.view, study=patient, patient=patient, public=True)


def _unlisted(session: ImportSession, listed: set[str]) -> tuple[AtlasLine, ...]:
    """Return lines for the images in the two folders that the CSV does not list."""
    lines = []
    for name, paths in session.files.by_name.items():
        folder = Path(paths[0]).parent.name
        if name not in listed and folder in _FRACTURED_IN and Path(name).suffix.lower() in IMAGE_SUFFIXES:
            lines.append(AtlasLine(name, {"image_id": name, "fractured": _FRACTURED_IN[folder]}))
    return tuple(lines)


def _outlines(session: ImportSession) -> dict[str, tuple[tuple[Region, ...], tuple[str, ...]]]:
    """Return the regions of the COCO file by image, and clauses on what of them can not be used."""
    path = session.files.find(COCO_FILE)
    if path is None:
        return {}
    try:
        images = parse_coco(read_text(path), path)
    except DatasetError as error:
        session.problem(error)
        return {}
    return {image.marks.file: (image.marks.regions, image.marks.problems) for image in images}


def _boxes(session: ImportSession, file: str, row: RadiographRow) -> tuple[tuple[Region, ...], tuple[str, ...]]:
    stem = Path(file).stem
    voc, yolo = session.files.find(f"{stem}.xml"), session.files.find(f"{stem}.txt")
    try:
        if voc is not None:
            return parse_voc(read_text(voc), voc)
        header = session.header(row) if yolo is not None else None
        if yolo is not None and header is not None:
            return parse_yolo(read_text(yolo), (header.rows, header.columns), (FOREIGN_KIND,))
    except DatasetError as error:
        session.problem(error)
    return (), ()


def _ours(region: Region) -> Region:
    return Region(KIND if region.kind == FOREIGN_KIND else region.kind, region.points, region.shape, region.bone)


def _theirs(region: Region) -> Region:
    return Region(FOREIGN_KIND, region.points, region.shape, region.bone)


def _cells(annotation: Annotation, view: str, name: str, fractured: bool, count: int) -> dict[str, str]:
    """Return a line of dataset.csv: what the annotation kept of an import, else what is known."""
    views = {"PA": "frontal", "AP": "frontal", "LAT": "lateral", "OBLIQUE": "oblique"}
    cells = dict.fromkeys(COLUMNS, "0")
    if view in views:
        cells[views[view]] = "1"
    if not any(part in annotation.extra for part in PARTS):
        cells["hand"] = "1"
    kept = {column: text for column, text in annotation.extra.items() if column in COLUMNS}
    own = {"image_id": name, "fractured": str(int(fractured)), "hardware": str(int(bool(annotation.implant)))}
    return {**cells, **kept, **own, "fracture_count": kept.get("fracture_count", str(count))}
