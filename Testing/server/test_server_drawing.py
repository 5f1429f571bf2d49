"""The small overlay shows everything where the large one does."""

import numpy as np
import pytest

from fractureai.inference import Pipeline, activation_on_image
from fractureai.inference.overlay import render_overlay
from fractureai.radiograph import read_radiograph
from fractureai.server.drawing import reduced


@pytest.mark.parametrize("which", [0, 1])
def test_a_reduced_radiograph_shows_the_same(study, which):
    radiograph = read_radiograph(study[which])
    prediction = Pipeline.load("demo").read(radiograph)
    (view,) = prediction.views
    small, placed = reduced(radiograph, view, 300)
    assert max(small.shape) == 300
    step = np.array(radiograph.shape) / small.shape
    corners = (np.array(view.roi.corners()) + 0.5) / step - 0.5
    np.testing.assert_allclose(placed.roi.corners(), corners, atol=1e-6)
    for name, point in view.landmarks.items():
        np.testing.assert_allclose(placed.landmarks[name], (np.array(point) + 0.5) / step - 0.5)
    assert np.prod(placed.spacing_mm) == pytest.approx(np.prod(view.spacing_mm) * np.prod(step))
    heat = activation_on_image(placed, small.shape)
    full = activation_on_image(view, radiograph.shape)
    for row, col in np.argwhere(heat > 0.9)[::50]:
        at = ((np.array([row, col]) + 0.5) * step - 0.5).round().astype(int)
        assert full[tuple(at)] == pytest.approx(heat[row, col], abs=0.1)
    large = render_overlay(radiograph, view, prediction, panel_px=300)
    drawn = render_overlay(small, placed, prediction, panel_px=300)
    assert drawn.shape == large.shape
    assert np.abs(drawn.astype(int) - large).mean() < 4


def test_a_small_radiograph_stays(study):
    radiograph = read_radiograph(study[0])
    (view,) = Pipeline.load("demo").read(radiograph).views
    assert reduced(radiograph, view) == (radiograph, view)
