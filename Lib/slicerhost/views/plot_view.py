"""Draws a chart with Qt: sharp at any scaling, in the colours of the application's style."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPainterPath, QPaintEvent, QPalette, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from ..dialect.attributes import stands_for_cpp
from . import properties
from .chart import Chart, Series, read_chart, tick_text, ticks

_LINES = {
    "solid": Qt.PenStyle.SolidLine,
    "dash": Qt.PenStyle.DashLine,
    "dot": Qt.PenStyle.DotLine,
    "dash-dot": Qt.PenStyle.DashDotLine,
    "dash-dot-dot": Qt.PenStyle.DashDotDotLine,
}
_MARGIN = 12.0
_PIXELS_PER_TICK = (90.0, 45.0)


@dataclass(frozen=True)
class _Frame:
    """Where the chart lies in the widget, and how its values become positions."""

    area: QRectF
    chart: Chart

    def x(self, values: Any) -> Any:
        return self.area.left() + _share(values, self.chart.x_range, self.chart.log_x) * self.area.width()

    def y(self, values: Any) -> Any:
        return self.area.bottom() - _share(values, self.chart.y_range, self.chart.log_y) * self.area.height()


def _share(values: Any, limits: tuple[float, float], log: bool) -> Any:
    values = np.asarray(values, dtype=float)
    low, high = limits
    if log:
        with np.errstate(divide="ignore", invalid="ignore"):
            values, low, high = np.log10(values), np.log10(low), np.log10(high)
    return (values - low) / ((high - low) or 1.0)


@stands_for_cpp
class qMRMLPlotView(QWidget):
    """Shows the chart that its plot view node names, and follows every change of it."""

    def __init__(self, node: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(160, 120)
        self._node = node
        self._chart = Chart()
        self._old = True
        self._watched: dict[Any, list[int]] = {}
        self._node_tag = node.AddObserver("ModifiedEvent", self._changed)

    def mrmlPlotViewNode(self) -> Any:
        """The plot view node: which chart is shown."""
        return self._node

    def chartNode(self) -> Any:
        """The chart shown; None when there is none."""
        return self._node.GetPlotChartNode()

    def fitToContent(self) -> None:
        """Let both axes follow the values."""
        chart = self.chartNode()
        if chart is not None:
            chart.XAxisRangeAutoOn()
            chart.YAxisRangeAutoOn()

    def content(self) -> Chart:
        """What is drawn now."""
        if self._old:
            self._old = False
            node = self.chartNode()
            self._chart = read_chart(node) if node is not None else Chart()
            self._watch([node, *self._chart.sources] if node is not None else [])
        return self._chart

    def _changed(self, *_: Any) -> None:
        self._old = True
        self.update()

    def _watch(self, nodes: list[Any]) -> None:
        """Observe the chart, its series and their tables, and nothing else."""
        for node in [n for n in self._watched if n not in nodes]:
            for tag in self._watched.pop(node):
                node.RemoveObserver(tag)
        for node in nodes:
            if node not in self._watched:
                events = ["ModifiedEvent"] + ([node.PlotModifiedEvent] if hasattr(node, "PlotModifiedEvent") else [])
                self._watched[node] = [node.AddObserver(event, self._changed) for event in events]

    # Painting.

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw the chart."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        size = properties.size(self)
        ground = QRectF(0, 0, size.width(), size.height())
        painter.fillRect(ground, self._colour(QPalette.ColorRole.Base))
        chart = self.content()
        if chart.is_empty:
            painter.setPen(self._colour(QPalette.ColorRole.Text, 150))
            painter.drawText(ground, Qt.AlignmentFlag.AlignCenter, chart.title or self.tr("No data yet"))
        else:
            self._paint_chart(painter, chart, ground)
        painter.end()

    def _colour(self, role: QPalette.ColorRole, alpha: int = 255) -> QColor:
        colour = QColor(properties.value(self, "palette").color(role))
        colour.setAlpha(alpha)
        return colour

    def _paint_chart(self, painter: QPainter, chart: Chart, ground: QRectF) -> None:
        font = QFont(properties.value(self, "font"))
        metrics = QFontMetricsF(font)
        line = metrics.height()
        y_ticks = ticks(chart.y_range, int(ground.height() / _PIXELS_PER_TICK[1]), chart.log_y)
        widest = max((metrics.horizontalAdvance(tick_text(t)) for t in y_ticks), default=0.0)
        legend_rows = self._legend_rows(chart, metrics, ground.width())
        area = ground.adjusted(
            _MARGIN + widest + 8 + (line + 4 if chart.y_title else 0),
            _MARGIN + (line * 1.6 if chart.title else 0) + legend_rows * (line + 4),
            -_MARGIN - 6,
            -_MARGIN - line - 6 - (line + 4 if chart.x_title else 0),
        )
        if area.width() < 20 or area.height() < 20:
            return
        frame = _Frame(area, chart)
        x_ticks = ticks(chart.x_range, int(area.width() / _PIXELS_PER_TICK[0]), chart.log_x)
        self._paint_axes(painter, frame, x_ticks, y_ticks, metrics)
        self._paint_titles(painter, frame, ground, font, line)
        self._paint_legend(painter, frame, metrics, legend_rows)
        painter.setClipRect(area.adjusted(-6, -6, 6, 6))
        for series in chart.series:
            _paint_series(painter, frame, series)

    def _paint_axes(
        self, painter: QPainter, frame: _Frame, x_ticks: list[float], y_ticks: list[float], metrics: QFontMetricsF
    ) -> None:
        area, line = frame.area, metrics.height()
        grid = QPen(self._colour(QPalette.ColorRole.Text, 35), 1)
        text = QPen(self._colour(QPalette.ColorRole.Text, 190))
        for tick in x_ticks:
            x = float(frame.x(tick))
            painter.setPen(grid)
            painter.drawLine(
                QPointF(x, area.top() if frame.chart.grid else area.bottom() - 4), QPointF(x, area.bottom())
            )
            painter.setPen(text)
            painter.drawText(
                QRectF(x - 60, area.bottom() + 5, 120, line), Qt.AlignmentFlag.AlignHCenter, tick_text(tick)
            )
        for tick in y_ticks:
            y = float(frame.y(tick))
            painter.setPen(grid)
            painter.drawLine(QPointF(area.left(), y), QPointF(area.right() if frame.chart.grid else area.left() + 4, y))
            painter.setPen(text)
            box = QRectF(area.left() - 128, y - line / 2, 120, line)
            painter.drawText(box, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, tick_text(tick))
        painter.setPen(QPen(self._colour(QPalette.ColorRole.Text, 110), 1))
        painter.drawPolyline(QPolygonF([area.topLeft(), area.bottomLeft(), area.bottomRight()]))

    def _paint_titles(self, painter: QPainter, frame: _Frame, ground: QRectF, font: QFont, line: float) -> None:
        chart, area = frame.chart, frame.area
        painter.setPen(self._colour(QPalette.ColorRole.Text))
        if chart.title:
            bold = QFont(font)
            bold.setBold(True)
            painter.setFont(bold)
            painter.drawText(QRectF(0, _MARGIN, ground.width(), line * 1.4), Qt.AlignmentFlag.AlignHCenter, chart.title)
            painter.setFont(font)
        if chart.x_title:
            box = QRectF(area.left(), area.bottom() + line + 9, area.width(), line + 2)
            painter.drawText(box, Qt.AlignmentFlag.AlignHCenter, chart.x_title)
        if chart.y_title:
            painter.save()
            painter.translate(_MARGIN, area.center().y())
            painter.rotate(-90)
            box = QRectF(-area.height() / 2, 0, area.height(), line + 2)
            painter.drawText(box, Qt.AlignmentFlag.AlignHCenter, chart.y_title)
            painter.restore()

    def _legend_rows(self, chart: Chart, metrics: QFontMetricsF, width: float) -> int:
        if not chart.legend or len(chart.series) == 0:
            return 0
        total = sum(metrics.horizontalAdvance(series.name) + 44 for series in chart.series)
        return max(1, int(np.ceil(total / max(width - 80, 100))))

    def _paint_legend(self, painter: QPainter, frame: _Frame, metrics: QFontMetricsF, rows: int) -> None:
        """Names with a piece of line or a mark, in rows above the axes."""
        if not rows:
            return
        line = metrics.height()
        x, y = frame.area.left(), frame.area.top() - rows * (line + 4)
        for series in frame.chart.series:
            width = metrics.horizontalAdvance(series.name) + 44
            if x + width > frame.area.right() + 10 and x > frame.area.left():
                x, y = frame.area.left(), y + line + 4
            _paint_sample(painter, series, QPointF(x, y + line / 2))
            painter.setPen(self._colour(QPalette.ColorRole.Text))
            painter.drawText(QPointF(x + 30, y + metrics.ascent()), series.name)
            x += width

    def finalize(self) -> None:
        """Let go of the scene."""
        self._node.RemoveObserver(self._node_tag)
        self._watch([])


def _ink(series: Series) -> QColor:
    return QColor.fromRgbF(*series.colour, series.opacity)


def _pen(series: Series) -> QPen:
    pen = QPen(_ink(series), max(series.line_width, 1.0), _LINES.get(series.line, Qt.PenStyle.NoPen))
    pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
    return pen


def _paint_sample(painter: QPainter, series: Series, centre: QPointF) -> None:
    if series.bars:
        painter.fillRect(QRectF(centre.x(), centre.y() - 5, 24, 10), _ink(series))
        return
    painter.setPen(_pen(series))
    if series.line in _LINES:
        painter.drawLine(centre, QPointF(centre.x() + 24, centre.y()))
    _paint_marker(painter, series, QPointF(centre.x() + 12, centre.y()))


def _paint_series(painter: QPainter, frame: _Frame, series: Series) -> None:
    xs, ys = frame.x(series.x), frame.y(series.y)
    if series.bars:
        _paint_bars(painter, frame, series, xs, ys)
        return
    painter.setBrush(Qt.BrushStyle.NoBrush)
    if series.line in _LINES:
        painter.setPen(_pen(series))
        painter.drawPath(_path(xs, ys))
    for x, y in zip(xs, ys, strict=True):
        if np.isfinite(x) and np.isfinite(y):
            _paint_marker(painter, series, QPointF(x, y))


def _path(xs: np.ndarray, ys: np.ndarray) -> QPainterPath:
    """A line through the finite points, broken where one is missing."""
    path, pen_is_down = QPainterPath(), False
    for x, y in zip(xs, ys, strict=True):
        if not (np.isfinite(x) and np.isfinite(y)):
            pen_is_down = False
        elif pen_is_down:
            path.lineTo(x, y)
        else:
            path.moveTo(x, y)
            pen_is_down = True
    return path


def _paint_bars(painter: QPainter, frame: _Frame, series: Series, xs: np.ndarray, ys: np.ndarray) -> None:
    gap = float(np.min(np.diff(np.sort(xs)))) if len(xs) > 1 else frame.area.width() / 3
    width = max(1.0, 0.7 * gap)
    zero = frame.area.bottom() if frame.chart.log_y else float(frame.y(0.0))
    for x, y in zip(xs, ys, strict=True):
        if np.isfinite(x) and np.isfinite(y):
            painter.fillRect(QRectF(x - width / 2, min(y, zero), width, abs(zero - y)), _ink(series))


def _paint_marker(painter: QPainter, series: Series, centre: QPointF) -> None:
    if series.marker == "none":
        return
    half = max(series.marker_size, 3.0) / 2
    painter.save()
    painter.setPen(QPen(_ink(series), max(1.2, series.line_width / 1.5)))
    x, y = centre.x(), centre.y()
    if series.marker == "cross":
        painter.drawLine(QPointF(x - half, y - half), QPointF(x + half, y + half))
        painter.drawLine(QPointF(x - half, y + half), QPointF(x + half, y - half))
    elif series.marker == "plus":
        painter.drawLine(QPointF(x - half, y), QPointF(x + half, y))
        painter.drawLine(QPointF(x, y - half), QPointF(x, y + half))
    else:
        painter.setBrush(_ink(series))
        box = QRectF(x - half, y - half, 2 * half, 2 * half)
        if series.marker == "square":
            painter.drawRect(box)
        elif series.marker == "diamond":
            corners = [QPointF(x, y - half), QPointF(x + half, y), QPointF(x, y + half), QPointF(x - half, y)]
            painter.drawPolygon(QPolygonF(corners))
        else:
            painter.drawEllipse(box)
    painter.restore()
