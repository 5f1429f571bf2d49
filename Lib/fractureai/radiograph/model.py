"""What a radiograph is, once read."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

UNKNOWN = "unknown"
"""Value of view, side and body part where nothing in the file says it."""

VIEWS = ("PA", "AP", "LAT", "OBLIQUE", "SCAPHOID", UNKNOWN)
SIDES = ("L", "R", "B", UNKNOWN)


@dataclass(frozen=True)
class VoiWindow:
    """A linear window of the VOI LUT module (DICOM PS3.3 C.11.2), in the values of `Radiograph.pixels`.

    Attributes:
        center: WindowCenter, mirrored together with the pixels for MONOCHROME1.
        width: WindowWidth.
        explanation: Window Center & Width Explanation, or "".
        function: VOI LUT Function: LINEAR, LINEAR_EXACT or SIGMOID.
    """

    center: float
    width: float
    explanation: str = ""
    function: str = "LINEAR"


@dataclass(frozen=True)
class VoiLut:
    """A VOI LUT (DICOM PS3.3 C.11.2): ``values[i]`` is what a pixel of value ``first + step * i`` is displayed as.

    ``step`` is -1 where the pixels were mirrored for MONOCHROME1, else 1. Values are bone bright, 0..1.
    """

    first: float
    step: float
    values: npt.NDArray[np.float32]
    explanation: str = ""


@dataclass(frozen=True, eq=False)
class Radiograph:
    """One projection image with bone bright, and what its header says about it.

    Attributes:
        path: the file it was read from.
        pixels: (rows, columns) float32, modality units (after the modality LUT or rescale), bone bright (MONOCHROME1 is
            inverted over its stored range).
        spacing_mm: (row, column) spacing in millimetres, or None.
        spacing_source: where it came from: ``PixelSpacing (calibrated)``, ``ImagerPixelSpacing``, ``PixelSpacing``,
            ``NominalScannedPixelSpacing``, ``user``, ``image file``, or ``none``.
        view: one of `VIEWS`; ``view_source``: the DICOM attribute it was read from, ``user``, or ``none``.
        side: one of `SIDES`; ``side_source`` likewise.
        body_part: DICOM defined term such as ``WRIST``, or ``unknown``; ``body_part_source`` likewise.
        sop_instance_uid: identifies the image; always a valid UID. For a file without DICOM header: ``2.25.`` + a
            number made of its content.
        study_instance_uid, series_instance_uid: DICOM UIDs; "" without header.
        patient_id: as in the file. Never log it.
        patient_age_years: from PatientAge or birth and study date; None when unknown.
        patient_sex: ``F``, ``M``, ``O`` or "".
        study_date: ``YYYYMMDD`` or "".
        modality, manufacturer, photometric_interpretation: as in the file; "" when missing.
        windows: VOI windows in the file's order.
        voi_luts: VOI LUTs in the file's order.
        conflicts: sentences on statements of the header that contradict each other (for example two sides) or that can
            not be true (for example a spacing of zero) and are ignored.
        padding_range: lowest and highest value of ``pixels`` that marks padding, not an exposed detector
            (PixelPaddingValue, PixelPaddingRangeLimit); None when the file names none.
    """

    path: Path
    pixels: npt.NDArray[np.float32]
    spacing_mm: tuple[float, float] | None
    spacing_source: str
    view: str
    view_source: str
    side: str
    side_source: str
    body_part: str
    body_part_source: str
    sop_instance_uid: str
    study_instance_uid: str = ""
    series_instance_uid: str = ""
    patient_id: str = field(default="", repr=False)
    patient_age_years: float | None = None
    patient_sex: str = ""
    study_date: str = ""
    modality: str = ""
    manufacturer: str = ""
    photometric_interpretation: str = ""
    windows: tuple[VoiWindow, ...] = ()
    voi_luts: tuple[VoiLut, ...] = ()
    conflicts: tuple[str, ...] = ()
    padding_range: tuple[float, float] | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        rows, columns = self.pixels.shape
        return rows, columns

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """Let numpy take the pixels."""
        return np.array(self.pixels, dtype=dtype, copy=bool(copy)) if copy or dtype else self.pixels


@dataclass(frozen=True)
class RadiographHeader:
    """What a file says about a radiograph, read without its pixels.

    Attributes:
        rows, columns: size of the image.

    The other attributes mean what they mean in `Radiograph`.
    """

    path: Path
    rows: int
    columns: int
    spacing_mm: tuple[float, float] | None
    spacing_source: str
    view: str
    view_source: str
    side: str
    side_source: str
    body_part: str
    body_part_source: str
    sop_instance_uid: str
    study_instance_uid: str = ""
    series_instance_uid: str = ""
    patient_id: str = field(default="", repr=False)
    patient_age_years: float | None = None
    patient_sex: str = ""
    study_date: str = ""
    modality: str = ""
    manufacturer: str = ""
    photometric_interpretation: str = ""
    windows: tuple[VoiWindow, ...] = ()
    voi_luts: tuple[VoiLut, ...] = field(default=(), compare=False)
    conflicts: tuple[str, ...] = ()
    padding_range: tuple[float, float] | None = None

    def with_pixels(self, pixels: npt.NDArray[np.float32]) -> Radiograph:
        """Return the radiograph that has this header and these pixels."""
        names = (item.name for item in fields(self) if item.name not in ("rows", "columns"))
        return Radiograph(pixels=pixels, **{name: getattr(self, name) for name in names})
