"""Which annotation of a radiograph counts, and what it says over the header."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from fractureai.dataset.annotation import Annotation
from fractureai.dataset.annotation_files import Reporter
from fractureai.dataset.second_reading import first_reader
from fractureai.dataset.table import RadiographRow
from fractureai.errors import DatasetError
from fractureai.radiograph.model import UNKNOWN

if TYPE_CHECKING:
    from fractureai.dataset.core import Dataset

AUTHORITIES = ("consensus", "truth")
"""Raters that count before any person, in this order."""

MODEL_PREFIX = "model:"


def is_person(rater: str) -> bool:
    """Tell whether a rater name is a person's first reading: no authority, no model, no second reading."""
    return rater not in AUTHORITIES and not rater.startswith(MODEL_PREFIX) and first_reader(rater) is None


def resolve_view(row: RadiographRow, annotation: Annotation | None) -> str:
    """Return the view of a radiograph: the rater's where given, else the row's, else ``unknown``."""
    return _first_known(annotation.view if annotation else "", row.view)


def resolve_side(row: RadiographRow, annotation: Annotation | None) -> str:
    """Return the side of a radiograph: the rater's where given, else the row's, else ``unknown``."""
    return _first_known(annotation.side if annotation else "", row.side)


def study_label(labels: Iterable[str | None], site_classes: Sequence[str], positive_class: str) -> str | None:
    """Return the label of a study from those of its radiographs.

    The positive class on one radiograph is enough; then ``uncertain``, or another label outside the site's classes, on
    one; else the last class in the site's order that was given; None when no radiograph has a label.
    """
    given = {label for label in labels if label is not None}
    if positive_class in given:
        return positive_class
    outside = sorted(given.difference(site_classes))
    if outside:
        return outside[0]
    return max(given, key=list(site_classes).index) if given else None


def study_labels(dataset: Dataset, reference: Mapping[str, Annotation]) -> dict[str, str]:
    """Return study -> label for every study with a labelled radiograph (`study_label`).

    Args:
        dataset: whose rows say which radiographs belong together.
        reference: of `Dataset.reference_annotations`.
    """
    labels: dict[str, list[str | None]] = {}
    for row in dataset.radiographs:
        if row.id in reference:
            labels.setdefault(row.study or row.id, []).append(reference[row.id].label)
    site = dataset.site
    found = {study: study_label(given, site.classes, site.positive_class) for study, given in labels.items()}
    return {study: label for study, label in found.items() if label is not None}


def choose_references(dataset: Dataset, raters: Sequence[str] | None, report: Reporter) -> dict[str, Annotation]:
    """See `Dataset.reference_annotations`."""
    known = dataset.raters
    unknown = [rater for rater in raters or () if rater not in known]
    if unknown:
        reason = f"rater {unknown[0]} has no annotations"
        raise DatasetError(dataset.folder, reason, f"raters are: {', '.join(known) or 'none yet'}")
    if raters is not None:
        chosen = _first_done(dataset, raters, report)
    else:
        people = [rater for rater in known if is_person(rater)]
        chosen = _first_done(dataset, [rater for rater in AUTHORITIES if rater in known], report)
        chosen |= _only_person(dataset, people, set(chosen), report)
    return {row.id: chosen[row.id] for row in dataset.radiographs if row.id in chosen}


def _first_done(dataset: Dataset, raters: Sequence[str], report: Reporter) -> dict[str, Annotation]:
    chosen: dict[str, Annotation] = {}
    for rater in raters:
        for annotation in dataset.annotations(rater, report=report):
            if annotation.status == "done":
                chosen.setdefault(annotation.radiograph, annotation)
    return chosen


def _only_person(dataset: Dataset, people: Sequence[str], settled: set[str], report: Reporter) -> dict[str, Annotation]:
    chosen: dict[str, Annotation] = {}
    for rater in people:
        for annotation in dataset.annotations(rater, report=report):
            if annotation.status != "done" or annotation.radiograph in settled:
                continue
            other = chosen.setdefault(annotation.radiograph, annotation)
            if other is not annotation:
                reason = (
                    f"{other.rater} and {rater} both marked radiograph {annotation.radiograph}, without a consensus"
                )
                raise DatasetError(dataset.folder, reason, "say whose marks count, for example raters=[...]")
    return chosen


def _first_known(*values: str) -> str:
    return next((value for value in values if value not in ("", UNKNOWN)), UNKNOWN)
