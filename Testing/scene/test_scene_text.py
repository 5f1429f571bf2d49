"""Text on the view: in its corners at every size, readable over black and white, clear of Slicer's own."""

from __future__ import annotations

import numpy as np
import pytest
import vtk

from fractureai.scene import radiograph as radiographs
from fractureai.scene import text, views

NOTICE = "wrist-demo-2026\nsimulated-data model - not for clinical use"


def show(view, radiograph, value, **changes):
    pixels = np.full((400, 400), value, np.float32)
    volume = radiographs.add_radiograph(radiograph(pixels, **({"spacing_mm": (0.1, 0.1)} | changes)))
    volume.GetDisplayNode().SetWindowLevel(255, 127.5)
    views.show(view.logic, volume)
    views.fit(view.logic, volume)
    return volume


def filled(view, volume):
    words = text.ViewText(view.window)
    words.set(top_left="PA  left", top_right="W-0041", bottom_left=NOTICE, alarm="header says LAT")
    words.set_scale(volume, view.node)
    return words


def changed(view, words):
    """Where the picture differs from the one without text."""
    with_text = view.render().astype(int)
    words.set_visible(False)
    without = view.render().astype(int)
    words.set_visible(True)
    return np.abs(with_text - without).sum(axis=2) > 40


def boxes(mask):
    """Extent (top, left, bottom, right) in each quadrant of the picture."""
    height, width = mask.shape
    result = {}
    for name, rows, columns in (
        ("top_left", slice(0, height // 2), slice(0, int(width * 0.75))),
        ("bottom_left", slice(height // 2, height), slice(0, int(width * 0.68))),
        ("bottom_right", slice(height // 2, height), slice(int(width * 0.75), width)),
        ("top_right", slice(0, height // 2), slice(int(width * 0.75), width)),
    ):
        where = np.argwhere(mask[rows, columns]) + np.array([rows.start, columns.start])
        result[name] = (*where.min(axis=0), *where.max(axis=0))
    return result


@pytest.mark.parametrize("size", [(600, 600), (1600, 1100), (420, 700), (1280, 900)])
@pytest.mark.parametrize("value", [0, 255, 128])
def test_in_the_corners_at_every_size(view, radiograph, size, value):
    view.resize(*size)
    volume = show(view, radiograph, value)
    mask = changed(view, filled(view, volume))
    width, height = size
    found = boxes(mask)
    assert max(found["top_left"][:2]) < 25
    assert found["bottom_left"][2] > height - 25
    assert found["bottom_left"][1] < 25
    assert found["bottom_right"][2] > height - 30
    assert found["bottom_right"][3] > width - 25
    assert not mask[0].any()
    assert not mask[:, -1].any()
    assert not mask[-1].any(), "nothing is cut off"
    assert not mask[height // 3 : height // 2].any(), "the image is free"


@pytest.mark.parametrize("value", [0, 128, 255])
def test_letters_stand_out(view, radiograph, value):
    """WCAG contrast of at least 4.5 between letters and what is behind them, over any pixels."""

    def luminance(colour):
        parts = np.asarray(colour) / 255
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return float(linear @ (0.2126, 0.7152, 0.0722))

    volume = show(view, radiograph, value)
    words = text.ViewText(view.window)
    for options, corner in (
        ({"top_left": "PA  left"}, (slice(0, 40), slice(0, 90))),
        ({"top_left": "", "alarm": "header says LAT"}, (slice(0, 40), slice(0, 130))),
    ):
        words.set(**options)
        words.set_scale(volume, view.node)
        rows, columns = np.nonzero(changed(view, words)[corner])
        area = view.render()[corner][rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        shades = np.array([luminance(pixel) for pixel in area.reshape(-1, 3)])
        ground = np.median(shades)
        letters = np.percentile(shades, 99)
        assert (letters + 0.05) / (ground + 0.05) >= 4.5


def test_the_alarm_is_vermilion(view, radiograph):
    words = filled(view, show(view, radiograph, 200))
    picture = view.render().astype(int)
    vermilion = np.abs(picture - (0xD5, 0x5E, 0x00)).sum(axis=2) < 30
    assert vermilion.sum() > 60
    words.set(alarm="")
    picture = view.render().astype(int)
    assert not (np.abs(picture - (0xD5, 0x5E, 0x00)).sum(axis=2) < 30).any()


def bar_length(view):
    """Length in view pixels of the longest white horizontal run at the bottom right."""
    area = view.render()[view.size[1] * 2 // 3 :, view.size[0] // 2 :].min(axis=2) > 250
    runs = [max((len(run) for run in "".join("x" if lit else " " for lit in row).split()), default=0) for row in area]
    return max(runs)


@pytest.mark.parametrize("zoomed", [1, 3, 8])
def test_the_bar_is_as_long_as_it_says(view, radiograph, zoomed):
    volume = show(view, radiograph, 0)
    words = text.ViewText(view.window)
    words.set_scale(volume, view.node)
    views.zoom(view.logic, zoomed)
    length_px = bar_length(view)
    millimetres = float(words.text("scale").removesuffix(" mm"))
    assert length_px == pytest.approx(millimetres * 600 / 40 * zoomed, abs=3)
    assert 30 < length_px <= 0.25 * 600 + 3


def test_no_bar_without_spacing(view, radiograph):
    volume = show(view, radiograph, 0, spacing_mm=None)
    words = text.ViewText(view.window)
    words.set_scale(volume, view.node)
    view.render()
    assert words.text("scale") == "no spacing"
    assert bar_length(view) < 20
    words.set_scale(None)
    assert words.text("scale") == ""


def test_it_makes_room_for_slicers_corner_annotation(view, radiograph):
    volume = show(view, radiograph, 0)
    words = filled(view, volume)
    alone = boxes(changed(view, words))["bottom_left"]
    slicers = vtk.vtkCornerAnnotation()
    slicers.SetMaximumFontSize(14)
    slicers.SetMinimumFontSize(14)
    slicers.SetNonlinearFontScaleFactor(1)
    slicers.SetText(0, "F: Activation PA (45%)\nB: PA left")
    overlay = vtk.vtkRenderer()
    overlay.SetLayer(1)
    view.window.SetNumberOfLayers(2)
    view.window.AddRenderer(overlay)
    overlay.AddViewProp(slicers)
    words.set_visible(False)
    own = view.render()
    words.set_visible(True)
    theirs = np.argwhere(own[400:, :300].min(axis=2) > 100)
    moved = boxes(changed(view, words))["bottom_left"]
    assert moved[2] < alone[2] - 20
    assert moved[2] <= theirs[:, 0].min() + 400, "ours ends above Slicer's"


def test_removed_without_a_trace(view, radiograph):
    volume = show(view, radiograph, 90)
    before, props = view.render(), view.renderer.GetViewProps().GetNumberOfItems()
    words = filled(view, volume)
    assert (view.render() != before).any()
    words.remove()
    words.remove()
    assert (view.render() == before).all()
    assert view.renderer.GetViewProps().GetNumberOfItems() == props


def test_only_what_is_given_changes(view, radiograph):
    words = text.ViewText(view.window)
    words.set(top_left="PA", bottom_left="model")
    words.set(top_left="LAT")
    assert (words.text("top_left"), words.text("bottom_left")) == ("LAT", "model")
    words.set(bottom_left="")
    assert words.text("bottom_left") == ""


def test_on_a_screen_of_double_density(view, radiograph):
    """Slicer tells the density by the window's DPI: the letters get twice as many pixels."""
    volume = show(view, radiograph, 0)
    words = filled(view, volume)

    def letter_height():
        found = boxes(changed(view, words))["top_right"]
        return found[2] - found[0]

    view.resize(700, 700)
    small = letter_height()
    view.window.SetDPI(144)
    view.resize(1400, 1400)
    assert letter_height() == pytest.approx(2 * small, rel=0.15)
