"""Do the maps point at the fracture: the figures of all radiographs of a split, against maps that know nothing.

The baselines stand in the same table because a map that always points at the middle of the region of interest, or at
where fractures usually are, hits too: only what a map has above them comes from looking at the image.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from fractureai.dataset import Annotation, Dataset, Region
from fractureai.evaluation.cases import CaseResult, ViewResult
from fractureai.evaluation.localisation import region_mask
from fractureai.evaluation.map_scores import (
    MapScore,
    cross_agreement,
    dispersion,
    fold_agreement,
    score_centre,
    score_map,
    score_uniform,
)
from fractureai.inference.occlusion import Occlusion
from fractureai.inference.prediction import Prediction, ViewPrediction
from fractureai.radiograph.model import Radiograph

FloatArray = npt.NDArray[np.float64]

GRAD_CAM, OCCLUSION, OTHERS, CENTRE, UNIFORM = "grad-cam", "occlusion", "other-radiographs", "centre", "uniform"
MAPS: Mapping[str, str] = {
    GRAD_CAM: "Grad-CAM",
    OCCLUSION: "Occlusion",
    OTHERS: "Mean Grad-CAM of the other radiographs",
    CENTRE: "Middle of the region",
    UNIFORM: "Uniform map",
}
"""Key -> title; the last three are baselines, which know nothing of the radiograph."""

MARKED, FOUND = "marked", "found"
CASES: Mapping[str, str] = {MARKED: "every marked fracture", FOUND: "fractures that were called (true positives)"}
"""Which radiographs a row is over: those with a marked fracture, and of these those called a fracture."""

OCCLUSIONS = 40
"""Radiographs of a split that are occluded unless told otherwise: it takes hundreds of forward passes each."""

Occlude: TypeAlias = Callable[[Radiograph, ViewPrediction], Occlusion]
"""Occludes a radiograph that was read; for example ``fractureai.inference.occlusion.occlude_view`` with a pipeline."""


@dataclass(frozen=True)
class ViewExplanation:
    """The maps of one radiograph.

    Attributes:
        study, patient, radiograph, view: which.
        label: the study's reference, True for a fracture.
        probability: of this radiograph.
        called: by this radiograph alone.
        dispersion: see `fractureai.evaluation.map_scores.dispersion`.
        agreement: of the folds; see `fractureai.evaluation.map_scores.fold_agreement`.
        chance_agreement: of its folds with the other folds of another radiograph of the view; nan when there is none.
        maps: map (`MAPS`) -> score; empty without a marked fracture or without spacing.
        occlusion_correlation: Spearman's correlation over the patches of the probability's drop and the mean of the
            activation map under the patch; nan when not occluded.
        beyond: True when no marked fracture reaches into the region of interest, so that no map can find it.
    """

    study: str
    patient: str
    radiograph: str
    view: str
    label: bool
    probability: float
    called: bool
    dispersion: float
    agreement: float
    chance_agreement: float
    maps: Mapping[str, MapScore] = field(default_factory=dict)
    occlusion_correlation: float = math.nan
    beyond: bool = False


@dataclass(frozen=True)
class _Item:
    """A radiograph with its reading and its reference."""

    case: CaseResult
    result: ViewResult
    reading: ViewPrediction
    marked: tuple[Region, ...]


def explain_radiographs(
    dataset: Dataset,
    cases: Sequence[CaseResult],
    predictions: Mapping[str, Prediction],
    *,
    raters: Sequence[str] | None = None,
    occlude: Occlude | None = None,
    occlusions: int = OCCLUSIONS,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[ViewExplanation, ...]:
    """Score the maps of every radiograph that was read.

    Args:
        dataset: that was read.
        cases, predictions: as of `fractureai.evaluation.cases_from_predictions`.
        raters: whose marked regions count; see `Dataset.reference_annotations`.
        occlude: occludes a radiograph; None: no occlusion.
        occlusions: at most so many of the radiographs with a marked fracture are occluded, drawn at random.
        progress: is called with (radiographs done, all radiographs).

    Raises:
        RadiographError: a radiograph can not be read again to be occluded.
    """
    items = _items(dataset, cases, predictions, raters)
    with_mark = [item.result.radiograph for item in items if item.marked]
    chosen = set(_sample(with_mark, occlusions)) if occlude else set()
    sums = _map_sums(items)
    before: dict[str, ViewPrediction] = _last_of_view(items)
    rows = []
    for done, item in enumerate(items):
        if progress:
            progress(done, len(items))
        found = None
        if occlude and item.result.radiograph in chosen:
            found = occlude(dataset.read(dataset.row(item.result.radiograph)), item.reading)
        rows.append(_explain(item, before.get(item.reading.view), sums[_key(item.reading)], found))
        before[item.reading.view] = item.reading
    if progress:
        progress(len(items), len(items))
    return tuple(rows)


def _items(
    dataset: Dataset,
    cases: Sequence[CaseResult],
    predictions: Mapping[str, Prediction],
    raters: Sequence[str] | None,
) -> list[_Item]:
    references = dataset.reference_annotations(raters)
    kind = dataset.site.positive_class
    return [
        _Item(case, result, reading, _marked(reading, references.get(result.radiograph), kind))
        for case in cases
        for result, reading in zip(case.views, predictions[case.study].views, strict=True)
    ]


def _marked(reading: ViewPrediction, reference: Annotation | None, kind: str) -> tuple[Region, ...]:
    """Return the marked fractures; none where millimetres are only guessed, so that no margin can be measured."""
    if reference is None or reading.spacing_source == "landmarks":
        return ()
    return tuple(region for region in reference.regions if region.kind == kind)


def _explain(
    item: _Item, other: ViewPrediction | None, total: tuple[FloatArray, int], occlusion: Occlusion | None
) -> ViewExplanation:
    reading, result, case = item.reading, item.result, item.case
    maps: dict[str, MapScore] = {}
    beyond = False
    if item.marked:
        mask = region_mask(item.marked, reading.roi, reading.activation_map.shape[0])
        beyond = not mask.inside.any()
        maps = {GRAD_CAM: score_map(reading.activation_map, mask)}
        if occlusion is not None:
            maps[OCCLUSION] = score_map(occlusion.evidence_map(), mask)
        if total[1] > 1:
            rest = (total[0] - _upright(reading, reading.activation_map)) / (total[1] - 1)
            maps[OTHERS] = score_map(np.maximum(_upright(reading, rest), 0), mask)
        maps |= {CENTRE: score_centre(mask), UNIFORM: score_uniform(mask)}
    return ViewExplanation(
        study=case.study,
        patient=case.patient,
        radiograph=result.radiograph,
        view=result.view,
        label=case.label,
        probability=result.probability,
        called=result.called,
        dispersion=dispersion(reading.activation_map),
        agreement=fold_agreement(reading.member_maps),
        chance_agreement=_chance(reading, other),
        maps=maps,
        occlusion_correlation=math.nan
        if occlusion is None
        else occlusion_correlation(occlusion, reading.activation_map),
        beyond=beyond,
    )


def _chance(reading: ViewPrediction, other: ViewPrediction | None) -> float:
    if other is None or other is reading:
        return math.nan
    own, its = reading.member_maps, other.member_maps
    if own is None or its is None or len(own) < 2:
        return math.nan
    return cross_agreement(_upright(reading, own), _upright(other, its))


def occlusion_correlation(occlusion: Occlusion, heat: npt.NDArray[np.floating[Any]]) -> float:
    """Return Spearman's correlation over the patches of the drop and the mean of a map under the patch.

    nan where either is the same everywhere.
    """
    from scipy.stats import spearmanr

    means = occlusion.patch_means(heat)
    if np.ptp(means) == 0 or np.ptp(occlusion.drops) == 0:
        return math.nan
    return float(spearmanr(means, occlusion.drops).statistic)


def _upright(reading: ViewPrediction, heat: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.floating[Any]]:
    """Mirror maps of right wrists, so that the thumb is on the same side in all; its own inverse."""
    return heat[..., ::-1] if reading.side == "R" else heat


def _key(reading: ViewPrediction) -> tuple[str, int]:
    return reading.view, reading.activation_map.shape[0]


def _map_sums(items: Iterable[_Item]) -> dict[tuple[str, int], tuple[FloatArray, int]]:
    """View -> sum of the activation maps of its radiographs, and how many there are."""
    sums: dict[tuple[str, int], tuple[FloatArray, int]] = {}
    for item in items:
        heat = _upright(item.reading, item.reading.activation_map).astype(float)
        total, count = sums.get(_key(item.reading), (np.zeros_like(heat), 0))
        sums[_key(item.reading)] = (total + heat, count + 1)
    return sums


def _last_of_view(items: Iterable[_Item]) -> dict[str, ViewPrediction]:
    return {item.reading.view: item.reading for item in items}


def _sample(names: Sequence[str], count: int) -> list[str]:
    """Draw at most ``count`` of the names; always the same ones."""
    drawn = np.random.default_rng(0).permutation(len(names))[:count]
    return [names[i] for i in drawn]
