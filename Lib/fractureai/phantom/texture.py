"""Projected texture of spongy bone and of muscle: band-limited noise along the limb's direction."""

from __future__ import annotations

import numpy as np

from fractureai.phantom.solids import Field

_SIZE = 512


def trabeculae(
    pitch_mm: float, direction_deg: float, stretch: float, coarse_mm: float, rng: np.random.Generator
) -> Field:
    """Return periodic unit-variance noise whose features are longer along one direction.

    Args:
        pitch_mm: pixel spacing.
        direction_deg: direction of the long axis, from +row towards +col.
        stretch: length of a feature relative to its width.
        coarse_mm: width of a feature.
        rng: random numbers.
    """
    noise = np.fft.rfft2(rng.standard_normal((_SIZE, _SIZE), dtype=np.float32))
    v = np.fft.fftfreq(_SIZE, pitch_mm)[:, None]
    u = np.fft.rfftfreq(_SIZE, pitch_mm)[None, :]
    angle = np.deg2rad(direction_deg)
    along = v * np.cos(angle) + u * np.sin(angle)
    across = -v * np.sin(angle) + u * np.cos(angle)
    f2 = (across**2 + (along * stretch) ** 2) * coarse_mm**2
    spectrum = np.sqrt(f2) * np.exp(-2.2 * f2)
    field = np.fft.irfft2(noise * spectrum, s=(_SIZE, _SIZE))
    return np.asarray(field / field.std(), dtype=np.float32)


def patch(texture: Field, window: tuple[slice, slice], shift: tuple[int, int]) -> Field:
    """Return the part of a periodic texture that covers a window, displaced by a shift."""
    rows = (np.arange(window[0].start, window[0].stop) + shift[0]) % texture.shape[0]
    cols = (np.arange(window[1].start, window[1].stop) + shift[1]) % texture.shape[1]
    return texture[np.ix_(rows, cols)]
