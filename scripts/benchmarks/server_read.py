"""Time a reading through the server: `python scripts/benchmarks/server_read.py [--pixels 2500]`.

Starts `fractureai serve` on a study of two simulated views, and prints: start to health; the first reading; the median
of further ones by path and by upload, activation maps fetched too; and how they compare with `Pipeline.read` alone.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import requests

from fractureai.inference import Pipeline
from fractureai.phantom import write_dataset

PATIENCE_S = 60.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pixels", type=int, default=2500, help="along the longer side")
    parser.add_argument("--repeats", type=int, default=15)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        dataset = write_dataset(Path(folder) / "wrists", studies=1, seed=3, pixels=args.pixels, workers=1)
        study = [dataset.image_path(row) for row in dataset.radiographs]
        shape = " and ".join("x".join(map(str, dataset.read(row).shape)) for row in dataset.radiographs)
        print(f"demo bundle, one study of two views of {shape} pixels, median of {args.repeats}")
        alone = _in_process(study, args.repeats)
        print(f"  Pipeline.read in process                  {alone:8.0f} ms")
        began = time.perf_counter()
        process, address = _start(Path(folder))
        try:
            _through_server(address, study, args.repeats, alone, began)
        finally:
            process.terminate()
            process.wait()
    return 0


def _in_process(study: list[Path], repeats: int) -> float:
    pipeline = Pipeline.load("demo")
    pipeline.read(study)
    return statistics.median(_timed(lambda: pipeline.read(study)) for _ in range(repeats))


def _start(folder: Path) -> tuple[subprocess.Popen[bytes], dict[str, Any]]:
    place = folder / "address.json"
    words = ["serve", "--work", folder / "work", "--root", folder, "--address-file", place]
    command = [sys.executable, "-m", "fractureai.cli", *map(str, words)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    end = time.monotonic() + PATIENCE_S
    while not place.is_file():
        if process.poll() is not None or time.monotonic() > end:
            raise SystemExit("the server did not start")
        time.sleep(0.01)
    return process, json.loads(place.read_text(encoding="utf-8"))


def _through_server(address: dict[str, Any], study: list[Path], repeats: int, alone: float, began: float) -> None:
    session = requests.Session()
    overlays: list[str] = []
    pictures: list[float] = []
    token = Path(address["token_file"]).read_text(encoding="ascii").strip()
    session.headers["Authorization"] = f"Bearer {token}"
    base = f"{address['url']}/v1/"
    session.get(f"{base}health").raise_for_status()
    print(f"  serve: start to health                    {1000 * (time.perf_counter() - began):8.0f} ms")

    def fetch(response: requests.Response) -> None:
        response.raise_for_status()
        overlays.append(response.json()["overlay"])
        for view in response.json()["views"]:
            session.get(base + view["activation_map"]).raise_for_status()

    def see_overlay() -> None:
        """Wait for the picture, which is drawn after the answer, as a person's eye does between two readings."""
        session.get(base + overlays[-1]).raise_for_status()

    def by_path() -> None:
        fetch(session.post(f"{base}read", json={"paths": [str(path) for path in study]}))

    def by_upload() -> None:
        fetch(session.post(f"{base}read", files=[("files", ("x", path.read_bytes())) for path in study]))

    print(f"  serve: first reading, maps included       {_timed(by_path):8.0f} ms")
    see_overlay()
    for name, read in (("by path", by_path), ("by upload", by_upload)):
        values = []
        for _ in range(repeats):
            values.append(_timed(read))
            pictures.append(_timed(see_overlay))
        middle = statistics.median(values)
        print(f"  serve: {name + ', maps included':<33}  {middle:8.0f} ms   {middle / alone:.1f} x in process")
    print(f"  serve: overlay, after the answer          {statistics.median(pictures):8.0f} ms")


def _timed(work: Any) -> float:
    """Return the milliseconds that a call takes."""
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1000


if __name__ == "__main__":
    raise SystemExit(main())
