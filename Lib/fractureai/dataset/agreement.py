"""How far raters agree: kappa of the labels, distances of the landmarks, and where they differ most."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from fractureai.dataset.annotation import Annotation
from fractureai.dataset.annotation_files import Reporter, warn_of
from fractureai.dataset.core import Dataset
from fractureai.dataset.table import RadiographRow
from fractureai.geometry import Spacing, distance_mm

SpacingOf = Callable[[RadiographRow], "Spacing | None"]

_Z_95 = 1.959963984540054
FINISHED = ("done", "flagged")
_UNCERTAIN = "uncertain"


@dataclass(frozen=True)
class Kappa:
    """Cohen's kappa of two raters' labels.

    Attributes:
        value: 1 for full agreement, 0 for chance; None where it is undefined (nothing in common, or one label only).
        low, high: 95 % confidence interval (Fleiss, Cohen and Everitt, Psychological Bulletin 72, 1969); None likewise.
        cases: radiographs that both labelled.
        agreeing: those with the same label.
    """

    value: float | None
    low: float | None
    high: float | None
    cases: int
    agreeing: int


@dataclass(frozen=True)
class LandmarkAgreement:
    """Distances between two raters' positions of one landmark.

    Attributes:
        name: of the landmark.
        distances: sorted, in ``unit``.
        unit: ``mm``, or ``px`` for radiographs without spacing.
    """

    name: str
    distances: tuple[float, ...]
    unit: str

    @property
    def median(self) -> float:
        """The median distance."""
        return float(np.median(self.distances))

    @property
    def percentile_95(self) -> float:
        """The distance that 95 % do not exceed."""
        return float(np.percentile(self.distances, 95))


@dataclass(frozen=True)
class Disagreement:
    """How two raters' marks on one radiograph differ.

    Attributes:
        row: the radiograph.
        first, second: the marks.
        label_steps: 0 for the same label, 1 where one of them is ``uncertain``, 2 for different findings.
        distances: landmark -> distance, in ``unit``.
        unit: ``mm``, or ``px`` where the radiograph has no spacing.
    """

    row: RadiographRow
    first: Annotation
    second: Annotation
    label_steps: int
    distances: Mapping[str, float]
    unit: str

    @property
    def worst_landmark(self) -> str:
        """Name of the landmark that is farthest apart; "" where none is common."""
        return max(self.distances, key=self.distances.__getitem__, default="")


@dataclass(frozen=True)
class PairAgreement:
    """What two raters have in common.

    Attributes:
        raters: the two.
        kappa: of the labels.
        landmarks: one entry a landmark and unit, in the order met.
        disagreements: one entry a radiograph that both finished, the worst first.
    """

    raters: tuple[str, str]
    kappa: Kappa
    landmarks: tuple[LandmarkAgreement, ...] = ()
    disagreements: tuple[Disagreement, ...] = field(default=(), repr=False)


def agreement(
    dataset: Dataset, raters: Sequence[str], *, spacing_of: SpacingOf | None = None, report: Reporter = warn_of
) -> dict[tuple[str, str], PairAgreement]:
    """Compare every pair of raters on the radiographs that both finished (status ``done`` or ``flagged``).

    Args:
        dataset: the dataset.
        raters: two or more of its raters; people and models alike.
        spacing_of: returns a radiograph's (row, column) spacing in millimetres, or None; by default `header_spacing`.
        report: is called for each broken annotation file, which is set aside.

    Returns:
        (rater, rater) -> what they have in common, in the order of ``raters``.

    Raises:
        RadiographError: a file's header can not be read.
    """
    spacing_of = spacing_of or header_spacing(dataset)
    marks = {
        rater: {
            found.radiograph: found for found in dataset.annotations(rater, report=report) if found.status in FINISHED
        }
        for rater in raters
    }
    rows = {row.id: row for row in dataset.radiographs}
    spacings: dict[str, Spacing | None] = {}
    for common in ({*marks[a]} & {*marks[b]} for a, b in itertools.combinations(raters, 2)):
        spacings |= {uid: spacing_of(rows[uid]) for uid in common if uid in rows and uid not in spacings}
    return {(a, b): _compare((a, b), marks[a], marks[b], rows, spacings) for a, b in itertools.combinations(raters, 2)}


def header_spacing(dataset: Dataset) -> SpacingOf:
    """Return a function that gives a radiograph's spacing: the user's where given, else that of the file's header."""
    from fractureai.radiograph import read_header

    def spacing(row: RadiographRow) -> Spacing | None:
        path = dataset.image_path(row)
        found = read_header(path).spacing_mm if row.file and path.is_file() else None
        return found or row.spacing_mm

    return spacing


def cohen_kappa(first: Sequence[str], second: Sequence[str]) -> Kappa:
    """Return Cohen's kappa, unweighted, with its asymptotic 95 % confidence interval.

    Args:
        first, second: labels of the same cases by two raters.

    Raises:
        ValueError: they are not of the same length.
    """
    if len(first) != len(second):
        raise ValueError("Both raters need a label for every case.")
    names = sorted({*first, *second})
    table = np.zeros((len(names), len(names)))
    for a, b in zip(first, second, strict=True):
        table[names.index(a), names.index(b)] += 1
    agreeing = int(np.trace(table))
    if len(names) < 2:
        return Kappa(None, None, None, len(first), agreeing)
    value, error = kappa_and_error(table / table.sum(), len(first))
    return Kappa(value, max(value - _Z_95 * error, -1.0), min(value + _Z_95 * error, 1.0), len(first), agreeing)


def kappa_and_error(
    shares: npt.NDArray[np.float64], cases: int, weights: npt.NDArray[np.float64] | None = None
) -> tuple[float, float]:
    """Return Cohen's kappa and its large-sample standard error (Fleiss, Cohen and Everitt 1969, formulas 8 and 13).

    Args:
        shares: (k, k) table of two raters, summing to 1, with more than one label in it.
        cases: that the table was made of.
        weights: (k, k) agreement, 1 for the same label; None: 0 for all others (unweighted).
    """
    weights = np.eye(len(shares)) if weights is None else weights
    of_first, of_second = shares.sum(axis=1), shares.sum(axis=0)
    observed, expected = float((weights * shares).sum()), float(of_first @ weights @ of_second)
    kappa = (observed - expected) / (1 - expected)
    means = (weights @ of_second)[:, None] + (of_first @ weights)[None, :]
    spread = float((shares * (weights - means * (1 - kappa)) ** 2).sum())
    variance = max(spread - (kappa - expected * (1 - kappa)) ** 2, 0.0) / ((1 - expected) ** 2 * cases)
    return kappa, math.sqrt(variance)


def _compare(
    raters: tuple[str, str],
    first: Mapping[str, Annotation],
    second: Mapping[str, Annotation],
    rows: Mapping[str, RadiographRow],
    spacings: Mapping[str, Spacing | None],
) -> PairAgreement:
    found = [
        _difference(row, first[row.id], second[row.id], spacings[row.id])
        for row in rows.values()
        if row.id in first and row.id in second
    ]
    labels = [(str(d.first.label), str(d.second.label)) for d in found if d.first.label and d.second.label]
    by_landmark: dict[tuple[str, str], list[float]] = {}
    for difference in found:
        for name, distance in difference.distances.items():
            by_landmark.setdefault((name, difference.unit), []).append(distance)
    return PairAgreement(
        raters,
        cohen_kappa([a for a, _ in labels], [b for _, b in labels]),
        tuple(LandmarkAgreement(name, tuple(sorted(ds)), unit) for (name, unit), ds in by_landmark.items()),
        tuple(sorted(found, key=_badness)),
    )


def _difference(row: RadiographRow, first: Annotation, second: Annotation, spacing: Spacing | None) -> Disagreement:
    labels = {first.label, second.label}
    steps = 0 if len(labels) == 1 else 1 if labels & {_UNCERTAIN, None} else 2
    common = [name for name in first.landmarks if name in second.landmarks]
    distances = {
        name: float(distance_mm(first.landmarks[name], second.landmarks[name], spacing or (1.0, 1.0)))
        for name in common
    }
    return Disagreement(row, first, second, steps, distances, "mm" if spacing else "px")


def _badness(difference: Disagreement) -> tuple[float, ...]:
    farthest = max(difference.distances.values(), default=0.0)
    return (-difference.label_steps, difference.unit != "mm", -farthest)
