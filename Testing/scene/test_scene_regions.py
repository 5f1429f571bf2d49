"""Regions: what is stored is what is drawn, and comes back exactly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fractureai.dataset import Region
from fractureai.scene import landmarks, nodes, regions, views
from fractureai.scene import radiograph as radiographs

grey = np.full((400, 400), 60, np.float32)
points = st.tuples(st.floats(-50, 3000), st.floats(-50, 3000))


@pytest.fixture
def volume(scene, radiograph):
    return radiographs.add_radiograph(radiograph(grey, spacing_mm=(0.15, 0.25)))


def same(first, second):
    np.testing.assert_allclose(first.points, second.points, rtol=0, atol=1e-6)
    return (first.kind, first.shape, first.bone) == (second.kind, second.shape, second.bone)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(corners=st.tuples(points, points), bone=st.sampled_from(["", "radius"]))
def test_boxes_come_back(volume, corners, bone):
    region = Region("fracture", corners, "box", bone)
    node = regions.add_region(volume, region)
    assert same(regions.read_region(node, volume), region)
    nodes.remove_node(node)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(vertices=st.lists(points, min_size=1, max_size=12), shape=st.sampled_from(["polygon", "curve"]))
def test_polygons_and_curves_come_back(volume, vertices, shape):
    region = Region("cast", tuple(vertices), shape)
    node = regions.add_region(volume, region)
    assert same(regions.read_region(node, volume), region)
    nodes.remove_node(node)


@pytest.mark.parametrize("shape", ["box", "polygon", "curve"])
def test_below_a_transform_and_saved(volume, scene, shape, reopen):
    matrix = np.eye(4)
    matrix[:3, :3] = [[0, -1, 0], [1, 0, 0], [0, 0, 1]]
    matrix[:3, 3] = (5, 6, 7)
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(nodes.to_vtk(matrix))
    volume.SetAndObserveTransformNodeID(transform.GetID())
    region = Region("fracture", ((100.125, 30.5), (50.25, 90.75), (7, 8))[: 2 if shape == "box" else 3], shape, "ulna")
    node = regions.add_region(volume, region)
    assert same(regions.read_region(node, volume), region)
    reopen()
    volume = radiographs.find_radiograph("1.2.3")
    (node,) = regions.regions_on(volume)
    assert node.GetName() == "Fracture ulna"
    assert same(regions.read_region(node, volume), region)


def test_wrong_shapes_are_refused(volume):
    with pytest.raises(nodes.SceneError):
        regions.add_region(volume, Region("fracture", ((1, 2),), "box"))
    with pytest.raises(nodes.SceneError):
        regions.add_region(volume, Region("fracture", ((1, 2),), "blob"))


def shown(view, volume):
    views.show(view.logic, volume)
    views.fit(view.logic, volume)
    view.render()
    return volume


def orange(picture):
    return np.abs(picture.astype(int) - (230, 159, 0)).sum(axis=2) < 60


@pytest.mark.parametrize("shape", ["box", "polygon", "curve"])
def test_the_outline_is_drawn_where_it_is_stored(view, volume, shape):
    corners = ((100.0, 50.0), (250.0, 200.0)) if shape == "box" else ((100, 50), (100, 200), (250, 200), (250, 50))
    regions.add_region(shown(view, volume), Region("fracture", corners, shape))
    hit = orange(view.render())
    for row, col, drawn in ((100, 90, True), (250, 90, True), (140, 200, True), (140, 50, shape != "curve")):
        y, x = view.at(volume, row, col)
        assert hit[y - 2 : y + 3, x - 2 : x + 3].any() == drawn, (row, col)
    y, x = view.at(volume, 150, 90)
    assert not hit[y - 5 : y + 6, x - 5 : x + 6].any(), "no fill"


def test_a_box_is_drawn_by_two_clicks(view, volume):
    node = regions.add_region(shown(view, volume), Region("fracture", ()))
    assert not regions.is_complete(node)
    landmarks.start_placing(node, persistent=False)
    for point in ((100, 50), (250, 200)):
        view.click(*np.rint(views.pixel_to_xy(view.logic, volume, point)))
    assert regions.is_complete(node)
    regions.tidy_box(node, volume)
    drawn = regions.read_region(node, volume)
    np.testing.assert_allclose(drawn.points, ((100, 50), (250, 200)), atol=1)
    y, x = view.at(volume, 100, 90)
    assert orange(view.render())[y - 2 : y + 3, x - 2 : x + 3].any()


@pytest.mark.parametrize(("shape", "least"), [("polygon", 3), ("curve", 2)])
def test_a_curve_is_drawn_by_clicks(view, volume, shape, least):
    node = regions.add_region(shown(view, volume), Region("fracture", (), shape))
    landmarks.start_placing(node)
    for count, point in enumerate(((100, 50), (250, 200), (100, 300)), 1):
        view.click(*np.rint(views.pixel_to_xy(view.logic, volume, point)))
        assert regions.is_complete(node) == (count >= least)
    landmarks.stop_placing()
    np.testing.assert_allclose(regions.read_region(node, volume).points, ((100, 50), (250, 200), (100, 300)), atol=1)


def test_a_box_that_was_moved_says_where_it_is_now(volume):
    node = regions.add_region(volume, Region("fracture", ((250, 200), (100, 50))))
    right, anterior, superior = node.GetCenter()
    node.SetCenter(right, anterior - 1.5, superior)
    assert regions.read_region(node, volume).points == (pytest.approx((110, 50)), pytest.approx((260, 200)))
