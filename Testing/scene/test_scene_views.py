"""Whole, upright, turned, zoomed: measured on rendered pictures."""

from __future__ import annotations

import numpy as np
import pytest

from fractureai.geometry import roi_from_landmarks
from fractureai.radiograph import VoiWindow
from fractureai.scene import nodes, views
from fractureai.scene import radiograph as radiographs
from fractureai.sites import load_site

EXACT = (VoiWindow(127.5, 255, "", "LINEAR_EXACT"),)
BLACK_TO_WHITE = {"windows": EXACT, "spacing_mm": (0.1, 0.1)}


def quadrants(rows=400, columns=200):
    """Four corners, four greys: top left 50, top right 100, bottom left 150, bottom right 200."""
    pixels = np.full((rows, columns), 50, np.float32)
    pixels[:, columns // 2 :] += 50
    pixels[rows // 2 :] += 100
    return pixels


def corners_of(picture):
    lit = picture[..., 0] > 0
    rows, columns = np.flatnonzero(lit.any(1)), np.flatnonzero(lit.any(0))
    box = picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1, 0]
    shape, r, c = box.shape, box.shape[0] // 4, box.shape[1] // 4
    return shape, [int(box[y, x]) for y in (r, -r) for x in (c, -c)]


@pytest.mark.parametrize(
    ("turns", "greys"),
    [(0, [50, 100, 150, 200]), (1, [150, 50, 200, 100]), (2, [200, 150, 100, 50]), (3, [100, 200, 50, 150])],
)
def test_the_whole_image_upright_after_quarter_turns(view, radiograph, turns, greys):
    volume = radiographs.add_radiograph(radiograph(quadrants(), **BLACK_TO_WHITE))
    views.show(view.logic, volume)
    views.fit(view.logic, volume, view.size, turns)
    shape, seen = corners_of(view.render())
    assert seen == greys
    assert np.abs(np.array(shape) - ((600, 300) if turns % 2 == 0 else (300, 600))).max() <= 2


def test_unequal_spacing_is_shown_in_proportion(view, radiograph):
    """400 x 200 pixels of 0.1 x 0.4 mm are 40 x 80 mm."""
    volume = radiographs.add_radiograph(radiograph(quadrants(), windows=EXACT, spacing_mm=(0.1, 0.4)))
    views.show(view.logic, volume)
    views.fit(view.logic, volume)
    shape, seen = corners_of(view.render())
    assert seen == [50, 100, 150, 200]
    assert np.abs(np.array(shape) - (300, 600)).max() <= 2


@pytest.mark.parametrize("size", [(900, 500), (400, 1100)])
@pytest.mark.parametrize("turns", range(4))
def test_every_edge_pixel_is_inside_the_view(view, radiograph, size, turns):
    view.resize(*size)
    volume = radiographs.add_radiograph(radiograph(quadrants(), **BLACK_TO_WHITE))
    views.show(view.logic, volume)
    views.fit(view.logic, volume, turns=turns)
    xy = views.pixel_to_xy(view.logic, volume, [(-0.5, -0.5), (-0.5, 199.5), (399.5, 199.5), (399.5, -0.5)])
    assert xy.min() >= -1e-6
    assert (xy <= np.array(size) + 1e-6).all()
    gaps = np.array(size) - np.ptp(xy, axis=0)
    assert min(gaps) == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(xy.mean(axis=0), np.array(size) / 2, atol=1e-6)


def test_a_margin_is_left_free(view, radiograph):
    volume = radiographs.add_radiograph(radiograph(quadrants(), **BLACK_TO_WHITE))
    views.show(view.logic, volume)
    views.fit(view.logic, volume, margin=0.1)
    assert corners_of(view.render())[0][0] == pytest.approx(480, abs=2)


def test_the_axial_view_is_upright_without_turns(view, radiograph):
    """fit() leaves Slicer's axial orientation as it is: crosshair, data probe and linked views keep their meaning."""
    volume = radiographs.add_radiograph(radiograph(quadrants(), **BLACK_TO_WHITE))
    views.fit(view.logic, volume)
    np.testing.assert_allclose(nodes.to_array(view.node.GetSliceToRAS())[:3, :3], np.diag([-1, 1, 1]))
    assert view.node.GetOrientation() == "Axial"


def test_a_tilted_volume_is_shown_whole(view, scene, radiograph):
    volume = radiographs.add_radiograph(radiograph(quadrants(), **BLACK_TO_WHITE))
    matrix = np.eye(4)
    matrix[:3, :3] = [[0, 0, 1], [1, 0, 0], [0, 1, 0]]
    matrix[:3, 3] = (10, -20, 30)
    node = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    node.SetMatrixTransformToParent(nodes.to_vtk(matrix))
    volume.SetAndObserveTransformNodeID(node.GetID())
    views.show(view.logic, volume)
    views.fit(view.logic, volume)
    shape, seen = corners_of(view.render())
    assert seen == [50, 100, 150, 200]
    assert np.abs(np.array(shape) - (600, 300)).max() <= 2


def test_four_turns_come_back_and_one_is_clockwise(view, radiograph):
    volume = radiographs.add_radiograph(radiograph(quadrants(200, 200), **BLACK_TO_WHITE))
    views.show(view.logic, volume)
    views.fit(view.logic, volume)
    before = nodes.to_array(view.node.GetSliceToRAS())
    views.turn(view.logic, 1)
    assert corners_of(view.render())[1] == [150, 50, 200, 100]
    views.turn(view.logic, -1)
    np.testing.assert_allclose(nodes.to_array(view.node.GetSliceToRAS()), before, atol=1e-9)
    for _ in range(4):
        views.turn(view.logic, 1)
    np.testing.assert_allclose(nodes.to_array(view.node.GetSliceToRAS()), before, atol=1e-9)


def test_turning_keeps_the_middle_of_a_moved_view(view, radiograph):
    volume = radiographs.add_radiograph(radiograph(quadrants(), **BLACK_TO_WHITE))
    views.fit(view.logic, volume)
    view.node.SetXYZOrigin(5, -3, 0)  # as after a drag with the middle button
    views.zoom(view.logic, 3, (100, 450))
    middle = views.xy_to_pixel(view.logic, volume, (300, 300))
    views.turn(view.logic, 3)
    np.testing.assert_allclose(views.xy_to_pixel(view.logic, volume, (300, 300)), middle, atol=1e-6)


@pytest.mark.parametrize("at_xy", [None, (10, 580), (431.5, 77.25)])
@pytest.mark.parametrize("factor", [8, 1.1, 0.5])
def test_zoom_keeps_the_point_under_the_mouse(view, radiograph, at_xy, factor):
    volume = radiographs.add_radiograph(radiograph(quadrants(), **BLACK_TO_WHITE))
    views.fit(view.logic, volume, turns=1)
    where = at_xy or (300, 300)
    before, scale = views.xy_to_pixel(view.logic, volume, where), views.magnification(view.logic, volume)
    views.zoom(view.logic, factor, at_xy)
    np.testing.assert_allclose(views.xy_to_pixel(view.logic, volume, where), before, atol=1e-6)
    assert views.magnification(view.logic, volume) == pytest.approx(scale * factor)


def test_eight_times(view, radiograph):
    """At 8x one bright pixel is 8 x 8 view pixels in the middle of the view."""
    pixels = np.zeros((400, 200), np.float32)
    pixels[123, 45] = 255
    volume = radiographs.add_radiograph(radiograph(pixels, **BLACK_TO_WHITE))
    volume.GetDisplayNode().SetInterpolate(False)
    views.show(view.logic, volume)
    views.fit(view.logic, volume)
    views.zoom_to(view.logic, volume, (123, 45))
    lit = np.argwhere(view.render()[..., 0] > 128)
    assert np.ptp(lit, axis=0).tolist() == [7, 7]
    np.testing.assert_allclose(lit.mean(axis=0), (299.5, 299.5), atol=1)


def test_view_pixels_are_where_the_picture_shows_them(view, radiograph):
    pixels = np.zeros((400, 200), np.float32)
    pixels[300:303, 20:23] = 255
    volume = radiographs.add_radiograph(radiograph(pixels, **BLACK_TO_WHITE))
    views.show(view.logic, volume)
    views.fit(view.logic, volume, turns=3)
    lit = np.argwhere(view.render()[..., 0] > 128)
    np.testing.assert_allclose(lit.mean(axis=0), view.at(volume, 301, 21), atol=1)


def test_foreground_and_its_opacity(view, radiograph):
    volume = radiographs.add_radiograph(radiograph(quadrants() * 0 + 100, **BLACK_TO_WHITE))
    over = radiographs.add_radiograph(radiograph(quadrants() * 0 + 200, **BLACK_TO_WHITE))
    views.show(view.logic, volume, foreground=over, opacity=0.5)
    views.fit(view.logic, volume)
    assert view.render()[300, 300, 0] == pytest.approx(150, abs=2)
    views.show(view.logic, volume)
    assert view.render()[300, 300, 0] == 100
    views.show(view.logic, None)
    assert view.logic.GetSliceCompositeNode().GetBackgroundVolumeID() is None


@pytest.mark.parametrize("turns", range(4))
def test_fingers_point_up(scene, radiograph, turns):
    """Landmarks of an upright wrist, turned on the image: the forearm is found where it lies."""
    profile = load_site("wrist").view("PA")
    upright = np.array([(60.0, 30.0), (60, 80), (30, 55)])  # ulna, radius, centre of the wrist distal (above)
    cos, sin = [(1, 0), (0, 1), (-1, 0), (0, -1)][turns]
    turned = upright @ np.array([[cos, -sin], [sin, cos]]).T + 200
    volume = radiographs.add_radiograph(radiograph(np.zeros((400, 400)), spacing_mm=(0.1, 0.1)))
    marks = dict(zip(profile.landmark_names, map(tuple, turned), strict=True))
    expected = roi_from_landmarks(turned, profile, (0.1, 0.1)).turns
    assert views.upright_turns(volume, profile, marks) == expected
    del marks["wrist_centre"]
    assert views.upright_turns(volume, profile, marks) == 0
    marks["wrist_centre"] = (float("nan"), 3)
    assert views.upright_turns(volume, profile, marks) == 0


@pytest.mark.parametrize("turns", range(4))
def test_the_forearm_points_down_in_the_view(view, radiograph, turns):
    profile = load_site("wrist").view("PA")
    upright = np.array([(60.0, 30.0), (60, 80), (30, 55)])
    cos, sin = [(1, 0), (0, 1), (-1, 0), (0, -1)][turns]
    turned = upright @ np.array([[cos, -sin], [sin, cos]]).T + 200
    volume = radiographs.add_radiograph(radiograph(np.zeros((400, 400)), spacing_mm=(0.1, 0.1)))
    marks = dict(zip(profile.landmark_names, map(tuple, turned), strict=True))
    views.fit(view.logic, volume, turns=views.upright_turns(volume, profile, marks))
    ulna, radius, centre = views.pixel_to_xy(view.logic, volume, turned)
    assert centre[1] > ulna[1] == pytest.approx(radius[1])
    assert ulna[0] < radius[0]
