import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fractureai.geometry import Roi, crop_roi
from fractureai.radiograph import intensity_range, normalise, normalised_crop

quick = settings(max_examples=80, deadline=None)


@quick
@given(
    hnp.arrays(
        st.sampled_from([np.float32, np.uint16, np.int16, np.uint8]),
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=40),
        elements=st.integers(0, 100),
    )
)
def test_range_is_numpys_percentile_small(pixels):
    expected = np.percentile(pixels.astype(np.float64), [5, 99])
    np.testing.assert_allclose(intensity_range(pixels), expected, rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize("kind", ["noise", "ramp", "background", "saturated", "stripes", "two", "wide"])
def test_range_is_numpys_percentile_large(kind):
    rows, columns = 700, 611
    rng = np.random.default_rng(3)
    pixels = {
        "noise": rng.normal(2000, 500, (rows, columns)).round(),
        "ramp": np.arange(rows * columns).reshape(rows, columns) % 65536,
        "background": np.where(rng.random((rows, columns)) < 0.4, 0, rng.normal(900, 9, (rows, columns))),
        "saturated": np.minimum(rng.normal(4000, 200, (rows, columns)).round(), 4095),
        "stripes": np.tile(np.arange(columns) % 3 == 0, (rows, 1)) * rng.normal(100, 1, (rows, columns)),
        "two": (np.arange(rows * columns) % 20 == 0).reshape(rows, columns),
        "wide": rng.standard_cauchy((rows, columns)),
    }[kind].astype(np.float32)
    expected = np.percentile(pixels.astype(np.float64), [5, 99])
    np.testing.assert_allclose(intensity_range(pixels), expected, rtol=1e-12)
    low, high = expected
    naive = (np.clip(pixels, low, high) - low) / (high - low)
    np.testing.assert_allclose(normalise(pixels), naive, atol=2e-6)


def test_normalise_is_float32_between_0_and_1_and_keeps_its_input():
    pixels = np.random.default_rng(0).integers(0, 4096, (50, 60)).astype(np.uint16)
    before = pixels.copy()
    result = normalise(pixels)
    assert result.dtype == np.float32
    assert result.min() == 0
    assert result.max() == 1
    np.testing.assert_array_equal(pixels, before)


def test_grey_levels_cut_off_as_a_cast_to_8_bits():
    pixels = np.random.default_rng(0).integers(0, 4096, (50, 60)).astype(np.uint16)
    low, high = np.percentile(pixels, [5, 99])
    as_8_bits = np.uint8((np.clip(pixels, low, high) - low) / (high - low) * 255)
    result = normalise(pixels, grey_levels=256)
    assert np.mean(np.rint(result * 255) != as_8_bits) < 1e-3
    assert set(np.unique(np.rint(result * 255))) <= set(range(256))
    assert (result <= normalise(pixels)).all()


@pytest.mark.parametrize("value", [0, 7.5, -3])
def test_a_constant_image_becomes_zeros(value):
    np.testing.assert_array_equal(normalise(np.full((9, 8), value, np.float32)), np.zeros((9, 8)))


def test_a_part_is_normalised_as_within_the_whole():
    pixels = np.random.default_rng(0).normal(0, 1, (80, 90)).astype(np.float32)
    np.testing.assert_array_equal(
        normalise(pixels[10:30, 5:50], intensity_range(pixels)), normalise(pixels)[10:30, 5:50]
    )


@quick
@given(
    row=st.floats(-60, 260),
    col=st.floats(-60, 260),
    side=st.floats(5, 60),
    spacing=st.tuples(st.floats(0.1, 0.6), st.floats(0.1, 0.6)),
    turns=st.integers(0, 3),
)
def test_normalised_crop_is_the_crop_of_the_normalised_image(row, col, side, spacing, turns):
    pixels = np.random.default_rng(0).normal(0, 1, (200, 190)).astype(np.float32)
    roi = Roi(row, col, side, spacing, turns)
    np.testing.assert_allclose(normalised_crop(pixels, roi, 32), crop_roi(normalise(pixels), roi, 32), atol=1e-5)
