"""Write a simulated radiograph as a DICOM CR or DX object (PS3.3 A.2, A.26), deterministically."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fractureai.phantom.solids import Field
from fractureai.phantom.vendors import Mistakes, Vendor

if TYPE_CHECKING:
    from pydicom import Dataset

_CR = "1.2.840.10008.5.1.4.1.1.1"
_DX_PRESENTATION = "1.2.840.10008.5.1.4.1.1.1.1.1"
_VIEW_CODES = {"PA": ("R-10214", "postero-anterior"), "LAT": ("R-102CD", "lateral"), "OBLIQUE": ("R-102C1", "oblique")}
_VIEW_POSITIONS = {"PA": "PA", "LAT": "LL", "OBLIQUE": "RLO"}
_ORIENTATION = {"R": {"PA": "L", "LAT": "P", "OBLIQUE": "LP"}, "L": {"PA": "R", "LAT": "A", "OBLIQUE": "RA"}}
"""Direction of the rows (PS3.3 C.7.6.1.1.1); the columns run from the fingers headwards."""


@dataclass(frozen=True)
class Header:
    """What a file's header says.

    Attributes:
        study_uid, series_uid, sop_uid: UIDs.
        patient_id: such as ``SIM-0001``.
        sex, age_years: of the patient.
        date: of the study, ``YYYYMMDD``; time: ``HHMMSS``.
        view, side: the true ones.
        instance: InstanceNumber.
        spacing_mm: the true spacing at the detector.
        vendor, mistakes: who writes it and what goes wrong.
        rle: compress with RLE Lossless.
    """

    study_uid: str
    series_uid: str
    sop_uid: str
    patient_id: str
    sex: str
    age_years: int
    date: str
    time: str
    view: str
    side: str
    instance: int
    spacing_mm: float
    vendor: Vendor
    mistakes: Mistakes
    rle: bool

    @property
    def written_side(self) -> str:
        """The side the header claims, or "" when it claims none."""
        if self.mistakes.no_side:
            return ""
        return {"L": "R", "R": "L"}[self.side] if self.mistakes.wrong_side else self.side


def make_uid(*parts: object) -> str:
    """Return a UID of the form 2.25.<128 bit number> made of the parts (PS3.5 B.2)."""
    digest = hashlib.sha256("/".join(str(part) for part in parts).encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def stored_pixels(image: Field, vendor: Vendor) -> npt.NDArray[np.uint16]:
    """Return the stored values of a bone-bright image 0..1 as a vendor keeps it."""
    top = 2**vendor.bits - 1
    values = np.rint(np.clip(image, 0, 1) * np.float32(top)).astype(np.uint16)
    return np.asarray(top - values if vendor.monochrome1 else values, dtype=np.uint16)


def dicom_bytes(image: Field, header: Header) -> bytes:
    """Return the file's bytes; same arguments, same bytes."""
    from pydicom import Dataset
    from pydicom.dataset import FileMetaDataset
    from pydicom.encaps import encapsulate
    from pydicom.pixels.encoders.base import get_encoder
    from pydicom.uid import UID, ExplicitVRLittleEndian, RLELossless

    vendor = header.vendor
    pixels = stored_pixels(image, vendor)
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = UID(_CR if vendor.modality == "CR" else _DX_PRESENTATION)
    dataset.file_meta.MediaStorageSOPInstanceUID = UID(header.sop_uid)
    dataset.file_meta.TransferSyntaxUID = RLELossless if header.rle else ExplicitVRLittleEndian
    dataset.file_meta.ImplementationClassUID = UID(make_uid("FractureAI", "phantom"))
    dataset.file_meta.ImplementationVersionName = "FRACTUREAI"
    dataset.SpecificCharacterSet = vendor.character_set
    _identify(dataset, header)
    _equip(dataset, header)
    _describe_pixels(dataset, header, pixels)
    if header.rle:
        frame = get_encoder(RLELossless).encode(pixels, **_encoding(pixels, vendor), encoding_plugin="pydicom")
        dataset.PixelData = encapsulate([frame])
        dataset["PixelData"].VR = "OB"
    else:
        dataset.PixelData = pixels.astype("<u2").tobytes()
        dataset["PixelData"].VR = "OW"
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _encoding(pixels: npt.NDArray[np.uint16], vendor: Vendor) -> dict[str, Any]:
    return {
        "rows": pixels.shape[0],
        "columns": pixels.shape[1],
        "number_of_frames": 1,
        "samples_per_pixel": 1,
        "bits_allocated": 16,
        "bits_stored": vendor.bits,
        "pixel_representation": 0,
        "photometric_interpretation": "MONOCHROME1" if vendor.monochrome1 else "MONOCHROME2",
    }


def _identify(dataset: Dataset, header: Header) -> None:
    """Patient, study and series."""
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID
    dataset.SOPInstanceUID = header.sop_uid
    dataset.StudyInstanceUID = header.study_uid
    dataset.SeriesInstanceUID = header.series_uid
    dataset.PatientName = f"Simulated^{header.patient_id.removeprefix('SIM-')}"
    dataset.PatientID = header.patient_id
    dataset.PatientBirthDate = ""
    dataset.PatientSex = header.sex
    dataset.PatientAge = f"{header.age_years:03d}Y"
    dataset.PatientComments = "SIMULATED: no real person"
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = "Simulated image"
    dataset.StudyDate = dataset.SeriesDate = dataset.ContentDate = dataset.AcquisitionDate = header.date
    dataset.StudyTime = dataset.SeriesTime = dataset.ContentTime = dataset.AcquisitionTime = header.time
    dataset.StudyID = header.date[2:]
    dataset.AccessionNumber = ""
    dataset.ReferringPhysicianName = ""
    dataset.SeriesNumber = header.instance
    dataset.InstanceNumber = header.instance
    dataset.ImageComments = "SIMULATED"


def _equip(dataset: Dataset, header: Header) -> None:
    """Equipment, view, side and body part, as the vendor writes them."""
    from pydicom import Dataset as Item

    vendor, mistakes = header.vendor, header.mistakes
    dataset.Modality = vendor.modality
    dataset.Manufacturer = vendor.manufacturer
    dataset.ManufacturerModelName = vendor.model
    dataset.BodyPartExamined = vendor.body_part
    if vendor.modality == "DX":
        dataset.PresentationIntentType = "FOR PRESENTATION"
        region = Item()
        region.CodeValue, region.CodingSchemeDesignator, region.CodeMeaning = "T-15460", "SRT", "Wrist joint"
        dataset.AnatomicRegionSequence = [region]
        dataset.AcquisitionContextSequence = []
        dataset.DetectorType = "SCINTILLATOR"
        dataset.PatientOrientation = "" if mistakes.no_view else [_ORIENTATION[header.side][header.view], "H"]
    word = {"R": vendor.sides[0], "L": vendor.sides[1], "": ""}[header.written_side]
    if not mistakes.no_view:
        dataset.SeriesDescription = vendor.texts[header.view].format(side=word).strip().replace("  ", " ")
        if vendor.view == "position":
            dataset.ViewPosition = _VIEW_POSITIONS[header.view]
        if vendor.view == "code":
            view = Item()
            view.CodeValue, view.CodeMeaning = _VIEW_CODES[header.view]
            view.CodingSchemeDesignator = "SRT"
            dataset.ViewCodeSequence = [view]
    elif vendor.view == "position":
        dataset.ViewPosition = ""
    if vendor.laterality and header.written_side:
        setattr(dataset, vendor.laterality, header.written_side)
    elif vendor.modality == "CR":
        dataset.Laterality = ""


def _describe_pixels(dataset: Dataset, header: Header, pixels: npt.NDArray[np.uint16]) -> None:
    vendor = header.vendor
    dataset.ImageType = ["ORIGINAL", "PRIMARY"] + ([""] if vendor.modality == "DX" else [])
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME1" if vendor.monochrome1 else "MONOCHROME2"
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, vendor.bits, vendor.bits - 1
    dataset.PixelRepresentation = 0
    dataset.BurnedInAnnotation = "NO"
    dataset.LossyImageCompression = "00"
    if not header.mistakes.no_spacing:
        text = f"{header.spacing_mm:.6f}"
        if vendor.spacing in ("imager", "both"):
            dataset.ImagerPixelSpacing = [text, text]
        if vendor.spacing in ("pixel", "both"):
            dataset.PixelSpacing = [text, text]
        if vendor.spacing == "both":
            dataset.PixelSpacingCalibrationType = "GEOMETRY"
            dataset.PixelSpacingCalibrationDescription = "at the detector"
    slope, intercept = vendor.rescale
    if vendor.modality == "DX" or slope != 1:
        dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = f"{slope:g}", f"{intercept:g}", "US"
    if vendor.window:
        low, high = np.percentile(pixels[::4, ::4], [2, 99.5])
        centre, width = (low + high) / 2, max(high - low, 1.0)
        dataset.WindowCenter = f"{slope * centre + intercept:.0f}"
        dataset.WindowWidth = f"{max(slope * width, 1):.0f}"
    if vendor.modality == "DX":
        dataset.PixelIntensityRelationship = "LOG"
        dataset.PixelIntensityRelationshipSign = 1 if vendor.monochrome1 else -1
    dataset.PresentationLUTShape = "INVERSE" if vendor.monochrome1 else "IDENTITY"
