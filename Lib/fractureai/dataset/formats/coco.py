"""COCO: object detection and keypoint JSON.

Landmarks are one annotation of the category ``<site>_<view>``, whose ``keypoints`` are the names of the site profile in
its order. Visibility: 0 not marked, 1 marked though hidden, 2 visible; names marked as hidden are kept in
``Annotation.extra["hidden_landmarks"]``. Regions are annotations of a category by their kind, with ``bbox`` and, for
polygons and curves, ``segmentation``; shape and bone stand in ``attributes``. Statements on the whole image stand in
the image's ``fractureai`` object, which other programs pass over.

Coordinates: ``bbox`` = x, y, width, height and ``segmentation`` are edges (x = 0 is the image's left edge, col = x -
0.5); ``keypoints`` are pixel indices (col = x), as COCO's own are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fractureai.dataset.annotation import Region
from fractureai.dataset.core import Dataset
from fractureai.dataset.formats.binding import ExportSession, ImportSession
from fractureai.dataset.formats.images import write_png8
from fractureai.dataset.formats.records import (
    HALF_PIXEL,
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
from fractureai.dataset.formats.textfiles import parse_json, plain, read_text, to_json, write_text
from fractureai.errors import DatasetError
from fractureai.sites import Site

DEFAULT_RATER = "coco"
HIDDEN = "hidden_landmarks"
_VISIBLE, _HIDDEN, _UNMARKED = 2, 1, 0


@dataclass(frozen=True)
class CocoImage:
    """An image of a COCO file: its marks, its size (rows, columns), and its view by which the category is chosen."""

    marks: Marks
    shape: tuple[int, int]
    view: str = ""


def import_(source: Path, dataset: Dataset, options: ImportOptions = ImportOptions()) -> ImportReport:
    """Import a COCO file (.json).

    Args:
        source: the file; the images are below its folder unless the options say otherwise.
        dataset: receives images and marks.
        options: how; the default rater is ``coco``.

    Raises:
        DatasetError: the file can not be read or is no COCO file.
    """
    images = parse_coco(read_text(source), source)
    session = ImportSession(dataset, source, options, DEFAULT_RATER)
    session.save_marks([image.marks for image in images], [facts_from(image.marks) for image in images])
    return session.finish()


def export(dataset: Dataset, target: Path, options: ExportOptions = ExportOptions()) -> ExportReport:
    """Export to a folder: ``annotations.json`` and the images as 8-bit PNG in ``images``.

    Args:
        dataset: what to export.
        target: the folder; it is created.
        options: whose marks, and whether to write the images.

    Raises:
        DatasetError: the folder can not be written, or several raters marked and none is chosen.
    """
    session = ExportSession(dataset, target, options)
    images, annotated = [], 0
    for item in session.items():
        name = session.image_name(item, ".png")
        header = session.header(item)
        if header is None:
            continue
        if options.images:
            radiograph = session.read(item)
            if radiograph is None:
                continue
            write_png8(target / "images" / name, radiograph)
        fields = fields_of_row(item.row) | (fields_from(item.annotation) if item.annotation else {})
        points = tuple(item.annotation.landmarks.items()) if item.annotation else ()
        regions = item.annotation.regions if item.annotation else ()
        images.append(CocoImage(Marks(name, points, regions, fields), (header.rows, header.columns), item.view))
        annotated += item.annotation is not None
    write_text(target / "annotations.json", coco_json(images, dataset.site))
    return session.report(images=len(images) if options.images else 0, annotations=annotated)


def parse_coco(text: str, source: Path) -> tuple[CocoImage, ...]:
    """Parse a COCO detection or keypoint file.

    Args:
        text: the content.
        source: named in errors.

    Raises:
        DatasetError: it has no ``images``, ``annotations`` and ``categories``.
    """
    table = parse_json(text, source)
    lists = [table.get(key) for key in ("images", "annotations", "categories")]
    if not all(isinstance(part, list) and all(isinstance(entry, dict) for entry in part) for part in lists):
        reason = "it has no lists images, annotations and categories"
        raise DatasetError(source, reason, "choose a COCO detection or keypoint file")
    images, annotations, categories = (part for part in lists if part is not None)
    by_category = {str(category.get("id")): category for category in categories}
    by_image: dict[str, list[dict[str, Any]]] = {}
    for annotation in annotations:
        by_image.setdefault(str(annotation.get("image_id")), []).append(annotation)
    known = [image for image in images if isinstance(image.get("file_name"), str)]
    if len(known) < len(images):
        raise DatasetError(source, "an image has no file_name", "export it again")
    return tuple(_image(image, by_image.get(str(image.get("id")), ()), by_category) for image in known)


def coco_json(images: Iterable[CocoImage], site: Site) -> str:
    """Write images and marks as COCO JSON; the categories are the site's views, then the kinds of the regions."""
    images = tuple(images)
    kinds = dict.fromkeys(region.kind for image in images for region in image.marks.regions)
    views = {view.name: (number, view) for number, view in enumerate(site.views, start=1)}
    number_of = {kind: number for number, kind in enumerate(kinds, start=len(views) + 1)}
    categories: list[dict[str, Any]] = [
        {
            "id": number,
            "name": f"{site.name}_{name}",
            "supercategory": site.name,
            "keypoints": list(view.landmark_names),
            "skeleton": [],
        }
        for name, (number, view) in views.items()
    ]
    categories += [{"id": number, "name": kind, "supercategory": "finding"} for kind, number in number_of.items()]
    entries, annotations = [], []
    for image_id, image in enumerate(images, start=1):
        fields = {name: text for name, text in image.marks.fields.items() if name != HIDDEN}
        height, width = image.shape
        size = {"width": width, "height": height}
        entries.append({"id": image_id, "file_name": image.marks.file, **size, "fractureai": fields})
        for name in _views_of(image, site):
            number, view = views[name]
            annotations.append(_keypoints(image, view.landmark_names) | {"category_id": number, "image_id": image_id})
        for region in image.marks.regions:
            annotations.append(_region_entry(region) | {"category_id": number_of[region.kind], "image_id": image_id})
    numbered = [{"id": number, **annotation} for number, annotation in enumerate(annotations, start=1)]
    return to_json({"info": _INFO, "images": entries, "annotations": numbered, "categories": categories})


_INFO = {"description": "exported by FractureAI", "version": "1.0"}


def _views_of(image: CocoImage, site: Site) -> list[str]:
    """Return the views whose categories together hold all landmarks of an image; the image's own view first."""
    rest = {name for name, _ in image.marks.points}
    own = site.view_for(image.view)
    order = sorted(site.views, key=lambda view: (view is not own, -len(rest.intersection(view.landmark_names))))
    chosen = []
    for view in order:
        if rest.intersection(view.landmark_names):
            chosen.append(view.name)
            rest -= set(view.landmark_names)
    return chosen


def _keypoints(image: CocoImage, names: Sequence[str]) -> dict[str, Any]:
    points = dict(image.marks.points)
    hidden = image.marks.fields.get(HIDDEN, "").split("; ")
    triples: list[float] = []
    for name in names:
        if name in points:
            row, col = points[name]
            triples += [plain(col), plain(row), _HIDDEN if name in hidden else _VISIBLE]
        else:
            triples += [0, 0, _UNMARKED]
    marked = [points[name] for name in names if name in points]
    box = _bbox(marked)
    area = plain(box[2] * box[3])
    return {"keypoints": triples, "num_keypoints": len(marked), "bbox": box, "area": area, "iscrowd": 0}


def _region_entry(region: Region) -> dict[str, Any]:
    box = _bbox(region.points)
    outline = [plain(value + HALF_PIXEL) for row, col in region.points for value in (col, row)]
    area = box[2] * box[3] if region.shape == "box" else _area(region.points) if region.shape == "polygon" else 0.0
    return {
        "bbox": box,
        "segmentation": [] if region.shape == "box" else [outline],
        "area": plain(area),
        "iscrowd": 0,
        "attributes": {"shape": region.shape, "bone": region.bone},
    }


def _bbox(points: Sequence[Point]) -> list[float]:
    left, top, right, bottom = bounds(points)
    return [plain(value) for value in (left + HALF_PIXEL, top + HALF_PIXEL, right - left, bottom - top)]


def _area(points: Sequence[Point]) -> float:
    turned = zip(points, (*points[1:], points[0]), strict=True)
    return abs(sum(row * next_col - next_row * col for (row, col), (next_row, next_col) in turned)) / 2


def _image(
    image: Mapping[str, Any], annotations: Iterable[Mapping[str, Any]], categories: Mapping[str, Mapping[str, Any]]
) -> CocoImage:
    own = image.get("fractureai")
    fields = {str(name): str(text) for name, text in own.items()} if isinstance(own, dict) else {}
    points: list[tuple[str, Point]] = []
    regions: list[Region] = []
    hidden: list[str] = []
    problems: list[str] = []
    for entry in annotations:
        category = categories.get(str(entry.get("category_id")), {})
        try:
            if entry.get("keypoints"):
                found = _points(entry["keypoints"], category["keypoints"])
                points += [(name, point) for name, point, _ in found]
                hidden += [name for name, _, seen in found if seen == _HIDDEN]
            else:
                regions += _regions(entry, str(category["name"]))
        except (KeyError, TypeError, ValueError, AttributeError):
            problems.append(f"annotation {entry.get('id')} has no usable category, keypoints, bbox or segmentation")
    if hidden:
        fields[HIDDEN] = "; ".join(hidden)
    marks = Marks(str(image["file_name"]), fields=fields)
    marks = replace(marks, points=tuple(points), regions=tuple(regions), problems=tuple(problems))
    height, width = (value if isinstance(value, int) else 0 for value in (image.get("height"), image.get("width")))
    return CocoImage(marks, (height, width))


def _points(triples: Sequence[float], names: Sequence[str]) -> list[tuple[str, Point, int]]:
    if len(triples) != 3 * len(names):
        raise ValueError("three numbers for each key point")
    found = zip(names, triples[::3], triples[1::3], triples[2::3], strict=True)
    return [(str(name), (float(y), float(x)), int(seen)) for name, x, y, seen in found if seen != _UNMARKED]


def _regions(entry: Mapping[str, Any], kind: str) -> list[Region]:
    attributes = entry.get("attributes", {})
    bone = str(attributes.get("bone", ""))
    outlines = entry.get("segmentation")
    if isinstance(outlines, list) and outlines:
        shape = "curve" if attributes.get("shape") == "curve" else "polygon"
        regions = []
        for outline in outlines:
            pairs = zip(outline[1::2], outline[::2], strict=True)
            points = tuple((float(y) - HALF_PIXEL, float(x) - HALF_PIXEL) for y, x in pairs)
            if len(points) < (3 if shape == "polygon" else 2):
                raise ValueError("too few points")
            regions.append(Region(kind, points, shape, bone))
        return regions
    x, y, width, height = (float(value) for value in entry["bbox"])
    left, top = x - HALF_PIXEL, y - HALF_PIXEL
    return [box_region(kind, left, top, left + width, top + height, bone)]
