"""Adding real files: pseudonyms, duplicates, copies, and reading them back."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fractureai.dataset import Annotation, Dataset, RadiographRow, make_splits, pack
from fractureai.dataset.files import sha256_of
from fractureai.errors import DatasetError, RadiographError

DicomWriter = Callable[..., Path]


def test_what_the_header_says_is_in_the_row_but_not_the_patient(
    dataset: Dataset, tmp_path: Path, dicom_writer: DicomWriter
) -> None:
    path = dicom_writer(tmp_path / "in" / "a.dcm", SOPInstanceUID="1.2.3", StudyInstanceUID="1.2")
    report = dataset.add([path], copy=False)
    (row,) = dataset.radiographs
    assert report.added == (row,)
    assert (row.id, row.study, row.view, row.side, row.age_years, row.sex, row.date) == (
        "1.2.3", "1.2", "PA", "L", 42.0, "F", "20240131",
    )  # fmt: skip
    assert row.file == path.as_posix()
    assert row.sha256 == sha256_of(path)
    assert row.spacing_mm is None  # the file has it
    assert re.fullmatch(r"P-[0-9A-HJKMNP-TV-Z]{8}", row.patient)
    table = (dataset.folder / "radiographs.csv").read_text()
    assert "4711" not in table
    assert "Doe" not in table
    assert dataset.read(row).spacing_mm == (0.15, 0.15)


def test_the_same_patient_gets_the_same_pseudonym_and_another_dataset_another(
    tmp_path: Path, dicom_writer: DicomWriter
) -> None:
    paths = [dicom_writer(tmp_path / f"{i}.dcm", PatientID=("A", "A ", "B", "", None)[i], seed=i) for i in range(5)]
    pseudonyms = []
    for name in "xy":
        dataset = Dataset.create(tmp_path / name, name="x")
        dataset.add(paths[:1], copy=False)
        dataset.add(paths[1:], copy=False)
        pseudonyms.append([row.patient for row in dataset.radiographs])
    first = pseudonyms[0]
    assert first[0] == first[1]
    assert len(set(first)) == 4  # patients without identifier are not one patient
    assert not set(first) & set(pseudonyms[1])


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_the_key_is_private(dataset: Dataset, tmp_path: Path, dicom_writer: DicomWriter) -> None:
    dataset.add([dicom_writer(tmp_path / "a.dcm")], copy=False)
    key = dataset.folder / "pseudonym.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert "Keep it private" in key.read_text()
    key.write_text("x")
    with pytest.raises(DatasetError, match="not a pseudonym key"):
        dataset.add([dicom_writer(tmp_path / "b.dcm")], copy=False)
    key.unlink()
    report = dataset.add([dicom_writer(tmp_path / "b.dcm")], copy=False)
    assert [str(problem) for problem in report.problems if "made anew" in str(problem)]


def test_duplicates_are_skipped_and_reported(dataset: Dataset, tmp_path: Path, dicom_writer: DicomWriter) -> None:
    first = dicom_writer(tmp_path / "a.dcm", SOPInstanceUID="1.1")
    (tmp_path / "same.dcm").write_bytes(first.read_bytes())
    dicom_writer(tmp_path / "other.dcm", SOPInstanceUID="1.1", seed=5)
    report = dataset.add([first, tmp_path / "same.dcm", tmp_path / "other.dcm", first], copy=True)
    assert [row.id for row in report.added] == ["1.1"]
    assert {skipped.path.name: skipped.reason for skipped in report.skipped} == {
        "same.dcm": "it is in the dataset already (1.1)",
        "other.dcm": "another image with its SOP Instance UID is there already (1.1)",
    }
    again = Dataset.open(dataset.folder).add([tmp_path], copy=True)
    assert again.added == ()
    assert len(again.skipped) >= 3
    assert len(dataset.radiographs) == 1
    assert [path.name for path in (dataset.folder / "images").iterdir()] == ["1.1.dcm"]


def test_copies_lie_in_images_and_the_folder_can_be_moved(
    dataset: Dataset, tmp_path: Path, dicom_writer: DicomWriter
) -> None:
    path = dicom_writer(tmp_path / "in" / "IM0001", SOPInstanceUID="1.1")
    dataset.add([tmp_path / "in"], copy=True)
    original = path.read_bytes()
    path.unlink()
    moved = Dataset.open(dataset.folder.rename(tmp_path / "moved"))
    (row,) = moved.radiographs
    assert row.file == "images/1.1.dcm"
    assert moved.image_path(row).read_bytes() == original
    assert moved.read(row).view == "PA"


def test_files_inside_the_folder_are_listed_by_relative_path(dataset: Dataset, dicom_writer: DicomWriter) -> None:
    dicom_writer(dataset.folder / "images" / "wrists" / "a.dcm")
    dataset.add([dataset.folder / "images"], copy=False)
    assert [row.file for row in dataset.radiographs] == ["images/wrists/a.dcm"]


def test_what_can_not_be_read_is_reported_and_the_rest_added(
    dataset: Dataset, tmp_path: Path, dicom_writer: DicomWriter
) -> None:
    folder = tmp_path / "in"
    dicom_writer(folder / "good.dcm", SOPInstanceUID="1.1")
    (folder / "broken.dcm").write_bytes(b"no DICOM at all")
    (folder / "notes.txt").write_text("x")
    (folder / ".hidden.dcm").write_bytes(b"x")
    steps: list[tuple[int, int]] = []
    report = dataset.add([folder, tmp_path / "missing"], copy=False, progress=lambda *step: steps.append(step))
    assert [row.id for row in report.added] == ["1.1"]
    assert sorted(problem.path.name for problem in report.problems) == ["broken.dcm", "missing"]  # type: ignore[attr-defined]
    assert [skipped.path.name for skipped in report.skipped] == ["notes.txt"]
    assert steps == [(1, 2), (2, 2)]


def test_an_image_without_header_gets_what_the_user_says(dataset: Dataset, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 65535, (20, 30), dtype=np.uint16)
    Image.fromarray(pixels).save(tmp_path / "wrist.png")
    report = dataset.add(
        [tmp_path / "wrist.png"], copy=True, view="LAT", side="R", spacing_mm=(0.2, 0.1), stratum="hard"
    )
    (row,) = report.added
    assert row.id.startswith("2.25.")
    assert row.study == row.id
    assert row.file == f"images/{row.id}.png"
    (stored,) = Dataset.open(dataset.folder).radiographs
    radiograph = dataset.read(stored)
    assert (radiograph.view, radiograph.view_source) == ("LAT", "user")
    assert (radiograph.side, radiograph.side_source) == ("R", "user")
    assert (radiograph.spacing_mm, radiograph.spacing_source) == ((0.2, 0.1), "user")
    assert radiograph.shape == (20, 30)


def test_what_the_header_says_wins_over_the_row(dataset: Dataset, tmp_path: Path, dicom_writer: DicomWriter) -> None:
    path = dicom_writer(tmp_path / "a.dcm", SOPInstanceUID="1.1")
    dataset.add_rows(
        [RadiographRow("1.1", view="LAT", side="R", file=path.as_posix(), row_spacing_mm=1, col_spacing_mm=1)]
    )
    radiograph = dataset.read(dataset.row("1.1"))
    assert (radiograph.view, radiograph.side, radiograph.spacing_mm) == ("PA", "L", (0.15, 0.15))


def test_a_hostile_uid_stays_inside_the_dataset(dataset: Dataset, tmp_path: Path, dicom_writer: DicomWriter) -> None:
    path = dicom_writer(tmp_path / "in" / "a.dcm", SOPInstanceUID="1.1")
    path.write_bytes(path.read_bytes().replace(b"UI\x04\x001.1\x00", b"UI\x04\x00../x"))
    before = {file for file in tmp_path.rglob("*") if dataset.folder not in file.parents}
    report = dataset.add([path], copy=True)
    assert {file for file in tmp_path.rglob("*") if dataset.folder not in file.parents} == before
    for row in report.added:
        assert dataset.image_path(row).resolve().parent == (dataset.folder / "images").resolve()
    assert len(report.added) + len(report.problems) == 1


def test_wrong_options_are_refused(dataset: Dataset) -> None:
    with pytest.raises(DatasetError, match="view 'TOP' is unknown"):
        dataset.add([], copy=False, view="TOP")
    with pytest.raises(DatasetError, match="not in millimetres"):
        dataset.add([], copy=False, spacing_mm=(0.0, 0.1))


def test_a_missing_or_damaged_file_is_named_when_read(
    dataset: Dataset, tmp_path: Path, dicom_writer: DicomWriter
) -> None:
    path = dicom_writer(tmp_path / "a.dcm")
    dataset.add([path], copy=False)
    (row,) = dataset.radiographs
    path.write_bytes(b"damaged")
    with pytest.raises(RadiographError, match=r"a\.dcm"):
        dataset.read(row)
    path.unlink()
    with pytest.raises(DatasetError, match=r"a\.dcm.*is missing"):
        dataset.read(row)


def test_two_processes_adding_overlapping_folders_add_each_image_once(
    dataset: Dataset, tmp_path: Path, dicom_writer: DicomWriter
) -> None:
    for number in range(20):
        dicom_writer(
            tmp_path / "in" / f"{number}.dcm", SOPInstanceUID=f"1.{number}", PatientID=f"{number % 7}", seed=number
        )
    code = (
        "import sys, json\nfrom fractureai.dataset import Dataset\n"
        "report = Dataset.open(sys.argv[1]).add([sys.argv[2]], copy=True)\n"
        "print(json.dumps([[row.id for row in report.added], len(report.problems)]))"
    )
    command = [sys.executable, "-c", code, str(dataset.folder), str(tmp_path / "in")]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    reports = [json.loads(process.communicate(timeout=60)[0]) for process in processes]
    added = [identifier for ids, problems in reports for identifier in ids if problems == 0]
    assert sorted(added) == sorted(f"1.{number}" for number in range(20))
    assert len({row.patient for row in dataset.radiographs}) == 7  # both used one key
    assert all(sha256_of(dataset.image_path(row)) == row.sha256 for row in dataset.radiographs)


def test_a_packed_dataset_is_a_dataset_again_without_the_key(
    dataset: Dataset, tmp_path: Path, dicom_writer: DicomWriter
) -> None:
    for number in range(8):
        dicom_writer(
            tmp_path / "in" / f"{number}.dcm", SOPInstanceUID=f"1.{number}", PatientID=str(number), seed=number
        )
    dataset.add([tmp_path / "in"], copy=False)
    for rater in ("AM", "../HP"):
        dataset.save(Annotation("1.1", rater, status="done", label="normal"))
    make_splits(dataset, seed=1, raters=["AM"])
    archive = pack(dataset, tmp_path / "out.zip")
    content = archive.read_bytes()
    with zipfile.ZipFile(archive) as opened:
        assert not any("key" in name or ".." in name.split("/") for name in opened.namelist())
        opened.extractall(tmp_path / "unpacked")
    back = Dataset.open(tmp_path / "unpacked")
    assert [row.id for row in back.radiographs] == [row.id for row in dataset.radiographs]
    assert all(back.read(row).shape == (40, 30) for row in back.radiographs)
    assert sorted(back.annotations(), key=lambda mark: mark.rater) == sorted(
        dataset.annotations(), key=lambda mark: mark.rater
    )
    assert back.splits == dataset.splits
    assert pack(dataset, tmp_path / "again.zip").read_bytes() == content
    with zipfile.ZipFile(pack(dataset, tmp_path / "one.zip", ["AM"])) as opened:
        assert [name for name in opened.namelist() if name.startswith("annotations/")] == ["annotations/AM/1.1.json"]
    (tmp_path / "in" / "0.dcm").unlink()
    with pytest.raises(DatasetError, match="is missing"):
        pack(dataset, tmp_path / "out.zip")
    assert archive.read_bytes() == content
