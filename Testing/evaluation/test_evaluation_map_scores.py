"""Figures of single maps, by hand and against numpy and scipy."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr

from fractureai.evaluation.localisation import RegionMask
from fractureai.evaluation.map_scores import (
    cross_agreement,
    dispersion,
    fold_agreement,
    map_agreement,
    score_centre,
    score_map,
    score_uniform,
)

seeds = st.integers(0, 10_000)


def mask(size: int = 20) -> RegionMask:
    inside, near = np.zeros((2, size, size), dtype=bool)
    inside[4:8, 4:9] = True
    near[2:10, 2:11] = True
    return RegionMask(inside, near)


def test_pointing_and_mass_by_hand() -> None:
    heat = np.zeros((20, 20), np.float32)
    heat[5, 5], heat[9, 9], heat[15, 15] = 3, 2, 5
    score = score_map(heat, mask())
    assert (score.inside, score.near) == (0, 0)  # the maximum is elsewhere
    assert (score.mass, score.mass_near) == (pytest.approx(0.3), pytest.approx(0.5))
    heat[9, 9] = 6
    score = score_map(heat, mask())
    assert (score.inside, score.near) == (0, 1)
    heat[5, 5] = 7
    assert score_map(heat, mask()).inside == 1


def test_a_map_of_zeros_points_nowhere_even_when_the_middle_is_marked() -> None:
    inside = np.zeros((21, 21), bool)
    inside[5:16, 5:16] = True
    middle = RegionMask(inside, inside)
    score = score_map(np.zeros((21, 21)), middle)
    assert (score.inside, score.near, score.mass, score.mass_near) == (0, 0, 0, 0)
    centre = score_centre(middle)
    assert (centre.inside, centre.near) == (1, 1)
    assert math.isnan(centre.mass)


@settings(max_examples=30, deadline=None)
@given(seed=seeds)
def test_random_peaks_hit_as_often_as_the_uniform_map_expects(seed: int) -> None:
    generator = np.random.default_rng(seed)
    part = mask()
    hits = []
    for _ in range(400):
        heat = np.zeros((20, 20))
        heat[tuple(generator.integers(0, 20, 2))] = 1
        hits.append(score_map(heat, part).near)
    expected = score_uniform(part)
    assert np.mean(hits) == pytest.approx(expected.near, abs=5 * math.sqrt(expected.near / 400))
    flat = score_map(np.ones((20, 20)), part)
    assert (flat.mass, flat.mass_near) == (pytest.approx(expected.mass), pytest.approx(expected.mass_near))


@settings(max_examples=40, deadline=None)
@given(seed=seeds, scale=st.floats(0.1, 50), offset=st.floats(-5, 5))
def test_agreement_is_pearsons_and_blind_to_scale(seed: int, scale: float, offset: float) -> None:
    a, b = np.random.default_rng(seed).random((2, 9, 9))
    assert map_agreement(a, b) == pytest.approx(pearsonr(a.ravel(), b.ravel()).statistic, abs=1e-9)
    assert map_agreement(a, scale * a + offset) == pytest.approx(1, abs=1e-6)
    assert map_agreement(a, b) == pytest.approx(map_agreement(b, a))
    assert math.isnan(map_agreement(a, np.full((9, 9), offset)))


def test_agreement_of_folds_is_the_mean_over_pairs() -> None:
    maps = np.random.default_rng(1).random((4, 9, 9))
    matrix = np.corrcoef(maps.reshape(4, -1))
    assert fold_agreement(maps) == pytest.approx(matrix[np.triu_indices(4, 1)].mean())
    assert math.isnan(fold_agreement(maps[:1]))
    assert math.isnan(fold_agreement(None))
    silent = np.concatenate([maps, np.zeros((1, 9, 9))])
    assert fold_agreement(silent) == pytest.approx(fold_agreement(maps))


def test_agreement_with_another_radiograph_leaves_out_the_same_fold() -> None:
    first, second = np.random.default_rng(2).random((2, 3, 9, 9))
    matrix = np.corrcoef(first.reshape(3, -1), second.reshape(3, -1))[:3, 3:]
    assert cross_agreement(first, second) == pytest.approx(matrix[~np.eye(3, dtype=bool)].mean())


def test_dispersion_runs_from_one_pixel_to_everywhere() -> None:
    one = np.zeros((16, 16))
    one[3, 3] = 2
    assert dispersion(one) == pytest.approx(0)
    assert dispersion(np.full((16, 16), 0.2)) == pytest.approx(1)
    one[3, 4] = 2
    assert dispersion(one) == pytest.approx(math.log(2) / math.log(256))
    assert math.isnan(dispersion(np.zeros((16, 16))))
