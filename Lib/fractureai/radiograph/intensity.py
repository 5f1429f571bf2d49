"""From stored values to modality values with bone bright, and the VOI windows and LUTs that go with them.

DICOM PS3.3 C.11.1 (modality LUT), C.7.6.3.1.2 (photometric interpretation), C.11.2 (VOI LUT).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from fractureai.radiograph.dicomfile import value
from fractureai.radiograph.model import VoiLut, VoiWindow


@dataclass(frozen=True)
class LutEntries:
    """The table of a Modality or VOI LUT: entry i is for input ``first + i``; beyond either end its value holds."""

    first: int
    values: npt.NDArray[np.float32]
    bits: int


@dataclass(frozen=True)
class Intensity:
    """How stored values become modality values with bone bright.

    MONOCHROME1 (high values dark) is mirrored within the modality values that the ends of the stored range have:
    v -> mirror_sum - v. For a linear rescale that is the same as inverting the stored values over their range first.

    Attributes:
        bits_stored: bits that carry the value; signed: two's complement.
        slope, intercept: the rescale; ignored when there is a LUT.
        lut: entries of the Modality LUT Sequence, or None.
        mirror_sum: for MONOCHROME1 the sum of the lowest and highest modality value, else None.
    """

    bits_stored: int
    signed: bool
    slope: float = 1.0
    intercept: float = 0.0
    lut: LutEntries | None = None
    mirror_sum: float | None = None

    @property
    def stored_range(self) -> tuple[int, int]:
        """Lowest and highest value that can be stored."""
        if self.signed:
            return -(1 << (self.bits_stored - 1)), (1 << (self.bits_stored - 1)) - 1
        return 0, (1 << self.bits_stored) - 1

    def modality_values(self, stored: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Map stored integers to modality values, bone bright, as a new float32 array."""
        if self.lut is not None:
            index = np.clip(stored.astype(np.int64) - self.lut.first, 0, self.lut.values.size - 1)
            table = self.lut.values if self.mirror_sum is None else np.float32(self.mirror_sum) - self.lut.values
            return np.asarray(table[index], dtype=np.float32)
        slope, intercept = self._linear()
        if stored.dtype.itemsize > 2:  # beyond the 24 bits that float32 holds exactly
            return np.asarray(stored * slope + intercept, dtype=np.float32)
        pixels = stored.astype(np.float32)
        if slope != 1:
            pixels *= np.float32(slope)
        if intercept != 0:
            pixels += np.float32(intercept)
        return pixels

    def _linear(self) -> tuple[float, float]:
        if self.mirror_sum is None:
            return self.slope, self.intercept
        return -self.slope, self.mirror_sum - self.intercept

    def range_of(self, low: float, high: float) -> tuple[float, float]:
        """Map two stored values to the (sorted) range of pixel values they span."""
        ends = self.modality_values(np.array([low, high]).astype(np.int64))
        return float(ends.min()), float(ends.max())


def read_intensity(header: Dataset, bits: int, conflicts: list[str]) -> Intensity:
    """Read the modality LUT, rescale and polarity of an image of so many stored bits.

    What is impossible goes to ``conflicts`` and is ignored.
    """
    plain = Intensity(bits, bool(value(header, "PixelRepresentation")))
    lut = _first_lut(header, "ModalityLUTSequence", plain.signed)
    slope, intercept = (1.0, 0.0) if lut else _rescale(header, conflicts)
    plain = Intensity(bits, plain.signed, slope, intercept, lut)
    if str(value(header, "PhotometricInterpretation")) != "MONOCHROME1":
        if str(value(header, "PresentationLUTShape")) == "INVERSE":
            conflicts.append("PresentationLUTShape INVERSE contradicts PhotometricInterpretation, which is used.")
        return plain
    low, high = plain.range_of(*plain.stored_range)
    return Intensity(bits, plain.signed, slope, intercept, lut, mirror_sum=low + high)


def read_windows(header: Dataset, intensity: Intensity) -> tuple[VoiWindow, ...]:
    """Read the VOI windows in the file's order; those without a usable width are left out."""
    centers, widths = _numbers(value(header, "WindowCenter")), _numbers(value(header, "WindowWidth"))
    names = _strings(value(header, "WindowCenterWidthExplanation"))
    function = str(value(header, "VOILUTFunction") or "LINEAR")
    if function not in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
        function = "LINEAR"
    windows = []
    for index, (center, width) in enumerate(zip(centers, widths, strict=False)):
        if not math.isfinite(center) or not math.isfinite(width) or width < (1 if function == "LINEAR" else 1e-9):
            continue
        if intensity.mirror_sum is not None:
            # The LINEAR function is centred half a unit below WindowCenter (PS3.3 C.11.2.1.2.1).
            center = intensity.mirror_sum - center + (1 if function == "LINEAR" else 0)
        windows.append(VoiWindow(center, width, names[index] if index < len(names) else "", function))
    return tuple(windows)


def read_voi_luts(header: Dataset, intensity: Intensity) -> tuple[VoiLut, ...]:
    """Read the items of the VOI LUT Sequence in the file's order; malformed ones are left out."""
    luts = []
    for item in value(header, "VOILUTSequence") or ():
        entries = _lut_entries(item, intensity.signed)
        if entries is None:
            continue
        brightness = entries.values / np.float32((1 << entries.bits) - 1)
        name = str(value(item, "LUTExplanation") or "")
        if intensity.mirror_sum is None:
            luts.append(VoiLut(float(entries.first), 1.0, brightness, name))
        else:
            luts.append(VoiLut(intensity.mirror_sum - entries.first, -1.0, 1 - brightness, name))
    return tuple(luts)


def read_padding(header: Dataset, intensity: Intensity) -> tuple[float, float] | None:
    """Read Pixel Padding Value and Range Limit (PS3.3 C.7.5.1.1.2) as a range of pixel values."""
    first = value(header, "PixelPaddingValue")
    if not isinstance(first, int):
        return None
    last = value(header, "PixelPaddingRangeLimit")
    return intensity.range_of(first, last if isinstance(last, int) else first)


def _rescale(header: Dataset, conflicts: list[str]) -> tuple[float, float]:
    slope = _number(value(header, "RescaleSlope"), 1.0)
    intercept = _number(value(header, "RescaleIntercept"), 0.0)
    if slope == 0 or not (math.isfinite(slope) and math.isfinite(intercept)):
        conflicts.append(f"RescaleSlope {slope:g} and RescaleIntercept {intercept:g} are impossible and ignored.")
        return 1.0, 0.0
    return slope, intercept


def _first_lut(header: Dataset, keyword: str, signed: bool) -> LutEntries | None:
    sequence = value(header, keyword)
    return _lut_entries(sequence[0], signed) if sequence else None


def _lut_entries(item: Dataset, signed: bool) -> LutEntries | None:
    """Read LUT Descriptor and LUT Data (PS3.3 C.11.1.1); None where they do not fit together."""
    descriptor, data = value(item, "LUTDescriptor"), value(item, "LUTData")
    if descriptor is None or data is None or len(descriptor) != 3:
        return None
    count, first, bits = (int(number) for number in descriptor)
    count = count % 65536 or 65536  # 0 stands for 65,536; read as signed it may have become negative
    first = (first + 32768) % 65536 - 32768 if signed else first % 65536
    if isinstance(data, bytes):
        values = np.frombuffer(data, np.uint8 if len(data) < 2 * count else np.dtype("<u2"))
    else:
        values = np.asarray(data, dtype=np.int64).astype("<u2")
        if bits <= 8 and values.size < count:
            values = values.view(np.uint8)  # two entries a word
    if not 1 <= bits <= 16 or values.size < count:
        return None
    return LutEntries(first, values[:count].astype(np.float32), bits)


def _number(found: Any, default: float) -> float:
    numbers = _numbers(found)
    return numbers[0] if numbers else default


def _numbers(found: Any) -> list[float]:
    """Turn a DS value, single or multiple, into floats; unreadable ones become NaN."""
    numbers = []
    for item in _strings(found):
        try:
            numbers.append(float(item))
        except ValueError:
            numbers.append(math.nan)
    return numbers


def _strings(found: Any) -> list[str]:
    if found is None:
        return []
    return [str(item) for item in found] if not isinstance(found, str) and hasattr(found, "__iter__") else [str(found)]
