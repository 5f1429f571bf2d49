"""Everything that says how far one bundle's readings can be trusted, fitted on studies its networks have not seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fractureai.errors import EvaluationError
from fractureai.reliability.banks import ViewBank
from fractureai.reliability.calibration import CALIBRATION_TITLES, Calibrator
from fractureai.reliability.combined import FALSE_ALARM, CombinedScore
from fractureai.reliability.conformal import ConformalSets
from fractureai.reliability.evidence import ViewEvidence
from fractureai.reliability.scores import study_probability, study_scores, study_threshold

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
Arrays = dict[str, npt.NDArray[np.generic]]

FORMAT_VERSION = 1

COVERAGE = 0.9
"""Share of studies like the held-out ones that a model answers unless the site chooses another."""

ALPHA = 0.1
"""Share of each class that conformal sets may miss unless the site chooses another."""


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Studies that the networks in their evidence have not seen, as the networks read them.

    Attributes:
        patients: (n,) pseudonyms.
        labels: (n,) True for a fracture.
        probabilities: (n,) of the study, 0..1.
        called: (n,) whether the study was called a fracture.
        scores: key of `SCORES` -> (n,), nan where not defined.
    """

    patients: Sequence[str]
    labels: BoolArray
    probabilities: FloatArray
    called: BoolArray
    scores: Mapping[str, FloatArray]

    @property
    def wrong(self) -> BoolArray:
        """(n,) whether the decision was wrong."""
        return np.asarray(self.called != self.labels)


@dataclass(frozen=True)
class Assessment:
    """What `Reliability` says about one study.

    Attributes:
        calibrated: probability that means what it says, 0..1.
        scores: every key of `SCORES`; nan where not defined.
        uncertainty: the combined score, 0..1.
        conformal: classes (0 normal, 1 fracture) that can not be ruled out.
        unfamiliar: the novelty scores beyond their limit; () for an image like the training images.
    """

    calibrated: float
    scores: Mapping[str, float]
    uncertainty: float
    conformal: frozenset[int]
    unfamiliar: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Reliability:
    """The fitted whole of one bundle.

    Attributes:
        calibrators: method -> map; both of `CALIBRATION_TITLES`.
        calibration: the method in use.
        banks: view -> features of training images.
        combined: the combined score.
        conformal: the conformal sets, on the probability as given (not calibrated).
        held_out_scores: (n,) combined scores of the held-out studies, rising, cross-fitted.
        coverage: share of studies like the held-out ones that the model answers unless the site chooses another.
        alpha: share of each class that conformal sets may miss unless the site chooses another.
    """

    calibrators: Mapping[str, Calibrator]
    calibration: str
    banks: Mapping[str, ViewBank]
    combined: CombinedScore
    conformal: ConformalSets
    held_out_scores: FloatArray
    coverage: float = COVERAGE
    alpha: float = ALPHA

    def __post_init__(self) -> None:
        """Check what the types do not say."""
        if set(self.calibrators) != set(CALIBRATION_TITLES) or self.calibration not in self.calibrators:
            raise EvaluationError(f"A calibration is one of {', '.join(CALIBRATION_TITLES)}, not {self.calibration}.")
        if not len(self.held_out_scores) or not (np.diff(self.held_out_scores) >= 0).all():
            raise EvaluationError("The combined scores of the held-out studies are missing or not in order.")
        self.referral_limit()
        self.conformal.limits(self.alpha)

    @classmethod
    def fit(
        cls,
        held_out: HeldOut,
        banks: Mapping[str, ViewBank],
        *,
        calibration: str = "temperature",
        coverage: float = COVERAGE,
        alpha: float = ALPHA,
        false_alarm: float = FALSE_ALARM,
        seed: int = 0,
    ) -> Reliability:
        """Fit calibration, combination, conformal sets and limits.

        Args:
            held_out: the studies.
            banks: view -> features of the training images.
            calibration: method in use; ``isotonic`` only pays with about a thousand studies or more.
            coverage, alpha: see the attributes.
            false_alarm: harm of a false alarm beside that of a missed fracture, which is 1.
            seed: of the division for cross-fitting.

        Raises:
            EvaluationError: there are too few held-out studies, or a share is out of range.
        """
        calibrators = {
            method: Calibrator.fit(held_out.labels, held_out.probabilities, method) for method in CALIBRATION_TITLES
        }
        combined, cross_fitted = CombinedScore.fit(
            held_out.scores, held_out.wrong, held_out.called, held_out.patients, false_alarm=false_alarm, seed=seed
        )
        conformal = ConformalSets.fit(held_out.labels, held_out.probabilities)
        return cls(calibrators, calibration, banks, combined, conformal, np.sort(cross_fitted), coverage, alpha)

    @property
    def familiar_limits(self) -> Mapping[str, float]:
        """Novelty score -> its `fractureai.reliability.combined.FAMILIAR` quantile among the held-out studies."""
        return {key: novelty.limit for key, novelty in self.combined.novelty.items()}

    def referral_limit(self, coverage: float | None = None) -> float:
        """Return the combined score above which a study is referred.

        Args:
            coverage: share of studies like the held-out ones to be kept, 0..1; None: the bundle's; 1 refers none.

        Raises:
            EvaluationError: the share is out of range.
        """
        share = self.coverage if coverage is None else coverage
        if not 0 < share <= 1:
            raise EvaluationError(f"The share of studies to be read is {share:g}; give one above 0 and at most 1.")
        return 1.0 if share == 1 else float(np.quantile(self.held_out_scores, share, method="inverted_cdf"))

    def unfamiliar(self, scores: Mapping[str, float]) -> tuple[str, ...]:
        """Return the novelty scores that lie beyond their limit."""
        return tuple(key for key, limit in self.familiar_limits.items() if scores[key] > limit)

    def calibrate(self, probabilities: npt.ArrayLike) -> FloatArray:
        """Return calibrated probabilities, of any shape."""
        return self.calibrators[self.calibration].apply(probabilities)

    def assess(
        self, evidence: Sequence[ViewEvidence], thresholds: Mapping[str, float], alpha: float | None = None
    ) -> Assessment:
        """Judge one study.

        Args:
            evidence, thresholds: as of `study_scores`.
            alpha: of the conformal set; None: the bundle's.

        Raises:
            EvaluationError: as `study_scores`.
        """
        scores = study_scores(evidence, self.banks, thresholds)
        probability = study_probability(evidence)
        called = probability >= study_threshold(evidence, thresholds)
        return Assessment(
            calibrated=float(self.calibrate(probability)),
            scores=scores,
            uncertainty=float(self.combined.apply(scores, called)),
            conformal=self.conformal.sets([probability], self.alpha if alpha is None else alpha)[0],
            unfamiliar=self.unfamiliar(scores),
        )

    def to_json(self) -> dict[str, Any]:
        """Return everything but the large arrays as plain JSON values."""
        return {
            "format_version": FORMAT_VERSION,
            "calibrators": {method: calibrator.to_json() for method, calibrator in self.calibrators.items()},
            "calibration": self.calibration,
            "combined": self.combined.to_json(),
            "views": list(self.banks),
            "coverage": self.coverage,
            "alpha": self.alpha,
            "held_out": len(self.held_out_scores),
        }

    def to_arrays(self) -> Arrays:
        """Return the large arrays by name, contiguous, for a safetensors file."""
        arrays: Arrays = {
            "held_out_scores": self.held_out_scores,
            "conformal/negative": self.conformal.negative,
            "conformal/positive": self.conformal.positive,
        }
        for view, bank in self.banks.items():
            arrays |= {f"banks/{view}/{name}": values for name, values in bank.to_arrays().items()}
        return {name: np.ascontiguousarray(values).reshape(values.shape) for name, values in arrays.items()}

    @classmethod
    def from_parts(cls, table: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[np.generic]]) -> Reliability:
        """Build it from `to_json` and `to_arrays`.

        Raises:
            EvaluationError: a part is missing or malformed, or of another format version.
        """
        if table.get("format_version") != FORMAT_VERSION:
            version = table.get("format_version")
            raise EvaluationError(f"Its reliability is of format version {version}; this one reads {FORMAT_VERSION}.")
        try:
            return cls(
                calibrators={str(key): Calibrator.from_json(item) for key, item in table["calibrators"].items()},
                calibration=str(table["calibration"]),
                banks={str(view): ViewBank.from_arrays(_under(arrays, f"banks/{view}/")) for view in table["views"]},
                combined=CombinedScore.from_json(table["combined"]),
                conformal=ConformalSets(_numbers(arrays, "conformal/negative"), _numbers(arrays, "conformal/positive")),
                held_out_scores=_numbers(arrays, "held_out_scores"),
                coverage=float(table["coverage"]),
                alpha=float(table["alpha"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise EvaluationError(f"What the bundle says on reliability is damaged ({error!r}).") from error


def _under(arrays: Mapping[str, npt.NDArray[np.generic]], prefix: str) -> Arrays:
    return {name.removeprefix(prefix): values for name, values in arrays.items() if name.startswith(prefix)}


def _numbers(arrays: Mapping[str, npt.NDArray[np.generic]], name: str) -> FloatArray:
    return np.asarray(arrays[name], dtype=np.float64)
