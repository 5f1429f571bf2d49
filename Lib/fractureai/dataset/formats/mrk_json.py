"""Slicer markups, ``.mrk.json`` (schema 1.0.x), one file for each radiograph, named ``<id>.mrk.json``.

The first markup is the fiducial list of the landmarks in the order of the site profile (those not marked have the
status ``undefined``); then one markup for each region: ROI for a box, ClosedCurve for a polygon, Curve for a curve.
Kind and bone of a region stand in its name and, because Slicer does not save names, in the description of its control
points. Statements on the whole image stand in the object ``fractureai``, which Slicer passes over and does not save.

Coordinates are millimetres, LPS (or RAS where a file says so). The radiograph lies in the plane S = 0 with ijkToRAS =
diag(-column spacing, -row spacing, 1), so LPS = (col x column spacing, row x row spacing, 0): pixel centres, no half
pixel. The spacing is the one the file records, else the radiograph's, else 1 mm as in the Slicer module; an import with
assumed spacing says so in ``Annotation.extra["mrk_json_spacing"]``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fractureai.dataset.annotation import Region
from fractureai.dataset.core import Dataset
from fractureai.dataset.formats.binding import ExportSession, ImportSession
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
from fractureai.dataset.formats.textfiles import parse_json, read_text, to_json, write_text
from fractureai.errors import DatasetError
from fractureai.sites import Site

DEFAULT_RATER = "slicer"
SUFFIX = ".mrk.json"
SCHEMA = (
    "https://raw.githubusercontent.com/slicer/slicer/master/"
    "Modules/Loadable/Markups/Resources/Schema/markups-schema-v1.0.3.json#"
)
UNKNOWN_SPACING = (1.0, 1.0)
ASSUMED = "mrk_json_spacing"

_RAS_OF_LPS = np.array([-1.0, -1.0, 1.0])
_THICKNESS_MM = 1.0
_MILLIMETRES = {"mm": 1.0, "um": 1e-3}
_CURVES = {"polygon": "ClosedCurve", "curve": "Curve"}
_SHAPES = {"ClosedCurve": "polygon", "Curve": "curve", "Line": "curve"}
Table = Mapping[str, Any]


def import_(source: Path, dataset: Dataset, options: ImportOptions = ImportOptions()) -> ImportReport:
    """Import Slicer markups.

    Args:
        source: a ``.mrk.json`` file, or a folder that is searched for them with all its folders. The name before
            ``.mrk.json`` is the radiograph's id or the image's file name.
        dataset: receives the marks; images that are new are taken from the folder.
        options: how; the default rater is ``slicer``.

    Raises:
        DatasetError: the source is no markups file, or a folder without any.
    """
    session = ImportSession(dataset, source, options, DEFAULT_RATER)
    tables: list[Table] = []
    facts = []
    for path in _files_of(source):
        try:
            tables.append(parse_markups(read_text(path), path))
        except DatasetError as error:
            if path == source:
                raise
            session.problem(error)
            continue
        name = path.name.removesuffix(".json").removesuffix(".mrk")
        own_file = str(_own(tables[-1]).get("file") or "")
        fact = facts_from(Marks(name, fields=_texts(tables[-1])))
        facts.append(replace(fact, aliases=(own_file,) if own_file else ()))
    for table, fact, row in zip(tables, facts, session.locate(facts), strict=True):
        if row is None:
            continue
        spacing, assumed = _recorded_spacing(table), False
        if spacing is None:
            header = session.header(row)
            if header is None:
                continue
            spacing, assumed = header.spacing_mm or UNKNOWN_SPACING, header.spacing_mm is None
        session.save(row, marks_of(table, fact.file, spacing, dataset.site, assumed=assumed), fact)
    return session.finish()


def export(dataset: Dataset, target: Path, options: ExportOptions = ExportOptions()) -> ExportReport:
    """Export each annotation to ``<target>/<id>.mrk.json``; images are not written, Slicer reads the originals.

    Args:
        dataset: what to export.
        target: the folder; it is created.
        options: whose marks.

    Raises:
        DatasetError: the folder can not be written, or several raters marked and none is chosen.
    """
    session = ExportSession(dataset, target, options)
    annotated = 0
    for item in session.items():
        if item.annotation is None:
            continue
        header = session.header(item)
        if header is None:
            continue
        fields = fields_of_row(item.row) | fields_from(item.annotation)
        marks = Marks(item.row.file, tuple(item.annotation.landmarks.items()), item.annotation.regions, fields)
        profile = dataset.site.view_for(item.view)
        names = profile.landmark_names if profile else ()
        spacing = header.spacing_mm or UNKNOWN_SPACING
        text = markups_json(marks, spacing, names, header.spacing_source)
        write_text(target / session.file_name(item, SUFFIX), text)
        annotated += 1
    return session.report(images=0, annotations=annotated)


def parse_markups(text: str, source: Path) -> dict[str, Any]:
    """Parse a markups file and check its schema.

    Raises:
        DatasetError: it is no JSON, or of another schema than markups 1.
    """
    table = parse_json(text, source)
    schema = str(table.get("@schema", "")).lower()
    if "markups-schema-v1." not in schema or not isinstance(table.get("markups"), list):
        raise DatasetError(source, "it is no Slicer markups file of schema 1", "save it again with Slicer 5")
    return table


def marks_of(table: Table, file: str, spacing_mm: Point, site: Site, *, assumed: bool = False) -> Marks:
    """Turn a parsed markups file into marks in pixels.

    Control points that name no landmark of the site, by name or title, are taken in the profile's order when none does.

    Args:
        table: of `parse_markups`.
        file: the image's name.
        spacing_mm: (row, column) of the radiograph.
        site: whose landmarks the points may name.
        assumed: the spacing is an assumption; recorded in the fields.
    """
    names = {text: mark.name for view in site.views for mark in view.landmarks for text in (mark.name, mark.title)}
    points: list[tuple[str, Point]] = []
    regions: list[Region] = []
    problems: list[str] = []
    for index, markup in enumerate(table["markups"]):
        try:
            kind = markup["type"]
            if kind == "Fiducial":
                points += _fiducials(markup, spacing_mm)
            else:
                regions.append(_region(markup, kind, spacing_mm))
        except (KeyError, TypeError, ValueError, AttributeError):
            problems.append(f"markup {index} is no point list, ROI, curve or line with positions")
    if not any(label in names for label, _ in points):
        points = [("", point) for _, point in points]
    fields = _texts(table)
    if assumed:
        fields[ASSUMED] = f"{spacing_mm[0]} {spacing_mm[1]} mm (assumed)"
    named = tuple((names.get(label, label), point) for label, point in points)
    return Marks(file, named, tuple(regions), fields, tuple(problems))


def markups_json(marks: Marks, spacing_mm: Point, names: Sequence[str], spacing_source: str = "") -> str:
    """Write marks as a markups file, in LPS.

    Args:
        marks: landmarks, regions and fields.
        spacing_mm: (row, column) of the radiograph.
        names: landmarks of the view in order; those not marked are written as undefined.
        spacing_source: where the spacing came from, for the record.
    """
    points = dict(marks.points)
    controls: list[dict[str, Any]] = []
    for name in dict.fromkeys((*names, *points)):
        controls.append(_control(name, "", points.get(name), spacing_mm))
    markups = [_markup("Fiducial", "landmarks", controls, fixed=True)]
    markups += [_region_markup(region, spacing_mm) for region in marks.regions]
    own = {"spacing_mm": list(spacing_mm), "spacing_source": spacing_source, "file": marks.file}
    return to_json({"@schema": SCHEMA, "markups": markups, "fractureai": own | {"fields": dict(marks.fields)}})


def to_lps(points_rc: npt.ArrayLike, spacing_mm: Point) -> list[list[float]]:
    """Map points (row, col) to LPS millimetres (x, y, z)."""
    from fractureai.geometry import pixel_to_ras  # loads scipy: only where positions are computed

    lps: list[list[float]] = (np.atleast_2d(pixel_to_ras(points_rc, spacing_mm)) * _RAS_OF_LPS + 0.0).tolist()
    return lps


def _files_of(source: Path) -> list[Path]:
    if source.is_file():
        return [source]
    found = sorted(source.rglob(f"*{SUFFIX}"))
    if not found:
        raise DatasetError(source, f"there is no {SUFFIX} file", "choose a markups file or a folder of them")
    return found


def _own(table: Table) -> Table:
    own = table.get("fractureai")
    return own if isinstance(own, dict) else {}


def _texts(table: Table) -> dict[str, str]:
    fields = _own(table).get("fields")
    return {str(name): str(text) for name, text in fields.items()} if isinstance(fields, dict) else {}


def _recorded_spacing(table: Table) -> Point | None:
    value = _own(table).get("spacing_mm")
    usable = isinstance(value, list) and len(value) == 2 and all(isinstance(v, (int, float)) and v > 0 for v in value)
    return (float(value[0]), float(value[1])) if usable and isinstance(value, list) else None


def _to_pixels(positions: npt.ArrayLike, markup: Table, spacing_mm: Point) -> list[Point]:
    """Map (n, 3) positions in the markup's coordinate system and unit to points (row, col)."""
    from fractureai.geometry import ras_to_pixel

    unit = markup.get("coordinateUnits", "mm")
    ras = np.array(positions, dtype=float) * _MILLIMETRES[unit[0] if isinstance(unit, list) else unit]
    system = markup.get("coordinateSystem", "LPS")
    if ras.ndim != 2 or ras.shape[1] != 3 or not np.isfinite(ras).all() or system not in ("LPS", "RAS"):
        raise ValueError("not positions")
    if system == "LPS":
        ras = ras * _RAS_OF_LPS
    return [(float(row), float(col)) for row, col in ras_to_pixel(ras, spacing_mm)]


def _defined(markup: Table) -> list[Table]:
    return [point for point in markup["controlPoints"] if point.get("positionStatus", "defined") == "defined"]


def _fiducials(markup: Table, spacing_mm: Point) -> list[tuple[str, Point]]:
    controls = _defined(markup)
    if not controls:
        return []
    pixels = _to_pixels([control["position"] for control in controls], markup, spacing_mm)
    return [(str(control.get("label", "")), point) for control, point in zip(controls, pixels, strict=True)]


def _region(markup: Table, kind: str, spacing_mm: Point) -> Region:
    controls = _defined(markup)
    described = str(controls[0].get("description", "")) if controls else ""
    name, _, bone = (described or str(markup.get("name") or "")).partition("/")
    if kind == "ROI":
        return _roi(markup, name or "fracture", bone, spacing_mm)
    shape = _SHAPES[kind]
    points = tuple(_to_pixels([control["position"] for control in controls], markup, spacing_mm))
    if len(points) < (3 if shape == "polygon" else 2):
        raise ValueError("too few points")
    return Region(name or "fracture", points, shape, bone)


def _roi(markup: Table, kind: str, bone: str, spacing_mm: Point) -> Region:
    """Return an ROI's section in the image plane: a box, or a polygon where it is turned."""
    centre, size = np.array(markup["center"], dtype=float), np.array(markup["size"], dtype=float)
    axes = np.array(markup.get("orientation", np.eye(3).ravel()), dtype=float).reshape(3, 3)
    halves = [(-0.5, -0.5), (-0.5, 0.5), (0.5, 0.5), (0.5, -0.5)]
    corners = [centre + axes[:, 0] * size[0] * x + axes[:, 1] * size[1] * y for x, y in halves]
    points = _to_pixels(corners, markup, spacing_mm)
    left, top, right, bottom = bounds(points)
    near = 1e-6 * max(right - left, bottom - top, 1.0)
    upright = all(
        min(abs(row - top), abs(row - bottom)) < near and min(abs(col - left), abs(col - right)) < near
        for row, col in points
    )
    return box_region(kind, left, top, right, bottom, bone) if upright else Region(kind, tuple(points), "polygon", bone)


def _region_markup(region: Region, spacing_mm: Point) -> dict[str, Any]:
    name = f"{region.kind}/{region.bone}" if region.bone else region.kind
    if region.shape != "box":
        controls = [_control(str(n), name, point, spacing_mm) for n, point in enumerate(region.points, start=1)]
        return _markup(_CURVES[region.shape], name, controls)
    left, top, right, bottom = bounds(region.points)
    centre = ((top + bottom) / 2, (left + right) / 2)
    height, width = (bottom - top) * spacing_mm[0], (right - left) * spacing_mm[1]
    turned = [-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0]
    return _markup("ROI", name, [_control("", name, centre, spacing_mm)]) | {
        "roiType": "Box",
        "center": to_lps(centre, spacing_mm)[0],
        "orientation": turned,
        "size": [width, height, _THICKNESS_MM],
    }


def _markup(kind: str, name: str, controls: list[dict[str, Any]], *, fixed: bool = False) -> dict[str, Any]:
    return {
        "type": kind,
        "name": name,
        "coordinateSystem": "LPS",
        "coordinateUnits": "mm",
        "locked": False,
        "fixedNumberOfControlPoints": fixed,
        "controlPoints": controls,
    }


def _control(label: str, description: str, point: Point | None, spacing_mm: Point) -> dict[str, Any]:
    control: dict[str, Any] = {"label": label, "description": description, "positionStatus": "undefined"}
    if point is not None and all(math.isfinite(value) for value in point):
        control |= {"position": to_lps(point, spacing_mm)[0], "positionStatus": "defined"}
    return control
