"""Ten numbers that say how far to trust the reading of a study; for each, higher means trust less.

Each needs no more than what the networks gave out while reading. A score that can not be computed (one network only,
one view only, no logits, no feature bank, an empty activation map) is nan.

From views to the study: novelty (``knn``, ``mahalanobis``, ``energy``) is the **maximum** over the radiographs, because
one strange image is reason enough; doubt (``members``, ``crops``, ``map_dispersion``) is the **mean**, because the
decision is made on the mean of the views. ``variance``, ``entropy``, ``margin`` and ``views`` are of the study itself.

Sources. ``variance``, ``entropy``: DeepWrist, Evaluation of distribution shift and Supplementary S4. ``members``:
Lakshminarayanan, Pritzel, Blundell, "Simple and scalable predictive uncertainty estimation using deep ensembles",
NeurIPS 2017, section 3.5 (divergence of the members from their mean). ``energy``: Liu, Wang, Owens, Li, "Energy-based
out-of-distribution detection", NeurIPS 2020, equation 4 with T = 1. ``map_dispersion``: Bhatt, Weller, Moura,
"Evaluating and aggregating feature-based model explanations", IJCAI 2020, definition 3 (complexity: entropy of the
fractional contributions), divided by its largest value. ``crops``: spread over test-time augmentation, Wang et al.,
Neurocomputing 338, 2019. ``knn``, ``mahalanobis``: `fractureai.reliability.banks`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby

import numpy as np
import numpy.typing as npt

from fractureai.errors import EvaluationError
from fractureai.reliability.banks import ViewBank
from fractureai.reliability.evidence import ViewEvidence

ENSEMBLE = "ensemble"
"""Key of the study's threshold when it has several views."""

COMBINED = "combined"
"""Key of the combined score beside the single ones in tables."""

SCORES: Mapping[str, str] = {
    "variance": "Variance of the ensemble (published)",
    "entropy": "Predictive entropy (published)",
    "margin": "Closeness to the threshold",
    "members": "Disagreement of the networks",
    "views": "Disagreement of the views",
    "crops": "Spread over test-time windows",
    "map_dispersion": "Dispersion of the activation map",
    "energy": "Energy",
    "knn": "Distance to the nearest training images",
    "mahalanobis": "Mahalanobis distance",
}
"""Key -> title of each score."""

NOVELTY = ("knn", "mahalanobis")
"""Scores that say how unlike the training images an image is, whatever the networks answer."""

FloatArray = npt.NDArray[np.float64]


def study_scores(
    evidence: Sequence[ViewEvidence], banks: Mapping[str, ViewBank], thresholds: Mapping[str, float]
) -> dict[str, float]:
    """Compute every score of one study.

    Args:
        evidence: its radiographs, in any order; several of one view are averaged.
        banks: view -> bank; a view without one has no ``knn`` and ``mahalanobis``.
        thresholds: view -> threshold, and `ENSEMBLE` for studies with several views.

    Returns:
        all keys of `SCORES`; nan where not defined.

    Raises:
        EvaluationError: there is no radiograph, a threshold is missing, or features do not fit a bank.
    """
    probability = study_probability(evidence)
    banked = [item for item in evidence if item.view in banks]
    return {
        "variance": _variance(evidence),
        "entropy": float(binary_entropy(np.array(probability))),
        "margin": margin(probability, study_threshold(evidence, thresholds)),
        "members": _mean(_divergence, evidence),
        "views": _view_difference(evidence),
        "crops": _mean(_crop_spread, evidence),
        "map_dispersion": _mean(_map_entropy, evidence),
        "energy": _highest(_energy, evidence),
        "knn": _highest(lambda item: banks[item.view].knn(item.features, item.members), banked),
        "mahalanobis": _highest(lambda item: banks[item.view].mahalanobis(item.features, item.members), banked),
    }


def study_probability(evidence: Sequence[ViewEvidence]) -> float:
    """Return the study's probability: the mean of the views' means, as a reading gives it.

    Raises:
        EvaluationError: there is no radiograph.
    """
    return float(
        np.mean([float(np.mean([item.probabilities.mean() for item in group])) for group in _by_view(evidence)])
    )


def study_threshold(evidence: Sequence[ViewEvidence], thresholds: Mapping[str, float]) -> float:
    """Return the threshold of the study's probability: the ensemble's for several views, the view's own for one.

    Raises:
        EvaluationError: it is missing.
    """
    views = {item.view for item in evidence}
    key = ENSEMBLE if len(views) > 1 else min(views)
    if key not in thresholds:
        raise EvaluationError(f"The threshold of {key} is missing.")
    return thresholds[key]


def margin(probability: float, threshold: float) -> float:
    """Return how close a probability is to its threshold, 0 (at the end of its side)..1 (on the threshold)."""
    way = 1 - threshold if probability >= threshold else threshold
    return 1 - abs(probability - threshold) / way if way > 0 else 1.0


def binary_entropy(probabilities: FloatArray) -> FloatArray:
    """Return the entropy of yes-no probabilities in nats, 0..ln 2."""
    from scipy.special import entr

    return np.asarray(entr(probabilities) + entr(1 - probabilities))


def _by_view(evidence: Sequence[ViewEvidence]) -> list[list[ViewEvidence]]:
    if not evidence:
        raise EvaluationError("A study without a radiograph that was read has no scores.")
    ordered = sorted(evidence, key=lambda item: item.view)
    return [list(group) for _, group in groupby(ordered, key=lambda item: item.view)]


def _view_means(evidence: Sequence[ViewEvidence]) -> list[float]:
    return [float(np.mean([item.probabilities.mean() for item in group])) for group in _by_view(evidence)]


def _variance(evidence: Sequence[ViewEvidence]) -> float:
    """Variance over networks of the mean of the views; network i of each view makes member i of the ensemble."""
    members = {item.members for item in evidence}
    if len(members) > 1 or len(evidence[0].members) < 2:
        return math.nan
    views = [np.mean([item.member_probabilities for item in group], axis=0) for group in _by_view(evidence)]
    return float(np.var(np.mean(views, axis=0)))


def _view_difference(evidence: Sequence[ViewEvidence]) -> float:
    views = _view_means(evidence)
    return max(views) - min(views) if len(views) > 1 else math.nan


def _divergence(item: ViewEvidence) -> float:
    """Mean Kullback-Leibler divergence of the networks from their mean, in nats: entropy of mean - mean entropy."""
    values = item.member_probabilities
    if len(values) < 2:
        return math.nan
    return max(0.0, float(binary_entropy(values.mean()) - binary_entropy(values).mean()))


def _crop_spread(item: ViewEvidence) -> float:
    if item.probabilities.shape[1] < 2:
        return math.nan
    return float(item.probabilities.std(axis=1).mean())


def _map_entropy(item: ViewEvidence) -> float:
    """Entropy of the map as a distribution over its pixels / that of a flat one: 0 (one pixel)..1 (everywhere)."""
    from scipy.special import entr

    mass = np.maximum(item.activation_map.astype(np.float64), 0)
    total = mass.sum()
    if mass.size < 2 or not total > 0:
        return math.nan
    return float(entr(mass / total).sum() / math.log(mass.size))


def _energy(item: ViewEvidence) -> float:
    from scipy.special import logsumexp

    return float(-logsumexp(item.logits, axis=1).mean()) if np.isfinite(item.logits).all() else math.nan


def _mean(score: Callable[[ViewEvidence], float], evidence: Sequence[ViewEvidence]) -> float:
    defined = [value for value in map(score, evidence) if not math.isnan(value)]
    return float(np.mean(defined)) if defined else math.nan


def _highest(score: Callable[[ViewEvidence], float], evidence: Sequence[ViewEvidence]) -> float:
    return max((value for value in map(score, evidence) if not math.isnan(value)), default=math.nan)
