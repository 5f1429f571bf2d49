"""The combined score and the whole of a bundle: it does its three jobs, says when it can not, and survives storage."""

import json
import math

import numpy as np
import numpy.testing as npt
import pytest
from safetensors.numpy import load, save
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from fractureai.errors import EvaluationError
from fractureai.reliability import (
    SCORES,
    CombinedScore,
    HeldOut,
    Reliability,
    ViewBank,
    ViewEvidence,
    study_probability,
)
from fractureai.reliability.combined import Novelty, Standard

THRESHOLDS = {"PA": 0.5, "LAT": 0.5, "ensemble": 0.5}


def studies(n: int, seed: int, foreign: bool = False) -> HeldOut:
    """Studies whose errors depend on ``margin`` and ``crops``; ``energy`` misleads, ``knn`` knows foreign images."""
    generator = np.random.default_rng(seed)
    labels = generator.random(n) < 0.5
    log_odds = generator.normal(0, 2, n) + np.where(labels, 2.0, -2.0)
    crops = generator.exponential(1, n)
    seen = expit(log_odds + crops * generator.normal(0, 1.5, n))
    wrong = (seen >= 0.5) != labels
    scores = {
        "margin": 1 - np.abs(2 * seen - 1),
        "crops": crops,
        "energy": generator.normal(0, 1, n) - 2.0 * wrong,
        "knn": generator.normal(1, 0.1, n) + (2.0 if foreign else 0),
        "variance": np.full(n, np.nan),
    }
    return HeldOut([f"p{i // 2}" for i in range(n)], labels, seen, seen >= 0.5, scores)


def fitted(held: HeldOut, **settings: float) -> tuple[CombinedScore, np.ndarray]:
    return CombinedScore.fit(held.scores, held.wrong, held.called, held.patients, **settings)


def test_weights_are_those_of_logistic_regression_and_never_negative() -> None:
    held = studies(3000, 0)
    combined, _ = fitted(held)
    assert set(combined.weights) == {"margin", "crops", "energy", "knn"}
    assert min(combined.weights.values()) >= 0
    assert combined.weights["energy"] == pytest.approx(0, abs=1e-9)  # it misleads, so it may not speak
    kept = [key for key, weight in combined.weights.items() if weight > 1e-6]
    columns = np.stack([Standard.fit(held.scores[key]).apply(held.scores[key]) for key in kept], axis=1)
    theirs = LogisticRegression(C=1.0, tol=1e-10).fit(columns, held.wrong)
    npt.assert_allclose([combined.weights[key] for key in kept], theirs.coef_[0], rtol=1e-3)
    assert combined.intercept == pytest.approx(theirs.intercept_[0], rel=1e-3)


def test_a_score_that_rises_never_makes_the_combination_fall() -> None:
    combined, _ = fitted(studies(600, 1))
    base = {key: float(np.nanmedian(values)) for key, values in studies(600, 1).scores.items() if key != "variance"}
    for key, value in base.items():
        for called in (False, True):
            rising = combined.apply({**base, key: value + np.linspace(-3, 6, 200)}, np.full(200, called))
            assert (np.diff(rising) >= -1e-15).all()
            assert ((rising >= 0) & (rising <= 1)).all()


def test_three_jobs() -> None:
    combined, _ = fitted(studies(1000, 2))
    own, foreign = studies(1000, 3), studies(300, 4, foreign=True)
    uncertainty = combined.apply(own.scores, own.called)
    assert roc_auc_score(own.wrong, uncertainty) > roc_auc_score(own.wrong, own.scores["crops"])
    strange = combined.apply(foreign.scores, foreign.called)
    assert roc_auc_score([0] * 1000 + [1] * 300, np.append(uncertainty, strange)) > 0.99
    rate = own.wrong[~own.called].mean()
    assert uncertainty[~own.called].mean() == pytest.approx(rate, abs=0.04)  # it is a probability there


def test_misses_are_referred_before_false_alarms() -> None:
    held = studies(400, 5)
    scores = {key: values[:1] for key, values in held.scores.items()}
    combined, _ = fitted(held, false_alarm=0.25)
    ordinary = {**scores, "knn": np.array([1.0])}
    missed, alarm = (combined.apply(ordinary, [called])[0] for called in (False, True))
    assert alarm == pytest.approx(0.25 * missed, rel=1e-3)
    with pytest.raises(EvaluationError, match="harm of a false alarm is 2"):
        fitted(held, false_alarm=2)


def test_too_few_errors_weigh_all_scores_the_same_and_say_so() -> None:
    held = studies(400, 6)
    few = np.zeros(400, dtype=bool)
    few[:4] = True
    combined, _ = CombinedScore.fit(held.scores, few, held.called, held.patients)
    assert combined.equal_weights
    assert combined.fitted_on_errors == 4
    assert set(combined.weights.values()) == {0.25}
    assert "4 wrong decisions among 400 held-out studies are too few" in combined.note
    assert "too few" not in fitted(held)[0].note
    none, _ = CombinedScore.fit(held.scores, few & False, held.called, held.patients)
    assert np.isfinite(none.apply(held.scores, held.called)).all()


def test_held_out_scores_come_from_other_patients() -> None:
    """Scores that only memorise can not look good: cross-fitted, noise ranks no error."""
    generator = np.random.default_rng(0)
    scores = {key: np.repeat(generator.normal(size=60), 2) for key in SCORES}
    wrong = np.repeat(generator.random(60) < 0.3, 2)
    combined, held_out = CombinedScore.fit(scores, wrong, np.zeros(120), np.repeat(np.arange(60), 2))
    own = combined.apply(scores, np.zeros(120, dtype=bool))
    assert roc_auc_score(wrong, own) > roc_auc_score(wrong, held_out) + 0.05
    npt.assert_array_equal(held_out[::2], held_out[1::2])


def test_missing_values_count_as_the_median() -> None:
    held = studies(500, 7)
    combined, _ = fitted(held)
    medians = {key: float(np.median(held.scores[key])) for key in combined.weights}
    without = {key: value for key, value in medians.items() if key != "crops"}
    assert combined.apply({**without, "crops": math.nan}, False) == combined.apply(medians, False)
    assert combined.apply(without, False) == combined.apply(medians, False)


def test_standards_of_scores_without_spread() -> None:
    assert Standard.fit(np.full(9, np.nan)) is None
    assert Standard.fit(np.zeros(9)) is None
    half = Standard.fit(np.array([0.0] * 9 + [1.0]))
    assert half is not None
    assert half.scale == pytest.approx(0.3)
    assert Novelty.fit(np.ones(5)) is None
    with pytest.raises(EvaluationError, match="No score differs"):
        CombinedScore.fit({"margin": np.ones(40)}, np.zeros(40), np.zeros(40), np.arange(40))
    with pytest.raises(EvaluationError, match="at least 20 studies"):
        CombinedScore.fit({"margin": np.ones(4)}, np.zeros(4), np.zeros(4), np.arange(4))
    with pytest.raises(EvaluationError, match="no score luck"):
        CombinedScore.fit({"luck": np.ones(40)}, np.zeros(40), np.zeros(40), np.arange(40))
    with pytest.raises(EvaluationError, match="one length"):
        CombinedScore.fit({"margin": np.ones(40)}, np.zeros(41), np.zeros(41), np.arange(41))


@pytest.fixture(scope="module")
def whole() -> Reliability:
    held = studies(400, 8)
    generator = np.random.default_rng(0)
    features = generator.normal(size=(2, 50, 8))
    labels = generator.random(50) < 0.5
    banks = {view: ViewBank.fit(list(features), [labels, labels]) for view in ("PA", "LAT")}
    scores = {**held.scores, "mahalanobis": generator.normal(1, 0.1, 400)}
    return Reliability.fit(HeldOut(held.patients, held.labels, held.probabilities, held.called, scores), banks)


def item(view: str, scale: float = 1.0) -> ViewEvidence:
    generator = np.random.default_rng(9)
    return ViewEvidence(
        view,
        generator.random((2, 3)),
        generator.normal(size=(2, 2)),
        (scale * generator.normal(size=(2, 8))).astype(np.float32),
        generator.random((6, 6), np.float32),
    )


def test_the_whole_survives_storage_to_the_last_bit(whole: Reliability) -> None:
    table, arrays = json.loads(json.dumps(whole.to_json(), allow_nan=False)), load(save(whole.to_arrays()))
    again = Reliability.from_parts(table, arrays)
    assert again.to_json() == whole.to_json()
    for name, values in whole.to_arrays().items():
        assert values.dtype == arrays[name].dtype
        npt.assert_array_equal(values, again.to_arrays()[name])
    study = [item("PA"), item("LAT")]
    assert repr(again.assess(study, THRESHOLDS)) == repr(whole.assess(study, THRESHOLDS))  # repr: nan equals nan
    assert again.combined == whole.combined
    for coverage in (0.5, 0.9, 1):
        assert again.referral_limit(coverage) == whole.referral_limit(coverage)


def test_an_assessment_says_what_its_parts_say(whole: Reliability) -> None:
    study = [item("PA"), item("LAT")]
    found = whole.assess(study, THRESHOLDS)
    probability = study_probability(study)
    assert found.calibrated == whole.calibrators["temperature"].apply(probability)
    assert found.uncertainty == whole.combined.apply(found.scores, probability >= 0.5)
    assert found.conformal == whole.conformal.sets([probability], 0.1)[0]
    far = whole.assess([item("PA", 100), item("LAT")], THRESHOLDS)
    assert "mahalanobis" in far.unfamiliar
    assert far.uncertainty > 0.999


def test_limits_keep_the_share_that_was_asked_for(whole: Reliability) -> None:
    for coverage in (0.01, 0.5, 0.8, 0.9, 0.995):
        kept = np.mean(whole.held_out_scores <= whole.referral_limit(coverage))
        assert coverage <= kept < coverage + 1 / 400 + 1e-9
    assert whole.referral_limit() == whole.referral_limit(0.9)
    assert whole.referral_limit(1) == 1
    for coverage in (0, -1, 1.1, math.nan):
        with pytest.raises(EvaluationError, match="share of studies"):
            whole.referral_limit(coverage)
    assert set(whole.familiar_limits) == {"knn", "mahalanobis"}
    limits = whole.familiar_limits
    assert whole.unfamiliar({"knn": limits["knn"], "mahalanobis": math.nan}) == ()
    assert whole.unfamiliar({"knn": limits["knn"] + 1e-9, "mahalanobis": 0}) == ("knn",)


def test_a_fresh_set_keeps_about_the_share_that_was_asked_for() -> None:
    held = studies(2000, 10)
    combined, held_out = fitted(held)
    fresh = studies(2000, 11)
    limit = np.quantile(held_out, 0.8, method="inverted_cdf")
    assert np.mean(combined.apply(fresh.scores, fresh.called) <= limit) == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize("damage", ["format_version", "combined", "calibrators", "held_out_scores", "banks", "order"])
def test_damage_is_named(whole: Reliability, damage: str) -> None:
    table, arrays = whole.to_json(), whole.to_arrays()
    if damage == "format_version":
        table["format_version"] = 99
    elif damage in table:
        table[damage] = {}
    elif damage == "order":
        arrays["held_out_scores"] = arrays["held_out_scores"][::-1]
    else:
        arrays = {name: values for name, values in arrays.items() if not name.startswith(damage)}
    with pytest.raises(EvaluationError):
        Reliability.from_parts(table, arrays)
