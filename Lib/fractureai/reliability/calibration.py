"""Make 0.8 mean eight of ten: a monotone map from the ensemble's probability to a calibrated one.

* ``temperature``: the log-odds are divided by one number (Guo, Pleiss, Sun, Weinberger, "On calibration of modern
  neural networks", ICML 2017, section 4.2), found by maximum likelihood. The log-odds are those of the ensemble's mean
  probability, after all averaging, so that the map holds for what the reader sees. 0.5 stays 0.5, and the order of the
  studies stays as it was.
* ``isotonic``: the non-decreasing step-like map of least squares (Zadrozny, Elkan, KDD 2002), kept as knots with
  straight lines between them. It bends freely, needs hundreds of studies, and makes ties.

Fitted on studies that the networks have not seen; what is judged on the studies it was fitted on is cross-fitted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fractureai.errors import EvaluationError
from fractureai.reliability.folding import grouped_folds

FloatArray = npt.NDArray[np.float64]

CALIBRATION_TITLES: Mapping[str, str] = {"temperature": "Temperature", "isotonic": "Isotonic"}
"""Method -> title."""

MIN_CASES = 10
"""Fewer fractures, or fewer normals, than this and no calibration is fitted."""

_EDGE = 1e-9  # probabilities nearer to 0 or 1 than this count as this near: their log-odds would be infinite
_LOG_TEMPERATURE = (-5.0, 5.0)


@dataclass(frozen=True)
class Calibrator:
    """A fitted map.

    Attributes:
        method: ``temperature`` or ``isotonic``.
        temperature: what the log-odds are divided by; 1 for ``isotonic``.
        knots: (probability, calibrated probability), rising; () for ``temperature``.
        cases: how many studies it was fitted on.
    """

    method: str
    temperature: float = 1.0
    knots: tuple[tuple[float, float], ...] = ()
    cases: int = 0

    def __post_init__(self) -> None:
        """Check that the map is one."""
        if self.method not in CALIBRATION_TITLES:
            raise EvaluationError(f"There is no calibration {self.method}; give {' or '.join(CALIBRATION_TITLES)}.")
        knots = np.array(self.knots, dtype=float).reshape(-1, 2)
        if not 0 < self.temperature < np.inf or not ((knots >= 0) & (knots <= 1)).all():
            raise EvaluationError("A calibration has a temperature above 0 and knots between 0 and 1.")
        if self.method == "isotonic" and (not len(knots) or not (np.diff(knots, axis=0) >= 0).all()):
            raise EvaluationError("An isotonic calibration needs knots that never fall.")

    @classmethod
    def fit(cls, labels: npt.ArrayLike, probabilities: npt.ArrayLike, method: str = "temperature") -> Calibrator:
        """Fit the map on held-out studies.

        Args:
            labels: (n,) True or 1 for a fracture.
            probabilities: (n,) that the ensemble gave, 0..1.
            method: ``temperature`` or ``isotonic``.

        Raises:
            EvaluationError: there are fewer than `MIN_CASES` fractures or normals, or values are out of range.
        """
        truth, given = checked_cases(labels, probabilities)
        few = min(int(truth.sum()), int((~truth).sum()))
        if few < MIN_CASES:
            raise EvaluationError(
                f"Calibration needs at least {MIN_CASES} fractures and {MIN_CASES} normals that the model has not "
                f"seen; there are {int(truth.sum())} and {int((~truth).sum())}."
            )
        if method == "isotonic":
            return cls(method, knots=_isotonic_knots(truth, given), cases=len(truth))
        return cls(method, temperature=_best_temperature(truth, given), cases=len(truth))

    def apply(self, probabilities: npt.ArrayLike) -> FloatArray:
        """Return calibrated probabilities, of any shape; never falling where the given ones rise."""
        given = np.asarray(probabilities, dtype=np.float64)
        if self.method == "isotonic":
            x, y = np.array(self.knots).T
            return np.asarray(np.interp(given, x, y))
        from scipy.special import expit

        return np.asarray(expit(log_odds(given) / self.temperature))

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "method": self.method,
            "temperature": self.temperature,
            "knots": [list(knot) for knot in self.knots],
            "cases": self.cases,
        }

    @classmethod
    def from_json(cls, table: Mapping[str, Any]) -> Calibrator:
        """Build it from `to_json`."""
        knots = tuple((float(x), float(y)) for x, y in table["knots"])
        return cls(str(table["method"]), float(table["temperature"]), knots, int(table["cases"]))


def cross_fitted(
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    groups: npt.ArrayLike,
    method: str,
    folds: int = 5,
    seed: int = 0,
) -> FloatArray:
    """Return calibrated probabilities of the very studies that the map is fitted on, each by a map fitted on others.

    Args:
        labels, probabilities, method: as of `Calibrator.fit`.
        groups: (n,) patient of each study; a patient's studies stay together.
        folds: how many maps.
        seed: of the division.

    Raises:
        EvaluationError: as `Calibrator.fit`, for the studies outside a fold.
    """
    truth, given = checked_cases(labels, probabilities)
    result = np.full(len(truth), np.nan)
    for inside in grouped_folds(truth, groups, folds, seed):
        result[inside] = Calibrator.fit(truth[~inside], given[~inside], method).apply(given[inside])
    return result


def log_odds(probabilities: FloatArray) -> FloatArray:
    """Return ln(p / (1 - p)), finite also at 0 and 1."""
    from scipy.special import logit

    return np.asarray(logit(np.clip(probabilities, _EDGE, 1 - _EDGE)))


def checked_cases(labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> tuple[npt.NDArray[np.bool_], FloatArray]:
    """Return labels and probabilities as (n,) arrays.

    Raises:
        EvaluationError: lengths differ, or a value is out of its range.
    """
    truth, given = np.asarray(labels), np.asarray(probabilities, dtype=np.float64)
    if truth.ndim != 1 or truth.shape != given.shape:
        raise EvaluationError(f"Labels {truth.shape} and probabilities {given.shape} must be two lists of one length.")
    if not np.isin(truth, (0, 1)).all() or not ((given >= 0) & (given <= 1)).all():
        raise EvaluationError("Labels must be 1 or 0 and probabilities between 0 and 1; leave out what was not read.")
    return truth.astype(bool), given


def _best_temperature(truth: npt.NDArray[np.bool_], given: FloatArray) -> float:
    """Minimise the negative log-likelihood; it has one minimum in 1 / temperature, so also in its logarithm."""
    from scipy.optimize import minimize_scalar

    signed = np.where(truth, 1.0, -1.0) * log_odds(given)

    def loss(log_temperature: float) -> float:
        return float(np.logaddexp(0, -signed / np.exp(log_temperature)).mean())

    found = minimize_scalar(loss, bounds=_LOG_TEMPERATURE, method="bounded", options={"xatol": 1e-8})
    return float(np.exp(found.x))


def _isotonic_knots(truth: npt.NDArray[np.bool_], given: FloatArray) -> tuple[tuple[float, float], ...]:
    from sklearn.isotonic import IsotonicRegression

    fitted = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(given, truth.astype(float))
    return tuple(zip(map(float, fitted.X_thresholds_), map(float, fitted.y_thresholds_), strict=True))
