"""Time the stages of a reading: `python scripts/benchmarks/bench_inference.py [BUNDLE] [--rows 2500 --cols 2000]`.

Reads one synthetic radiograph for each view of the bundle from memory, several times, and prints the median of each
stage in milliseconds. Without an argument it takes the demo bundle.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path

import numpy as np

from fractureai.bundle import load_bundle
from fractureai.errors import BundleError
from fractureai.inference import Pipeline
from fractureai.radiograph import Radiograph


def synthetic(view: str, rows: int, cols: int) -> Radiograph:
    """Return a radiograph of one bright bone on a noisy ground."""
    noise = np.random.default_rng(0).normal(0, 20, (rows, cols))
    bone = 800 * np.exp(-((np.arange(cols) - cols / 2) ** 2) / (2 * (cols / 8) ** 2))
    return Radiograph(
        path=Path(f"{view}.dcm"),
        pixels=(noise + bone).astype(np.float32),
        spacing_mm=(0.1, 0.1),
        spacing_source="user",
        view=view,
        view_source="user",
        side="L",
        side_source="user",
        body_part="unknown",
        body_part_source="none",
        sop_instance_uid=f"2.25.{len(view)}{sum(view.encode())}",
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", nargs="?", default="demo")
    parser.add_argument("--rows", type=int, default=2500)
    parser.add_argument("--cols", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=None)
    args = parser.parse_args()
    try:
        bundle = load_bundle(args.bundle)
    except BundleError as error:
        print(error, file=sys.stderr)
        return 2
    pipeline = Pipeline.load(bundle, threads=args.threads)
    study = [
        synthetic(view.accepts[0], args.rows, args.cols) for view in bundle.site.views if view.name in bundle.spec.views
    ]
    first = pipeline.read(study).timings_ms["total"]
    runs = [pipeline.read(study).timings_ms for _ in range(args.repeats)]
    print(f"{bundle.id}: {len(study)} radiographs of {args.rows} x {args.cols}, median of {args.repeats} readings")
    print(f"  first reading (networks are loaded) {first:8.1f} ms")
    for stage in runs[0]:
        print(f"  {stage:<35} {statistics.median(run[stage] for run in runs):8.1f} ms")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
