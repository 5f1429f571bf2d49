"""A radiograph out of a DICOM file."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from pathlib import Path

from pydicom.dataset import Dataset

from fractureai.radiograph import spacing, statements
from fractureai.radiograph.dicomfile import DicomFile, open_dicom, value
from fractureai.radiograph.intensity import Intensity, read_intensity, read_padding, read_voi_luts, read_windows
from fractureai.radiograph.model import Radiograph, RadiographHeader
from fractureai.radiograph.pixeldata import PixelModule, read_modality_values, read_pixel_module

_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_AGE = re.compile(r"([0-9]{1,3})([DWMY])")
_MACROS = (
    "PixelMeasuresSequence",
    "FrameAnatomySequence",
    "FrameVOILUTSequence",
    "PixelValueTransformationSequence",
)
_UNITS_A_YEAR = {"D": 365.25, "W": 365.25 / 7, "M": 12.0, "Y": 1.0}
_PROJECTION = ("CR", "DX", "RG", "MG", "SC", "OT", "PX", "IO", "XA", "RF", "XC", "GM", "SD", "DF", "")


def read_header(path: Path) -> RadiographHeader:
    """Read what a DICOM file says about its image.

    Raises:
        RadiographError: it is not a readable image.
    """
    with open_dicom(path) as file:
        return _describe(file)[0]


def read_radiograph(path: Path) -> Radiograph:
    """Read header and pixels of a DICOM file.

    Raises:
        RadiographError: it is not a readable image.
    """
    with open_dicom(path) as file:
        header, module, intensity = _describe(file)
        found: list[str] = []
        pixels = read_modality_values(file, module, intensity, found)
        return replace(header, conflicts=header.conflicts + tuple(found)).with_pixels(pixels)


def _describe(file: DicomFile) -> tuple[RadiographHeader, PixelModule, Intensity]:
    conflicts: list[str] = []
    module = read_pixel_module(file, conflicts)
    header = flattened(file.header)
    intensity = read_intensity(header, module.bits_stored, conflicts)
    spacing_mm, spacing_source = spacing.read_spacing(header, conflicts)
    body_part = statements.read_body_part(header)
    view = statements.read_view(header, body_part.value, conflicts)
    side = statements.read_side(header, conflicts)
    modality = _text(header, "Modality")
    if modality not in _PROJECTION:
        conflicts.append(f"Modality {modality[:16]} is not that of a projection radiograph.")
    described = RadiographHeader(
        path=file.path,
        rows=module.rows,
        columns=module.columns,
        spacing_mm=spacing_mm,
        spacing_source=spacing_source,
        view=view.value,
        view_source=view.source,
        side=side.value,
        side_source=side.source,
        body_part=body_part.value,
        body_part_source=body_part.source,
        sop_instance_uid=_instance_uid(file, conflicts),
        study_instance_uid=_text(header, "StudyInstanceUID"),
        series_instance_uid=_text(header, "SeriesInstanceUID"),
        patient_id=_text(header, "PatientID"),
        patient_age_years=_age_years(header),
        patient_sex=_sex(header),
        study_date=_date(header, "StudyDate"),
        modality=modality,
        manufacturer=_text(header, "Manufacturer"),
        photometric_interpretation=module.photometric,
        windows=read_windows(header, intensity),
        voi_luts=read_voi_luts(header, intensity),
        padding_range=read_padding(header, intensity),
        conflicts=tuple(conflicts),
    )
    return described, module, intensity


def flattened(header: Dataset) -> Dataset:
    """Copy the functional groups of an enhanced image's only frame (PS3.3 C.7.6.16) to the top level, where empty."""
    groups = [value(header, f"{kind}FunctionalGroupsSequence") for kind in ("Shared", "PerFrame")]
    if not any(groups):
        return header
    flat = Dataset()
    flat.update(header)
    for group in groups:
        for macro in filter(None, (value(group[0], keyword) for keyword in _MACROS) if group else ()):
            for tag in macro[0].keys():  # noqa: SIM118 (a Dataset iterates its elements, not its tags)
                if tag not in header:
                    flat[tag] = macro[0].get_item(tag)
    return flat


def uid_from_bytes(digest: bytes) -> str:
    """Return a UID "2.25." + the first 128 bits of a digest as an integer (PS3.5 B.2)."""
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def _instance_uid(file: DicomFile, conflicts: list[str]) -> str:
    """Return the SOP Instance UID; a made one where it is missing, or no UID and so unfit to name a file."""
    stated = _text(file.header, "SOPInstanceUID")
    if _UID.fullmatch(stated) and len(stated) <= 64:
        return stated
    if stated:
        conflicts.append("SOPInstanceUID is not a valid UID; one made of its characters is used.")
        return uid_from_bytes(hashlib.sha256(stated.encode()).digest())
    conflicts.append("SOPInstanceUID is missing; one made of the file's content is used.")
    return uid_from_bytes(hashlib.sha256(file.path.read_bytes()).digest())


def _text(header: Dataset, keyword: str) -> str:
    found = value(header, keyword)
    return "" if found is None else str(found).strip("\0 ")


def _date(header: Dataset, keyword: str) -> str:
    digits = _text(header, keyword).replace(".", "")
    return digits if len(digits) == 8 and digits.isdigit() else ""


def _sex(header: Dataset) -> str:
    stated = _text(header, "PatientSex")
    return stated if stated in ("F", "M", "O") else ""


def _age_years(header: Dataset) -> float | None:
    """Return PatientAge, or the time between birth and study."""
    match = _AGE.fullmatch(_text(header, "PatientAge"))
    if match:
        return round(int(match[1]) / _UNITS_A_YEAR[match[2]], 2)
    birth, study = _date(header, "PatientBirthDate"), _date(header, "StudyDate")
    if not birth or not study:
        return None
    years = (_ordinal(study) - _ordinal(birth)) / 365.25
    return round(years, 2) if 0 <= years < 130 else None


def _ordinal(date: str) -> float:
    """Days since year 0, good to a day or two, of any eight digits."""
    return int(date[:4]) * 365.25 + (int(date[4:6]) - 1) * 30.44 + int(date[6:])
