"""Projected texture of spongy bone and of muscle: band-limited noise along the limb's direction."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fractureai.phantom.solids import Field

_SIZE = 512


def fibres(
    pitch_mm: float, directions_deg: Sequence[float], stretch: float, width_mm: float, rng: np.random.Generator
) -> Field:
    """Return periodic noise of zero mean and unit variance, made of elongated features.

    Args:
        pitch_mm: pixel spacing.
        directions_deg: directions of the long axes, from +row towards +col; several make a mesh.
        stretch: length of a feature relative to its width.
        width_mm: width of a feature.
        rng: random numbers.
    """
    noise = np.fft.rfft2(rng.standard_normal((_SIZE, _SIZE), dtype=np.float32))
    v = np.fft.fftfreq(_SIZE, pitch_mm).astype(np.float32)[:, None]
    u = np.fft.rfftfreq(_SIZE, pitch_mm).astype(np.float32)[None, :]
    power = np.zeros(noise.shape, np.float32)
    for direction in directions_deg:
        angle = np.deg2rad(direction)
        along = v * np.float32(np.cos(angle)) + u * np.float32(np.sin(angle))
        across = u * np.float32(np.cos(angle)) - v * np.float32(np.sin(angle))
        squared = (across**2 + (along * np.float32(stretch)) ** 2) * np.float32((2 * width_mm) ** 2)
        power += squared * np.exp(-squared)
    field = np.fft.irfft2(noise * np.sqrt(power), s=(_SIZE, _SIZE))
    return np.asarray(field / field.std(), dtype=np.float32)


def stretch(small: Field, shape: tuple[int, ...]) -> Field:
    """Enlarge a smooth image bilinearly to a shape; corners stay corners."""
    result = small
    for axis in (0, 1):
        where = np.linspace(0, result.shape[0] - 1, shape[axis])
        low = np.minimum(where.astype(np.intp), max(result.shape[0] - 2, 0))
        share = (where - low).astype(np.float32)[:, None]
        high = np.minimum(low + 1, result.shape[0] - 1)
        result = np.ascontiguousarray((result[low] * (1 - share) + result[high] * share).T)
    return result


def patch(texture: Field, window: tuple[slice, slice], shift: tuple[int, int]) -> Field:
    """Return the part of a periodic texture that covers a window, displaced by a shift."""
    rows = (np.arange(window[0].start, window[0].stop) + shift[0]) % texture.shape[0]
    cols = (np.arange(window[1].start, window[1].stop) + shift[1]) % texture.shape[1]
    return texture[np.ix_(rows, cols)]
