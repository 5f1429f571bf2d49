"""The figures on explanation over a split, and the section of the report that shows them."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from fractureai.evaluation.blocks import Block, Plot, Plots, Section, Text
from fractureai.evaluation.bootstrap import CONFIDENCE, Estimate, bootstrap_metrics, wilson
from fractureai.evaluation.explanation import (
    CASES,
    CENTRE,
    GRAD_CAM,
    MAPS,
    MARKED,
    OCCLUSION,
    UNIFORM,
    ViewExplanation,
)
from fractureai.evaluation.explanation_figure import Example, draw_examples, examples_size
from fractureai.evaluation.explanation_tables import (
    agreement_table,
    error_table,
    map_file,
    map_table,
    radiograph_file,
)
from fractureai.evaluation.localisation import MARGIN_MM
from fractureai.evaluation.map_scores import MapScore
from fractureai.inference.occlusion import PATCH_MM, STRIDE_MM

RESAMPLES = 2000


@dataclass(frozen=True)
class MapRow:
    """How well one kind of map points at marked fractures.

    Attributes:
        view: view profile, or ``all``.
        cases: key of `fractureai.evaluation.explanation.CASES`.
        map: key of `fractureai.evaluation.explanation.MAPS`.
        n: radiographs.
        inside, near: share of the radiographs whose maximum lies inside a marked region, and at most the margin away.
        mass, mass_near: mean share of the map's sum that lies there.
    """

    view: str
    cases: str
    map: str
    n: int
    inside: Estimate
    near: Estimate
    mass: Estimate
    mass_near: Estimate


@dataclass(frozen=True)
class AgreementRow:
    """How much maps of the same radiographs agree, over all radiographs that were read.

    Attributes:
        view: view profile, or ``all``.
        n_folds, folds: radiographs with at least two folds, and the mean correlation of their folds' maps.
        n_chance, chance: the same with the other folds' maps of another radiograph of the view.
        n_occlusion, occlusion: radiographs that were occluded, and the mean rank correlation with the activation map.
    """

    view: str
    n_folds: int
    folds: Estimate
    n_chance: int
    chance: Estimate
    n_occlusion: int
    occlusion: Estimate


@dataclass(frozen=True)
class ErrorRow:
    """Whether a property of the map tells wrong calls of single radiographs from right ones.

    Attributes:
        measure: ``dispersion`` or ``disagreement`` (1 - agreement of the folds).
        n, n_wrong: radiographs for which it is defined, and how many of them were called wrongly.
        auroc: of telling wrong from right; 0.5 is chance.
        correlation: Spearman's, of the measure and abs(label - probability).
    """

    measure: str
    n: int
    n_wrong: int
    auroc: Estimate
    correlation: Estimate


@dataclass(frozen=True)
class ExplanationReport:
    """Whether the maps point at the fracture, agree with each other, and tell of errors.

    Attributes:
        maps, agreement, errors: the tables.
        beyond: radiographs whose marked fracture lies wholly outside the region of interest; they count as misses.
        radiographs: a row a radiograph.
        examples: studies of the figure, as DeepWrist, figure 4.
    """

    maps: tuple[MapRow, ...]
    agreement: tuple[AgreementRow, ...]
    errors: tuple[ErrorRow, ...]
    beyond: int
    radiographs: tuple[ViewExplanation, ...]
    examples: tuple[Example, ...] = field(default=(), repr=False)

    def section(self) -> Section:
        """Return tables, figure and how to read them."""
        blocks: list[Block] = [Text(_INTRODUCTION)]
        if self.maps:
            blocks += [Text(_reading(self)), map_table(self.maps), map_file(self.maps)]
        blocks += [agreement_table(self.agreement), error_table(self.errors), radiograph_file(self.radiographs)]
        blocks.append(Text(_METHODS, look="muted"))
        if self.examples:
            plot = Plot(
                "explanation",
                "Examples",
                EXAMPLES_CAPTION,
                functools.partial(draw_examples, examples=self.examples),
                examples_size(self.examples),
            )
            blocks.append(Plots((plot,)))
        return Section("explanation", "Does the map show why", tuple(blocks))

    def to_json(self) -> Mapping[str, Any]:
        """Return all figures, with a row a radiograph."""
        from fractureai.bundle.spec import plain

        values: dict[str, Any] = plain(
            {
                "margin_mm": MARGIN_MM,
                "occlusion": {"patch_mm": PATCH_MM, "stride_mm": STRIDE_MM},
                "maps": [asdict(row) for row in self.maps],
                "agreement": [asdict(row) for row in self.agreement],
                "errors": [asdict(row) for row in self.errors],
                "beyond": self.beyond,
                "examples": [
                    {"kind": example.kind, "title": example.title, "study": example.study} for example in self.examples
                ],
                "radiographs": [asdict(row) for row in self.radiographs],
            }
        )
        return values


_INTRODUCTION = (
    "An activation map (Grad-CAM) shows where the evidence for a fracture was; a map can look convincing and mean "
    "little. So the maps are measured against the marked fractures, against maps that know nothing of the radiograph, "
    "against each other, and against what happens when parts of the image are hidden."
)
_METHODS = (
    "Pointing game: is the map's maximum inside a marked fracture (Zhang et al., IJCV 2018), without and with "
    f"{MARGIN_MM:g} mm around it. Mass: share of the map's sum inside (energy-based pointing game; Wang et al., CVPR "
    f"workshops 2020). Occlusion: a grey patch of {PATCH_MM:g} mm moves over the region in steps of {STRIDE_MM:g} mm; "
    "the map is the fall of the probability (Zeiler and Fergus, ECCV 2014). Agreement: mean Pearson correlation over "
    "pairs (Bylinskii et al., TPAMI 2019). Dispersion: entropy of the map; 0 one pixel, 1 everywhere. Intervals: "
    f"Wilson's for hits; {RESAMPLES:,} bootstrap resamples of patients for means; stratified bootstrap for AUROC; "
    "Bonett and Wright (2000) for Spearman's correlation."
)
EXAMPLES_CAPTION = (
    "Left of each pair: the region of interest with its label; right: Grad-CAM with the probability. Dashed: marked "
    "fractures. Shown is the study with the median probability of its kind, not the best."
)


def explanation_report(
    radiographs: Sequence[ViewExplanation],
    examples: Sequence[Example] = (),
    *,
    seed: int = 0,
    confidence: float = CONFIDENCE,
) -> ExplanationReport:
    """Put the maps of single radiographs together.

    Args:
        radiographs: of `fractureai.evaluation.explanation.explain_radiographs`.
        examples: for the figure.
        seed, confidence: of the intervals.
    """
    views = sorted({row.view for row in radiographs}, key=lambda name: (name != "PA", name))
    shown = ["all", *views] if len(views) > 1 else views
    of_view = {view: [row for row in radiographs if view in ("all", row.view)] for view in shown}
    return ExplanationReport(
        maps=tuple(
            row for view in shown for cases in CASES for row in _map_rows(view, cases, of_view[view], seed, confidence)
        ),
        agreement=tuple(_agreement_row(view, of_view[view], seed, confidence) for view in shown),
        errors=_error_rows(radiographs, seed, confidence),
        beyond=sum(row.beyond for row in radiographs),
        radiographs=tuple(radiographs),
        examples=tuple(examples),
    )


def _map_rows(
    view: str, cases: str, radiographs: Sequence[ViewExplanation], seed: int, confidence: float
) -> list[MapRow]:
    chosen = [row for row in radiographs if row.maps and (cases == MARKED or row.called)]
    rows = []
    for name in MAPS:
        scored = [(row.patient, row.maps[name]) for row in chosen if name in row.maps]
        if scored:
            rows.append(MapRow(view, cases, name, len(scored), *_score_estimates(name, scored, seed, confidence)))
    return rows


def _score_estimates(
    name: str, scored: Sequence[tuple[str, MapScore]], seed: int, confidence: float
) -> tuple[Estimate, Estimate, Estimate, Estimate]:
    patients = [patient for patient, _ in scored]
    means = [
        mean_estimate([getattr(score, key) for _, score in scored], patients, seed, confidence)
        for key in ("inside", "near", "mass", "mass_near")
    ]
    if name != UNIFORM:  # a uniform map has expected hits, not hits
        n = len(scored)
        means[:2] = [
            wilson(sum(getattr(score, key) for _, score in scored), n, confidence) for key in ("inside", "near")
        ]
    inside, near, mass, mass_near = means
    return inside, near, mass, mass_near


def mean_estimate(
    values: Sequence[float], patients: Sequence[str], seed: int = 0, confidence: float = CONFIDENCE
) -> Estimate:
    """Return the mean of the values that are not nan, with a bootstrap interval over patients.

    The radiographs of one patient are drawn together, since they are alike.
    """
    data = np.asarray(values, dtype=float)
    kept = ~np.isnan(data)
    if not kept.any():
        return Estimate(math.nan, math.nan, math.nan)
    _, owner = np.unique(np.asarray(patients)[kept], return_inverse=True)
    sums, sizes = np.bincount(owner, weights=data[kept]), np.bincount(owner)
    if len(sums) < 2:
        return Estimate(float(data[kept].mean()), math.nan, math.nan)
    draws = np.random.default_rng(seed).multinomial(len(sums), np.full(len(sums), 1 / len(sums)), RESAMPLES)
    low, high = np.quantile(draws @ sums / (draws @ sizes), [(1 - confidence) / 2, (1 + confidence) / 2])
    return Estimate(float(data[kept].mean()), float(low), float(high))


def _agreement_row(view: str, radiographs: Sequence[ViewExplanation], seed: int, confidence: float) -> AgreementRow:
    columns = [
        [getattr(row, key) for row in radiographs] for key in ("agreement", "chance_agreement", "occlusion_correlation")
    ]
    patients = [row.patient for row in radiographs]
    cells: list[Any] = []
    for values in columns:
        cells += [int(np.isfinite(values).sum()), mean_estimate(values, patients, seed, confidence)]
    return AgreementRow(view, *cells)


def _error_rows(radiographs: Sequence[ViewExplanation], seed: int, confidence: float) -> tuple[ErrorRow, ...]:
    measures = {
        "dispersion": [row.dispersion for row in radiographs],
        "disagreement": [1 - row.agreement for row in radiographs],
    }
    rows = []
    for name, values in measures.items():
        kept = [(row, value) for row, value in zip(radiographs, values, strict=True) if not math.isnan(value)]
        wrong = [row.called != row.label for row, _ in kept]
        scores = [value / 2 for _, value in kept]  # a disagreement is 0..2, a dispersion 0..1; only the order counts
        errors = [abs(row.label - row.probability) for row, _ in kept]
        undefined = Estimate(math.nan, math.nan, math.nan)
        both = 0 < sum(wrong) < len(wrong)
        auroc = bootstrap_metrics(wrong, scores, 0.5, RESAMPLES, seed, confidence)["auroc"] if both else undefined
        rows.append(ErrorRow(name, len(kept), sum(wrong), auroc, spearman_estimate(scores, errors, confidence)))
    return tuple(rows)


def spearman_estimate(x: Sequence[float], y: Sequence[float], confidence: float = CONFIDENCE) -> Estimate:
    """Return Spearman's correlation with the interval of Bonett and Wright (Psychometrika 65, 2000).

    nan below four pairs, or where one side is the same in all.
    """
    from scipy.special import ndtri
    from scipy.stats import spearmanr

    if len(x) < 4 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return Estimate(math.nan, math.nan, math.nan)
    rho = float(spearmanr(x, y).statistic)
    if abs(rho) >= 1:
        return Estimate(rho, math.nan, math.nan)
    half = float(ndtri((1 + confidence) / 2)) * math.sqrt((1 + rho**2 / 2) / (len(x) - 3))
    return Estimate(rho, math.tanh(math.atanh(rho) - half), math.tanh(math.atanh(rho) + half))


def _reading(report: ExplanationReport) -> str:
    """Return the main result in words."""
    rows = {row.map: row for row in report.maps if row.cases == MARKED and row.view == report.maps[0].view}
    cam = rows[GRAD_CAM]
    parts = [
        f"Of {cam.n} radiographs with a marked fracture, the maximum of Grad-CAM lies in it, or at most "
        f"{MARGIN_MM:g} mm away, in {cam.near}; the middle of the region of interest would in {rows[CENTRE].near}, and "
        f"a random place in {rows[UNIFORM].near.value_text}."
    ]
    if OCCLUSION in rows:
        other = rows[OCCLUSION]
        parts.append(
            f"The place where hiding a patch costs most does in {other.near} of the {other.n} that were occluded."
        )
    if report.beyond:
        parts.append(f"In {report.beyond} the fracture lies outside the region of interest: no map can find it there.")
    return " ".join(parts)
