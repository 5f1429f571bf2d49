import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from fractureai import geometry
from fractureai.errors import GeometryError
from fractureai.geometry import Roi
from fractureai.sites import load_site

PA = load_site("wrist").view("PA")
UPRIGHT_MM = np.array([(40.0, 15.0), (38.0, 60.0), (15.0, 38.0)])  # ulna, radius, wrist centre; forearm to +row

spacings = st.tuples(st.floats(0.05, 1.0), st.floats(0.05, 1.0))
points = st.tuples(st.floats(-5000, 5000), st.floats(-5000, 5000))


@given(points, spacings)
def test_pixel_ras_round_trip(point, spacing):
    ras = geometry.pixel_to_ras(point, spacing)
    assert geometry.ras_to_pixel(ras, spacing) == pytest.approx(point, abs=1e-6)


@given(points, spacings)
def test_pixel_to_ras_is_the_documented_matrix(point, spacing):
    row, col = point
    expected = geometry.ijk_to_ras(spacing) @ [col, row, 0, 1]
    assert geometry.pixel_to_ras(point, spacing) == pytest.approx(expected[:3], abs=1e-6)
    assert np.array_equal(geometry.ijk_to_ras(spacing), np.diag([-spacing[1], -spacing[0], 1, 1]))


@given(st.lists(points, min_size=2, max_size=6), spacings)
def test_mm_round_trip_and_distance(pixels, spacing):
    assert geometry.mm_to_pixel(geometry.pixel_to_mm(pixels, spacing), spacing) == pytest.approx(
        np.array(pixels), abs=1e-6
    )
    rows, cols = np.subtract(pixels[0], pixels[1])
    assert geometry.distance_mm(pixels[0], pixels[1], spacing) == pytest.approx(
        math.hypot(rows * spacing[0], cols * spacing[1])
    )


@pytest.mark.parametrize("spacing", [(0, 1), (-0.1, 0.1), (math.nan, 0.1), (math.inf, 0.1), (0.1,), "ab"])
def test_bad_spacing_is_refused(spacing):
    with pytest.raises((GeometryError, ValueError)):
        geometry.pixel_to_mm((0, 0), spacing)


def test_roi_is_the_papers_on_an_upright_image():
    spacing = (0.1, 0.1)
    roi = geometry.roi_from_landmarks(UPRIGHT_MM / 0.1, PA, spacing)
    row_mm, col_mm = UPRIGHT_MM.mean(axis=0)
    assert (roi.row * 0.1, roi.col * 0.1) == pytest.approx((row_mm + PA.roi_padding_mm, col_mm))
    assert roi.turns == 0
    assert roi.side_px == pytest.approx(700)


@given(spacings, st.integers(0, 3), st.floats(-40, 40))
def test_roi_follows_the_forearm_to_the_nearest_quarter_turn(spacing, turns, tilt_deg):
    angle = math.radians(90 * turns + tilt_deg)
    # +row turns towards +col by a positive angle
    rotation = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    mm = (UPRIGHT_MM - UPRIGHT_MM.mean(axis=0)) @ rotation.T
    roi = geometry.roi_from_landmarks(mm / spacing, PA, spacing)
    assert roi.turns == turns
    direction = np.array([(1, 0), (0, 1), (-1, 0), (0, -1)][turns])
    assert np.array([roi.row, roi.col]) * spacing == pytest.approx(direction * PA.roi_padding_mm, abs=1e-6)


@given(points, spacings, st.integers(0, 3), st.floats(5, 200), st.integers(16, 300))
def test_crop_matrix_maps_corners_and_centre(centre, spacing, turns, side_mm, size):
    roi = Roi(*centre, side_mm, spacing, turns)
    matrix = geometry.crop_matrix(roi, size)
    edges = np.array([(-0.5, -0.5), (-0.5, size - 0.5), (size - 0.5, size - 0.5), (size - 0.5, -0.5)])
    found = geometry.transform_points(matrix, edges)
    nearest = np.linalg.norm(found[:, None] - roi.corners()[None], axis=-1)
    assert nearest.min(axis=0) == pytest.approx(0, abs=1e-6)
    assert nearest.min(axis=1) == pytest.approx(0, abs=1e-6)
    middle = [(size - 1) / 2] * 2
    assert geometry.transform_points(matrix, middle) == pytest.approx(centre, abs=1e-6)
    inverse = np.linalg.inv(matrix)
    assert geometry.transform_points(inverse, found) == pytest.approx(edges, abs=1e-3)


@pytest.mark.parametrize("turns", range(4))
def test_a_turned_crop_is_upright(turns):
    """A bright dot on the forearm side of the region comes out in the lower half of the crop, whatever the turn."""
    image = np.zeros((200, 200), np.float32)
    row, col = np.array([100, 100]) + np.array([(40, 0), (0, 40), (-40, 0), (0, -40)])[turns]
    image[row, col] = 1
    crop = geometry.crop_roi(image, Roi(100, 100, 100, (1, 1), turns), 100)
    found = np.unravel_index(crop.argmax(), crop.shape)
    assert found[0] >= 88
    assert abs(found[1] - 49.5) <= 1


@given(
    st.tuples(st.floats(-50, 150), st.floats(-50, 150)),
    st.floats(20, 200),
    spacings,
    st.integers(0, 3),
    st.integers(8, 64),
)
@settings(max_examples=60)
def test_crop_has_fill_outside_and_image_inside(centre, side_mm, spacing, turns, size):
    image = np.full((100, 80), 7, np.float32)
    roi = Roi(*centre, side_mm, spacing, turns)
    crop = geometry.crop_roi(image, roi, size, fill=-1)
    assert crop.shape == (size, size)
    assert crop.dtype == np.float32
    places = np.stack(np.meshgrid(np.arange(size), np.arange(size), indexing="ij"), axis=-1)
    where = geometry.transform_points(geometry.crop_matrix(roi, size), places)
    inside = ((where >= -0.499) & (where <= np.array(image.shape) - 0.501)).all(axis=-1)
    outside = ((where < -0.501) | (where > np.array(image.shape) - 0.499)).any(axis=-1)
    assert (crop[inside] == 7).all()
    assert (crop[outside] == -1).all()


def test_crop_equals_scipy_without_shrinking():
    rng = np.random.default_rng(0)
    image = ndimage.gaussian_filter(rng.normal(size=(120, 90)), 3).astype(np.float32)
    roi = Roi(60.3, 41.7, 30, (0.8, 1.1), 0)
    size = 64
    places = np.stack(np.meshgrid(np.arange(size), np.arange(size), indexing="ij"), axis=-1)
    where = geometry.transform_points(geometry.crop_matrix(roi, size), places)
    expected = ndimage.map_coordinates(image, np.moveaxis(where, -1, 0), order=1)
    assert geometry.crop_roi(image, roi, size) == pytest.approx(expected, abs=1e-5)


@given(st.integers(4, 300), st.integers(4, 300), st.integers(4, 64), st.integers(4, 64))
@settings(max_examples=60)
def test_resize_keeps_a_linear_ramp_in_place(rows, cols, out_rows, out_cols):
    """A ramp is resampled to the ramp at the mapped places, except within the block averaged at the border."""
    ramp = np.add.outer(np.arange(rows), 2.0 * np.arange(cols))
    matrix = geometry.resize_matrix((rows, cols), (out_rows, out_cols))
    places = np.stack(np.meshgrid(np.arange(out_rows), np.arange(out_cols), indexing="ij"), axis=-1)
    where = geometry.transform_points(matrix, places)
    resized = geometry.resize(ramp, (out_rows, out_cols))
    factor = np.maximum(np.floor(np.array([rows / out_rows, cols / out_cols])), 1)
    inner = ((where >= factor) & (where <= np.array([rows, cols]) - 1 - factor)).all(axis=-1)
    assert resized[inner] == pytest.approx((where @ [1.0, 2.0])[inner], abs=1e-2)
    assert resized.min() >= ramp.min()
    assert resized.max() <= ramp.max()


@given(st.integers(8, 300), st.data())
def test_five_crops_and_mirror_map_back(size, data):
    window = data.draw(st.integers(1, size))
    corners = geometry.five_crop_corners(size, window)
    assert len(set(corners)) in (1, 2, 4, 5)
    row, col = data.draw(st.sampled_from(corners))
    assert 0 <= row <= size - window
    assert 0 <= col <= size - window
    point = data.draw(st.tuples(st.integers(0, window - 1), st.integers(0, window - 1)))
    image = np.arange(size * size).reshape(size, size)
    mirrored = image[row : row + window, col : col + window][:, ::-1]
    to_image = geometry.window_matrix(row, col) @ geometry.mirror_matrix(window)
    r, c = geometry.transform_points(to_image, point).round().astype(int)
    assert mirrored[point] == image[r, c]


def test_window_larger_than_the_image_is_refused():
    with pytest.raises(GeometryError):
        geometry.five_crop_corners(100, 101)


def test_fraction_inside():
    assert Roi(49.5, 49.5, 50, (1, 1)).fraction_inside((100, 100)) == pytest.approx(1)
    assert Roi(-0.5, 49.5, 50, (1, 1)).fraction_inside((100, 100)) == pytest.approx(0.5)
    assert Roi(-0.5, -0.5, 50, (1, 1)).fraction_inside((100, 100)) == pytest.approx(0.25)
    assert Roi(-500, 0, 50, (1, 1)).fraction_inside((100, 100)) == 0


@given(st.floats(0.05, 2))
def test_scale_from_landmarks_gives_the_profiles_span(scale):
    spacing = geometry.spacing_from_landmarks(UPRIGHT_MM / scale, PA)
    assert geometry.landmark_span_mm(UPRIGHT_MM / scale, spacing) == pytest.approx(PA.landmark_span_mm)


@pytest.mark.parametrize(
    "landmarks", [np.zeros((3, 2)), np.full((3, 2), np.nan), np.zeros((2, 2)), [(0, 0), (1, np.inf), (2, 2)]]
)
def test_impossible_landmarks_are_refused(landmarks):
    with pytest.raises(GeometryError):
        geometry.roi_from_landmarks(landmarks, PA, geometry.spacing_from_landmarks(landmarks, PA))


def test_a_profile_without_axis_keeps_the_papers_rule():
    view = dataclasses.replace(PA, joint_line=(), distal_landmark="")
    upside_down = -UPRIGHT_MM
    assert geometry.roi_from_landmarks(upside_down, view, (1, 1)).turns == 0
    assert geometry.roi_from_landmarks(upside_down, PA, (1, 1)).turns == 2
