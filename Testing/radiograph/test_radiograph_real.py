"""The real radiographs: every file is read, exactly the cut ones fail."""

import csv

import numpy as np
import pytest
import SimpleITK

from fractureai.errors import RadiographError
from fractureai.radiograph import list_studies, normalise, read_radiograph

SAME_PIXELS = ["RG3_JLSL", "RG3_JPLL", "RG3_RLE"]


@pytest.fixture(scope="module")
def rg3(real_folder):
    return read_radiograph(real_folder / "dicom_cr" / "RG3_J2KR.dcm")


@pytest.mark.parametrize("name", SAME_PIXELS)
def test_lossless_syntaxes_decode_to_the_same_pixels(real_folder, rg3, name):
    other = read_radiograph(real_folder / "dicom_cr" / f"{name}.dcm")
    np.testing.assert_array_equal(other.pixels, rg3.pixels)


@pytest.mark.parametrize(("name", "most"), [("RG3_J2KI", 9), ("RG3_JLSN", 4), ("RG3_JPLY", 48)])
def test_lossy_syntaxes_are_close_and_do_not_wrap_around(real_folder, rg3, name, most):
    other = read_radiograph(real_folder / "dicom_cr" / f"{name}.dcm")
    assert np.abs(other.pixels - rg3.pixels).max() <= most
    assert np.abs(other.pixels - rg3.pixels).mean() < 4


def test_bone_is_bright(real_folder, rg3):
    """RG3 is a lower leg, MONOCHROME1: the bone in the middle is brighter than soft tissue, and that than the air."""
    assert (rg3.view, rg3.side, rg3.spacing_mm, rg3.photometric_interpretation) == ("AP", "R", None, "MONOCHROME1")
    stored = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(real_folder / "dicom_cr" / "RG3_J2KR.dcm"))).squeeze()
    # GDCM inverts too, within the values that it finds.
    assert np.corrcoef(stored.ravel(), rg3.pixels.ravel())[0, 1] == pytest.approx(1)


def test_zero_spacing_and_missing_file_meta(real_folder):
    radiograph = read_radiograph(real_folder / "dicom_cr" / "RG1_J2KI.dcm")
    assert radiograph.spacing_mm is None
    assert radiograph.conflicts == ("PixelSpacing is 0\\0 and is ignored.",)
    bare = read_radiograph(real_folder / "dicom_cr" / "fodicom_CR-MONO1-10-chest.dcm")
    whole = read_radiograph(real_folder / "dicom_cr" / "gdcm-CR-MONO1-10-chest.dcm")
    np.testing.assert_array_equal(bare.pixels, whole.pixels)


@pytest.mark.slow
def test_every_image_file_is_read_but_the_cut_ones(real_folder):
    with (real_folder / "MANIFEST.csv").open(newline="") as table:
        entries = {row["file"]: row for row in csv.DictReader(table)}
    cut = {name for name, row in entries.items() if "TRUNCATED" in row["view_guess"]}
    assert len(cut) == 6
    failed = set()
    for name, row in entries.items():
        path = real_folder / name
        if path.suffix.lower() not in (".jpg", ".png"):
            continue
        try:
            radiograph = read_radiograph(path)
        except RadiographError:
            failed.add(name)
            continue
        if row["size"]:
            columns, rows = (int(side) for side in row["size"].split("x"))
            assert radiograph.shape == (rows, columns)
        assert normalise(radiograph.pixels).max() == 1
    assert failed == cut


def test_hand_landmarks_have_a_spacing(real_folder):
    for path in (real_folder / "hand_landmarks").glob("*.mha"):
        radiograph = read_radiograph(path)
        assert radiograph.spacing_source == "image file"
        assert 0.1 < radiograph.spacing_mm[0] < 0.2


def test_listing_of_everything(real_folder):
    listing = list_studies(real_folder)
    assert len(listing.problems) == 6
    assert sum(len(study.radiographs) for study in listing.studies) == 11 + 3 + 1 + 22 + 93
