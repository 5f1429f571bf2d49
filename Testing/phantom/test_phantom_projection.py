"""Line integrals and projected points against closed forms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fractureai.phantom.projection import Camera, bone_lengths, path_length
from fractureai.phantom.solids import Solid, apply, ellipsoid, extreme_point, make_grid, rigid, rotation

RADIUS, SHELL, SHAPE = 9.0, 0.6, (140, 120)
CENTRE = (2.0, -3.0, 1.0)


def sphere(cut: bool = False) -> Solid:
    grid = make_grid((-12, -14, -12), (14, 10, 14), 0.7)
    field = ellipsoid(grid, CENTRE, (RADIUS, RADIUS, RADIUS))
    plane = np.broadcast_to(grid.y - np.float32(CENTRE[1] + 2), field.shape).astype(np.float32) if cut else None
    return Solid(
        "ball", field, grid.origin, grid.step, ((0, 1), (SHELL, SHELL)), ((0, 1), (0.5, 0.5)), np.eye(4), plane
    )


def camera(x: float, y: float, z: float, scale: float = 1.0) -> Camera:
    turn = rotation("z", z) @ rotation("y", y) @ rotation("x", x) * scale
    matrix = np.eye(4)
    matrix[:3, :3] = turn
    matrix[:3, 3] = (15.0, 17.5, 0.0)
    return Camera(matrix, 0.25, SHAPE)


def chord(view: Camera, radius: float) -> np.ndarray:
    row, col = view.project(CENTRE)
    rows, cols = np.mgrid[0 : SHAPE[0], 0 : SHAPE[1]]
    away = ((rows - row) ** 2 + (cols - col) ** 2) * view.pitch_mm**2
    return 2 * np.sqrt(np.maximum(radius**2 - away, 0))


def full(window: tuple[slice, slice], values: np.ndarray) -> np.ndarray:
    image = np.zeros(SHAPE)
    image[window] = values
    return image


@settings(max_examples=8, deadline=None)
@given(st.floats(-40, 40), st.floats(-180, 180), st.floats(-180, 180), st.floats(0.6, 1.1))
def test_sphere_has_its_chords_from_every_side(x, y, z, scale):
    view = camera(x, y, z, scale)
    found = path_length(sphere(), view)
    assert found is not None
    exact = chord(view, RADIUS * scale)
    error = np.abs(full(*found) - exact)
    assert error[exact > 6].max() < 0.3
    assert error.mean() < 0.03


def test_sphere_is_centred_where_its_centre_projects():
    view = camera(10, 30, 50)
    image = full(*path_length(sphere(), view))
    rows, cols = np.mgrid[0 : SHAPE[0], 0 : SHAPE[1]]
    centroid = [(image * rows).sum() / image.sum(), (image * cols).sum() / image.sum()]
    assert centroid == pytest.approx(view.project(CENTRE), abs=0.1)


def test_thin_shell_keeps_its_thickness():
    view = camera(5, 20, -15)
    window, shell, spongy = bone_lengths(sphere(), view)
    exact_inside = chord(view, RADIUS - SHELL)
    middle = exact_inside > 12
    assert full(window, shell)[middle] == pytest.approx((chord(view, RADIUS) - exact_inside)[middle], abs=0.12)
    assert full(window, spongy)[middle] == pytest.approx(0.5 * exact_inside[middle], abs=0.12)


def test_two_halves_make_the_whole():
    view, whole = camera(12, 35, 20), sphere()
    half = sphere(cut=True)
    other = Solid(**{**half.__dict__, "cut": -half.cut})
    total = full(*path_length(half, view)) + full(*path_length(other, view))
    error = np.abs(total - full(*path_length(whole, view)))
    assert error.max() < 0.8
    assert error.mean() < 0.01


def test_solid_outside_the_image_is_none():
    assert path_length(sphere().posed(rigid(np.eye(3), (0, 0, 0), (500, 0, 0))), camera(0, 0, 0)) is None


def test_extreme_point_is_on_the_surface():
    direction = np.array([0.3, 1.0, -0.2])
    exact = CENTRE + RADIUS * direction / np.linalg.norm(direction)
    assert extreme_point(sphere(), direction) @ direction == pytest.approx(exact @ direction, abs=0.15)
    assert np.linalg.norm(extreme_point(sphere(), direction) - CENTRE) == pytest.approx(RADIUS, abs=0.1)


def test_rigid_matrix_keeps_its_pivot():
    matrix = rigid(rotation("x", 30), (1, 2, 3), (0, 0, 5))
    assert apply(matrix, (1, 2, 3)) == pytest.approx((1, 2, 8))
