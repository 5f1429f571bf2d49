"""Simulated wrist studies with exact ground truth."""

from fractureai.phantom.config import PHANTOM_VERSION, PhantomConfig
from fractureai.phantom.study import (
    FractureTruth,
    SimulatedRadiograph,
    SimulatedStudy,
    StudyPlan,
    other_side,
    plan_study,
    simulate_plan,
    simulate_study,
)
from fractureai.phantom.write import write_dataset

__all__ = [
    "PHANTOM_VERSION",
    "FractureTruth",
    "PhantomConfig",
    "SimulatedRadiograph",
    "SimulatedStudy",
    "StudyPlan",
    "other_side",
    "plan_study",
    "simulate_plan",
    "simulate_study",
    "write_dataset",
]
