import struct

import numpy as np
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from fractureai.errors import NotAnImageError, RadiographError
from fractureai.radiograph import list_studies, read_header, read_radiograph


def fails(path, match):
    with pytest.raises(RadiographError, match=match) as caught:
        read_radiograph(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert message.count("\n") == 0
    assert "Doe" not in message
    assert "P1" not in message
    assert caught.value.advice
    return caught.value


def test_missing_empty_folder_and_text(tmp_path):
    fails(tmp_path / "nowhere.dcm", "can not be read")
    (tmp_path / "empty.dcm").touch()
    fails(tmp_path / "empty.dcm", "empty")
    fails(tmp_path, "folder")
    (tmp_path / "text.dcm").write_text("These are no pixels. " * 40)
    fails(tmp_path / "text.dcm", "neither DICOM")
    (tmp_path / "zeros.dcm").write_bytes(bytes(5000))
    fails(tmp_path / "zeros.dcm", "neither DICOM")


def test_every_cut_of_a_file_is_an_error_or_whole(make_dicom, forge, tmp_path):
    path = make_dicom(forge.ramp(6, 8), bits=12, SeriesDescription="wrist")
    whole = path.read_bytes()
    cut = tmp_path / "cut.dcm"
    for length in [*range(1, len(whole), 7), len(whole) - 1]:
        cut.write_bytes(whole[:length])
        with pytest.raises(RadiographError):
            read_radiograph(cut)
    cut.write_bytes(whole[:-10])
    fails(cut, "cut off after 86 of 96 bytes")


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless], ids=lambda uid: uid.name)
def test_every_cut_of_a_compressed_file_is_an_error(forge, tmp_path, syntax):
    pixels = np.random.default_rng(0).integers(0, 4096, (64, 64)).astype(np.uint16)
    dataset = forge.dataset(pixels, bits=12)
    dataset.compress(syntax)
    whole = forge.write(tmp_path / "whole.dcm", dataset).read_bytes()
    cut = tmp_path / "cut.dcm"
    for length in range(1400, len(whole) - 20, 509):
        cut.write_bytes(whole[:length])
        with pytest.raises(RadiographError):
            read_radiograph(cut)


def test_random_damage_is_an_error_or_an_image(make_dicom, forge, tmp_path):
    path = make_dicom(forge.ramp(6, 8), bits=12, SeriesDescription="wrist", PixelSpacing=[0.1, 0.1])
    whole = path.read_bytes()
    generator = np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(whole)
        for place in generator.integers(0, len(whole), 8):
            damaged[place] = generator.integers(0, 256)
        path.write_bytes(damaged)
        try:
            read_radiograph(path)
        except RadiographError:
            continue


def test_no_pixels_no_image_and_several_frames(make_dicom, forge):
    fails(make_dicom(PixelData=None), "no pixel data")
    error = fails(
        make_dicom(SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11", PixelData=None, Rows=None, Columns=None), "Text SR"
    )
    assert isinstance(error, NotAnImageError)
    fails(make_dicom(Rows=None, Columns=None), "no image size")
    fails(make_dicom(NumberOfFrames=7), "7 frames")


@pytest.mark.parametrize(("rows", "columns"), [(0, 0), (0, 40), (60_000, 60_000), (30_000, 20), (19_000, 19_000)])
def test_impossible_sizes_are_refused_before_memory_is_taken(make_dicom, forge, rows, columns):
    error = fails(make_dicom(forge.ramp(), Rows=rows, Columns=columns), "size")
    assert str(rows) in error.reason


def test_a_size_larger_than_the_file(make_dicom, forge):
    fails(make_dicom(forge.ramp(), Rows=9_000, Columns=9_000), "cut off after 1920 of 162000000")


def test_rle_that_claims_too_much(forge, tmp_path):
    dataset = forge.dataset(forge.ramp(64, 64), bits=12)
    dataset.compress(RLELossless)
    dataset.Rows = dataset.Columns = 9_000
    fails(forge.write(tmp_path / "rle.dcm", dataset), "too short")


@pytest.mark.parametrize("syntax", [JPEGLSLossless, JPEG2000Lossless], ids=lambda uid: uid.name)
def test_a_code_stream_that_claims_more_than_the_header(forge, tmp_path, syntax):
    pixels = forge.ramp(64, 64)
    dataset = forge.dataset(pixels, bits=12)
    dataset.compress(syntax)
    raw = bytearray(dataset.PixelData)
    if syntax == JPEGLSLossless:
        place = raw.index(b"\xff\xf7") + 5
        raw[place : place + 4] = struct.pack(">HH", 60_000, 60_000)
    else:
        place = raw.index(b"\xff\x4f\xff\x51") + 8
        raw[place : place + 8] = struct.pack(">II", 60_000, 60_000)
    dataset.PixelData = bytes(raw)
    fails(forge.write(tmp_path / "bomb.dcm", dataset), "60000 x 60000")


def test_rubbish_in_place_of_compressed_pixels(forge, tmp_path):
    for syntax in (RLELossless, JPEGLSLossless, JPEG2000Lossless, "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.50"):
        dataset = forge.dataset(forge.ramp(), bits=12, syntax=syntax)
        dataset.PixelData = encapsulate([b"rubbish " * 100])
        dataset["PixelData"].is_undefined_length = True
        fails(forge.write(tmp_path / "rubbish.dcm", dataset), "pixel data|pixels")


def test_unknown_transfer_syntax_and_kinds(forge, tmp_path, make_dicom):
    dataset = forge.dataset(forge.ramp(), bits=12, syntax="1.2.3.4.5")
    dataset.PixelData = encapsulate([b"12345678"])
    dataset["PixelData"].is_undefined_length = True
    fails(forge.write(tmp_path / "u.dcm", dataset, implicit_vr=False, little_endian=True), "1.2.3.4.5 is not known")
    fails(make_dicom(photometric="PALETTE COLOR"), "PALETTE COLOR")
    fails(make_dicom(BitsAllocated=12, BitsStored=12), "12 bits")
    fails(make_dicom(BitsStored=17), "17 bits in 16")


def test_deep_nesting(forge, tmp_path):
    path = forge.write(tmp_path / "deep.dcm", forge.dataset(forge.ramp()))
    raw = path.read_bytes()
    opening = struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF) + struct.pack(
        "<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF
    )
    meta_end = 144 + int.from_bytes(raw[140:144], "little")
    path.write_bytes(raw[:meta_end] + opening * 20_000)
    fails(path, "nested|damaged")
    bare = tmp_path / "bare"
    bare.write_bytes(opening * 20_000)
    fails(bare, "nested|damaged")


def test_warnings_do_not_tell_the_name(make_dicom, forge, recwarn, caplog, capfd):
    path = make_dicom(SpecificCharacterSet="ISO_IR 999", StudyDate=None)
    raw = path.read_bytes()
    path.write_bytes(raw.replace(b"Doe^Jane", b"Doe\xff\xfe\x1bne"))
    recwarn.clear()
    caplog.clear()
    read_header(path)
    read_radiograph(path)
    assert not recwarn.list
    assert not caplog.records
    assert capfd.readouterr() == ("", "")


def test_the_rest_of_the_folder_is_read(make_dicom, forge, tmp_path):
    make_dicom(name="good.dcm")
    make_dicom(name="zero.dcm", Rows=0)
    make_dicom(name="frames", NumberOfFrames=3)
    (tmp_path / "cut.dcm").write_bytes((tmp_path / "good.dcm").read_bytes()[:300])
    (tmp_path / "empty.dcm").touch()
    listing = list_studies(tmp_path)
    assert [study.radiographs[0].path.name for study in listing.studies] == ["good.dcm"]
    assert {problem.path.name for problem in listing.problems} == {"zero.dcm", "frames", "cut.dcm", "empty.dcm"}
