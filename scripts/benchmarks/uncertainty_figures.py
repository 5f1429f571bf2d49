"""Figures of `uncertainty.py`, in the style of the reports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fractureai.evaluation.blocks import Plot
from fractureai.evaluation.figures import BLUE, GREEN, MUTED, ORANGE, VERMILION, write_plot
from fractureai.evaluation.risk_coverage import Order, risk_coverage
from fractureai.evaluation.selective import SelectiveTable
from fractureai.reliability import COMBINED, SCORES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHARES = np.linspace(0, 0.6, 61)
DRAWN = {
    COMBINED: ("Combined", BLUE, "-"),
    "variance": ("Variance (published)", VERMILION, "--"),
    "margin": (SCORES["margin"], GREEN, "-."),
    "mahalanobis": (SCORES["mahalanobis"], ORANGE, ":"),
}


def draw(tables: Mapping[str, SelectiveTable], out: Path) -> None:
    """Write ``uncertainty_sensitivity`` and ``uncertainty_risk`` as SVG and PNG."""
    for name, title, paint in (
        ("uncertainty_sensitivity", "Sensitivity on the studies that are not referred", _sensitivity),
        ("uncertainty_risk", "Wrong decisions among the studies that are not referred", _risk),
    ):
        plot = Plot(name, title, "Simulated images.", partial(_panels, tables, paint), size_in=(9.6, 3.6))
        write_plot(plot, out)


def _panels(
    tables: Mapping[str, SelectiveTable], paint: Callable[[Axes, SelectiveTable], None], figure: Figure
) -> None:
    axes = figure.subplots(1, len(tables), sharey=True)
    for panel, (name, table) in zip(axes, tables.items(), strict=True):
        paint(panel, table)
        panel.set_title(f"{name}: {table.labels.sum()} of {len(table.labels)} fractured", fontsize=10)
        panel.set(xlabel="Share referred", xlim=(0, SHARES[-1]))
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=len(names))


def _sensitivity(axes: Axes, table: SelectiveTable) -> None:
    called = table.probabilities >= table.thresholds
    for key, (name, colour, dash) in DRAWN.items():
        if key in table.scores:
            order, once = Order(table.scores[key]), np.ones((len(called), 1), dtype=np.int64)
            kept = np.hstack([order.kept(once, float(share)) for share in SHARES])
            values = kept[table.labels & called].sum(axis=0) / np.maximum(kept[table.labels].sum(axis=0), 1e-9)
            axes.plot(SHARES, values, dash, color=colour, label=name)
    axes.set_ylim(-0.02, 1.02)
    _name_first(axes, "Sensitivity on the rest")


def _risk(axes: Axes, table: SelectiveTable) -> None:
    axes.axhline(table.wrong.mean(), color=MUTED, linewidth=1)
    for key, (name, colour, dash) in DRAWN.items():
        if key in table.scores:
            curve = risk_coverage(table.wrong, table.scores[key])
            shown = curve.coverage >= 1 - SHARES[-1]
            axes.plot(1 - curve.coverage[shown], curve.risk[shown], dash, color=colour, label=name)
    axes.set_ylim(bottom=0)
    _name_first(axes, "Wrong decisions on the rest")


def _name_first(axes: Axes, label: str) -> None:
    """Name the y axis of the first panel, which all share."""
    place = axes.get_subplotspec()
    if place is not None and place.colspan.start == 0:
        axes.set_ylabel(label)
