"""Written datasets: bytes, headers, tables, truth."""

import json
from pathlib import Path

import numpy as np
import pydicom
import pytest

from fractureai.dataset import check, study_label
from fractureai.errors import DatasetError
from fractureai.phantom import PhantomConfig, write_dataset
from fractureai.phantom.dicom_file import Header, dicom_bytes, make_uid, stored_pixels
from fractureai.phantom.glyphs import STROKES, draw_text
from fractureai.phantom.vendors import VENDORS, Mistakes
from fractureai.radiograph import read_radiograph


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    seen = []
    folder = tmp_path_factory.mktemp("phantom") / "one"
    result = write_dataset(
        folder, studies=9, seed=4, pixels=160, workers=1, progress=lambda done, total: seen.append((done, total))
    )
    assert seen == [(done, 9) for done in range(1, 10)]
    return result


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_same_bytes_whatever_the_number_of_workers(dataset, tmp_path):
    other = write_dataset(tmp_path / "two", studies=9, seed=4, pixels=160, workers=2)
    assert files(dataset.folder) == files(other.folder)


def test_nothing_to_complain_about(dataset):
    errors = [problem for problem in check(dataset) if problem.severity == "error"]
    assert errors == []
    assert len(dataset.radiographs) == 18
    assert len(dataset.reference_annotations()) == 18


def test_headers_say_what_truth_says_they_say(dataset):
    truth = json.loads((dataset.folder / "truth.json").read_text(encoding="utf-8"))
    images = {image["id"]: image for study in truth["studies"] for image in study["images"]}
    for row in dataset.radiographs:
        image, annotation = images[row.id], dataset.annotation(row.id, "truth")
        radiograph = read_radiograph(dataset.image_path(row))
        assert radiograph.side == (image["header"]["side"] or "unknown")
        assert radiograph.view == ("unknown" if image["header"]["no_view"] else image["view"])
        assert annotation.side == image["side"]
        if image["header"]["no_spacing"]:
            assert radiograph.spacing_mm is None
            assert row.spacing_mm == pytest.approx((image["spacing_mm"],) * 2)
        else:
            assert radiograph.spacing_mm == pytest.approx((image["spacing_mm"],) * 2)
        assert dataset.read(row).spacing_mm is not None


def test_reports_and_labels_belong_to_studies(dataset):
    truth = json.loads((dataset.folder / "truth.json").read_text(encoding="utf-8"))
    marks = dataset.reference_annotations()
    for study in truth["studies"]:
        report = (dataset.folder / "reports" / f"{study['study']}.txt").read_text(encoding="utf-8")
        assert "Impression:" in report
        labels = {marks[image["id"]].label for image in study["images"]}
        assert labels == {study["label"]}
        if study["stratum"] == "general" and study["label"] == "fracture":
            assert "racture" in report
    assert callable(study_label)


def header(vendor, view="PA", side="L", rle=False, **mistakes) -> Header:
    return Header(
        make_uid(1), make_uid(2), make_uid(3), "SIM-0001", "F", 61, "20200102", "101112", view, side, 1, 0.1875,
        vendor, Mistakes(**mistakes), rle,
    )  # fmt: skip


@pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.model)
@pytest.mark.parametrize(("view", "side", "rle"), [("PA", "L", False), ("LAT", "R", True), ("OBLIQUE", "L", True)])
def test_every_vendor_writes_readable_files(vendor, view, side, rle, tmp_path):
    image = np.linspace(0, 1, 60 * 47, dtype=np.float32).reshape(60, 47)
    path = tmp_path / "image.dcm"
    path.write_bytes(dicom_bytes(image, header(vendor, view, side, rle)))
    file = pydicom.dcmread(path)
    assert file.BitsStored == vendor.bits
    assert file.HighBit == vendor.bits - 1
    assert np.array_equal(file.pixel_array, stored_pixels(image, vendor))
    assert file.pixel_array.max() <= 2**vendor.bits - 1
    assert "SIMULATED" in file.PatientComments
    radiograph = read_radiograph(path)
    assert (radiograph.view, radiograph.side, radiograph.conflicts) == (view, side, ())
    assert radiograph.spacing_mm == pytest.approx((0.1875, 0.1875))
    assert np.corrcoef(radiograph.pixels.ravel(), image.ravel())[0, 1] > 0.9999


def test_mistakes_are_written(tmp_path):
    image = np.zeros((20, 20), np.float32)
    for vendor in VENDORS:
        path = tmp_path / "image.dcm"
        path.write_bytes(dicom_bytes(image, header(vendor, no_view=True, no_side=True, no_spacing=True)))
        radiograph = read_radiograph(path)
        assert (radiograph.view, radiograph.side, radiograph.spacing_mm) == ("unknown", "unknown", None)
        path.write_bytes(dicom_bytes(image, header(vendor, side="L", wrong_side=True)))
        assert read_radiograph(path).side == "R"


def test_uids_are_valid_and_differ():
    uids = [make_uid("image", seed, index) for seed in range(3) for index in range(3)]
    assert len(set(uids)) == 9
    assert all(pydicom.uid.UID(uid).is_valid for uid in uids)


def test_impossible_configurations_are_refused():
    with pytest.raises(DatasetError, match="pixels"):
        PhantomConfig(pixels=10)
    with pytest.raises(DatasetError, match="views"):
        PhantomConfig(views=("PA", "AP"))


@pytest.mark.parametrize("letter", sorted(STROKES))
def test_every_letter_is_drawn(letter):
    image = draw_text(letter, 30)
    assert 0.02 < image.mean() < 0.7
    assert image.max() == 1
    turned = draw_text(letter, 30, angle_deg=90)
    assert turned.sum() == pytest.approx(image.sum(), rel=0.1)
