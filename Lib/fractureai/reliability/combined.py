"""One number from all scores: the expected harm of leaving the decision on a study to the model, 0..1.

    combined = 1 - (1 - c p_error) (1 - p_novel)

* ``p_error``: logistic regression of "the decision was wrong" on the standardised scores. No weight may be negative: a
  score that says trust less never makes the combination trust more.
* ``c``: 1 where no fracture was called, `FALSE_ALARM` where one was: a missed fracture goes home, a false alarm is
  seen by a person anyway (cost-sensitive decisions: Elkan, IJCAI 2001).
* ``p_novel``: 1/2 for an image as far from the training images as the farthest of 200 held-out ones (`FAMILIAR`), next
  to nothing for most of the site's own, 1 well beyond.

Why these three parts. The combination has three jobs: rank the errors among the site's own studies, tell hard studies
from general ones, and tell foreign images from the site's own. On simulated studies (one fracture signal seen by five
networks in two views, hard fractures with a weak signal, foreign images off the training images' subspace; 4 worlds of
800 held-out and 450 test studies; the published variance: area under the risk-coverage curve .048, AUROC hard .64,
foreign .40, sensitivity on hard studies after referring 20 % -.03):

* ``p_error`` alone: .035, .70, .58, +.05. Errors can teach it nothing about images that are never in the held-out set.
* with ``p_novel``: .036, .70, .997, +.06. A steep ``p_novel`` costs the site's own ranking next to nothing; a novelty
  score inside the regression can not do it, for there its weight is what it is worth on the site's own images.
* with ``c`` = 1/3: .034, .72, .998, +.17. Without it as many rightly called fractures as missed ones are referred, so
  that the sensitivity on the rest stays. 1/2 and 1/5 give nearly the same; 0 (called fractures are never referred) is
  worse in all but sensitivity.

``c`` is 1/10 because of simulated wrists (120 studies of seed 303, half of them hard, ensembles of two and of three
small networks; sensitivity on faint fractures after referring 20 %, AUROC of hard against general, AURC with faint
fractures): with 1/3 +.01 and +.05, .60 and .60, .281 and .284; with 1/10 +.07 and +.11, .66 and .67, .275 and .270,
AURC of general studies as before. 0 makes the latter ten times as large with three networks. docs/uncertainty.md judges
it on studies that it was not chosen on, and says how much of this is the decision itself rather than the scores.

Scores are standardised as sign(z) ln(1 + |z|), z = (score - median) / (interquartile range / 1.349): where networks are
sure of nearly everything, the scores of the few studies that matter lie hundreds of z away, and clipping z at 4 loses
their order (.0362 instead of .0337 there). Ranks are as steady but lose what lies beyond the held-out studies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fractureai.errors import EvaluationError
from fractureai.reliability.folding import grouped_folds
from fractureai.reliability.scores import NOVELTY, SCORES

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

MIN_STUDIES = 20
"""Fewer held-out studies than this and no combination is fitted."""

MIN_ERRORS = 10
"""With fewer wrong decisions among the held-out studies no weights are fitted: all scores weigh the same."""

FAMILIAR = 0.995
"""Quantile of the held-out novelty scores from which on an image is unlike the training images."""

FALSE_ALARM = 0.1
"""Harm of a false alarm; that of a missed fracture is 1."""

FOLDS = 5
_PENALTY = 1.0  # half of it times the squared weights is added to the negative log-likelihood
_STEEPNESS = 20.0  # of p_novel, in units of the way from the median to the limit


@dataclass(frozen=True)
class Standard:
    """Where one score lies among the held-out studies: its median, and its interquartile range / 1.349."""

    centre: float
    scale: float

    @classmethod
    def fit(cls, values: FloatArray) -> Standard | None:
        """Take (n,) held-out values; None when they are all nan or all the same."""
        defined = values[~np.isnan(values)]
        if not len(defined):
            return None
        low, centre, high = np.quantile(defined, (0.25, 0.5, 0.75))
        # Half of the studies alike: their range is 0, the standard deviation is not.
        scale = float(high - low) / 1.349 or float(defined.std())
        return cls(float(centre), scale) if scale > 0 else None

    def apply(self, values: FloatArray) -> FloatArray:
        """Return sign(z) ln(1 + |z|); 0 for nan, as if at the median."""
        z = (values - self.centre) / self.scale
        return np.asarray(np.nan_to_num(np.sign(z) * np.log1p(np.abs(z)), nan=0.0))


@dataclass(frozen=True)
class Novelty:
    """Where one novelty score lies among the held-out studies: its median and its `FAMILIAR` quantile."""

    median: float
    limit: float

    @classmethod
    def fit(cls, values: FloatArray) -> Novelty | None:
        """Take (n,) held-out values; None when they are all nan or all the same."""
        defined = values[~np.isnan(values)]
        if not len(defined):
            return None
        median, limit = (float(value) for value in np.quantile(defined, (0.5, FAMILIAR)))
        return cls(median, limit) if limit > median else None

    def apply(self, values: FloatArray) -> FloatArray:
        """Return p_novel: 1/2 at the limit; 0 for nan."""
        from scipy.special import expit

        return np.asarray(
            np.nan_to_num(expit(_STEEPNESS * (values - self.limit) / (self.limit - self.median)), nan=0.0)
        )


@dataclass(frozen=True)
class CombinedScore:
    """The fitted combination.

    Attributes:
        weights: score -> weight of its standardised value, >= 0; the scores it uses, in the order of `SCORES`.
        intercept: of the logistic regression.
        standards: score -> how it is standardised.
        novelty: score of `NOVELTY` -> what is usual.
        false_alarm: c of a study called a fracture, 0..1.
        fitted_on: number of held-out studies.
        fitted_on_errors: how many of their decisions were wrong.
    """

    weights: Mapping[str, float]
    intercept: float
    standards: Mapping[str, Standard]
    novelty: Mapping[str, Novelty]
    false_alarm: float
    fitted_on: int
    fitted_on_errors: int

    @property
    def equal_weights(self) -> bool:
        """True when there were fewer than `MIN_ERRORS` errors, so that nothing could be learned about them."""
        return self.fitted_on_errors < MIN_ERRORS

    @property
    def note(self) -> str:
        """One sentence on what the combination was learned from; it belongs beside every figure made with it."""
        learned = f"{self.fitted_on_errors} wrong decisions among {self.fitted_on} held-out studies"
        if self.equal_weights:
            return f"The combined score weighs all scores the same: {learned} are too few to learn weights from."
        return f"The combined score was learned from {learned}."

    @classmethod
    def fit(
        cls,
        scores: Mapping[str, npt.ArrayLike],
        wrong: npt.ArrayLike,
        called: npt.ArrayLike,
        groups: npt.ArrayLike,
        *,
        false_alarm: float = FALSE_ALARM,
        seed: int = 0,
    ) -> tuple[CombinedScore, FloatArray]:
        """Fit on held-out studies, and judge these very studies by combinations fitted on others.

        Args:
            scores: key of `SCORES` -> (n,); a score that is nan or the same for all studies is left out.
            wrong: (n,) whether the decision was wrong.
            called: (n,) whether the study was called a fracture.
            groups: (n,) patient of each study.
            false_alarm: harm of a false alarm, 0..1.
            seed: of the division into parts.

        Returns:
            the combination fitted on all studies, and (n,) combined scores of the studies, cross-fitted by patient.

        Raises:
            EvaluationError: there are too few studies or patients, no score is defined, or lengths differ.
        """
        table, errors, positive = _checked(scores, wrong, called)
        if not 0 <= false_alarm <= 1:
            raise EvaluationError(f"The harm of a false alarm is {false_alarm:g}; it must lie between 0 and 1.")
        # Stratified by error, so that the parts differ little in what there is to learn.
        parts = list(grouped_folds(errors, groups, FOLDS, seed))
        whole = cls._fit_once(table, errors, false_alarm, learn=int(errors.sum()) >= MIN_ERRORS)
        held_out = np.full(len(errors), np.nan)
        for inside in parts:
            others = {key: values[~inside] for key, values in table.items()}
            part = cls._fit_once(others, errors[~inside], false_alarm, learn=not whole.equal_weights)
            held_out[inside] = part.apply({key: values[inside] for key, values in table.items()}, positive[inside])
        return whole, held_out

    @classmethod
    def _fit_once(
        cls, table: Mapping[str, FloatArray], errors: BoolArray, false_alarm: float, learn: bool
    ) -> CombinedScore:
        standards = {key: standard for key in SCORES if key in table and (standard := Standard.fit(table[key]))}
        novelty = {key: usual for key in NOVELTY if key in table and (usual := Novelty.fit(table[key]))}
        if not standards:
            raise EvaluationError("No score differs between the held-out studies, so none can be combined.")
        columns = np.stack([item.apply(table[key]) for key, item in standards.items()], axis=1)
        weights, intercept = _non_negative_logistic(columns, errors) if learn else _equal(columns, errors)
        named = dict(zip(standards, map(float, weights), strict=True))
        return cls(named, intercept, standards, novelty, false_alarm, len(errors), int(errors.sum()))

    def apply(self, scores: Mapping[str, npt.ArrayLike], called: npt.ArrayLike) -> FloatArray:
        """Return combined scores, 0..1.

        Args:
            scores: key -> number or (n,); nan, or a missing key, counts as the held-out studies' median.
            called: whether each study was called a fracture; a truth value or (n,).
        """
        from scipy.special import expit

        positive = np.asarray(called, dtype=bool)
        values = {key: np.asarray(scores.get(key, np.nan), dtype=np.float64) for key in (*self.weights, *self.novelty)}
        total = np.full(positive.shape, self.intercept)
        for key, weight in self.weights.items():
            total = total + weight * self.standards[key].apply(values[key])
        trusted = 1 - expit(total) * np.where(positive, self.false_alarm, 1.0)
        strange = [novelty.apply(values[key]) for key, novelty in self.novelty.items()]
        return np.asarray(1 - trusted * (1 - np.max(strange, axis=0) if strange else 1.0))

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "weights": dict(self.weights),
            "intercept": self.intercept,
            "standards": {key: [item.centre, item.scale] for key, item in self.standards.items()},
            "novelty": {key: [item.median, item.limit] for key, item in self.novelty.items()},
            "false_alarm": self.false_alarm,
            "fitted_on": self.fitted_on,
            "fitted_on_errors": self.fitted_on_errors,
            "note": self.note,
        }

    @classmethod
    def from_json(cls, table: Mapping[str, Any]) -> CombinedScore:
        """Build it from `to_json`."""
        weights = {str(key): float(weight) for key, weight in table["weights"].items()}
        standards = {key: Standard(*map(float, table["standards"][key])) for key in weights}
        novelty = {str(key): Novelty(*map(float, pair)) for key, pair in table["novelty"].items()}
        counts = int(table["fitted_on"]), int(table["fitted_on_errors"])
        return cls(weights, float(table["intercept"]), standards, novelty, float(table["false_alarm"]), *counts)


def _checked(
    scores: Mapping[str, npt.ArrayLike], wrong: npt.ArrayLike, called: npt.ArrayLike
) -> tuple[dict[str, FloatArray], BoolArray, BoolArray]:
    errors, positive = np.asarray(wrong, dtype=bool), np.asarray(called, dtype=bool)
    table = {key: np.asarray(values, dtype=np.float64) for key, values in scores.items()}
    unknown = sorted(set(table) - set(SCORES))
    if unknown:
        raise EvaluationError(f"There is no score {', '.join(unknown)}; the scores are {', '.join(SCORES)}.")
    if {errors.shape, positive.shape, *(values.shape for values in table.values())} != {(len(errors),)}:
        raise EvaluationError("Scores, decisions and errors of the held-out studies must be lists of one length.")
    if len(errors) < MIN_STUDIES:
        raise EvaluationError(
            f"A combined score needs at least {MIN_STUDIES} studies that the model has not seen; "
            f"there are {len(errors)}."
        )
    return table, errors, positive


def _equal(columns: FloatArray, errors: BoolArray) -> tuple[FloatArray, float]:
    """Give all scores the same weight, together 1, and the median study the rate of errors there is."""
    rate = (errors.sum() + 0.5) / (len(errors) + 1)
    return np.full(columns.shape[1], 1 / columns.shape[1]), float(np.log(rate / (1 - rate)))


def _non_negative_logistic(columns: FloatArray, errors: BoolArray) -> tuple[FloatArray, float]:
    """Minimise the penalised negative log-likelihood over weights >= 0 and any intercept; it is convex."""
    from scipy.optimize import minimize
    from scipy.special import expit

    count = columns.shape[1]

    def loss(parameters: FloatArray) -> tuple[float, FloatArray]:
        weights, linear = parameters[:count], columns @ parameters[:count] + parameters[count]
        gap = expit(linear) - errors
        value = np.logaddexp(0, np.where(errors, -linear, linear)).sum() + _PENALTY / 2 * (weights**2).sum()
        return float(value), np.append(columns.T @ gap + _PENALTY * weights, gap.sum())

    start = np.append(*_equal(columns, errors))
    bounds = [(0, None)] * count + [(None, None)]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 1000, "ftol": 1e-12})
    return np.maximum(found.x[:count], 0), float(found.x[count])
