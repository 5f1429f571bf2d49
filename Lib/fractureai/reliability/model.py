"""Everything that says how far one bundle's readings can be trusted, fitted on studies its networks have not seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fractureai.reliability.banks import ViewBank
from fractureai.reliability.calibration import Calibrator
from fractureai.reliability.combined import CombinedScore
from fractureai.reliability.conformal import ConformalSets
from fractureai.reliability.evidence import ViewEvidence

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
Arrays = dict[str, npt.NDArray[np.generic]]

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

    patients: tuple[str, ...]
    labels: BoolArray
    probabilities: FloatArray
    called: BoolArray
    scores: Mapping[str, FloatArray]


@dataclass(frozen=True)
class Assessment:
    """What `Reliability` says about one study.

    Attributes:
        calibrated: probability that means what it says, 0..1.
        scores: every key of `SCORES`; nan where not defined.
        uncertainty: the combined score, 0..1.
        conformal: classes (0 normal, 1 fracture) that can not be ruled out.
        unfamiliar: the novelty scores (`NOVELTY`) beyond their limit; () for an image like the training images.
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
        conformal: the conformal sets.
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

    @classmethod
    def fit(
        cls,
        held_out: HeldOut,
        banks: Mapping[str, ViewBank],
        *,
        calibration: str = "temperature",
        coverage: float = COVERAGE,
        alpha: float = ALPHA,
        seed: int = 0,
    ) -> Reliability:
        """Fit calibration, combination, conformal sets and limits.

        Raises:
            EvaluationError: there are too few held-out studies, or a share is out of range.
        """
        raise NotImplementedError

    @property
    def familiar_limits(self) -> Mapping[str, float]:
        """Novelty score -> its `fractureai.reliability.combined.FAMILIAR` quantile among the held-out studies."""
        raise NotImplementedError

    def referral_limit(self, coverage: float | None = None) -> float:
        """Return the combined score above which a study is referred.

        Args:
            coverage: share of studies like the held-out ones to be kept, 0..1; None: the bundle's; 1 refers none.

        Raises:
            EvaluationError: the share is out of range.
        """
        raise NotImplementedError

    def unfamiliar(self, scores: Mapping[str, float]) -> tuple[str, ...]:
        """Return the novelty scores that lie beyond their limit."""
        raise NotImplementedError

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
        raise NotImplementedError

    def to_json(self) -> dict[str, Any]:
        """Return everything but the large arrays as plain JSON values."""
        raise NotImplementedError

    def to_arrays(self) -> Arrays:
        """Return the large arrays by name, contiguous, for a safetensors file."""
        raise NotImplementedError

    @classmethod
    def from_parts(cls, table: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[np.generic]]) -> Reliability:
        """Build it from `to_json` and `to_arrays`.

        Raises:
            EvaluationError: a part is missing or malformed.
        """
        raise NotImplementedError
