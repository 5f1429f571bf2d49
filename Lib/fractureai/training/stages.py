"""One view: cache, localizers, regions of interest, classifiers."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from fractureai.dataset import Dataset
from fractureai.errors import FractureAIError, TrainingError
from fractureai.geometry import crop_roi, resize
from fractureai.radiograph import normalise
from fractureai.sites import ViewProfile
from fractureai.training.cache import Cache, CacheItem, Facts, fill_cache
from fractureai.training.classifier import ClassifierData, ClassifierTask, classify
from fractureai.training.export import ClassifierGraph, LocalizerGraph
from fractureai.training.feed import Feed
from fractureai.training.fitting import CLASSIFIER, LOCALIZER, Run, Stage, TrainedStage, train_stage
from fractureai.training.localizer import LocalizerData, LocalizerTask, Located, locate
from fractureai.training.regions import region_mask, region_of_interest, with_context
from fractureai.training.samples import Sample, has_all_landmarks, has_label
from fractureai.training.task import IntArray, Task


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
    whole = run.ranks.in_turn(lambda: _whole_image_cache(run, view, samples))
    cached = [by_id[id_] for id_ in whole.ids]
    data, indices = _localizer_data(whole, cached, view)
    feed = data.feed(run.device, resident=run.resident)
    localizer = _train_localizer(run, view, data, feed, [cached[i] for i in indices], whole)
    located = _held_out_landmarks(localizer, data, feed, run)
    del feed  # its memory is needed by the next
    run.clock.text(f"{view.name}: cutting the regions of interest")
    everywhere = _locate_with_all(localizer, whole, run)
    regions = run.ranks.in_turn(lambda: _region_cache(run, view, cached, everywhere, whole))
    places = dict(zip(whole.ids, everywhere, strict=True))
    classifier_data, chosen = _classifier_data(run, view, regions, by_id, places)
    feed = classifier_data.feed(run.device, resident=run.resident)
    classifier = _train_classifier(run, view, classifier_data, feed, chosen, regions)
    held_out, probabilities = _held_out_probabilities(classifier, classifier_data, feed, run)
    positive = run.site.classes.index(run.site.positive_class)
    labels = (classifier_data.labels[held_out] == positive).astype(np.int64)
    return TrainedView(
        localizer, classifier, located, data, labels, probabilities[:, positive], (*whole.problems, *regions.problems)
    )


def _whole_image_cache(run: Run, view: ViewProfile, samples: Sequence[Sample]) -> Cache:
    size, grey_levels = run.recipe.localizer.input_px, run.recipe.grey_levels

    def item(sample: Sample) -> CacheItem:
        def make() -> tuple[npt.NDArray[np.float32], Facts]:
            radiograph = run.dataset.read(sample.row)
            spacing = radiograph.spacing_mm or (float("nan"), float("nan"))
            image = resize(normalise(radiograph.pixels, grey_levels=grey_levels), (size, size))
            return image, (*radiograph.shape, *spacing)

        return CacheItem(sample.row.id, f"whole {_file_state(run.dataset, sample)} {grey_levels}", make)

    return fill_cache(run.out / "cache", f"{view.name}-whole", [item(sample) for sample in samples], size)


def _region_cache(
    run: Run, view: ViewProfile, samples: Sequence[Sample], landmarks: npt.NDArray[np.float64], whole: Cache
) -> Cache:
    context, grey_levels = run.recipe.classifier.context, run.recipe.grey_levels
    size = _context_px(view, context)

    def item(sample: Sample, points: npt.NDArray[np.float64], facts: npt.NDArray[np.float64]) -> CacheItem:
        def make() -> tuple[npt.NDArray[np.float32], Facts]:
            radiograph = run.dataset.read(sample.row)
            roi = with_context(region_of_interest(points * facts[:2] - 0.5, view, radiograph.spacing_mm), context)
            spacing = radiograph.spacing_mm or (float("nan"), float("nan"))
            image = crop_roi(normalise(radiograph.pixels, grey_levels=grey_levels), roi, size)
            return image, (*radiograph.shape, *spacing)

        places = np.round(points, 6).tolist()
        content = f"region {_file_state(run.dataset, sample)} {view} {context} {grey_levels} {places}"
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
    run: Run, view: ViewProfile, data: LocalizerData, feed: Feed, samples: Sequence[Sample], whole: Cache
) -> TrainedStage:
    recipe = run.recipe.localizer

    def make_task(training: IntArray, validation: IntArray, seed: int) -> Task:
        return LocalizerTask(recipe, data, training, validation, seed)

    content = f"{whole.key} {hashlib.sha256(data.landmarks.tobytes()).hexdigest()}"
    stage = Stage(
        LOCALIZER, recipe.network, recipe.fit, make_task, LocalizerGraph, recipe.input_px, feed, content,
        whole.mean_and_std(),
    )  # fmt: skip
    return train_stage(run, view, stage, samples)


def _train_classifier(
    run: Run, view: ViewProfile, data: ClassifierData, feed: Feed, samples: Sequence[Sample], regions: Cache
) -> TrainedStage:
    recipe, classes = run.recipe.classifier, run.site.classes
    positive = classes.index(run.site.positive_class)

    def make_task(training: IntArray, validation: IntArray, seed: int) -> Task:
        return ClassifierTask(recipe, data, training, validation, seed, len(classes), positive)

    marks = hashlib.sha256(data.labels.tobytes() + np.packbits(data.masks).tobytes()).hexdigest()
    stage = Stage(
        CLASSIFIER, recipe.network, recipe.fit, make_task, ClassifierGraph, recipe.window_px, feed,
        f"{regions.key} {marks}", regions.mean_and_std(),
    )  # fmt: skip
    return train_stage(run, view, stage, samples)


@contextlib.contextmanager
def _on_device(network: nn.Module, device: torch.device) -> Iterator[nn.Module]:
    """Lend a network to the device; afterwards its memory there is free again."""
    yield network.to(device)
    network.cpu()


def _locate_with_all(localizer: TrainedStage, whole: Cache, run: Run) -> npt.NDArray[np.float64]:
    """Return the mean of all localizers' landmarks, as inference does."""
    feed = Feed({"images": whole.images}, run.device, resident=run.device.type == "cpu")
    everything, execution = np.arange(len(whole.images)), run.execution(run.recipe.localizer.fit)
    found = []
    for network in localizer.networks:
        with _on_device(network, run.device) as ready:
            found.append(locate(ready, feed, everything, execution).landmarks)
    return np.asarray(np.mean(found, axis=0))


def _held_out_landmarks(localizer: TrainedStage, data: LocalizerData, feed: Feed, run: Run) -> Located:
    landmarks = np.full(data.landmarks.shape, np.nan)
    spread = np.full(data.landmarks.shape[:2], np.nan)
    execution = run.execution(run.recipe.localizer.fit)
    for network, indices in zip(localizer.networks, localizer.validation, strict=True):
        if len(indices):
            with _on_device(network, run.device) as ready:
                found = locate(ready, feed, indices, execution)
            landmarks[indices], spread[indices] = found.landmarks, found.spread
    return Located(landmarks, spread)


def _held_out_probabilities(
    classifier: TrainedStage, data: ClassifierData, feed: Feed, run: Run
) -> tuple[IntArray, npt.NDArray[np.float64]]:
    """Return which samples were held out, and the mean (n, K) probabilities of the networks that did not see them."""
    total = np.zeros((len(data.labels), len(run.site.classes)))
    count = np.zeros(len(data.labels), dtype=np.int64)
    recipe = run.recipe.classifier
    execution = run.execution(recipe.fit)
    for network, indices in zip(classifier.networks, classifier.validation, strict=True):
        if len(indices):
            with _on_device(network, run.device) as ready:
                total[indices] += classify(ready, feed, indices, data.roi_px, recipe, execution)
            count[indices] += 1
    held_out = np.flatnonzero(count)
    return held_out, total[held_out] / count[held_out, None]
