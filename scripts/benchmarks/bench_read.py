"""Time reading a 2500 x 2000 x 16 bit uncompressed DICOM file to a normalised region of interest of 256 x 256 pixels.

Beside it the naive way: pydicom's pixel_array, conversion to float, numpy.percentile, normalisation of the whole image.

python scripts/benchmarks/bench_read.py [--repeats 30]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

from fractureai.geometry import Roi, crop_roi
from fractureai.radiograph import intensity_range, normalised_crop, read_radiograph

ROWS, COLUMNS = 2500, 2000
ROI = Roi(row=1400.0, col=1020.0, side_mm=70.0, spacing_mm=(0.1, 0.1))
SIZE_PX = 256


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=30)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as folder:
        path = write_radiograph(Path(folder) / "wrist.dcm")
        radiograph = read_radiograph(path)
        difference = np.abs(ours(path) - naive(path)).max()
        print(
            f"{ROWS} x {COLUMNS} x 16 bit, uncompressed, to {SIZE_PX} x {SIZE_PX}; largest difference {difference:.1e}"
        )
        report("read_radiograph", lambda: read_radiograph(path), repeats)
        report("intensity_range", lambda: intensity_range(radiograph.pixels), repeats)
        report("normalised_crop", lambda: normalised_crop(radiograph.pixels, ROI, SIZE_PX), repeats)
        whole = report("read to crop", lambda: ours(path), repeats, "  (target 10 ms)")
        slow = report("naive way", lambda: naive(path), max(3, repeats // 5))
        print(f"{'ratio':<18}{slow / whole:8.1f}")


def ours(path: Path) -> np.ndarray:
    return normalised_crop(read_radiograph(path).pixels, ROI, SIZE_PX)


def naive(path: Path) -> np.ndarray:
    dataset = pydicom.dcmread(path)
    stored = dataset.pixel_array.astype(np.float64)
    pixels = (2**dataset.BitsStored - 1) - stored
    low, high = np.percentile(pixels, [5, 99])
    return crop_roi((np.clip(pixels, low, high) - low) / (high - low), ROI, SIZE_PX)


def report(name: str, work: Callable[[], object], repeats: int, note: str = "") -> float:
    """Print and return the best time in milliseconds; the median beside it tells how busy the machine was."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - start))
    print(f"{name:<18}{min(times):8.1f} ms best, {statistics.median(times):.1f} ms median of {repeats}{note}")
    return min(times)


def write_radiograph(path: Path) -> Path:
    """A forearm-like image of 14 bits with noise, MONOCHROME1, in a DX file."""
    generator = np.random.default_rng(0)
    across = np.abs(np.linspace(-1, 1, COLUMNS))
    profile = np.where(across < 0.5, 9000 - 6000 * np.sqrt(np.maximum(0, 0.25 - across**2)), 14000)
    pixels = np.clip(profile + generator.normal(0, 250, (ROWS, COLUMNS)), 0, 16383).astype(np.uint16)
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = DigitalXRayImageStorageForPresentation
    dataset.SOPInstanceUID = generate_uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
    dataset.Modality, dataset.BodyPartExamined, dataset.ViewPosition, dataset.ImageLaterality = "DX", "WRIST", "PA", "L"
    dataset.ImagerPixelSpacing, dataset.WindowCenter, dataset.WindowWidth = [0.1, 0.1], 8000, 12000
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = ROWS, COLUMNS, 1
    dataset.PhotometricInterpretation, dataset.PixelRepresentation = "MONOCHROME1", 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 14, 13
    dataset.PixelData = pixels.tobytes()
    dataset["PixelData"].VR = "OW"
    dataset.save_as(path, enforce_file_format=True)
    return path


if __name__ == "__main__":
    main()
