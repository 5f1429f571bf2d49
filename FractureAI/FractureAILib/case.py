"""The radiograph in hand, with everything the panels of the annotation page need to know about it."""

import math
from dataclasses import dataclass
from typing import Any

from fractureai.dataset import Annotation, Dataset, RadiographRow, resolve_side, resolve_view
from fractureai.radiograph import Radiograph
from fractureai.sites import ViewProfile

Point = tuple[float, float]


@dataclass(frozen=True)
class Case:
    """One radiograph on the screen.

    Attributes:
        dataset: where it belongs.
        row: its row in the table.
        radiograph: what was read.
        volume: its volume node.
    """

    dataset: Dataset
    row: RadiographRow
    radiograph: Radiograph
    volume: Any

    def view(self, annotation: Annotation | None) -> str:
        """Return the view as decided: the rater's, else the table's, else the header's; else ``unknown``."""
        decided = resolve_view(self.row, annotation)
        return self.radiograph.view if decided == "unknown" else decided

    def side(self, annotation: Annotation | None) -> str:
        """Return the side as decided; see `view`."""
        decided = resolve_side(self.row, annotation)
        return self.radiograph.side if decided == "unknown" else decided

    def profile(self, annotation: Annotation | None) -> ViewProfile | None:
        """Return which landmarks the radiograph has; None for a view without."""
        return self.dataset.site.view_for(self.view(annotation))

    def distance(self, first: Point, second: Point) -> tuple[float, str]:
        """Return how far two points are from each other, and the unit: ``mm``, or ``px`` without spacing."""
        row_mm, col_mm = self.radiograph.spacing_mm or (1.0, 1.0)
        length = math.hypot((first[0] - second[0]) * row_mm, (first[1] - second[1]) * col_mm)
        return length, "mm" if self.radiograph.spacing_mm else "px"


def same_point(first: Point, second: Point) -> bool:
    """Tell whether two points are the same to a hundredth of a pixel (coordinates come back from RAS a bit off)."""
    return abs(first[0] - second[0]) < 0.01 and abs(first[1] - second[1]) < 0.01
