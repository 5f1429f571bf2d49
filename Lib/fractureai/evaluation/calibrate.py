"""Teach a bundle how far its readings can be trusted, on studies that its networks have not seen.

Two passes over a dataset, a study at a time, so that memory does not grow with it: first the pooled features of
training images, by the networks that were trained on them (the feature banks); then the held-out studies, each read as
`fractureai.inference.Pipeline.read` reads it, but only by networks that have not seen its patient. Of a held-out study
only its scores are kept.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from fractureai.bundle import Bundle, load_bundle
from fractureai.bundle.reliability import write_with_reliability
from fractureai.dataset import Annotation, Dataset, RadiographRow, resolve_view, study_label
from fractureai.errors import DatasetError, EvaluationError, RadiographError
from fractureai.evaluation.run import studies
from fractureai.evaluation.seen import Seen, seen_by
from fractureai.inference import Pipeline, Prediction
from fractureai.inference.runtime import RuntimeFactory
from fractureai.inference.trust import Trust, evidence_of, thresholds_of
from fractureai.radiograph.model import UNKNOWN, Radiograph
from fractureai.reliability import HeldOut, Reliability, ViewBank, study_scores
from fractureai.reliability.calibration import MIN_CASES
from fractureai.training.samples import Sample, has_label

HELD_OUT = "held-out"
SPLITS = (HELD_OUT, "validation", "test", "all")
"""Which studies are taken; always only such that some network has not seen, read by these networks.

``held-out``: all but those of the dataset's test split, which stay unseen for a later evaluation.
"""

COVERAGE = 0.9
BANK_IMAGES = 1024
"""Training images a network whose features are looked at, half of each class as far as they reach, drawn at random.

So many are kept for the neighbours (`fractureai.reliability.banks.MAX_IMAGES`). To read them is most of the work.
"""

OnProgress: TypeAlias = Callable[[int, int, str], None]
"""Is called with (work done, all work, what is going on); what it raises ends the fit; the bundle stays as it was."""


@dataclass(frozen=True)
class _Case:
    """A study that can be learned from."""

    key: str
    patient: str
    rows: tuple[RadiographRow, ...]
    members: tuple[int, ...]
    label: bool


def fit_reliability(
    bundle_folder: str | Path,
    dataset: Dataset,
    *,
    split: str = HELD_OUT,
    raters: Sequence[str] | None = None,
    coverage: float = COVERAGE,
    bank_images: int = BANK_IMAGES,
    seed: int = 0,
    runtime: str | RuntimeFactory = "onnx",
    progress: OnProgress | None = None,
) -> Path:
    """Fit calibration, uncertainty and conformal sets, and write the bundle anew with them.

    Args:
        bundle_folder: the bundle; it is replaced once all is done.
        dataset: annotated studies. With the dataset of the training, its splits say which network has not seen whom,
            and the feature banks are made anew; with any other, all networks count, and the banks stay as they are.
        split: one of `SPLITS`.
        raters: whose marks are the truth; see `Dataset.reference_annotations`.
        coverage: share of studies like these that the model answers unless a site chooses another.
        bank_images: training images a network, at most.
        seed: of the draw of these, and of the division for cross-fitting.
        runtime: as of `fractureai.inference.Pipeline.load`; for networks that a GPU should run.
        progress: follows the work; cancels it by raising.

    Returns:
        The bundle's folder.

    Raises:
        BundleError: the bundle is damaged.
        DatasetError: the dataset has no finished annotations or no such split, or raters must be named.
        EvaluationError: there are too few held-out studies of a class, or the coverage is out of range.
    """
    if split not in SPLITS:
        raise EvaluationError(f"There is no choice of studies {split}; choose {', '.join(SPLITS)}.")
    if not 0 < coverage <= 1:
        raise EvaluationError(f"A coverage of {coverage:g} is not a share of studies; give one above 0, at most 1.")
    bundle = load_bundle(bundle_folder)
    references = dataset.reference_annotations(raters)
    seen = seen_by(bundle, dataset, raters)
    cases = _cases(bundle, dataset, references, seen, split)
    _check_enough([case.label for case in cases], split)
    bare = Pipeline.load(replace(bundle, spec=replace(bundle.spec, reliability=None)), runtime=runtime)
    samples = {name: found for name, found in seen.samples.items() if name in bundle.spec.views}
    plan = {name: _bank_plan(found, bundle, seen, bank_images, seed) for name, found in samples.items()}
    work = _Progress(sum(map(len, plan.values())) + len(cases), progress)
    banks = _banks(bare, dataset, plan, seen, work) if plan else _known_banks(bundle)
    held_out = _held_out(bare, dataset, references, cases, banks, seen, work)
    _check_enough(held_out.labels.tolist(), split)
    reliability = Reliability.fit(held_out, banks, coverage=coverage, seed=seed)
    work.say("writing the bundle")
    table = {**reliability.to_json(), "source": _source(dataset, split, cases, held_out)}
    return write_with_reliability(bundle, table, {**reliability.to_arrays(), **seen.to_arrays()})


class _Progress:
    """Counts work."""

    def __init__(self, total: int, callback: OnProgress | None) -> None:
        self._done, self._total, self._callback = 0, total, callback

    def say(self, text: str) -> None:
        if self._callback:
            self._callback(self._done, self._total, text)

    def step(self, text: str) -> None:
        self.say(text)
        self._done += 1


def _cases(
    bundle: Bundle, dataset: Dataset, references: Mapping[str, Annotation], seen: Seen, split: str
) -> list[_Case]:
    """Return the labelled studies of a split that some network has not seen."""
    splits, site, cases = dataset.splits, bundle.site, []
    for key, rows in studies(dataset, split if split in ("validation", "test") else None, references).items():
        patient = rows[0].group
        if split == HELD_OUT and patient in splits and splits[patient].split == "test":
            continue
        marks = [references[row.id] for row in rows if row.id in references]
        label = study_label([mark.label for mark in marks], site.classes, site.positive_class)
        members = seen.unseen_by(patient)
        if label in site.classes and members:
            cases.append(_Case(key, patient, rows, members, label == site.positive_class))
    return cases


def _check_enough(labels: Sequence[bool], split: str) -> None:
    positive, negative = sum(labels), len(labels) - sum(labels)
    if min(positive, negative) < MIN_CASES:
        raise EvaluationError(
            f"To calibrate takes {MIN_CASES} studies with and {MIN_CASES} without the finding that the model has not "
            f"seen; among the studies chosen ({split}) there are {positive} and {negative}: annotate more, or choose "
            "others."
        )


def _bank_plan(
    samples: Sequence[Sample], bundle: Bundle, seen: Seen, most: int, seed: int
) -> list[tuple[Sample, tuple[int, ...]]]:
    """Choose for each network up to ``most`` images it was trained on; return images with the networks to run.

    The networks share images where they can, so that few are read.
    """
    classes = bundle.site.classes
    rng = np.random.default_rng(seed)
    labelled = [sample for sample in samples if has_label(sample, classes)]
    shuffled = [labelled[index] for index in rng.permutation(len(labelled))]
    by_class = [[sample for sample in shuffled if sample.annotation.label == name] for name in classes]
    # One of each class in turn: any beginning of the list is balanced as far as a class reaches.
    ranked = [(rank, index, s) for index, group in enumerate(by_class) for rank, s in enumerate(group)]
    room = [most] * seen.members
    plan = []
    for _, _, sample in sorted(ranked, key=lambda item: item[:2]):
        members = tuple(number for number in seen.trained_by(sample) if room[number] > 0)
        for number in members:
            room[number] -= 1
        if members:
            plan.append((sample, members))
    return plan


def _banks(
    pipeline: Pipeline,
    dataset: Dataset,
    plan: Mapping[str, Sequence[tuple[Sample, tuple[int, ...]]]],
    seen: Seen,
    work: _Progress,
) -> dict[str, ViewBank]:
    """Read training images and make the feature bank of each view."""
    classes, banks = pipeline.bundle.site.classes, {}
    for view, chosen in plan.items():
        features: list[list[npt.NDArray[np.float32]]] = [[] for _ in range(seen.members)]
        labels: list[list[int]] = [[] for _ in range(seen.members)]
        for sample, members in chosen:
            work.step(f"{view}: images of the training")
            radiograph = _read(dataset, sample.row, sample.annotation, always=True)
            if radiograph is None:
                continue
            prediction = pipeline.read(radiograph, members=seen.restriction(members))
            for found in prediction.views:
                for number, row in zip(members, found.features, strict=True):
                    features[number].append(row)
                    labels[number].append(classes.index(str(sample.annotation.label)))
        banks[view] = ViewBank.fit([np.stack(rows) if rows else np.zeros((0, 1)) for rows in features], labels)
    return banks


def _known_banks(bundle: Bundle) -> Mapping[str, ViewBank]:
    """Return the banks that a bundle has: made when the images of its training were at hand."""
    trust = Trust.load(bundle)
    return {} if trust is None else trust.reliability.banks


def _held_out(
    pipeline: Pipeline,
    dataset: Dataset,
    references: Mapping[str, Annotation],
    cases: Sequence[_Case],
    banks: Mapping[str, ViewBank],
    seen: Seen,
    work: _Progress,
) -> HeldOut:
    """Read the held-out studies; those of which nothing could be read are left out."""
    thresholds = thresholds_of(pipeline.bundle)
    read: list[tuple[_Case, Prediction, dict[str, float]]] = []
    for case in cases:
        work.step("studies that the networks have not seen")
        opened = [_read(dataset, row, references.get(row.id)) for row in case.rows]
        radiographs = [radiograph for radiograph in opened if radiograph is not None]
        prediction = pipeline.read(radiographs, members=seen.restriction(case.members))
        if prediction.views:
            scores = study_scores([evidence_of(view) for view in prediction.views], banks, thresholds)
            read.append((case, replace(prediction, views=()), scores))
    return HeldOut(
        patients=tuple(case.patient for case, _, _ in read),
        labels=np.array([case.label for case, _, _ in read], dtype=bool),
        probabilities=np.array([prediction.probability for _, prediction, _ in read], dtype=float),
        called=np.array([prediction.decision == "positive" for _, prediction, _ in read], dtype=bool),
        scores={key: np.array([scores[key] for _, _, scores in read]) for key in (read[0][2] if read else {})},
    )


def _read(
    dataset: Dataset, row: RadiographRow, annotation: Annotation | None, *, always: bool = False
) -> Radiograph | None:
    """Open a radiograph as an evaluation does; None when it can not be opened.

    Args:
        dataset, row, annotation: which.
        always: as the view that the annotation says, as the training took it.
    """
    try:
        radiograph = dataset.read(row)
    except (RadiographError, DatasetError):
        return None
    view = resolve_view(row, annotation)
    return replace(radiograph, view=view, view_source="user") if always and view != UNKNOWN else radiograph


def _source(dataset: Dataset, split: str, cases: Sequence[_Case], held_out: HeldOut) -> dict[str, Any]:
    """Return what the model card says about the fit."""
    return {
        "dataset": dataset.name,
        "split": split,
        "studies": len(held_out.labels),
        "positive": int(held_out.labels.sum()),
        "patients": len(set(held_out.patients)),
        "wrong": int((held_out.called != held_out.labels).sum()),
        "not_read": len(cases) - len(held_out.labels),
        "networks_a_study": sorted({len(case.members) for case in cases}),
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
    }
