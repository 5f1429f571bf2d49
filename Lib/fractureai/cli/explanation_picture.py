"""Draw the explanation of a study: radiograph, region, mean map, the map of each fold, and what hiding parts did."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from fractureai.cli.explain import ExplainedView
    from fractureai.inference import Prediction
    from fractureai.inference.prediction import ViewPrediction
    from fractureai.radiograph import Radiograph

PANEL_PX = 320
GAP_PX = 14
TITLE_PX = 40
COLUMNS = 5
SIZE_PX = 400  # of a region's image


@dataclass(frozen=True, eq=False)
class _Panel:
    """One picture: an image, RGB or grey in 0..1, its title, and a box (row, col) drawn on it."""

    title: str
    image: npt.NDArray[Any]
    outline: npt.NDArray[Any] | None = None


def write_explanation_png(path: Path, prediction: Prediction, views: Sequence[ExplainedView]) -> Path:
    """Write the picture of a study's explanation and return its path."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from fractureai.inference.overlay import PAPER

    rows = [panels for view in views for panels in _rows(view)]
    columns = max(map(len, rows))
    width = columns * (PANEL_PX + GAP_PX) + GAP_PX
    head, foot = _head(prediction, width), _foot(prediction, width)
    head_px, foot_px = 24 * len(head) + 2 * GAP_PX, max(20 * len(foot), 60) + 2 * GAP_PX
    height = head_px + len(rows) * (PANEL_PX + TITLE_PX) + foot_px
    figure = Figure(figsize=(width / 100, height / 100), dpi=100, facecolor=PAPER)
    _write(figure, head, height - GAP_PX, 24, 12, (width, height))
    for number, panels in enumerate(rows):
        bottom = height - head_px - (number + 1) * (PANEL_PX + TITLE_PX)
        for column, panel in enumerate(panels):
            left = GAP_PX + column * (PANEL_PX + GAP_PX)
            box = (left / width, bottom / height, PANEL_PX / width, PANEL_PX / height)
            _draw(figure.add_axes(box), panel)
    _write(figure, foot, foot_px - GAP_PX, 20, 10, (width, height))
    _legend(figure, (width, height))
    canvas: Any = FigureCanvasAgg(figure)
    canvas.print_png(str(path))
    return path


def _rows(view: ExplainedView) -> list[list[_Panel]]:
    """Return the panels of a radiograph: a row on all networks together, then the folds."""
    from fractureai.evaluation.explanation_figure import blend, display_window
    from fractureai.geometry import crop_roi, resize

    reading, occlusion = view.reading, view.occlusion
    region = display_window(crop_roi(view.radiograph.pixels, reading.roi, SIZE_PX))

    def over(heat: npt.NDArray[Any]) -> npt.NDArray[Any]:
        highest = heat.max()
        share = heat / highest if highest > 0 else heat
        return blend(region, resize(np.asarray(share, dtype=np.float32), (SIZE_PX, SIZE_PX)))

    agree = "" if math.isnan(view.agreement) else f", folds agree {view.agreement:.2f}"
    rank = "" if math.isnan(view.correlation) else f", rank correlation {view.correlation:.2f}"
    patch_mm = occlusion.patch_px * reading.roi.side_mm / occlusion.size_px
    together = [
        _whole(view.radiograph, reading),
        _Panel("Region of interest", np.repeat(region[..., np.newaxis], 3, axis=-1)),
        _Panel(f"Grad-CAM{agree}\ndispersion {view.dispersion:.2f}", over(reading.activation_map)),
        _Panel(
            f"Hidden patch of {patch_mm:.0f} mm{rank}\nlowers {occlusion.probability:.2f} by up to "
            f"{max(occlusion.drops.max(), 0):.2f}",
            over(occlusion.evidence_map()),
        ),
    ]
    members = reading.member_maps
    if members is None or len(members) < 2:
        return [together]
    folds = [
        _Panel(f"Grad-CAM of fold {number}\nprobability {probability:.2f}", over(heat))
        for number, (heat, probability) in enumerate(zip(members, reading.fold_probabilities, strict=True), start=1)
    ]
    return [together, *(folds[i : i + COLUMNS] for i in range(0, len(folds), COLUMNS))]


def _whole(radiograph: Radiograph, reading: ViewPrediction) -> _Panel:
    """Return the radiograph in a square, with true proportions, and its region of interest."""
    from fractureai.evaluation.explanation_figure import display_window
    from fractureai.geometry import resample, transform_points

    rows, cols = radiograph.shape
    row_mm, col_mm = reading.spacing_mm
    step_mm = max(rows * row_mm, cols * col_mm) / SIZE_PX
    to_image = np.array(
        [
            [step_mm / row_mm, 0, (rows - 1) / 2 - (SIZE_PX - 1) / 2 * step_mm / row_mm],
            [0, step_mm / col_mm, (cols - 1) / 2 - (SIZE_PX - 1) / 2 * step_mm / col_mm],
            [0, 0, 1],
        ]
    )
    shown = resample(display_window(radiograph.pixels), to_image, (SIZE_PX, SIZE_PX))
    corners = transform_points(np.linalg.inv(to_image), reading.roi.corners()[[0, 1, 2, 3, 0]])
    called = "at or above" if reading.probability >= reading.threshold else "below"
    title = f"{reading.view}, probability {reading.probability:.2f}\n{called} the threshold {reading.threshold:.2f}"
    return _Panel(title, np.repeat(shown[..., np.newaxis], 3, axis=-1), corners)


def _draw(axes: Any, panel: _Panel) -> None:
    from fractureai.inference.overlay import INK, MODEL_BLUE

    axes.imshow(panel.image, vmin=0, vmax=1)
    if panel.outline is not None:
        axes.plot(panel.outline[:, 1], panel.outline[:, 0], color="white", lw=3)
        axes.plot(panel.outline[:, 1], panel.outline[:, 0], color=MODEL_BLUE, lw=1.6)
    axes.set(xlim=(-0.5, SIZE_PX - 0.5), ylim=(SIZE_PX - 0.5, -0.5))
    axes.set_axis_off()
    axes.set_title(panel.title, color=INK, fontsize=9.5, loc="left", pad=3, linespacing=1.15)


def _head(prediction: Prediction, width: int) -> list[tuple[str, str, str]]:
    from fractureai.cli.read import reading_line
    from fractureai.inference.overlay import ALARM, FAINT, INK

    lines = [(text, INK, "bold") for text in _wrapped(reading_line(prediction), width, 12)]
    for reason in prediction.referrals:
        lines += [(text, ALARM, "normal") for text in _wrapped(reason.text, width, 12)]
    return [*lines, *((text, FAINT, "normal") for text in _wrapped(f"Study {prediction.study}", width, 12))]


def _foot(prediction: Prediction, width: int) -> list[tuple[str, str, str]]:
    from fractureai import NOT_A_MEDICAL_DEVICE
    from fractureai.inference.overlay import ALARM, FAINT, INK

    room = width - 260
    lines = [(text, FAINT, "normal") for text in _wrapped(f"Model {prediction.model}", room, 10)]
    lines += [(text, ALARM, "bold") for text in _wrapped(prediction.notice, room, 10)]
    return [*lines, (NOT_A_MEDICAL_DEVICE, INK, "bold")]


def _wrapped(text: str, width: int, points: float) -> list[str]:
    return textwrap.wrap(text, max(20, int((width - 2 * GAP_PX) / (points * 0.9))))


def _write(
    figure: Any,
    lines: Sequence[tuple[str, str, str]],
    top: float,
    line_px: float,
    points: float,
    size: tuple[float, float],
) -> None:
    for text, colour, weight in lines:
        place = (GAP_PX / size[0], top / size[1])
        figure.text(*place, text, color=colour, fontsize=points, weight=weight, va="top", parse_math=False)
        top -= line_px


def _legend(figure: Any, size: tuple[float, float]) -> None:
    from fractureai.evaluation.explanation_figure import blend
    from fractureai.inference.overlay import FAINT, HEAT_CUT_OFF

    axes = figure.add_axes(((size[0] - GAP_PX - 220) / size[0], 34 / size[1], 210 / size[0], 14 / size[1]))
    ramp = np.linspace(0, 1, 256, dtype=np.float32)[np.newaxis]
    axes.imshow(blend(np.full_like(ramp, 0.5), ramp), extent=(0, 1, 0, 1), aspect="auto")
    axes.set_yticks([])
    axes.set_xticks([0, HEAT_CUT_OFF, 0.5, 0.75, 1], ["0", f"{HEAT_CUT_OFF:g}", "0.5", "0.75", "1"])
    axes.tick_params(colors=FAINT, labelsize=8, length=3, pad=2)
    axes.spines[:].set_color(FAINT)
    axes.set_title("share of each map's maximum", color=FAINT, fontsize=9, pad=4)
