"""Read a split of a dataset with a model and set the readings beside the reference annotations."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from fractureai.dataset import Annotation, Dataset, RadiographRow, resolve_side, resolve_view, study_label
from fractureai.errors import DatasetError, RadiographError
from fractureai.evaluation.cases import CaseResult, LeftOut, ViewResult, worst_errors
from fractureai.evaluation.landmarks import landmark_errors_mm
from fractureai.evaluation.localisation import activation_peak, inside_regions
from fractureai.evaluation.report import GalleryItem
from fractureai.inference.prediction import Prediction, ViewPrediction
from fractureai.radiograph.model import UNKNOWN, Radiograph
from fractureai.sites import Site

Read: TypeAlias = Callable[[Sequence[Radiograph]], Prediction]
"""Reads the radiographs of one study; for example ``fractureai.inference.Pipeline.read``."""

Render: TypeAlias = Callable[[Radiograph, ViewPrediction, Prediction], npt.NDArray[np.uint8]]
"""Draws a reading as (rows, columns, 3) RGB; for example ``fractureai.inference.overlay.render_overlay``."""

FROM_LANDMARKS = "landmarks"
"""Spacing source of a reading whose image has no spacing: an estimate, not fit for measuring."""

_THUMBNAIL_PX = 560


@dataclass(frozen=True)
class SplitReading:
    """The readings of a split.

    Attributes:
        predictions: key of the study (`studies`) -> its reading.
        left_out: files that could not be opened, with the study.
    """

    predictions: Mapping[str, Prediction]
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True)
class CaseTable:
    """Studies ready for `fractureai.evaluation.evaluate`, and those that are not, with the reason."""

    cases: tuple[CaseResult, ...]
    left_out: tuple[LeftOut, ...]


def studies(
    dataset: Dataset, split: str | None = "test", references: Mapping[str, Annotation] | None = None
) -> dict[str, tuple[RadiographRow, ...]]:
    """Group the radiographs of a split by study: one body side each.

    Args:
        dataset: where to look.
        split: ``train``, ``validation``, ``test``, or None for all radiographs.
        references: radiograph id -> reference annotation, whose side goes before that of the row.

    Returns:
        Key -> radiographs. The key is the Study Instance UID, with `` L`` or `` R`` appended where a study shows both.

    Raises:
        DatasetError: there are no splits, or the split is empty.
    """
    by_study: dict[str, list[RadiographRow]] = {}
    splits = dataset.splits
    for row in dataset.radiographs:
        if split is None or (row.group in splits and splits[row.group].split == split):
            by_study.setdefault(row.study or row.id, []).append(row)
    if not by_study:
        reason = f"no radiograph belongs to the split {split}" if split else "it has no radiographs"
        raise DatasetError(dataset.folder, reason, "make the splits first, or choose another")
    groups: dict[str, list[RadiographRow]] = {}
    for study, rows in by_study.items():
        sides = [resolve_side(row, (references or {}).get(row.id)) for row in rows]
        two_sided = {"L", "R"} <= set(sides)
        for row, side in zip(rows, sides, strict=True):
            groups.setdefault(f"{study} {side}" if two_sided else study, []).append(row)
    return {key: tuple(rows) for key, rows in groups.items()}


def read_split(
    dataset: Dataset,
    read: Read,
    *,
    split: str | None = "test",
    raters: Sequence[str] | None = None,
    given_view: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> SplitReading:
    """Read every study of a split that has a reference annotation.

    Args:
        dataset: where to look.
        read: is called once a study.
        split: as of `studies`.
        raters: whose annotations are the reference; see `Dataset.reference_annotations`.
        given_view: tell the model the view of the reference where it is known, as a person would where the header is
            wrong; otherwise it gets what the file and the table say.
        progress: is called with (studies done, all studies), first with 0.

    Raises:
        DatasetError: the split is empty or has no reference annotation, or raters must be named.
    """
    references = dataset.reference_annotations(raters)
    groups = studies(dataset, split, references)
    wanted = {key: rows for key, rows in groups.items() if any(row.id in references for row in rows)}
    if not wanted:
        raise DatasetError(dataset.folder, f"no radiograph of the split {split} has a finished annotation", "annotate")
    predictions, left_out = {}, []
    for done, (key, rows) in enumerate(wanted.items()):
        if progress:
            progress(done, len(wanted))
        radiographs = []
        for row in rows:
            try:
                radiograph = dataset.read(row)
            except (RadiographError, DatasetError) as error:
                left_out.append(LeftOut(key, str(error)))
                continue
            view = resolve_view(row, references.get(row.id))
            if given_view and view != UNKNOWN:
                radiograph = replace(radiograph, view=view, view_source="user")
            radiographs.append(radiograph)
        if radiographs:
            predictions[key] = read(radiographs)
    if progress:
        progress(len(wanted), len(wanted))
    return SplitReading(predictions, tuple(left_out))


def cases_from_predictions(
    dataset: Dataset, predictions: Mapping[str, Prediction], *, raters: Sequence[str] | None = None
) -> CaseTable:
    """Compare readings with the reference annotations.

    Args:
        dataset: that was read.
        predictions: key of the study (`studies`) -> its reading.
        raters: whose annotations are the reference; see `Dataset.reference_annotations`.

    Returns:
        A case for each reading whose study has the label normal or fracture; the others are left out with the reason.

    Raises:
        DatasetError: the dataset has no such study, or raters must be named.
    """
    references = dataset.reference_annotations(raters)
    groups = studies(dataset, None, references)
    unknown = sorted(predictions.keys() - groups.keys())
    if unknown:
        raise DatasetError(dataset.folder, f"it has no study {unknown[0]}", "evaluate the dataset that was read")
    cases, left_out = [], []
    site = dataset.site
    for key, prediction in predictions.items():
        marks = [references[row.id] for row in groups[key] if row.id in references]
        label = study_label([mark.label for mark in marks], site.classes, site.positive_class)
        if label is None or label not in site.classes:
            reason = "it has no label" if label is None else f"its label is {label}"
            left_out.append(LeftOut(key, f"{reason}, so there is no reference."))
            continue
        cases.append(_case(key, groups[key], prediction, references, site, label == site.positive_class))
    return CaseTable(tuple(cases), tuple(left_out))


def error_gallery(
    dataset: Dataset,
    cases: Sequence[CaseResult],
    predictions: Mapping[str, Prediction],
    render: Render,
    *,
    count: int = 9,
) -> tuple[GalleryItem, ...]:
    """Draw the radiograph that misled most in each of the worst errors.

    Args:
        dataset: that was read.
        cases, predictions: as of `cases_from_predictions`.
        render: draws a reading.
        count: how many errors at most.
    """
    items = []
    for case in worst_errors(tuple(cases), count):
        prediction = predictions[case.study]
        # A missed fracture: the view with the lowest probability; a false alarm: the one with the highest.
        view = min(prediction.views, key=lambda view: view.probability if case.label else -view.probability)
        radiograph = dataset.read(dataset.row(view.sop_instance_uid))
        items.append(GalleryItem(case, _thumbnail(render(radiograph, view, prediction)), view.view))
    return tuple(items)


def _case(
    key: str,
    rows: Sequence[RadiographRow],
    prediction: Prediction,
    references: Mapping[str, Annotation],
    site: Site,
    label: bool,
) -> CaseResult:
    by_id = {row.id: row for row in rows}
    marks = [references[row.id] for row in rows if row.id in references]
    return CaseResult(
        study=key,
        patient=rows[0].group,
        label=label,
        probability=prediction.probability,
        threshold=prediction.threshold,
        views=tuple(
            _view_result(view, by_id[view.sop_instance_uid], references.get(view.sop_instance_uid), site)
            for view in prediction.views
        ),
        refer=prediction.refer,
        reasons=prediction.referrals,
        stratum=_first(row.stratum for row in rows) or "",
        cast=_any(mark.cast for mark in marks),
        implant=_any(mark.implant for mark in marks),
        age_years=_first(row.age_years for row in rows),
        sex=_first(row.sex for row in rows) or "",
        calibrated=prediction.calibrated_probability,
        scores=prediction.scores,
        uncertainty=prediction.uncertainty,
    )


def _view_result(view: ViewPrediction, row: RadiographRow, reference: Annotation | None, site: Site) -> ViewResult:
    true_view = resolve_view(row, reference)
    profile = site.view_for(true_view)
    expected = view.view if true_view == UNKNOWN else profile.name if profile else true_view
    errors: dict[str, float] = {}
    hit = None
    if reference is not None and view.spacing_source != FROM_LANDMARKS:
        names = profile.landmark_names if profile else ()
        points = {name: reference.landmarks[name] for name in names if name in reference.landmarks}
        errors = landmark_errors_mm(view.landmarks, points, view.spacing_mm)
        marked = [region for region in reference.regions if region.kind == site.positive_class]
        hit = bool(inside_regions([activation_peak(view)], [marked], [view.spacing_mm])[0]) if marked else None
    return ViewResult(
        radiograph=view.sop_instance_uid,
        view=view.view,
        probability=view.probability,
        threshold=view.threshold,
        landmark_errors_mm=errors,
        activation_hit=hit,
        reference_view="" if expected == view.view else expected,
    )


def _thumbnail(rgb: npt.NDArray[np.uint8]) -> bytes:
    from PIL import Image

    image = Image.fromarray(rgb)
    image.thumbnail((_THUMBNAIL_PX, _THUMBNAIL_PX), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()


def _first(values: Any) -> Any:
    """Return the first value that is given, or None."""
    return next((value for value in values if value not in (None, "")), None)


def _any(values: Any) -> bool | None:
    """Return True when any is True, None when none is given."""
    given = [value for value in values if value is not None]
    return any(given) if given else None
