"""The vectorised bootstrap against scikit-learn on the very same resamples."""

import math

import numpy as np
import numpy.testing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk
from statsmodels.stats.proportion import proportion_confint

from fractureai.errors import EvaluationError
from fractureai.evaluation import METRICS, binary_metrics, bootstrap_metrics, wilson
from fractureai.evaluation.bootstrap import Ranking, bootstrap_sums, draw, draw_cases


def plain_metrics(labels: np.ndarray, probabilities: np.ndarray, called: np.ndarray) -> dict[str, float]:
    return {
        "auroc": sk.roc_auc_score(labels, probabilities),
        "aupr": sk.average_precision_score(labels, probabilities),
        "sensitivity": sk.recall_score(labels, called),
        "specificity": sk.recall_score(~labels, ~called),
        "precision": sk.precision_score(labels, called, zero_division=math.nan),
        "f1": sk.f1_score(labels, called),
        "balanced_accuracy": sk.balanced_accuracy_score(labels, called),
    }


@settings(deadline=None, max_examples=25)
@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(1, 30),
    st.integers(0, 2**32 - 1),
    st.floats(0, 1),
    st.booleans(),
)
def test_each_resample_equals_scikit_learn(
    fractures: int, normals: int, levels: int, seed: int, threshold: float, own: bool
) -> None:
    generator = np.random.default_rng(seed)
    labels = generator.permutation([True] * fractures + [False] * normals)
    probabilities = generator.integers(0, levels + 1, len(labels)) / levels  # coarse: many ties
    limits = generator.random(len(labels)) if own else np.full(len(labels), threshold)
    ranking = Ranking(labels, probabilities, limits)
    (positive, negative), *_ = draw(fractures, normals, 20, seed)
    ours = ranking.metrics(positive, negative)
    for i in range(20):
        cases = np.concatenate(
            [np.repeat(ranking.positive_order, positive[:, i]), np.repeat(ranking.negative_order, negative[:, i])]
        )
        assert labels[cases].sum() == fractures
        assert len(cases) == len(labels)
        theirs = plain_metrics(labels[cases], probabilities[cases], (probabilities >= limits)[cases])
        for name in METRICS:
            npt.assert_allclose(ours[name][i], theirs[name], rtol=0, atol=1e-12, err_msg=name)


def cases(n: int = 200, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = generator.random(n) < 0.6
    return labels, np.clip(0.3 * labels + 0.8 * generator.random(n) - 0.05, 0, 1)


def test_intervals_equal_those_of_the_resamples_and_hold_the_value() -> None:
    labels, probabilities = cases()
    estimates = bootstrap_metrics(labels, probabilities, 0.5, resamples=1000, seed=3)
    point = binary_metrics(labels, probabilities, 0.5)
    ranking = Ranking(labels, probabilities, np.full(len(labels), 0.5))
    blocks = [ranking.metrics(*counts)["auroc"] for counts in draw(labels.sum(), (~labels).sum(), 1000, 3)]
    npt.assert_allclose(
        (estimates["auroc"].low, estimates["auroc"].high), np.percentile(np.concatenate(blocks), [2.5, 97.5])
    )
    for name, estimate in estimates.items():
        assert estimate.value == getattr(point, name)
        assert estimate.low < estimate.value < estimate.high
    assert tuple(estimates) == METRICS


def test_width_of_the_interval_is_that_of_theory() -> None:
    labels, probabilities = cases(2000)
    estimate = bootstrap_metrics(labels, probabilities, 0.5)["sensitivity"]
    theory = 2 * 1.96 * math.sqrt(estimate.value * (1 - estimate.value) / labels.sum())
    assert estimate.high - estimate.low == pytest.approx(theory, rel=0.08)


def test_the_same_seed_gives_the_same_interval() -> None:
    labels, probabilities = cases()
    assert bootstrap_metrics(labels, probabilities, seed=5) == bootstrap_metrics(labels, probabilities, seed=5)
    assert bootstrap_metrics(labels, probabilities, seed=5) != bootstrap_metrics(labels, probabilities, seed=6)


def test_order_of_the_cases_does_not_change_the_values() -> None:
    labels, probabilities = cases()
    turned = bootstrap_metrics(labels[::-1], probabilities[::-1], 0.5)
    for name, estimate in bootstrap_metrics(labels, probabilities, 0.5).items():
        assert turned[name].value == pytest.approx(estimate.value, abs=1e-12)


def test_one_class_gives_nan_with_nan_interval() -> None:
    estimates = bootstrap_metrics([1, 1, 1], [0.9, 0.8, 0.1], 0.5, resamples=100)
    assert estimates["sensitivity"].value == 2 / 3
    for name in ("auroc", "aupr", "specificity", "balanced_accuracy"):
        estimate = estimates[name]
        assert all(map(math.isnan, (estimate.value, estimate.low, estimate.high)))
        assert str(estimate) == "–"


def test_bad_settings_are_refused() -> None:
    with pytest.raises(EvaluationError, match="resample"):
        bootstrap_metrics([1, 0], [0.9, 0.1], resamples=0)
    with pytest.raises(EvaluationError, match="confidence"):
        bootstrap_metrics([1, 0], [0.9, 0.1], confidence=1)


@given(st.integers(0, 200), st.integers(1, 200), st.sampled_from([0.9, 0.95, 0.99]))
def test_wilson_equals_statsmodels(hits: int, n: int, confidence: float) -> None:
    hits = min(hits, n)
    ours, theirs = wilson(hits, n, confidence), proportion_confint(hits, n, alpha=1 - confidence, method="wilson")
    npt.assert_allclose((ours.low, ours.high), theirs, atol=1e-12)
    assert ours.low <= ours.value <= ours.high


def test_patients_are_drawn_with_all_their_cases_and_each_kind_of_patient_as_often_as_there_are() -> None:
    labels = np.array([1, 1, 0, 0, 1, 0, 0, 0, 1], dtype=bool)
    patients = ["a", "a", "b", "b", "c", "c", "d", "e", "f"]  # a, f: fractures; b, d, e: normals; c: both
    counts = np.concatenate([block.T for block in draw_cases(labels, patients, 300, 4)])
    for patient in "abc":
        of_patient = counts[:, [name == patient for name in patients]]
        assert (of_patient == of_patient[:, :1]).all()
    assert (counts[:, 0] + counts[:, 8] == 2).all()
    assert (counts[:, 2] + counts[:, 6] + counts[:, 7] == 3).all()
    assert (counts[:, 4] == 1).all()
    assert len(np.unique(counts, axis=0)) > 10


def test_one_case_a_patient_is_the_same_bootstrap() -> None:
    labels, probabilities = cases()
    names = [f"P{i}" for i in range(len(labels))]
    assert bootstrap_metrics(labels, probabilities, patients=names) == bootstrap_metrics(labels, probabilities)
    with pytest.raises(EvaluationError, match="one patient"):
        bootstrap_metrics(labels, probabilities, patients=["a"])


def test_copies_of_a_case_under_one_patient_add_no_certainty() -> None:
    labels, probabilities = cases(100)
    thrice = bootstrap_metrics(
        np.repeat(labels, 3), np.repeat(probabilities, 3), patients=[f"P{i // 3}" for i in range(300)]
    )
    alone = bootstrap_metrics(labels, probabilities)
    for name in ("auroc", "sensitivity", "f1"):
        width = alone[name].high - alone[name].low
        assert thrice[name].high - thrice[name].low == pytest.approx(width, rel=0.12), name


def test_sums_are_those_of_the_drawn_cases() -> None:
    labels, _ = cases(50)
    values = np.random.default_rng(0).random((50, 3))
    drawn = np.concatenate([block.T for block in draw_cases(labels, None, 200, 9)])
    npt.assert_allclose(bootstrap_sums(values, labels, None, 200, 9), drawn @ values)
    assert (bootstrap_sums(np.ones(50), labels, None, 200, 9) == 50).all()
