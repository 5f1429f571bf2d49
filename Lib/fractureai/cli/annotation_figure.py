"""Draw the marks of a rater on a radiograph."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from fractureai.dataset import Annotation
    from fractureai.radiograph import Radiograph

ORANGE, BLUE, GROUND, INK = "#E69F00", "#56B4E9", "#141414", "#F2F2F2"
"""Orange and sky blue of Okabe and Ito, and two greys."""

HEIGHT_PX = 1000
_PLATE = {"facecolor": GROUND, "edgecolor": "none", "alpha": 0.65, "pad": 1.5}


def write_annotation_png(path: Path, radiograph: Radiograph, annotation: Annotation) -> Path:
    """Write a picture of a radiograph with landmarks, regions and the label."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows, columns = radiograph.shape
    row_mm, col_mm = radiograph.spacing_mm or (1.0, 1.0)
    width = min(max(columns * col_mm / (rows * row_mm), 0.4), 3.0)
    figure = Figure(figsize=(width * HEIGHT_PX / 100, (HEIGHT_PX + 90) / 100), dpi=100, facecolor=GROUND)
    axes: Any = figure.add_axes((0, 0, 1, HEIGHT_PX / (HEIGHT_PX + 90)))
    low, high = np.percentile(radiograph.pixels, (1, 99.5))
    axes.imshow(radiograph.pixels, cmap="gray", vmin=low, vmax=max(high, low + 1e-6), aspect=row_mm / col_mm)
    axes.set_axis_off()
    _draw_regions(axes, annotation)
    _draw_landmarks(axes, annotation)
    figure.text(0.02, 0.985, _heading(radiograph, annotation), color=INK, fontsize=13, va="top", wrap=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    canvas: Any = FigureCanvasAgg(figure)
    canvas.print_png(str(path))
    return path


def _heading(radiograph: Radiograph, annotation: Annotation) -> str:
    words = [annotation.view or radiograph.view, annotation.side or radiograph.side, annotation.label or "no label"]
    words += [name for name, seen in (("cast", annotation.cast), ("implant", annotation.implant)) if seen]
    if annotation.displacement:
        words.append(f"displacement {annotation.displacement}")
    return f"{radiograph.path.name}\n{annotation.rater} ({annotation.status}): " + ", ".join(words)


def _draw_regions(axes: Any, annotation: Annotation) -> None:
    for region in annotation.regions:
        points = np.array(region.points, dtype=float)
        if region.shape == "box":
            (top, left), (bottom, right) = points.min(axis=0), points.max(axis=0)
            points = np.array([[top, left], [top, right], [bottom, right], [bottom, left], [top, left]])
        elif region.shape == "polygon":
            points = np.vstack([points, points[:1]])
        axes.plot(points[:, 1], points[:, 0], color=ORANGE, lw=1.6)
        title = " ".join(word for word in (region.kind, region.bone) if word)
        place = points[np.argmin(points[:, 0])]
        axes.annotate(
            title, (place[1], place[0]), (2, 4), textcoords="offset points", color=ORANGE, fontsize=10, bbox=_PLATE
        )


def _draw_landmarks(axes: Any, annotation: Annotation) -> None:
    for name, (row, col) in annotation.landmarks.items():
        axes.plot([col], [row], "x", color=BLUE, ms=9, mew=2)
        text = name.replace("_", " ")
        axes.annotate(
            text, (col, row), (8, 0), textcoords="offset points", color=BLUE, fontsize=10, va="center", bbox=_PLATE
        )
