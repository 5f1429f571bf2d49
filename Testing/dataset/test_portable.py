"""A dataset to give away: nothing of the patient in it, every pixel and mark as it was, every change found."""

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset as DicomDataset

from fractureai.dataset import Annotation, Dataset, Region, make_splits
from fractureai.dataset.deidentify import KEPT, Identity, deidentify
from fractureai.dataset.portable import MANIFEST, ExportCancelledError, export_portable, unpack_portable
from fractureai.errors import DatasetError
from fractureai.phantom import write_dataset
from fractureai.radiograph import read_radiograph

SECRETS = ("Doe", "PAT-4711", "Secret", "Musterstadt", "KH-77")


@pytest.fixture
def hospital(dataset, dicom_writer, tmp_path):
    """Seven patients with telling headers, marked by two people."""
    source = tmp_path / "hospital"
    for number in range(7):
        request = DicomDataset()
        request.RequestedProcedureDescription = "Secret request"
        path = dicom_writer(
            source / f"{number}.dcm",
            seed=number,
            PatientID=f"PAT-4711-{number}",
            PatientAge="095Y" if number == 0 else "042Y",
            InstitutionName="Musterstadt",
            AccessionNumber="KH-77",
            SeriesDescription="Wrist Doe",
            RequestAttributesSequence=[request],
            BurnedInAnnotation="YES" if number == 1 else "NO",
        )
        dicom = dcmread(path)
        dicom.private_block(0x0009, "ACME", create=True).add_new(0x01, "LO", "Secret private")
        dicom.save_as(path)
    dataset.add([source], copy=False, description="Doe, ward 3")
    for number, row in enumerate(dataset.radiographs):
        region = Region("fracture", ((1.0, 2.0), (8.0, 9.0)))
        label = "fracture" if number % 2 else "normal"
        dataset.save(
            Annotation(row.id, "AM", "done", label, {"wrist_centre": (3.5, 4.25)}, (region,), comment="Doe again")
        )
        if number < 3:
            dataset.save(Annotation(row.id, "consensus", "done", label, extra={"name": "Secret"}))
    make_splits(dataset, fractions=(0.6, 0.2, 0.2), folds=2, seed=1, raters=["AM"])
    return dataset


def contents(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_nothing_of_the_patient_is_in_the_archive(hospital, tmp_path):
    report = export_portable(hospital, tmp_path / "out.zip")
    files = contents(report.path)
    everything = b"\n".join(files.values()) + "\n".join(files).encode()
    for secret in (*SECRETS, *(row.id for row in hospital.radiographs), *(row.study for row in hospital.radiographs)):
        assert secret.encode() not in everything, secret
    images = [dcmread(tmp_path_of(tmp_path, files, name)) for name in files if name.endswith(".dcm")]
    assert len(images) == 7
    for image in images:
        assert image.PatientIdentityRemoved == "YES"
        assert not any(element.tag.is_private for element in image)
        assert image.PatientID.startswith("P-")
        assert image.PatientName == image.PatientID
    assert sorted(image.PatientAge for image in images)[-1] == "090Y"
    assert len(report.problems) == 1
    assert "burned into" in report.problems[0]


def tmp_path_of(folder, files, name):
    path = folder / "one.dcm"
    path.write_bytes(files[name])
    return path


def test_pixels_marks_and_splits_are_as_they_were(hospital, tmp_path):
    export_portable(hospital, tmp_path / "out.zip")
    copy = unpack_portable(tmp_path / "out.zip", tmp_path / "copy")
    assert len(copy.radiographs) == 7
    for old, new in zip(hospital.radiographs, copy.radiographs, strict=True):
        before, after = hospital.read(old), copy.read(new)
        np.testing.assert_array_equal(before.pixels, after.pixels)
        assert (before.spacing_mm, before.view, before.side) == (after.spacing_mm, after.view, after.side)
        assert after.sop_instance_uid == new.id != old.id
        assert hospital.splits[old.group] == copy.splits[new.group]
        mark, copied = hospital.annotation(old.id, "AM"), copy.annotation(new.id, "AM")
        assert copied == replace(mark, radiograph=new.id, comment="")


def test_exporting_again_gives_the_same_bytes(hospital, tmp_path):
    export_portable(hospital, tmp_path / "a.zip", ["AM"])
    export_portable(Dataset.open(hospital.folder), tmp_path / "b.zip", ["AM"])
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_chosen_raters_take_only_their_radiographs_along(hospital, tmp_path):
    seen = []
    export_portable(hospital, tmp_path / "out.zip", ["consensus"], progress=lambda *values: seen.append(values))
    copy = unpack_portable(tmp_path / "out.zip", tmp_path / "copy")
    assert copy.raters == ("consensus",)
    assert len(copy.radiographs) == 3
    assert seen[0] == (0, 3)
    assert seen[-1] == (3, 3)
    with pytest.raises(DatasetError, match="rater ZZ has no annotations"):
        export_portable(hospital, tmp_path / "out.zip", ["ZZ"])


def test_comments_go_along_only_when_asked_for(hospital, tmp_path):
    export_portable(hospital, tmp_path / "out.zip", ["AM"], comments=True)
    copy = unpack_portable(tmp_path / "out.zip", tmp_path / "copy")
    assert {mark.comment for mark in copy.annotations("AM")} == {"Doe again"}


def test_a_file_that_can_not_be_read_is_reported_and_left_out(hospital, tmp_path):
    hospital.image_path(hospital.radiographs[2]).write_bytes(b"\0" * 128 + b"DICM" + b"Doe" * 50)
    hospital.image_path(hospital.radiographs[3]).unlink()
    report = export_portable(hospital, tmp_path / "out.zip")
    assert report.radiographs == 5
    assert len(report.problems) == 3
    assert not any("Doe" in problem for problem in report.problems)


def test_a_cancelled_export_leaves_nothing_behind(hospital, tmp_path):
    (tmp_path / "out.zip").write_bytes(b"earlier")
    answers = iter([False, False, True])
    with pytest.raises(ExportCancelledError):
        export_portable(hospital, tmp_path / "out.zip", cancelled=lambda: next(answers))
    assert (tmp_path / "out.zip").read_bytes() == b"earlier"
    assert not list(tmp_path.glob(".*"))


def rewrite(path: Path, change) -> None:
    files = change(contents(path))
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)


def flipped(files):
    name = next(name for name in files if name.endswith(".dcm"))
    return {**files, name: files[name][:-1] + bytes([files[name][-1] ^ 1])}


def listed_outside(files):
    manifest = json.loads(files[MANIFEST])
    manifest["files"]["../evil.txt"] = {"sha256": "0" * 64, "bytes": 4}
    return {**files, "../evil.txt": b"evil", MANIFEST: json.dumps(manifest).encode()}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (flipped, "was changed after the export"),
        (lambda files: {**files, "more.txt": b""}, "not those of its manifest"),
        (lambda files: {name: data for name, data in files.items() if name != "splits.csv"}, "not those of its"),
        (lambda files: {name: data for name, data in files.items() if name != MANIFEST}, "no manifest"),
        (listed_outside, "outside its folder"),
    ],
)
def test_a_changed_archive_is_refused(hospital, tmp_path, change, message):
    export_portable(hospital, tmp_path / "out.zip", ["consensus"])
    rewrite(tmp_path / "out.zip", change)
    with pytest.raises(DatasetError, match=message):
        unpack_portable(tmp_path / "out.zip", tmp_path / "copy")
    assert not (tmp_path / "evil.txt").exists()


def test_no_archive_is_unpacked_over_something_else(hospital, tmp_path):
    export_portable(hospital, tmp_path / "out.zip", ["consensus"])
    first = unpack_portable(tmp_path / "out.zip", tmp_path / "copy")
    assert unpack_portable(tmp_path / "out.zip", tmp_path / "copy").radiographs == first.radiographs
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").write_text("mine")
    with pytest.raises(DatasetError, match="not empty"):
        unpack_portable(tmp_path / "out.zip", tmp_path / "other")
    (tmp_path / "no.zip").write_bytes(b"no zip")
    with pytest.raises(DatasetError, match="can not be unpacked"):
        unpack_portable(tmp_path / "no.zip", tmp_path / "third")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_image_files_keep_their_pixels_and_lose_their_texts(tmp_path, suffix):
    image_module = pytest.importorskip("PIL.Image")
    pixels = np.random.default_rng(1).integers(0, 256, (60, 80), dtype=np.uint8)
    path = tmp_path / f"wrist{suffix}"
    options = {}
    exif = image_module.Exif()
    exif[0x010E] = "Doe, Jane"
    if suffix == ".png":
        from PIL.PngImagePlugin import PngInfo

        options["pnginfo"] = PngInfo()
        options["pnginfo"].add_text("Comment", "Doe, Jane")
    image_module.fromarray(pixels).save(path, exif=exif, **options)
    assert b"Doe" in path.read_bytes()
    clean = deidentify(path, Identity("2.25.1", "2.25.2", "P-1", lambda _: "2.25.3"))
    assert b"Doe" not in clean.data
    written = tmp_path / f"clean{clean.suffix}"
    written.write_bytes(clean.data)
    np.testing.assert_array_equal(read_radiograph(written).pixels, read_radiograph(path).pixels)


def test_simulated_wrists_of_all_vendors_keep_their_pixels(tmp_path):
    dataset = write_dataset(tmp_path / "d", studies=4, seed=3, pixels=128)
    export_portable(dataset, tmp_path / "out.zip")
    copy = unpack_portable(tmp_path / "out.zip", tmp_path / "copy")
    for old, new in zip(dataset.radiographs, copy.radiographs, strict=True):
        before, after = dataset.read(old), copy.read(new)
        np.testing.assert_array_equal(before.pixels, after.pixels)
        assert (before.spacing_mm, before.windows) == (after.spacing_mm, after.windows)
        kept = {element.keyword for element in dcmread(copy.image_path(new)).iterall()}
        assert kept - KEPT <= {
            "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "PatientID", "PatientName", "PatientBirthDate",
            "PatientAge", "PatientIdentityRemoved", "DeidentificationMethod", "StudyDate", "StudyTime",
            "AccessionNumber", "StudyID", "ReferringPhysicianName", "SeriesNumber", "InstanceNumber", "PixelData",
        }  # fmt: skip
