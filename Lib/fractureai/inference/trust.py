"""How far a reading can be trusted: what `fractureai.reliability` says about it, in the terms of a reading.

Where a bundle was calibrated, its combined score decides about doubt: a study whose score lies above the limit that
follows from the site's coverage is referred as ``score-uncertain``. Rules that judge what the score weighs already
(disagreement of views, of networks) then give no reason of their own, since they would refer studies that the site
wants answered; they are named as the cause where the score refers the study. A rule whose score could not be fitted
(networks that were trained in folds give one held-out answer each, so that their disagreement is unknown) stays.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from fractureai.bundle import Bundle
from fractureai.bundle.layout import RELIABILITY
from fractureai.bundle.reliability import load_arrays
from fractureai.errors import BundleError, EvaluationError
from fractureai.inference.prediction import Referral, ViewPrediction
from fractureai.inference.referral import uncertain_referral, unlike_training_referral
from fractureai.reliability import ENSEMBLE, Reliability, ViewEvidence

SEEN = "seen/"
"""Arrays of this name say which images the networks were trained on; they are no part of `Reliability`."""

REPLACED: Mapping[str, tuple[str, ...]] = {
    "views-disagree": ("views",),
    "folds-disagree": ("members", "variance"),
}
"""Rule -> scores; the combined score stands for the rule as soon as it weighs one of them."""


@dataclass(frozen=True, eq=False)
class Trust:
    """Judges readings of one bundle.

    Attributes:
        reliability: as fitted.
        thresholds: view -> threshold, and the ensemble's.
        classes: names by class index 0 (not the finding), 1 (the finding).
        coverage: share of studies like the held-out ones that are answered, above 0, at most 1.
        limit: combined score above which a study is referred; 1 at most, which none is above.
    """

    reliability: Reliability
    thresholds: Mapping[str, float]
    classes: tuple[str, str]
    coverage: float
    limit: float

    @classmethod
    def load(cls, bundle: Bundle, coverage: float | None = None) -> Trust | None:
        """Load what a bundle knows about itself; None when it was never calibrated.

        Raises:
            BundleError: it is damaged, or a coverage was given and the bundle was never calibrated.
            EvaluationError: the coverage is out of range.
        """
        table = bundle.spec.reliability
        if table is None:
            if coverage is not None:
                raise uncalibrated(bundle)
            return None
        arrays = {name: array for name, array in load_arrays(bundle).items() if not name.startswith(SEEN)}
        try:
            reliability = Reliability.from_parts(table, arrays)
        except EvaluationError as error:
            path = bundle.path(RELIABILITY)
            raise BundleError(path, str(error).rstrip("."), "run fractureai calibrate with this bundle") from error
        site = bundle.site
        others = [name for name in site.classes if name != site.positive_class]
        bare = cls(reliability, thresholds_of(bundle), (" or ".join(others), site.positive_class), 1.0, 1.0)
        return bare.at(reliability.coverage if coverage is None else coverage)

    def at(self, coverage: float) -> Trust:
        """Return the same for another coverage.

        Raises:
            EvaluationError: it is out of range.
        """
        if not 0 < coverage <= 1:
            raise EvaluationError(f"A coverage of {coverage:g} is not a share of studies; give one above 0, at most 1.")
        return replace(self, coverage=coverage, limit=min(self.reliability.referral_limit(coverage), 1.0))

    def stands_for(self, rule: str) -> bool:
        """Tell whether the combined score has taken the place of a rule."""
        return any(key in self.reliability.combined.weights for key in REPLACED.get(rule, ()))


@dataclass(frozen=True)
class Judgement:
    """What is said about one reading.

    Attributes:
        values: attributes of `fractureai.inference.Prediction`; empty where nothing is known.
        referrals: reasons why a person should read without the model.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    referrals: tuple[Referral, ...] = ()


def judge(trust: Trust | None, views: Sequence[ViewPrediction], disagreements: Sequence[Referral]) -> Judgement:
    """Judge the reading of one study.

    Args:
        trust: None for a bundle that was never calibrated: the disagreements stand as they are.
        views: the radiographs that were read.
        disagreements: of views and of networks, by rule.
    """
    if trust is None or not views:
        return Judgement(referrals=tuple(disagreements))
    found = trust.reliability.assess([evidence_of(view) for view in views], trust.thresholds)
    causes = [reason for reason in disagreements if trust.stands_for(reason.code)]
    referrals = [reason for reason in disagreements if reason not in causes]
    if found.unfamiliar:  # says why the combined score is high, too
        referrals.append(unlike_training_referral())
    elif found.uncertainty > trust.limit:
        lower = float(np.mean(trust.reliability.held_out_scores < found.uncertainty))
        referrals.append(uncertain_referral(lower, causes))
    values = {
        "calibrated_probability": found.calibrated,
        "scores": {key: value for key, value in found.scores.items() if math.isfinite(value)},
        "uncertainty": found.uncertainty,
        "uncertainty_limit": trust.limit,
        "coverage": trust.coverage,
        "conformal": tuple(trust.classes[index] for index in sorted(found.conformal)),
    }
    return Judgement(values, tuple(referrals))


def evidence_of(view: ViewPrediction) -> ViewEvidence:
    """Return what the networks found on a radiograph, for `fractureai.reliability`.

    Raises:
        EvaluationError: the reading is a stored one, which does not keep all of it.
    """
    if view.crop_probabilities is None or view.logits is None:
        raise EvaluationError(f"{view.file}: a stored reading can not be judged; read the radiograph again.")
    return ViewEvidence(
        view=view.view,
        probabilities=view.crop_probabilities,
        logits=view.logits,
        features=view.features,
        activation_map=view.activation_map,
        members=view.members,
    )


def thresholds_of(bundle: Bundle) -> dict[str, float]:
    """Return view -> threshold, and the ensemble's, as `fractureai.reliability` takes them."""
    thresholds = {name: view.threshold for name, view in bundle.spec.views.items()}
    return {**thresholds, ENSEMBLE: bundle.spec.ensemble_threshold}


def uncalibrated(bundle: Bundle) -> BundleError:
    """Return what is said when a coverage is asked of a bundle that was never calibrated."""
    reason = "it was never calibrated, so it can not be told how many studies to answer"
    return BundleError(bundle.folder, reason, "leave the coverage out, or run fractureai calibrate with this bundle")
