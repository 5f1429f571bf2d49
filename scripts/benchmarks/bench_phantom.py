"""Time the simulation, DICOM writing included: python scripts/benchmarks/bench_phantom.py [STUDIES] [WORKERS]."""

from __future__ import annotations

import sys
import tempfile
import time

from fractureai.phantom import write_dataset


def main() -> None:
    studies = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    workers = int(sys.argv[2]) if len(sys.argv) > 2 else None
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        dataset = write_dataset(f"{folder}/phantom", studies=studies, seed=1, workers=workers)
        seconds = time.perf_counter() - start
        images = len(dataset.radiographs)
    print(f"{studies} studies, {images} images of 768 pixels in {seconds:.1f} s ({seconds / images:.3f} s an image);")
    print(f"200 studies of two views would take {400 * seconds / images:.0f} s (target: under 180 s on 2 cores)")


if __name__ == "__main__":
    main()
