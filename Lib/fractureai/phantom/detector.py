"""From line integrals to the image a computed or digital radiography unit stores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from fractureai.phantom.solids import Field
from fractureai.phantom.texture import stretch

SOFT_PER_MM = 0.022
"""Attenuation of soft tissue at about 40 keV (NIST XCOM, water 0.027/mm, hardened)."""

CORTEX_PER_MM = 0.105
"""Attenuation of cortical bone beyond that of the soft tissue it displaces."""


@dataclass(frozen=True)
class Exposure:
    """How the image was taken and processed.

    Attributes:
        photons: per pixel of 0.15 mm in the open beam; sets the quantum noise.
        heel: relative fall of the beam along the anode direction over the image.
        heel_deg: that direction in the image.
        scatter: share of scattered radiation.
        scatter_mm: width of the scatter's spread.
        blur_mm: standard deviation of the detector's point spread.
        bone: contrast of bone relative to soft tissue (tube voltage).
        sharpen: edge enhancement at 0.5 to 2 mm.
        flatten: compression of structures wider than 10 mm (0 none to 0.7).
        gamma: of the final curve.
        toe, shoulder: share of the range left unused at the dark and the bright end (negative: clipped).
    """

    photons: float
    heel: float
    heel_deg: float
    scatter: float
    scatter_mm: float
    blur_mm: float
    bone: float
    sharpen: float
    flatten: float
    gamma: float
    toe: float
    shoulder: float


def draw_exposure(rng: np.random.Generator) -> Exposure:
    """Draw an exposure."""
    return Exposure(
        photons=float(10 ** rng.uniform(2.9, 4.3)),
        heel=float(rng.uniform(0, 0.22)),
        heel_deg=float(rng.uniform(0, 360)),
        scatter=float(rng.uniform(0.05, 0.3)),
        scatter_mm=float(rng.uniform(8, 22)),
        blur_mm=float(rng.uniform(0.08, 0.2)),
        bone=float(rng.uniform(0.8, 1.15)),
        sharpen=float(rng.uniform(0, 1.1)),
        flatten=float(rng.choice([0.0, rng.uniform(0.1, 0.6)])),
        gamma=float(rng.uniform(0.75, 1.35)),
        toe=float(rng.uniform(-0.14, 0.08)),
        shoulder=float(rng.uniform(0, 0.12)),
    )


def detect(
    attenuation: Field, open_beam: Field, pitch_mm: float, exposure: Exposure, rng: np.random.Generator
) -> Field:
    """Return log exposure (bone bright, nepers) as the detector reads it.

    Args:
        attenuation: line integrals (nepers).
        open_beam: share 0..1 of the beam that the collimator lets through.
        pitch_mm: pixel spacing.
        exposure: the exposure.
        rng: for the quantum noise.
    """
    beam = _beam(attenuation.shape, exposure)
    primary = np.exp(-attenuation)
    primary *= beam
    primary *= open_beam
    coarse = max(1, int(exposure.scatter_mm / pitch_mm / 4))
    small = ndimage.uniform_filter(primary, coarse)[::coarse, ::coarse]
    glow = ndimage.gaussian_filter(small, exposure.scatter_mm / pitch_mm / coarse)
    spread = stretch(glow, primary.shape)
    signal = primary * np.float32(1 - exposure.scatter) + spread * np.float32(exposure.scatter)
    signal = ndimage.gaussian_filter(signal, exposure.blur_mm / pitch_mm, truncate=3.0)
    photons = exposure.photons * (pitch_mm / 0.15) ** 2
    noise = rng.standard_normal(signal.shape, dtype=np.float32)
    signal = signal + np.sqrt(np.maximum(signal, 1e-4) / np.float32(photons)) * noise
    return np.asarray(-np.log(np.maximum(signal, np.float32(2e-3))), dtype=np.float32)


def process(log_image: Field, pitch_mm: float, exposure: Exposure, seen: npt.NDArray[np.bool_]) -> Field:
    """Return the unit's processed image, 0..1, bone bright.

    Args:
        log_image: log exposure.
        pitch_mm: pixel spacing.
        exposure: the exposure.
        seen: bool mask of the exposed field, whose percentiles set the window.
    """
    image = log_image
    if exposure.flatten:
        wide = 9.0 / pitch_mm
        coarse = max(1, int(wide / 4))
        small = ndimage.gaussian_filter(ndimage.uniform_filter(image, coarse)[::coarse, ::coarse], wide / coarse)
        low = stretch(small, image.shape)
        image = image - np.float32(exposure.flatten) * (low - low.mean()) * np.float32(0.6)
    if exposure.sharpen:
        image = image + np.float32(exposure.sharpen) * (
            image - ndimage.gaussian_filter(image, 0.9 / pitch_mm, truncate=2.5)
        )
    low_value, high_value = np.percentile(image[seen][::7], [0.5, 99.7])
    scaled = (image - low_value) / np.float32(max(high_value - low_value, 0.2))
    scaled = (scaled + np.float32(exposure.toe)) / np.float32(1 + exposure.toe + exposure.shoulder)
    return np.asarray(np.clip(scaled, 0, 1) ** np.float32(exposure.gamma), dtype=np.float32)


def _beam(shape: tuple[int, ...], exposure: Exposure) -> Field:
    rows, cols = np.ogrid[-0.5 : 0.5 : shape[0] * 1j, -0.5 : 0.5 : shape[1] * 1j]
    angle = np.deg2rad(exposure.heel_deg)
    along = rows * np.sin(angle) + cols * np.cos(angle)
    return np.asarray(1 - exposure.heel * (along + 0.3 * (rows**2 + cols**2)), dtype=np.float32)
