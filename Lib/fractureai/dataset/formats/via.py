"""VGG Image Annotator (VIA) 2: project JSON, exported annotations JSON and CSV. VIA 1 files are read too.

Point regions with the region attribute ``landmark`` are landmarks; rectangles, polygons and polylines are regions, with
the region attributes ``kind`` (default ``fracture``) and ``bone``. File attributes carry the label, view, side and the
rest; a file attribute FractureAI has no name for is kept in `Annotation.extra`. Coordinates are taken as pixel indices,
as DeepWrist's authors did with their VIA projects: col = cx, row = cy.

An export writes ``via_project.json``, ``via_annotations.csv`` and the images as 8-bit PNG (browsers show no DICOM)
named by the radiograph's id, so that marks made in VIA find their way back to the DICOM file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fractureai.dataset.annotation import LABELS, STATUSES, Region
from fractureai.dataset.core import Dataset
from fractureai.dataset.formats.binding import ExportSession, ImportSession
from fractureai.dataset.formats.images import write_png8
from fractureai.dataset.formats.records import (
    ExportOptions,
    ExportReport,
    ImportOptions,
    ImportReport,
    Marks,
    Point,
    bounds,
    box_region,
    facts_from,
    fields_from,
    fields_of_row,
)
from fractureai.dataset.formats.textfiles import parse_csv, parse_json, plain, read_text, to_csv, to_json, write_text
from fractureai.errors import DatasetError
from fractureai.radiograph.model import SIDES, VIEWS
from fractureai.sites import Site

DEFAULT_RATER = "via"
COLUMNS = (
    "filename",
    "file_size",
    "file_attributes",
    "region_count",
    "region_id",
    "region_shape_attributes",
    "region_attributes",
)


@dataclass(frozen=True)
class ViaFile:
    """An image of a VIA project: its marks and its size in bytes (part of VIA's key; -1 where VIA does not know it)."""

    marks: Marks
    size: int


def import_(source: Path, dataset: Dataset, options: ImportOptions = ImportOptions()) -> ImportReport:
    """Import a VIA project or export (.json or .csv).

    Args:
        source: the file.
        dataset: receives images and marks.
        options: how; the default rater is ``via``.

    Raises:
        DatasetError: the file can not be read or is no VIA file.
    """
    text = read_text(source)
    files = parse_via_csv(text, source) if source.suffix.lower() == ".csv" else parse_via_json(text, source)
    session = ImportSession(dataset, source, options, DEFAULT_RATER)
    session.save_marks([file.marks for file in files], [facts_from(file.marks) for file in files])
    return session.finish()


def export(dataset: Dataset, target: Path, options: ExportOptions = ExportOptions()) -> ExportReport:
    """Export to a folder that VIA opens: ``via_project.json``, ``via_annotations.csv`` and ``images/*.png``.

    Args:
        dataset: what to export; radiographs without annotation are there to be marked.
        target: the folder; it is created.
        options: whose marks, and whether to write the images.

    Raises:
        DatasetError: the folder can not be written, or several raters marked and none is chosen.
    """
    session = ExportSession(dataset, target, options)
    files, annotated = [], 0
    for item in session.items():
        name, size = session.image_name(item, ".png"), -1
        if options.images:
            radiograph = session.read(item)
            if radiograph is None:
                continue
            size = write_png8(target / "images" / name, radiograph)
        fields = fields_of_row(item.row) | (fields_from(item.annotation) if item.annotation else {})
        points = tuple(item.annotation.landmarks.items()) if item.annotation else ()
        regions = item.annotation.regions if item.annotation else ()
        files.append(ViaFile(Marks(name, points, regions, fields), size))
        annotated += item.annotation is not None
    write_text(target / "via_project.json", via_project(files, dataset.name, dataset.site))
    write_text(target / "via_annotations.csv", via_csv(files))
    return session.report(images=len(files) if options.images else 0, annotations=annotated)


def parse_via_json(text: str, source: Path) -> tuple[ViaFile, ...]:
    """Parse a VIA project, or the annotations exported from one, as JSON.

    Args:
        text: the content.
        source: named in errors.

    Raises:
        DatasetError: it is not VIA JSON; VIA 3 projects, which have another structure, are named as such.
    """
    table = parse_json(text, source)
    if "config" in table and "metadata" in table:
        advice = "export them from VIA 2, or convert the project"
        raise DatasetError(source, "it is a project of VIA 3; FractureAI reads VIA 1 and 2", advice)
    entries = table.get("_via_img_metadata", table)
    if not isinstance(entries, dict) or not all(isinstance(e, dict) and "filename" in e for e in entries.values()):
        raise DatasetError(source, "it holds no VIA annotations", "choose a project or an annotation file of VIA 2")
    return tuple(_file(entry) for entry in entries.values())


def parse_via_csv(text: str, source: Path) -> tuple[ViaFile, ...]:
    """Parse annotations exported from VIA as CSV, one line each region.

    Args:
        text: the content; the header may start with ``#`` as VIA 1 wrote it.
        source: named in errors.

    Raises:
        DatasetError: a column is missing.
    """
    entries: dict[str, dict[str, Any]] = {}
    for line, cells in parse_csv(text.removeprefix("#"), source, COLUMNS):
        key = cells["filename"] + cells["file_size"]
        blank = {"filename": cells["filename"], "size": cells["file_size"], "regions": [], "problems": []}
        entry = entries.setdefault(key, blank)
        try:
            shape, attributes = json.loads(cells["region_shape_attributes"]), json.loads(cells["region_attributes"])
            entry["file_attributes"] = json.loads(cells["file_attributes"])
        except ValueError:
            entry["problems"].append(f"line {line} holds no JSON in its attribute cells")
            continue
        if shape:
            entry["regions"].append({"shape_attributes": shape, "region_attributes": attributes})
    return tuple(_file(entry) for entry in entries.values())


def via_project(files: Iterable[ViaFile], name: str, site: Site) -> str:
    """Write a VIA 2 project.

    Args:
        files: images and marks.
        name: of the project.
        site: whose landmarks and bones VIA offers in its attribute editor.
    """
    metadata = {f"{file.marks.file}{file.size}": _entry(file) for file in files}
    names = dict.fromkeys(landmark for view in site.views for landmark in view.landmark_names)
    project = {
        "_via_settings": {
            "ui": {"image": {"region_label": "landmark", "region_label_font": "12px Sans"}},
            "core": {"buffer_size": 18, "filepath": {}, "default_filepath": "images/"},
            "project": {"name": name},
        },
        "_via_img_metadata": metadata,
        "_via_attributes": {
            "region": {"landmark": _choice(names), "kind": _TEXT, "bone": _choice(site.bones)},
            "file": {
                "label": _choice(LABELS),
                "view": _choice(VIEWS),
                "side": _choice(SIDES),
                "status": _choice(STATUSES),
                "comment": _TEXT,
            },
        },
        "_via_data_format_version": "2.0.10",
        "_via_image_id_list": list(metadata),
    }
    return to_json(project)


def via_csv(files: Iterable[ViaFile]) -> str:
    """Write annotations as VIA 2 exports them as CSV; an image without regions has one line with empty ones."""
    lines = []
    for file in files:
        entry = _entry(file)
        regions = entry["regions"] or [{"shape_attributes": {}, "region_attributes": {}}]
        for index, region in enumerate(regions):
            cells = (
                file.marks.file,
                file.size,
                _cell(entry["file_attributes"]),
                len(entry["regions"]),
                index,
                _cell(region["shape_attributes"]),
                _cell(region["region_attributes"]),
            )
            lines.append(dict(zip(COLUMNS, cells, strict=True)))
    return to_csv(COLUMNS, lines)


_TEXT = {"type": "text", "description": "", "default_value": ""}


def _choice(words: Iterable[str]) -> dict[str, Any]:
    return {"type": "dropdown", "description": "", "options": dict.fromkeys(words, ""), "default_options": {}}


def _cell(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _entry(file: ViaFile) -> dict[str, Any]:
    points = [
        {
            "shape_attributes": {"name": "point", "cx": plain(col), "cy": plain(row)},
            "region_attributes": {"landmark": name},
        }
        for name, (row, col) in file.marks.points
    ]
    regions = [
        {"shape_attributes": _shape(region), "region_attributes": {"kind": region.kind, "bone": region.bone}}
        for region in file.marks.regions
    ]
    return {
        "filename": file.marks.file,
        "size": file.size,
        "regions": [*points, *regions],
        "file_attributes": dict(file.marks.fields),
    }


def _shape(region: Region) -> dict[str, Any]:
    if region.shape == "box":
        left, top, right, bottom = bounds(region.points)
        size = {"width": plain(right - left), "height": plain(bottom - top)}
        return {"name": "rect", "x": plain(left), "y": plain(top), **size}
    xs, ys = [plain(col) for _, col in region.points], [plain(row) for row, _ in region.points]
    name = "polygon" if region.shape == "polygon" else "polyline"
    return {"name": name, "all_points_x": xs, "all_points_y": ys}


def _file(entry: Mapping[str, Any]) -> ViaFile:
    listed = entry.get("regions", [])
    listed = list(listed.values()) if isinstance(listed, dict) else listed  # VIA 1: numbered keys instead of a list
    marks = Marks(str(entry["filename"]), fields=_texts(entry.get("file_attributes")))
    points: list[tuple[str, Point]] = []
    regions: list[Region] = []
    problems = list(entry.get("problems", []))
    for index, item in enumerate(listed if isinstance(listed, list) else []):
        try:
            shape, attributes = item["shape_attributes"], _texts(item.get("region_attributes"))
            if shape["name"] == "point":
                points.append((attributes.get("landmark", ""), (float(shape["cy"]), float(shape["cx"]))))
            else:
                regions.append(_region(shape, attributes))
        except (KeyError, TypeError, ValueError, AttributeError):
            problems.append(f"region {index} is no point, rectangle, polygon or polyline")
    size = str(entry.get("size", -1))
    marks = replace(marks, points=tuple(points), regions=tuple(regions), problems=tuple(problems))
    return ViaFile(marks, int(size) if size.lstrip("-").isdecimal() else -1)


def _region(shape: Mapping[str, Any], attributes: Mapping[str, str]) -> Region:
    kind, bone = attributes.get("kind") or "fracture", attributes.get("bone", "")
    if shape["name"] == "rect":
        x, y, width, height = (float(shape[key]) for key in ("x", "y", "width", "height"))
        return box_region(kind, x, y, x + width, y + height, bone)
    points = tuple((float(y), float(x)) for y, x in zip(shape["all_points_y"], shape["all_points_x"], strict=True))
    form = {"polygon": "polygon", "polyline": "curve"}[shape["name"]]
    if len(points) < (3 if form == "polygon" else 2):
        raise ValueError("too few points")
    return Region(kind, points, form, bone)


def _texts(attributes: object) -> dict[str, str]:
    """Return attributes as text; a set of ticked boxes becomes its names, joined by "; "."""
    if not isinstance(attributes, dict):
        return {}
    texts = {}
    for name, value in attributes.items():
        text = "; ".join(key for key, on in value.items() if on) if isinstance(value, dict) else str(value)
        if text not in ("", "None", "undefined"):
            texts[str(name)] = text
    return texts
