"""The localizers that a recipe can name."""

from __future__ import annotations

from fractureai.networks.hourglass import HeatmapLocalizer, HourglassLocalizer
from fractureai.networks.kneel import KneelLocalizer

LOCALIZERS: dict[str, type[HeatmapLocalizer]] = {"hourglass": HourglassLocalizer, "kneel": KneelLocalizer}
"""Name in a recipe -> class (landmarks, **parameters)."""
