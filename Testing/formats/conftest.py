"""Small real radiographs, and a dataset with marks of every kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from pydicom.dataset import Dataset as DicomDataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from fractureai.dataset import Annotation, Dataset, Region

REAL = Path(__file__).parents[3] / "shared" / "data" / "radiographs"
SPACING = (0.2, 0.15)  # unequal, so that rows and columns can not be mixed up unnoticed


def write_dicom(path: Path, number: int, *, view: str = "PA", spacing: tuple[float, float] | None = SPACING) -> Path:
    """Write a small DX image; ``number`` makes its UIDs and pixels."""
    rows, columns = 48, 36
    dicom = DicomDataset()
    elements: dict[str, Any] = {
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.1.1",
        "SOPInstanceUID": f"1.2.826.0.1.3680043.8.498.{number}",
        "StudyInstanceUID": f"1.2.826.0.1.3680043.8.499.{number // 2}",
        "SeriesInstanceUID": f"1.2.826.0.1.3680043.8.500.{number}",
        "PatientID": f"patient {number // 2}",
        "PatientAge": "042Y",
        "PatientSex": "F",
        "Modality": "DX",
        "ViewPosition": view,
        "ImageLaterality": "L",
        "PhotometricInterpretation": "MONOCHROME2",
        "SamplesPerPixel": 1,
        "Rows": rows,
        "Columns": columns,
        "BitsAllocated": 16,
        "BitsStored": 12,
        "HighBit": 11,
        "PixelRepresentation": 0,
        "PixelData": np.random.default_rng(number).integers(0, 4096, (rows, columns), dtype=np.uint16).tobytes(),
    }
    if spacing:
        elements["PixelSpacing"] = list(spacing)
    for keyword, value in elements.items():
        setattr(dicom, keyword, value)
    dicom.file_meta = FileMetaDataset()
    dicom.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    path.parent.mkdir(parents=True, exist_ok=True)
    dicom.save_as(path, enforce_file_format=True)
    return path


def write_png(path: Path, *, shape: tuple[int, int] = (48, 36), seed: int = 0, bits: int = 8) -> Path:
    """Write a small grey PNG (or what the suffix says)."""
    kind = np.uint8 if bits == 8 else np.uint16
    pixels = np.random.default_rng(seed).integers(0, 2**bits, shape, dtype=kind)
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(sitk.GetImageFromArray(pixels), str(path))
    return path


def marks_for(number: int, radiograph: str) -> Annotation:
    """Return marks of every kind; odd numbers are LAT."""
    last = "wrist_centre"
    names = ("distal_ulna", "distal_radius", last) if number % 2 == 0 else ("dorsal_rim", "palmar_rim", last)
    return Annotation(
        radiograph,
        "consensus",
        status="done",
        label="fracture" if number % 2 == 0 else "normal",
        landmarks={name: (10.25 + 7 * place, 5.5 + 3 * place + number) for place, name in enumerate(names)},
        regions=(
            Region("fracture", ((12.5, 4.5), (20.5, 16.25)), "box", "radius"),
            Region("fracture", ((1.0, 2.0), (1.5, 9.0), (8.0, 5.25)), "polygon", ""),
            Region("metal", ((30.0, 2.0), (33.5, 3.0), (40.0, 8.25), (41.0, 9.0)), "curve", "ulna"),
        ),
        displacement="dorsal",
        cast=True,
        implant=False,
        quality="limited",
        comment='line one\n"two", three; Größe 手首',
        extra={"ao_classification": "23r-M/2.1; 23u-E/7", "side": "an extra that has a field's name"},
    )


def content(annotation: Annotation) -> Annotation:
    """Return an annotation without what depends on where and when it was saved."""
    return replace(annotation, radiograph="", revision=0, updated="", rater="")


def contents(dataset: Dataset, rater: str | None = None) -> list[Annotation]:
    """Return the annotations in the order of radiographs.csv, without where and when they were saved."""
    marks = {annotation.radiograph: content(annotation) for annotation in dataset.annotations(rater)}
    return [marks[row.id] for row in dataset.radiographs if row.id in marks]


@dataclass(frozen=True)
class Kit:
    """The helpers above, for tests that can not import this file."""

    real: Path = REAL
    write_dicom: Callable[..., Path] = write_dicom
    write_png: Callable[..., Path] = write_png
    marks_for: Callable[[int, str], Annotation] = marks_for
    content: Callable[[Annotation], Annotation] = content
    contents: Callable[..., list[Annotation]] = contents


@pytest.fixture(scope="session")
def kit() -> Kit:
    return Kit()


@pytest.fixture
def new_dataset(tmp_path: Path) -> Callable[..., Dataset]:
    def create(name: str = "target") -> Dataset:
        return Dataset.create(tmp_path / name, name=name)

    return create


@pytest.fixture
def marked(tmp_path: Path) -> Dataset:
    """Two patients with PA and LAT each as DICOM, all marked."""
    dataset = Dataset.create(tmp_path / "marked", name="marked")
    files = [write_dicom(tmp_path / f"{n}.dcm", n, view="LAT" if n % 2 else "PA") for n in range(4)]
    assert len(dataset.add(files, copy=True).added) == 4
    dataset.save_all(marks_for(n, row.id) for n, row in enumerate(dataset.radiographs))
    return dataset


@pytest.fixture
def unmarked(tmp_path: Path, marked: Dataset) -> Dataset:
    """Another dataset with the same DICOM files and no marks."""
    dataset = Dataset.create(tmp_path / "unmarked", name="unmarked")
    dataset.add([marked.image_path(row) for row in marked.radiographs], copy=False)
    return dataset
