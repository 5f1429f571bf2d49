"""What to simulate."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from fractureai.errors import DatasetError

PHANTOM_VERSION = 1
"""Part of every truth.json; a change of the images raises it."""


@dataclass(frozen=True)
class PhantomConfig:
    """What a simulated collection consists of.

    Attributes:
        pixels: length of an image's longer side.
        views: of each study, in this order: ``PA``, ``LAT``, ``OBLIQUE``.
        fracture_fraction: share of fractured wrists among the studies of the general stratum.
        hard_fraction: share of studies in the hard stratum: fractures in it are occult, the other wrists are normal.
        hard_faint_fraction: share of the hard stratum's fractures that are faint instead of occult: in the image, but
            moved by less than a reader notices.
        severities: odds of gross, moderate and subtle displacement in the general stratum.
        hard_fracture_fraction: share of fractured wrists in the hard stratum.
        child_fraction: share of patients with open growth plates.
        cast_fraction, implant_fraction: share of general studies with a cast, with metal.
        marker_fraction: share of images with a lead or burned-in marker.
    """

    pixels: int = 768
    views: tuple[str, ...] = ("PA", "LAT")
    fracture_fraction: float = 0.5
    hard_fraction: float = 0.15
    hard_fracture_fraction: float = 0.35
    severities: tuple[float, float, float] = (0.48, 0.42, 0.1)
    child_fraction: float = 0.45
    cast_fraction: float = 0.1
    implant_fraction: float = 0.05
    marker_fraction: float = 0.85
    hard_faint_fraction: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what can not be simulated."""
        if not 64 <= self.pixels <= 4096:
            raise DatasetError("phantom", f"pixels is {self.pixels}", "choose 64 to 4096")
        if not 0 <= self.hard_faint_fraction <= 1:
            raise DatasetError(
                "phantom", f"the share of faint fractures is {self.hard_faint_fraction}", "choose 0 to 1"
            )
        if not self.views or not set(self.views) <= {"PA", "LAT", "OBLIQUE"}:
            raise DatasetError("phantom", f"views are {self.views}", "choose among PA, LAT and OBLIQUE")
        if min(self.severities) < 0 or abs(sum(self.severities) - 1) > 1e-9:
            raise DatasetError("phantom", f"severities {self.severities} do not add up to 1", "correct them")


def stream(seed: int, index: int, *names: str | int) -> np.random.Generator:
    """Return the random numbers for one purpose in one study; independent of all others."""
    return np.random.default_rng([seed, index, *(zlib.crc32(str(name).encode()) for name in names)])
