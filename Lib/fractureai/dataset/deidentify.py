"""Radiograph files without anything that could tell who the patient is, and with every pixel as it was.

DICOM: only the elements of a list are kept (an allow-list, so that private and unknown elements can not slip through):
those that say how the pixels are to be read, what is shown, and of the patient the sex and the age, capped at 90 years.
This goes further than the Basic Application Level Confidentiality Profile (PS3.15 Annex E) with Retain Patient
Characteristics. Writing that is burned into the pixels stays: where the header says so, the caller is told.
PNG and JPEG lose their texts; other image files are written anew, with nothing but pixels and spacing.
"""

from __future__ import annotations

import io
import struct
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset as DicomDataset
from pydicom.dataset import FileMetaDataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import (
    UID,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from fractureai.errors import DatasetError
from fractureai.radiograph.dicomfile import looks_like_dicom, quiet

OLDEST_YEARS = 90
"""Higher ages are written as this one (HIPAA Safe Harbor, 45 CFR 164.514)."""

_KEPT_WORDS = """
SOPClassUID Modality ImageType Manufacturer BurnedInAnnotation
SamplesPerPixel PhotometricInterpretation PlanarConfiguration NumberOfFrames Rows Columns BitsAllocated BitsStored
HighBit PixelRepresentation SmallestImagePixelValue LargestImagePixelValue PixelAspectRatio PixelPaddingValue
PixelPaddingRangeLimit LossyImageCompression LossyImageCompressionRatio LossyImageCompressionMethod
RescaleSlope RescaleIntercept RescaleType ModalityLUTSequence ModalityLUTType VOILUTSequence LUTDescriptor LUTData
WindowCenter WindowWidth VOILUTFunction PresentationLUTShape PixelIntensityRelationship PixelIntensityRelationshipSign
PixelSpacing ImagerPixelSpacing NominalScannedPixelSpacing PixelSpacingCalibrationType SpatialResolution
EstimatedRadiographicMagnificationFactor DetectorElementSpacing DistanceSourceToDetector DistanceSourceToPatient
BodyPartExamined ViewPosition ViewCodeSequence PatientOrientation ImageLaterality Laterality FrameLaterality
AnatomicRegionSequence AnatomicRegionModifierSequence CodeValue CodingSchemeDesignator CodeMeaning
SharedFunctionalGroupsSequence PerFrameFunctionalGroupsSequence PixelMeasuresSequence FrameAnatomySequence
FrameVOILUTSequence PixelValueTransformationSequence
PatientSex
"""
KEPT = frozenset(_KEPT_WORDS.split())
"""Keywords of the DICOM elements that are kept."""

_UNREADABLE = (
    BytesLengthException, InvalidDicomError, EOFError, ValueError, TypeError, KeyError, AttributeError, IndexError,
    OverflowError, NotImplementedError, RecursionError, struct.error,
)  # fmt: skip
_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
_PNG_KEPT = (b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"sBIT", b"cHRM", b"sRGB")
_JPEG_ALONE = (0x01, *range(0xD0, 0xD9))
_JPEG_DROPPED = (0xE1, *range(0xE2, 0xEE), 0xEF, 0xFE)  # Exif, XMP, ICC and the other applications', comments
_JPEG_SCAN = 0xDA


@dataclass(frozen=True)
class Identity:
    """What stands in the new file for who and what it was.

    Attributes:
        radiograph, study: new SOP and Study Instance UID.
        patient: pseudonym.
        series: new Series Instance UID of an old one.
        age_years: of the patient; None where not known.
    """

    radiograph: str
    study: str
    patient: str
    series: Callable[[str], str]
    age_years: float | None = None


@dataclass(frozen=True)
class CleanImage:
    """A file's content after de-identification.

    Attributes:
        data: the content.
        suffix: of its name, for example ``.dcm``.
        burned_in: whether the header says that the pixels show writing about the patient.
    """

    data: bytes
    suffix: str
    burned_in: bool = False


def deidentify(path: Path, identity: Identity) -> CleanImage:
    """Return a radiograph file without its patient.

    Raises:
        DatasetError: it can not be read, so that nobody can tell what it would give away.
        RadiographError: an image file that is not DICOM can not be decoded.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DatasetError(path, f"it can not be read ({error.strerror})", "restore it, or remove the row") from error
    try:
        if data.startswith(_PNG):
            return CleanImage(_PNG + b"".join(_png_chunks(data)), ".png")
        if data.startswith(_JPEG):
            return CleanImage(b"".join(_jpeg_parts(data)), ".jpg")
        if looks_like_dicom(data[:256]):
            return _clean_dicom(data, identity)
    except _UNREADABLE:  # their words may quote the header, so they are not passed on
        raise DatasetError(path, "its header can not be read, so it can not be de-identified", "mend it") from None
    return _rewritten(path)


def _clean_dicom(data: bytes, identity: Identity) -> CleanImage:
    with quiet():
        original = dcmread(io.BytesIO(data), force=True)
        if "PixelData" not in original:
            raise ValueError("there are no pixels")
        clean = _kept(original)
        clean.add(original["PixelData"])
        series = str(original.get("SeriesInstanceUID", ""))
        clean.SOPInstanceUID, clean.StudyInstanceUID = identity.radiograph, identity.study
        clean.SeriesInstanceUID = identity.series(series or identity.radiograph)
        clean.PatientID = identity.patient
        clean.PatientName = identity.patient
        clean.PatientBirthDate = clean.StudyDate = clean.StudyTime = clean.AccessionNumber = ""
        clean.StudyID = clean.ReferringPhysicianName = clean.SeriesNumber = clean.InstanceNumber = None
        if identity.age_years is not None:
            clean.PatientAge = f"{min(int(identity.age_years), OLDEST_YEARS):03d}Y"
        clean.PatientIdentityRemoved = "YES"
        clean.DeidentificationMethod = "FractureAI: only listed elements kept, new UIDs"
        clean.file_meta = FileMetaDataset()
        clean.file_meta.TransferSyntaxUID = original.file_meta.get("TransferSyntaxUID") or _native_syntax(original)
        clean.file_meta.MediaStorageSOPClassUID = UID(clean.get("SOPClassUID", DigitalXRayImageStorageForPresentation))
        clean.file_meta.MediaStorageSOPInstanceUID = UID(identity.radiograph)
        out = io.BytesIO()
        clean.save_as(out, enforce_file_format=True)
    return CleanImage(out.getvalue(), ".dcm", str(original.get("BurnedInAnnotation", "")).upper() == "YES")


def _native_syntax(original: DicomDataset) -> UID:
    """Return the transfer syntax of a file without file meta information (PS3.10 section 7.1), from how it was read."""
    implicit, little = original.original_encoding
    if implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if little else ExplicitVRBigEndian


def _kept(dataset: DicomDataset) -> DicomDataset:
    kept = DicomDataset()
    for element in dataset:
        if element.keyword not in KEPT:
            continue
        if element.VR == "SQ":
            kept.add_new(element.tag, "SQ", DicomSequence([_kept(item) for item in element.value]))
        else:
            kept.add(element)
    return kept


def _png_chunks(data: bytes) -> Iterator[bytes]:
    place = len(_PNG)
    while place < len(data):
        (length,) = struct.unpack_from(">I", data, place)
        kind = data[place + 4 : place + 8]
        if kind in _PNG_KEPT:
            yield data[place : place + 12 + length]
        place += 12 + length
        if kind == b"IEND":
            return
    raise ValueError("it does not end")


def _jpeg_parts(data: bytes) -> Iterator[bytes]:
    yield data[:2]
    place = 2
    while place + 4 <= len(data):
        if data[place] != 0xFF:
            raise ValueError("there is no marker")
        marker = data[place + 1]
        if marker == _JPEG_SCAN:
            end = data.rfind(b"\xff\xd9")
            if end < place:
                raise ValueError("it does not end")
            yield data[place : end + 2]
            return
        (length,) = (0,) if marker in _JPEG_ALONE else struct.unpack_from(">H", data, place + 2)
        if marker not in _JPEG_DROPPED:
            yield data[place : place + 2 + length]
        place += 2 + length
    raise ValueError("there is no scan")


def _rewritten(path: Path) -> CleanImage:
    """Write the pixels of any other image file as MetaImage."""
    from fractureai.radiograph import read_radiograph
    from fractureai.radiograph.itk import simpleitk

    radiograph = read_radiograph(path)
    pixels: np.ndarray[Any, Any] = radiograph.pixels
    for kind in (np.uint16, np.int16):
        if np.array_equal(pixels, pixels.astype(kind)):
            pixels = pixels.astype(kind)
            break
    itk = simpleitk()
    image = itk.GetImageFromArray(pixels)
    if radiograph.spacing_mm is not None:
        image.SetSpacing([float(mm) for mm in reversed(radiograph.spacing_mm)])
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "image.mha"
        itk.WriteImage(image, str(target), True)
        return CleanImage(target.read_bytes(), ".mha")
