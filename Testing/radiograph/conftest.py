"""Small DICOM files of every kind, made with pydicom, and where the real radiographs lie."""

from __future__ import annotations

import struct
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.sequence import Sequence
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "radiographs"


@pytest.fixture(scope="session")
def real_folder():
    if not REAL.is_dir():
        pytest.skip(f"the real radiographs are not at {REAL}")
    return REAL


def make_dataset(
    pixels, *, bits=None, signed=False, photometric="MONOCHROME2", syntax=ExplicitVRLittleEndian, **attributes
):
    """A DICOM DX image with these stored values; any attribute by keyword, None leaves it out."""
    pixels = np.asarray(pixels)
    allocated = 8 * pixels.dtype.itemsize
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = DigitalXRayImageStorageForPresentation
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
    dataset.Modality, dataset.PatientID, dataset.PatientName = "DX", "P1", "Doe^Jane"
    dataset.StudyDate = "20260102"
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.SamplesPerPixel = 1 if pixels.ndim == 2 else pixels.shape[2]
    if pixels.ndim == 3:
        dataset.PlanarConfiguration = 0
    dataset.PhotometricInterpretation = photometric
    dataset.BitsAllocated, dataset.BitsStored = allocated, bits or allocated
    dataset.HighBit, dataset.PixelRepresentation = dataset.BitsStored - 1, int(signed)
    dataset.PixelData = pixels.tobytes()
    dataset["PixelData"].VR = "OB" if allocated == 8 else "OW"
    for keyword, content in attributes.items():
        if content is None:
            del dataset[keyword]
        else:
            setattr(dataset, keyword, content)
    return dataset


def write_dataset(path, dataset, **options):
    dcmwrite(path, dataset, **({"enforce_file_format": True} | options))
    return path


@pytest.fixture(scope="session")
def forge():
    """The makers of this file, for tests (test modules can not import it)."""
    return SimpleNamespace(
        dataset=make_dataset, write=write_dataset, ramp=ramp, item=item, image=write_image, element=explicit_element
    )


@pytest.fixture
def make_dicom(tmp_path):
    """Write a DICOM file and return its path."""

    def make(pixels=None, name="image.dcm", **options):
        pixels = ramp() if pixels is None else pixels
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return write_dataset(path, make_dataset(pixels, **options))

    return make


def ramp(rows=24, columns=40, top=4095, dtype=np.uint16):
    """Values from 0 to top, all rows different."""
    return np.linspace(0, top, rows * columns).round().astype(dtype).reshape(rows, columns)


def item(**attributes):
    """One sequence item in a sequence."""
    content = Dataset()
    for keyword, value in attributes.items():
        setattr(content, keyword, value)
        if keyword == "LUTData" and not isinstance(value, bytes):
            content["LUTData"].VR = "US"
    return Sequence([content])


def write_image(path, array, spacing=None):
    """Write PNG, JPEG, TIFF or MetaImage by the name's suffix."""
    image = SimpleITK.GetImageFromArray(array, isVector=array.ndim == 3)
    if spacing:
        image.SetSpacing(spacing)
    SimpleITK.WriteImage(image, str(path))
    return path


def explicit_element(group, element, vr, value):
    """An explicit VR little endian element as bytes."""
    if vr in (b"OB", b"OW", b"SQ", b"UN"):
        return struct.pack("<HH2sHI", group, element, vr, 0, len(value)) + value
    return struct.pack("<HH2sH", group, element, vr, len(value)) + value
