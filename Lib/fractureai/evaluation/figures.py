"""The figures of a report: ROC, precision-recall, calibration, landmark recall, probabilities by stratum.

All have one font and Okabe-Ito colours; curves differ by dash and marker too. Each is written as SVG and as PNG. A page
may replace the colours of `ROLES` to suit its ground.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fractureai.evaluation.blocks import Cell, Column, Plot, Plots, RowGroup, Table
from fractureai.evaluation.cases import CaseResult
from fractureai.evaluation.curves import Curve, precision_recall, roc
from fractureai.evaluation.evaluate import Evaluation
from fractureai.evaluation.metrics import FloatArray
from fractureai.evaluation.strata import STRATA, MetricsRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, VERMILION, GREEN = "#0072B2", "#E69F00", "#D55E00", "#009E73"
INK, MUTED, GRID, PAPER = "#1f2328", "#6a7178", "#d5d9de", "#fefefe"
ROLES: Mapping[str, str] = {INK: "ink", MUTED: "muted", GRID: "grid", PAPER: "paper", BLUE: "model"}
"""Colour -> name of its role."""

PNG_DPI = 200
_WITH_LEGEND_IN = (4.8, 4.9)
_STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.labelsize": 10,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "legend.fontsize": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.width": 0.8,
    "ytick.major.width": 0.8,
    "legend.frameon": False,
    "lines.linewidth": 2.0,
    "svg.fonttype": "path",
    "svg.hashsalt": "fractureai",
}


@dataclass(frozen=True)
class PlotFiles:
    """The files of one plot."""

    svg: Path
    png: Path


def write_plot(plot: Plot, folder: Path) -> PlotFiles:
    """Draw a plot into an existing folder, as SVG and as PNG of 200 dots per inch."""
    import matplotlib
    from matplotlib.figure import Figure

    files = PlotFiles(folder / f"{plot.name}.svg", folder / f"{plot.name}.png")
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=plot.size_in, layout="constrained")
        plot.draw(figure)
        figure.savefig(files.svg, facecolor="none", metadata={"Date": None, "Creator": None})
        figure.savefig(files.png, dpi=PNG_DPI, facecolor="white")
    return files


def performance_blocks(evaluation: Evaluation) -> tuple[Plots, Table]:
    """Return ROC, precision-recall, probabilities by stratum and calibration, as far as the cases define them.

    The table holds the points of the curves and of their bands, for the CSV file only.
    """
    sets = _sets(evaluation)
    return Plots(_performance_plots(evaluation, sets)), _curve_table(sets)


def _performance_plots(evaluation: Evaluation, sets: Sequence[_Set]) -> tuple[Plot, ...]:
    read = [case for case in evaluation.cases if case.probability is not None]
    interval = f"{100 * evaluation.confidence:g} %"
    bands = f"Bands: pointwise {interval} bootstrap interval. Marker: the threshold in use."
    curves = (
        Plot(
            "roc",
            "ROC",
            f"Up and left is better; the diagonal is chance. {bands}",
            partial(_draw_roc, sets),
            _WITH_LEGEND_IN,
        ),
        Plot(
            "precision_recall",
            "Precision and recall",
            f"Up and right is better; dotted lines are the share of fractures, which is chance. {bands}",
            partial(_draw_precision_recall, sets),
            _WITH_LEGEND_IN,
        ),
    )
    return (
        *(curves if sets else ()),
        Plot(
            "probabilities",
            "Probabilities by kind of study",
            "One mark a study; the dashed line is the threshold. A study counts again in each kind it belongs to.",
            partial(_draw_probabilities, read),
        ),
        Plot(
            "calibration",
            "Calibration",
            f"On the diagonal, a probability means what it says. Bars: Wilson {interval} interval. Area: number of "
            "studies.",
            partial(_draw_calibration, evaluation),
        ),
    )


def landmark_plot(evaluation: Evaluation) -> Plot:
    """Return the share of landmarks against the distance from the reference."""
    return Plot(
        "landmarks",
        "Landmarks",
        f"Share of landmarks placed within a distance of the reference, with its {100 * evaluation.confidence:g} % "
        "interval. Marks: the distances of the table.",
        partial(_draw_landmarks, evaluation),
    )


def unit_axes(figure: Figure, x: str, y: str) -> Axes:
    """Put square axes from 0 to 1 with these labels on a figure."""
    axes = figure.add_subplot()
    ticks = np.linspace(0, 1, 6)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xticks=ticks, yticks=ticks, aspect="equal", xlabel=x, ylabel=y)
    return axes


@dataclass(frozen=True)
class _Set:
    """Cases that make one curve."""

    row: MetricsRow
    labels: list[bool]
    probabilities: list[float]
    patients: list[str]
    colour: str
    dashes: str
    marker: str

    @cached_property
    def roc(self) -> Curve:
        """The ROC curve."""
        return roc(self.labels, self.probabilities, patients=self.patients)

    @cached_property
    def precision_recall(self) -> Curve:
        """The precision-recall curve."""
        return precision_recall(self.labels, self.probabilities, patients=self.patients)


def _curve_table(sets: Sequence[_Set]) -> Table:
    columns = tuple(Column(key, key) for key in ("curve", "stratum", "line", "x", "y"))
    rows: list[tuple[Cell, ...]] = []
    for part in sets:
        for name, curve in (("roc", part.roc), ("precision_recall", part.precision_recall)):
            lines = {
                "curve": (curve.x, curve.y),
                "band_low": (curve.band_x, curve.band_low),
                "band_high": (curve.band_x, curve.band_high),
            }
            for line, (xs, ys) in lines.items():
                rows += [(name, part.row.name, line, x, y) for x, y in zip(xs.tolist(), ys.tolist(), strict=True)]
    return Table(columns, (RowGroup(tuple(rows)),), name="curves" if rows else "", shown=False)


def _sets(evaluation: Evaluation) -> list[_Set]:
    """General and hard side by side where both have fractures and normals; otherwise all studies."""
    looks = {"general": (BLUE, "-", "o"), "hard": (VERMILION, "--", "D"), "all": (BLUE, "-", "o")}
    found = {}
    for stratum in STRATA:
        row = evaluation.stratum(stratum.name) if stratum.name in looks else None
        if row and row.metrics and 0 < row.n_positive < row.n:
            cases = [case for case in evaluation.cases if case.probability is not None and stratum.member(case)]
            probabilities = [case.probability for case in cases if case.probability is not None]
            labels, patients = [case.label for case in cases], [case.patient for case in cases]
            found[row.name] = _Set(row, labels, probabilities, patients, *looks[row.name])
    if {"general", "hard"} <= found.keys():
        return [found["general"], found["hard"]]
    return [found["all"]] if "all" in found else []


def _draw_curve(axes: Axes, curve: Curve, part: _Set, point: tuple[float, float], label: str, style: str) -> None:
    axes.fill_between(curve.band_x, curve.band_low, curve.band_high, color=part.colour, alpha=0.16, linewidth=0)
    axes.plot(curve.x, curve.y, part.dashes, color=part.colour, drawstyle=style, label=label)
    axes.plot(*point, part.marker, color=part.colour, markeredgecolor=PAPER, markersize=9, zorder=5, clip_on=False)


def _draw_roc(sets: Sequence[_Set], figure: Figure) -> None:
    axes = unit_axes(figure, "1 − specificity", "Sensitivity")
    axes.plot([0, 1], [0, 1], ":", color=MUTED, linewidth=1)
    for part in sets:
        assert part.row.metrics is not None
        point = (1 - part.row.metrics.specificity, part.row.metrics.sensitivity)
        label = f"{_short(part)}: AUROC {part.row.estimates['auroc']}"
        _draw_curve(axes, part.roc, part, point, label, "default")
    figure.legend(loc="outside lower center")


def _draw_precision_recall(sets: Sequence[_Set], figure: Figure) -> None:
    axes = unit_axes(figure, "Recall (sensitivity)", "Precision")
    for part in sets:
        assert part.row.metrics is not None
        axes.axhline(part.row.metrics.prevalence, linestyle=":", color=part.colour, linewidth=1)
        point = (part.row.metrics.sensitivity, part.row.metrics.precision)
        label = f"{_short(part)}: AUPR {part.row.estimates['aupr']}"
        _draw_curve(axes, part.precision_recall, part, point, label, "steps-pre")
    figure.legend(loc="outside lower center")


def _short(part: _Set) -> str:
    return f"{part.row.title.split(' (')[0]}, {part.row.n_positive} of {part.row.n} fractured"


def _draw_calibration(evaluation: Evaluation, figure: Figure) -> None:
    axes = unit_axes(figure, "Mean probability given", "Share of fractures found")
    axes.plot([0, 1], [0, 1], ":", color=MUTED, linewidth=1)
    bins = evaluation.calibration.bins
    x = np.array([b.mean_probability for b in bins])
    y = np.array([b.observed.value for b in bins])
    bars = np.array([[b.observed.value - b.observed.low, b.observed.high - b.observed.value] for b in bins]).T
    axes.errorbar(x, y, yerr=bars, fmt="none", ecolor=BLUE, elinewidth=1.2, alpha=0.7, clip_on=False)
    area = 25 + 275 * np.array([b.n for b in bins]) / max(b.n for b in bins)
    axes.scatter(x, y, s=area, color=BLUE, edgecolor=PAPER, linewidth=1, zorder=4, clip_on=False)
    summary = (
        f"Expected error {evaluation.calibration.expected_error:.2f}\nBrier score {evaluation.calibration.brier:.2f}"
    )
    axes.text(0.98, 0.03, summary, transform=axes.transAxes, ha="right", va="bottom")


def _draw_landmarks(evaluation: Evaluation, figure: Figure) -> None:
    axes = figure.add_subplot()
    looks = ((BLUE, "-", "o"), (GREEN, "--", "s"), (VERMILION, "-.", "^"), (ORANGE, ":", "D"))
    rows = [row for row in evaluation.landmarks if row.landmark == "all" and row.view != "all"]
    for i, row in enumerate(rows):
        colour, dashes, marker = looks[i % len(looks)]
        curve = row.curve
        axes.fill_between(curve.distance_mm, curve.low, curve.high, color=colour, alpha=0.14, linewidth=0)
        label = f"{row.view}: median {row.result.median_mm:.1f} mm, {row.result.n_radiographs} images"
        axes.plot(
            curve.distance_mm,
            curve.recall,
            dashes,
            color=colour,
            marker=marker,
            markersize=9 - 3 * min(i, 1),  # so that the marks of views do not hide each other
            markeredgecolor=PAPER,
            markevery=np.searchsorted(curve.distance_mm, list(row.result.recall)).tolist(),
            label=label,
        )
    axes.set(xlim=(0, 8), ylim=(-0.02, 1.02), yticks=np.linspace(0, 1, 6))
    axes.set(xlabel="Distance from the reference (mm)", ylabel="Share of landmarks within it")
    axes.legend(loc="lower right")


def _draw_probabilities(cases: Sequence[CaseResult], figure: Figure) -> None:
    axes = figure.add_subplot()
    rows = [(s.title.split(" (")[0], [case for case in cases if s.member(case)]) for s in STRATA if s.name != "kept"]
    rows = [row for row in rows if row[1]]
    for y, (_, members) in enumerate(rows):
        for label, offset, marker in ((True, -0.2, "o"), (False, 0.2, "D")):
            group = [case for case in members if case.label is label]
            values = np.array([case.probability for case in group], dtype=float)
            places = y + offset + _spread(values, 0.15)
            for correct, colour in ((True, BLUE), (False, VERMILION)):
                chosen = np.array([case.correct is correct for case in group], dtype=bool)
                style = {**_mark(label, colour), "markersize": 4.5 if len(members) < 150 else 3}
                axes.plot(values[chosen], places[chosen], marker, alpha=0.85, clip_on=False, **style)
    for threshold in sorted({case.threshold for case in cases}):
        axes.axvline(threshold, linestyle="--", color=MUTED, linewidth=1)
    axes.set(xlim=(-0.02, 1.02), ylim=(len(rows) - 0.5, -0.5), xlabel="Probability of a fracture")
    axes.set_yticks(range(len(rows)), [f"{title}\n{len(members)}" for title, members in rows])
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    keys = [axes.plot([], [], "o", **_mark(True, INK))[0], axes.plot([], [], "D", **_mark(False, INK))[0]]
    keys += [axes.plot([], [], "s", **_mark(True, colour))[0] for colour in (BLUE, VERMILION)]
    names = ("Fracture", "Normal", "called right", "called wrong")
    figure.legend(keys, names, loc="outside upper center", ncols=4, handletextpad=0.0, columnspacing=0.9)


def _mark(filled: bool, colour: str) -> dict[str, Any]:
    face = colour if filled else "none"
    return {"color": colour, "markerfacecolor": face, "markeredgewidth": 0.9, "markersize": 5, "linestyle": "none"}


def _spread(values: FloatArray, half: float) -> FloatArray:
    """Offset marks that would lie on each other, up and down in turn, inside +-half."""
    offsets = np.zeros(len(values))
    order = np.argsort(values, kind="stable")
    run, last = 0, -1.0
    for i in order:
        run, last = (run + 1, last) if values[i] - last < 0.02 else (0, values[i])
        offsets[i] = (run + 1) // 2 * (-1 if run % 2 else 1)
    largest = np.abs(offsets).max(initial=0)
    return offsets * min(0.05, half / largest) if largest else offsets
