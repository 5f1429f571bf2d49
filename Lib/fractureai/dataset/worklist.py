"""What a rater has still to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fractureai.dataset.annotation import STATUSES, Annotation
from fractureai.dataset.annotation_files import Reporter
from fractureai.dataset.reference import resolve_view
from fractureai.dataset.table import RadiographRow
from fractureai.errors import DatasetError

if TYPE_CHECKING:
    from fractureai.dataset.core import Dataset

_ORDER = {"open": 0, "flagged": 1, "done": 2}


@dataclass(frozen=True)
class WorklistItem:
    """One radiograph on a rater's worklist.

    Attributes:
        row: the radiograph.
        index: its place in radiographs.csv.
        annotation: the rater's, or None while there is none.
    """

    row: RadiographRow
    index: int
    annotation: Annotation | None

    @property
    def status(self) -> str:
        """``open``, ``flagged`` or ``done``; ``open`` while there is no annotation."""
        return self.annotation.status if self.annotation else "open"


def list_work(
    dataset: Dataset, rater: str, *, status: str | None, text: str, view: str | None, report: Reporter
) -> tuple[WorklistItem, ...]:
    """List the radiographs for a rater: open ones first, then flagged, then done; each in the order of the table.

    Args:
        dataset: the dataset.
        rater: whose annotations give the status.
        status: only these: ``open``, ``flagged`` or ``done``.
        text: only those whose id, study, patient, description, file, date or comment hold each of these words, without
            regard to upper and lower case.
        view: only those of this view, as the rater or else the table says.
        report: is called for each broken annotation file, which is set aside; its radiograph is open again.

    Raises:
        DatasetError: there is no such status.
    """
    if status is not None and status not in STATUSES:
        raise DatasetError(dataset.folder, f"there is no status {status}", f"choose one of {', '.join(STATUSES)}")
    marks = {annotation.radiograph: annotation for annotation in dataset.annotations(rater, report=report)}
    words = text.casefold().split()
    items = [WorklistItem(row, index, marks.get(row.id)) for index, row in enumerate(dataset.radiographs)]
    wanted = [
        item
        for item in items
        if (status is None or item.status == status)
        and (view is None or resolve_view(item.row, item.annotation) == view)
        and (not words or _matches(item, words))
    ]
    return tuple(sorted(wanted, key=lambda item: (_ORDER[item.status], item.index)))


def next_open(worklist: Sequence[WorklistItem], after_id: str | None = None) -> WorklistItem | None:
    """Return the open radiograph that follows another in the order of the table, beginning again at its end.

    Args:
        worklist: of `list_work`.
        after_id: the radiograph just left; None, or one that is not listed: start at the beginning.

    Returns:
        None when no other radiograph is open.
    """
    here = next((item.index for item in worklist if item.row.id == after_id), -1)
    others = [item for item in worklist if item.status == "open" and item.index != here]
    return min(others, key=lambda item: (item.index < here, item.index), default=None)


def _matches(item: WorklistItem, words: Sequence[str]) -> bool:
    row = item.row
    comment = item.annotation.comment if item.annotation else ""
    text = "\n".join((row.id, row.study, row.patient, row.description, row.file, row.date, comment)).casefold()
    return all(word in text for word in words)
