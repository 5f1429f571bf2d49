"""What the formats share: reports, options, and what a foreign file says about one image.

Coordinates. A point of FractureAI is (row, col) with integers at pixel centres. Foreign formats give x before y, and
are of two kinds:

* **pixel index**: x = 3 is the centre of the fourth column. So col = x. Used by DeepWrist, VIA, COCO *keypoints*, and
  VOC, whose boxes name the first and last pixel inside (edges half a pixel further out).
* **edge**: x = 3 is the left edge of the fourth column, 0 and width are the image's edges. So col = x - 0.5. Used by
  COCO boxes and polygons, and (divided by width and height) by YOLO.

A box of FractureAI is two opposite corners of the area it covers: one that covers exactly columns 3 to 5 has corners at
col 2.5 and 5.5.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from fractureai.dataset.annotation import STATUSES, Annotation, Region
from fractureai.dataset.table import STRATA, RadiographRow
from fractureai.errors import FileError
from fractureai.radiograph.model import SIDES, UNKNOWN, VIEWS
from fractureai.sites import Site

if TYPE_CHECKING:
    from fractureai.dataset.core import Dataset

Point = tuple[float, float]
Progress = Callable[[int, int], None]
"""Called with the number of images done and the number of all images."""

HALF_PIXEL = 0.5
"""An edge coordinate minus this is a pixel index."""

ROW_FIELDS = ("study", "patient", "age_years", "sex", "date", "stratum", "description")
MARK_FIELDS = ("label", "status", "view", "side", "displacement", "cast", "implant", "quality", "comment")
HEADER_FIELDS = ("radiograph_view", "radiograph_side", "row_spacing_mm", "col_spacing_mm")
EXTRA_PREFIX = "extra."

QUALITIES = ("good", "limited", "non-diagnostic")
_YES, _NO = ("1", "yes", "true", "y"), ("0", "no", "false", "n")


@dataclass(frozen=True)
class ImportOptions:
    """How to import.

    Attributes:
        rater: under whose name the marks are saved; "" for the format's own default.
        images: folder that holds the images (searched with all its folders); None: the folder of the source.
        copy: copy the images into the dataset instead of referring to them.
        replace: overwrite annotations that this rater already has; else they are kept and counted as skipped.
        spacing_mm: (row, column) spacing of images that carry none.
        progress: called after each image.
    """

    rater: str = ""
    images: Path | None = None
    copy: bool = True
    replace: bool = False
    spacing_mm: tuple[float, float] | None = None
    progress: Progress | None = None


@dataclass(frozen=True)
class ExportOptions:
    """How to export.

    Attributes:
        raters: whose marks to export; where several marked one radiograph, the first of these that did. None: the
            dataset's reference annotations ("consensus", else "truth", else the only rater).
        images: write the images too.
        progress: called after each image.
    """

    raters: Sequence[str] | None = None
    images: bool = True
    progress: Progress | None = None


@dataclass(frozen=True)
class ImportReport:
    """What an import did.

    Attributes:
        added: radiographs new in the dataset.
        annotations: annotations saved.
        skipped: annotations not saved, because the rater had one already.
        problems: files and rows that could not be used, in the order they were met.
    """

    added: int
    annotations: int
    skipped: int
    problems: tuple[FileError, ...] = ()


@dataclass(frozen=True)
class ExportReport:
    """What an export did.

    Attributes:
        target: the folder or file written.
        images: images written.
        annotations: annotations written.
        problems: radiographs and marks that the format can not carry or that could not be read.
    """

    target: Path
    images: int
    annotations: int
    problems: tuple[FileError, ...] = ()


@dataclass(frozen=True)
class Marks:
    """What a foreign file says about one image; coordinates already (row, col) at pixel centres.

    Attributes:
        file: the image's file name as the source gives it.
        points: (name, point); the name is "" where the source gives none.
        regions: marked regions.
        fields: further statements as text, by the names in `MARK_FIELDS`, `ROW_FIELDS` and `HEADER_FIELDS`; all others
            are kept in `Annotation.extra`.
        problems: what could not be used, as clauses.
    """

    file: str
    points: tuple[tuple[str, Point], ...] = ()
    regions: tuple[Region, ...] = ()
    fields: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class ImageFacts:
    """What a source says about an image itself: the row of radiographs.csv for an image that is new in the dataset.

    Attributes:
        file: the image's file name as the source gives it; folders in it are honoured where they exist.
        view, side: of `VIEWS` and `SIDES`, "" when not given.
        spacing_mm: (row, column), or None.
        study: name of the study; "" when not given.
        patient: identifier of the patient; "" when not given. Replaced by the dataset's pseudonym, unless it is one
            already or is public.
        public: the patient identifier is a published data set's own pseudonym, so it is kept.
        age_years, sex, date, stratum, description: as in radiographs.csv.
        aliases: other names the file may have, tried in order after ``file``.
    """

    file: str
    view: str = ""
    side: str = ""
    spacing_mm: tuple[float, float] | None = None
    study: str = ""
    patient: str = ""
    age_years: float | None = None
    sex: str = ""
    date: str = ""
    stratum: str = ""
    description: str = ""
    aliases: tuple[str, ...] = ()
    public: bool = False


def facts_from(marks: Marks) -> ImageFacts:
    """Read the facts on an image out of the fields of its marks; an unusable number counts as not given."""
    fields = marks.fields
    row_mm, col_mm = number(fields.get("row_spacing_mm", "")), number(fields.get("col_spacing_mm", ""))
    return ImageFacts(
        marks.file,
        one_of(fields.get("radiograph_view") or fields.get("view", ""), VIEWS),
        one_of(fields.get("radiograph_side") or fields.get("side", ""), SIDES),
        (row_mm, col_mm) if row_mm and col_mm and min(row_mm, col_mm) > 0 else None,
        study=fields.get("study", ""),
        patient=fields.get("patient", ""),
        age_years=number(fields.get("age_years", "")),
        sex=fields.get("sex", ""),
        date=fields.get("date", ""),
        stratum=one_of(fields.get("stratum", ""), STRATA),
        description=fields.get("description", ""),
    )


def annotation_from(
    marks: Marks, radiograph: str, rater: str, dataset: Dataset, view: str
) -> tuple[Annotation, tuple[str, ...]]:
    """Make an annotation of what a foreign file says about an image.

    Args:
        marks: what it says.
        radiograph: the id of the radiograph.
        rater: who marked.
        dataset: gives the site and the label set.
        view: the radiograph's view, used where the marks name none; "" or "unknown" when not known.

    Returns:
        The annotation, and what of the marks could not be used, as clauses.
    """
    fields, problems = dict(marks.fields), list(marks.problems)
    label = one_of(fields.get("label", ""), dataset.label_set) or None
    own_view = one_of(fields.get("view", ""), VIEWS)
    values = {"label": dataset.label_set, "view": VIEWS, "side": SIDES, "status": STATUSES, "quality": QUALITIES}
    for name, allowed in values.items():
        if fields.get(name) and not one_of(fields[name], allowed):
            problems.append(f"{name} is {fields[name]!r}, which is none of {', '.join(allowed)}")
    landmarks, unnamed = name_points(marks.points, dataset.site, own_view or view)
    problems += unnamed
    known = {*MARK_FIELDS, *ROW_FIELDS, *HEADER_FIELDS}
    annotation = Annotation(
        radiograph,
        rater,
        status=one_of(fields.get("status", ""), STATUSES) or ("done" if label else "open"),
        label=label,
        landmarks=landmarks,
        regions=marks.regions,
        displacement=fields.get("displacement", ""),
        cast=yes_no(fields.get("cast", "")),
        implant=yes_no(fields.get("implant", "")),
        quality=one_of(fields.get("quality", ""), QUALITIES),
        view=own_view,
        side=one_of(fields.get("side", ""), SIDES),
        comment=fields.get("comment", ""),
        extra={key.removeprefix(EXTRA_PREFIX): value for key, value in fields.items() if key not in known},
    )
    return annotation, tuple(problems)


def fields_from(annotation: Annotation) -> dict[str, str]:
    """Return what an annotation says besides landmarks and regions, as text by name; inverse of `annotation_from`."""
    fields = {name: getattr(annotation, name) for name in MARK_FIELDS if name not in ("cast", "implant")}
    for name in ("cast", "implant"):
        fields[name] = {True: "yes", False: "no", None: ""}[getattr(annotation, name)]
    known = {*MARK_FIELDS, *ROW_FIELDS, *HEADER_FIELDS}
    for key, value in annotation.extra.items():
        fields[EXTRA_PREFIX + key if key in known or key.startswith(EXTRA_PREFIX) else key] = value
    return {name: value for name, value in fields.items() if value}


def fields_of_row(row: RadiographRow) -> dict[str, str]:
    """Return what a row of radiographs.csv says about the image, as text by name; read back by `facts_from`."""
    fields = {name: getattr(row, name) for name in ROW_FIELDS}
    fields["radiograph_view"], fields["radiograph_side"] = row.view, row.side
    fields["row_spacing_mm"], fields["col_spacing_mm"] = row.row_spacing_mm, row.col_spacing_mm
    return {name: str(value) for name, value in fields.items() if value not in (None, "", UNKNOWN)}


def name_points(points: Iterable[tuple[str, Point]], site: Site, view: str) -> tuple[dict[str, Point], tuple[str, ...]]:
    """Give the points of an image the names of the site's landmarks.

    Points that carry a landmark's name keep it. Points without a name are taken in the order of the view's profile, if
    all are without one, the view is known and their number fits: the convention of DeepWrist's landmark lists.

    Returns:
        The landmarks, and a clause for each point that got no name or came twice.
    """
    points = tuple(points)
    profile = site.view_for(view)
    if points and profile and len(points) == len(profile.landmarks) and not any(name for name, _ in points):
        return dict(zip(profile.landmark_names, (point for _, point in points), strict=True)), ()
    known = {name for profile_ in site.views for name in profile_.landmark_names}
    landmarks: dict[str, Point] = {}
    problems = []
    for name, point in points:
        if name in landmarks:
            problems.append(f"landmark {name} is marked twice; the first is kept")
        elif name in known:
            landmarks[name] = point
        else:
            problems.append(f"a point named {name!r} is no landmark of site {site.name}")
    return landmarks, tuple(problems)


def binary_label(positive: bool, site: Site) -> str:
    """Return the site's positive class, or the first of its others."""
    return site.positive_class if positive else next(name for name in site.classes if name != site.positive_class)


def number(text: str) -> float | None:
    """Parse a finite number; None where the text is none (empty cells and words among them)."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def yes_no(text: str) -> bool | None:
    """Parse yes/no, true/false, 1/0 in any case; None for all else."""
    word = text.strip().lower()
    return True if word in _YES else False if word in _NO else None


def one_of(text: str, allowed: Sequence[str]) -> str:
    """Return the allowed word that equals the text in any case, or ""."""
    return next((word for word in allowed if word.lower() == text.strip().lower()), "")


def box_region(kind: str, left: float, top: float, right: float, bottom: float, bone: str = "") -> Region:
    """Make a box of its four edges (x = column, y = row, in pixel-centre coordinates), whichever way round they are."""
    rows, cols = sorted((top, bottom)), sorted((left, right))
    return Region(kind, ((rows[0], cols[0]), (rows[1], cols[1])), "box", bone)


def bounds(points: Iterable[Point]) -> tuple[float, float, float, float]:
    """Return left, top, right, bottom (smallest col, smallest row, largest col, largest row) of (row, col) points."""
    rows, cols = zip(*points, strict=True)
    return min(cols), min(rows), max(cols), max(rows)
