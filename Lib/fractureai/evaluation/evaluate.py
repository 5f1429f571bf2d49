"""From cases to all figures of a report."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from fractureai.errors import EvaluationError
from fractureai.evaluation.bootstrap import CONFIDENCE, RESAMPLES, Estimate, wilson
from fractureai.evaluation.calibration import Calibration, calibration
from fractureai.evaluation.cases import CaseResult, LeftOut, ViewResult
from fractureai.evaluation.landmarks import LandmarkRecall, RecallCurve, landmark_recall, recall_curve
from fractureai.evaluation.strata import MetricsRow, strata_rows, view_rows

if TYPE_CHECKING:
    from fractureai.evaluation.calibrated import CalibrationComparison
    from fractureai.evaluation.confounders import ConfounderTable
    from fractureai.evaluation.explanation_report import ExplanationReport
    from fractureai.evaluation.readers import ReaderStudy
    from fractureai.evaluation.selective_report import SelectiveReport

ENSEMBLE = "ensemble"
"""Key of the study's own threshold beside those of the views."""


@dataclass(frozen=True)
class LandmarkRow:
    """Landmark errors of one landmark of one view; ``all`` for several together."""

    view: str
    landmark: str
    result: LandmarkRecall
    curve: RecallCurve


@dataclass(frozen=True)
class LocalisationRow:
    """Share of true positives (radiographs called, with a marked fracture) whose map's maximum lies in box + 5 mm."""

    view: str
    hits: int
    n: int
    share: Estimate


@dataclass(frozen=True)
class ReferralReason:
    """A reason for referral, how many studies had it, and its sentence in the first of them."""

    code: str
    studies: int
    example: str


@dataclass(frozen=True)
class Referrals:
    """Studies the model handed to a person.

    Attributes:
        studies: all studies.
        referred: of these, with at least one reason; includes those not read.
        not_read: of these, without any probability.
        wrong_referred, wrong_kept: wrongly called studies among the referred and among the others.
        reasons: each reason, most frequent first; a study may have several.
    """

    studies: int
    referred: int
    not_read: int
    wrong_referred: int
    wrong_kept: int
    reasons: tuple[ReferralReason, ...]


@dataclass(frozen=True)
class Evaluation:
    """All figures of a model on a set of studies.

    Attributes:
        cases: every study, read or not.
        left_out: studies and radiographs that are not among the cases, and why.
        strata: a row a stratum; the first is all studies that were read.
        views: a row a view, and one for studies with several views.
        landmarks: rows of views and landmarks; the first is all together; empty without reference landmarks.
        localisation: the activation map's hits; the first row is all views together; empty without marked fractures.
        calibration: of the studies that were read.
        referrals: how many studies were referred, and why.
        wrong_views: radiographs that were read as another view than the reference says.
        resamples, seed, confidence: of the bootstrap.
        readers: human readers beside the model; None when there are none.
        confounders: what else than the model's reading goes with the outcome; None when not asked.
        calibrated: calibration before and after it was mended; None when the model brings no calibrator.
        selective: what referral would gain and cost, by score; None when not asked.
        explanation: how far the activation maps can be trusted; None when not asked.
    """

    cases: tuple[CaseResult, ...]
    left_out: tuple[LeftOut, ...]
    strata: tuple[MetricsRow, ...]
    views: tuple[MetricsRow, ...]
    landmarks: tuple[LandmarkRow, ...]
    localisation: tuple[LocalisationRow, ...]
    calibration: Calibration
    referrals: Referrals
    wrong_views: int
    resamples: int
    seed: int
    confidence: float
    readers: ReaderStudy | None = None
    confounders: ConfounderTable | None = None
    calibrated: CalibrationComparison | None = None
    selective: SelectiveReport | None = None
    explanation: ExplanationReport | None = None

    def stratum(self, name: str) -> MetricsRow:
        """Return the row of a stratum (``all``, ``general``, ``hard``, ...)."""
        return next(row for row in self.strata if row.name == name)


def evaluate(
    cases: Iterable[CaseResult],
    thresholds: Mapping[str, float] | None = None,
    *,
    left_out: Sequence[LeftOut] = (),
    resamples: int = RESAMPLES,
    seed: int = 0,
    confidence: float = CONFIDENCE,
) -> Evaluation:
    """Compute all figures.

    Args:
        cases: the studies.
        thresholds: instead of those the readings were made with: view -> threshold, and ``ensemble`` for studies of
            several views; None keeps the readings' own.
        left_out: what the caller could not make cases of; reported, not evaluated.
        resamples, seed, confidence: of the bootstrap.

    Raises:
        EvaluationError: no study was read, or a study occurs twice.
    """
    table = tuple(case if thresholds is None else _with_thresholds(case, thresholds) for case in cases)
    twice = [study for study, times in Counter(case.study for case in table).items() if times > 1]
    if twice:
        raise EvaluationError(f"Study {twice[0]} occurs more than once among the cases; give each study once.")
    read = [(case.label, case.probability) for case in table if case.probability is not None]
    if not read:
        raise EvaluationError("No study could be read, so there is nothing to evaluate.")
    labels, probabilities = zip(*read, strict=True)
    radiographs = [view for case in table for view in case.views]
    return Evaluation(
        cases=table,
        left_out=tuple(left_out),
        strata=strata_rows(table, resamples, seed, confidence),
        views=view_rows(table, resamples, seed, confidence),
        landmarks=_landmark_rows(radiographs, confidence),
        localisation=_localisation_rows(table, confidence),
        calibration=calibration(labels, probabilities),
        referrals=_referrals(table),
        wrong_views=sum(view.reference_view not in ("", view.view) for view in radiographs),
        resamples=resamples,
        seed=seed,
        confidence=confidence,
    )


def _with_thresholds(case: CaseResult, thresholds: Mapping[str, float]) -> CaseResult:
    views = tuple(replace(view, threshold=thresholds.get(view.view, view.threshold)) for view in case.views)
    names = {view.view for view in views}
    key = names.pop() if len(names) == 1 else ENSEMBLE
    return replace(case, views=views, threshold=thresholds.get(key, case.threshold))


def _landmark_rows(radiographs: Sequence[ViewResult], confidence: float) -> tuple[LandmarkRow, ...]:
    measured = [view for view in radiographs if view.landmark_errors_mm]
    if not measured:
        return ()
    rows = [_landmark_row("all", "all", measured, confidence)]
    for name in _view_order(view.reference_view or view.view for view in measured):
        of_view = [view for view in measured if (view.reference_view or view.view) == name]
        rows.append(_landmark_row(name, "all", of_view, confidence))
        for landmark in dict.fromkeys(key for view in of_view for key in view.landmark_errors_mm):
            rows.append(_landmark_row(name, landmark, of_view, confidence))
    return tuple(rows)


def _landmark_row(view: str, landmark: str, radiographs: Sequence[ViewResult], confidence: float) -> LandmarkRow:
    """Make one row of errors a radiograph; nan fills up those with fewer landmarks."""
    errors = [
        list(item.landmark_errors_mm.values())
        if landmark == "all"
        else [item.landmark_errors_mm.get(landmark, math.nan)]
        for item in radiographs
    ]
    width = max(map(len, errors))
    table = np.array([row + [math.nan] * (width - len(row)) for row in errors])
    recall = landmark_recall(table, confidence=confidence)
    return LandmarkRow(view, landmark, recall, recall_curve(table, confidence=confidence))


def _localisation_rows(cases: Sequence[CaseResult], confidence: float) -> tuple[LocalisationRow, ...]:
    hits = [
        (view.view, view.activation_hit)
        for case in cases
        for view in case.views
        if case.label and view.called and view.activation_hit is not None
    ]
    if not hits:
        return ()
    rows = [("all", [hit for _, hit in hits])]
    rows += [(name, [hit for view, hit in hits if view == name]) for name in _view_order(view for view, _ in hits)]
    return tuple(LocalisationRow(view, sum(x), len(x), wilson(sum(x), len(x), confidence)) for view, x in rows)


def _referrals(cases: Sequence[CaseResult]) -> Referrals:
    codes = Counter(code for case in cases for code in {reason.code for reason in case.reasons})
    example = {reason.code: reason.text for case in reversed(cases) for reason in case.reasons}
    wrong = [case for case in cases if case.correct is False]
    return Referrals(
        studies=len(cases),
        referred=sum(case.refer for case in cases),
        not_read=sum(case.probability is None for case in cases),
        wrong_referred=sum(case.refer for case in wrong),
        wrong_kept=sum(not case.refer for case in wrong),
        reasons=tuple(ReferralReason(code, times, example[code]) for code, times in codes.most_common()),
    )


def _view_order(names: Iterable[str]) -> list[str]:
    """Return the names once each, PA first as a study is read, then by name."""
    return sorted(set(names), key=lambda name: (name != "PA", name))
