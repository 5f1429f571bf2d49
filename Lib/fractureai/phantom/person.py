"""Who is imaged: age, sex, size, bone quality and skeletal maturity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fractureai.phantom.solids import curve

OSSIFICATION_AGE = {
    "capitate": 0.3,
    "hamate": 0.4,
    "triquetrum": 2.3,
    "lunate": 3.6,
    "scaphoid": 5.0,
    "trapezoid": 5.2,
    "trapezium": 4.9,
    "pisiform": 9.5,
}
"""Age in years at which a carpal bone starts to ossify, mean of the sexes (Greulich and Pyle's atlas, rounded)."""


@dataclass(frozen=True)
class Person:
    """A patient.

    Attributes:
        age_years: whole years.
        sex: ``F`` or ``M``.
        scale: size relative to the reference adult.
        width: extra breadth of the bones.
        cortex: thickness of the cortical shell relative to the reference.
        spongy: density of spongy bone relative to the reference.
        maturity_years: skeletal age; physes are closed from 17.
        fat: soft tissue thickness relative to the reference.
    """

    age_years: int
    sex: str
    scale: float
    width: float
    cortex: float
    spongy: float
    maturity_years: float
    fat: float

    @property
    def child(self) -> bool:
        """Whether growth plates are open."""
        return self.maturity_years < 17

    def carpal_size(self, bone: str) -> float:
        """Return the ossified share (0 none, 1 adult shape) of a carpal bone's extent."""
        since = self.maturity_years - OSSIFICATION_AGE[bone]
        if since <= 0:
            return 0.0
        return float(min(1.0, 0.36 + 0.64 * (since / (14.5 - OSSIFICATION_AGE[bone])) ** 0.8))

    def epiphysis_size(self, start: float) -> float:
        """Return the ossified share of an epiphysis that starts to ossify at this age."""
        since = self.maturity_years - start
        return 0.0 if since <= 0 else float(min(1.0, 0.35 + 0.65 * (since / (13.5 - start)) ** 0.7))


def draw_person(rng: np.random.Generator, child_fraction: float) -> Person:
    """Draw a patient; adults cluster in young men and older women, as wrist injuries do."""
    sex = "F" if rng.random() < 0.5 else "M"
    if rng.random() < child_fraction:
        age = float(np.clip(rng.normal(10.3, 3.2), 2.5, 16.4))
    elif rng.random() < 0.55:
        age = float(np.clip(rng.normal(68 if sex == "F" else 60, 11), 40, 95))
    else:
        age = float(rng.uniform(17.5, 45))
    maturity = age + rng.normal(0, 0.7) + (1.2 if sex == "F" and age > 6 else 0.0)
    if age < 17.5:
        maturity = min(max(maturity, 1.5), 17.4)
    grown = float(
        curve(((2, 4, 6, 8, 10, 12, 14, 16, 18), (0.53, 0.6, 0.68, 0.75, 0.81, 0.88, 0.95, 0.99, 1.0)), maturity)
    )
    adult = rng.normal(1.02, 0.04) if sex == "M" else rng.normal(0.92, 0.04)
    loss = max(0.0, (age - 50) / 45) * rng.uniform(0.4, 1.0) * (1.1 if sex == "F" else 0.6)
    return Person(
        age_years=int(age),
        sex=sex,
        scale=float(grown * (adult if age > 12 else 0.97 + 0.04 * rng.standard_normal())),
        width=float(rng.normal(1.0, 0.035)),
        cortex=float(max(0.4, (1 - 0.5 * loss) * rng.uniform(0.85, 1.15))),
        spongy=float(max(0.35, (1 - 0.55 * loss) * rng.uniform(0.8, 1.2))),
        maturity_years=float(maturity if age < 17.5 else 30.0),
        fat=float(np.clip(rng.normal(1.0 if age > 15 else 0.95, 0.09), 0.8, 1.35)),
    )
