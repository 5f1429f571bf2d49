"""People and models as readers of the same studies: what each found, how far they agree, whether they differ by chance.

The tables are those of DeepWrist (Tables 3 and 4, Supplementary Section S3): each human reader and the model as rows,
on all, general and hard studies. All intervals of a set come from the same stratified resamples of its patients.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from fractureai.bundle.spec import plain
from fractureai.errors import EvaluationError
from fractureai.evaluation.agreement import KappaEstimate, kappa_estimate
from fractureai.evaluation.blocks import Section
from fractureai.evaluation.bootstrap import (
    CONFIDENCE,
    RESAMPLES,
    Estimate,
    bootstrap_sums,
    check_bootstrap,
    percentile_estimate,
    wilson,
)
from fractureai.evaluation.cases import CaseResult
from fractureai.evaluation.comparison import AurocComparison, McNemar, compare_auroc, mcnemar
from fractureai.evaluation.metrics import BoolArray, FloatArray
from fractureai.evaluation.strata import STRATA

REFERENCE = "Reference"
MODEL = "Model"
SHARES = ("sensitivity", "specificity", "precision", "f1", "balanced_accuracy")
SETS = ("all", "general", "hard")


@dataclass(frozen=True)
class OtherModel:
    """Another model's probabilities.

    Attributes:
        probabilities: study -> 0..1.
        threshold: a study is called when its probability is at least this.
    """

    probabilities: Mapping[str, float]
    threshold: float = 0.5


@dataclass(frozen=True)
class ReaderTable:
    """What readers said.

    Attributes:
        calls: reader -> study -> whether the reader called it a fracture. A study that is missing was not read.
        models: name -> another model on the same studies.
        notes: what could not be used, a sentence each.
    """

    calls: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)
    models: Mapping[str, OtherModel] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All readers and other models."""
        return (*self.calls, *self.models)

    def merged(self, other: ReaderTable) -> ReaderTable:
        """Return the readers of both.

        Raises:
            EvaluationError: both have a reader of one name.
        """
        twice = set(self.names).intersection(other.names)
        if twice:
            raise EvaluationError(f"Two readers are called {min(twice)}; rename the heading of one's column.")
        return ReaderTable({**self.calls, **other.calls}, {**self.models, **other.models}, (*self.notes, *other.notes))


@dataclass(frozen=True)
class ReaderRow:
    """One reader on one set of studies.

    Attributes:
        reader: name.
        is_model: True for this model and others.
        n, n_positive: studies that the reader read, and the fractures among them.
        true_positive, false_positive, true_negative, false_negative: the confusion matrix.
        estimates: sensitivity, specificity, precision, F1, balanced accuracy with bootstrap interval.
        sensitivity_wilson, specificity_wilson: the two shares with Wilson's interval, for few studies.
        kappa: with the reference.
        against_model: right and wrong decisions, this reader first and the model second, on the studies both read; None
            for the model itself.
        against_model_fractures, against_model_normals: the same on fractures (sensitivity) and normals (specificity).
        auroc: of another model and this one, on the studies both read; None for people.
    """

    reader: str
    is_model: bool
    n: int
    n_positive: int
    true_positive: int
    false_positive: int
    true_negative: int
    false_negative: int
    estimates: Mapping[str, Estimate]
    sensitivity_wilson: Estimate
    specificity_wilson: Estimate
    kappa: KappaEstimate
    against_model: McNemar | None = None
    against_model_fractures: McNemar | None = None
    against_model_normals: McNemar | None = None
    auroc: AurocComparison | None = None


@dataclass(frozen=True)
class ReaderPair:
    """Agreement of two readers on the studies both read; one of them may be the reference."""

    first: str
    second: str
    kappa: KappaEstimate


@dataclass(frozen=True, eq=False)
class ReaderSet:
    """All readers on one set of studies.

    Attributes:
        name, title: of the set.
        n, n_positive: studies that somebody or the model read, and the fractures among them.
        rows: the readers, then the model, then other models.
        pairs: every two of the reference, the readers and the models.
        labels, probabilities, patients: of the studies that the model read, for its curves.
    """

    name: str
    title: str
    n: int
    n_positive: int
    rows: tuple[ReaderRow, ...]
    pairs: tuple[ReaderPair, ...]
    labels: BoolArray = field(repr=False)
    probabilities: FloatArray = field(repr=False)
    patients: tuple[str, ...] = field(repr=False)

    @property
    def people(self) -> tuple[ReaderRow, ...]:
        """The rows of human readers."""
        return tuple(row for row in self.rows if not row.is_model)

    def kappa(self, first: str, second: str) -> KappaEstimate:
        """Return the agreement of two readers, in either order."""
        return next(pair.kappa for pair in self.pairs if {pair.first, pair.second} == {first, second})


@dataclass(frozen=True)
class ReaderStudy:
    """Readers and the model side by side.

    Attributes:
        sets: all studies; or general and hard where there are both, and all.
        notes: what could not be used.
        confidence: of all intervals.
    """

    sets: tuple[ReaderSet, ...]
    notes: tuple[str, ...] = ()
    confidence: float = CONFIDENCE

    def section(self) -> Section:
        """Return what people read."""
        from fractureai.evaluation.reader_section import reader_section

        return reader_section(self)

    def to_json(self) -> Mapping[str, Any]:
        """Return what programs read."""
        values: dict[str, Any] = plain(self)
        for found in values["sets"]:
            for key in ("labels", "probabilities", "patients"):  # they are in cases.csv
                del found[key]
        return values


def reader_study(
    cases: Sequence[CaseResult],
    table: ReaderTable,
    resamples: int = RESAMPLES,
    seed: int = 0,
    confidence: float = CONFIDENCE,
) -> ReaderStudy:
    """Compare readers with the reference, with each other and with the model.

    Args:
        cases: the studies, with the model's readings.
        table: what the readers said; studies that are not among the cases are left aside.
        resamples, seed, confidence: of the bootstrap.

    Raises:
        EvaluationError: no reader read any of the cases, or one is called like the model or the reference.
    """
    check_bootstrap(resamples, confidence)
    taken = {MODEL, REFERENCE}.intersection(table.names)
    if taken:
        raise EvaluationError(f"A reader can not be called {min(taken)}; rename the column or file.")
    studies = {case.study for case in cases}
    silent = [name for name, calls in table.calls.items() if not studies & calls.keys()]
    silent += [name for name, other in table.models.items() if not studies & other.probabilities.keys()]
    if silent:
        raise EvaluationError(
            f"{silent[0]} read none of the {len(studies)} studies that are evaluated; check the IDs and the split."
        )
    sets = []
    for stratum in STRATA:
        members = [case for case in cases if stratum.member(case)] if stratum.name in SETS else []
        if members:
            sets.append(_reader_set(stratum.name, stratum.title, members, table, (resamples, seed, confidence)))
    if len(sets) < len(SETS):
        sets = sets[:1]
    return ReaderStudy(tuple(sets), table.notes, confidence)


@dataclass(frozen=True, eq=False)
class _Reader:
    """One reader's decisions on the cases of a set."""

    name: str
    is_model: bool
    read: BoolArray
    called: BoolArray
    probabilities: FloatArray | None = None


def _reader_set(
    name: str, title: str, cases: Sequence[CaseResult], table: ReaderTable, settings: tuple[int, int, float]
) -> ReaderSet:
    cases = [case for case in cases if _anybody_read(case, table)]
    resamples, seed, confidence = settings
    labels = np.array([case.label for case in cases], dtype=bool)
    patients = [case.patient for case in cases]
    readers = _readers(cases, table)
    reference = _Reader(REFERENCE, False, np.ones(len(cases), dtype=bool), labels)
    combined = list(itertools.combinations([reference, *readers], 2))
    cells = np.stack([_cells(first, second) for first, second in combined], axis=1)  # (cases, pairs, 4)
    sums = bootstrap_sums(cells.reshape(len(cases), -1), labels, patients, resamples, seed)
    drawn = sums.reshape(resamples, len(combined), 2, 2)
    tables = cells.sum(axis=0).reshape(-1, 2, 2)
    pairs = tuple(
        ReaderPair(first.name, second.name, kappa_estimate(tables[i], drawn[:, i], confidence))
        for i, (first, second) in enumerate(combined)
    )
    model = next(reader for reader in readers if reader.name == MODEL)
    rows = tuple(
        _against(
            _row(reader, pairs[i].kappa, tables[i], drawn[:, i], confidence),
            reader,
            model,
            labels,
            patients,
            confidence,
        )
        for i, reader in enumerate(readers)  # the first pairs are those with the reference
    )
    of_model = model.read
    assert model.probabilities is not None
    return ReaderSet(
        name,
        title,
        len(cases),
        int(labels.sum()),
        tuple(row for row in rows if row.n),
        tuple(pair for pair in pairs if pair.kappa.n),
        labels[of_model],
        model.probabilities[of_model],
        tuple(patient for patient, read in zip(patients, of_model, strict=True) if read),
    )


def _anybody_read(case: CaseResult, table: ReaderTable) -> bool:
    return (
        case.probability is not None
        or any(case.study in calls for calls in table.calls.values())
        or any(case.study in other.probabilities for other in table.models.values())
    )


def _readers(cases: Sequence[CaseResult], table: ReaderTable) -> list[_Reader]:
    """People, then the model, then other models."""
    found = []
    for name, calls in table.calls.items():
        said = [calls.get(case.study) for case in cases]
        read = np.array([call is not None for call in said], dtype=bool)
        called = np.array([bool(call) for call in said], dtype=bool)
        found.append(_Reader(name, False, read, called))
    own = {case.study: case.probability for case in cases if case.probability is not None}
    thresholds = np.array([case.threshold for case in cases])
    found.append(_model(MODEL, cases, own, thresholds))
    for name, other in table.models.items():
        found.append(_model(name, cases, other.probabilities, np.full(len(cases), other.threshold)))
    return found


def _model(
    name: str, cases: Sequence[CaseResult], probabilities: Mapping[str, float], thresholds: FloatArray
) -> _Reader:
    given = np.array([probabilities.get(case.study, math.nan) for case in cases], dtype=np.float64)
    return _Reader(name, True, ~np.isnan(given), given >= thresholds, given)


def _cells(first: _Reader, second: _Reader) -> FloatArray:
    """Return (cases, 4): 1 in the cell (first's call, second's call) of each case that both read."""
    both = (first.read & second.read)[:, None]
    return np.asarray(np.eye(4)[2 * first.called.astype(int) + second.called.astype(int)] * both)


def _row(reader: _Reader, kappa: KappaEstimate, table: FloatArray, drawn: FloatArray, confidence: float) -> ReaderRow:
    (tn, fp), (fn, tp) = ((int(value) for value in line) for line in table)
    values, resampled = _shares(table[None]), _shares(drawn)
    return ReaderRow(
        reader.name,
        reader.is_model,
        tp + fp + tn + fn,
        tp + fn,
        tp,
        fp,
        tn,
        fn,
        {name: percentile_estimate(float(values[name][0]), resampled[name], confidence) for name in SHARES},
        wilson(tp, tp + fn, confidence),
        wilson(tn, tn + fp, confidence),
        kappa,
    )


def _shares(tables: FloatArray) -> dict[str, FloatArray]:
    """Return the five shares of (k, 2, 2) tables by reference and call; nan where not defined."""
    tn, fp, fn, tp = tables[:, 0, 0], tables[:, 0, 1], tables[:, 1, 0], tables[:, 1, 1]
    with np.errstate(invalid="ignore", divide="ignore"):
        sensitivity, specificity = tp / (tp + fn), tn / (tn + fp)
        shares = (
            sensitivity, specificity, tp / (tp + fp), 2 * tp / (2 * tp + fp + fn), (sensitivity + specificity) / 2
        )  # fmt: skip
    return dict(zip(SHARES, shares, strict=True))


def _against(
    row: ReaderRow, reader: _Reader, model: _Reader, labels: BoolArray, patients: Sequence[str], confidence: float
) -> ReaderRow:
    """Add the comparison with the model."""
    common = reader.read & model.read
    if reader is model or not common.any():
        return row
    ours, theirs = reader.called == labels, model.called == labels
    parts = [mcnemar(ours[part], theirs[part]) for part in (common, common & labels, common & ~labels)]
    area = None
    if reader.probabilities is not None and model.probabilities is not None:
        area = compare_auroc(
            labels[common],
            reader.probabilities[common],
            model.probabilities[common],
            [patient for patient, both in zip(patients, common, strict=True) if both],
            confidence,
        )
    return replace(
        row,
        against_model=parts[0],
        against_model_fractures=parts[1],
        against_model_normals=parts[2],
        auroc=area,
    )
