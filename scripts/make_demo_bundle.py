"""Make the demo bundle that comes with FractureAI: simulate, split, train, calibrate, and put it into the package.

    python scripts/make_demo_bundle.py WORK_FOLDER

The simulated studies, the splits and the training all follow from the numbers below and the recipe ``demo``. Run again
in the same folder it goes on where it stopped.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from fractureai.dataset import Dataset, make_splits
from fractureai.evaluation.calibrate import fit_reliability
from fractureai.phantom import PhantomConfig, write_dataset
from fractureai.training.progress import TrainingProgress
from fractureai.training.train import train

STUDIES = 600
SEED = 71
CONFIG = PhantomConfig(hard_fraction=0.06)
TARGET = Path(__file__).resolve().parents[1] / "Lib" / "fractureai" / "bundles" / "demo"


def main() -> None:
    """Make the bundle."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path, help="folder for the radiographs and the training")
    work = parser.parse_args().work
    dataset = _dataset(work / "demo-wrists")
    command = "python scripts/make_demo_bundle.py WORK_FOLDER"
    bundle = train(dataset.folder, work / "training", "demo", device="cpu", progress=_print, command=command)
    fit_reliability(bundle, dataset, progress=lambda done, total, text: _print(TrainingProgress(text, done / total)))
    shutil.rmtree(TARGET, ignore_errors=True)
    shutil.copytree(bundle, TARGET)
    print(f"The demo bundle is in {TARGET}.")


def _dataset(folder: Path) -> Dataset:
    if (folder / "truth.json").is_file():
        dataset = Dataset.open(folder)
    else:
        shutil.rmtree(folder, ignore_errors=True)
        dataset = write_dataset(folder, studies=STUDIES, seed=SEED, config=CONFIG)
    if not dataset.splits:
        make_splits(dataset, fractions=(0.75, 0.15, 0.1), seed=SEED)
    return dataset


def _print(message: TrainingProgress) -> None:
    left = "" if message.seconds_left is None else f", {message.seconds_left / 60:.0f} min left"
    metric = "" if message.metric is None else f", {message.metric_name} {message.metric:.3f}"
    epoch = f" epoch {message.epoch}/{message.epochs}" if message.epochs else ""
    print(f"{message.text}{epoch}{metric} ({message.fraction:.0%}{left})", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
