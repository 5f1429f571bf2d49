import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.pixels import apply_voi_lut, apply_windowing

from fractureai.radiograph import VoiWindow, read_radiograph
from fractureai.radiograph.display import apply_window, default_window, display_image


@settings(max_examples=60, deadline=None)
@given(st.floats(-500, 5000), st.floats(1.5, 6000), st.sampled_from(["LINEAR", "LINEAR_EXACT", "SIGMOID"]))
def test_windows_agree_with_pydicom(make_dataset_once, center, width, function):
    dataset = make_dataset_once
    dataset.WindowCenter, dataset.WindowWidth, dataset.VOILUTFunction = round(center, 3), round(width, 3), function
    window = VoiWindow(float(dataset.WindowCenter), float(dataset.WindowWidth), "", function)
    stored = dataset.pixel_array
    expected = apply_windowing(stored, dataset) / (2**dataset.BitsStored - 1)
    np.testing.assert_allclose(apply_window(stored.astype(np.float32), window), expected, atol=2e-3)


@pytest.fixture(scope="module")
def make_dataset_once(forge):
    return forge.dataset(forge.ramp(20, 30, 4095), bits=12)


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_monochrome1_is_shown_as_its_negative_with_the_same_window(make_dicom, forge, function):
    options = {"bits": 12, "WindowCenter": 1500, "WindowWidth": 700, "VOILUTFunction": function}
    dark = display_image(read_radiograph(make_dicom(forge.ramp(), photometric="MONOCHROME1", **options)))
    bright = display_image(read_radiograph(make_dicom(forge.ramp(), **options)))
    assert np.abs(dark.astype(int) - (255 - bright.astype(int))).max() <= 1


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_voi_lut_agrees_with_pydicom(make_dicom, forge, photometric):
    table = (np.linspace(0, 1, 4000) ** 2 * 4095).astype(int)
    lut = forge.item(LUTDescriptor=[4000, 50, 12], LUTData=list(table))
    path = make_dicom(forge.ramp(), bits=12, photometric=photometric, VOILUTSequence=lut)
    dataset = dcmread(path)
    expected = apply_voi_lut(dataset.pixel_array, dataset)
    if photometric == "MONOCHROME1":
        expected = 4095 - expected
    np.testing.assert_allclose(display_image(read_radiograph(path)), expected / 4095 * 255, atol=1)


def test_default_window_leaves_padding_out(make_dicom, forge):
    pixels = forge.ramp(40, 50, 1000) + 2000
    pixels[:20] = 0
    path = make_dicom(pixels, bits=12, PixelPaddingValue=0)
    window = default_window(read_radiograph(path))
    assert window.center - window.width / 2 > 2400
    image = display_image(read_radiograph(path))
    assert image.dtype == np.uint8
    assert image[:20].max() == 0
    assert image.max() == 255
    flat = make_dicom(np.zeros((5, 5), np.uint16), PixelPaddingValue=0)
    assert display_image(read_radiograph(flat)).shape == (5, 5)
