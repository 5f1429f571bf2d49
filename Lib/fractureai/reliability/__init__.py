"""When to believe a reading: calibration, uncertainty scores and their combination, conformal sets, referral limits.

Mathematics only, on arrays; needs numpy and scipy, and scikit-learn where something is fitted.
"""

from fractureai.reliability.banks import MemberBank, ViewBank
from fractureai.reliability.calibration import CALIBRATION_TITLES, Calibrator, cross_fitted
from fractureai.reliability.combined import CombinedScore
from fractureai.reliability.conformal import ConformalSets
from fractureai.reliability.evidence import ViewEvidence
from fractureai.reliability.model import Assessment, HeldOut, Reliability
from fractureai.reliability.scores import (
    COMBINED,
    ENSEMBLE,
    NOVELTY,
    SCORES,
    study_probability,
    study_scores,
    study_threshold,
)

__all__ = [
    "CALIBRATION_TITLES",
    "COMBINED",
    "ENSEMBLE",
    "NOVELTY",
    "SCORES",
    "Assessment",
    "Calibrator",
    "CombinedScore",
    "ConformalSets",
    "HeldOut",
    "MemberBank",
    "Reliability",
    "ViewBank",
    "ViewEvidence",
    "cross_fitted",
    "study_probability",
    "study_scores",
    "study_threshold",
]
