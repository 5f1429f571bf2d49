"""Real DICOM files and empty datasets for the tests of the dataset."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset as DicomDataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from fractureai.dataset import Dataset

DX_STORAGE = "1.2.840.10008.5.1.4.1.1.1.1"


def write_dicom(path: Path, *, rows: int = 40, columns: int = 30, seed: int = 0, **elements: Any) -> Path:
    """Write a small, complete DX image; ``elements`` replace the defaults, None leaves one out."""
    rng = np.random.default_rng(seed)
    values: dict[str, Any] = {
        "SOPClassUID": DX_STORAGE,
        "SOPInstanceUID": generate_uid(),
        "StudyInstanceUID": generate_uid(),
        "SeriesInstanceUID": generate_uid(),
        "PatientID": "4711",
        "PatientName": "Doe^Jane",
        "PatientAge": "042Y",
        "PatientSex": "F",
        "StudyDate": "20240131",
        "Modality": "DX",
        "ViewPosition": "PA",
        "ImageLaterality": "L",
        "PixelSpacing": [0.15, 0.15],
        "PhotometricInterpretation": "MONOCHROME2",
        "SamplesPerPixel": 1,
        "Rows": rows,
        "Columns": columns,
        "BitsAllocated": 16,
        "BitsStored": 12,
        "HighBit": 11,
        "PixelRepresentation": 0,
        "PixelData": rng.integers(0, 4096, (rows, columns), dtype=np.uint16).tobytes(),
    }
    dicom = DicomDataset()
    for keyword, value in {**values, **elements}.items():
        if value is not None:
            setattr(dicom, keyword, value)
    dicom.file_meta = FileMetaDataset()
    dicom.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dicom.file_meta.MediaStorageSOPClassUID = dicom.SOPClassUID
    dicom.file_meta.MediaStorageSOPInstanceUID = dicom.SOPInstanceUID
    path.parent.mkdir(parents=True, exist_ok=True)
    dicom.save_as(path, enforce_file_format=True)
    return path


@pytest.fixture
def dicom_writer() -> Callable[..., Path]:
    return write_dicom


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return Dataset.create(tmp_path / "dataset", name="Test")
