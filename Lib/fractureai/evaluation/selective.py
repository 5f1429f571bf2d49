"""What referring the least trusted studies gains, score by score, and which studies each score tells apart.

Every score ranks the studies of a stratum; the least trusted go to a person (`fractureai.evaluation.risk_coverage`),
and the figures of the others are compared with those of all, and with those after referring by the published score. A
score that is not defined for a study counts as the median of the others.

Intervals come from the stratified bootstrap of `fractureai.evaluation.bootstrap`; all scores are computed on the very
same resamples, so that their differences have intervals too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt

from fractureai.evaluation.bootstrap import (
    CONFIDENCE,
    Estimate,
    IntArray,
    Ranking,
    check_bootstrap,
    draw_cases,
    percentile_estimate,
)
from fractureai.evaluation.cases import CaseResult
from fractureai.evaluation.metrics import BoolArray, FloatArray
from fractureai.evaluation.risk_coverage import Order, RiskCoverage, fill_median, optimal_aurc, risk_coverage
from fractureai.reliability import COMBINED, SCORES

REFERRED = (0.1, 0.2)
"""Shares of the studies that are referred in the tables."""

RESAMPLES = 2000
NOTHING = Estimate(math.nan, math.nan, math.nan)
KEPT_METRICS = ("sensitivity", "specificity", "auroc")
TITLES: Mapping[str, str] = {COMBINED: "Combined", **SCORES}
"""Score -> title, the combined one first."""


@dataclass(frozen=True, eq=False)
class SelectiveTable:
    """Studies with the scores of their readings.

    Attributes:
        labels: (n,) True for a fracture.
        probabilities, thresholds: (n,) 0..1.
        scores: key of `TITLES` -> (n,), nan where not defined, higher = trust less.
        strata: (n,) ``general``, ``hard`` or "".
        patients: (n,) pseudonyms.
        foreign: key -> (m,) scores of images that are none of the site (other body parts, photographs, noise).
        foreign_refused: how many such images were not read at all.
    """

    labels: BoolArray
    probabilities: FloatArray
    thresholds: FloatArray
    scores: Mapping[str, FloatArray]
    strata: npt.NDArray[np.str_]
    patients: tuple[str, ...]
    foreign: Mapping[str, FloatArray]
    foreign_refused: int = 0

    @property
    def wrong(self) -> BoolArray:
        """(n,) whether the decision was wrong."""
        return np.asarray((self.probabilities >= self.thresholds) != self.labels)

    def part(self, members: BoolArray) -> SelectiveTable:
        """Return the table of some of the studies."""
        return SelectiveTable(
            self.labels[members],
            self.probabilities[members],
            self.thresholds[members],
            {key: values[members] for key, values in self.scores.items()},
            self.strata[members],
            tuple(np.array(self.patients, dtype=object)[members]),
            self.foreign,
            self.foreign_refused,
        )


def selective_table(
    cases: Iterable[CaseResult], foreign: Sequence[Mapping[str, float]] = (), foreign_refused: int = 0
) -> SelectiveTable | None:
    """Take the studies that were read and have scores.

    Args:
        cases: the studies.
        foreign: scores of each foreign image that was read, `COMBINED` among them.
        foreign_refused: how many were not read.

    Returns:
        the table; None when no study has a score (a bundle that was never calibrated).
    """
    read = [case for case in cases if case.probability is not None and case.scores]
    if not read:
        return None
    rows = [{**case.scores, COMBINED: math.nan if case.uncertainty is None else case.uncertainty} for case in read]
    scores = {key: np.array([row.get(key, math.nan) for row in rows], dtype=float) for key in TITLES}
    defined = {key: values for key, values in scores.items() if not np.isnan(values).all()}
    return SelectiveTable(
        labels=np.array([case.label for case in read], dtype=bool),
        probabilities=np.array([case.probability for case in read], dtype=float),
        thresholds=np.array([case.threshold for case in read], dtype=float),
        scores=defined,
        strata=np.array([case.stratum for case in read], dtype=str),
        patients=tuple(case.patient for case in read),
        foreign={key: np.array([row.get(key, math.nan) for row in foreign], dtype=float) for key in defined},
        foreign_refused=foreign_refused,
    )


@dataclass(frozen=True)
class Kept:
    """The studies that are kept after a share was referred, by one score.

    Attributes:
        referred: the share.
        sensitivity, specificity, auroc: of the kept.
        gain: sensitivity minus that without referral.
        gain_over_baseline: sensitivity minus that with the same share referred by the published score; nan for itself.
    """

    referred: float
    sensitivity: Estimate
    specificity: Estimate
    auroc: Estimate
    gain: Estimate
    gain_over_baseline: Estimate


@dataclass(frozen=True)
class SelectiveRow:
    """What one score does for the studies of one stratum.

    Attributes:
        score, title: which.
        aurc, excess: area under the risk-coverage curve, and what lies above the best possible.
        aurc_over_baseline: AURC minus that of the published score; below 0 is better; nan for itself.
        kept: one entry for each share of `REFERRED`.
        curve: the risk-coverage curve.
    """

    score: str
    title: str
    aurc: Estimate
    excess: Estimate
    aurc_over_baseline: Estimate
    kept: tuple[Kept, ...]
    curve: RiskCoverage

    def at(self, referred: float) -> Kept:
        """Return the entry of a share of `REFERRED`."""
        return next(item for item in self.kept if item.referred == referred)


@dataclass(frozen=True)
class SelectiveStratum:
    """All scores on the studies of one stratum, ranked inside it.

    Attributes:
        name, title: of the stratum.
        n, n_positive, n_wrong: studies, fractures, wrong decisions.
        none: ``sensitivity``, ``specificity`` and ``auroc`` without referral.
        rows: the scores, in the order of `TITLES`.
    """

    name: str
    title: str
    n: int
    n_positive: int
    n_wrong: int
    none: Mapping[str, Estimate]
    rows: tuple[SelectiveRow, ...]

    def row(self, score: str) -> SelectiveRow | None:
        """Return the row of a score."""
        return next((row for row in self.rows if row.score == score), None)


def selective_stratum(
    table: SelectiveTable,
    name: str,
    title: str,
    baseline: str,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    confidence: float = CONFIDENCE,
) -> SelectiveStratum:
    """Judge every score on the studies of a table.

    Args:
        table: the studies of the stratum, at least one.
        name, title: of the stratum.
        baseline: key of the published score.
        resamples, seed, confidence: of the bootstrap.

    Raises:
        EvaluationError: resamples or confidence are out of range.
    """
    check_bootstrap(resamples, confidence)
    orders = {key: Order(values) for key, values in table.scores.items() if not np.isnan(values).all()}
    whole = _Resampled(table, orders, [np.ones((len(table.labels), 1), dtype=np.int64)])
    drawn = _Resampled(table, orders, draw_cases(table.labels, table.patients, resamples, seed))
    estimates = _Estimates(whole.values, drawn.values, confidence)
    return SelectiveStratum(
        name,
        title,
        n=len(table.labels),
        n_positive=int(table.labels.sum()),
        n_wrong=int(table.wrong.sum()),
        none={metric: estimates.of("none", metric) for metric in KEPT_METRICS},
        rows=tuple(_row(estimates, key, baseline, risk_coverage(table.wrong, table.scores[key])) for key in orders),
    )


def _row(estimates: _Estimates, key: str, baseline: str, curve: RiskCoverage) -> SelectiveRow:
    other = "" if key == baseline else baseline  # no figure has the name "": nothing to compare the baseline with
    kept = []
    for share in REFERRED:
        sensitivity, specificity, auroc = (estimates.of(key, metric, str(share)) for metric in KEPT_METRICS)
        found = (key, "sensitivity", str(share))
        gain = estimates.difference(found, ("none", "sensitivity"))
        over = estimates.difference(found, (other, "sensitivity", str(share)))
        kept.append(Kept(share, sensitivity, specificity, auroc, gain, over))
    return SelectiveRow(
        key,
        TITLES[key],
        aurc=estimates.of(key, "aurc"),
        excess=estimates.of(key, "excess"),
        aurc_over_baseline=estimates.difference((key, "aurc"), (other, "aurc")),
        kept=tuple(kept),
        curve=curve,
    )


@dataclass(frozen=True, eq=False)
class _Estimates:
    """Figures of all studies and of the resamples, by name."""

    whole: Mapping[tuple[str, ...], FloatArray]
    drawn: Mapping[tuple[str, ...], FloatArray]
    confidence: float

    def of(self, *name: str) -> Estimate:
        return percentile_estimate(float(self.whole[name][0]), self.drawn[name], self.confidence)

    def difference(self, name: tuple[str, ...], minus: tuple[str, ...]) -> Estimate:
        """Return the paired difference; nan where there is nothing to subtract."""
        if minus not in self.whole:
            return NOTHING
        value = float(self.whole[name][0] - self.whole[minus][0])
        return percentile_estimate(value, self.drawn[name] - self.drawn[minus], self.confidence)


class _Resampled:
    """Every figure of every score on the same resamples: ``values[(score, figure, share)]`` is (resamples,)."""

    def __init__(self, table: SelectiveTable, orders: Mapping[str, Order], blocks: Iterable[IntArray]) -> None:
        self._ranking = Ranking(table.labels, table.probabilities, table.thresholds)
        self._wrong = table.wrong
        parts: dict[tuple[str, ...], list[FloatArray]] = {}
        for counts in blocks:
            for key, value in self._figures(orders, counts):
                parts.setdefault(key, []).append(value)
        self.values = {key: np.concatenate(values) for key, values in parts.items()}

    def _figures(self, orders: Mapping[str, Order], counts: IntArray) -> Iterator[tuple[tuple[str, ...], FloatArray]]:
        total, errors = counts.sum(axis=0), counts[self._wrong].sum(axis=0)
        best = optimal_aurc(errors, total)
        yield from ((("none", metric), value) for metric, value in self._metrics(counts))
        for key, order in orders.items():
            aurc = order.aurc(counts, self._wrong)
            yield (key, "aurc"), aurc
            yield (key, "excess"), aurc - best
            for share in REFERRED:
                kept = order.kept(counts, share)
                yield from (((key, metric, str(share)), value) for metric, value in self._metrics(kept))

    def _metrics(self, kept: npt.NDArray[np.generic]) -> list[tuple[str, FloatArray]]:
        # Studies kept in part are counted in part; the sums of a Ranking hold for these as well.
        counts = cast(IntArray, kept)
        with np.errstate(invalid="ignore", divide="ignore"):
            found = self._ranking.metrics(counts[self._ranking.positive_order], counts[self._ranking.negative_order])
        return [(metric, found[metric]) for metric in KEPT_METRICS]


@dataclass(frozen=True)
class Separation:
    """How well one score tells two kinds of studies apart.

    Attributes:
        score, title: which.
        hard: AUROC of hard (positive) against general studies; nan without one of them.
        hard_over_baseline: that minus the published score's.
        foreign: AUROC of foreign images against studies of the site.
        foreign_over_baseline: that minus the published score's.
    """

    score: str
    title: str
    hard: Estimate
    hard_over_baseline: Estimate
    foreign: Estimate
    foreign_over_baseline: Estimate


def separations(
    table: SelectiveTable,
    baseline: str,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    confidence: float = CONFIDENCE,
) -> tuple[Separation, ...]:
    """Compute both AUROCs of every score; arguments as of `selective_stratum`."""
    known = np.isin(table.strata, ("general", "hard"))
    hard = _auroc_samples(
        {key: fill_median(values, values)[known] for key, values in table.scores.items()},
        table.strata[known] == "hard",
        [patient for patient, use in zip(table.patients, known, strict=True) if use],
        resamples,
        seed,
    )
    count = len(next(iter(table.foreign.values()), ()))
    foreign = _auroc_samples(
        {
            key: np.concatenate([fill_median(values, values), fill_median(table.foreign[key], values)])
            for key, values in table.scores.items()
            if key in table.foreign
        },
        np.arange(len(table.labels) + count) >= len(table.labels),
        [*table.patients, *(f"foreign image {i}" for i in range(count))],
        resamples,
        seed,
    )

    def pair(found: Mapping[str, FloatArray], key: str) -> tuple[Estimate, Estimate]:
        if key not in found:
            return NOTHING, NOTHING
        own = found[key]
        estimate = percentile_estimate(float(own[0]), own[1:], confidence)
        if key == baseline or baseline not in found:
            return estimate, NOTHING
        gap = own - found[baseline]
        return estimate, percentile_estimate(float(gap[0]), gap[1:], confidence)

    return tuple(Separation(key, TITLES[key], *pair(hard, key), *pair(foreign, key)) for key in table.scores)


def _auroc_samples(
    scores: Mapping[str, FloatArray], positive: BoolArray, patients: Sequence[str], resamples: int, seed: int
) -> dict[str, FloatArray]:
    """Return score -> (1 + resamples,) AUROC of all cases, then of each resample; {} with one kind of case only."""
    if positive.all() or not positive.any():
        return {}
    rankings = {key: Ranking(positive, values, np.zeros(len(values))) for key, values in scores.items()}
    blocks = [np.ones((len(positive), 1), dtype=np.int64), *draw_cases(positive, patients, resamples, seed)]
    found: dict[str, list[FloatArray]] = {key: [] for key in scores}
    for counts in blocks:
        for key, ranking in rankings.items():
            metrics = ranking.metrics(counts[ranking.positive_order], counts[ranking.negative_order])
            found[key].append(metrics["auroc"])
    return {key: np.concatenate(parts) for key, parts in found.items()}


def baseline_of(table: SelectiveTable) -> str:
    """Return the published score that is there: the variance needs several networks, the entropy one."""
    return "variance" if "variance" in table.scores else "entropy"
