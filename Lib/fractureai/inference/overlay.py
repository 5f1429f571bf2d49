"""Draw a reading on its radiographs: to see what the model looked at, how sure it is, and what it is not."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from fractureai import NOT_A_MEDICAL_DEVICE
from fractureai.geometry import resize
from fractureai.inference.activation import activation_on_image
from fractureai.inference.pipeline import NOT_SURE
from fractureai.inference.prediction import Prediction, ViewPrediction
from fractureai.inference.referral import SIDE_NAMES
from fractureai.radiograph.model import Radiograph

MODEL_BLUE, ALARM, PAPER, INK, FAINT = "#0072B2", "#D55E00", "#141414", "#F2F2F2", "#B8B8B8"
"""Blue and vermilion of Okabe and Ito; every text colour has a contrast of at least 4.5:1 on the ground."""

HEAT_OPACITY = 0.45
HEAT_CUT_OFF = 0.25
_HEAT_FULL = 0.6  # share of the maximum from which on the heat map has its whole opacity
_SCALE_MM = 20.0

Pair = tuple[Radiograph, ViewPrediction]


@dataclass(frozen=True)
class _Layout:
    """Pixel sizes of the figure; text grows with the panels, but never below what can be read."""

    panel_px: int
    panel_widths: tuple[float, ...]

    @property
    def unit(self) -> float:
        return float(np.clip(self.panel_px / 900, 0.8, 2.5))

    @property
    def margin(self) -> float:
        return 14 * self.unit

    @property
    def width(self) -> float:
        return sum(self.panel_widths) + (len(self.panel_widths) + 1) * self.margin

    def font(self, px: float) -> float:
        """Return the size in points (72 an inch at 100 dpi) of text that is ``px`` pixels high at unit size."""
        return px * self.unit * 0.72

    def wrap(self, text: str, px: float, width: float) -> list[str]:
        return textwrap.wrap(text, max(12, int(width / (px * self.unit * 0.56))))

    def fit(self, text: str, px: float) -> float:
        """Return the height of a text in bold that may not be broken: ``px``, or less so that it fits the figure."""
        return min(px, (self.width - 2 * self.margin) / (len(text) * self.unit * 0.66))


def render_overlay(
    radiograph: Radiograph, view: ViewPrediction, prediction: Prediction, *, panel_px: int = 900
) -> npt.NDArray[np.uint8]:
    """Draw the reading of one radiograph.

    Args:
        radiograph: the image.
        view: its reading.
        prediction: the reading of the study.
        panel_px: height of the image's panel.

    Returns:
        (rows, columns, 3) RGB.
    """
    return render_study_overlay([(radiograph, view)], prediction, panel_px=panel_px)


def render_study_overlay(
    pairs: Sequence[Pair], prediction: Prediction, *, panel_px: int = 900
) -> npt.NDArray[np.uint8]:
    """Draw the radiographs of a study side by side; see `render_overlay`."""
    canvas: Any = FigureCanvasAgg(_figure(pairs, prediction, panel_px))
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def write_overlay_png(path: str | Path, pairs: Sequence[Pair], prediction: Prediction, *, panel_px: int = 900) -> Path:
    """Write `render_study_overlay` as PNG and return its path."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    canvas: Any = FigureCanvasAgg(_figure(pairs, prediction, panel_px))
    canvas.print_png(str(path))
    return path


def _figure(pairs: Sequence[Pair], prediction: Prediction, panel_px: int) -> Figure:
    layout = _Layout(panel_px, tuple(_panel_width(panel_px, radiograph, view) for radiograph, view in pairs))
    head, foot = _head_lines(layout, pairs, prediction), _foot_lines(layout, prediction)
    head_px = sum(px * 1.45 * layout.unit for _, px, _, _ in head) + 2 * layout.margin
    foot_px = max(sum(px * 1.45 * layout.unit for _, px, _, _ in foot), 52 * layout.unit) + 2 * layout.margin
    height = head_px + panel_px + foot_px
    figure = Figure(figsize=(layout.width / 100, height / 100), dpi=100, facecolor=PAPER)
    _write_lines(figure, layout, head, top=height - layout.margin, size=(layout.width, height))
    _write_lines(figure, layout, foot, top=foot_px - layout.margin, size=(layout.width, height))
    left = layout.margin
    for width, (radiograph, view) in zip(layout.panel_widths, pairs, strict=True):
        box = (left / layout.width, foot_px / height, width / layout.width, panel_px / height)
        _panel(figure.add_axes(box), layout, width, radiograph, view)
        left += width + layout.margin
    _legend(figure, layout, (layout.width, height))
    return figure


def _panel_width(panel_px: int, radiograph: Radiograph, view: ViewPrediction) -> float:
    """Return the width of an image's panel: that of the image within limits that leave room for text."""
    rows, cols = radiograph.shape
    shape = cols * view.spacing_mm[1] / (rows * view.spacing_mm[0])
    return panel_px * float(np.clip(shape, 0.62, 1.6))


def _interval(prediction: Prediction) -> str:
    if prediction.interval is None:
        return ""
    low, high = prediction.interval
    return f", 95 % CI {low:.2f}-{high:.2f}"


Line = tuple[str, float, str, str]  # text, pixels high, colour, weight


def _head_lines(layout: _Layout, pairs: Sequence[Pair], prediction: Prediction) -> list[Line]:
    width = layout.width - 2 * layout.margin
    lines: list[Line] = []
    verdict = prediction.decision_text
    if prediction.probability is not None:
        verdict += f"   {prediction.probability:.2f}   (threshold {prediction.threshold:.2f}{_interval(prediction)})"
    if prediction.refer:
        lines.append((NOT_SURE, layout.fit(NOT_SURE, 26), ALARM, "bold"))
        for reason in prediction.referrals:
            lines += [(text, 15, INK, "normal") for text in layout.wrap(reason.text, 15, width)]
        if prediction.probability is not None:
            lines.append((f"Its reading: {verdict}", layout.fit(f"Its reading: {verdict}", 17), FAINT, "normal"))
    else:
        lines.append((verdict, layout.fit(verdict, 26), INK, "bold"))
    if len(prediction.views) > len(pairs):
        lines.append((f"Study of {len(prediction.views)} radiographs", 15, FAINT, "normal"))
    return lines


def _foot_lines(layout: _Layout, prediction: Prediction) -> list[Line]:
    width = layout.width - 3 * layout.margin - _legend_width(layout)
    notice = f"{prediction.notice[:1].upper()}{prediction.notice[1:].rstrip('.')}." if prediction.notice else ""
    lines: list[Line] = [(text, 14, FAINT, "normal") for text in layout.wrap(f"Model {prediction.model}", 14, width)]
    lines += [(text, 15, ALARM, "bold") for text in layout.wrap(notice, 15, width)]
    return [*lines, (NOT_A_MEDICAL_DEVICE, 15, INK, "bold")]


def _write_lines(
    figure: Figure, layout: _Layout, lines: Sequence[Line], *, top: float, size: tuple[float, float]
) -> None:
    for text, px, colour, weight in lines:
        place = (layout.margin / size[0], top / size[1])
        figure.text(*place, text, color=colour, fontsize=layout.font(px), weight=weight, va="top", parse_math=False)
        top -= px * 1.45 * layout.unit


def _panel(axes: Any, layout: _Layout, width: float, radiograph: Radiograph, view: ViewPrediction) -> None:
    rows, cols = radiograph.shape
    row_mm, col_mm = view.spacing_mm
    axes.set_facecolor("black")
    scale = min(layout.panel_px / (rows * row_mm), width / (cols * col_mm))  # pixels of the figure per mm
    shape = (max(1, min(rows, round(rows * row_mm * scale))), max(1, min(cols, round(cols * col_mm * scale))))
    extent = (-0.5, cols - 0.5, rows - 0.5, -0.5)
    axes.imshow(_windowed(radiograph, shape), cmap="gray", vmin=0, vmax=1, extent=extent, aspect="auto")
    heat = resize(activation_on_image(view, (rows, cols)), shape)
    axes.imshow(heat_rgba(heat), extent=extent, aspect="auto")
    # The panel shows more than the image where their shapes differ, so that text and labels always have room.
    half_rows, half_cols = layout.panel_px / (scale * row_mm) / 2, width / (scale * col_mm) / 2
    axes.set_xlim(cols / 2 - 0.5 - half_cols, cols / 2 - 0.5 + half_cols)
    axes.set_ylim(rows / 2 - 0.5 + half_rows, rows / 2 - 0.5 - half_rows)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    _draw_roi(axes, layout, view)
    _draw_landmarks(axes, layout, view)
    _draw_corners(axes, layout, view, (width, _SCALE_MM * scale))


def heat_rgba(share: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Colour an activation map: inferno, transparent below the cut-off, then a ramp up to the full opacity.

    Args:
        share: (rows, columns) in 0..1, share of the maximum.

    Returns:
        (rows, columns, 4) RGBA in 0..1.
    """
    rgba = np.array(colormaps["inferno"](share), dtype=float)
    rgba[..., 3] = HEAT_OPACITY * np.clip((share - HEAT_CUT_OFF) / (_HEAT_FULL - HEAT_CUT_OFF), 0, 1)
    return rgba


def _windowed(radiograph: Radiograph, shape: tuple[int, int]) -> npt.NDArray[np.float32]:
    image = resize(radiograph.pixels, shape)
    low, high = np.percentile(image, (1, 99.5))
    return np.asarray(np.clip((image - low) / (high - low), 0, 1) if high > low else np.zeros_like(image))


def _draw_roi(axes: Any, layout: _Layout, view: ViewPrediction) -> None:
    corners = view.roi.corners()[[0, 1, 2, 3, 0]]
    style = {"lw": 1.6 * layout.unit, "color": MODEL_BLUE}
    axes.plot(
        corners[:, 1], corners[:, 0], path_effects=[withStroke(linewidth=3.2 * layout.unit, foreground="w")], **style
    )


def _draw_landmarks(axes: Any, layout: _Layout, view: ViewPrediction) -> None:
    """Mark the landmarks; their names stand beside the region of interest, so that nothing in it is hidden."""
    points = np.array(list(view.landmarks.values()))
    unit = layout.unit
    stroke = [withStroke(linewidth=4.5 * unit, foreground=MODEL_BLUE)]
    axes.plot(points[:, 1], points[:, 0], "x", color="white", ms=9 * unit, mew=1.8 * unit, path_effects=stroke)
    places = axes.transData.transform(points[:, ::-1])
    edges = axes.transData.transform(view.roi.corners()[:, ::-1])
    box = axes.get_window_extent()
    middle = edges[:, 0].mean()
    for to_left in (True, False):
        chosen = np.flatnonzero((places[:, 0] < middle) == to_left)
        # Top left stands the view, bottom right the scale.
        bounds = (box.y0, box.y1 - 55 * unit) if to_left else (box.y0 + 40 * unit, box.y1)
        heights = _spread_out(places[chosen, 1], 24 * unit, bounds)
        for index, y in zip(chosen, heights, strict=True):
            name = list(view.landmarks)[index].replace("_", " ")
            room = len(name) * 14 * unit * 0.62 + 12 * unit
            beside = edges[:, 0].min() - 12 * unit if to_left else edges[:, 0].max() + 12 * unit
            x = max(beside, box.x0 + room) if to_left else min(beside, box.x1 - room)
            _label(axes, layout, name, tuple(points[index, ::-1]), (x, y), "right" if to_left else "left")


def _label(
    axes: Any, layout: _Layout, name: str, point_xy: tuple[float, ...], place_px: tuple[float, float], align: str
) -> None:
    axes.annotate(
        name,
        xy=point_xy,
        xytext=place_px,
        textcoords="figure pixels",
        ha=align,
        va="center",
        color="white",
        fontsize=layout.font(14),
        bbox={"boxstyle": "round,pad=0.2", "fc": MODEL_BLUE, "ec": "none", "alpha": 0.85},
        arrowprops={"arrowstyle": "-", "color": "white", "lw": 0.8 * layout.unit, "shrinkA": 0, "shrinkB": 5},
    )


def _spread_out(places: npt.NDArray[Any], step: float, bounds: tuple[float, float]) -> npt.NDArray[Any]:
    """Move heights apart until neighbours are ``step`` pixels from each other, within the bounds."""
    if not places.size:
        return places
    low, high = bounds[0] + step, bounds[1] - step
    order = np.argsort(places)
    heights = np.clip(places[order], low, high)
    for index in range(1, len(heights)):
        heights[index] = max(heights[index], heights[index - 1] + step)
    overshoot = max(0.0, heights[-1] - high)
    result: npt.NDArray[Any] = np.empty_like(heights)
    result[order] = heights - overshoot
    return result


def _draw_corners(axes: Any, layout: _Layout, view: ViewPrediction, widths: tuple[float, float]) -> None:
    """Write view, side and probability top left and the scale bottom right; ``widths``: of the panel and of the bar."""
    pad = 10 * layout.unit
    ground = {"boxstyle": "round,pad=0.25", "fc": "black", "ec": "none", "alpha": 0.6}
    style: dict[str, Any] = {
        "textcoords": "offset pixels",
        "xycoords": "axes fraction",
        "color": "white",
        "bbox": ground,
    }
    side = SIDE_NAMES.get(view.side, "side unknown")
    title = f"{view.view}  {side}\n{view.probability:.2f} (threshold {view.threshold:.2f})"
    axes.annotate(title, (0, 1), xytext=(pad, -pad), va="top", fontsize=layout.font(18), **style)
    corner = {"ha": "right", "va": "bottom", "fontsize": layout.font(15), **style}
    if view.spacing_source == "landmarks":
        axes.annotate("no spacing", (1, 0), xytext=(-pad, pad), **corner)
        return
    right, y = 1 - pad / widths[0], (pad + 2) / layout.panel_px
    axes.plot(
        [right - widths[1] / widths[0], right],
        [y, y],
        color="white",
        lw=3 * layout.unit,
        solid_capstyle="butt",
        transform=axes.transAxes,
        path_effects=[withStroke(linewidth=5 * layout.unit, foreground="black")],
    )
    axes.annotate(f"{_SCALE_MM:.0f} mm", (1, 0), xytext=(-pad, pad + 10 * layout.unit), **corner)


def _legend_width(layout: _Layout) -> float:
    return 210 * layout.unit


def _legend(figure: Figure, layout: _Layout, size: tuple[float, float]) -> None:
    """Draw the heat map's colours over mid-grey, as they look on the image."""
    width, bar = _legend_width(layout), 14 * layout.unit
    left, bottom = size[0] - layout.margin - width, layout.margin + 20 * layout.unit
    axes: Any = figure.add_axes((left / size[0], bottom / size[1], width / size[0], bar / size[1]))
    ramp = np.linspace(0, 1, 256, dtype=np.float32)[np.newaxis]
    axes.imshow(np.full((1, 2), 0.5), cmap="gray", vmin=0, vmax=1, extent=(0, 1, 0, 1), aspect="auto")
    axes.imshow(heat_rgba(ramp), extent=(0, 1, 0, 1), aspect="auto")
    axes.set_yticks([])
    axes.set_xticks([0, HEAT_CUT_OFF, 0.5, 0.75, 1], ["0", f"{HEAT_CUT_OFF:g}", "0.5", "0.75", "1"])
    axes.tick_params(colors=FAINT, labelsize=layout.font(12), length=3 * layout.unit, pad=2)
    axes.spines[:].set_color(FAINT)
    axes.set_title("activation, share of maximum", color=FAINT, fontsize=layout.font(14), pad=4 * layout.unit)
