"""DeLong against its definition and the bootstrap; McNemar against its definition and statsmodels."""

import itertools
import math

import numpy as np
import numpy.testing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom
from sklearn.metrics import roc_auc_score
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar

from fractureai.errors import EvaluationError
from fractureai.evaluation.bootstrap import bootstrap_metrics, draw_cases
from fractureai.evaluation.comparison import auroc_covariance, compare_auroc, delong_auroc, mcnemar, p_cell, p_text


def readings(fractures: int, normals: int, seed: int, levels: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Two models' probabilities with many ties, of cases in mixed order."""
    generator = np.random.default_rng(seed)
    labels = generator.permutation([True] * fractures + [False] * normals)
    shared = generator.normal(0, 1, len(labels)) + labels
    scores = 1 / (1 + np.exp(-(shared + generator.normal(0, 0.7, (2, len(labels))))))
    return labels, np.round(scores * levels) / levels


def by_definition(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """DeLong, DeLong and Clarke-Pearson 1988: every fracture with every normal."""
    wins = np.array([[np.heaviside(x - row[~labels], 0.5) for x in row[labels]] for row in scores])
    above, below = wins.mean(axis=2), wins.mean(axis=1)
    return wins.mean(axis=(1, 2)), np.cov(above) / above.shape[1] + np.cov(below) / below.shape[1]


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 30), st.integers(2, 30), st.integers(1, 30), st.integers(0, 2**32 - 1))
def test_delong_equals_its_definition(fractures: int, normals: int, levels: int, seed: int) -> None:
    labels, scores = readings(fractures, normals, seed, levels)
    aurocs, covariance = auroc_covariance(labels, scores)
    plain_aurocs, plain_covariance = by_definition(labels, scores)
    npt.assert_allclose(aurocs, plain_aurocs, atol=1e-12)
    npt.assert_allclose(aurocs, [roc_auc_score(labels, row) for row in scores], atol=1e-12)
    npt.assert_allclose(covariance, plain_covariance, atol=1e-12)


def test_one_study_a_patient_changes_nothing_and_the_order_neither() -> None:
    labels, scores = readings(40, 60, 1)
    patients = [f"P{i}" for i in range(100)]
    for found in (auroc_covariance(labels, scores, patients), auroc_covariance(labels[::-1], scores[:, ::-1])):
        for ours, plain in zip(found, auroc_covariance(labels, scores), strict=True):
            npt.assert_allclose(ours, plain, atol=1e-12)


def test_delong_equals_the_bootstrap() -> None:
    labels, scores = readings(120, 180, 2)
    comparison = compare_auroc(labels, *scores)
    resampled = bootstrap_metrics(labels, scores[0], resamples=4000)["auroc"]
    assert delong_auroc(labels, scores[0]).low == pytest.approx(resampled.low, abs=0.006)
    assert delong_auroc(labels, scores[0]).high == pytest.approx(resampled.high, abs=0.006)
    drawn = np.concatenate([counts.T for counts in draw_cases(labels, None, 600, 0)])
    gaps = [
        roc_auc_score(labels, scores[0], sample_weight=weights)
        - roc_auc_score(labels, scores[1], sample_weight=weights)
        for weights in drawn
    ]
    assert np.std(gaps) == pytest.approx((comparison.difference.high - comparison.difference.low) / 3.92, rel=0.1)
    assert comparison.first.value - comparison.second.value == pytest.approx(comparison.difference.value)


def test_interval_and_p_keep_their_promise() -> None:
    """Two models of the same worth: 95 % of the intervals hold 0, 5 % of the p-values are below 0.05."""
    covered = small = 0
    for seed in range(400):
        labels, scores = readings(40, 60, seed, 1000)
        found = compare_auroc(labels, *scores)
        covered += found.difference.low <= 0 <= found.difference.high
        small += found.p < 0.05
    assert covered + small == 400
    assert 0.92 <= covered / 400 <= 0.98


def test_patients_with_several_studies_widen_the_interval_as_the_bootstrap_of_patients_does() -> None:
    generator = np.random.default_rng(5)
    labels = np.repeat(generator.random(60) < 0.5, 4)
    labels[::7] ^= True  # patients with both
    scores = 1 / (
        1 + np.exp(-(np.repeat(generator.normal(0, 1, 60), 4) + generator.normal(0, 0.3, 240) + 0.8 * labels))
    )
    patients = [f"P{i // 4}" for i in range(240)]
    alone, together = delong_auroc(labels, scores), delong_auroc(labels, scores, patients)
    resampled = bootstrap_metrics(labels, scores, resamples=4000, patients=patients)["auroc"]
    plain = bootstrap_metrics(labels, scores, resamples=4000)["auroc"]
    assert together.value == alone.value
    assert together.high - together.low > 1.3 * (alone.high - alone.low)
    assert resampled.high - resampled.low > 1.3 * (plain.high - plain.low)
    assert together.high - together.low == pytest.approx(resampled.high - resampled.low, rel=0.15)


def test_a_fracture_and_a_normal_wrist_of_one_patient_go_together() -> None:
    """What makes a patient's both wrists look worse cancels out: the interval is narrower, as the bootstrap's is."""
    generator = np.random.default_rng(8)
    person = np.repeat(generator.normal(0, 1, 120), 2)
    labels = np.arange(240) % 2 == 0
    scores = 1 / (1 + np.exp(-(person + generator.normal(0, 0.4, 240) + 0.8 * labels)))
    patients = [f"P{i // 2}" for i in range(240)]
    widths = [
        found.high - found.low for found in (delong_auroc(labels, scores), delong_auroc(labels, scores, patients))
    ]
    resampled = bootstrap_metrics(labels, scores, resamples=2000, patients=patients)["auroc"]
    assert widths[1] < 0.75 * widths[0]
    assert widths[1] == pytest.approx(resampled.high - resampled.low, rel=0.1)


def test_what_is_not_defined_is_nan() -> None:
    assert math.isnan(delong_auroc([1, 1], [0.2, 0.3]).value)
    perfect = delong_auroc([1, 1, 0, 0], [0.9, 0.8, 0.2, 0.1])
    assert perfect.value == 1
    assert math.isnan(perfect.low)
    assert math.isnan(delong_auroc([1, 0, 0, 0], [0.3, 0.8, 0.2, 0.1]).low)  # one fracture
    same = compare_auroc([1, 0, 1, 0], [0.9, 0.4, 0.3, 0.2], [0.8, 0.5, 0.4, 0.1])
    assert (same.difference.value, same.p) == (0, 1)
    with pytest.raises(EvaluationError, match="every case"):
        compare_auroc([1, 0], [0.5, 0.5], [0.5])
    with pytest.raises(EvaluationError, match="one patient"):
        delong_auroc([1, 0], [0.5, 0.5], ["a"])


@settings(deadline=None)
@given(st.tuples(*[st.integers(0, 25)] * 4))
def test_mcnemar_equals_statsmodels_and_the_binomial(table: tuple[int, int, int, int]) -> None:
    both, first, second, neither = table
    right = [(True, True)] * both + [(True, False)] * first + [(False, True)] * second + [(False, False)] * neither
    ours = mcnemar([a for a, _ in right], [b for _, b in right])
    assert (ours.n, ours.both_right, ours.only_first, ours.only_second, ours.both_wrong) == (
        sum(table), both, first, second, neither,
    )  # fmt: skip
    if first + second:
        exact = statsmodels_mcnemar([[both, first], [second, neither]], exact=True).pvalue
        assert ours.p_exact == pytest.approx(exact, abs=1e-12)
    # Mid-p by summation: outcomes rarer than the one seen count in full, this one half, on the smaller side; twice.
    n, tails = first + second, []
    for side in (range(first), range(second)):
        tails.append(sum(binom.pmf(i, n, 0.5) for i in side) + binom.pmf(len(side), n, 0.5) / 2)
    assert ours.p_mid == pytest.approx(2 * min(tails), abs=1e-12)
    assert ours.p_mid <= ours.p_exact + 1e-12


def test_mcnemar_mid_p_hardly_rejects_more_often_than_it_says() -> None:
    for n, share in itertools.product((20, 50), (0.1, 0.3, 1.0)):
        rejected = 0.0
        for discordant in range(n + 1):
            for first in range(discordant + 1):
                right = [True] * first + [False] * (discordant - first)
                if discordant and mcnemar(right, np.logical_not(right)).p_mid < 0.05:
                    rejected += binom.pmf(discordant, n, share) * binom.pmf(first, discordant, 0.5)
        assert rejected <= 0.065


def test_p_values_in_words() -> None:
    assert [p_text(p) for p in (0.0304, 0.0004, math.nan)] == ["= 0.030", "< 0.001", "not defined"]
    assert [p_cell(p) for p in (0.0304, 0.0004, math.nan)] == ["0.030", "<0.001", "–"]
