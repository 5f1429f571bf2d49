"""One study with its reference and its reading: the unit that is evaluated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from fractureai.inference.prediction import Referral


@dataclass(frozen=True)
class ViewResult:
    """How one radiograph of a study was read.

    Attributes:
        radiograph: SOP Instance UID.
        view: the view profile that read it (``PA``, ``LAT``).
        probability: of a fracture, 0..1.
        threshold: of this view.
        landmark_errors_mm: landmark -> distance from the reference; inf when not placed; empty when there is no
            reference or no spacing.
        activation_hit: whether the activation map's maximum lies in a marked fracture + 5 mm; None without a marked
            fracture or without spacing.
        reference_view: the view profile that should have read it; "" when it is ``view``.
    """

    radiograph: str
    view: str
    probability: float
    threshold: float
    landmark_errors_mm: Mapping[str, float] = field(default_factory=dict)
    activation_hit: bool | None = None
    reference_view: str = ""

    @property
    def called(self) -> bool:
        """True when this radiograph alone would be called a fracture."""
        return self.probability >= self.threshold


@dataclass(frozen=True)
class CaseResult:
    """How one study was read, and what the reference says.

    Attributes:
        study: key of the study.
        patient: pseudonym.
        label: True for a fracture: at least one of its radiographs is labelled so.
        probability: of the study (ensemble of its views), 0..1; None when nothing could be read.
        threshold: that the decision was made with.
        views: one entry for each radiograph that was read.
        refer: the model asked for a person to read without it.
        reasons: why.
        stratum: ``general``, ``hard`` or "".
        cast, implant: on at least one radiograph; None when not recorded.
        age_years: None when unknown.
        sex: ``F``, ``M``, ``O`` or "".
        calibrated: calibrated probability; None where the model has no calibration, or nothing could be read.
        scores: key of `fractureai.reliability.SCORES` -> value, higher = trust less; only those that are defined.
        uncertainty: the scores combined, 0..1; None as for ``calibrated``.
    """

    study: str
    patient: str
    label: bool
    probability: float | None
    threshold: float
    views: tuple[ViewResult, ...] = ()
    refer: bool = False
    reasons: tuple[Referral, ...] = ()
    stratum: str = ""
    cast: bool | None = None
    implant: bool | None = None
    age_years: float | None = None
    sex: str = ""
    calibrated: float | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    uncertainty: float | None = None

    @property
    def called(self) -> bool | None:
        """True when the study was called a fracture; None when it could not be read."""
        return None if self.probability is None else self.probability >= self.threshold

    @property
    def correct(self) -> bool | None:
        """True when called and label agree; None when it could not be read."""
        return None if self.called is None else self.called == self.label

    def view_probability(self, view: str) -> float | None:
        """Return the mean probability of the radiographs of a view, or None when there is none."""
        values = [result.probability for result in self.views if result.view == view]
        return float(np.mean(values)) if values else None


@dataclass(frozen=True)
class LeftOut:
    """A study, or a radiograph of it, that is not in the figures, and why (one sentence)."""

    study: str
    reason: str


def worst_errors(cases: tuple[CaseResult, ...], count: int) -> tuple[CaseResult, ...]:
    """Return the wrongly called studies, the farthest from their threshold first, at most ``count``."""
    wrong = [case for case in cases if case.correct is False]
    return tuple(sorted(wrong, key=lambda case: (-_distance(case), case.study))[:count])


def _distance(case: CaseResult) -> float:
    """How far on the wrong side of the threshold, as a share of the way there is to 0 or 1."""
    assert case.probability is not None
    way = 1 - case.threshold if case.called else case.threshold
    return abs(case.probability - case.threshold) / way if way else 0.0
