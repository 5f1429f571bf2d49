"""The same metrics for kinds of studies side by side: how hard, with a cast, with an implant, children, adults."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from fractureai.evaluation.bootstrap import Estimate, bootstrap_metrics, wilson
from fractureai.evaluation.cases import CaseResult
from fractureai.evaluation.comparison import delong_auroc
from fractureai.evaluation.metrics import BinaryMetrics, binary_metrics

ADULT_YEARS = 18.0
FEW = 10
"""Fewer fractures, or fewer normals, than this: the row is marked, its intervals are not to be relied on."""


@dataclass(frozen=True)
class Stratum:
    """A kind of study.

    Attributes:
        name: key in tables.
        title: name on screen.
        member: tells whether a case belongs to it.
    """

    name: str
    title: str
    member: Callable[[CaseResult], bool]


STRATA = (
    Stratum("all", "All studies", lambda case: True),  # noqa: ARG005 - every case
    Stratum("kept", "Not referred", lambda case: not case.refer),
    Stratum("general", "General", lambda case: case.stratum == "general"),
    Stratum("hard", "Hard (occult fractures)", lambda case: case.stratum == "hard"),
    Stratum("cast", "With cast", lambda case: case.cast is True),
    Stratum("implant", "With implant", lambda case: case.implant is True),
    Stratum("child", "Children (under 18)", lambda case: case.age_years is not None and case.age_years < ADULT_YEARS),
    Stratum("adult", "Adults", lambda case: case.age_years is not None and case.age_years >= ADULT_YEARS),
)


@dataclass(frozen=True)
class MetricsRow:
    """The metrics of one kind of study, or of one view.

    Attributes:
        name, title: of the stratum or view.
        metrics: point values and confusion matrix; None when there is no case.
        estimates: metric -> value with bootstrap interval; empty when there is no case.
        sensitivity_wilson, specificity_wilson: the two shares with Wilson's interval, to be preferred when they are 0
            or 1 or the cases are few.
        auroc_delong: the area with DeLong's interval, by patient.
    """

    name: str
    title: str
    metrics: BinaryMetrics | None
    estimates: dict[str, Estimate]
    sensitivity_wilson: Estimate
    specificity_wilson: Estimate
    auroc_delong: Estimate

    @property
    def n(self) -> int:
        """Number of cases."""
        return self.metrics.n if self.metrics else 0

    @property
    def n_positive(self) -> int:
        """Number of fractures."""
        return self.metrics.n_positive if self.metrics else 0

    @property
    def few(self) -> bool:
        """True when there are too few fractures or normals for the intervals to be relied on."""
        return min(self.n_positive, self.n - self.n_positive) < FEW


def metrics_row(
    name: str,
    title: str,
    readings: Iterable[tuple[bool, float, float, str]],
    resamples: int,
    seed: int,
    confidence: float,
) -> MetricsRow:
    """Compute one row from (label, probability, threshold, patient); patients are resampled with all their cases."""
    given = list(readings)
    if not given:
        return MetricsRow(name, title, None, {}, wilson(0, 0), wilson(0, 0), wilson(0, 0))
    labels, probabilities, thresholds, patients = (list(column) for column in zip(*given, strict=True))
    point = binary_metrics(labels, probabilities, thresholds)
    return MetricsRow(
        name,
        title,
        point,
        bootstrap_metrics(labels, probabilities, thresholds, resamples, seed, confidence, patients),
        wilson(point.true_positive, point.n_positive, confidence),
        wilson(point.true_negative, point.n - point.n_positive, confidence),
        delong_auroc(labels, probabilities, patients, confidence),
    )


def strata_rows(
    cases: Sequence[CaseResult], resamples: int, seed: int, confidence: float, strata: Sequence[Stratum] = STRATA
) -> tuple[MetricsRow, ...]:
    """Compute one row a stratum, in order, from the cases that were read."""
    return tuple(
        metrics_row(
            stratum.name,
            stratum.title,
            [
                (case.label, case.probability, case.threshold, case.patient)
                for case in cases
                if case.probability is not None and stratum.member(case)
            ],
            resamples,
            seed,
            confidence,
        )
        for stratum in strata
    )


def view_rows(cases: Sequence[CaseResult], resamples: int, seed: int, confidence: float) -> tuple[MetricsRow, ...]:
    """Compute one row a view, against the study's label, and one for the ensemble of studies with several views."""
    names = list(dict.fromkeys(view.view for case in cases for view in case.views))
    rows = []
    for name in sorted(names, key=lambda name: (name != "PA", name)):
        readings = []
        for case in cases:
            probability = case.view_probability(name)
            if probability is not None:
                threshold = next(view.threshold for view in case.views if view.view == name)
                readings.append((case.label, probability, threshold, case.patient))
        rows.append(metrics_row(name, f"{name} alone", readings, resamples, seed, confidence))
    several = [case for case in cases if len({view.view for view in case.views}) > 1]
    both = [
        (case.label, case.probability, case.threshold, case.patient) for case in several if case.probability is not None
    ]
    rows.append(metrics_row("ensemble", "Views together", both, resamples, seed, confidence))
    return tuple(rows)
