"""Second readings: a tenth of what a rater has done, marked again blind, for the agreement of a rater with himself.

The second reading of rater ``AM`` is stored as the rater ``AM.2``. It never counts as a reference.
"""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING

from fractureai.dataset.annotation_files import Reporter, warn_of

if TYPE_CHECKING:
    from fractureai.dataset.core import Dataset

SUFFIX = ".2"
SHARE = 0.1
"""Share of the radiographs a rater has done that are read a second time."""


def second_reader(rater: str) -> str:
    """Return the rater name under which the second reading of a rater is stored: ``AM.2`` for ``AM``."""
    return rater + SUFFIX


def first_reader(rater: str) -> str | None:
    """Return whose second reading a rater name stands for: ``AM`` for ``AM.2``; None for any other name."""
    return rater[: -len(SUFFIX)] or None if rater.endswith(SUFFIX) else None


def second_readings(dataset: Dataset, rater: str, *, report: Reporter = warn_of) -> tuple[str, ...]:
    """Choose the radiographs that a rater reads a second time.

    A tenth, rounded up, of those the rater has done, at random: the radiographs with the lowest SHA-256 of rater and
    radiograph, so that the choice is the same on every computer and differs between raters. What has been begun as a
    second reading stays chosen.

    Args:
        dataset: the dataset.
        rater: the first reader, for example ``AM``.
        report: is called for each broken annotation file, which is set aside.

    Returns:
        SOP Instance UIDs in the order of their hash: in random order.
    """
    done = {a.radiograph for a in dataset.annotations(rater, report=report) if a.status == "done"}
    begun = {a.radiograph for a in dataset.annotations(second_reader(rater), report=report)}
    ranked = sorted(done | begun, key=lambda radiograph: _draw(rater, radiograph))
    drawn = [radiograph for radiograph in ranked if radiograph in done][: math.ceil(len(done) * SHARE)]
    chosen = begun.union(drawn)
    return tuple(radiograph for radiograph in ranked if radiograph in chosen)


def _draw(rater: str, radiograph: str) -> bytes:
    return hashlib.sha256(f"{rater}\n{radiograph}".encode()).digest()
