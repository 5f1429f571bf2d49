"""splits.csv: which patients train, validate and test; written once, by patient."""

from __future__ import annotations

import csv
import io
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from fractureai.dataset.files import Signature, file_lock, is_settled, signature_of, write_atomically
from fractureai.dataset.layout import LOCK, SPLITS
from fractureai.dataset.reference import resolve_view, study_label
from fractureai.errors import DatasetError

if TYPE_CHECKING:
    from fractureai.dataset.core import Dataset

SPLIT_NAMES = ("train", "validation", "test")
CHILD_BELOW_YEARS = 18.0
_HEADER = ["patient", "split", "fold"]
_CACHE: dict[Path, tuple[Signature, Mapping[str, Split]]] = {}


@dataclass(frozen=True)
class Split:
    """Where a patient's radiographs are used.

    Attributes:
        split: ``train``, ``validation`` or ``test``.
        fold: 0..k-1, the fold in which the patient is held out; None for test patients.
    """

    split: str
    fold: int | None


@dataclass(frozen=True)
class _Patient:
    """A patient and what is balanced over the splits: label first, then the others."""

    name: str
    label: str
    features: tuple[str, ...]
    strata: frozenset[str]


def make_splits(
    dataset: Dataset,
    *,
    fractions: tuple[float, float, float] = (0.7, 0.2, 0.1),
    folds: int = 5,
    seed: int,
    raters: Sequence[str] | None = None,
    test_strata: Sequence[str] = ("hard",),
) -> Mapping[str, Split]:
    """Assign each patient to train, validation or test, and each patient not in test to a fold; write splits.csv.

    Patients of the same label are dealt out exactly by the fractions; among them children and adults, strata and views
    are balanced as far as possible. The same dataset and seed give the same splits.

    Args:
        dataset: whose patients are split.
        fractions: of the patients in train, validation and test; their sum is 1.
        folds: number of folds over the patients of train and validation.
        seed: of the random order.
        raters: whose labels are balanced; see `Dataset.reference_annotations`.
        test_strata: patients with a radiograph of one of these strata all go to test, beside the fraction of the
            others: DeepWrist trained without cases that needed CT and tested on them apart (Challenging test set).

    Raises:
        DatasetError: splits.csv exists already, there are too few patients, or the fractions or folds make no sense.
    """
    path = _splits_path(dataset)
    patients = _patients(dataset, raters)
    kept, others = _kept_for_test(patients, test_strata)
    _check_request(path, fractions, folds, len(others))
    with file_lock(dataset.folder / LOCK):
        if path.exists():
            reason = "the splits are there already and are never changed, so that test patients stay unseen"
            raise DatasetError(path, reason, "use extend_splits for new patients, or remove the file to start over")
        splits = {**kept, **_assign(others, {}, fractions, folds, seed)}
        write_atomically(path, splits_to_csv(splits))
    return splits


def extend_splits(
    dataset: Dataset,
    *,
    fractions: tuple[float, float, float] = (0.7, 0.2, 0.1),
    seed: int,
    raters: Sequence[str] | None = None,
    test_strata: Sequence[str] = ("hard",),
) -> Mapping[str, Split]:
    """Assign the patients that were added since; all others stay where they are.

    Raises:
        DatasetError: there are no splits yet, or the fractions make no sense.
    """
    path = _splits_path(dataset)
    with file_lock(dataset.folder / LOCK):
        old = dict(read_splits(path))
        if not old:
            raise DatasetError(path, "there are no splits yet", "use make_splits first")
        folds = 1 + max((split.fold for split in old.values() if split.fold is not None), default=0)
        patients = _patients(dataset, raters)
        _check_request(path, fractions, max(folds, 2), len(patients) + folds)
        kept, others = _kept_for_test(patients, test_strata)
        splits = {**kept, **old, **_assign(others, old, fractions, folds, seed)}
        write_atomically(path, splits_to_csv(splits))
    return MappingProxyType(splits)


def read_splits(path: Path) -> Mapping[str, Split]:
    """Read splits.csv; empty when it does not exist.

    Raises:
        DatasetError: it is malformed or a patient is there twice.
    """
    try:
        signature = signature_of(path.stat())
        if path in _CACHE and _CACHE[path][0] == signature:
            return _CACHE[path][1]
        lines = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")))
    except FileNotFoundError:
        return MappingProxyType({})
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(path, f"it can not be read ({error})", "restore it from a copy") from error
    if not lines or lines[0] != _HEADER:
        raise DatasetError(path, f"its first line is not {','.join(_HEADER)}", "restore it from a copy")
    splits: dict[str, Split] = {}
    for number, cells in enumerate(lines[1:], start=2):
        split = _split_from(cells)
        if split is None or cells[0] in splits:
            reason = f"line {number} is not a patient, {'|'.join(SPLIT_NAMES)} and a fold (none for test), once each"
            raise DatasetError(path, reason, "restore it from a copy")
        splits[cells[0]] = split
    if is_settled(signature):
        _CACHE[path] = (signature, MappingProxyType(splits))
    return MappingProxyType(splits)


def _split_from(cells: Sequence[str]) -> Split | None:
    if len(cells) != 3 or cells[1] not in SPLIT_NAMES or (cells[1] == "test") != (cells[2] == ""):
        return None
    if cells[2] and not (cells[2].isascii() and cells[2].isdigit()):
        return None
    return Split(cells[1], int(cells[2]) if cells[2] else None)


def splits_to_csv(splits: Mapping[str, Split]) -> bytes:
    """Return the content of splits.csv; same splits, same bytes."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_HEADER)
    writer.writerows([name, s.split, "" if s.fold is None else s.fold] for name, s in sorted(splits.items()))
    return out.getvalue().encode("utf-8")


def _splits_path(dataset: Dataset) -> Path:
    return dataset.folder / SPLITS


def _check_request(path: Path, fractions: Sequence[float], folds: int, patients: int) -> None:
    if len(fractions) != 3 or min(fractions) < 0 or fractions[0] <= 0 or abs(sum(fractions) - 1) > 1e-6:
        reason = f"fractions {tuple(fractions)} are not three shares with the sum 1"
        raise DatasetError(path, reason, "give for example 0.7, 0.2, 0.1")
    if folds < 2:
        raise DatasetError(path, f"{folds} folds can not be held out in turn", "give 2 or more")
    if patients < folds + 1:
        raise DatasetError(path, f"{patients} patients are too few for {folds} folds and a test set", "add radiographs")


def _patients(dataset: Dataset, raters: Sequence[str] | None) -> list[_Patient]:
    """Return all patients, with what the reference annotations and the table say about them."""
    reference = dataset.reference_annotations(raters) if dataset.raters else {}
    labels: dict[str, list[str | None]] = {}
    rows: dict[str, list[tuple[str, str, str]]] = {}
    for row in dataset.radiographs:
        mark = reference.get(row.id)
        age = "" if row.age_years is None else "child" if row.age_years < CHILD_BELOW_YEARS else "adult"
        labels.setdefault(row.group, []).append(mark.label if mark else None)
        rows.setdefault(row.group, []).append((age, row.stratum, resolve_view(row, mark)))
    site = dataset.site
    patients = []
    for name, entries in rows.items():
        label = study_label(labels[name], site.classes, site.positive_class) or ""
        ages, strata, views = ("+".join(sorted({e[i] for e in entries})) for i in range(3))
        features = (f"age {ages}", f"stratum {strata}", f"views {views}", f"{ages}|{strata}|{views}")
        patients.append(_Patient(name, label, features, frozenset(entry[1] for entry in entries)))
    return sorted(patients, key=lambda patient: patient.name)


def _kept_for_test(patients: Sequence[_Patient], test_strata: Sequence[str]) -> tuple[dict[str, Split], list[_Patient]]:
    """Return the patients of the strata that are only tested on, and the others."""
    kept = {patient.name: Split("test", None) for patient in patients if patient.strata & set(test_strata)}
    return kept, [patient for patient in patients if patient.name not in kept]


def _assign(
    patients: Sequence[_Patient], old: Mapping[str, Split], fractions: Sequence[float], folds: int, seed: int
) -> dict[str, Split]:
    """Deal the patients that are not in ``old``."""
    rng = random.Random(seed)
    before = {name: SPLIT_NAMES.index(split.split) for name, split in old.items()}
    groups = _deal(patients, before, fractions, rng)
    held_in = [p for p in patients if groups.get(p.name, before.get(p.name)) != SPLIT_NAMES.index("test")]
    before_fold = {name: split.fold for name, split in old.items() if split.fold is not None}
    fold_of = _deal(held_in, before_fold, [1 / folds] * folds, rng)
    return {name: Split(SPLIT_NAMES[group], fold_of.get(name)) for name, group in groups.items()}


def _deal(
    patients: Sequence[_Patient], before: Mapping[str, int], fractions: Sequence[float], rng: random.Random
) -> dict[str, int]:
    """Deal patients into groups by fractions: label by label exactly, other features greedily.

    Patients of a rare combination of features are dealt first, each to the group that is furthest below its share of
    the patients dealt so far who have these features.
    """
    counts: list[Counter[str]] = [Counter() for _ in fractions]
    for patient in patients:
        if patient.name in before:
            counts[before[patient.name]].update(_balanced(patient))
    total = Counter(feature for patient in patients for feature in _balanced(patient))
    new = [patient for patient in patients if patient.name not in before]
    rng.shuffle(new)
    new.sort(key=lambda p: (total[f"label {p.label}"], p.label, total[_balanced(p)[-1]]))
    room = _rooms(new, counts, total, fractions)
    groups: dict[str, int] = {}
    for patient in new:
        free = [group for group in range(len(fractions)) if room[patient.label][group] > 0]
        dealt = {feature: 1 + sum(count[feature] for count in counts) for feature in _balanced(patient)}
        group = max(free, key=lambda g: sum(fractions[g] * n - counts[g][feature] for feature, n in dealt.items()))
        room[patient.label][group] -= 1
        counts[group].update(_balanced(patient))
        groups[patient.name] = group
    return groups


def _balanced(patient: _Patient) -> tuple[str, ...]:
    return (f"label {patient.label}", *patient.features, f"{patient.label}|{patient.features[-1]}")


def _rooms(
    new: Iterable[_Patient], counts: Sequence[Counter[str]], total: Mapping[str, int], fractions: Sequence[float]
) -> dict[str, list[int]]:
    """Return label -> how many new patients each group takes.

    One after the other goes to the group furthest below its share of the label (empty groups first, when there are
    patients enough for all), on a tie below its share of all patients.
    """
    labels = Counter(patient.label for patient in new)
    everyone = sum(n for feature, n in total.items() if feature.startswith("label "))
    have_all = [sum(n for f, n in count.items() if f.startswith("label ")) for count in counts]
    used = [group for group, fraction in enumerate(fractions) if fraction > 0]
    room: dict[str, list[int]] = {}
    for label, number in sorted(labels.items(), key=lambda item: (item[1], item[0])):
        key = f"label {label}"
        have = [count[key] for count in counts]
        room[label] = [0] * len(fractions)
        for _ in range(number):
            group = max(
                used,
                key=lambda g: (
                    have[g] == 0 and total[key] >= len(used),
                    round(fractions[g] * total[key] - have[g], 9),
                    fractions[g] * everyone - have_all[g],
                ),
            )
            room[label][group] += 1
            have[group] += 1
            have_all[group] += 1
    return room
