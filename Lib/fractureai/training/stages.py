"""One view: cache, localizer folds, regions, classifier folds."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.utils.tensorboard import SummaryWriter

from fractureai.dataset import Dataset
from fractureai.errors import FractureAIError, TrainingError
from fractureai.geometry import crop_roi, resize
from fractureai.radiograph import normalise
from fractureai.sites import Site, ViewProfile
from fractureai.training.cache import Cache, CacheItem, Facts, fill_cache
from fractureai.training.checkpoint import EpochRecord
from fractureai.training.classifier import ClassifierData, ClassifierTask, classify
from fractureai.training.curves import log_epoch, write_curve_png
from fractureai.training.export import (
    ClassifierGraph,
    LocalizerGraph,
    export_onnx,
    load_matching_weights,
    load_weights,
    save_weights,
)
from fractureai.training.localizer import LocalizerData, LocalizerTask, Located, locate
from fractureai.training.loop import fit_network
from fractureai.training.progress import Clock, TrainingProgress
from fractureai.training.recipe import FitRecipe, NetworkRecipe, Recipe, recipe_to_table
from fractureai.training.regions import region_mask, region_of_interest, with_context
from fractureai.training.samples import Sample, fold_of, has_all_landmarks, has_label
from fractureai.training.task import IntArray, Task


@dataclass(frozen=True)
class Run:
    """What all stages of a training share."""

    dataset: Dataset
    site: Site
    recipe: Recipe
    out: Path
    device: torch.device
    clock: Clock


@dataclass(frozen=True)
class TrainedStage:
    """The networks of one stage and view.

    Attributes:
        folders: one a fold, each with ``weights.safetensors`` and ``model.onnx``.
        networks: one a fold, in evaluation mode on the CPU.
        validation: one a fold: indices of the samples it did not see.
    """

    folders: tuple[Path, ...]
    networks: tuple[nn.Module, ...]
    validation: tuple[IntArray, ...]


@dataclass(frozen=True)
class TrainedView:
    """Both stages of one view, with what the thresholds and limits are made of.

    Attributes:
        localizer, classifier: the networks.
        located: landmarks of ``localizer_data`` by the fold that did not see the image (NaN where all did).
        localizer_data: images and landmarks.
        labels: (n,) 1 for the positive class, of the samples that were held out.
        probabilities: (n,) of the positive class, held out.
        problems: radiographs that were left out.
    """

    localizer: TrainedStage
    classifier: TrainedStage
    located: Located
    localizer_data: LocalizerData
    labels: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float64]
    problems: tuple[FractureAIError, ...]


def train_view(run: Run, view: ViewProfile, samples: Sequence[Sample]) -> TrainedView:
    """Train both stages of one view.

    Raises:
        TrainingError: too few usable samples, out of memory, or a checkpoint of another training.
    """
    by_id = {sample.row.id: sample for sample in samples}
    run.clock.text(f"{view.name}: preparing {len(samples)} images")
    whole = _whole_image_cache(run, view, samples)
    cached = [by_id[id_] for id_ in whole.ids]
    data, indices = _localizer_data(whole, cached, view)
    localizer = _train_localizer(run, view, data, [cached[i] for i in indices], whole)
    located = _held_out_landmarks(localizer, data, run)
    run.clock.text(f"{view.name}: cutting the regions of interest")
    everywhere = _locate_with_all(localizer, whole, run)
    regions = _region_cache(run, view, cached, everywhere, whole)
    classifier_data, chosen = _classifier_data(run, view, regions, by_id, dict(zip(whole.ids, everywhere, strict=True)))
    classifier = _train_classifier(run, view, classifier_data, chosen, regions)
    held_out = np.concatenate(classifier.validation)
    probabilities = _held_out_probabilities(classifier, classifier_data, run)
    positive = run.site.classes.index(run.site.positive_class)
    labels = (classifier_data.labels[held_out] == positive).astype(np.int64)
    return TrainedView(
        localizer, classifier, located, data, labels, probabilities[:, positive], (*whole.problems, *regions.problems)
    )


def _whole_image_cache(run: Run, view: ViewProfile, samples: Sequence[Sample]) -> Cache:
    size = run.recipe.localizer.input_px

    def item(sample: Sample) -> CacheItem:
        def make() -> tuple[npt.NDArray[np.float32], Facts]:
            radiograph = run.dataset.read(sample.row)
            spacing = radiograph.spacing_mm or (float("nan"), float("nan"))
            return resize(normalise(radiograph.pixels), (size, size)), (*radiograph.shape, *spacing)

        return CacheItem(sample.row.id, f"whole {_file_state(run.dataset, sample)}", make)

    return fill_cache(run.out / "cache", f"{view.name}-whole", [item(sample) for sample in samples], size)


def _region_cache(
    run: Run, view: ViewProfile, samples: Sequence[Sample], landmarks: npt.NDArray[np.float64], whole: Cache
) -> Cache:
    context = run.recipe.classifier.context
    size = _context_px(view, context)

    def item(sample: Sample, points: npt.NDArray[np.float64], facts: npt.NDArray[np.float64]) -> CacheItem:
        def make() -> tuple[npt.NDArray[np.float32], Facts]:
            radiograph = run.dataset.read(sample.row)
            roi = with_context(region_of_interest(points * facts[:2] - 0.5, view, radiograph.spacing_mm), context)
            spacing = radiograph.spacing_mm or (float("nan"), float("nan"))
            return crop_roi(normalise(radiograph.pixels), roi, size), (*radiograph.shape, *spacing)

        content = f"region {_file_state(run.dataset, sample)} {view} {context} {np.round(points, 6).tolist()}"
        return CacheItem(sample.row.id, content, make)

    items = [item(*triple) for triple in zip(samples, landmarks, whole.facts, strict=True)]
    return fill_cache(run.out / "cache", f"{view.name}-regions", items, size)


def _file_state(dataset: Dataset, sample: Sample) -> str:
    """Return what changes when the file does: the hash at import, and size and time of the file now."""
    path = dataset.image_path(sample.row)
    stat = path.stat() if path.is_file() else None
    return f"{sample.row.sha256} {stat.st_size if stat else 0} {stat.st_mtime_ns if stat else 0}"


def _context_px(view: ViewProfile, context: float) -> int:
    return round(view.roi_size_px * context / 2) * 2


def _localizer_data(whole: Cache, cached: Sequence[Sample], view: ViewProfile) -> tuple[LocalizerData, IntArray]:
    """Return the images whose landmarks are all placed, and their indices in the cache."""
    indices = np.array([i for i, sample in enumerate(cached) if has_all_landmarks(sample, view)], dtype=np.int64)
    if not len(indices):
        raise TrainingError(
            f"View {view.name} has no radiograph with all landmarks; place {', '.join(view.landmark_names)}."
        )
    shapes, spacings = whole.facts[indices, :2], whole.facts[indices, 2:]
    points = np.array([[cached[i].landmarks[name] for name in view.landmark_names] for i in indices], dtype=float)
    images = whole.images if len(indices) == len(whole.images) else whole.images[indices]
    return LocalizerData(images, (points + 0.5) / shapes[:, None], shapes * spacings), indices


def _classifier_data(
    run: Run,
    view: ViewProfile,
    regions: Cache,
    by_id: dict[str, Sample],
    landmarks: dict[str, npt.NDArray[np.float64]],
) -> tuple[ClassifierData, list[Sample]]:
    classes, context = run.site.classes, run.recipe.classifier.context
    indices = [i for i, id_ in enumerate(regions.ids) if has_label(by_id[id_], classes)]
    chosen = [by_id[regions.ids[i]] for i in indices]
    labels = np.array([classes.index(str(sample.annotation.label)) for sample in chosen], dtype=np.int64)
    if len(set(labels.tolist())) < 2:
        raise TrainingError(
            f"View {view.name} needs labelled radiographs of at least two classes ({', '.join(classes)})."
        )
    size = _context_px(view, context)
    masks = np.zeros((len(chosen), size, size), dtype=bool)
    known = np.zeros(len(chosen), dtype=bool)
    for number, (index, sample) in enumerate(zip(indices, chosen, strict=True)):
        marked = [region for region in sample.annotation.regions if region.kind == run.site.positive_class]
        known[number] = bool(marked) or sample.annotation.label != run.site.positive_class
        if marked:
            rows, cols, row_mm, col_mm = regions.facts[index]
            spacing = (float(row_mm), float(col_mm)) if np.isfinite(row_mm) else None
            points = landmarks[sample.row.id] * (rows, cols) - 0.5
            masks[number] = region_mask(marked, with_context(region_of_interest(points, view, spacing), context), size)
    images = regions.images if len(indices) == len(regions.images) else regions.images[indices]
    return ClassifierData(images, labels, masks, known, view.roi_size_px), chosen


def _train_localizer(
    run: Run, view: ViewProfile, data: LocalizerData, samples: Sequence[Sample], whole: Cache
) -> TrainedStage:
    mean, std = whole.mean_and_std()

    def make_task(training: IntArray, validation: IntArray, seed: int) -> Task:
        return LocalizerTask(run.recipe.localizer, data, training, validation, seed)

    content = f"{whole.key} {hashlib.sha256(data.landmarks.tobytes()).hexdigest()}"
    stage = _Stage("localizer", run.recipe.localizer.network, run.recipe.localizer.fit, make_task, content, (mean, std))
    trained = _train_folds(run, view, stage, samples)
    for folder, network in zip(trained.folders, trained.networks, strict=True):
        _export_once(LocalizerGraph(network), run.recipe.localizer.input_px, folder)
    return trained


def _train_classifier(
    run: Run, view: ViewProfile, data: ClassifierData, samples: Sequence[Sample], regions: Cache
) -> TrainedStage:
    recipe, classes = run.recipe.classifier, run.site.classes
    positive = classes.index(run.site.positive_class)

    def make_task(training: IntArray, validation: IntArray, seed: int) -> Task:
        return ClassifierTask(recipe, data, training, validation, seed, len(classes), positive)

    marks = hashlib.sha256(data.labels.tobytes() + np.packbits(data.masks).tobytes()).hexdigest()
    stage = _Stage(
        "classifier", recipe.network, recipe.fit, make_task, f"{regions.key} {marks}", regions.mean_and_std()
    )
    trained = _train_folds(run, view, stage, samples)
    for folder, network in zip(trained.folders, trained.networks, strict=True):
        _export_once(ClassifierGraph(network), recipe.window_px, folder)
    return trained


@dataclass(frozen=True)
class _Stage:
    name: str
    network: NetworkRecipe
    fit: FitRecipe
    make_task: Callable[[IntArray, IntArray, int], Task]
    content: str
    standardization: tuple[float, float]


def _train_folds(run: Run, view: ViewProfile, stage: _Stage, samples: Sequence[Sample]) -> TrainedStage:
    held_out = np.array([fold_of(sample, run.recipe.folds) for sample in samples])
    folders, networks, validations = [], [], []
    for fold in range(run.recipe.folds):
        training, validation = np.flatnonzero(held_out != fold), np.flatnonzero(held_out == fold)
        folder = run.out / "runs" / view.name / f"{stage.name}_{fold}"
        networks.append(_train_fold(run, view, stage, fold, folder, training, validation))
        folders.append(folder)
        validations.append(validation)
    return TrainedStage(tuple(folders), tuple(networks), tuple(validations))


def _train_fold(
    run: Run, view: ViewProfile, stage: _Stage, fold: int, folder: Path, training: IntArray, validation: IntArray
) -> nn.Module:
    seed = _seed(run.recipe.seed, view.name, stage.name, fold)
    task = stage.make_task(training, validation, seed)
    task.network.standardize_by(*stage.standardization)  # type: ignore[operator]
    if stage.network.weights:
        load_matching_weights(task.network, Path(stage.network.weights))
    key = _key(run, stage, seed, training, validation)
    done = folder / "done.json"
    units = float(stage.fit.epochs * len(training))
    if done.is_file() and json.loads(done.read_text(encoding="utf-8")) == {"key": key}:
        load_weights(task.network, folder / "weights.safetensors")
        run.clock.skip(units)
        return task.network.eval()
    title = f"{view.name} {stage.name}" + (f", fold {fold + 1} of {run.recipe.folds}" if run.recipe.folds > 1 else "")
    with SummaryWriter(str(folder / "tensorboard")) as writer:

        def on_epoch(record: EpochRecord, earlier: bool) -> None:
            _report(run.clock, record, stage, len(training), title, task.metric_name, earlier=earlier)
            if not earlier:
                log_epoch(writer, record, task.metric_name)

        result = fit_network(task, stage.fit, folder, key, seed, run.device, on_epoch)
    run.clock.skip(units * (1 - len(result.history) / stage.fit.epochs))
    write_curve_png(folder / "curve.png", result.history, title, task.metric_name)
    save_weights(result.network, folder / "weights.safetensors")
    (folder / "model.onnx").unlink(missing_ok=True)
    done.write_text(json.dumps({"key": key}), encoding="utf-8")
    return result.network


def _report(
    clock: Clock, record: EpochRecord, stage: _Stage, images: int, title: str, metric_name: str, *, earlier: bool
) -> None:
    if earlier:
        clock.skip(images)
    else:
        clock.advance(images)
    figures = {"loss": record.loss, "validation_loss": record.validation_loss, "metric": record.metric}
    clock.say(
        TrainingProgress(title, 0.0, epoch=record.epoch, epochs=stage.fit.epochs, metric_name=metric_name, **figures)
    )


def _export_once(graph: LocalizerGraph | ClassifierGraph, size_px: int, folder: Path) -> None:
    path = folder / "model.onnx"
    if not path.is_file():
        partial = folder / "model.partial.onnx"
        export_onnx(graph, size_px, partial)
        partial.replace(path)


def _locate_with_all(localizer: TrainedStage, whole: Cache, run: Run) -> npt.NDArray[np.float64]:
    """Return the mean of all folds' landmarks, as inference does."""
    amp = run.recipe.localizer.fit.amp
    networks = [network.to(run.device) for network in localizer.networks]
    found = [locate(network, whole.images, run.device, amp=amp).landmarks for network in networks]
    return np.asarray(np.mean(found, axis=0))


def _held_out_landmarks(localizer: TrainedStage, data: LocalizerData, run: Run) -> Located:
    landmarks = np.full(data.landmarks.shape, np.nan)
    spread = np.full(data.landmarks.shape[:2], np.nan)
    for network, indices in zip(localizer.networks, localizer.validation, strict=True):
        if len(indices):
            found = locate(network.to(run.device), data.images[indices], run.device, amp=run.recipe.localizer.fit.amp)
            landmarks[indices], spread[indices] = found.landmarks, found.spread
    return Located(landmarks, spread)


def _held_out_probabilities(classifier: TrainedStage, data: ClassifierData, run: Run) -> npt.NDArray[np.float64]:
    results = [
        classify(network.to(run.device), data, indices, run.recipe.classifier, run.device)
        for network, indices in zip(classifier.networks, classifier.validation, strict=True)
        if len(indices)
    ]
    return np.concatenate(results) if results else np.zeros((0, len(run.site.classes)))


def _seed(seed: int, view: str, stage: str, fold: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed} {view} {stage} {fold}".encode()).digest()[:6], "big")


def _key(run: Run, stage: _Stage, seed: int, training: IntArray, validation: IntArray) -> str:
    """Hash everything that decides the weights."""
    table: dict[str, Any] = recipe_to_table(run.recipe)[stage.name]
    facts = [table, stage.content, seed, training.tolist(), validation.tolist(), run.device.type, platform.machine()]
    weights = Path(stage.network.weights)
    if stage.network.weights and weights.is_file():
        facts.append(hashlib.sha256(weights.read_bytes()).hexdigest())
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
