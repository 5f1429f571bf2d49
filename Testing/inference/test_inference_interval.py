"""The interval that stands beside a probability: right, repeatable, and worded for what it is."""

import numpy as np
import pytest

from fractureai.inference.interval import RESAMPLES, bootstrap_means, interval_text, percentile_interval


def test_it_is_the_normal_interval_where_that_holds():
    values = np.random.default_rng(0).normal(0.5, 0.1, (5, 40))
    means = bootstrap_means(values, 0)
    assert means.shape == (RESAMPLES,)
    low, high = percentile_interval(means, values.mean())
    half = 1.96 * values.std() / np.sqrt(values.size)
    assert low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_same_values_same_interval_and_images_are_resampled_independently():
    values = np.random.default_rng(1).random((5, 10))
    np.testing.assert_array_equal(bootstrap_means(values, 0), bootstrap_means(values, 0))
    first, second = bootstrap_means(values, 0), bootstrap_means(values, 1)
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.1


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_one_value_has_no_width(value):
    assert percentile_interval(bootstrap_means(np.array([[value]]), 0), value) == (value, value)


def test_it_holds_the_mean_and_stays_within_probabilities():
    means = np.linspace(-0.1, 0.4, 1000)
    assert percentile_interval(means, 0.9) == (0.0, 0.9)


def test_it_is_said_what_it_is_over_and_what_it_is_not():
    end = ": how steady the model is, not how often it is right"
    assert interval_text([5], [10]) == "95 % interval over 5 folds and 10 test-time crops" + end
    assert interval_text([1], [1]) == "95 % interval over 1 fold and 1 test-time crop" + end
    several = "95 % interval over 3 to 5 folds and 10 test-time crops of 2 radiographs"
    assert interval_text([5, 3], [10, 10]) == several + end
