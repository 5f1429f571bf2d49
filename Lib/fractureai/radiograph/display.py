"""What a radiograph looks like on a screen: VOI LUT or window applied (DICOM PS3.3 C.11.2), as bytes for a PNG."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fractureai.radiograph.model import Radiograph, VoiLut, VoiWindow
from fractureai.radiograph.normalise import intensity_range

_DEFAULT_PERCENTILES = (1.0, 99.5)


def display_image(radiograph: Radiograph, window: VoiWindow | None = None) -> npt.NDArray[np.uint8]:
    """Return the image as a viewer shows it first: bone bright, (rows, columns) uint8.

    Args:
        radiograph: the radiograph.
        window: the window to show; by default the file's first VOI LUT, else its first window, else `default_window`.
    """
    if window is None and radiograph.voi_luts:
        brightness = apply_voi_lut(radiograph.pixels, radiograph.voi_luts[0])
    else:
        window = window or (radiograph.windows[0] if radiograph.windows else default_window(radiograph))
        brightness = apply_window(radiograph.pixels, window)
    return np.asarray(np.rint(brightness * 255), dtype=np.uint8)


def default_window(radiograph: Radiograph) -> VoiWindow:
    """Return a window from the 1st to the 99.5th percentile of the pixels that are not padding."""
    pixels = radiograph.pixels
    if radiograph.padding_range is not None:
        low, high = radiograph.padding_range
        exposed = pixels[(pixels < low) | (pixels > high)]
        pixels = exposed if exposed.size else pixels
    low, high = intensity_range(pixels, *_DEFAULT_PERCENTILES)
    return VoiWindow((low + high) / 2, max(high - low, 1e-6), "1st to 99.5th percentile", "LINEAR_EXACT")


def apply_window(pixels: npt.NDArray[Any], window: VoiWindow) -> npt.NDArray[np.float32]:
    """Map pixel values to brightness 0..1 by a window: LINEAR (C.11.2.1.2.1), LINEAR_EXACT or SIGMOID (C.11.2.1.3).

    Args:
        pixels: values of `Radiograph.pixels`, any shape.
        window: centre, width and function.
    """
    if window.function == "SIGMOID":
        exponent = np.clip((pixels - np.float32(window.center)) * np.float32(-4 / window.width), -80, 80)
        return np.asarray(1 / (1 + np.exp(exponent)), dtype=np.float32)
    linear = window.function == "LINEAR"
    center, width = (window.center - 0.5, window.width - 1) if linear else (window.center, window.width)
    if width <= 0:
        return np.asarray(pixels > center, dtype=np.float32)
    brightness = (pixels - np.float32(center)) * np.float32(1 / width) + np.float32(0.5)
    return np.asarray(np.clip(brightness, 0, 1), dtype=np.float32)


def apply_voi_lut(pixels: npt.NDArray[Any], lut: VoiLut) -> npt.NDArray[np.float32]:
    """Map pixel values to brightness 0..1 by a VOI LUT (C.11.2.1.1); values beyond either end take the end's.

    Args:
        pixels: values of `Radiograph.pixels`, any shape.
        lut: the table.
    """
    index = np.rint((pixels - lut.first) * lut.step).astype(np.intp)
    return np.asarray(lut.values[np.clip(index, 0, lut.values.size - 1)], dtype=np.float32)
