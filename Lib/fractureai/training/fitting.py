"""The networks of one stage and view: one a fold, or one a member of an ensemble."""

from __future__ import annotations

import contextlib
import hashlib
import json
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.tensorboard import SummaryWriter

from fractureai.dataset import Dataset
from fractureai.networks.weights import load_initial_weights
from fractureai.sites import Site, ViewProfile
from fractureai.training.checkpoint import EpochRecord
from fractureai.training.curves import log_epoch, write_curve_png
from fractureai.training.execution import Execution, choose_execution
from fractureai.training.export import (
    ClassifierGraph,
    LocalizerGraph,
    export_onnx,
    load_weights,
    save_weights,
)
from fractureai.training.feed import Feed
from fractureai.training.loop import FitTarget, fit_network
from fractureai.training.progress import Clock, TrainingProgress
from fractureai.training.ranks import ALONE, Ranks
from fractureai.training.recipe import FitRecipe, NetworkRecipe, Recipe, member_seed, recipe_to_table
from fractureai.training.samples import Sample, fold_of
from fractureai.training.task import IntArray, Task

LOCALIZER, CLASSIFIER = "localizer", "classifier"


@dataclass(frozen=True)
class Run:
    """What all stages of a training share."""

    dataset: Dataset
    site: Site
    recipe: Recipe
    out: Path
    device: torch.device
    clock: Clock
    ranks: Ranks = ALONE
    resident: bool | None = None

    def execution(self, fit: FitRecipe) -> Execution:
        """Return how the steps of a fit are computed."""
        return choose_execution(fit, self.device, self.ranks)


@dataclass(frozen=True)
class TrainedStage:
    """The networks of one stage and view.

    Attributes:
        folders: one a fold or member, each with ``weights.safetensors`` and ``model.onnx``.
        networks: one a fold or member, in evaluation mode.
        validation: one a fold or member: indices of the samples it did not see.
    """

    folders: tuple[Path, ...]
    networks: tuple[nn.Module, ...]
    validation: tuple[IntArray, ...]


@dataclass(frozen=True)
class Stage:
    """One stage of one view, ready to be trained.

    Attributes:
        name: ``localizer`` or ``classifier``.
        network, fit: of the recipe.
        make_task: makes the task from the indices of training and validation samples and a seed.
        make_graph: makes what is exported.
        input_px: side of the exported network's input.
        feed: the data.
        content: hash of the data.
        standardization: mean and standard deviation of the images.
    """

    name: str
    network: NetworkRecipe
    fit: FitRecipe
    make_task: Callable[[IntArray, IntArray, int], Task]
    make_graph: Callable[[nn.Module], LocalizerGraph | ClassifierGraph]
    input_px: int
    feed: Feed
    content: str
    standardization: tuple[float, float]


@dataclass(frozen=True)
class _Part:
    """One network to train: fold or member ``number`` of ``count``."""

    number: int
    count: int
    training: IntArray
    validation: IntArray
    seed: int
    title: str


def network_count(recipe: Recipe, stage: str) -> int:
    """Return the number of networks of a stage and view.

    Members of an ensemble are classifiers: they share one localizer, so that they differ in what they say about the
    same region of interest.
    """
    return recipe.members if stage == CLASSIFIER and recipe.folds == 1 else recipe.folds


def train_stage(run: Run, view: ViewProfile, stage: Stage, samples: Sequence[Sample]) -> TrainedStage:
    """Train and export the networks of a stage that are not there yet.

    Raises:
        TrainingError: see `fit_network`.
    """
    folders, networks, validations = [], [], []
    for part in _parts(run.recipe, view, stage.name, samples):
        folder = run.out / "runs" / view.name / f"{stage.name}_{part.number}"
        network = _train_network(run, stage, part, folder)
        if run.ranks.first:
            _export_once(stage.make_graph(network), stage.input_px, folder)
        networks.append(network)
        folders.append(folder)
        validations.append(part.validation)
    run.ranks.wait()
    return TrainedStage(tuple(folders), tuple(networks), tuple(validations))


def _parts(recipe: Recipe, view: ViewProfile, stage: str, samples: Sequence[Sample]) -> list[_Part]:
    held_out = np.array([fold_of(sample, recipe.folds) for sample in samples])
    count = network_count(recipe, stage)
    parts = []
    for number in range(count):
        fold = number if recipe.folds > 1 else 0
        training, validation = np.flatnonzero(held_out != fold), np.flatnonzero(held_out == fold)
        members = recipe.folds == 1 and count > 1
        seed = member_seed(recipe, number) if members else _seed(recipe.seed, view.name, stage, number)
        title = f"{view.name} {stage}"
        if count > 1:
            title += f", {'member' if members else 'fold'} {number + 1} of {count}"
        parts.append(_Part(number, count, training, validation, seed, title))
    return parts


def _train_network(run: Run, stage: Stage, part: _Part, folder: Path) -> nn.Module:
    task = stage.make_task(part.training, part.validation, part.seed)
    task.network.standardize_by(*stage.standardization)  # type: ignore[operator]
    if stage.network.weights:
        load_initial_weights(task.network, Path(stage.network.weights))
    key = _key(run, stage, part)
    done = folder / "done.json"
    units = float(stage.fit.epochs * len(part.training))
    if run.ranks.agree(done.is_file() and json.loads(done.read_text(encoding="utf-8")) == {"key": key}):
        load_weights(task.network, folder / "weights.safetensors")
        run.clock.skip(units)
        return task.network.eval()
    execution = run.execution(stage.fit)
    with SummaryWriter(str(folder / "tensorboard")) if run.ranks.first else contextlib.nullcontext() as writer:

        def on_epoch(record: EpochRecord, earlier: bool) -> None:
            _report(run.clock, record, stage, part, task.metric_name, earlier=earlier)
            if writer is not None and not earlier:
                log_epoch(writer, record, task.metric_name)

        target = FitTarget(folder, key, part.seed)
        result = fit_network(task, stage.fit, stage.feed, execution, target, on_epoch)
    run.clock.skip(units * (1 - len(result.history) / stage.fit.epochs))
    if run.ranks.first:
        write_curve_png(folder / "curve.png", result.history, part.title, task.metric_name)
        save_weights(result.network, folder / "weights.safetensors")
        (folder / "model.onnx").unlink(missing_ok=True)
        done.write_text(json.dumps({"key": key}), encoding="utf-8")
    return result.network


def _report(clock: Clock, record: EpochRecord, stage: Stage, part: _Part, metric_name: str, *, earlier: bool) -> None:
    if earlier:
        clock.skip(len(part.training))
    else:
        clock.advance(len(part.training))
    clock.say(
        TrainingProgress(
            part.title,
            0.0,
            epoch=record.epoch,
            epochs=stage.fit.epochs,
            loss=record.loss,
            validation_loss=record.validation_loss,
            metric=record.metric,
            metric_name=metric_name,
            images_per_second=record.images_per_second,
            waiting=record.waiting,
        )
    )


def _export_once(graph: LocalizerGraph | ClassifierGraph, size_px: int, folder: Path) -> None:
    path = folder / "model.onnx"
    if not path.is_file():
        partial = folder / "model.partial.onnx"
        export_onnx(graph, size_px, partial)
        partial.replace(path)


def _seed(seed: int, view: str, stage: str, fold: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed} {view} {stage} {fold}".encode()).digest()[:6], "big")


def _key(run: Run, stage: Stage, part: _Part) -> str:
    """Hash everything that decides the weights, but not the number of processes: another number may go on."""
    table: dict[str, Any] = recipe_to_table(run.recipe)[stage.name]
    samples = [part.training.tolist(), part.validation.tolist()]
    facts = [table, stage.content, part.seed, *samples, run.device.type, platform.machine()]
    weights = Path(stage.network.weights)
    if stage.network.weights and weights.is_file():
        facts.append(hashlib.sha256(weights.read_bytes()).hexdigest())
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
