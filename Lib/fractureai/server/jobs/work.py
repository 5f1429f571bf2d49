"""What the jobs do, step by step."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fractureai.dataset import Dataset, make_splits
from fractureai.errors import EvaluationError, FractureAIError
from fractureai.server.jobs.events import Reporter
from fractureai.server.jobs.folder import OUT
from fractureai.server.jobs.model import Job
from fractureai.server.jobs.parameters import recipe_of

if TYPE_CHECKING:
    from fractureai.training.progress import TrainingProgress

SPLIT_SEED = 0
_FOLDS = 5
_TRAINING_SHARE = 0.94
"""Of the bar of a training; the rest is its calibration and evaluation."""
_CALIBRATED_SHARE = 0.97


def train(job: Job, folder: Path, report: Reporter) -> dict[str, Any]:
    """Train, calibrate, and evaluate on the test split; goes on where an earlier run of the same job stopped."""
    given = job.parameters
    out = Path(given["out"] or folder / OUT)
    from fractureai.training.source import open_source

    report.step("opening the dataset", 0.0)
    dataset = open_source(Path(given["dataset"]), out)

    recipe = recipe_of(given["recipe"], given.get("variant", ""), given.get("weights") or "")
    if given["folds"]:
        recipe = replace(recipe, folds=given["folds"])
    if not dataset.splits:
        report.step(f"the dataset has no splits: its patients are assigned now, by patient (seed {SPLIT_SEED})", 0.0)
        make_splits(dataset, folds=max(_FOLDS, recipe.folds), seed=SPLIT_SEED, raters=given["raters"])
    report.step("loading PyTorch and MONAI", 0.0)
    from fractureai.training.train import train as train_networks

    bundle = train_networks(
        dataset.folder,
        out,
        recipe,
        raters=given["raters"],
        device=given["device"],
        resume=True,
        progress=lambda message: _training_progress(report, message),
    )
    print(f"the bundle is in {bundle}", flush=True)
    problems = _calibrate(dataset, bundle, given["raters"], report)
    result: dict[str, Any] = {"bundle": str(bundle.absolute()), "report": None, "model": None, "problems": problems}
    try:
        found = _evaluate(dataset, bundle, "test", out / "report", given["raters"], report, _CALIBRATED_SHARE)
    except FractureAIError as error:  # too few patients for a test: the bundle is there all the same
        print(f"no evaluation: {error}", flush=True)
        return {**result, "problems": [*problems, f"There is no evaluation: {error}"]}
    return {**result, **found}


def evaluate(job: Job, folder: Path, report: Reporter) -> dict[str, Any]:
    """Read the studies of a split and write the report."""
    given = job.parameters
    report.step("opening the dataset", 0.0)
    out = Path(given["out"] or folder / OUT)
    dataset = Dataset.open(given["dataset"])
    return _evaluate(dataset, Path(given["bundle"]), given["split"], out, given["raters"], report, 0.0)


def export(job: Job, folder: Path, report: Reporter) -> dict[str, Any]:
    """Write a dataset as an archive, or in another program's format."""
    from fractureai.dataset.formats import FORMATS, ExportOptions
    from fractureai.dataset.portable import export_portable

    given = job.parameters
    dataset = Dataset.open(given["dataset"])

    def progress(done: int, total: int) -> None:
        report.progress(f"{done} of {total} radiographs", done / max(total, 1))

    report.step("writing the export", 0.0)
    if given["format"] == "archive":
        target = Path(given["out"] or folder / OUT / "export.zip")
        target.parent.mkdir(parents=True, exist_ok=True)
        written = export_portable(dataset, target, given["raters"], progress=progress)
        counts = {"radiographs": written.radiographs, "annotations": written.annotations}
        return {"file": str(target), **counts, "problems": list(written.problems)}
    target = Path(given["out"] or folder / OUT)
    target.mkdir(parents=True, exist_ok=True)
    found = FORMATS[given["format"]].export(dataset, target, ExportOptions(given["raters"], True, progress))
    problems = [str(problem) for problem in found.problems]
    return {"file": str(target), "radiographs": found.images, "annotations": found.annotations, "problems": problems}


KINDS: Mapping[str, Callable[[Job, Path, Reporter], dict[str, Any]]] = {
    "train": train,
    "evaluate": evaluate,
    "export": export,
}


def _training_progress(report: Reporter, message: TrainingProgress) -> None:
    if not message.epoch:
        report.step(message.text, message.fraction * _TRAINING_SHARE)
        return
    text = f"{message.text}: epoch {message.epoch} of {message.epochs}, {message.speed}"
    report.progress(
        text,
        message.fraction * _TRAINING_SHARE,
        message.seconds_left,
        fit=message.text,
        epoch=message.epoch,
        epochs=message.epochs,
        loss=message.loss,
        validation_loss=message.validation_loss,
        metric=message.metric,
        metric_name=message.metric_name,
    )


def _calibrate(dataset: Dataset, bundle: Path, raters: Sequence[str] | None, report: Reporter) -> list[str]:
    """Calibrate on what the training held out; return why not, when there are too few studies for that."""
    from fractureai.evaluation.calibrate import fit_reliability

    report.step("calibrating on studies that were not trained on", _TRAINING_SHARE)

    def progress(done: int, total: int, text: str) -> None:
        share = _TRAINING_SHARE + (_CALIBRATED_SHARE - _TRAINING_SHARE) * done / max(total, 1)
        report.progress(f"calibrating: {text}, {done} of {total}", share)

    try:
        fit_reliability(bundle, dataset, raters=raters, progress=progress)
    except EvaluationError as error:
        print(f"not calibrated: {error}", flush=True)
        return [f"The model was not calibrated. {error}"]
    return []


def _evaluate(
    dataset: Dataset,
    bundle: Path,
    split: str,
    out: Path,
    raters: Sequence[str] | None,
    report: Reporter,
    start: float,
) -> dict[str, Any]:
    """Read a split and write ``out/report.html``."""
    from fractureai.evaluation import read_split, write_split_report
    from fractureai.inference import Pipeline

    report.step(f"reading the studies of the {split} split", start)
    pipeline = Pipeline.load(bundle)

    def progress(done: int, total: int) -> None:
        share = 0.9 * done / max(total, 1)
        report.progress(f"reading: {done} of {total} studies", start + (1 - start) * share)

    chosen = None if split == "all" else split
    reading = read_split(dataset, pipeline.read, split=chosen, raters=raters, progress=progress)
    report.step("computing figures and writing the report", start + (1 - start) * 0.9)
    today = datetime.date.today().isoformat()
    evaluation, path = write_split_report(dataset, pipeline.bundle, reading, chosen, out, raters, created=today)
    row = evaluation.stratum("all")
    auroc = row.estimates["auroc"]
    return {"report": str(path.absolute()), "studies": row.n, "auroc": str(auroc)}
