"""Which networks of a bundle have seen which patients: their answers about those prove nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fractureai.bundle import Bundle
from fractureai.bundle.reliability import load_arrays
from fractureai.dataset import Dataset
from fractureai.errors import BundleError
from fractureai.inference.trust import SEEN
from fractureai.training.samples import Sample, fingerprint, fold_of, samples_of_view

TRAINED_ON = -1
"""Instead of a fold: every network was trained on it."""

_IMAGES, _FOLDS = f"{SEEN}images", f"{SEEN}folds"


@dataclass(frozen=True, eq=False)
class Seen:
    """What the networks of a bundle were trained on, as far as it matters for a dataset.

    Attributes:
        folds: recipe's number of folds; with 1 all networks were trained on the same patients.
        members: number of classifiers of each view.
        samples: view -> radiographs of the dataset that the networks were trained or validated on; empty when the
            dataset is not the one of the training.
        by_patient: patient of the dataset -> folds that its radiographs were held out in, or `TRAINED_ON`.
        record: image (`image_key`) -> fold or `TRAINED_ON`, of all images of the training.
    """

    folds: int
    members: int
    samples: Mapping[str, tuple[Sample, ...]]
    by_patient: Mapping[str, frozenset[int]]
    record: Mapping[int, int]

    def unseen_by(self, patient: str) -> tuple[int, ...]:
        """Return the numbers of the networks that were not trained on a patient, in order."""
        folds = self.by_patient.get(patient, frozenset())
        if TRAINED_ON in folds or len(folds) > 1:
            return ()
        if not folds or self.folds == 1:
            return tuple(range(self.members))
        return tuple(folds)

    def trained_by(self, sample: Sample) -> tuple[int, ...]:
        """Return the numbers of the networks that were trained on a radiograph."""
        fold = fold_of(sample, self.folds)
        if self.folds == 1:
            return () if fold == 0 else tuple(range(self.members))
        return tuple(number for number in range(self.members) if number != fold)

    def restriction(self, members: tuple[int, ...]) -> tuple[int, ...] | None:
        """Return networks as `Pipeline.read` takes them: None for all."""
        return None if len(members) == self.members else members

    def to_arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """Return the record as arrays of a bundle."""
        images = sorted(self.record)
        return {
            _IMAGES: np.array(images, dtype=np.uint64),
            _FOLDS: np.array([self.record[image] for image in images], dtype=np.int16),
        }


def seen_by(bundle: Bundle, dataset: Dataset, raters: Sequence[str] | None = None) -> Seen:
    """Find out what the networks of a bundle know of a dataset.

    A bundle that was calibrated carries a record of its training images. For one that was not, the dataset is taken
    for that of the training when its name or its fingerprint is the one that the bundle gives; its splits then say the
    rest.

    Raises:
        BundleError: the networks do not fit the recipe's folds.
    """
    folds, members = int(bundle.spec.recipe.get("folds", 1)), _members(bundle)
    if folds > 1 and members != folds:
        reason = f"its recipe has {folds} folds but there are {members} networks a view"
        raise BundleError(bundle.folder, reason, "train it anew")
    record = _record(bundle)
    samples = _samples(bundle, dataset, raters)
    everything = [sample for found in samples.values() for sample in found]
    facts = bundle.spec.data
    if facts.get("name") == dataset.name or facts.get("fingerprint") == fingerprint(everything):
        own = {image_key(sample.row.id): _fold(sample, folds) for sample in everything}
    else:
        own, samples = {}, {}
    if record:
        samples = {name: tuple(s for s in found if image_key(s.row.id) in record) for name, found in samples.items()}
    return Seen(folds, members, samples, _by_patient(dataset, {**own, **record}), record or own)


def image_key(identifier: str) -> int:
    """Return a number that stands for a radiograph's id and does not give it away."""
    return int.from_bytes(hashlib.sha256(identifier.encode()).digest()[:8], "big")


def _samples(bundle: Bundle, dataset: Dataset, raters: Sequence[str] | None) -> dict[str, tuple[Sample, ...]]:
    if not dataset.splits:
        return {}
    found = {view.name: samples_of_view(dataset, view, raters) for view in bundle.site.views}
    return {name: samples for name, samples in found.items() if samples}


def _by_patient(dataset: Dataset, known: Mapping[int, int]) -> dict[str, frozenset[int]]:
    found: dict[str, set[int]] = {}
    for row in dataset.radiographs:
        if image_key(row.id) in known:
            found.setdefault(row.group, set()).add(known[image_key(row.id)])
    return {patient: frozenset(folds) for patient, folds in found.items()}


def _fold(sample: Sample, folds: int) -> int:
    fold = fold_of(sample, folds)
    return fold if fold >= 0 else TRAINED_ON


def _members(bundle: Bundle) -> int:
    counts = {len(view.classifiers) for view in bundle.spec.views.values()}
    if len(counts) > 1:
        raise BundleError(bundle.folder, "its views have different numbers of networks", "train it anew")
    return counts.pop()


def _record(bundle: Bundle) -> dict[int, int]:
    if bundle.spec.reliability is None:
        return {}
    arrays = load_arrays(bundle)
    if _IMAGES not in arrays or _FOLDS not in arrays:
        return {}
    return dict(zip(arrays[_IMAGES].tolist(), arrays[_FOLDS].tolist(), strict=True))
