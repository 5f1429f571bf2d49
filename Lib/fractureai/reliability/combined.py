"""One number from all scores: how likely it is that the decision on a study is wrong.

    combined = 1 - (1 - p_error) (1 - p_novel)

* ``p_error``: logistic regression of "the decision was wrong" on the standardised scores. No weight may be negative: a
  score that says trust less never makes the combination trust more.
* ``p_novel``: how far the novelty scores lie beyond what held-out images of the site reach.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

MIN_ERRORS = 10
"""With fewer wrong decisions among the held-out studies no weights are fitted: all scores weigh the same."""

FAMILIAR = 0.995
"""Quantile of the held-out novelty scores from which on an image is unlike the training images."""

_LEVELS = np.linspace(0, 1, 101)


@dataclass(frozen=True, eq=False)
class CombinedScore:
    """The fitted combination.

    Attributes:
        keys: the scores it uses, of `SCORES`.
        weights: (keys,) of the standardised scores, >= 0.
        intercept: of the logistic regression.
        quantiles: (keys, 101) of each score among the held-out studies, from the smallest to the largest.
        novelty_limits: novelty score -> (median, `FAMILIAR` quantile) among the held-out studies.
        fitted_on: number of held-out studies.
        fitted_on_errors: how many of their decisions were wrong.
        equal_weights: True when these were fewer than `MIN_ERRORS`, so that nothing was learned about errors.
    """

    keys: tuple[str, ...]
    weights: FloatArray
    intercept: float
    quantiles: FloatArray
    novelty_limits: Mapping[str, tuple[float, float]]
    fitted_on: int
    fitted_on_errors: int
    equal_weights: bool

    @classmethod
    def fit(
        cls, scores: Mapping[str, npt.ArrayLike], wrong: npt.ArrayLike, groups: npt.ArrayLike, seed: int = 0
    ) -> tuple[CombinedScore, FloatArray]:
        """Fit on held-out studies, and judge these very studies by combinations fitted on others.

        Args:
            scores: key -> (n,); a key that is nan for all studies is left out.
            wrong: (n,) whether the decision was wrong.
            groups: (n,) patient of each study.
            seed: of the division into parts.

        Returns:
            the combination fitted on all studies, and (n,) combined scores of the studies, cross-fitted by patient.

        Raises:
            EvaluationError: there are too few studies, no score is defined, or lengths differ.
        """
        raise NotImplementedError

    def apply(self, scores: Mapping[str, npt.ArrayLike]) -> FloatArray:
        """Return combined scores, 0..1, one for each study.

        Args:
            scores: key -> number or (n,); nan, or a missing key, counts as the held-out studies' median.
        """
        raise NotImplementedError
