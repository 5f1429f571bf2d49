"""What raters settle on: one annotation out of several, by the rater ``consensus``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fractureai.dataset.annotation import Annotation
from fractureai.errors import DatasetError
from fractureai.geometry import Spacing, distance_mm

CONSENSUS = "consensus"
TOLERANCE_MM = 2.0
"""Landmarks that lie no farther apart than this count as the same place."""


def is_unanimous(
    annotations: Sequence[Annotation], spacing_mm: Spacing | None, tolerance_mm: float = TOLERANCE_MM
) -> bool:
    """Tell whether raters say the same, so that nobody needs to adjudicate.

    They do when the labels, view and side are the same and every landmark was placed by all of them, each pair no
    farther apart than the tolerance. Without spacing, landmarks count only as the same where they are equal.

    Args:
        annotations: of one radiograph by two raters or more.
        spacing_mm: (row, column) of the radiograph, or None.
        tolerance_mm: see above.
    """
    first = annotations[0]
    for other in annotations[1:]:
        same = (other.label, other.view, other.side, set(other.landmarks)) == (
            first.label,
            first.view,
            first.side,
            set(first.landmarks),
        )
        if not same or other.status != first.status:
            return False
    pairs = [(a, b) for number, a in enumerate(annotations) for b in annotations[number + 1 :]]
    limit = tolerance_mm if spacing_mm else 0.0
    return all(
        float(distance_mm(a.landmarks[name], b.landmarks[name], spacing_mm or (1.0, 1.0))) <= limit
        for a, b in pairs
        for name in first.landmarks
    )


def merge(annotations: Sequence[Annotation], *, chosen: str, adjudicator: str) -> Annotation:
    """Return the consensus of several raters' marks on one radiograph; it is not saved yet.

    Label, regions and the other statements are those of the chosen rater. Landmarks that all raters placed are put at
    the mean of the positions of those who give the chosen rater's label; the others are the chosen rater's.

    Args:
        annotations: of one radiograph.
        chosen: whose statements count.
        adjudicator: who decided; kept in ``extra``.

    Raises:
        DatasetError: the annotations are of several radiographs, or none is by ``chosen``.
    """
    by_rater = {annotation.rater: annotation for annotation in annotations}
    if chosen not in by_rater or len({annotation.radiograph for annotation in annotations}) != 1:
        reason = f"{chosen} did not mark this radiograph" if chosen not in by_rater else "several radiographs are mixed"
        raise DatasetError(annotations[0].radiograph, reason, "choose one of its raters")
    base = by_rater[chosen]
    agreeing = [annotation for annotation in annotations if annotation.label == base.label]
    return _by_consensus(base, _mean_landmarks(base, agreeing), annotations, adjudicator)


def take(annotations: Sequence[Annotation], *, chosen: str, adjudicator: str) -> Annotation:
    """Return the consensus that is exactly the chosen rater's marks; otherwise as `merge`."""
    alone = [annotation for annotation in annotations if annotation.rater == chosen]
    merged = merge(alone or annotations, chosen=chosen, adjudicator=adjudicator)
    return _by_consensus(merged, dict(merged.landmarks), annotations, adjudicator)


def _mean_landmarks(base: Annotation, agreeing: Sequence[Annotation]) -> dict[str, tuple[float, float]]:
    landmarks = {}
    for name, own in base.landmarks.items():
        placed = [annotation.landmarks[name] for annotation in agreeing if name in annotation.landmarks]
        row, col = np.mean(placed, axis=0) if len(placed) == len(agreeing) else own
        landmarks[name] = (float(row), float(col))
    return landmarks


def _by_consensus(
    base: Annotation,
    landmarks: dict[str, tuple[float, float]],
    annotations: Sequence[Annotation],
    adjudicator: str,
) -> Annotation:
    extra = {
        **base.extra,
        "consensus_of": " ".join(sorted(annotation.rater for annotation in annotations)),
        "adjudicated_by": adjudicator,
    }
    return replace(base, rater=CONSENSUS, landmarks=landmarks, status="done", revision=0, updated="", extra=extra)
