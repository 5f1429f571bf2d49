"""Calibration maps and conformal sets: what they promise, checked on data whose truth is known."""

import json
import math

import numpy as np
import numpy.testing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from fractureai.errors import EvaluationError
from fractureai.reliability import CALIBRATION_TITLES, Calibrator, ConformalSets, cross_fitted


def overconfident(n: int, temperature: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    true_log_odds = generator.normal(0, 2, n)
    return generator.random(n) < expit(true_log_odds), expit(temperature * true_log_odds)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_that_was_put_in_is_found(temperature: float) -> None:
    labels, probabilities = overconfident(40_000, temperature)
    found = Calibrator.fit(labels, probabilities)
    assert found.temperature == pytest.approx(temperature, rel=0.05)
    npt.assert_allclose(found.apply(probabilities), expit(logit(probabilities) / found.temperature), atol=1e-3)


def test_temperature_is_logistic_regression_without_intercept() -> None:
    labels, probabilities = overconfident(500, 2.0, seed=3)
    plain = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10).fit(logit(probabilities)[:, None], labels)
    assert 1 / Calibrator.fit(labels, probabilities).temperature == pytest.approx(plain.coef_[0, 0], rel=1e-4)


def test_isotonic_is_that_of_scikit_learn() -> None:
    labels, probabilities = overconfident(300, 2.0, seed=1)
    theirs = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(probabilities, labels)
    asked = np.linspace(0, 1, 1001)
    npt.assert_allclose(
        Calibrator.fit(labels, probabilities, "isotonic").apply(asked), theirs.predict(asked), atol=1e-12
    )


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from(sorted(CALIBRATION_TITLES)),
    st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=20, max_size=80),
    st.lists(st.floats(0, 1), min_size=2, max_size=20),
)
def test_maps_never_fall_stay_in_range_and_survive_json(method: str, cases: list, asked: list) -> None:
    labels, probabilities = map(np.array, zip(*cases, strict=True))
    if min(labels.sum(), (~labels).sum()) < 10:
        with pytest.raises(EvaluationError, match="at least 10 fractures and 10 normals"):
            Calibrator.fit(labels, probabilities, method)
        return
    fitted = Calibrator.fit(labels, probabilities, method)
    result = fitted.apply(np.sort(asked))
    assert (np.diff(result) >= 0).all()
    assert ((result >= 0) & (result <= 1)).all()
    assert Calibrator.from_json(json.loads(json.dumps(fitted.to_json()))) == fitted


def test_one_class_or_nonsense_gives_a_sentence() -> None:
    for labels, probabilities, sentence in (
        (np.ones(50), np.full(50, 0.7), "there are 50 and 0"),
        ([1, 0], [0.5], "two lists of one length"),
        ([1, 2], [0.5, 0.5], "Labels must be 1 or 0"),
        ([1, 0], [0.5, math.nan], "between 0 and 1"),
    ):
        with pytest.raises(EvaluationError, match=sentence):
            Calibrator.fit(labels, probabilities)
    with pytest.raises(EvaluationError, match="no calibration platt"):
        Calibrator("platt")
    with pytest.raises(EvaluationError, match="never fall"):
        Calibrator("isotonic", knots=((0.0, 0.5), (1.0, 0.2)))


def test_cross_fitting_keeps_patients_together_and_does_not_flatter() -> None:
    generator = np.random.default_rng(0)
    labels = np.repeat(generator.random(60) < 0.5, 2)
    probabilities = generator.random(120)  # knows nothing
    patients = np.repeat(np.arange(60), 2)
    own = Calibrator.fit(labels, probabilities, "isotonic").apply(probabilities)
    crossed = cross_fitted(labels, probabilities, patients, "isotonic")
    assert np.mean((own - labels) ** 2) < 0.25 < np.mean((crossed - labels) ** 2)
    with pytest.raises(EvaluationError, match="1 patients can not be divided"):
        cross_fitted(labels, probabilities, np.zeros(120), "temperature")


@settings(deadline=None, max_examples=15)
@given(st.integers(5, 60), st.floats(0.03, 0.4), st.integers(0, 2**32 - 1))
def test_conformal_sets_miss_each_class_as_rarely_as_promised(n: int, alpha: float, seed: int) -> None:
    """Over many draws of held-out and new studies, the share covered lies between the two bounds of theory."""
    generator = np.random.default_rng(seed)
    draws = 3000
    covered = {0: 0.0, 1: 0.0}
    for label, spread in ((0, 2.0), (1, 6.0)):  # the classes are not alike: one rule for both would miss one more often
        held = np.sort(generator.beta(1, spread, (draws, n)), axis=1)  # nonconformity, any continuous distribution
        new = generator.beta(1, spread, draws)
        rank = math.ceil((n + 1) * (1 - alpha) - 1e-9)
        ours = []
        for row in held[:20]:
            sets = ConformalSets(row, row)
            ours.append(sets.limits(alpha)[label])
        limit = held[:, rank - 1] if rank <= n else np.full(draws, np.inf)
        npt.assert_array_equal(ours, limit[:20])
        covered[label] = float(np.mean(new <= limit))
    slack = 4 * math.sqrt(alpha * (1 - alpha) / draws)
    for share in covered.values():
        assert 1 - alpha - slack <= share <= min(1.0, 1 - alpha + 1 / (n + 1) + slack)


def test_conformal_sets_cover_through_fit_and_sets() -> None:
    labels, probabilities = overconfident(20_000, 2.0)
    half = np.arange(len(labels)) < 10_000
    fitted = ConformalSets.fit(labels[half], probabilities[half])
    for alpha in (0.05, 0.2):
        sets = fitted.sets(probabilities[~half], alpha)
        for label in (0, 1):
            inside = [label in found for found, truth in zip(sets, labels[~half], strict=True) if truth == label]
            assert np.mean(inside) == pytest.approx(1 - alpha, abs=0.015)
    assert set(fitted.sets([0.0, 1.0], 0.2)) == {frozenset({0}), frozenset({1})}


def test_small_alpha_of_few_studies_rules_nothing_out() -> None:
    fitted = ConformalSets.fit([0] * 5 + [1] * 5, [0.1] * 5 + [0.9] * 5)
    assert fitted.sets([0.99], 0.05) == [frozenset({0, 1})]
    with pytest.raises(EvaluationError, match="between 0 and 1"):
        fitted.sets([0.5], 0)
    with pytest.raises(EvaluationError, match="both classes"):
        ConformalSets.fit([1, 1], [0.5, 0.6])
