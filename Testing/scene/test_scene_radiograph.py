"""A radiograph in the scene: exact pixels, exact places, the header's window, its study."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
import vtk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fractureai import geometry
from fractureai.radiograph import VoiLut, VoiWindow
from fractureai.radiograph.display import apply_voi_lut, apply_window
from fractureai.scene import landmarks, nodes
from fractureai.scene import radiograph as radiographs
from fractureai.sites import load_site

EASY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
spacings = st.floats(0.01, 5)
numbers = st.floats(-3000, 3000)
points = st.lists(st.tuples(numbers, numbers), min_size=1, max_size=5)


def transform_node(scene, matrix):
    node = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    node.SetMatrixTransformToParent(nodes.to_vtk(matrix))
    return node


@EASY
@given(points=points, row_mm=spacings, col_mm=spacings)
def test_pixels_and_ras_agree_with_the_geometry(scene, radiograph, points, row_mm, col_mm):
    volume = radiographs.add_radiograph(radiograph(spacing_mm=(row_mm, col_mm)))
    ras = radiographs.pixel_to_ras(volume, points)
    np.testing.assert_allclose(ras, geometry.pixel_to_ras(points, (row_mm, col_mm)), rtol=0, atol=1e-9)
    np.testing.assert_allclose(radiographs.ras_to_pixel(volume, ras), points, rtol=0, atol=1e-9)
    radiographs.remove_radiograph(volume)


@EASY
@given(
    points=points,
    row_mm=spacings,
    col_mm=spacings,
    angles=st.tuples(numbers, numbers, numbers),
    shift=st.tuples(*[numbers] * 3),
)
def test_a_parent_transform_moves_world_points_and_they_come_back(
    scene, radiograph, points, row_mm, col_mm, angles, shift
):
    volume = radiographs.add_radiograph(radiograph(spacing_mm=(row_mm, col_mm)))
    outer, inner = vtk.vtkTransform(), vtk.vtkTransform()
    outer.Translate(*(value / 10 for value in shift))
    outer.RotateZ(angles[0])
    inner.RotateX(angles[1])
    inner.RotateY(angles[2])
    parent = transform_node(scene, nodes.to_array(outer.GetMatrix()))
    child = transform_node(scene, nodes.to_array(inner.GetMatrix()))
    child.SetAndObserveTransformNodeID(parent.GetID())
    volume.SetAndObserveTransformNodeID(child.GetID())
    ras = radiographs.pixel_to_ras(volume, points)
    local = geometry.pixel_to_ras(points, (row_mm, col_mm))
    both = vtk.vtkTransform()
    both.Concatenate(outer.GetMatrix())
    both.Concatenate(inner.GetMatrix())
    np.testing.assert_allclose(ras, [both.TransformPoint(*point) for point in local], rtol=0, atol=1e-8)
    np.testing.assert_allclose(radiographs.ras_to_pixel(volume, ras), points, rtol=0, atol=1e-9)
    radiographs.remove_radiograph(volume)


def test_shapes_of_points_are_kept(scene, radiograph):
    volume = radiographs.add_radiograph(radiograph())
    assert radiographs.pixel_to_ras(volume, (1, 2)).shape == (3,)
    assert radiographs.pixel_to_ras(volume, np.zeros((4, 5, 2))).shape == (4, 5, 3)
    assert radiographs.ras_to_pixel(volume, np.zeros((4, 5, 3))).shape == (4, 5, 2)
    assert radiographs.pixel_to_ras(volume, np.zeros((0, 2))).shape == (0, 3)


def test_a_transform_that_bends_is_refused(scene, radiograph):
    volume = radiographs.add_radiograph(radiograph())
    grid = scene.AddNewNodeByClass("vtkMRMLBSplineTransformNode")
    grid.SetAndObserveTransformToParent(vtk.vtkThinPlateSplineTransform())
    volume.SetAndObserveTransformNodeID(grid.GetID())
    with pytest.raises(nodes.SceneError, match="bends"):
        radiographs.pixel_to_ras(volume, (0, 0))


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([0, 1, 255], np.uint8),
        ([0, 256, 4095], np.int16),
        ([-1024, 0, 3071], np.int16),
        ([0, 1, 65535], np.uint16),
        ([-1, 0, 40000], np.float32),
        ([0, 0.5, 1], np.float32),
        ([0, 1, 70000], np.float32),
        ([0, np.nan, 1], np.float32),
        ([0, np.inf, 1], np.float32),
    ],
)
@pytest.mark.parametrize("repeats", [1, 40_000])
def test_the_smallest_type_that_is_exact(scene, radiograph, values, kind, repeats):
    """The decisive value stands at the end of a large image as well, where no sample meets it."""
    pixels = np.tile(np.float32([[values[0]] * repeats + values]), (3, 1))
    volume = radiographs.add_radiograph(radiograph(pixels, windows=(VoiWindow(1, 2),)))
    held = radiographs.pixels_of(volume)
    assert held.dtype == kind
    np.testing.assert_array_equal(held, pixels)


@EASY
@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    low=st.integers(-40000, 70000),
    width=st.integers(0, 70000),
    part=st.sampled_from([1.0, 0.5, 0.1]),
)
def test_voxels_are_the_pixels(scene, radiograph, seed, shape, low, width, part):
    pixels = (np.random.default_rng(seed).integers(low, low + width + 1, shape) * part).astype(np.float32)
    volume = radiographs.add_radiograph(radiograph(pixels))
    np.testing.assert_array_equal(radiographs.pixels_of(volume), pixels)
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(volume)[0], pixels)
    radiographs.remove_radiograph(volume)


def test_the_voxels_are_a_copy(scene, radiograph):
    read = radiograph()
    volume = radiographs.add_radiograph(read)
    radiographs.pixels_of(volume)[0, 0] = 99
    assert read.pixels[0, 0] == 0


def test_what_the_node_says(scene, radiograph):
    volume = radiographs.add_radiograph(radiograph())
    assert volume.GetName() == "PA left"
    assert {
        name: volume.GetAttribute(f"FractureAI.{name}") for name in ("SOPInstanceUID", "View", "Side", "Spacing")
    } == {
        "SOPInstanceUID": "1.2.3",
        "View": "PA",
        "Side": "L",
        "Spacing": "ImagerPixelSpacing",
    }
    np.testing.assert_array_equal(nodes.local_matrix(volume), np.diag([-0.1, -0.2, 1, 1]))
    assert radiographs.spacing_of(volume) == (0.2, 0.1)
    assert radiographs.find_radiograph("1.2.3") is volume
    assert radiographs.find_radiograph("1.2.4") is None


def test_nothing_of_the_patient_is_in_the_scene(scene, radiograph):
    radiographs.add_radiograph(radiograph(patient_id="SECRET-77", patient_age_years=93.5))
    scene.SetSaveToXMLString(1)
    scene.Commit()
    assert "SECRET" not in scene.GetSceneXMLString()
    assert "93.5" not in scene.GetSceneXMLString()


def test_without_spacing(scene, radiograph):
    volume = radiographs.add_radiograph(
        radiograph(spacing_mm=None, spacing_source="none", view="unknown", side="unknown")
    )
    assert radiographs.spacing_of(volume) is None
    assert volume.GetSpacing() == (1, 1, 1)
    assert volume.GetName() == "Radiograph"


def shown(pixels, window):
    """What Slicer maps pixels to."""
    low, high = window.center - window.width / 2, window.center + window.width / 2
    return np.clip((pixels - low) / (high - low), 0, 1)


@EASY
@given(center=st.floats(-2000, 5000), width=st.floats(1, 9000), function=st.sampled_from(["LINEAR", "LINEAR_EXACT"]))
def test_a_linear_window_is_exact(center, width, function):
    window = VoiWindow(center, width, "", function)
    pixels = np.linspace(center - 2 * width, center + 2 * width, 801)
    pixels = pixels[np.abs(pixels - center + 0.5) > 0.02]  # at a width of 1 the window is a step
    mapped = shown(pixels, radiographs.display_window(window))
    np.testing.assert_allclose(mapped, apply_window(pixels, window), atol=2e-3)


def test_a_sigmoid_is_shown_nearly(scene):
    window = VoiWindow(2000, 1000, "chest", "SIGMOID")
    pixels = np.arange(-1000, 6000.0)
    linear = radiographs.display_window(window)
    assert linear.explanation == "chest (nearest linear)"
    assert np.abs(shown(pixels, linear) - apply_window(pixels, window)).max() < 0.07


@pytest.mark.parametrize("step", [1, -1])
@pytest.mark.parametrize("ends", [(0.0, 1.0), (0.1, 0.9)])
def test_a_voi_lut_is_shown_nearly(step, ends):
    curve = np.float32(np.interp(np.arange(4096), [0, 1000, 3000, 4095], [*ends[:1], *ends, *ends[1:]]))
    lut = VoiLut(0 if step > 0 else 4095, step, curve[::step].copy(), "wrist")
    pixels = np.arange(4096.0)
    linear = radiographs.display_window(lut)
    assert linear.explanation == "wrist (nearest linear)"
    stretched = (apply_voi_lut(pixels, lut) - ends[0]) / (ends[1] - ends[0])
    assert np.abs(shown(pixels, linear) - stretched).max() < 0.01


def test_the_window_of_the_header_comes_first(scene, radiograph):
    lut = VoiLut(0, 1, np.linspace(0, 1, 900, dtype=np.float32), "table")
    two = (VoiWindow(400, 200, "bone"), VoiWindow(300, 800, "soft"))
    with_lut = radiographs.add_radiograph(radiograph(voi_luts=(lut,), windows=two))
    assert [w.explanation for w in radiographs.windows_of(with_lut)] == ["table (nearest linear)", "bone", "soft"]
    volume = radiographs.add_radiograph(radiograph(windows=two))
    assert radiographs.window_of(volume) == VoiWindow(399.5, 199, "", "LINEAR_EXACT")
    assert volume.GetDisplayNode().GetNumberOfWindowLevelPresets() == 2
    radiographs.apply_window(volume, radiographs.windows_of(volume)[1])
    assert radiographs.window_of(volume).width == 799


def test_the_default_window_leaves_padding_out(scene, radiograph):
    pixels = np.tile(np.arange(1000, 2000, dtype=np.float32), (10, 1))
    pixels[:, :300] = -1
    volume = radiographs.add_radiograph(radiograph(pixels, padding_range=(-1, -1)))
    window = radiographs.window_of(volume)
    assert window.center - window.width / 2 > 1300
    assert radiographs.windows_of(volume) == ()
    again = radiographs.whole_window(volume)
    assert (again.center, again.width) == (window.center, window.width)


def test_no_histogram_takes_the_window_away(view, radiograph):
    """Slicer's automatic window is off from the start."""
    volume = radiographs.add_radiograph(radiograph(windows=(VoiWindow(10, 20, "", "LINEAR_EXACT"),)))
    view.render()
    assert not volume.GetDisplayNode().GetAutoWindowLevel()
    assert radiographs.window_of(volume).width == 20


def test_the_study_is_found_and_shared(scene, radiograph):
    item = radiographs.add_study("1.2", "Wrist 2014", patient="W-0041")
    first = radiographs.add_radiograph(radiograph())
    second = radiographs.add_radiograph(radiograph(sop_instance_uid="1.2.4", view="LAT"))
    other = radiographs.add_radiograph(radiograph(sop_instance_uid="9", study_instance_uid="8"))
    alone = radiographs.add_radiograph(radiograph(sop_instance_uid="7", study_instance_uid=""))
    tree = nodes.hierarchy()
    assert radiographs.find_study_item("1.2") == item == radiographs.add_study("1.2", "again")
    assert radiographs.study_item_of(first) == radiographs.study_item_of(second) == item
    assert tree.GetItemName(radiographs.study_item_of(other)) == "Study 2014-03-02"
    assert radiographs.study_item_of(alone) == tree.GetSceneItemID()
    assert tree.GetItemName(tree.GetItemParent(item)) == "W-0041"
    assert tree.GetItemLevel(tree.GetItemParent(item)) == "Patient"
    assert radiographs.find_study_item("") is None


def test_two_studies_of_a_patient_stand_below_one_item(scene):
    first = radiographs.add_study("1", "a", patient="W-1")
    second = radiographs.add_study("2", "b", patient="W-1")
    tree = nodes.hierarchy()
    assert tree.GetItemParent(first) == tree.GetItemParent(second)
    radiographs.remove_study(first)
    assert tree.GetItemName(tree.GetItemParent(second)) == "W-1"


def test_removing_a_radiograph_takes_all_that_lies_on_it(scene, radiograph):
    radiographs.add_study("1.2", "Study")
    other = radiographs.add_radiograph(radiograph(sop_instance_uid="5"))
    before = scene.GetNumberOfNodes()
    volume = radiographs.add_radiograph(radiograph())
    landmarks.add_landmarks(volume, load_site("wrist").view("PA"), {"distal_ulna": (1, 2)})
    assert scene.GetNumberOfNodes() > before
    radiographs.remove_radiograph(volume)
    assert scene.GetNumberOfNodes() == before
    assert radiographs.find_radiograph("5") is other
    assert nodes.hierarchy().GetNumberOfItemChildren(radiographs.find_study_item("1.2")) == 1


def test_a_study_goes_with_its_last_radiograph(scene, radiograph):
    """Who marks two hundred cases does not leave two hundred empty studies."""
    tree = nodes.hierarchy()
    radiographs.add_study("1.2", "Study", patient="W-0041")
    first = radiographs.add_radiograph(radiograph())
    second = radiographs.add_radiograph(radiograph(sop_instance_uid="1.2.4"))
    radiographs.remove_radiograph(first)
    assert radiographs.find_study_item("1.2") is not None
    item = radiographs.find_study_item("1.2")
    radiographs.remove_radiograph(second)
    assert radiographs.find_study_item("1.2") is None
    assert tree.GetNumberOfItems() == 0
    radiographs.remove_study(item)


@pytest.mark.parametrize("values", [[0, 255], [-5, 32767], [0, 65535], [-1.5, 1e6]])
def test_every_type_survives_saving(scene, radiograph, reopen, values):
    pixels = np.random.default_rng(0).choice(np.linspace(*values, 50).round(), (30, 20)).astype(np.float32)
    pixels[0, :2] = values
    volume = radiographs.add_radiograph(radiograph(pixels, spacing_mm=(0.143, 0.139)))
    kind = radiographs.pixels_of(volume).dtype
    place = radiographs.pixel_to_ras(volume, (29, 19))
    reopen()
    volume = radiographs.find_radiograph("1.2.3")
    assert radiographs.pixels_of(volume).dtype == kind
    np.testing.assert_array_equal(radiographs.pixels_of(volume), pixels)
    np.testing.assert_allclose(radiographs.pixel_to_ras(volume, (29, 19)), place, rtol=0, atol=1e-9)
    assert radiographs.spacing_of(volume) == pytest.approx((0.143, 0.139), abs=1e-12)
