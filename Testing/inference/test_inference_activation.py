"""Activation maps come out at the place on the radiograph that made them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fractureai import geometry
from fractureai.inference.activation import WindowMaps, activation_on_image, enlarge, merge_windows
from fractureai.inference.classify import classify, cut_windows
from fractureai.inference.prediction import ViewPrediction


def brightness_network(cell: int):
    """A runtime whose activation map is the window averaged over cells and whose probability is the window's mean."""

    class Network:
        def run(self, image):
            n, _, rows, cols = image.shape
            cells = image.reshape(n, rows // cell, cell, cols // cell, cell).mean(axis=(2, 4))
            mean = image.mean(axis=(1, 2, 3))
            return {
                "probability": np.stack([1 - mean, mean], axis=1),
                "activation_map": cells,
                "features": mean[:, np.newaxis],
            }

    return Network()


def view_prediction(roi: geometry.Roi, activation_map: np.ndarray) -> ViewPrediction:
    return ViewPrediction(
        file=Path("x"),
        sop_instance_uid="1",
        view="PA",
        side="L",
        probability=0.5,
        fold_probabilities=np.array([0.5]),
        threshold=0.5,
        landmarks={},
        roi=roi,
        activation_map=activation_map,
        spacing_mm=roi.spacing_mm,
        spacing_source="user",
        features=np.zeros((1, 1), np.float32),
        image_shape=(1, 1),
    )


def centroid(image: np.ndarray) -> np.ndarray:
    rows, cols = np.indices(image.shape)
    return np.array([(image * rows).sum(), (image * cols).sum()]) / image.sum()


def test_enlarging_is_the_resampling_of_geometry():
    maps = np.random.default_rng(0).random((2, 7, 5)).astype(np.float32)
    expected = [geometry.resample(m, np.linalg.inv(geometry.resize_matrix((40, 40), (7, 5))), (40, 40)) for m in maps]
    np.testing.assert_allclose(enlarge(maps, 40), expected, atol=1e-6)
    np.testing.assert_array_equal(enlarge(np.full((1, 1, 1), 0.3, np.float32), 8), np.full((1, 8, 8), np.float32(0.3)))


@pytest.mark.parametrize(("crops", "mirror", "count"), [("five", True, 10), ("five", False, 5), ("centre", True, 2)])
def test_windows_are_cut_where_geometry_says(crops, mirror, count):
    region = np.random.default_rng(1).random((31, 31)).astype(np.float32)
    windows = cut_windows(region, 24, crops, mirror)
    assert windows.batch.shape == (count, 1, 24, 24)
    for window, corner, flip in zip(windows.batch[:, 0], windows.corners, windows.mirrored, strict=True):
        matrix = geometry.window_matrix(*corner)
        if flip:
            matrix = geometry.mirror_matrix(31) @ matrix
        np.testing.assert_allclose(window, geometry.resample(region, matrix, (24, 24)), atol=1e-6)


@pytest.mark.parametrize("size", [64, 63])
def test_merged_windows_are_the_region_itself(size):
    """With one cell a pixel the maps are the windows; put back in place they are the region, mirrored ones too."""
    region = np.random.default_rng(2).random((size, size)).astype(np.float32)
    windows = cut_windows(region, 48, "five", mirror=True)
    merged = merge_windows(windows.batch[:, 0], windows.corners, windows.mirrored, 48, size)
    np.testing.assert_allclose(merged, region / region.max(), atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(members=st.integers(1, 4), mirror=st.booleans(), size=st.integers(40, 52), seed=st.integers(0, 99))
def test_members_maps_average_to_the_map_of_all(members, mirror, size, seed):
    windows = cut_windows(np.zeros((size, size), np.float32), 40, "five", mirror)
    maps = np.random.default_rng(seed).random((members, len(windows.corners), 5, 5)).astype(np.float32)
    placed = WindowMaps(maps, windows.corners, windows.mirrored, 40, size)
    np.testing.assert_allclose(placed.member_maps().mean(axis=0), placed.activation_map(), atol=1e-6)
    for own, member in zip(maps, placed.member_maps(), strict=True):
        alone = merge_windows(own, windows.corners, windows.mirrored, 40, size)
        np.testing.assert_allclose(member / member.max(), alone, atol=1e-5)


def test_each_members_map_stays_at_its_place_and_keeps_its_strength():
    """Two members see two dots, one twice as bright; mirrored windows see them mirrored."""
    region = np.zeros((2, 64, 64), np.float32)
    region[0, 20, 12], region[1, 40, 50] = 1, 2
    windows = [cut_windows(own, 48, "five", mirror=True) for own in region]
    maps = np.stack([cut.batch[:, 0] for cut in windows])
    members = WindowMaps(maps, windows[0].corners, windows[0].mirrored, 48, 64).member_maps()
    np.testing.assert_allclose(members, region, atol=1e-6)


def test_what_no_window_covers_is_zero():
    merged = merge_windows(np.ones((1, 6, 6), np.float32), [(8, 8)], [False], 48, 64)
    assert merged[8:56, 8:56].min() == 1
    assert merged.sum() == 48 * 48


def test_no_activation_stays_zero():
    assert not merge_windows(np.zeros((1, 6, 6), np.float32), [(0, 0)], [True], 64, 64).any()


def test_probability_is_the_mean_over_windows_and_folds_stay_apart():
    region = np.random.default_rng(3).random((64, 64)).astype(np.float32)
    networks = [brightness_network(8), brightness_network(4)]
    maps_differ = [replace_map(networks[0]), replace_map(networks[1])]
    result = classify(region, maps_differ, window_px=48, crops="five", mirror=True, positive=1)
    expected = cut_windows(region, 48, "five", mirror=True).batch.mean()
    np.testing.assert_allclose(result.fold_probabilities, [expected, expected], rtol=1e-5)
    np.testing.assert_allclose(result.features, [[expected], [expected]], rtol=1e-5)
    assert result.member_maps.shape == (2, 64, 64)
    negative = classify(region, maps_differ, window_px=48, crops="five", mirror=True, positive=0)
    np.testing.assert_allclose(negative.fold_probabilities, 1 - result.fold_probabilities, rtol=1e-5)


def replace_map(network):
    """Give a network a map of fixed size."""

    class Network:
        def run(self, image):
            return network.run(image) | {"activation_map": np.ones((len(image), 3, 3), np.float32)}

    return Network()


@settings(max_examples=60, deadline=None)
@given(
    turns=st.integers(0, 3),
    row=st.floats(60, 140),
    col=st.floats(60, 140),
    offset=st.tuples(st.floats(-0.33, 0.33), st.floats(-0.33, 0.33)),
    spacing=st.tuples(st.floats(0.4, 1.1), st.floats(0.4, 1.1)),
    crops=st.sampled_from(["five", "centre"]),
    mirror=st.booleans(),
)
def test_a_bright_dot_comes_out_where_it_is(turns, row, col, offset, spacing, crops, mirror):
    """Through crop, quarter turn, unequal spacing, windows, mirror and back."""
    roi = geometry.Roi(row, col, 50.0, spacing, turns)
    dot = np.array([row, col]) + np.array(offset) * [roi.height_px, roi.width_px]
    shape = (230, 220)
    rows, cols = np.indices(shape)
    sigma_mm = 2.5
    image = np.exp(
        -(((rows - dot[0]) * spacing[0]) ** 2 + ((cols - dot[1]) * spacing[1]) ** 2) / (2 * sigma_mm**2)
    ).astype(np.float32)
    region = geometry.crop_roi(image, roi, 128)
    result = classify(region, [brightness_network(4)], window_px=112, crops=crops, mirror=mirror, positive=1)
    back = activation_on_image(view_prediction(roi, result.activation_map), shape)
    assert back.shape == shape
    peak = np.array(np.unravel_index(back.argmax(), shape))
    error_mm = np.abs((peak - dot) * spacing)
    assert (error_mm <= 50.0 / 128 * 4 / 2 + np.array(spacing)).all()  # half a cell, and a pixel
    sharp = np.where(back > 0.3, back, 0)
    assert (np.abs((centroid(sharp) - dot) * spacing) < 1.0).all()


@pytest.mark.parametrize("centre", [(-200, 50), (50, 500), (3, 3), (119, 99)])
def test_regions_beyond_the_image(centre):
    roi = geometry.Roi(*centre, 40.0, (0.5, 0.5))
    back = activation_on_image(view_prediction(roi, np.ones((32, 32), np.float32)), (120, 100))
    inside = roi.fraction_inside((120, 100)) * 80 * 80
    assert back.sum() == pytest.approx(inside, abs=170)  # one row and column of pixels
    assert set(np.unique(back)) <= {0.0, 1.0}


def test_placing_equals_resampling_the_whole_image():
    view = view_prediction(geometry.Roi(60.3, 41.7, 40.0, (0.7, 0.5), 1), np.random.default_rng(4).random((32, 32)))
    view = replace(view, activation_map=view.activation_map.astype(np.float32))
    whole = geometry.resample(view.activation_map, np.linalg.inv(geometry.crop_matrix(view.roi, 32)), (120, 100))
    np.testing.assert_allclose(activation_on_image(view, (120, 100)), whole, atol=1e-5)
