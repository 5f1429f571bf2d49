"""Find what is wrong with a dataset before a training run does."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fractureai.dataset.annotation import Annotation
from fractureai.dataset.files import sha256_of
from fractureai.dataset.layout import ANNOTATIONS, SPLITS, TABLE
from fractureai.dataset.reference import resolve_view
from fractureai.dataset.table import STRATA, RadiographRow, id_key, rows_from_csv
from fractureai.errors import DatasetError, FractureAIError
from fractureai.radiograph.model import SIDES, UNKNOWN, VIEWS
from fractureai.sites import Site

if TYPE_CHECKING:
    from fractureai.dataset.core import Dataset
    from fractureai.radiograph import RadiographHeader

SEVERITIES = ("error", "warning")
_BROKEN = re.compile(r".*\.broken-\d+")
_WORKERS = 8


@dataclass(frozen=True)
class Problem:
    """Something to put right.

    Attributes:
        severity: ``error`` (training or reading would fail or be wrong) or ``warning`` (look at it).
        file: the file concerned.
        text: one sentence.
    """

    severity: str
    file: Path
    text: str


@dataclass(frozen=True)
class _Image:
    """What the file of a row turned out to be."""

    row: RadiographRow
    sha256: str
    header: RadiographHeader | None
    problems: tuple[Problem, ...]


def check(
    dataset: Dataset,
    *,
    hashes: bool = True,
    pixels: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Problem, ...]:
    """Look for missing, changed and unreadable images, wrong or orphaned annotations, and patients in two splits.

    Broken annotation files are set aside, as always when they are met; nothing else is changed.

    Args:
        dataset: the dataset.
        hashes: compare each image with its SHA-256 (reads all bytes).
        pixels: decode each image too, not its header only (slow).
        progress: is called with (images done, images in total).

    Returns:
        Errors first, then warnings; by file.
    """
    problems: list[Problem] = []
    images: list[_Image] = []
    rows = _rows(dataset, problems)
    with ThreadPoolExecutor(_WORKERS) as pool:
        for image in pool.map(lambda row: _look_at(dataset, row, hashes, pixels), rows):
            images.append(image)
            problems += image.problems
            if progress is not None:
                progress(len(images), len(rows))
    problems += _same_image_twice(dataset, images)
    problems += _annotation_problems(dataset, {image.row.id: image for image in images})
    problems += _split_problems(dataset, rows)
    return tuple(sorted(problems, key=lambda p: (SEVERITIES.index(p.severity), str(p.file), p.text)))


def _rows(dataset: Dataset, problems: list[Problem]) -> tuple[RadiographRow, ...]:
    path = dataset.folder / TABLE
    try:
        rows = rows_from_csv(path.read_bytes(), path, unique=False)
    except OSError as error:
        problems.append(Problem("error", path, f"The table can not be read ({error.strerror})."))
        return ()
    except DatasetError as error:
        problems.append(Problem("error", path, str(error)))
        return ()
    seen: dict[str, RadiographRow] = {}
    for row in rows:
        if seen.setdefault(id_key(row.id), row) is not row:
            problems.append(Problem("error", path, f"Radiograph {row.id} has two rows."))
        if row.view not in ("", *VIEWS) or row.side not in ("", *SIDES):
            text = f"Radiograph {row.id}: view {row.view!r} or side {row.side!r} is not a known one."
            problems.append(Problem("error", path, text))
        if row.stratum not in STRATA:
            problems.append(
                Problem("warning", path, f"Radiograph {row.id}: stratum {row.stratum!r} is not a known one.")
            )
    return tuple(seen.values())


def _look_at(dataset: Dataset, row: RadiographRow, hashes: bool, pixels: bool) -> _Image:
    from fractureai.radiograph import read_header

    path = dataset.image_path(row)
    if not row.file or not path.is_file():
        return _Image(row, row.sha256, None, (Problem("error", path, f"The file of radiograph {row.id} is missing."),))
    problems = []
    sha256 = row.sha256
    header = None
    try:
        if hashes:
            sha256 = sha256_of(path)
            if row.sha256 and sha256 != row.sha256:
                problems.append(Problem("error", path, "The file was changed after it was added (other SHA-256)."))
        header = read_header(path)
        if pixels:
            dataset.read(row)
    except FractureAIError as error:
        problems.append(Problem("error", path, str(error)))
    if header is not None:
        problems += [Problem("warning", path, text) for text in _header_doubts(row, header)]
    return _Image(row, sha256, header, tuple(problems))


def _header_doubts(row: RadiographRow, header: RadiographHeader) -> Iterator[str]:
    if header.spacing_mm is None and row.spacing_mm is None:
        yield "Neither the file nor the table gives the pixel spacing, so nothing can be measured in millimetres."
    if header.study_instance_uid and header.sop_instance_uid != row.id:
        yield f"The file is SOP instance {header.sop_instance_uid}, the table calls it {row.id}."
    for name, said, listed in (("view", header.view, row.view), ("side", header.side, row.side)):
        if UNKNOWN not in (said, listed) and listed and said != listed:
            yield f"The header says {name} {said}, the table {listed}."
    yield from header.conflicts


def _same_image_twice(dataset: Dataset, images: Iterable[_Image]) -> Iterator[Problem]:
    first: dict[str, str] = {}
    for image in images:
        other = first.setdefault(image.sha256, image.row.id) if image.sha256 else image.row.id
        if other != image.row.id:
            path = dataset.image_path(image.row)
            yield Problem("error", path, f"Radiographs {other} and {image.row.id} are the same file under two ids.")


def _annotation_problems(dataset: Dataset, images: Mapping[str, _Image]) -> list[Problem]:
    problems: list[Problem] = []

    def report(error: DatasetError) -> None:
        problems.append(Problem("error", error.path, str(error)))

    folder = dataset.folder / ANNOTATIONS
    for path in sorted(path for path in folder.glob("*/*") if _BROKEN.fullmatch(path.name)):
        problems.append(Problem("warning", path, "A broken annotation was set aside here; save what can be saved."))
    for path in dataset.foreign_folders:
        problems.append(Problem("warning", path, "This folder has no rater's name, so what is in it is not read."))
    for rater in dataset.raters:
        for mark in dataset.annotations(rater, report=report):
            path = dataset.annotation_path(mark.radiograph, rater)
            image = images.get(mark.radiograph)
            if image is None:
                problems.append(Problem("error", path, f"Radiograph {mark.radiograph} is not in radiographs.csv."))
                continue
            problems += [Problem(severity, path, text) for severity, text in _mark_problems(dataset, mark, image)]
    return problems


def _mark_problems(dataset: Dataset, mark: Annotation, image: _Image) -> Iterator[tuple[str, str]]:
    if mark.status == "done" and mark.label is None:
        yield "warning", "It is done but has no label."
    if mark.label is not None and mark.label not in dataset.label_set:
        yield "error", f"Label {mark.label!r} is not one of {', '.join(dataset.label_set)}."
    yield from _landmark_problems(dataset.site, mark, image)
    yield from _region_problems(dataset.site, mark, image)
    if image.header is not None:
        for name, seen, said in (("view", mark.view, image.header.view), ("side", mark.side, image.header.side)):
            if seen not in ("", UNKNOWN) and said not in (UNKNOWN, seen):
                yield "warning", f"The rater says {name} {seen}, the header {said}."


def _landmark_problems(site: Site, mark: Annotation, image: _Image) -> Iterator[tuple[str, str]]:
    if not mark.landmarks:
        return
    view = resolve_view(image.row, mark)
    profile = site.view_for(view)
    if profile is None:
        yield "warning", f"There are landmarks, but site {site.name} reads no view {view!r}."
    else:
        wrong = sorted(set(mark.landmarks).difference(profile.landmark_names))
        if wrong:
            yield "error", f"Landmark {wrong[0]} is none of view {profile.name} ({', '.join(profile.landmark_names)})."
        missing = [name for name in profile.landmark_names if name not in mark.landmarks]
        if missing and mark.status == "done":
            yield "warning", f"It is done but landmark {missing[0]} is missing."
    for name, point in mark.landmarks.items():
        if image.header is not None and not _inside(point, image.header):
            yield "error", f"Landmark {name} at {_shown(point)} lies outside the image."


def _region_problems(site: Site, mark: Annotation, image: _Image) -> Iterator[tuple[str, str]]:
    for region in mark.regions:
        if region.bone and region.bone not in site.bones:
            yield "warning", f"Region {region.kind}: {region.bone} is no bone of site {site.name}."
        if image.header is None:
            continue
        outside = [point for point in region.points if not _inside(point, image.header)]
        if not _touches(region.points, image.header):
            yield "error", f"Region {region.kind} at {_shown(outside[0])} lies outside the image."
        elif outside:
            yield "warning", f"Region {region.kind} reaches out of the image, to {_shown(outside[0])}."


def _inside(point: tuple[float, float], header: RadiographHeader) -> bool:
    """Tell whether a point lies on the image, whose outer edges are half a pixel beyond the outer pixel centres."""
    return -0.5 <= point[0] <= header.rows - 0.5 and -0.5 <= point[1] <= header.columns - 0.5


def _touches(points: Sequence[tuple[float, float]], header: RadiographHeader) -> bool:
    """Tell whether the bounding box of points overlaps the image."""
    rows, cols = [point[0] for point in points], [point[1] for point in points]
    return (
        max(rows) >= -0.5 and min(rows) <= header.rows - 0.5 and max(cols) >= -0.5 and min(cols) <= header.columns - 0.5
    )


def _shown(point: tuple[float, float]) -> str:
    return f"(row {point[0]:.1f}, col {point[1]:.1f})"


def _split_problems(dataset: Dataset, rows: Iterable[RadiographRow]) -> Iterator[Problem]:
    path = dataset.folder / SPLITS
    try:
        splits = dataset.splits
    except DatasetError as error:
        yield Problem("error", path, str(error))
        return
    if not splits:
        return
    groups: dict[str, None] = {}
    studies: dict[str, str] = {}
    for row in rows:
        groups[row.group] = None
        other = studies.setdefault(row.study, row.group) if row.study else row.group
        if other != row.group and splits.get(other) != splits.get(row.group):
            text = f"Study {row.study} belongs to patients {other} and {row.group}, who are in different splits."
            yield Problem("error", path, text)
    for group in groups:
        if group not in splits:
            yield Problem("warning", path, f"Patient {group} has no split; extend the splits.")
    for patient in splits:
        if patient not in groups:
            yield Problem("warning", path, f"Patient {patient} has no radiograph any more.")
