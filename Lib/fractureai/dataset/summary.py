"""What a dataset can train on, and what is missing, radiograph by radiograph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fractureai.dataset.annotation import Annotation
from fractureai.dataset.annotation_files import Reporter, warn_of
from fractureai.dataset.reference import AUTHORITIES, MODEL_PREFIX, resolve_view

if TYPE_CHECKING:
    from fractureai.dataset.core import Dataset
    from fractureai.dataset.splits import Split
    from fractureai.dataset.table import RadiographRow

GAPS = ("file", "unfinished", "undecided", "view", "landmarks", "label", "uncertain", "split")
"""What can be missing; see `Gap`."""

OBSTACLES = ("nothing", "patients", "empty_fold", "one_class")
"""What keeps a training from starting or from ending well; see `Obstacle`."""

NEW_FOLDS = 5
"""Folds that are made when a dataset without splits is trained on (`make_splits`)."""

_UNFIT = frozenset({"file", "unfinished", "undecided", "view", "split"})


@dataclass(frozen=True)
class Gap:
    """Radiographs that lack the same thing.

    Attributes:
        kind: ``file`` (there is no file), ``unfinished`` (nobody whose marks count has finished it), ``undecided``
            (several people finished it, and nobody said whose marks count), ``view`` (unknown, or none of the site's),
            ``landmarks`` (finished, but not all are placed: it can not train the localizer), ``label`` (finished
            without one) or ``uncertain`` (not normal and not fracture: both can not train the classifier), ``split``
            (the dataset has splits, but not for this patient).
        radiographs: their ids, in the order of the table.
    """

    kind: str
    radiographs: tuple[str, ...]


@dataclass(frozen=True)
class ViewSummary:
    """What one view of the site has, without the patients that are kept for the test.

    Attributes:
        view: name of the view profile.
        title: for people.
        radiographs: how many train something.
        localizer: how many have all landmarks.
        labels: class of the site -> how many train the classifier.
        tested: how many finished ones are kept for the test.
    """

    view: str
    title: str
    radiographs: int
    localizer: int
    labels: Mapping[str, int]
    tested: int

    @property
    def classifier(self) -> int:
        """How many have a class as label."""
        return sum(self.labels.values())


@dataclass(frozen=True)
class RaterSummary:
    """One rater's marks.

    Attributes:
        rater: the name.
        finished: how many radiographs are done.
        counted: of how many the marks are the ones that count.
    """

    rater: str
    finished: int
    counted: int


@dataclass(frozen=True)
class Obstacle:
    """Why a training would fail.

    Attributes:
        kind: ``nothing`` (no radiograph can train), ``patients`` (too few of them to make splits), ``empty_fold`` (no
            radiograph of the view is held out in the fold), ``one_class`` (the held-out radiographs of the view are all
            of one class, so that no threshold can be chosen).
        view: name of the view; "" for all.
        fold: 0..k-1; None where it is not about one.
    """

    kind: str
    view: str = ""
    fold: int | None = None


@dataclass(frozen=True)
class TrainingSummary:
    """What a dataset can train on.

    Attributes:
        radiographs, patients: of the whole dataset.
        usable, usable_patients: that train something.
        views: one for each view of the site, in its order.
        raters: one for each who marked, by name.
        gaps: what is missing, in the order of `GAPS`; empty ones are left out.
        has_splits: False before the patients were assigned; then nobody is kept for the test yet.
        folds: how many folds the splits have; 0 before.
        obstacles: why a training with the number of folds asked for would fail; empty when nothing speaks against it.
    """

    radiographs: int
    patients: int
    usable: int
    usable_patients: int
    views: tuple[ViewSummary, ...]
    raters: tuple[RaterSummary, ...]
    gaps: tuple[Gap, ...]
    has_splits: bool
    folds: int
    obstacles: tuple[Obstacle, ...]


@dataclass(frozen=True)
class _Chosen:
    """Whose marks count."""

    annotations: Mapping[str, Annotation]
    undecided: frozenset[str]
    finished: Mapping[str, int]


def summarise(
    dataset: Dataset, raters: Sequence[str] | None = None, *, folds: int = 1, report: Reporter = warn_of
) -> TrainingSummary:
    """Look at everything that training looks at, except the pixels; the rules are those of `fractureai.training`.

    Args:
        dataset: the dataset.
        raters: whose marks count, the first who finished; None for the rule of `Dataset.reference_annotations`, except
            that radiographs on which it can not decide are counted as ``undecided`` instead of raised.
        folds: number of networks a stage; 1 validates on the validation split.
        report: see `Dataset.annotations`.

    Raises:
        DatasetError: radiographs.csv or splits.csv can not be read.
    """
    chosen = _choose(dataset, raters, report)
    rows, splits = dataset.radiographs, dataset.splits
    missing: dict[str, list[str]] = {kind: [] for kind in GAPS}
    usable = []
    for row in rows:
        gaps = _gaps_of(dataset, row, chosen, splits)
        for kind in gaps:
            missing[kind].append(row.id)
        without_label = not gaps.isdisjoint({"label", "uncertain"})
        if gaps.isdisjoint(_UNFIT) and not ("landmarks" in gaps and without_label):
            usable.append(row)
    training = [row for row in usable if _split_name(splits, row) != "test"]
    patients = len({row.group for row in rows})
    return TrainingSummary(
        radiographs=len(rows),
        patients=patients,
        usable=len(training),
        usable_patients=len({row.group for row in training}),
        views=_views(dataset, usable, chosen, splits),
        raters=_raters(chosen),
        gaps=tuple(Gap(kind, tuple(ids)) for kind, ids in missing.items() if ids),
        has_splits=bool(splits),
        folds=1 + max((s.fold for s in splits.values() if s.fold is not None), default=-1),
        obstacles=tuple(_obstacles(dataset, training, chosen, splits, folds, patients)),
    )


def _choose(dataset: Dataset, raters: Sequence[str] | None, report: Reporter) -> _Chosen:
    marks: dict[str, dict[str, Annotation]] = {}
    for rater in dataset.raters:
        done = {a.radiograph: a for a in dataset.annotations(rater, report=report) if a.status == "done"}
        marks[rater] = {row.id: done[row.id] for row in dataset.radiographs if row.id in done}
    order = [name for name in (AUTHORITIES if raters is None else raters) if name in marks]
    annotations: dict[str, Annotation] = {}
    for rater in order:
        annotations = {**marks[rater], **annotations}
    undecided: set[str] = set()
    if raters is None:
        people = [name for name in marks if name not in AUTHORITIES and not name.startswith(MODEL_PREFIX)]
        readers = Counter(id_ for name in people for id_ in marks[name] if id_ not in annotations)
        undecided = {id_ for id_, number in readers.items() if number > 1}
        alone = readers.keys() - undecided
        annotations |= {id_: mark for name in people for id_, mark in marks[name].items() if id_ in alone}
    return _Chosen(annotations, frozenset(undecided), {name: len(found) for name, found in marks.items()})


def _gaps_of(dataset: Dataset, row: RadiographRow, chosen: _Chosen, splits: Mapping[str, Split]) -> set[str]:
    gaps = set()
    if not row.file or not dataset.image_path(row).is_file():
        gaps.add("file")
    if splits and row.group not in splits:
        gaps.add("split")
    mark = chosen.annotations.get(row.id)
    if mark is None:
        return gaps | {"undecided" if row.id in chosen.undecided else "unfinished"}
    profile = dataset.site.view_for(resolve_view(row, mark))
    if profile is None:
        gaps.add("view")
    elif not set(profile.landmark_names) <= set(mark.landmarks):
        gaps.add("landmarks")
    if mark.label is None:
        gaps.add("label")
    elif mark.label not in dataset.site.classes:
        gaps.add("uncertain")
    return gaps


def _split_name(splits: Mapping[str, Split], row: RadiographRow) -> str:
    """Return ``train`` before there are splits: who is kept for the test is not decided yet."""
    return splits[row.group].split if row.group in splits else "train"


def _views(
    dataset: Dataset, usable: Sequence[RadiographRow], chosen: _Chosen, splits: Mapping[str, Split]
) -> tuple[ViewSummary, ...]:
    summaries = []
    for view in dataset.site.views:
        marks = [(row, chosen.annotations[row.id]) for row in usable]
        marks = [(row, mark) for row, mark in marks if resolve_view(row, mark) in view.accepts]
        training = [mark for row, mark in marks if _split_name(splits, row) != "test"]
        summaries.append(
            ViewSummary(
                view=view.name,
                title=view.title,
                radiographs=len(training),
                localizer=sum(set(view.landmark_names) <= set(mark.landmarks) for mark in training),
                labels={name: sum(mark.label == name for mark in training) for name in dataset.site.classes},
                tested=len(marks) - len(training),
            )
        )
    return tuple(summaries)


def _raters(chosen: _Chosen) -> tuple[RaterSummary, ...]:
    counted = [mark.rater for mark in chosen.annotations.values()]
    return tuple(RaterSummary(name, number, counted.count(name)) for name, number in chosen.finished.items())


def _obstacles(
    dataset: Dataset,
    training: Sequence[RadiographRow],
    chosen: _Chosen,
    splits: Mapping[str, Split],
    folds: int,
    patients: int,
) -> Iterator[Obstacle]:
    if not training:
        yield Obstacle("nothing")
    elif not splits and patients <= NEW_FOLDS:
        yield Obstacle("patients")
    if not splits:
        return
    classes = dataset.site.classes
    for view in dataset.site.views:
        marks = [(row, chosen.annotations[row.id]) for row in training]
        marks = [(row, mark) for row, mark in marks if resolve_view(row, mark) in view.accepts]
        held_out = [(fold, mark.label) for row, mark in marks if (fold := _fold_of(splits[row.group], folds)) >= 0]
        empty = sorted(set(range(folds)) - {fold for fold, _ in held_out})
        if marks and empty:
            yield Obstacle("empty_fold", view.name, empty[0])
        elif marks and len({label for _, label in held_out if label in classes}) < 2:
            yield Obstacle("one_class", view.name)


def _fold_of(split: Split, folds: int) -> int:
    """Return the fold in which a patient is held out, -1 for none; a single fold holds out the validation split."""
    if folds == 1:
        return 0 if split.split == "validation" else -1
    return -1 if split.fold is None else split.fold
