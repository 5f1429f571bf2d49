"""A plot chart node's content as plain values: what is drawn, in which range, with which ticks."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from vtkmodules.util.numpy_support import vtk_to_numpy

Range = tuple[float, float]


@dataclass(frozen=True)
class Series:
    """One series: positions and how they are drawn; names of styles are those of vtkMRMLPlotSeriesNode."""

    name: str
    x: np.ndarray
    y: np.ndarray
    bars: bool
    colour: tuple[float, float, float]
    opacity: float
    line: str
    line_width: float
    marker: str
    marker_size: float


@dataclass(frozen=True)
class Chart:
    """A chart: titles, series, ranges (of finite values; a margin included) and which parts are shown."""

    title: str = ""
    x_title: str = ""
    y_title: str = ""
    series: tuple[Series, ...] = ()
    x_range: Range = (0.0, 1.0)
    y_range: Range = (0.0, 1.0)
    log_x: bool = False
    log_y: bool = False
    grid: bool = True
    legend: bool = True
    sources: tuple[Any, ...] = field(default=(), compare=False)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not any(len(series.x) for series in self.series)


def read_chart(chart: Any) -> Chart:
    """The content of a vtkMRMLPlotChartNode; series whose table or columns are missing are left out."""
    nodes = [chart.GetNthPlotSeriesNode(i) for i in range(chart.GetNumberOfPlotSeriesNodes())]
    nodes = [node for node in nodes if node is not None]
    series = tuple(s for s in (_series(node) for node in nodes) if s is not None)
    log_x, log_y = bool(chart.GetXAxisLogScale()), bool(chart.GetYAxisLogScale())
    bars = any(s.bars for s in series)
    x_range = (
        _range_of([s.x for s in series], log_x, 0.0) if chart.GetXAxisRangeAuto() else tuple(chart.GetXAxisRange())
    )
    y_values = [s.y for s in series] + ([np.zeros(1)] if bars and not log_y else [])
    y_range = _range_of(y_values, log_y, 0.05) if chart.GetYAxisRangeAuto() else tuple(chart.GetYAxisRange())
    return Chart(
        title=(chart.GetTitle() or "") if chart.GetTitleVisibility() else "",
        x_title=(chart.GetXAxisTitle() or "") if chart.GetXAxisTitleVisibility() else "",
        y_title=(chart.GetYAxisTitle() or "") if chart.GetYAxisTitleVisibility() else "",
        series=series,
        x_range=x_range,
        y_range=y_range,
        log_x=log_x,
        log_y=log_y,
        grid=bool(chart.GetGridVisibility()),
        legend=bool(chart.GetLegendVisibility()),
        sources=tuple(nodes) + tuple(t for t in (node.GetTableNode() for node in nodes) if t is not None),
    )


def _series(node: Any) -> Series | None:
    table = node.GetTableNode()
    y = _column(table, node.GetYColumnName())
    if y is None:
        return None
    x = _column(table, node.GetXColumnName()) if node.IsXColumnRequired() else np.arange(len(y), dtype=float)
    if x is None:
        return None
    with_line = node.GetPlotType() in (node.PlotTypeLine, node.PlotTypeScatter)
    return Series(
        name=node.GetName() or node.GetYColumnName(),
        x=x,
        y=y,
        bars=not with_line,
        colour=tuple(node.GetColor()),
        opacity=node.GetOpacity(),
        line=node.GetLineStyleAsString(node.GetLineStyle()) if with_line else "none",
        line_width=node.GetLineWidth(),
        marker=node.GetMarkerStyleAsString(node.GetMarkerStyle()),
        marker_size=node.GetMarkerSize(),
    )


def _column(table: Any, name: str | None) -> np.ndarray | None:
    """A column of numbers; None when the table or the column is missing, or the column holds text."""
    column = table.GetTable().GetColumnByName(name) if table is not None and name else None
    if column is None or not column.IsNumeric():
        return None
    return np.asarray(vtk_to_numpy(column), dtype=float)


def _range_of(values: list[np.ndarray], log: bool, margin: float) -> Range:
    """The range of all finite values (the positive ones on a logarithmic axis), widened by a share of its size."""
    everything = np.concatenate([*values, np.empty(0)])
    everything = everything[np.isfinite(everything)]
    if log:
        everything = everything[everything > 0]
    if not everything.size:
        return (0.1, 1.0) if log else (0.0, 1.0)
    low, high = float(everything.min()), float(everything.max())
    if log:
        factor = max((high / low) ** margin, 1.0) if high > low else 2.0
        return low / factor, high * factor
    if high == low:
        return low - 0.5, high + 0.5
    extra = (high - low) * margin
    return (low if low == 0 else low - extra), high + extra


def ticks(limits: Range, count: int, log: bool = False) -> list[float]:
    """Round numbers inside a range, about as many as asked for; powers of ten on a logarithmic axis."""
    low, high = limits
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return []
    if log:
        first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
        powers = [10.0**e for e in range(first, last + 1)]
        if len(powers) > 1:
            return powers
    step = _round_step((high - low) / max(count, 1))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def _round_step(raw: float) -> float:
    power = 10.0 ** math.floor(math.log10(raw))
    return power * next(factor for factor in (1, 2, 2.5, 5, 10) if raw <= factor * power * 1.0000001)


def tick_text(value: float) -> str:
    """A tick's label: no more digits than needed."""
    return f"{value:.6g}"
