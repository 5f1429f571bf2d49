"""Where a map's maximum and its mass lie against marked regions."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fractureai.dataset import Region
from fractureai.errors import EvaluationError
from fractureai.evaluation import activation_peak, inside_regions
from fractureai.evaluation.localisation import distance_mm, map_peak, outline_in_roi, region_mask
from fractureai.geometry import Roi, crop_roi
from fractureai.inference.prediction import ViewPrediction

SPACING = (0.5, 0.25)
BOX = Region("fracture", ((100.0, 200.0), (140.0, 260.0)))
TRIANGLE = Region("fracture", ((100.0, 200.0), (140.0, 200.0), (140.0, 280.0)), "polygon")
LINE = Region("fracture", ((100.0, 200.0), (140.0, 280.0)), "curve")


def test_a_peak_is_inside_up_to_the_margin_in_millimetres() -> None:
    other = Region("fracture", ((390.0, 390.0), (410.0, 410.0)))
    points = [(120, 230), (90, 230), (89.9, 230), (120, 280), (120, 280.1), (400, 400)]
    regions = [[BOX]] * 5 + [[BOX, other]]
    inside = inside_regions(points, regions, [SPACING] * 6)  # 5 mm = 10 rows = 20 columns
    assert inside.tolist() == [True, True, False, True, False, True]
    assert inside_regions(points, regions, [SPACING] * 6, 0).tolist() == [True, False, False, False, False, True]
    with pytest.raises(EvaluationError):
        inside_regions([(0, 0)], [[]], [(1, 1)])


def test_distance_goes_round_corners_and_follows_slanting_edges() -> None:
    # 4 mm above and 3 mm left of the box's corner; 2 mm below it.
    np.testing.assert_allclose(distance_mm([(92, 188), (144, 230), (100, 200)], BOX, SPACING), [5, 2, 0])
    # The triangle's slanting edge runs from (50, 50) to (70, 70) mm; (50, 70) mm lies beyond it.
    np.testing.assert_allclose(distance_mm([(100, 280), (139, 201)], TRIANGLE, SPACING), [math.hypot(10, 10), 0])
    np.testing.assert_allclose(distance_mm([(100, 280), (140, 200)], LINE, SPACING), [math.hypot(10, 10)] * 2)
    assert np.isnan(distance_mm([(math.nan, math.nan)], BOX, SPACING)).all()
    assert not inside_regions([(math.nan, math.nan)], [[BOX]], [SPACING]).any()


@settings(max_examples=30, deadline=None)
@given(
    turns=st.integers(0, 3),
    place=st.tuples(st.floats(60, 140), st.floats(60, 140)),
    size=st.tuples(st.floats(10, 30), st.floats(10, 30)),
    spacing=st.tuples(st.floats(0.4, 1.1), st.floats(0.4, 1.1)),
)
def test_a_mask_is_the_region_seen_through_the_crop(turns, place, size, spacing) -> None:
    """Also on a turned crop and with unequal spacing: the same as cropping a picture of the region."""
    roi = Roi(*place, 50.0, spacing, turns)
    middle = (place[0] + 5, place[1] - 4)
    box = Region("fracture", (middle, (middle[0] + size[0], middle[1] + size[1])))
    rows, cols = np.indices((220, 220))
    low, high = np.array(box.points)
    picture = ((rows >= low[0]) & (rows <= high[0]) & (cols >= low[1]) & (cols <= high[1])).astype(np.float32)
    mask = region_mask([box], roi, 96)
    seen = crop_roi(picture, roi, 96)
    perimeter = 2 * (size[0] * spacing[0] + size[1] * spacing[1]) / (50 / 96)  # in pixels of the mask
    assert np.sum(mask.inside != (seen > 0.5)) <= 1.5 * perimeter
    assert (mask.near | ~mask.inside).all()
    corner = outline_in_roi(box, roi, 96)
    assert len(corner) == 5
    inside = np.argwhere(mask.inside)
    if len(inside) and (corner >= 0).all() and (corner <= 95).all():
        np.testing.assert_allclose(inside.min(axis=0), np.ceil(corner.min(axis=0) - 1e-9), atol=1)
        np.testing.assert_allclose(inside.max(axis=0), np.floor(corner.max(axis=0) + 1e-9), atol=1)


def test_the_margin_of_a_mask_is_in_millimetres() -> None:
    roi = Roi(100, 100, 50.0, (0.5, 0.5))
    mask = region_mask([Region("fracture", ((100.0, 100.0), (100.0, 100.0)))], roi, 500)
    assert mask.inside.sum() >= 1  # thinner than a pixel
    assert mask.near.sum() * 0.1**2 == pytest.approx(math.pi * 5**2, rel=0.01)
    assert not region_mask([Region("fracture", ((0.0, 0.0), (9.0, 9.0)))], roi, 50).near.any()  # beyond the crop


def test_a_curve_holds_the_pixels_it_runs_through() -> None:
    roi = Roi(100, 100, 50.0, (0.5, 0.5))
    mask = region_mask([Region("fracture", ((60.0, 100.0), (140.0, 100.0)), "curve")], roi, 100)
    assert 80 <= mask.inside.sum() <= 170
    assert set(np.argwhere(mask.inside)[:, 1]) <= {49, 50}


def test_peak_is_placed_on_the_radiograph(tmp_path) -> None:
    activation = np.zeros((4, 4), dtype=np.float32)
    activation[1, 2] = 1
    roi = Roi(row=50, col=60, side_mm=8, spacing_mm=(0.5, 0.25))  # 16 rows, 32 columns
    view = ViewPrediction(
        tmp_path / "a.dcm", "1.2", "PA", "L", 0.9, np.array([0.9]), 0.5, {}, roi, activation, (0.5, 0.25),
        "ImagerPixelSpacing", np.zeros((1, 2), np.float32), (100, 100),
    )  # fmt: skip
    assert activation_peak(view) == pytest.approx((50 - 2, 60 + 4))
    assert np.isnan(activation_peak(replace(view, activation_map=0 * activation))).all()


def test_a_shared_maximum_is_their_middle_and_no_maximum_is_nowhere() -> None:
    heat = np.zeros((5, 5))
    heat[1, 1] = heat[1, 3] = 2
    assert map_peak(heat) == (1, 2)
    assert np.isnan(map_peak(heat - 2)).all()
