"""Calibration before and after it was mended: as given, by temperature, by isotonic regression.

The maps are those of the model, fitted on studies its networks have not seen; without them they are fitted here, and
each study is judged by a map that was fitted on the studies of other patients (`fractureai.reliability.cross_fitted`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fractureai.bundle.spec import plain
from fractureai.evaluation.blocks import Block, Column, Plot, Plots, RowGroup, Section, Table, Text
from fractureai.evaluation.bootstrap import (
    CONFIDENCE,
    RESAMPLES,
    Estimate,
    check_bootstrap,
    draw_cases,
    percentile_estimate,
)
from fractureai.evaluation.calibration import Calibration, calibration
from fractureai.evaluation.cases import CaseResult
from fractureai.evaluation.figures import BLUE, GREEN, MUTED, PAPER, unit_axes
from fractureai.evaluation.metrics import FloatArray, checked
from fractureai.reliability import CALIBRATION_TITLES, Calibrator, cross_fitted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RAW = "raw"
BINS = 10
MIN_CASES = 20
"""Fewer fractures, or fewer normals, than this: no maps are fitted on the studies that are judged."""

NOTHING = Estimate(math.nan, math.nan, math.nan)
_TITLES: Mapping[str, str] = {RAW: "As given", **CALIBRATION_TITLES}


@dataclass(frozen=True)
class CalibrationRow:
    """One map and what it makes of the probabilities.

    Attributes:
        method, title: ``raw``, ``temperature`` or ``isotonic``.
        in_use: True for what the model shows as its calibrated probability.
        calibration: reliability bins, expected calibration error and Brier score.
        expected_error: expected calibration error with its interval. Of few studies it is above 0 even for a perfectly
            calibrated model, and that of a resample lies higher still: compare, do not read it alone.
        brier: Brier score with its interval.
        expected_error_change, brier_change: minus that of the probabilities as given, paired; below 0 is better; nan
            for these themselves.
        temperature: of the temperature map; nan otherwise, and when there are several (cross-fitted).
    """

    method: str
    title: str
    in_use: bool
    calibration: Calibration
    expected_error: Estimate
    brier: Estimate
    expected_error_change: Estimate
    brier_change: Estimate
    temperature: float


@dataclass(frozen=True)
class CalibrationComparison:
    """Calibration before and after.

    Attributes:
        rows: ``raw`` first.
        n, n_positive: studies and fractures.
        cross_fitted: True when the maps were fitted on these very studies, each judged by a map fitted on others.
        resamples, seed, confidence: of the bootstrap.
    """

    rows: tuple[CalibrationRow, ...]
    n: int
    n_positive: int
    cross_fitted: bool
    resamples: int
    seed: int
    confidence: float

    def row(self, method: str) -> CalibrationRow:
        """Return the row of ``raw``, ``temperature`` or ``isotonic``."""
        return next(row for row in self.rows if row.method == method)

    def section(self) -> Section:
        """Return what people read."""
        raw, shown = self.rows[0], next((row for row in self.rows if row.in_use), self.rows[1])
        came = "by maps fitted on other patients of the same set" if self.cross_fitted else "by the model's own map"
        lead = (
            f"Before and after calibration ({shown.title.lower()}, {came}): expected calibration error "
            f"{raw.expected_error} and {shown.expected_error}, Brier score {raw.brier} and {shown.brier}, in {self.n} "
            f"studies. The decision is made on the probability as given; calibration does not change it."
        )
        blocks: tuple[Block, ...] = (Text(lead), Plots((_plot(self),)), _table(self))
        return Section("calibrated", "Calibration before and after", blocks)

    def to_json(self) -> Mapping[str, Any]:
        """Return what programs read."""
        values: Mapping[str, Any] = plain(self)
        return values


def compare_calibration(
    cases: Iterable[CaseResult],
    calibrators: Mapping[str, Calibrator] | None = None,
    in_use: str = "",
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    confidence: float = CONFIDENCE,
) -> CalibrationComparison | None:
    """Compare calibration before and after.

    Args:
        cases: the studies; those not read are left out.
        calibrators: method -> the model's map (`fractureai.reliability.Reliability.calibrators`), fitted on studies
            other than these; None: cross-fitted here.
        in_use: the method whose result the model shows; "" for none.
        resamples, seed, confidence: of the bootstrap.

    Returns:
        the comparison; None when the maps would have to be fitted here, and there are too few studies for it.

    Raises:
        EvaluationError: no study was read, or resamples or confidence are out of range.
    """
    check_bootstrap(resamples, confidence)
    read = [(case.label, case.probability, case.patient) for case in cases if case.probability is not None]
    truth, given, _ = checked([label for label, _, _ in read], [probability for _, probability, _ in read], 0.5)
    patients = [patient for _, _, patient in read]
    if calibrators is None and min(truth.sum(), (~truth).sum(), len(set(patients)) // 2) < MIN_CASES:
        return None
    mapped = {RAW: given}
    for method in CALIBRATION_TITLES:
        if calibrators is None:
            mapped[method] = cross_fitted(truth, given, patients, method, seed=seed)
        else:
            mapped[method] = calibrators[method].apply(given)
    errors = {method: _errors(truth, values, patients, resamples, seed) for method, values in mapped.items()}
    rows = []
    for method, values in mapped.items():
        (expected, brier), (raw_expected, raw_brier) = errors[method], errors[RAW]
        own = calibrators is not None and method == "temperature"
        rows.append(
            CalibrationRow(
                method,
                _TITLES[method],
                in_use=method == in_use,
                calibration=calibration(truth, values, BINS),
                expected_error=_estimate(expected, confidence),
                brier=_estimate(brier, confidence),
                expected_error_change=NOTHING if method == RAW else _estimate(expected - raw_expected, confidence),
                brier_change=NOTHING if method == RAW else _estimate(brier - raw_brier, confidence),
                temperature=calibrators[method].temperature if calibrators and own else math.nan,
            )
        )
    counts = len(truth), int(truth.sum())
    return CalibrationComparison(tuple(rows), *counts, calibrators is None, resamples, seed, confidence)


def _estimate(values: FloatArray, confidence: float) -> Estimate:
    """Return the first value with the interval of the others."""
    return percentile_estimate(float(values[0]), values[1:], confidence)


def _errors(
    truth: npt.NDArray[np.bool_], given: FloatArray, patients: Sequence[str], resamples: int, seed: int
) -> tuple[FloatArray, FloatArray]:
    """Return (1 + resamples,) expected calibration errors and Brier scores: of all studies, then of each resample."""
    edges = np.linspace(0, 1, BINS + 1)
    index = np.clip(np.searchsorted(edges, given, side="right") - 1, 0, BINS - 1)
    # One column a bin: the sum of (probability - label) over its studies is its size times its gap.
    gaps = np.zeros((len(given), BINS))
    gaps[np.arange(len(given)), index] = given - truth
    squares = (given - truth) ** 2
    blocks = [np.ones((len(truth), 1), dtype=np.int64), *draw_cases(truth, patients, resamples, seed)]
    expected = [np.abs(counts.T @ gaps).sum(axis=1) / counts.sum(axis=0) for counts in blocks]
    brier = [counts.T @ squares / counts.sum(axis=0) for counts in blocks]
    return np.concatenate(expected), np.concatenate(brier)


def _table(comparison: CalibrationComparison) -> Table:
    rows = tuple(
        (row.title, row.expected_error, row.expected_error_change, row.brier, row.brier_change, row.temperature)
        for row in comparison.rows
    )
    return Table(
        columns=(
            Column("map", "Map"),
            Column("expected_error", "Expected error", ".3f"),
            Column("expected_error_change", "Change", "+.3f"),
            Column("brier", "Brier score", ".3f"),
            Column("brier_change", "Change", "+.3f"),
            Column("temperature", "Temperature"),
        ),
        groups=(RowGroup(rows=rows),),
        caption=f"{comparison.n} studies, {comparison.n_positive} fractures. Lower is better; changes are paired, from "
        f"the probabilities as given. Ten bins of equal width; {100 * comparison.confidence:g} % bootstrap intervals. "
        "A temperature above 1 means that the model was too sure of itself.",
        name="calibrated",
    )


def _plot(comparison: CalibrationComparison) -> Plot:
    return Plot(
        "calibrated",
        "Calibration before and after",
        "On the diagonal, a probability means what it says. Hollow: as given; filled: calibrated. Bars: Wilson "
        "interval.",
        partial(_draw, comparison),
    )


def _draw(comparison: CalibrationComparison, figure: Figure) -> None:
    axes = unit_axes(figure, "Mean probability given", "Share of fractures found")
    axes.plot([0, 1], [0, 1], ":", color=MUTED, linewidth=1)
    looks = ((RAW, MUTED, "s", "--"), ("temperature", BLUE, "o", "-"), ("isotonic", GREEN, "^", "-."))
    for method, colour, marker, dashes in looks:
        row = comparison.row(method)
        x = np.array([item.mean_probability for item in row.calibration.bins])
        y = np.array([(item.observed.value, item.observed.low, item.observed.high) for item in row.calibration.bins])
        bars = np.abs(y[:, 1:] - y[:, :1]).T
        face = "none" if method == RAW else colour
        axes.errorbar(x, y[:, 0], yerr=bars, fmt="none", ecolor=colour, elinewidth=1, alpha=0.4, clip_on=False)
        label = f"{row.title}: expected error {row.calibration.expected_error:.3f}"
        axes.plot(
            *(x, y[:, 0], dashes + marker),
            color=colour,
            markerfacecolor=face,
            markeredgecolor=colour if method == RAW else PAPER,
            linewidth=1.4,
            markersize=7,
            label=label,
            clip_on=False,
        )
    figure.legend(loc="outside upper left", labelspacing=0.3)
