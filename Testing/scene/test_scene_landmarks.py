"""Landmarks: in order, unset, redone, placed by clicks, the same size at every zoom, in the agreed colours."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fractureai.scene import landmarks, nodes, views
from fractureai.scene import radiograph as radiographs
from fractureai.sites import load_site

PA = load_site("wrist").view("PA")
ULNA, RADIUS, CENTRE = PA.landmark_names
grey = np.full((400, 400), 60, np.float32)


@pytest.fixture
def volume(scene, radiograph):
    return radiographs.add_radiograph(radiograph(grey, spacing_mm=(0.15, 0.15)))


def test_three_named_points_of_which_one_is_placed(volume):
    node = landmarks.add_landmarks(volume, PA, {RADIUS: (10.25, 20.75), "elsewhere": (1, 1)})
    assert node.GetName() == "Landmarks PA"
    assert node.GetNumberOfControlPoints() == 3
    assert node.GetFixedNumberOfControlPoints()
    assert [node.GetNthControlPointLabel(i) for i in range(3)] == [mark.title for mark in PA.landmarks]
    assert landmarks.names_of(node) == PA.landmark_names
    assert landmarks.read_landmarks(node, volume) == {RADIUS: pytest.approx((10.25, 20.75), abs=1e-9)}
    assert landmarks.next_index(node) == 0
    assert nodes.radiograph_of(node) is volume


def test_a_view_of_one_or_five_landmarks(volume):
    """Nothing is made for three."""
    from dataclasses import replace

    from fractureai.sites import Landmark

    five = replace(PA, landmarks=tuple(Landmark(f"p{i}", f"P {i}", "") for i in range(5)))
    node = landmarks.add_landmarks(volume, five, {"p4": (1, 2)})
    assert landmarks.read_landmarks(node, volume) == {"p4": pytest.approx((1, 2))}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(marks=st.dictionaries(st.sampled_from(PA.landmark_names), st.tuples(*[st.floats(-50, 5000)] * 2)))
def test_what_is_set_is_read(volume, marks):
    node = landmarks.add_landmarks(volume, PA, {ULNA: (1, 1), CENTRE: (2, 2)})
    landmarks.set_landmarks(node, volume, marks)
    read = landmarks.read_landmarks(node, volume)
    assert read.keys() == marks.keys()
    for name, point in marks.items():
        np.testing.assert_allclose(read[name], point, rtol=0, atol=1e-9)
    nodes.remove_node(node)


def test_below_a_transform(volume, scene):
    matrix = np.eye(4)
    matrix[:3, :3] = [[0, -2, 0], [2, 0, 0], [0, 0, 1]]
    matrix[:3, 3] = (5, 6, 7)
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(nodes.to_vtk(matrix))
    volume.SetAndObserveTransformNodeID(transform.GetID())
    node = landmarks.add_landmarks(volume, PA, {ULNA: (12.5, 99)})
    assert landmarks.read_landmarks(node, volume)[ULNA] == pytest.approx((12.5, 99), abs=1e-9)
    transform.SetMatrixTransformToParent(nodes.to_vtk(np.eye(4)))
    assert landmarks.read_landmarks(node, volume)[ULNA] == pytest.approx((12.5, 99), abs=1e-9)


def shown(view, volume):
    views.show(view.logic, volume)
    views.fit(view.logic, volume)
    view.render()
    return volume


def click(view, volume, row, col):
    view.click(*np.rint(views.pixel_to_xy(view.logic, volume, (row, col))))


def test_clicks_fill_the_points_in_order_and_then_stop(view, volume):
    node = landmarks.add_landmarks(shown(view, volume), PA)
    landmarks.start_placing(node)
    for count, point in enumerate([(100, 50), (110, 300), (50, 200)], 1):
        assert landmarks.next_index(node) == count - 1
        click(view, volume, *point)
        assert len(landmarks.read_landmarks(node, volume)) == count
    click(view, volume, 10, 10)
    click(view, volume, 20, 20)
    placed = landmarks.read_landmarks(node, volume)
    assert {name: (round(row / 5) * 5, round(col / 5) * 5) for name, (row, col) in placed.items()} == {
        ULNA: (100, 50),
        RADIUS: (110, 300),
        CENTRE: (50, 200),
    }
    assert volume.GetScene().GetNumberOfNodesByClass("vtkMRMLMarkupsNode") == 1
    assert landmarks.next_index(node) is None


def test_one_point_again(view, volume):
    node = landmarks.add_landmarks(shown(view, volume), PA, {ULNA: (100, 50), RADIUS: (110, 300), CENTRE: (50, 200)})
    landmarks.unset_landmark(node, 1)
    assert landmarks.next_index(node) == 1
    landmarks.start_placing(node, persistent=False)
    click(view, volume, 150, 350)
    placed = landmarks.read_landmarks(node, volume)
    assert placed[ULNA] == pytest.approx((100, 50))
    assert placed[CENTRE] == pytest.approx((50, 200))
    assert placed[RADIUS] == pytest.approx((150, 350), abs=1)
    assert not landmarks.is_placing()


def test_a_click_at_eight_times_hits_to_an_eighth(view, volume):
    node = landmarks.add_landmarks(shown(view, volume), PA)
    views.zoom_to(view.logic, volume, (200.3, 100.7))
    view.render()
    landmarks.start_placing(node)
    click(view, volume, 201.5, 99.25)
    assert landmarks.read_landmarks(node, volume)[ULNA] == pytest.approx((201.5, 99.25), abs=1 / 8)


def test_a_point_that_follows_the_mouse_is_not_read(view, volume):
    node = landmarks.add_landmarks(shown(view, volume), PA)
    landmarks.start_placing(node)
    view.move(200, 200)
    view.move(210, 210)
    assert landmarks.read_landmarks(node, volume) == {}
    landmarks.stop_placing()


def test_dragging_moves_a_point_and_locked_ones_stay(view, volume):
    ghost = landmarks.add_landmarks(shown(view, volume), PA, {ULNA: (200, 100)}, role="proposal")
    fixed = landmarks.add_landmarks(volume, PA, {ULNA: (300, 300)}, role="reading")
    view.render()
    for start, end in (((200, 100), (240, 160)), ((300, 300), (340, 340))):
        x, y = views.pixel_to_xy(view.logic, volume, start)
        view.move(x, y)
        view.interactor.InvokeEvent("LeftButtonPressEvent")
        view.move(*views.pixel_to_xy(view.logic, volume, end))
        view.interactor.InvokeEvent("LeftButtonReleaseEvent")
    assert landmarks.read_landmarks(ghost, volume)[ULNA] == pytest.approx((240, 160), abs=1)
    assert landmarks.read_landmarks(fixed, volume)[ULNA] == pytest.approx((300, 300))


def coloured(picture):
    """Return where the picture is not grey."""
    spread = picture.max(axis=2).astype(int) - picture.min(axis=2)
    return np.argwhere(spread > 40)


@pytest.mark.parametrize(("role", "colour"), [("annotation", (230, 159, 0)), ("reading", (86, 180, 233))])
def test_the_glyph_is_a_cross_in_the_agreed_colour(view, volume, role, colour):
    node = landmarks.add_landmarks(shown(view, volume), PA, {ULNA: (200, 200)}, role=role)
    node.GetDisplayNode().SetPointLabelsVisibility(False)
    picture = view.render()
    where = coloured(picture)
    np.testing.assert_allclose(where.mean(axis=0), view.at(volume, 200, 200), atol=1.5)
    strongest = picture[tuple(where.T)].astype(int)
    assert np.abs(strongest - colour).sum(axis=1).min() < 40


def test_ghosts_are_translucent(view, volume):
    ghost = landmarks.add_landmarks(shown(view, volume), PA, {ULNA: (200, 200)}, role="proposal")
    assert 0.3 < ghost.GetDisplayNode().GetOpacity() < 0.9
    assert not ghost.GetLocked()


def test_the_size_does_not_depend_on_the_zoom(view, volume):
    node = landmarks.add_landmarks(shown(view, volume), PA, {ULNA: (200, 200)})
    node.GetDisplayNode().SetPointLabelsVisibility(False)
    small = np.ptp(coloured(view.render()), axis=0)
    views.zoom_to(view.logic, volume, (200, 200), 8)
    large = np.ptp(coloured(view.render()), axis=0)
    assert np.abs(small - large).max() <= 2
    assert 12 <= small.max() <= 40


def test_finding_landmarks_of_a_role(volume):
    mine = landmarks.add_landmarks(volume, PA)
    ghost = landmarks.add_landmarks(volume, PA, role="proposal")
    assert landmarks.landmarks_on(volume) == [mine]
    assert landmarks.landmarks_on(volume, "proposal") == [ghost]


def test_saved_and_opened_again(volume, reopen):
    node = landmarks.add_landmarks(volume, PA, {ULNA: (10.123456789, 20.987654321)}, role="reading")
    assert node.GetLocked()
    reopen()
    volume = radiographs.find_radiograph("1.2.3")
    (node,) = landmarks.landmarks_on(volume, "reading")
    assert landmarks.names_of(node) == PA.landmark_names
    assert landmarks.read_landmarks(node, volume) == {ULNA: pytest.approx((10.123456789, 20.987654321), abs=1e-6)}
    assert node.GetLocked()
    assert landmarks.next_index(node) == 1
    assert isinstance(node, slicer.vtkMRMLMarkupsFiducialNode)


@pytest.mark.parametrize("index", range(3))
@pytest.mark.parametrize("persistent", [False, True])
def test_a_point_again_after_all_were_clicked(view, volume, index, persistent):
    """The others stay, however the mouse moves before and after."""
    node = landmarks.add_landmarks(shown(view, volume), PA)
    points = [(100, 50), (110, 300), (50, 200)]
    landmarks.start_placing(node)
    for point in points:
        click(view, volume, *point)
        view.move(300, 300)
    landmarks.stop_placing()
    before = landmarks.read_landmarks(node, volume)
    assert len(before) == 3
    landmarks.unset_landmark(node, index)
    landmarks.start_placing(node, persistent=persistent)
    for x in (100, 150, 200):
        view.move(x, 350)
    click(view, volume, 200, 150)
    for x in (220, 250):
        view.move(x, 380)
    landmarks.stop_placing()
    view.move(100, 100)
    name = PA.landmark_names[index]
    assert landmarks.read_landmarks(node, volume) == {
        **{other: pytest.approx(point) for other, point in before.items()},
        name: pytest.approx((200, 150), abs=1),
    }
