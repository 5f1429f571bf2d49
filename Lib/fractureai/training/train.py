"""Train all views of a dataset and write one bundle."""

from __future__ import annotations

import datetime
import importlib.metadata
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.metrics import precision_recall_curve, roc_auc_score

import fractureai
from fractureai.bundle import BundleSpec, LandmarkLimits, ViewModels, site_table, write_bundle
from fractureai.dataset import Dataset
from fractureai.errors import TrainingError
from fractureai.networks.localizers import LOCALIZERS
from fractureai.sites import ViewProfile
from fractureai.training.device import choose_device
from fractureai.training.fitting import CLASSIFIER, LOCALIZER, Run, network_count
from fractureai.training.progress import Clock, ProgressCallback
from fractureai.training.ranks import ALONE, Ranks
from fractureai.training.recipe import Recipe, load_recipe, recipe_to_table
from fractureai.training.samples import Sample, fingerprint, fold_of, has_all_landmarks, has_label, samples_of_view
from fractureai.training.stages import TrainedView, train_view

RECALL_MM = 5.0


def train(
    dataset_folder: str | Path,
    out_folder: str | Path,
    recipe: str | Path | Recipe,
    *,
    raters: Sequence[str] | None = None,
    device: str = "auto",
    resume: bool = True,
    progress: ProgressCallback | None = None,
    command: str = "",
    ranks: Ranks = ALONE,
    resident: bool | None = None,
) -> Path:
    """Train the localizers and classifiers of every annotated view; write and return ``out_folder/bundle``.

    Patients of the test split are never looked at. A run that was killed goes on where it stopped and ends with the
    same weights (same computer and versions).

    Args:
        dataset_folder: a dataset with splits.
        out_folder: receives ``cache``, ``runs`` (checkpoints, curves, TensorBoard) and ``bundle``.
        recipe: name, path, or a loaded recipe.
        raters: whose marks count; see `Dataset.reference_annotations`.
        device: see `choose_device`.
        resume: False to throw away what an earlier run left in ``out_folder``.
        progress: receives messages.
        command: what to print in the model card as the command that made the bundle; "": the one of this training.
        ranks: the processes that train together; see `join_ranks`. All of them call this with the same arguments and
            see the same folders. The first writes and reports.
        resident: whether the data lie in device memory; None: when they fit (`Feed`).

    Raises:
        FractureAIError: the dataset, its splits, the recipe or the device can not be used, or memory ran out.
    """
    dataset = Dataset.open(dataset_folder)
    recipe = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
    out = Path(out_folder)
    chosen = choose_device(device, ranks.local_rank if ranks.size > 1 else None)
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
    if not resume:
        ranks.in_turn(lambda: _forget(out))
    samples = _usable_samples(dataset, recipe, raters)
    clock = Clock(_work(samples, recipe, dataset), progress if ranks.first else None)
    run = Run(dataset, dataset.site, recipe, out, chosen, clock, ranks, resident)
    views = {view.name: view for view in dataset.site.views}
    trained = {name: train_view(run, views[name], samples[name]) for name in samples}
    clock.text("writing the bundle")
    if ranks.first:
        _write(run, views, samples, trained, command or _command(dataset, recipe))
    ranks.wait()
    return out / "bundle"


def _forget(out: Path) -> None:
    for name in ("cache", "runs"):
        shutil.rmtree(out / name, ignore_errors=True)


def _command(dataset: Dataset, recipe: Recipe) -> str:
    variant = f" --variant {recipe.variant}" if recipe.variant else ""
    return f"fractureai train {dataset.name} OUT --recipe {recipe.name}{variant}"


def _usable_samples(dataset: Dataset, recipe: Recipe, raters: Sequence[str] | None) -> dict[str, tuple[Sample, ...]]:
    if not dataset.splits:
        raise TrainingError(f"{dataset.folder}: the dataset has no splits; run: fractureai split {dataset.folder}")
    samples = {view.name: samples_of_view(dataset, view, raters) for view in dataset.site.views}
    samples = {name: found for name, found in samples.items() if found}
    if not samples:
        raise TrainingError(f"{dataset.folder}: no radiograph has a finished annotation outside the test split.")
    for name, found in samples.items():
        folds = {fold_of(sample, recipe.folds) for sample in found}
        missing = sorted(set(range(recipe.folds)) - folds)
        if missing:
            raise TrainingError(
                f"View {name}: fold {missing[0]} of {recipe.folds} has no radiograph; annotate more, or split anew "
                f"with {recipe.folds} folds."
            )
    return samples


def _work(samples: Mapping[str, Sequence[Sample]], recipe: Recipe, dataset: Dataset) -> float:
    """Return the number of training images over all epochs, networks, stages and views."""
    total = 0.0
    views = {view.name: view for view in dataset.site.views}
    members = network_count(recipe, CLASSIFIER) / recipe.folds
    for name, found in samples.items():
        for fold in range(recipe.folds):
            seen = [sample for sample in found if fold_of(sample, recipe.folds) != fold]
            total += recipe.localizer.fit.epochs * sum(has_all_landmarks(sample, views[name]) for sample in seen)
            labelled = sum(has_label(sample, dataset.site.classes) for sample in seen)
            total += recipe.classifier.fit.epochs * labelled * members
    return total


def _write(
    run: Run,
    views: Mapping[str, ViewProfile],
    samples: Mapping[str, Sequence[Sample]],
    trained: Mapping[str, TrainedView],
    command: str,
) -> Path:
    models = {name: _view_models(run.recipe, view) for name, view in trained.items()}
    files = {}
    for name, view in trained.items():
        for stage, folders in ((LOCALIZER, view.localizer.folders), (CLASSIFIER, view.classifier.folders)):
            for number, folder in enumerate(folders):
                files[f"models/{name}/{stage}_{number}.onnx"] = folder / "model.onnx"
                files[f"models/{name}/{stage}_{number}.safetensors"] = folder / "weights.safetensors"
    models = {name: _named(model, name) for name, model in models.items()}
    everything = [sample for found in samples.values() for sample in found]
    simulated = any(sample.annotation.rater == "truth" for sample in everything)
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    mark = fingerprint(everything)
    spec = BundleSpec(
        id=f"{run.site.name}-{run.recipe.name}-{mark[:8]}",
        title=f"{run.site.title}, recipe {run.recipe.name}" + (", simulated images" if simulated else ""),
        site=site_table(run.site),
        views=models,
        ensemble_threshold=float(np.mean([model.threshold for model in models.values()])),
        view_disagreement_max=run.recipe.view_disagreement_max,
        localizer_size_px=run.recipe.localizer.input_px,
        recipe=recipe_to_table(run.recipe),
        data=_data_facts(run.dataset, everything, mark, trained, simulated=simulated),
        metrics={name: _metrics(views[name], view) for name, view in trained.items()},
        versions=_versions(),
        command=command,
        notice=fractureai.SIMULATED_DATA_NOTICE if simulated else "not for clinical use",
        created=today,
    )
    return write_bundle(
        run.out / "bundle", spec, files, _monai_config(run.recipe, views[next(iter(trained))]), overwrite=True
    )


def _view_models(recipe: Recipe, view: TrainedView) -> ViewModels:
    return ViewModels(
        localizers=tuple(f"{LOCALIZER}_{number}.onnx" for number in range(network_count(recipe, LOCALIZER))),
        classifiers=tuple(f"{CLASSIFIER}_{number}.onnx" for number in range(network_count(recipe, CLASSIFIER))),
        threshold=f1_threshold(view.labels, view.probabilities),
        window_px=recipe.classifier.window_px,
        crops=recipe.classifier.crops,
        mirror=recipe.classifier.mirror,
        limits=landmark_limits(view),
        fold_disagreement_max=recipe.fold_disagreement_max,
    )


def _named(model: ViewModels, view: str) -> ViewModels:
    def below(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(f"models/{view}/{name}" for name in names)

    return ViewModels(**{**vars(model), "localizers": below(model.localizers), "classifiers": below(model.classifiers)})


def f1_threshold(labels: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float64]) -> float:
    """Return the probability threshold that maximises F1 on held-out samples (DeepWrist, Cross-validation).

    It lies half-way between the smallest probability that is called positive and the next smaller one; of several
    equally good ones the nearest to 0.5 is taken.

    Raises:
        TrainingError: the held-out samples do not hold both classes.
    """
    if len(set(labels.tolist())) < 2:
        raise TrainingError(
            "The held-out radiographs do not hold both classes, so no threshold can be chosen; annotate more."
        )
    precision, recall, thresholds = precision_recall_curve(labels, probabilities)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    between = (thresholds + np.concatenate([[0.0], thresholds[:-1]])) / 2
    best = between[np.isclose(f1[:-1], f1[:-1].max())]
    return float(best[np.argmin(np.abs(best - 0.5))])


def landmark_limits(view: TrainedView) -> LandmarkLimits:
    """Return the bounds of plausible landmarks: what the annotated images show, widened by a third of its range."""
    data = view.localizer_data
    first, second = np.triu_indices(data.landmarks.shape[1], 1)
    mm = data.landmarks * data.pixel_mm[:, None]
    mm = mm[np.isfinite(mm).all(axis=(1, 2))]
    if not len(mm):
        raise TrainingError("No annotated radiograph has a spacing, so the limits of plausible landmarks are unknown.")
    pairs = np.linalg.norm(mm[:, first] - mm[:, second], axis=-1)
    span = pairs.mean(axis=1)
    ratio_low, ratio_high = _widened(pairs / span[:, None])
    span_low, span_high = _widened(span[:, None])
    spread = view.located.spread[np.isfinite(view.located.spread)]
    return LandmarkLimits(
        spread_max=float(np.quantile(spread, 0.99) * 1.5) if spread.size else 0.25,
        pair_ratio_low=tuple(ratio_low.tolist()),
        pair_ratio_high=tuple(ratio_high.tolist()),
        span_mm_low=float(span_low[0]),
        span_mm_high=float(span_high[0]),
    )


def _widened(values: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    low, high = np.quantile(values, 0.005, axis=0), np.quantile(values, 0.995, axis=0)
    margin = (high - low) / 3
    return np.maximum(low - margin, 0), high + margin


def _metrics(profile: ViewProfile, view: TrainedView) -> dict[str, Any]:
    """Return figures on held-out patients of train and validation (not the test split)."""
    difference = (view.located.landmarks - view.localizer_data.landmarks) * view.localizer_data.pixel_mm[:, None]
    errors_mm = np.linalg.norm(difference, axis=-1)
    errors_mm = errors_mm[np.isfinite(errors_mm).all(axis=1)]
    return {
        "view": profile.title,
        "held_out_radiographs": len(view.labels),
        "held_out_auroc": float(roc_auc_score(view.labels, view.probabilities)),
        "held_out_landmark_recall_5mm": float((errors_mm <= RECALL_MM).mean()) if errors_mm.size else None,
        "held_out_landmark_median_mm": float(np.median(errors_mm)) if errors_mm.size else None,
    }


def _data_facts(
    dataset: Dataset, samples: Sequence[Sample], mark: str, trained: Mapping[str, TrainedView], *, simulated: bool
) -> dict[str, Any]:
    labels = [str(sample.annotation.label) for sample in samples]
    return {
        "name": dataset.name,
        "fingerprint": mark,
        "simulated": simulated,
        "patients": len({sample.row.group for sample in samples}),
        "studies": len({sample.row.study for sample in samples}),
        "radiographs": len(samples),
        "labels": {label: labels.count(label) for label in sorted(set(labels))},
        "raters": sorted({sample.annotation.rater for sample in samples}),
        "left_out": sum(len(view.problems) for view in trained.values()),
    }


def _versions() -> dict[str, str]:
    packages = ("torch", "monai", "numpy", "onnx", "onnxruntime")
    return {"fractureai": fractureai.__version__, **{name: importlib.metadata.version(name) for name in packages}}


def _monai_config(recipe: Recipe, view: ViewProfile) -> dict[str, Any]:
    """Return a MONAI config that builds both networks of the first view."""
    localizer = LOCALIZERS[recipe.localizer.network.name]
    return {
        "localizer": {
            "_target_": f"{localizer.__module__}.{localizer.__qualname__}",
            "landmarks": len(view.landmarks),
            **recipe.localizer.network.parameters,
        },
        "network": {
            "_target_": f"fractureai.networks.classifier.{recipe.classifier.network.name}",
            "classes": 2,
            "positive_class": 1,
            **recipe.classifier.network.parameters,
        },
    }
