"""The parts of a report that need a calibrated bundle: calibration before and after, and referral by uncertainty."""

from __future__ import annotations

from collections.abc import Sequence

from fractureai.bundle import Bundle
from fractureai.evaluation.calibrated import CalibrationComparison, compare_calibration
from fractureai.evaluation.cases import CaseResult
from fractureai.evaluation.selective_report import SelectiveReport, selective_report
from fractureai.inference.prediction import Prediction
from fractureai.inference.trust import Trust
from fractureai.reliability import COMBINED

FITTED_HERE = (
    "The studies of this report are among those it was learned from, so that its figures here flatter it; the test "
    "split or other studies do not."
)


def trust_parts(
    bundle: Bundle,
    dataset: str,
    split: str | None,
    cases: Sequence[CaseResult],
    foreign: Sequence[Prediction] = (),
) -> tuple[CalibrationComparison | None, SelectiveReport | None]:
    """Judge calibration and uncertainty of a bundle's readings.

    Where the studies are those that the bundle was calibrated on, calibration is cross-fitted on them, and the report
    says that the combined score was learned from them.

    Args:
        bundle: the model that read.
        dataset: name of the dataset that was read.
        split: which part of it; None for all.
        cases: the studies.
        foreign: readings of images that are none of the site.

    Returns:
        ``calibrated`` and ``selective`` of an `Evaluation`; None each for a bundle that was never calibrated.

    Raises:
        BundleError: the bundle is damaged.
    """
    trust = Trust.load(bundle)
    if trust is None or not any(case.probability is not None for case in cases):
        return None, None
    reliability, here = trust.reliability, fitted_here(bundle, dataset, split)
    own = None if here else reliability.calibrators
    note = f"{reliability.combined.note} {FITTED_HERE}" if here else reliability.combined.note
    read = [prediction for prediction in foreign if prediction.uncertainty is not None]
    scores = [{**prediction.scores, COMBINED: prediction.uncertainty or 0.0} for prediction in read]
    selective = selective_report(cases, scores, len(foreign) - len(read), note=note)
    return compare_calibration(cases, own, reliability.calibration), selective


def fitted_here(bundle: Bundle, dataset: str, split: str | None) -> bool:
    """Tell whether the bundle may have been calibrated on studies of this split, by what it says of its source."""
    source = (bundle.spec.reliability or {}).get("source", {})
    if source.get("dataset") != dataset:
        return False
    # All but the test split is held out for calibration, unless it was asked for itself.
    return split != "test" or source.get("split") in ("test", "all")
