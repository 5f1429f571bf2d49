"""The heat map lies exactly where it was computed, is soft, and changes fast."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fractureai.geometry import Roi, crop_matrix, mirror_matrix, transform_points
from fractureai.radiograph import VoiWindow
from fractureai.scene import nodes, overlay, views
from fractureai.scene import radiograph as radiographs

GREY = 80


@pytest.fixture
def volume(scene, radiograph):
    pixels = np.full((400, 300), GREY, np.float32)
    window = VoiWindow(127.5, 255, "", "LINEAR_EXACT")
    return radiographs.add_radiograph(radiograph(pixels, spacing_mm=(0.1, 0.2), windows=(window,)))


def world(node, points_rc):
    """World RAS of points (row, col) of an activation volume."""
    return radiographs.pixel_to_ras(node, points_rc)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    row=st.floats(-100, 500),
    col=st.floats(-100, 500),
    side=st.floats(1, 200),
    turns=st.integers(0, 3),
    size=st.integers(1, 40),
    mirrored=st.booleans(),
)
def test_every_cell_lies_where_it_was_computed(volume, row, col, side, turns, size, mirrored):
    """Quarter turns, mirrors, unequal spacing, parts outside the image: the volume's matrix is the crop's matrix."""
    matrix = crop_matrix(Roi(row, col, side, (0.1, 0.2), turns), size)
    matrix = matrix @ mirror_matrix(size) if mirrored else matrix
    made = overlay.add_activation(volume, np.full((size, size), 0.5), matrix)
    cells = [(-0.5, -0.5), (0, 0), (0, size - 1), (size - 1, 0), (size - 0.5, size - 0.5)]
    expected = radiographs.pixel_to_ras(volume, transform_points(matrix, cells))
    for node in (made.values, made.rgba):
        np.testing.assert_allclose(world(node, cells), expected, rtol=0, atol=1e-9)
        nodes.remove_node(node)


def test_below_a_transform(volume, scene):
    matrix = np.eye(4)
    matrix[:3, :3] = [[0, -1, 0], [1, 0, 0], [0, 0, 1]]
    matrix[:3, 3] = (5, 6, 7)
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(nodes.to_vtk(matrix))
    volume.SetAndObserveTransformNodeID(transform.GetID())
    roi = Roi(120, 90, 20, (0.1, 0.2), 1)
    made = overlay.add_activation(volume, np.ones((8, 8)), crop_matrix(roi, 8))
    expected = radiographs.pixel_to_ras(volume, transform_points(crop_matrix(roi, 8), [(0, 0), (7, 2)]))
    np.testing.assert_allclose(world(made.rgba, [(0, 0), (7, 2)]), expected, atol=1e-9)
    centre = overlay.add_roi(volume, roi).GetCenterWorld()
    np.testing.assert_allclose(centre, radiographs.pixel_to_ras(volume, (120, 90)), atol=1e-5)


def shown(view, volume, made, opacity=1.0, margin=0.0):
    views.show(view.logic, volume, foreground=made.rgba, opacity=opacity)
    views.fit(view.logic, volume, margin=margin)
    return view.render()


@pytest.mark.parametrize("turns", range(4))
def test_one_hot_cell_on_the_picture(view, volume, turns):
    """On the rendered picture the hot cell is at the place the crop took it from."""
    roi = Roi(200, 150, 16, (0.1, 0.2), turns)
    activation = np.zeros((16, 16))
    activation[2, 12] = 1
    matrix = crop_matrix(roi, 16)
    made = overlay.add_activation(volume, activation, matrix)
    made.rgba.GetDisplayNode().SetInterpolate(False)
    picture = shown(view, volume, made)
    hot = np.argwhere(np.ptp(picture.astype(int), axis=2) > 30)
    expected = view.at(volume, *transform_points(matrix, (2, 12)))
    np.testing.assert_allclose(hot.mean(axis=0), expected, atol=1.0)
    cell_px = 600 / (300 * 0.2)  # view pixels per millimetre; one cell is a millimetre
    np.testing.assert_allclose(np.ptp(hot, axis=0) + 1, cell_px, atol=1.5)


def test_the_part_outside_the_image_is_not_drawn_and_the_rest_stays_in_place(view, volume):
    """A region over the left edge: the map ends with the image; the values beyond are kept."""
    roi = Roi(200, 0, 20, (0.1, 0.2), 0)
    made = overlay.add_activation(volume, np.ones((8, 8)), crop_matrix(roi, 8))
    views.show(view.logic, volume, foreground=made.rgba, opacity=1)
    views.fit(view.logic, volume, margin=0.2)
    hot = np.argwhere(np.ptp(view.render().astype(int), axis=2) > 30)
    low, high = view.at(volume, 100, -0.5), view.at(volume, 300, 50)
    np.testing.assert_allclose(hot.min(axis=0), low, atol=1.5)
    np.testing.assert_allclose(hot.max(axis=0), high, atol=1.5)


def test_nothing_below_the_cutoff_and_softer_above(view, volume):
    ramp = np.tile(np.linspace(0, 1, 200), (8, 1))
    made = overlay.add_activation(volume, np.repeat(ramp, 25, axis=0), crop_matrix(Roi(200, 150, 40, (0.1, 0.2)), 200))
    picture = shown(view, volume, made).astype(int)

    def at(share):
        y, x = view.at(volume, 200, 150 + (share - 0.5) * 200)
        return picture[y, x]

    assert at(0.1).tolist() == [GREY] * 3
    assert at(0.24).tolist() == [GREY] * 3
    strengths = [np.abs(at(share) - overlay.inferno()[round(share * 255)]).sum() for share in (0.3, 0.45, 0.6, 0.8)]
    assert strengths == sorted(strengths, reverse=True)
    assert strengths[-1] < 15, "opaque"
    overlay.style_activation(made, 0.5)
    picture = view.render().astype(int)
    assert at(0.45).tolist() == [GREY] * 3
    assert at(0.9).tolist() != [GREY] * 3


def test_the_values_stay_beside_the_colours(volume):
    activation = np.random.default_rng(0).random((32, 32)).astype(np.float32)
    made = overlay.add_activation(volume, activation, crop_matrix(Roi(200, 150, 40, (0.1, 0.2), 3), 32))
    np.testing.assert_array_equal(radiographs.pixels_of(made.values), activation)
    overlay.style_activation(made, 0.9)
    np.testing.assert_array_equal(radiographs.pixels_of(made.values), activation)
    assert overlay.cutoff_of(made) == 0.9


def test_a_new_cutoff_is_drawn_while_the_slider_moves(volume):
    made = overlay.add_activation(volume, np.random.default_rng(0).random((256, 256)), np.eye(3))
    times = []
    for cutoff in np.linspace(0, 1, 21):
        start = time.perf_counter()
        overlay.style_activation(made, float(cutoff))
        times.append(time.perf_counter() - start)
    print(f"a new cut-off on 256 x 256: {1000 * np.median(times):.2f} ms")
    assert np.median(times) < 0.1


@pytest.mark.parametrize("cutoff", [0.0, 0.25, 0.99, 1.0])
def test_any_cutoff(volume, cutoff):
    activation = np.array([[0, 0.25, 0.5], [0.99, 1, np.nan]])
    made = overlay.add_activation(volume, activation, np.eye(3), cutoff=cutoff)
    alpha = nodes.scalars_of(made.rgba.GetImageData())[:, 3].reshape(2, 3)
    assert (alpha[activation <= cutoff] <= 2).all()
    assert alpha[1, 2] == 0
    assert alpha[1, 1] == (255 if cutoff < 1 else 0)


def test_a_sheared_map_is_refused(volume):
    with pytest.raises(nodes.SceneError, match="askew"):
        overlay.add_activation(volume, np.ones((4, 4)), [[1, 1, 0], [0, 1, 0], [0, 0, 1]])
    with pytest.raises(nodes.SceneError, match="dimensions"):
        overlay.add_activation(volume, np.ones((4, 4, 3)), np.eye(3))


def test_inferno_is_matplotlibs():
    matplotlib = pytest.importorskip("matplotlib")
    expected = matplotlib.colormaps["inferno"](np.arange(256), bytes=True)[:, :3].astype(int)
    difference = np.abs(overlay.inferno().astype(int) - expected)
    print("largest difference", difference.max())
    assert difference.max() <= 3


def test_the_region_of_interest(view, volume):
    roi = Roi(200, 150, 20, (0.1, 0.2), 1)
    node = overlay.add_roi(volume, roi)
    assert node.GetLocked()
    views.show(view.logic, volume)
    views.fit(view.logic, volume)
    picture = view.render()
    blue = np.argwhere(np.ptp(picture.astype(int), axis=2) > 30)
    np.testing.assert_allclose(blue.min(axis=0), view.at(volume, 100, 100), atol=2)
    np.testing.assert_allclose(blue.max(axis=0), view.at(volume, 300, 200), atol=2)
    inside = picture[view.at(volume, 200, 150)]
    assert inside.tolist() == [GREY] * 3, "no fill, no handle"


def test_the_legend():
    image = overlay.legend_image(300, 48, 0.25)
    assert image.shape == (48, 300, 4)
    assert image.dtype == np.uint8
    bar = image[5]
    assert bar[200:280, 3].tolist() == [255] * 80
    assert np.ptp(bar[20:70, :3].astype(int), axis=1).max() == 0, "nothing is shown below the cut-off: grey"
    np.testing.assert_allclose(bar[285, :3], overlay.inferno()[-8], atol=12)
    assert (image[30:, :, 3] > 100).sum() > 100, "words below the bar"
    for width, height in ((40, 10), (2, 2), (1000, 20), (200, 100)):
        assert overlay.legend_image(width, height, 0.5).shape == (height, width, 4)


def test_saved_and_opened_again(volume, reopen):
    activation = np.random.default_rng(0).random((32, 48)).astype(np.float32)
    matrix = crop_matrix(Roi(20, 250, 20, (0.1, 0.2), 3), 32) @ mirror_matrix(48)
    made = overlay.add_activation(volume, activation, matrix, cutoff=0.4)
    colours = nodes.scalars_of(made.rgba.GetImageData()).copy()
    places = world(made.rgba, [(0, 0), (31, 47)])
    reopen()
    volume = radiographs.find_radiograph("1.2.3")
    (made,) = overlay.activation_on(volume)
    np.testing.assert_array_equal(radiographs.pixels_of(made.values), activation)
    np.testing.assert_array_equal(nodes.scalars_of(made.rgba.GetImageData()), colours)
    np.testing.assert_allclose(world(made.rgba, [(0, 0), (31, 47)]), places, atol=1e-6)
    assert overlay.cutoff_of(made) == 0.4
    overlay.style_activation(made, 0.1)


def test_shown_after_it_was_opened_again(view, volume, reopen):
    made = overlay.add_activation(volume, np.ones((8, 8)), crop_matrix(Roi(200, 150, 20, (0.1, 0.2)), 8))
    before = shown(view, volume, made, margin=0.111)
    reopen()
    volume = radiographs.find_radiograph("1.2.3")
    (made,) = overlay.activation_on(volume)
    np.testing.assert_array_equal(shown(view, volume, made, margin=0.111), before)
