"""Measure training steps: python scripts/benchmarks/bench_train.py [--device auto] [--recipe deepwrist | --tiny] ...

For the localizer and the classifier of a recipe: images a second in eager float32, with channels last, with bfloat16,
and compiled, each with the data in device memory; the fastest also with batches fetched ahead by a thread. A step is
gather, augmentation, mixup, forward, backward and optimizer, as in training. The images are noise: their content does
not change the time. The share of the time without data and that of the augmentation are the device's (CUDA events).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import platform
import time
from pathlib import Path

import numpy as np
import torch

from fractureai.training.classifier import ClassifierData, ClassifierTask
from fractureai.training.device import choose_device, supports_fast_bfloat16
from fractureai.training.execution import Execution
from fractureai.training.feed import Feed
from fractureai.training.localizer import LocalizerData, LocalizerTask
from fractureai.training.recipe import FitRecipe, NetworkRecipe, Recipe, load_recipe
from fractureai.training.state import TrainingState
from fractureai.training.step import Stepper
from fractureai.training.stopwatch import Stopwatch
from fractureai.training.task import Task

LANDMARKS, CLASSES, POSITIVE, REGION_PX = 3, 2, 1, 256


@dataclasses.dataclass(frozen=True)
class Case:
    """One line of the table."""

    name: str
    execution: Execution
    resident: bool


def main() -> None:
    options = _options()
    device = choose_device(options.device)
    recipe = _tiny(load_recipe("deepwrist")) if options.tiny else load_recipe(options.recipe)
    cases = _cases(device, options.skip)
    print(f"{_machine(device)}; recipe {recipe.name}, {options.steps} steps after {options.warmup}")
    rows = []
    for stage in options.stages:
        rows += _measure_stage(stage, recipe, cases, options)
    if options.json:
        options.json.write_text(json.dumps({"machine": _machine(device), "rows": rows}, indent=1), encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--recipe", default="deepwrist")
    parser.add_argument("--tiny", action="store_true", help="the recipe on small networks and images: for CPUs")
    parser.add_argument("--batch-size", type=int, default=0, help="instead of the recipe's")
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--warmup", type=int, default=3)
    parser.add_argument("--stages", nargs="+", default=["localizer", "classifier"])
    parser.add_argument("--skip", nargs="+", default=[], help="lines to leave out, for example compiled")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    return parser.parse_args()


def _cases(device: torch.device, skip: list[str]) -> list[Case]:
    eager = Execution(device, channels_last=False)
    last = dataclasses.replace(eager, channels_last=True)
    low = dataclasses.replace(last, bfloat16=True)
    compiled = dataclasses.replace(low, compiled=True)
    cases = [Case("eager float32", eager, True), Case("channels last", last, True)]
    if supports_fast_bfloat16(device):
        cases.append(Case("bfloat16", low, True))
    cases.append(Case("compiled", dataclasses.replace(compiled, bfloat16=supports_fast_bfloat16(device)), True))
    cases = [case for case in cases if case.name not in skip]
    return [*cases, Case("fetched ahead", cases[-1].execution, False)]


def _measure_stage(
    stage: str, recipe: Recipe, cases: list[Case], options: argparse.Namespace
) -> list[dict[str, object]]:
    part = getattr(recipe, stage)
    fit = dataclasses.replace(part.fit, batch_size=options.batch_size or part.fit.batch_size)
    print(f"\n{stage}: {part.network.name}, batch {fit.batch_size}")
    print(f"  {'':<16}{'images/s':>10}{'ratio':>8}{'waiting':>9}{'augmenting':>12}{'GiB':>7}")
    rows: list[dict[str, object]] = []
    for case in cases:
        speed, waiting, augmenting, memory = _measure(stage, recipe, fit, case, options)
        ratio = speed / float(str(rows[0]["images_per_second"])) if rows else 1.0
        print(
            f"  {case.name:<16}{speed:>10.2f}{ratio:>8.2f}{waiting:>9.1%}{augmenting:>12.1%}{memory:>7.1f}", flush=True
        )
        rows.append({"stage": stage, "case": case.name, "how": case.execution.describe(), "images_per_second": speed})
        rows[-1] |= {"ratio": ratio, "waiting": waiting, "augmenting": augmenting, "gib": memory}
    return rows


def _measure(
    stage: str, recipe: Recipe, fit: FitRecipe, case: Case, options: argparse.Namespace
) -> tuple[float, float, float, float]:
    """Return images a second, the shares of waiting and augmenting, and the most device memory in GiB (CUDA)."""
    device = case.execution.device
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    task, feed = _task(stage, recipe, options.images, case)
    state = TrainingState(task.network, fit, options.steps, case.execution)
    state.network.train()
    for parameter in task.unused_parameters():
        parameter.requires_grad_(False)
    stepper, rng = Stepper(task, fit, state, case.execution), np.random.default_rng(0)
    batches = [rng.integers(0, options.images, fit.batch_size) for _ in range(options.warmup + options.steps)]
    watch = Stopwatch(device)
    for number, rows in enumerate(feed.batches(batches)):
        if number == options.warmup:
            watch = Stopwatch(device)
        watch.mark("wait")
        stepper.step(rows, fit.batch_size, rng, watch, complete=True)
        state.update(fit)
        watch.mark("compute")
    spent = watch.seconds()
    total = sum(spent.values())
    memory = torch.cuda.max_memory_allocated(device) / 2**30 if device.type == "cuda" else 0.0
    return options.steps * fit.batch_size / total, spent["wait"] / total, spent["augment"] / total, memory


def _task(stage: str, recipe: Recipe, count: int, case: Case) -> tuple[Task, Feed]:
    rng, nobody = np.random.default_rng(1), np.zeros(0, np.int64)
    device, resident = case.execution.device, case.resident
    if stage == "localizer":
        size = recipe.localizer.input_px
        images = rng.integers(0, 65536, (count, size, size), dtype=np.uint16)
        places = LocalizerData(images, rng.uniform(0.3, 0.7, (count, LANDMARKS, 2)), np.full((count, 2), 200.0))
        return LocalizerTask(recipe.localizer, places, nobody, nobody, 1), places.feed(device, resident=resident)
    size = round(REGION_PX * recipe.classifier.context / 2) * 2
    images = rng.integers(0, 65536, (count, size, size), dtype=np.uint16)
    masks = np.zeros((count, size, size), dtype=bool)
    regions = ClassifierData(images, np.arange(count) % CLASSES, masks, np.zeros(count, dtype=bool), REGION_PX)
    task = ClassifierTask(recipe.classifier, regions, nobody, nobody, 1, CLASSES, POSITIVE)
    return task, regions.feed(device, resident=resident)


def _tiny(recipe: Recipe) -> Recipe:
    """Return the recipe on networks that a CPU trains."""
    localizer = dataclasses.replace(
        recipe.localizer, input_px=64, network=NetworkRecipe("hourglass", {"width": 16, "depth": 2, "dropout": 0.25})
    )
    classifier = dataclasses.replace(
        recipe.classifier, network=NetworkRecipe("small_cnn", {"widths": [16, 32, 32], "dropout": 0.5})
    )
    return dataclasses.replace(recipe, name="tiny", localizer=localizer, classifier=classifier)


def _machine(device: torch.device) -> str:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    threads = "" if device.type == "cuda" else f", {torch.get_num_threads()} threads"
    return f"{time.strftime('%Y-%m-%d')}, {name}{threads}, PyTorch {torch.__version__}"


if __name__ == "__main__":
    main()
