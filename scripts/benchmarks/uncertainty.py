"""How well a bundle knows what it does not know: every uncertainty score side by side, on simulated wrists.

    python scripts/benchmarks/uncertainty.py BUNDLE OUT [--fit DATASET] [--foreign FOLDER] [--studies 360] [--seed 302]

Simulates studies that no training has seen (half of them hard, half of the hard ones fractured, of these fractures 70 %
faint and 30 % occult), reads them with the bundle, reads images that are no such wrists, and judges the ten scores and
their combination: area under the risk-coverage curve, sensitivity when the least certain studies of a stratum are
referred, AUROC of hard against general and of foreign against general. With ``--fit`` the bundle is calibrated first,
on the held-out studies of the dataset that it was trained on. Writes OUT/readings.csv (one row a study),
OUT/uncertainty.json, tables as CSV and figures as SVG and PNG. What was read is kept: remove OUT/readings.csv to read
anew.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from uncertainty_images import changed_wrists, no_radiographs, real_radiographs
from uncertainty_judge import judge

from fractureai.dataset import Dataset
from fractureai.inference import Pipeline, Prediction
from fractureai.phantom import PhantomConfig, plan_study, simulate_plan, write_dataset
from fractureai.reliability import SCORES

CONFIG = PhantomConfig(hard_fraction=0.5, hard_fracture_fraction=0.5, hard_faint_fraction=0.7)
FOREIGN_OF_EACH_KIND = 30
COLUMNS = (
    "set",
    "kind",
    "patient",
    "label",
    "severity",
    "read",
    "probability",
    "threshold",
    "called",
    "codes",
    "uncertainty",
    *SCORES,
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle")
    parser.add_argument("out", type=Path)
    parser.add_argument("--fit", type=Path, help="dataset whose held-out studies the bundle is calibrated on first")
    parser.add_argument("--foreign", type=Path, help="folder of real radiographs; see real_radiographs()")
    parser.add_argument("--studies", type=int, default=360)
    parser.add_argument("--workers", type=int, help="processes that simulate; default: one a core")
    parser.add_argument("--seed", type=int, default=302)
    parser.add_argument("--twins", type=int, default=20, help="occult fractures that are simulated again without them")
    options = parser.parse_args()
    if options.fit:
        from fractureai.evaluation.calibrate import fit_reliability

        fit_reliability(options.bundle, Dataset.open(options.fit))
    table = options.out / "readings.csv"
    if not table.is_file():
        dataset = wrists(options.out / "wrists", options.studies, options.seed, options.workers)
        rows = list(read_all(Pipeline.load(options.bundle, threads=1), dataset, options.foreign))
        write_rows(table, rows)
    same = twins(options.studies, options.seed, options.twins)
    results = judge(read_rows(table), options.out)
    results["occult fractures whose images are those of the whole wrist"] = same
    (options.out / "uncertainty.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return 0


def wrists(folder: Path, studies: int, seed: int, workers: int | None) -> Dataset:
    """Return the simulated studies, made when they are not there."""
    if not (folder / "truth.json").is_file():
        return write_dataset(folder, studies=studies, seed=seed, config=CONFIG, workers=workers)
    return Dataset.open(folder)


def read_all(pipeline: Pipeline, dataset: Dataset, foreign: Path | None) -> Iterator[dict[str, Any]]:
    """Read the simulated wrists and everything that is none; yield one row a study."""
    groups: dict[str, list[Any]] = {}
    for row in dataset.radiographs:
        groups.setdefault(row.study, []).append(row)
    marks = dataset.reference_annotations()
    truth = json.loads((dataset.folder / "truth.json").read_text(encoding="utf-8"))["studies"]
    normal = []
    for number, study in enumerate(truth):
        # The view is given, as a technician would: what is judged is the reading, not the header.
        views = {row.id: marks[row.id].view for row in groups[study["study"]]}
        radiographs = [replace(dataset.read(row), view=views[row.id]) for row in groups[study["study"]]]
        severity = study["fractures"][0]["severity"] if study["fractures"] else ""
        facts = {"set": study["stratum"], "kind": "wrist", "patient": study["patient"], "label": study["label"]}
        yield {**facts, "severity": severity, **reading(pipeline.read(radiographs))}
        if study["stratum"] == "general" and not study["fractures"] and len(normal) < FOREIGN_OF_EACH_KIND:
            normal.append(radiographs)
        if number % 20 == 19:
            print(f"{number + 1} of {len(truth)} studies read", file=sys.stderr, flush=True)
    images = [*changed_wrists(normal), *no_radiographs(FOREIGN_OF_EACH_KIND)]
    images += list(real_radiographs(foreign)) if foreign else []
    for number, (kind, radiographs) in enumerate(images):
        facts = {"set": "foreign", "kind": kind, "patient": f"foreign {number}", "label": "", "severity": ""}
        yield {**facts, **reading(pipeline.read(list(radiographs)))}


def reading(prediction: Prediction) -> dict[str, Any]:
    """Return what is kept of a reading; scores are "" where nothing could be read or they are not defined."""
    codes = sorted({reason.code for reason in prediction.referrals})
    known = {**prediction.scores, "uncertainty": prediction.uncertainty}
    return {
        "read": int(prediction.uncertainty is not None),
        "probability": "" if prediction.probability is None else repr(prediction.probability),
        "threshold": repr(prediction.threshold),
        "called": int(prediction.decision == "positive"),
        "codes": " ".join(codes),
        **{key: "" if known.get(key) is None else repr(float(known[key])) for key in (*SCORES, "uncertainty")},
    }


def write_rows(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write the readings, all or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with partial.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    partial.replace(path)


def read_rows(path: Path) -> list[dict[str, str]]:
    """Read them again."""
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def twins(studies: int, seed: int, most: int) -> dict[str, int]:
    """Simulate wrists with an occult fracture once more without it, and count those whose every pixel is the same."""
    plans = (plan_study(index, seed, CONFIG) for index in range(studies))
    occult = [plan for plan in plans if plan.fractures and plan.fractures[0].severity == "occult"][:most]
    same = 0
    for plan in occult:
        pair = [simulate_plan(p, CONFIG).radiographs for p in (plan, replace(plan, fractures=()))]
        same += all(np.array_equal(one.image, other.image) for one, other in zip(*pair, strict=True))
    return {"simulated twice": len(occult), "the same": same}


if __name__ == "__main__":
    sys.exit(main())
