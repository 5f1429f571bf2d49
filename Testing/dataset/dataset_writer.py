"""A process of its own that writes into a dataset: saves marks or adds rows, and says on stdout what is done.

Arguments: ``marks FOLDER RATER SEED IMAGES COUNT``, ``rows FOLDER PREFIX COUNT`` (COUNT 0: until killed), or
``files FOLDER SOURCE``.
"""

from __future__ import annotations

import itertools
import random
import sys
from dataclasses import replace

from fractureai.dataset import Annotation, Dataset, RadiographRow


def save_marks(dataset: Dataset, rater: str, seed: int, images: int, count: int) -> None:
    """Add one mark after the other; each save is acknowledged with the radiograph, its revision and a token."""
    rng = random.Random(seed)
    for number in itertools.count() if count == 0 else range(count):
        radiograph = f"1.2.{rng.randrange(images)}"
        before = dataset.annotation(radiograph, rater) or Annotation(radiograph, rater)
        token = f"{seed}-{number}"
        points = {f"point {i}": (float(i), rng.random() * 1000) for i in range(rng.randrange(400))}
        saved = dataset.save(replace(before, comment=token, landmarks=points), expected_revision=before.revision)
        print(radiograph, saved.revision, token, len(points), flush=True)


def add_rows(dataset: Dataset, prefix: str, count: int) -> None:
    """Add one row after the other."""
    for number in itertools.count() if count == 0 else range(count):
        dataset.add_rows([RadiographRow(f"{prefix}.{number}", patient=f"{prefix} {number}")])
        print(f"{prefix}.{number}", flush=True)


if __name__ == "__main__":
    task, folder, name, *numbers = sys.argv[1:]
    print("ready", flush=True)
    if task == "marks":
        save_marks(Dataset.open(folder), name, *map(int, numbers))
    elif task == "files":
        Dataset.open(folder).add([name], copy=True)
    else:
        add_rows(Dataset.open(folder), name, *map(int, numbers))
