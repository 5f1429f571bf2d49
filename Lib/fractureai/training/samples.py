"""Which radiographs of a dataset train, with which targets."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fractureai.dataset import Annotation, Dataset, RadiographRow, Split, resolve_view
from fractureai.sites import ViewProfile


@dataclass(frozen=True)
class Sample:
    """One radiograph of a view, with what the reference rater says of it.

    Attributes:
        row: of the dataset.
        annotation: of the reference.
        split: of its patient.
    """

    row: RadiographRow
    annotation: Annotation
    split: Split

    @property
    def landmarks(self) -> Mapping[str, tuple[float, float]]:
        """Name -> (row, col)."""
        return self.annotation.landmarks


def samples_of_view(dataset: Dataset, view: ViewProfile, raters: Sequence[str] | None) -> tuple[Sample, ...]:
    """Return the radiographs of a view that have a reference annotation and are not set aside for the test.

    Test patients are left out here, once, so that no later step can see them.
    """
    annotations = dataset.reference_annotations(raters)
    splits = dataset.splits
    samples = []
    for row in dataset.radiographs:
        annotation = annotations.get(row.id)
        if annotation is None or row.group not in splits or splits[row.group].split == "test":
            continue
        if resolve_view(row, annotation) in view.accepts:
            samples.append(Sample(row, annotation, splits[row.group]))
    return tuple(samples)


def has_all_landmarks(sample: Sample, view: ViewProfile) -> bool:
    """Tell whether every landmark of the view is placed."""
    return all(name in sample.landmarks for name in view.landmark_names)


def has_label(sample: Sample, classes: Sequence[str]) -> bool:
    """Tell whether the label is one of the classes (``uncertain`` is none)."""
    return sample.annotation.label in classes


def fold_of(sample: Sample, folds: int) -> int:
    """Return the fold in which the sample validates, -1 for none; a single fold validates on the validation split."""
    if folds == 1:
        return 0 if sample.split.split == "validation" else -1
    return -1 if sample.split.fold is None else sample.split.fold


def fingerprint(samples: Sequence[Sample]) -> str:
    """Return a hash of the images and of every mark that training uses."""
    digest = hashlib.sha256()
    for sample in samples:
        marks = [sample.row.sha256, sample.annotation.label, sorted(sample.landmarks.items())]
        regions = [(region.kind, region.shape, region.points) for region in sample.annotation.regions]
        digest.update(json.dumps([*marks, regions, vars(sample.split)], default=str).encode())
    return digest.hexdigest()
