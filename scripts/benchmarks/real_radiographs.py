"""Read real radiographs with a bundle and show where it looks: python scripts/benchmarks/real_radiographs.py DATA OUT.

DATA holds ``hand_landmarks`` (images with known points) and ``wrist_xray`` (wrists and their views in MANIFEST.csv).
Prints the landmark errors on the hands, and writes contact sheets with landmarks and region of interest of every image,
so that a person can look at each one. A few images show that a pipeline works; they support no claim of accuracy.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from fractureai.geometry import distance_mm
from fractureai.inference import Pipeline
from fractureai.inference.prediction import Prediction
from fractureai.radiograph import normalise, read_radiograph

HAND_POINTS = {"distal_ulna": 1, "distal_radius": 5, "wrist_centre": 10}
"""Our landmark -> index of the point in hand_landmarks/landmarks.csv."""
COLUMNS = 6


def main() -> None:
    """Read both folders."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--bundle", default="demo")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    pipeline = Pipeline.load(arguments.bundle)
    hands = _read_hands(pipeline, arguments.data / "hand_landmarks")
    wrists = _read_wrists(pipeline, arguments.data)
    write_sheet(arguments.out / "hands.png", hands)
    write_sheet(arguments.out / "wrists.png", wrists)
    print(f"Look at {arguments.out / 'hands.png'} and {arguments.out / 'wrists.png'}.")


def _read_hands(pipeline: Pipeline, folder: Path) -> list[tuple[str, Prediction]]:
    readings, errors = [], []
    for line in csv.reader((folder / "landmarks.csv").open(encoding="utf-8")):
        path = folder / f"{line[0]}.mha"
        if not path.is_file():
            continue
        truth = np.array(line[1:], dtype=float).reshape(-1, 2)[:, ::-1]
        prediction = pipeline.read(path, view="PA", side="L")
        readings.append((path.stem, prediction))
        for view in prediction.views:
            for name, index in HAND_POINTS.items():
                error = float(distance_mm(view.landmarks[name], truth[index], view.spacing_mm))
                errors.append(error)
                print(f"hand {path.stem}: {name} {error:.1f} mm from the marked point")
    if errors:
        print(f"hands: mean error {np.mean(errors):.1f} mm over {len(errors)} points of {len(readings)} images")
    return readings


def _read_wrists(pipeline: Pipeline, data: Path) -> list[tuple[str, Prediction]]:
    readings = []
    with (data / "MANIFEST.csv").open(encoding="utf-8") as file:
        lines = [line for line in csv.DictReader(file) if line["file"].startswith("wrist_xray/")]
    for line in lines:
        prediction = pipeline.read(data / line["file"], view=line["view_guess"])
        readings.append((f"{Path(line['file']).stem} {line['view_guess']} {line['label']}", prediction))
        codes = ", ".join(referral.code for referral in prediction.referrals)
        shown = "not read" if prediction.probability is None else f"{prediction.probability:.2f}"
        print(f"{line['file']} {line['view_guess']} {line['label']}: {shown} ({codes})")
    return readings


def write_sheet(path: Path, readings: list[tuple[str, Prediction]]) -> None:
    """Draw every image with its region of interest and landmarks."""
    rows = -(-len(readings) // COLUMNS)
    figure = Figure(figsize=(COLUMNS * 2.6, rows * 3.3), layout="constrained", dpi=100)
    FigureCanvasAgg(figure)
    for axes, (title, prediction) in zip(figure.subplots(rows, COLUMNS, squeeze=False).flat, readings, strict=False):
        axes.set_title(title, fontsize=8)
        for view in prediction.views:
            axes.imshow(normalise(read_radiograph(view.file).pixels), cmap="gray", vmin=0, vmax=1)
            corners = view.roi.corners()[[0, 1, 2, 3, 0]]
            axes.plot(corners[:, 1], corners[:, 0], color="#E69F00", lw=1.5)
            points = np.array(list(view.landmarks.values()))
            axes.scatter(points[:, 1], points[:, 0], c=["#56B4E9", "#D55E00", "#009E73"], s=16)
            axes.set_xlim(0, view.image_shape[1])
            axes.set_ylim(view.image_shape[0], 0)
    for axes in figure.axes:
        axes.set_axis_off()
    figure.savefig(path)


if __name__ == "__main__":
    main()
