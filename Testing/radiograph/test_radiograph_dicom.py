import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.pixels import apply_modality_lut
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from fractureai.errors import RadiographError
from fractureai.radiograph import read_header, read_radiograph

quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def stored_range(bits, signed):
    return (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)


@quick
@given(
    allocated=st.sampled_from([8, 16, 32]),
    data=st.data(),
    signed=st.booleans(),
    inverted=st.booleans(),
    slope=st.sampled_from([1.0, 0.5, 2.0, -1.0, 4.25]),
    intercept=st.sampled_from([0.0, -1024.0, 7.5]),
    implicit=st.booleans(),
)
def test_any_depth_sign_polarity_and_rescale(
    tmp_path, forge, allocated, data, signed, inverted, slope, intercept, implicit
):
    bits = data.draw(st.integers(2, min(allocated, 20)))
    high = data.draw(st.integers(bits - 1, allocated - 1))
    low_value, high_value = stored_range(bits, signed)
    values = np.array(data.draw(st.lists(st.integers(low_value, high_value), min_size=6, max_size=6))).reshape(2, 3)
    rubbish = np.random.default_rng(0).integers(0, 1 << allocated, values.shape)  # an overlay around the value
    mask = ((1 << bits) - 1) << (high + 1 - bits)
    cells = (values << (high + 1 - bits)) & mask | rubbish & ~mask
    pixels = (cells & ((1 << allocated) - 1)).astype(f"u{allocated // 8}")
    dataset = forge.dataset(
        pixels,
        bits=bits,
        signed=signed,
        photometric="MONOCHROME1" if inverted else "MONOCHROME2",
        HighBit=high,
        RescaleSlope=slope,
        RescaleIntercept=intercept,
        syntax=ImplicitVRLittleEndian if implicit else UID("1.2.840.10008.1.2.1"),
    )
    path = forge.write(tmp_path / "any.dcm", dataset)
    stored = low_value + high_value - values if inverted else values  # inverted over the stored range, then rescaled
    radiograph = read_radiograph(path)
    assert radiograph.pixels.dtype == np.float32
    np.testing.assert_allclose(radiograph.pixels, stored * slope + intercept, rtol=1e-6, atol=1e-3)


def test_modality_lut_is_applied_and_then_mirrored(make_dicom, forge):
    table = [5, 10, 20, 40, 80, 160, 320, 640]
    pixels = np.array([[0, 1, 2, 3], [4, 5, 6, 7]], np.uint8)
    lut = forge.item(LUTDescriptor=[8, 0, 16], LUTData=table, ModalityLUTType="OD")
    path = make_dicom(pixels, bits=3, ModalityLUTSequence=lut, RescaleSlope=3)
    np.testing.assert_array_equal(read_radiograph(path).pixels.ravel(), table)
    path = make_dicom(pixels, bits=3, ModalityLUTSequence=lut, photometric="MONOCHROME1")
    np.testing.assert_array_equal(read_radiograph(path).pixels.ravel(), 645 - np.array(table))


@pytest.mark.parametrize("first", [-4, 0, 100])
def test_modality_lut_agrees_with_pydicom_beyond_its_ends(make_dicom, forge, first):
    pixels = np.arange(-8, 8, dtype=np.int16).reshape(4, 4) * 30
    lut = forge.item(LUTDescriptor=[6, first, 16], LUTData=[9, 8, 7, 100, 200, 4000], ModalityLUTType="US")
    path = make_dicom(pixels, bits=12, signed=True, ModalityLUTSequence=lut)
    dataset = dcmread(path)
    np.testing.assert_array_equal(read_radiograph(path).pixels, apply_modality_lut(dataset.pixel_array, dataset))


def test_monochrome1_windows_and_luts_are_mirrored_too(make_dicom, forge):
    lut = forge.item(
        LUTDescriptor=[4096, 0, 8], LUTData=list(np.linspace(0, 255, 4096).astype(int)), LUTExplanation="hard"
    )
    path = make_dicom(
        forge.ramp(),
        bits=12,
        photometric="MONOCHROME1",
        WindowCenter=[1000, 2000],
        WindowWidth=[500, 600],
        WindowCenterWidthExplanation=["bone", "soft"],
        VOILUTSequence=lut,
    )
    radiograph = read_radiograph(path)
    assert [(w.center, w.width, w.explanation) for w in radiograph.windows] == [
        (3096, 500, "bone"),
        (2096, 600, "soft"),
    ]
    (voi,) = radiograph.voi_luts
    assert (voi.first, voi.step, voi.explanation) == (4095, -1, "hard")
    assert voi.values[0] == 1
    assert voi.values[-1] == 0


def test_unusable_windows_and_rescale_are_left_out(make_dicom, forge):
    path = make_dicom(
        forge.ramp(), bits=12, WindowCenter=[5, 100], WindowWidth=[0, 200], RescaleSlope=0, RescaleIntercept=0
    )
    radiograph = read_radiograph(path)
    assert [w.center for w in radiograph.windows] == [100]
    assert radiograph.pixels.max() == 4095
    assert any("RescaleSlope" in sentence for sentence in radiograph.conflicts)


def test_padding_is_given_in_pixel_values(make_dicom, forge):
    path = make_dicom(
        forge.ramp(), bits=12, photometric="MONOCHROME1", PixelPaddingValue=4095, PixelPaddingRangeLimit=4000
    )
    assert read_radiograph(path).padding_range == (0, 95)


LOSSLESS = [RLELossless, JPEGLSLossless, JPEG2000Lossless]


@pytest.mark.parametrize("syntax", LOSSLESS, ids=lambda uid: uid.name)
@pytest.mark.parametrize(
    ("dtype", "bits", "signed"), [(np.uint8, 8, False), (np.uint16, 12, False), (np.int16, 16, True)]
)
def test_lossless_compression_changes_nothing(make_dicom, forge, tmp_path, syntax, dtype, bits, signed):
    if syntax == JPEGLSLossless and signed:
        pytest.skip("pydicom does not encode signed JPEG-LS")
    low, high = stored_range(bits, signed)
    pixels = np.random.default_rng(1).integers(low, high + 1, (33, 47)).astype(dtype)
    dataset = forge.dataset(
        pixels, bits=bits, signed=signed, photometric="MONOCHROME1", RescaleIntercept=-7, RescaleSlope=2
    )
    plain = read_radiograph(forge.write(tmp_path / "plain.dcm", dataset))
    dataset.compress(syntax, generate_instance_uid=False)
    packed = read_radiograph(forge.write(tmp_path / "packed.dcm", dataset))
    np.testing.assert_array_equal(packed.pixels, plain.pixels)
    assert packed.sop_instance_uid == plain.sop_instance_uid


def test_gdcm_decodes_what_the_plugins_decode(forge, tmp_path, monkeypatch):
    """Where the plugins are missing (3D Slicer), GDCM gives the same stored values."""
    from pydicom.pixels.decoders.base import Decoder

    pixels = np.random.default_rng(2).integers(0, 1024, (64, 70)).astype(np.uint16)
    dataset = forge.dataset(pixels, bits=10, photometric="MONOCHROME1", RescaleIntercept=-100, RescaleSlope=3)
    for syntax in LOSSLESS:
        copy = forge.dataset(pixels, bits=10, photometric="MONOCHROME1", RescaleIntercept=-100, RescaleSlope=3)
        copy.compress(syntax)
        path = forge.write(tmp_path / "packed.dcm", copy)
        with_plugin = read_radiograph(path).pixels
        with monkeypatch.context() as context:
            context.setattr(Decoder, "is_available", False)
            np.testing.assert_array_equal(read_radiograph(path).pixels, with_plugin)
    np.testing.assert_array_equal(with_plugin, (1023 - pixels.astype(int)) * 3 - 100)
    assert dataset.BitsStored == 10


def test_jpeg_baseline(forge, tmp_path):
    from io import BytesIO

    from PIL import Image
    from pydicom.encaps import encapsulate

    smooth = np.add.outer(np.arange(64), np.arange(80)).astype(np.uint8)
    buffer = BytesIO()
    Image.fromarray(smooth).save(buffer, "JPEG", quality=95)
    dataset = forge.dataset(smooth, syntax=JPEGBaseline8Bit)
    dataset.PixelData = encapsulate([buffer.getvalue()])
    dataset["PixelData"].is_undefined_length = True
    assert np.abs(read_radiograph(forge.write(tmp_path / "jpeg.dcm", dataset)).pixels - smooth).max() <= 3


def test_deflated_big_endian_and_bare_data_sets(forge, tmp_path):
    pixels = forge.ramp()
    expected = pixels.astype(np.float32)
    dataset = forge.dataset(pixels, bits=12, syntax=DeflatedExplicitVRLittleEndian)
    path = forge.write(tmp_path / "deflated.dcm", dataset)
    np.testing.assert_array_equal(read_radiograph(path).pixels, expected)
    assert read_header(path).rows == 24

    big = forge.dataset(pixels.astype(">u2"), bits=12, syntax=ExplicitVRBigEndian)
    path = forge.write(tmp_path / "big.dcm", big)
    np.testing.assert_array_equal(read_radiograph(path).pixels, expected)

    for implicit in (True, False):
        bare = forge.dataset(pixels, bits=12)
        del bare.file_meta
        path = tmp_path / f"bare{implicit}"
        bare.save_as(path, implicit_vr=implicit, little_endian=True)
        radiograph = read_radiograph(path)
        np.testing.assert_array_equal(radiograph.pixels, expected)
        assert radiograph.sop_instance_uid == bare.SOPInstanceUID


def test_file_meta_without_preamble(forge, tmp_path):
    path = forge.write(tmp_path / "whole.dcm", forge.dataset(forge.ramp(), bits=12))
    (tmp_path / "cut.dcm").write_bytes(path.read_bytes()[132:])
    np.testing.assert_array_equal(read_radiograph(tmp_path / "cut.dcm").pixels, forge.ramp())


def test_big_endian_bytes_in_words(forge, tmp_path):
    pixels = np.arange(35, dtype=np.uint8).reshape(5, 7)
    swapped = np.append(pixels.ravel(), np.uint8(0)).reshape(-1, 2)[:, ::-1]
    dataset = forge.dataset(pixels, syntax=ExplicitVRBigEndian)
    dataset.PixelData = swapped.tobytes()
    dataset["PixelData"].VR = "OW"
    np.testing.assert_array_equal(read_radiograph(forge.write(tmp_path / "b.dcm", dataset)).pixels, pixels)


def test_grey_colour_images_are_read_and_coloured_ones_are_not(make_dicom, forge):
    grey = np.arange(48, dtype=np.uint8).reshape(6, 8)
    path = make_dicom(np.stack([grey] * 3, axis=-1), photometric="RGB")
    np.testing.assert_array_equal(read_radiograph(path).pixels, grey)
    planar = np.stack([grey] * 3)
    path = make_dicom(planar.reshape(6, 8, 3), photometric="RGB", PlanarConfiguration=1)
    np.testing.assert_array_equal(read_radiograph(path).pixels, grey)
    ybr = np.stack([grey, np.full_like(grey, 128), np.full_like(grey, 128)], axis=-1)
    np.testing.assert_array_equal(read_radiograph(make_dicom(ybr, photometric="YBR_FULL")).pixels, grey)
    coloured = np.stack([grey, grey, grey + 1], axis=-1)
    with pytest.raises(RadiographError, match="colour"):
        read_radiograph(make_dicom(coloured, photometric="RGB"))


def test_ids_age_sex_and_character_sets(make_dicom):
    path = make_dicom(
        SpecificCharacterSet=["", "ISO 2022 IR 87"],
        PatientName="Yamada^Tarou=山田^太郎",
        SeriesDescription="手関節正面 右",
        PatientAge="018M",
        PatientSex="F",
        Manufacturer="Maker",
    )
    header = read_header(path)
    assert (header.view, header.side, header.body_part) == ("PA", "R", "WRIST")
    assert (header.patient_age_years, header.patient_sex, header.manufacturer) == (1.5, "F", "Maker")
    assert (header.patient_id, header.study_date, header.modality) == ("P1", "20260102", "DX")
    assert "P1" not in repr(header)
    assert read_header(make_dicom(PatientBirthDate="19760102")).patient_age_years == pytest.approx(50, abs=0.02)


@pytest.mark.parametrize("uid", ["../../../tmp/evil", "1.2.abc", "9" * 65])
def test_an_instance_uid_can_always_name_a_file(make_dicom, forge, tmp_path, uid):
    dataset = forge.dataset(forge.ramp())
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    path = forge.write(tmp_path / "evil.dcm", dataset)
    raw = path.read_bytes()
    value = str(dataset.SOPInstanceUID).encode()
    value += b"\0" * (len(value) % 2)
    new = uid.encode() + b" " * (len(uid) % 2)
    head = forge.element(8, 0x18, b"UI", value)
    assert head in raw
    path.write_bytes(raw.replace(head, forge.element(8, 0x18, b"UI", new)))
    header = read_header(path)
    assert header.sop_instance_uid.startswith("2.25.")
    assert header.sop_instance_uid == read_radiograph(path).sop_instance_uid
    assert any("SOPInstanceUID" in sentence for sentence in header.conflicts)


def test_functional_groups_of_an_enhanced_image(make_dicom, forge):
    shared = forge.item(
        PixelMeasuresSequence=forge.item(PixelSpacing=[0.2, 0.3]),
        FrameAnatomySequence=forge.item(FrameLaterality="L"),
    )
    header = read_header(make_dicom(NumberOfFrames=1, SharedFunctionalGroupsSequence=shared))
    assert (header.spacing_mm, header.spacing_source) == ((0.2, 0.3), "PixelSpacing")
    assert (header.side, header.side_source) == ("L", "FrameLaterality")


SPACINGS = [
    ({"ImagerPixelSpacing": [0.15, 0.14], "PixelSpacing": [0.13, 0.12]}, (0.15, 0.14), "ImagerPixelSpacing", 0),
    (
        {"ImagerPixelSpacing": [0.15, 0.15], "PixelSpacing": [0.13, 0.12], "PixelSpacingCalibrationType": "FIDUCIAL"},
        (0.13, 0.12),
        "PixelSpacing (calibrated)",
        0,
    ),
    ({"PixelSpacing": [0.13, 0.12]}, (0.13, 0.12), "PixelSpacing", 0),
    ({"NominalScannedPixelSpacing": [0.17, 0.17]}, (0.17, 0.17), "NominalScannedPixelSpacing", 0),
    ({"PixelSpacing": [0, 0]}, None, "none", 1),
    ({"PixelSpacing": [-0.1, 0.1]}, None, "none", 1),
    ({"ImagerPixelSpacing": [0, 0], "PixelSpacing": [0.2, 0.2]}, (0.2, 0.2), "PixelSpacing", 1),
    ({"PixelSpacing": None}, None, "none", 0),
    ({"PixelAspectRatio": [1, 1]}, None, "none", 0),
    ({"PixelAspectRatio": [4, 3]}, None, "none", 1),
    ({"PixelSpacing": [143, 143]}, (143, 143), "PixelSpacing", 1),
    ({}, None, "none", 0),
]


@pytest.mark.parametrize(("attributes", "spacing", "source", "conflicts"), SPACINGS)
def test_spacing_rule(forge, tmp_path, attributes, spacing, source, conflicts):
    dataset = forge.dataset(forge.ramp())
    for keyword, content in attributes.items():
        setattr(dataset, keyword, content)
    header = read_header(forge.write(tmp_path / "s.dcm", dataset))
    assert (header.spacing_mm, header.spacing_source, len(header.conflicts)) == (spacing, source, conflicts)


def test_the_user_overrides_the_file(make_dicom):
    path = make_dicom(ViewPosition="PA", ImageLaterality="L", PixelSpacing=[0.1, 0.1], BodyPartExamined="HAND")
    radiograph = read_radiograph(path, view="LAT", side="R", spacing_mm=(0.2, 0.3), body_part="WRIST")
    assert (radiograph.view, radiograph.side, radiograph.spacing_mm, radiograph.body_part) == (
        "LAT",
        "R",
        (0.2, 0.3),
        "WRIST",
    )
    assert {radiograph.view_source, radiograph.side_source, radiograph.spacing_source, radiograph.body_part_source} == {
        "user"
    }
    assert read_header(path, spacing_mm=0.25).spacing_mm == (0.25, 0.25)
    for wrong in ({"view": "UP"}, {"side": "X"}, {"spacing_mm": 0}, {"spacing_mm": (0.1, float("nan"))}):
        with pytest.raises(RadiographError):
            read_radiograph(path, **wrong)


def test_the_header_is_that_of_the_radiograph(make_dicom):
    path = make_dicom(WindowCenter=100, WindowWidth=20, ViewPosition="LAT")
    header, radiograph = read_header(path), read_radiograph(path)
    assert (header.rows, header.columns) == radiograph.shape
    for name in ("path", "view", "windows", "sop_instance_uid", "patient_id", "conflicts", "padding_range"):
        assert getattr(header, name) == getattr(radiograph, name)


def test_deflate_bomb_is_not_inflated(forge, tmp_path, monkeypatch):
    path = forge.write(tmp_path / "bomb.dcm", forge.dataset(forge.ramp(), syntax=DeflatedExplicitVRLittleEndian))
    raw = path.read_bytes()
    meta_end = 144 + int.from_bytes(raw[140:144], "little")
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    zeros = bytes(1 << 20)
    monkeypatch.setattr("fractureai.radiograph.dicomfile.MAX_PIXELS", 1 << 20)  # the true limit takes seconds to reach
    path.write_bytes(raw[:meta_end] + b"".join(packer.compress(zeros) for _ in range(100)) + packer.flush())
    with pytest.raises(RadiographError, match="inflates"):
        read_header(path)
