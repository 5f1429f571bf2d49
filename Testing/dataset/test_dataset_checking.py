"""`check` finds each fault, and none in a sound dataset."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fractureai.dataset import Annotation, Dataset, RadiographRow, Region, check, make_splits

DicomWriter = Callable[..., Path]
PA_MARKS = {"distal_ulna": (10.0, 5.0), "distal_radius": (11.0, 20.0), "wrist_centre": (4.0, 12.0)}
SOUND = Annotation(
    "1.1",
    "AM",
    status="done",
    label="normal",
    landmarks=PA_MARKS,
    regions=(Region("fracture", ((-0.5, -0.5), (39.5, 29.5)), bone="radius"),),
    view="PA",
    side="L",
)


@pytest.fixture
def sound(dataset: Dataset, dicom_writer: DicomWriter) -> Dataset:
    for number in range(1, 9):
        path = dataset.folder / "images" / f"{number}.dcm"
        dicom_writer(path, SOPInstanceUID=f"1.{number}", PatientID=str(number), seed=number)
    dataset.add([dataset.folder / "images"], copy=False)
    dataset.save(SOUND)
    make_splits(dataset, seed=1)
    return dataset


def found(dataset: Dataset) -> list[tuple[str, str]]:
    problems = check(dataset)
    assert [p.severity for p in problems] == sorted(p.severity for p in problems)
    return [(problem.severity, f"{problem.file.name}: {problem.text}") for problem in problems]


def assert_only(dataset: Dataset, severity: str, *parts: str) -> None:
    problems = found(dataset)
    assert len(problems) == 1, problems
    assert problems[0][0] == severity
    for part in parts:
        assert part in problems[0][1]


def test_a_sound_dataset_has_no_problems(sound: Dataset) -> None:
    steps: list[tuple[int, int]] = []
    assert check(sound, pixels=True, progress=lambda *step: steps.append(step)) == ()
    assert steps[-1] == (8, 8)


def test_a_missing_file(sound: Dataset) -> None:
    (sound.folder / "images" / "2.dcm").unlink()
    assert_only(sound, "error", "2.dcm", "radiograph 1.2 is missing")


def test_a_changed_file(sound: Dataset, dicom_writer: DicomWriter) -> None:
    dicom_writer(sound.folder / "images" / "2.dcm", SOPInstanceUID="1.2", PatientID="2", seed=99)
    assert_only(sound, "error", "2.dcm", "was changed")
    assert check(sound, hashes=False) == ()


def test_an_unreadable_file(sound: Dataset) -> None:
    path = sound.folder / "images" / "2.dcm"
    path.write_bytes(b"x" * 300)
    sound.update_rows([replace(sound.row("1.2"), sha256="")])
    assert_only(sound, "error", "2.dcm")


def test_pixels_that_can_not_be_decoded_are_found_when_asked_for(sound: Dataset) -> None:
    path = sound.folder / "images" / "2.dcm"
    path.write_bytes(path.read_bytes()[:-500])
    sound.update_rows([replace(sound.row("1.2"), sha256="")])
    assert [problem.file for problem in check(sound, pixels=True)] == [path]


def test_the_same_image_under_two_ids(sound: Dataset) -> None:
    row = sound.row("1.2")
    sound.add_rows([replace(row, id="9.9", sha256="")])
    problems = found(sound)
    assert ("error", "2.dcm: Radiographs 1.2 and 9.9 are the same file under two ids.") in problems
    assert ("warning", "2.dcm: The file is SOP instance 1.2, the table calls it 9.9.") in problems


def test_duplicate_rows(sound: Dataset) -> None:
    path = sound.folder / "radiographs.csv"
    path.write_text(path.read_text() + path.read_text().splitlines()[2] + "\n")
    assert_only(sound, "error", "radiographs.csv", "Radiograph 1.2 has two rows")


def test_a_broken_table(sound: Dataset) -> None:
    path = sound.folder / "radiographs.csv"
    path.write_bytes(b"\xff\xfe")
    assert any(p.severity == "error" and p.file == path and "UTF-8" in p.text for p in check(sound))


def test_an_unknown_view_in_the_table(sound: Dataset) -> None:
    sound.update_rows([replace(sound.row("1.2"), view="SIDEWAYS")])
    assert ("error", "radiographs.csv: Radiograph 1.2: view 'SIDEWAYS' or side 'L' is not a known one.") in found(sound)


def test_no_spacing(sound: Dataset, dicom_writer: DicomWriter) -> None:
    dicom_writer(sound.folder / "images" / "2.dcm", SOPInstanceUID="1.2", PixelSpacing=None, seed=50)
    sound.update_rows([replace(sound.row("1.2"), sha256="")])
    assert_only(sound, "warning", "2.dcm", "pixel spacing")
    sound.update_rows([replace(sound.row("1.2"), row_spacing_mm=0.1, col_spacing_mm=0.1)])
    assert check(sound) == ()


@pytest.mark.parametrize(
    ("change", "severity", "text"),
    [
        ({"radiograph": "7.7"}, "error", "Radiograph 7.7 is not in radiographs.csv"),
        ({"label": None}, "warning", "done but has no label"),
        (
            {"landmarks": {**PA_MARKS, "distal_ulna": (40.0, 5.0)}},
            "error",
            "Landmark distal_ulna at (row 40.0, col 5.0) lies",
        ),
        ({"landmarks": {**PA_MARKS, "distal_ulna": (4.0, -0.6)}}, "error", "lies outside the image"),
        ({"landmarks": {**PA_MARKS, "dorsal_rim": (1.0, 1.0)}}, "error", "Landmark dorsal_rim is none of view PA"),
        ({"landmarks": {"distal_ulna": (1.0, 1.0)}}, "warning", "landmark distal_radius is missing"),
        (
            {"regions": (Region("cast", ((41.0, 0.0), (50.0, 9.0))),)},
            "error",
            "Region cast at (row 41.0, col 0.0) lies",
        ),
        ({"regions": (Region("cast", ((30.0, 0.0), (50.0, 9.0))),)}, "warning", "reaches out of the image"),
        ({"regions": (Region("cast", ((1.0, 0.0), (5.0, 9.0)), bone="femur"),)}, "warning", "femur is no bone"),
        ({"side": "R"}, "warning", "The rater says side R, the header L"),
        ({"view": "AP"}, "warning", "The rater says view AP, the header PA"),
        ({"view": "OBLIQUE", "landmarks": {}}, "warning", "The rater says view OBLIQUE, the header PA"),
    ],
)
def test_a_wrong_annotation(sound: Dataset, change: dict[str, object], severity: str, text: str) -> None:
    mark = replace(SOUND, rater="HP", **change)  # type: ignore[arg-type]
    sound.save(mark)
    assert_only(sound, severity, f"{mark.radiograph}.json", text)


def test_landmarks_on_a_view_the_site_does_not_read(sound: Dataset, dicom_writer: DicomWriter) -> None:
    sound.save(replace(SOUND, radiograph="1.2", view="OBLIQUE"))
    assert ("warning", "1.2.json: There are landmarks, but site wrist reads no view 'OBLIQUE'.") in found(sound)


def test_a_label_that_was_taken_out_of_the_label_set(sound: Dataset) -> None:
    path = sound.folder / "dataset.toml"
    path.write_text(path.read_text().replace('"normal", ', ""))
    assert_only(Dataset.open(sound.folder), "error", "1.1.json", "Label 'normal' is not one of")


def test_a_broken_annotation_is_an_error_and_later_a_reminder(sound: Dataset) -> None:
    sound.annotation_path("1.1", "AM").write_bytes(b"{")
    assert_only(sound, "error", "1.1.json", "set aside as 1.1.json.broken-1")
    assert_only(sound, "warning", "1.1.json.broken-1", "set aside here")


def test_a_folder_that_is_no_raters(sound: Dataset) -> None:
    (sound.folder / "annotations" / "@eaDir").mkdir()
    assert_only(sound, "warning", "@eaDir", "no rater's name")


def test_a_patient_in_two_splits(sound: Dataset) -> None:
    path = sound.folder / "splits.csv"
    patient = path.read_text().splitlines()[1].split(",")[0]
    path.write_text(path.read_text() + f"{patient},test,\n")
    assert_only(sound, "error", "splits.csv", "once each")


def test_a_study_whose_two_patients_are_in_different_splits(sound: Dataset) -> None:
    splits = sound.splits
    test = next(row for row in sound.radiographs if splits[row.patient].split == "test")
    train = next(row for row in sound.radiographs if splits[row.patient].split == "train")
    sound.update_rows([replace(test, study=train.study)])
    assert_only(sound, "error", "splits.csv", f"Study {train.study} belongs to patients")


def test_patients_added_or_removed_after_the_splits(sound: Dataset) -> None:
    row = sound.row("1.8")
    sound.rewrite_rows(lambda rows: [r for r in rows if r.id != "1.8"])
    sound.add_rows([RadiographRow("1.8", row.study, "new", "PA", "L", row.file, row.sha256)])
    assert {text for _, text in found(sound)} == {
        "splits.csv: Patient new has no split; extend the splits.",
        f"splits.csv: Patient {row.patient} has no radiograph any more.",
    }
