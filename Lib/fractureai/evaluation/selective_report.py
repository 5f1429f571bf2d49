"""The report's section on referral by uncertainty: every score side by side, the published one as the baseline."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from fractureai.bundle.spec import plain
from fractureai.evaluation.blocks import Block, Bullets, Column, Plot, Plots, RowGroup, Section, Table, Text
from fractureai.evaluation.bootstrap import CONFIDENCE
from fractureai.evaluation.cases import CaseResult
from fractureai.evaluation.figures import BLUE, INK, MUTED
from fractureai.evaluation.metrics import FloatArray
from fractureai.evaluation.risk_coverage import optimal_aurc
from fractureai.evaluation.selective import (
    KEPT_METRICS,
    REFERRED,
    RESAMPLES,
    SelectiveRow,
    SelectiveStratum,
    Separation,
    baseline_of,
    selective_stratum,
    selective_table,
    separations,
)
from fractureai.evaluation.strata import FEW
from fractureai.reliability import COMBINED, SCORES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHARE = 0.2
"""Share of the studies referred in the sentences and differences."""

SHOWN_FROM = 0.1
"""Smallest coverage in the plots."""

_STRATA = (("all", "All studies"), ("general", "General"), ("hard", "Hard (occult fractures)"))


@dataclass(frozen=True, eq=False)
class SelectiveReport:
    """All scores on all strata, and what they tell apart.

    Attributes:
        strata: those with at least one fracture, one normal and one wrong decision; ``all`` first.
        separations: one entry a score.
        baseline: key of the published score.
        n_foreign: foreign images that were read.
        foreign_refused: those that were not.
        note: what the combined score was learned from; "" when not known.
        resamples, seed, confidence: of the bootstrap.
    """

    strata: tuple[SelectiveStratum, ...]
    separations: tuple[Separation, ...]
    baseline: str
    n_foreign: int
    foreign_refused: int
    note: str
    resamples: int
    seed: int
    confidence: float

    def stratum(self, name: str) -> SelectiveStratum | None:
        """Return a stratum, or None when it has too few studies."""
        return next((item for item in self.strata if item.name == name), None)

    def section(self) -> Section:
        """Return what people read."""
        blocks: list[Block] = [Text(sentence, "lead" if i == 0 else "") for i, sentence in enumerate(_verdict(self))]
        blocks += [Text(self.note, "muted")] if self.note else []
        blocks += [Plots(_plots(self))]
        blocks += [_stratum_table(self, stratum) for stratum in self.strata]
        blocks += [_separation_table(self), Bullets(_METHOD, summary="What the scores are, and how this was computed")]
        return Section("selective", "Referral by uncertainty", tuple(blocks))

    def to_json(self) -> dict[str, Any]:
        """Return everything but the curves, which are given at the coverages 0.5, 0.6, ..., 1."""
        strata = []
        for stratum in self.strata:
            values = plain(stratum)
            for row, table in zip(stratum.rows, values["rows"], strict=True):
                table["curve"] = _thinned(row)
            strata.append(values)
        own = {key: getattr(self, key) for key in ("baseline", "n_foreign", "foreign_refused", "note")}
        own |= {key: getattr(self, key) for key in ("resamples", "seed", "confidence")}
        return {**own, "strata": strata, "separations": plain(self.separations)}


def selective_report(
    cases: Iterable[CaseResult],
    foreign: Sequence[Mapping[str, float]] = (),
    foreign_refused: int = 0,
    *,
    note: str = "",
    resamples: int = RESAMPLES,
    seed: int = 0,
    confidence: float = CONFIDENCE,
) -> SelectiveReport | None:
    """Judge every score of the readings.

    Args:
        cases: the studies; those without scores are left out.
        foreign: scores of images that are none of the site, each with its combined score under ``combined``.
        foreign_refused: how many such images the model did not read at all.
        note: what the combined score was learned from (`fractureai.reliability.CombinedScore.note`).
        resamples, seed, confidence: of the bootstrap.

    Returns:
        the report; None when no study has scores.

    Raises:
        EvaluationError: resamples or confidence are out of range.
    """
    table = selective_table(cases, foreign, foreign_refused)
    if table is None:
        return None
    baseline = baseline_of(table)
    strata = []
    for name, title in _STRATA:
        members = np.full(len(table.labels), True) if name == "all" else table.strata == name
        labels, wrong = table.labels[members], table.wrong[members]
        if labels.any() and not labels.all() and wrong.any():
            strata.append(
                selective_stratum(
                    table.part(members), name, title, baseline, resamples=resamples, seed=seed, confidence=confidence
                )
            )
    return SelectiveReport(
        strata=tuple(strata),
        separations=separations(table, baseline, resamples=resamples, seed=seed, confidence=confidence),
        baseline=baseline,
        n_foreign=len(foreign),
        foreign_refused=foreign_refused,
        note=note,
        resamples=resamples,
        seed=seed,
        confidence=confidence,
    )


_METHOD = (
    "Studies are ranked by each score, those to be trusted least first; the share in the column is referred, ranked "
    "inside the studies of the table. The figures are of the studies that are kept.",
    "AURC: mean share of wrong decisions among the kept over all shares that may be kept; lower is better. Excess "
    "AURC: what lies above that of a score that ranks all errors first.",
    "The combined score is learned from studies that the networks have not seen, and aims at missed fractures first: "
    "a false alarm weighs less, because a person looks at it anyway. A gain in sensitivity therefore stands beside the "
    "specificity of the same studies.",
    "Published: variance over the ensemble of the mean of the two views, entropy of the mean prediction (DeepWrist).",
    "Differences are paired: both scores rank the same resample of studies. Intervals: percentile bootstrap, "
    "stratified by fracture, patients with all their studies.",
)


def _verdict(report: SelectiveReport) -> list[str]:
    """Say in plain sentences what referring by the combined score does, whatever that is."""
    sentences = [
        text
        for name in ("hard", "general", "all")
        if (stratum := report.stratum(name)) and (text := _gain_sentence(stratum))
    ]
    combined = next((item for item in report.separations if item.score == COMBINED), None)
    published = next((item for item in report.separations if item.score == report.baseline), None)
    if combined and published and not math.isnan(combined.hard.value):
        sentences.append(
            f"Hard from general studies: AUROC {combined.hard} by the combined score, {published.hard} by the "
            f"published one; difference {combined.hard_over_baseline}."
        )
    if combined and published and not math.isnan(combined.foreign.value):
        refused = f"; {report.foreign_refused} more were not read at all" if report.foreign_refused else ""
        sentences.append(
            f"Foreign images ({report.n_foreign}{refused}) from the site's own: AUROC {combined.foreign} by the "
            f"combined score, {published.foreign} by the published one."
        )
    return sentences or ["There are too few studies or errors to judge referral by uncertainty."]


def _gain_sentence(stratum: SelectiveStratum) -> str:
    row = stratum.row(COMBINED)
    if row is None:
        return ""
    kept, none = row.at(SHARE), stratum.none
    few = min(stratum.n_positive, stratum.n - stratum.n_positive) < FEW
    caution = " These are too few studies for the intervals to be relied on." if few else ""
    return (
        f"{stratum.title}, {stratum.n} studies: referring {100 * SHARE:g} % of them by the combined score takes the "
        f"sensitivity on the rest from {none['sensitivity']} to {kept.sensitivity} (difference {kept.gain}), and the "
        f"specificity from {none['specificity']} to {kept.specificity}.{caution}"
    )


def _stratum_table(report: SelectiveReport, stratum: SelectiveStratum) -> Table:
    columns = [
        Column("score", "Score"),
        Column("aurc", "AURC", ".3f"),
        Column("excess_aurc", "Excess AURC", ".3f"),
    ]
    short = {"sensitivity": "Sens.", "specificity": "Spec.", "auroc": "AUROC"}
    for share in REFERRED:
        columns += [Column(f"{metric}_{share:g}", f"{short[metric]} {100 * share:g} %") for metric in KEPT_METRICS]
    columns.append(Column(f"sensitivity_gain_{SHARE:g}", f"Gain in sens. {100 * SHARE:g} %", "+.2f"))
    rows = [
        (
            row.title,
            row.aurc,
            row.excess,
            *(getattr(kept, metric) for kept in row.kept for metric in KEPT_METRICS),
            row.at(SHARE).gain,
        )
        for row in stratum.rows
    ]
    none = ("No referral", None, None, *[stratum.none[metric] for _ in REFERRED for metric in KEPT_METRICS], None)
    return Table(
        columns=tuple(columns),
        groups=(RowGroup(rows=tuple(rows)), RowGroup(rows=(none,), muted=True)),
        caption=f"{stratum.title}: {stratum.n} studies, {stratum.n_positive} fractures, {stratum.n_wrong} wrong "
        f"decisions. Figures of the studies kept after 10 % and 20 % were referred; below each value its "
        f"{100 * report.confidence:g} % interval.",
        name=f"selective_{stratum.name}",
    )


def _separation_table(report: SelectiveReport) -> Table:
    everything = report.strata[0] if report.strata else None
    rows = []
    for item in report.separations:
        row = everything.row(item.score) if everything else None
        differences = (row.aurc_over_baseline, row.at(SHARE).gain_over_baseline) if row else (None, None)
        pairs = (item.hard, item.hard_over_baseline, item.foreign, item.foreign_over_baseline)
        rows.append((item.title, *pairs, *differences))
    return Table(
        columns=(
            Column("score", "Score"),
            Column("auroc_hard", "Hard or general: AUROC"),
            Column("auroc_hard_difference", "Difference", "+.2f"),
            Column("auroc_foreign", "Foreign or own: AUROC"),
            Column("auroc_foreign_difference", "Difference", "+.2f"),
            Column("aurc_difference", "Difference in AURC", "+.3f"),
            Column("sensitivity_difference", f"Difference in sens. {100 * SHARE:g} %", "+.2f"),
        ),
        groups=(RowGroup(rows=tuple(rows)),),
        caption=f"What each score tells apart, and paired differences from the published score "
        f"({SCORES[report.baseline].lower()}). The last two columns: all studies. Positive is better but for AURC.",
        name="selective_scores",
    )


def _plots(report: SelectiveReport) -> tuple[Plot, ...]:
    curves = [
        Plot(
            f"risk_coverage_{stratum.name}",
            f"Risk and coverage: {stratum.title.split(' (')[0].lower()}",
            "Share of wrong decisions among the studies kept, the least trusted referred first (from right to left). "
            "Lower is better; the dotted line is the best possible.",
            partial(_draw_risk, report, stratum),
        )
        for stratum in report.strata
        if stratum.name != "general"
    ]
    told = [
        item for item in report.separations if not math.isnan(item.hard.value) or not math.isnan(item.foreign.value)
    ]
    caption = f"AUROC with {100 * report.confidence:g} % interval; the dashed line is chance."
    both = Plot(
        "selective_auroc",
        "What each score tells apart",
        caption,
        partial(_draw_separation, report.baseline, told),
        (8.4, 4.4),
    )
    return (*curves, both) if told else tuple(curves)


def _draw_risk(report: SelectiveReport, stratum: SelectiveStratum, figure: Figure) -> None:
    axes = figure.add_subplot()
    for score, colour, dashes, width in ((COMBINED, BLUE, "-", 2.8), (report.baseline, MUTED, "--", 2.4)):
        found = stratum.row(score)
        if found:
            label = f"{found.title}: AURC {found.aurc.value:.3f}"
            axes.plot(*_curve(found), dashes, color=colour, linewidth=width, label=label, zorder=4, clip_on=False)
    others = [row for row in stratum.rows if row.score not in (COMBINED, report.baseline)]
    for i, row in enumerate(others):
        name = f"{len(others)} other single scores" if i == 0 else "_"  # "_": not in the legend
        axes.plot(*_curve(row), color=MUTED, linewidth=1, alpha=0.45, label=name, zorder=2)
    kept = np.arange(1, stratum.n + 1)
    best = np.maximum(0, kept - (stratum.n - stratum.n_wrong)) / kept
    label = f"Best possible: AURC {float(optimal_aurc(stratum.n_wrong, stratum.n)):.3f}"
    axes.plot(kept / stratum.n, best, ":", color=INK, linewidth=1.4, label=label)
    top = max(stratum.n_wrong / stratum.n, *(_curve(row)[1].max() for row in stratum.rows))
    axes.set(xlim=(0, 1.01), ylim=(0, 1.05 * top), xlabel="Coverage (share of studies kept)")
    axes.set_ylabel("Risk (share of wrong decisions)")
    figure.legend(loc="outside upper left", labelspacing=0.3)


def _curve(row: SelectiveRow) -> tuple[FloatArray, FloatArray]:
    """Return coverage and risk from a coverage of 10 % on: over a few studies the risk jumps between 0 and 1."""
    shown = row.curve.coverage >= SHOWN_FROM
    return row.curve.coverage[shown], row.curve.risk[shown]


def _draw_separation(baseline: str, told: Sequence[Separation], figure: Figure) -> None:
    sides = (("hard", "Hard or general"), ("foreign", "Foreign or the site's own"))
    drawn = [side for side in sides if any(not math.isnan(getattr(item, side[0]).value) for item in told)]
    for axes, (kind, title) in zip(figure.subplots(1, len(drawn), sharey=True, squeeze=False)[0], drawn, strict=True):
        _draw_bars(axes, baseline, [(item, getattr(item, kind)) for item in told])
        axes.set_xlabel(f"AUROC: {title}")


def _draw_bars(axes: Axes, baseline: str, rows: Sequence[tuple[Separation, Any]]) -> None:
    for y, (item, estimate) in enumerate(rows):
        colour, alpha = {COMBINED: (BLUE, 1.0), baseline: (MUTED, 0.9)}.get(item.score, (MUTED, 0.4))
        axes.barh(y, estimate.value, color=colour, alpha=alpha, height=0.66)
        axes.plot([estimate.low, estimate.high], [y, y], color=INK, linewidth=1.2)
        axes.text(1.02, y, estimate.value_text, va="center", ha="left", color=INK)
    axes.axvline(0.5, linestyle="--", color=MUTED, linewidth=1)
    axes.set(xlim=(0, 1.13), xticks=np.linspace(0, 1, 6), ylim=(len(rows) - 0.4, -0.6))
    axes.set_yticks(range(len(rows)), [item.title for item, _ in rows])
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")


def _thinned(row: SelectiveRow) -> list[dict[str, float]]:
    coverage = np.linspace(0.5, 1, 6)
    risk = np.interp(coverage, row.curve.coverage, row.curve.risk)
    return [{"coverage": round(float(x), 1), "risk": float(y)} for x, y in zip(coverage, risk, strict=True)]
