"""DeepWrist in full on simulated studies, by one command: simulate, train, calibrate, evaluate, write down.

    python scripts/train_deepwrist_phantoms.py OUT [--studies 2000]
    torchrun --nproc-per-node 2 scripts/train_deepwrist_phantoms.py OUT
    python scripts/train_deepwrist_phantoms.py OUT --tiny        (a CPU, minutes: shows that all parts fit together)

Run again with the same arguments it goes on where it stopped. ``OUT/result.md`` then holds date, hardware, speed and
the figures of the general and the hard stratum, for the documentation; ``OUT/report`` the whole report.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import os
import platform
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from fractureai.bundle import load_bundle
from fractureai.dataset import Dataset, make_splits
from fractureai.errors import EvaluationError, FractureAIError
from fractureai.phantom import write_dataset
from fractureai.training.progress import TrainingProgress
from fractureai.training.ranks import Ranks, join_ranks
from fractureai.training.recipe import NetworkRecipe, Recipe, load_recipe

if TYPE_CHECKING:
    from fractureai.evaluation import Evaluation

STUDIES, SEED = 2000, 2021
TINY_STUDIES, TINY_PIXELS = 40, 192
COLUMNS = ("auroc", "aupr", "sensitivity", "specificity", "precision", "f1", "balanced_accuracy")
STRATA = ("general", "hard")


def main() -> int:
    options = _options()
    from fractureai.training.device import choose_device

    try:
        with join_ranks(options.device) as ranks:
            if ranks.size == 1:
                choose_device(options.device)  # before hours of simulation
            dataset = ranks.in_turn(lambda: _dataset(options))
            recipe = _tiny(load_recipe("deepwrist")) if options.tiny else load_recipe("deepwrist", options.variant)
            bundle = _train(dataset, recipe, options, ranks)
        if ranks.first:
            evaluation = _evaluate(dataset, bundle, options.out / "report", _calibrate(dataset, bundle))
            text = _markdown(recipe, evaluation, options)
            (options.out / "result.md").write_text(text, encoding="utf-8")
            print(text)
    except FractureAIError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder of everything that is made")
    parser.add_argument("--studies", type=int, default=0, help=f"default {STUDIES}; with --tiny {TINY_STUDIES}")
    parser.add_argument("--variant", default="", help="of the recipe, for example as-published")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--tiny", action="store_true", help="small images and networks, two epochs")
    options = parser.parse_args()
    options.studies = options.studies or (TINY_STUDIES if options.tiny else STUDIES)
    return options


def _dataset(options: argparse.Namespace) -> Dataset:
    folder = options.out / f"phantoms-{options.studies}"
    if (folder / "truth.json").is_file():
        dataset = Dataset.open(folder)
    else:
        shutil.rmtree(folder, ignore_errors=True)
        _say(f"simulating {options.studies} studies")
        pixels = TINY_PIXELS if options.tiny else None
        dataset = write_dataset(folder, studies=options.studies, seed=SEED, pixels=pixels)
    if not dataset.splits:
        make_splits(dataset, folds=5, seed=SEED)
    return dataset


def _tiny(recipe: Recipe) -> Recipe:
    """Return the recipe on small networks: the same augmentation, losses and course, shortened."""
    localizer_fit = dataclasses.replace(recipe.localizer.fit, epochs=2, milestones=(1,), batch_size=8)
    classifier_fit = dataclasses.replace(
        recipe.classifier.fit, epochs=2, milestones=(1,), batch_size=8, head_only_epochs=1
    )
    localizer = dataclasses.replace(
        recipe.localizer,
        input_px=64,
        network=NetworkRecipe("hourglass", {"width": 8, "depth": 2, "dropout": 0.25}),
        fit=localizer_fit,
    )
    classifier = dataclasses.replace(
        recipe.classifier, network=NetworkRecipe("small_cnn", {"widths": [8, 16, 16]}), fit=classifier_fit
    )
    return dataclasses.replace(recipe, name="deepwrist-tiny", folds=5, localizer=localizer, classifier=classifier)


def _train(dataset: Dataset, recipe: Recipe, options: argparse.Namespace, ranks: Ranks) -> Path:
    from fractureai.training.train import train

    out = options.out / "training"
    stamp, key = out / "trained.json", {"recipe": recipe.name, "variant": recipe.variant, "studies": options.studies}
    if ranks.agree(stamp.is_file() and json.loads(stamp.read_text(encoding="utf-8")) == key):
        return out / "bundle"  # it was calibrated since, perhaps
    command = "python scripts/train_deepwrist_phantoms.py OUT" + (" --tiny" if options.tiny else "")
    bundle = train(dataset.folder, out, recipe, device=options.device, progress=_report, command=command, ranks=ranks)
    if ranks.first:
        stamp.write_text(json.dumps(key), encoding="utf-8")
    return bundle


def _calibrate(dataset: Dataset, bundle: Path) -> str:
    """Calibrate unless that is done; return a sentence where there are too few studies for it."""
    from fractureai.evaluation.calibrate import fit_reliability

    if load_bundle(bundle).spec.reliability is None:
        _say("calibrating on held-out studies")
        try:
            fit_reliability(bundle, dataset)
        except EvaluationError as error:
            return f"Not calibrated: {error}"
    return ""


def _evaluate(dataset: Dataset, bundle: Path, report: Path, problem: str) -> Evaluation:
    from fractureai.evaluation import read_split, write_split_report
    from fractureai.inference import Pipeline

    _say(problem or "calibrated")
    _say("reading the test split")
    pipeline = Pipeline.load(bundle)
    reading = read_split(dataset, pipeline.read, split="test")
    today = datetime.date.today().isoformat()
    evaluation, _ = write_split_report(dataset, pipeline.bundle, reading, "test", report, created=today)
    return evaluation


def _markdown(recipe: Recipe, evaluation: Evaluation, options: argparse.Namespace) -> str:
    """Return date, hardware, speed and figures."""
    kind = "shortened to small networks: its figures say nothing" if options.tiny else "in full"
    variant = f", variant {recipe.variant}" if recipe.variant else ""
    lines = [
        f"## DeepWrist on {options.studies} simulated studies{variant}",
        "",
        f"{datetime.date.today().isoformat()}; {_machine()}. Recipe {recipe.name} {kind}. Simulated images; not for "
        "clinical use.",
        "",
        "| stratum | n | fractures | " + " | ".join(name.replace("_", " ") for name in COLUMNS) + " |",
        "|---" * (len(COLUMNS) + 3) + "|",
    ]
    for row in evaluation.strata:
        if row.name in STRATA and row.n:
            shown = [str(row.estimates[name]) for name in COLUMNS]
            lines.append(f"| {row.title} | {row.n} | {row.n_positive} | " + " | ".join(shown) + " |")
    if evaluation.landmarks:
        found = evaluation.landmarks[0].result
        lines += ["", f"Landmarks within 5 mm: {found.recall[5.0]} of {found.n_points}."]
    lines += ["", "| networks | training (min) | images/s | waiting for data | augmenting | how |", "|---" * 6 + "|"]
    return "\n".join([*lines, *_speed_rows(options.out / "training" / "runs"), ""])


def _speed_rows(runs: Path) -> list[str]:
    """Return a row a view and stage: the mean of all epochs after the first of each network."""
    rows = []
    for folder in sorted(
        {path.parent.parent / path.parent.name.rsplit("_", 1)[0] for path in runs.glob("*/*/history.json")}
    ):
        histories = [json.loads(path.read_text()) for path in folder.parent.glob(f"{folder.name}_*/history.json")]
        epochs = [epoch for history in histories for epoch in (history[1:] or history)]
        minutes = sum(epoch["seconds"] for history in histories for epoch in history) / 60

        def mean(name: str, epochs: list[dict[str, float]] = epochs) -> float:
            return sum(epoch[name] for epoch in epochs) / len(epochs)

        shares = f"{mean('waiting'):.1%} | {mean('augmenting'):.1%}"
        name = f"{folder.parent.name} {folder.name} ({len(histories)})"
        rows.append(f"| {name} | {minutes:.1f} | {mean('images_per_second'):.0f} | {shares} | {epochs[-1]['how']} |")
    return rows


def _machine() -> str:
    import torch

    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    cpu = next(
        (line.split(":")[1].strip() for line in _lines(Path("/proc/cpuinfo")) if line.startswith("model name")),
        platform.processor(),
    )
    return f"{', '.join(gpus) or 'no GPU'}; {os.cpu_count()} cores, {cpu}; PyTorch {torch.__version__}"


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.is_file() else []


_said = [0.0]


def _report(message: TrainingProgress) -> None:
    if message.epoch and time.monotonic() - _said[0] < 10 and message.epoch != message.epochs:
        return
    _said[0] = time.monotonic()
    left = "" if message.seconds_left is None else f", {message.seconds_left / 60:.0f} min left"
    epoch = f", epoch {message.epoch} of {message.epochs}, {message.speed}" if message.epoch else ""
    _say(f"{message.fraction:.0%} {message.text}{epoch}{left}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
