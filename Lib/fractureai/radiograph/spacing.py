"""Which of a header's spacings to believe (DICOM PS3.3 10.7.1, C.8.11.7, C.8.7.1, C.8.6.1)."""

from __future__ import annotations

import math

from pydicom.dataset import Dataset

from fractureai.radiograph.dicomfile import value

_PLAUSIBLE_MM = (0.02, 2.0)


def read_spacing(header: Dataset, conflicts: list[str]) -> tuple[tuple[float, float] | None, str]:
    """Return (row, column) spacing in millimetres and the attribute it came from; (None, "none") without one.

    A PixelSpacing that PixelSpacingCalibrationType says was calibrated is that at the bone and wins; then come
    ImagerPixelSpacing (at the detector), PixelSpacing and NominalScannedPixelSpacing (at the film). A spacing that is
    zero, negative or not a number is ignored and noted in ``conflicts``.
    """
    candidates = [(name, name) for name in ("ImagerPixelSpacing", "PixelSpacing", "NominalScannedPixelSpacing")]
    if value(header, "PixelSpacingCalibrationType") is not None:
        candidates.insert(0, ("PixelSpacing", "PixelSpacing (calibrated)"))
    usable = {}
    for keyword in dict.fromkeys(keyword for keyword, _ in candidates):
        pair = _pair(header, keyword, conflicts)
        if pair is not None:
            usable[keyword] = pair
    for keyword, source in candidates:
        if keyword in usable:
            pair = usable[keyword]
            if not all(_PLAUSIBLE_MM[0] <= item <= _PLAUSIBLE_MM[1] for item in pair):
                conflicts.append(f"{keyword} {_show(pair)} mm is unusual for a radiograph.")
            return pair, source
    aspect = value(header, "PixelAspectRatio")
    if aspect is not None and hasattr(aspect, "__iter__") and len({str(item).strip() for item in aspect}) > 1:
        conflicts.append("PixelAspectRatio says that the pixels are not square, but no spacing is given.")
    return None, "none"


def _pair(header: Dataset, keyword: str, conflicts: list[str]) -> tuple[float, float] | None:
    """Read a pair of DS values; note it where it is no pair of positive numbers."""
    if keyword not in header:
        return None
    found = value(header, keyword)
    if found is None and not _has_bytes(header, keyword):
        return None  # present but empty (type 2): says nothing
    try:
        first, second = (float(item) for item in found)
    except (TypeError, ValueError):
        conflicts.append(f"{keyword} is not a pair of numbers and is ignored.")
        return None
    if not all(math.isfinite(item) and item > 0 for item in (first, second)):
        conflicts.append(f"{keyword} is {_show((first, second))} and is ignored.")
        return None
    return first, second


def _has_bytes(header: Dataset, keyword: str) -> bool:
    """Whether an element that gave no value holds bytes that could not be converted."""
    raw = header.get_item(keyword)
    return bool(raw is not None and raw.value)


def _show(pair: tuple[float, float]) -> str:
    return "\\".join(f"{item:g}" for item in pair)
