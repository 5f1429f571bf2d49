"""A dataset of real DICOM files, read by a reader with known mistakes."""

import io
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

from fractureai.dataset import Annotation, Dataset, RadiographRow, Region, make_splits
from fractureai.errors import DatasetError
from fractureai.evaluation import cases_from_predictions, error_gallery, evaluate, read_split, studies, write_report
from fractureai.geometry import Roi
from fractureai.inference.prediction import Prediction, Referral, ViewPrediction
from fractureai.radiograph import Radiograph

SPACING = (0.5, 0.25)
LANDMARKS = {
    "PA": {"distal_ulna": (40.0, 30.0), "distal_radius": (40.0, 60.0), "wrist_centre": (20.0, 45.0)},
    "LAT": {"dorsal_rim": (42.0, 40.0), "palmar_rim": (42.0, 50.0), "wrist_centre": (22.0, 45.0)},
}
BOX = ((50.0, 40.0), (60.0, 60.0))


def write_dicom(path: Path, uid: str, study: str, view: str, value: int, spacing: bool) -> None:
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = DigitalXRayImageStorageForPresentation
    dataset.SOPInstanceUID, dataset.StudyInstanceUID, dataset.SeriesInstanceUID = uid, study, f"{study}.1"
    dataset.PatientID, dataset.Modality, dataset.ViewPosition, dataset.ImageLaterality = "p", "DX", view, "L"
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = 100, 90, 1
    dataset.PhotometricInterpretation, dataset.PixelRepresentation = "MONOCHROME2", 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    if spacing:
        dataset.ImagerPixelSpacing = list(SPACING)
    pixels = np.full((100, 90), value, dtype=np.uint16)
    pixels[0, 0] = 4000
    dataset.PixelData = pixels.tobytes()
    dataset.save_as(path, enforce_file_format=True)


def build(folder: Path, kinds: Sequence[str]) -> Dataset:
    """One study of PA and LAT a kind; pixel values say which: 1000 + 10 * study."""
    dataset = Dataset.create(folder, name="test")
    rows, marks = [], []
    for i, kind in enumerate(kinds):
        study = f"1.2.3.{i}"
        for j, view in enumerate(("PA", "LAT")):
            uid = f"{study}.{j}"
            file = f"images/{uid}.dcm"
            write_dicom(
                folder / file, uid, study, "PA" if kind == "wrong view" else view, 1000 + 10 * i, kind != "bare"
            )
            age, stratum = (9.0, "hard") if kind == "child" else (50.0, "general")
            rows.append(RadiographRow(uid, study, f"P{i}", view, "L", file, age_years=age, sex="F", stratum=stratum))
            fracture = kind in ("fracture", "missed", "child", "bare", "wrong view") and (j == 0 or kind != "missed")
            label = {"uncertain": "uncertain", "open": None}.get(kind, "fracture" if fracture else "normal")
            marks.append(
                Annotation(
                    uid,
                    "truth",
                    status="open" if kind == "open" else "done",
                    label=label,
                    landmarks=LANDMARKS[view],
                    regions=(Region("fracture", BOX), Region("cast", ((0, 0), (9, 9)))) if fracture else (),
                    view=view,
                    side="L",
                    cast=kind == "child",
                )
            )
    dataset.add_rows(rows)
    dataset.save_all(marks)
    return dataset


class Reader:
    """Reads by the pixel values: 0.9 for the studies named, landmarks 2 rows off, map's peak where it is told."""

    def __init__(self, positive: set[int], peak_rc: tuple[int, int] = (5, 5)) -> None:
        self.positive, self.peak_rc, self.views = positive, peak_rc, []

    def __call__(self, radiographs: Sequence[Radiograph]) -> Prediction:
        views = tuple(self.view(radiograph) for radiograph in radiographs)
        self.views.append([radiograph.view for radiograph in radiographs])
        probability = float(np.mean([view.probability for view in views]))
        refer = (Referral("test", "To test."),) if probability > 0.85 else ()
        return Prediction(
            radiographs[0].study_instance_uid, views, probability, 0.5, "positive", "", bool(refer), refer, "m", ""
        )

    def view(self, radiograph: Radiograph) -> ViewPrediction:
        study = round((float(np.median(radiograph.pixels)) - 1000) / 10)
        probability = 0.9 if study in self.positive else 0.2
        activation = np.zeros((10, 10), dtype=np.float32)
        activation[self.peak_rc] = 1
        spacing = radiograph.spacing_mm or (9.0, 9.0)
        source = radiograph.spacing_source if radiograph.spacing_mm else "landmarks"
        # 40 rows by 80 columns around (55, 45): a map pixel is 4 rows by 8 columns.
        return ViewPrediction(
            radiograph.path, radiograph.sop_instance_uid, radiograph.view, radiograph.side, probability,
            np.array([probability]), 0.5, {k: (r + 2, c) for k, (r, c) in LANDMARKS[radiograph.view].items()},
            Roi(55, 45, 20, SPACING), activation, spacing, source, np.zeros((1, 1), np.float32), radiograph.shape,
        )  # fmt: skip


KINDS = ("fracture", "normal", "missed", "child", "uncertain", "open", "bare", "wrong view")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return build(tmp_path_factory.mktemp("data") / "set", KINDS)


def test_cases_hold_reference_and_reading(dataset: Dataset) -> None:
    reading = read_split(dataset, Reader({0, 3, 6, 7}), split=None)
    assert set(reading.predictions) == {f"1.2.3.{i}" for i in (0, 1, 2, 3, 4, 6, 7)}  # 5 is not finished
    table = cases_from_predictions(dataset, reading.predictions)
    cases = {KINDS[int(case.study[-1])]: case for case in table.cases}
    assert [(item.study, item.reason) for item in table.left_out] == [
        ("1.2.3.4", "its label is uncertain, so there is no reference.")
    ]
    assert [case.label for case in cases.values()] == [True, False, True, True, True, True]
    assert cases["missed"].label is True  # one radiograph of two is labelled fracture
    assert cases["missed"].correct is False
    child = cases["child"]
    assert (child.age_years, child.stratum, child.cast, child.implant, child.patient) == (9, "hard", True, None, "P3")
    assert (child.refer, child.reasons[0].code, cases["normal"].refer) == (True, "test", False)
    assert cases["fracture"].views[0].landmark_errors_mm == pytest.approx(
        {"distal_ulna": 1, "distal_radius": 1, "wrist_centre": 1}
    )
    assert [view.activation_hit for view in cases["fracture"].views] == [True, True]
    assert [view.activation_hit for view in cases["missed"].views] == [True, None]
    assert [view.activation_hit for view in cases["normal"].views] == [None, None]


def test_without_spacing_nothing_is_measured(dataset: Dataset) -> None:
    reading = read_split(dataset, Reader(set()), split=None)
    case = next(c for c in cases_from_predictions(dataset, reading.predictions).cases if c.study == "1.2.3.6")
    assert all(view.landmark_errors_mm == {} and view.activation_hit is None for view in case.views)


def test_a_radiograph_read_as_another_view_misses_its_landmarks(dataset: Dataset) -> None:
    reader = Reader(set())
    reading = read_split(dataset, reader, split=None)
    table = cases_from_predictions(dataset, reading.predictions)
    pa, lat = next(case for case in table.cases if case.study == "1.2.3.7").views
    assert (pa.reference_view, lat.view, lat.reference_view) == ("", "PA", "LAT")
    assert (lat.landmark_errors_mm["dorsal_rim"], lat.landmark_errors_mm["palmar_rim"]) == (math.inf, math.inf)
    evaluation = evaluate(table.cases, resamples=20)
    assert evaluation.wrong_views == 1
    assert next(r for r in evaluation.landmarks if r.landmark == "dorsal_rim").result.missed == 1
    told = Reader(set())
    read_split(dataset, told, split=None, given_view=True)
    assert reader.views[-1] == ["PA", "PA"]
    assert told.views[-1] == ["PA", "LAT"]


def test_a_peak_far_from_the_box_is_no_hit(dataset: Dataset) -> None:
    reading = read_split(dataset, Reader({0}, peak_rc=(0, 0)), split=None)  # (37, 9): 5 mm are 10 rows, 20 columns
    case = cases_from_predictions(dataset, reading.predictions).cases[0]
    assert [view.activation_hit for view in case.views] == [False, False]


def test_only_the_test_split_is_read_and_progress_is_told(tmp_path: Path) -> None:
    dataset = build(tmp_path / "set", ["fracture", "normal"] * 6)
    with pytest.raises(DatasetError, match="splits"):
        studies(dataset)
    splits = make_splits(dataset, fractions=(0.5, 0.2, 0.3), folds=2, seed=1)
    told: list[tuple[int, int]] = []
    reading = read_split(dataset, Reader(set()), progress=lambda done, total: told.append((done, total)))
    expected = {f"1.2.3.{name[1:]}" for name, split in splits.items() if split.split == "test"}
    assert set(reading.predictions) == expected
    assert told == [(i, len(expected)) for i in range(len(expected) + 1)]


def test_a_broken_file_is_left_out_and_the_rest_is_read(tmp_path: Path) -> None:
    dataset = build(tmp_path / "set", ["fracture", "normal"])
    broken = tmp_path / "set" / "images" / "1.2.3.0.1.dcm"
    broken.write_bytes(broken.read_bytes()[:600])
    (tmp_path / "set" / "images" / "1.2.3.1.0.dcm").unlink()
    reading = read_split(dataset, Reader(set()), split=None)
    assert [len(prediction.views) for prediction in reading.predictions.values()] == [1, 1]
    assert [item.study for item in reading.left_out] == ["1.2.3.0", "1.2.3.1"]
    assert "1.2.3.0.1.dcm" in reading.left_out[0].reason


def test_both_wrists_in_one_study_are_two_cases(tmp_path: Path) -> None:
    dataset = build(tmp_path / "set", ["fracture", "normal"])
    first, second = dataset.radiographs[:2], dataset.radiographs[2:]
    dataset.update_rows([replace(row, study="1.2.3.0", patient="P0", side="R") for row in second])
    for row in second:
        mark = dataset.annotation(row.id, "truth")
        dataset.save(replace(mark, side=""))
    predictions = read_split(dataset, Reader(set()), split=None).predictions
    assert set(predictions) == {"1.2.3.0 L", "1.2.3.0 R"}
    cases = cases_from_predictions(dataset, predictions).cases
    assert [(case.study, case.label) for case in cases] == [("1.2.3.0 L", True), ("1.2.3.0 R", False)]
    assert {view.radiograph for view in cases[0].views} == {row.id for row in first}


def test_readings_of_another_dataset_are_refused(dataset: Dataset) -> None:
    prediction = next(iter(read_split(dataset, Reader(set()), split=None).predictions.values()))
    with pytest.raises(DatasetError, match="no study 9"):
        cases_from_predictions(dataset, {"9": prediction})


def test_gallery_shows_the_view_that_misled(dataset: Dataset, tmp_path: Path) -> None:
    reading = read_split(dataset, Reader({1}), split=None)
    predictions = dict(reading.predictions)
    normal = predictions["1.2.3.1"]
    pa, lat = normal.views
    predictions["1.2.3.1"] = replace(normal, views=(replace(pa, probability=0.7), replace(lat, probability=0.99)))
    table = cases_from_predictions(dataset, predictions)
    drawn: list[str] = []

    def render(radiograph: Radiograph, view: ViewPrediction, prediction: Prediction) -> np.ndarray:
        drawn.append(view.sop_instance_uid)
        assert radiograph.sop_instance_uid == view.sop_instance_uid
        assert view in prediction.views
        return np.full((900, 700, 3), 80, dtype=np.uint8)

    items = error_gallery(dataset, table.cases, predictions, render, count=2)
    assert items[0].case.study == "1.2.3.1"
    assert drawn[0] == "1.2.3.1.1"
    assert len(items) == 2
    assert max(Image.open(io.BytesIO(items[0].png)).size) <= 560
    path = write_report(evaluate(table.cases, resamples=20), tmp_path, gallery=items)
    assert path.read_text(encoding="utf-8").count("data:image/png") == 2
