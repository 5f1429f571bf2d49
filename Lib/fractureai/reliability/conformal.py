"""Sets of answers with a promise: each class is missed in at most a share alpha of its own cases.

Class-conditional (Mondrian) split conformal prediction (Vovk, "Conditional validity of inductive conformal predictors",
ACML 2012; Angelopoulos, Bates, "A gentle introduction to conformal prediction", arXiv 2107.07511, 2021, section 4.2). A
class belongs to the set of a study when 1 - its probability is not larger than the ceil((n + 1)(1 - alpha))-th smallest
among the n held-out studies of that class. The promise holds for studies exchangeable with those, for each class alone,
whatever the network: it says nothing about studies of another kind. {fracture, normal} means undecided, {} means that
neither looks like the held-out studies.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fractureai.errors import EvaluationError
from fractureai.reliability.calibration import checked_cases

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ConformalSets:
    """Nonconformity of the held-out studies.

    Attributes:
        negative: (n0,) rising, probability of the held-out normals: how little they looked normal.
        positive: (n1,) rising, 1 - probability of the held-out fractures.
    """

    negative: FloatArray
    positive: FloatArray

    @classmethod
    def fit(cls, labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> ConformalSets:
        """Take the held-out studies: (n,) labels and probabilities.

        Raises:
            EvaluationError: a class has no study, or values are out of range.
        """
        truth, given = checked_cases(labels, probabilities)
        if truth.all() or not truth.any():
            raise EvaluationError("Conformal sets need held-out studies of both classes.")
        return cls(np.sort(given[~truth]), np.sort(1 - given[truth]))

    def limits(self, alpha: float) -> tuple[float, float]:
        """Return the largest nonconformity with which class 0 and class 1 belong to a set; inf: always.

        Args:
            alpha: share of its cases that a class may be missed in, 0..1 (exclusive).

        Raises:
            EvaluationError: alpha is out of range.
        """
        if not 0 < alpha < 1:
            raise EvaluationError("The share of missed cases of conformal sets must lie between 0 and 1.")
        return _limit(self.negative, alpha), _limit(self.positive, alpha)

    def contains(self, probabilities: npt.ArrayLike, alpha: float) -> npt.NDArray[np.bool_]:
        """Return (n, 2): whether class 0 (normal) and class 1 (fracture) belong to the set of each study."""
        given = np.asarray(probabilities, dtype=np.float64)
        normal, fracture = self.limits(alpha)
        return np.stack([given <= normal, 1 - given <= fracture], axis=-1)

    def sets(self, probabilities: npt.ArrayLike, alpha: float) -> list[frozenset[int]]:
        """Return the set of each study: {}, {0}, {1} or {0, 1}."""
        return [frozenset(np.flatnonzero(row).tolist()) for row in self.contains(probabilities, alpha)]


def _limit(scores: FloatArray, alpha: float) -> float:
    # 1e-9: (n + 1)(1 - alpha) is often a whole number that floating point misses by a hair.
    rank = math.ceil((len(scores) + 1) * (1 - alpha) - 1e-9)
    return float(scores[rank - 1]) if rank <= len(scores) else math.inf
