"""Overlays drawn small: the picture has 900 rows of radiograph, so more need not be drawn on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from fractureai.geometry import Roi, resize
from fractureai.inference import Prediction, ViewPrediction
from fractureai.radiograph import Radiograph

LONGEST_PX = 1200


def draw_overlay(path: Path, prediction: Prediction, radiographs: Mapping[str, Radiograph]) -> None:
    """Draw the radiographs of a reading side by side as PNG.

    Args:
        path: the file to write.
        prediction: the reading.
        radiographs: SOP Instance UID -> radiograph.
    """
    from fractureai.inference.overlay import write_overlay_png

    pairs = [reduced(radiographs[view.sop_instance_uid], view) for view in prediction.views]
    write_overlay_png(path, pairs, prediction)


def reduced(
    radiograph: Radiograph, view: ViewPrediction, longest_px: int = LONGEST_PX
) -> tuple[Radiograph, ViewPrediction]:
    """Return a radiograph with fewer pixels and its reading placed on them; the same where it has few.

    Args:
        radiograph: the image.
        view: its reading.
        longest_px: rows or columns that are left, whichever are more.
    """
    rows, cols = radiograph.shape
    share = longest_px / max(rows, cols)
    if share >= 1:
        return radiograph, view
    shape = max(1, round(rows * share)), max(1, round(cols * share))
    steps = rows / shape[0], cols / shape[1]
    row_mm, col_mm = view.spacing_mm
    spacing = row_mm * steps[0], col_mm * steps[1]
    roi = view.roi
    centre = _moved((roi.row, roi.col), steps)
    small = replace(
        view,
        landmarks={name: _moved(point, steps) for name, point in view.landmarks.items()},
        roi=Roi(centre[0], centre[1], roi.side_mm, spacing, roi.turns),
        spacing_mm=spacing,
        image_shape=shape,
    )
    return replace(radiograph, pixels=resize(radiograph.pixels, shape), spacing_mm=spacing), small


def _moved(point: tuple[float, float], steps: tuple[float, float]) -> tuple[float, float]:
    """Return where a point lies on the smaller image; integers are pixel centres on both."""
    return (point[0] + 0.5) / steps[0] - 0.5, (point[1] + 0.5) / steps[1] - 0.5
