"""Readers' and predictions' CSV files: matched with studies, and refused with the line and what to do."""

import json
from pathlib import Path

import pytest

from fractureai.dataset import Annotation, Dataset, RadiographRow
from fractureai.dataset.formats import deepwrist
from fractureai.dataset.formats.records import ExportOptions
from fractureai.errors import DatasetError, EvaluationError
from fractureai.evaluation import reader_table, write_prediction_report
from fractureai.evaluation.matching import StudyIndex
from fractureai.evaluation.prediction_files import cases_of_predictions, read_prediction_file
from fractureai.evaluation.reader_files import read_reader_file

TRUTH = ("fracture", "normal", "fracture", "normal", "uncertain")


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Studies 1.2.0 to 1.2.4 of PA and LAT; the last two are of one patient; R1 calls 0 and 3, R2 is unsure about 1."""
    made = Dataset.create(tmp_path / "set", name="test")
    rows, marks = [], []
    for i, label in enumerate(TRUTH):
        for j, view in enumerate(("PA", "LAT")):
            uid = f"1.2.{i}.{j}"
            rows.append(RadiographRow(uid, f"1.2.{i}", f"P{min(i, 3)}", view, "L", f"images/{i:05d}_{view}.dcm"))
            said = {"truth": label, "R1": "fracture" if i in (0, 3) and view == "LAT" else "normal"}
            said["R2"] = "uncertain" if i == 1 else label if i < 4 else "normal"
            marks += [Annotation(uid, rater, status="done", label=given, view=view) for rater, given in said.items()]
    made.add_rows(rows)
    made.save_all(marks)
    return made


def written(folder: Path, text: str, name: str = "readers.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def index(dataset: Dataset) -> StudyIndex:
    return StudyIndex.of_dataset(dataset)


def test_ids_are_studies_radiographs_files_and_patients(index: StudyIndex, tmp_path: Path) -> None:
    text = "ID,Side,Fname,Fracture,Fracture_R1,Fracture_PCP1\n"
    text += "1.2.0,0,,1,1,0\n1.2.0,1,,1,0,0\n1.2.1.1,1,,0,0,1\n00002_LAT.dcm,1,,1,1,1\nP1,,,0,0,1\n"
    text += "x,0,PA/00003_PA.png,0,1,0\n"
    table = read_reader_file(written(tmp_path, text), index)
    assert table.calls == {
        "R1": {"1.2.0": True, "1.2.1": False, "1.2.2": True, "1.2.3": True},
        "PCP1": {"1.2.0": False, "1.2.1": True, "1.2.2": True, "1.2.3": False},
    }
    assert table.notes == ()


def test_what_does_not_count_is_said(index: StudyIndex, tmp_path: Path) -> None:
    text = "ID,Fracture,Fracture_R1\n1.2.0,0,1\n1.2.1,0,\n1.2.2,1,NaN\nunknown,0,1\n1.2.0,0,1\n"
    table = read_reader_file(written(tmp_path, text), index, {"1.2.0": True, "1.2.1": False, "1.2.2": True})
    assert table.calls == {"R1": {"1.2.0": True}}
    assert table.notes == (
        "readers.csv: no study, radiograph, file or patient has this ID or Fname, so these rows do not count (line 5).",
        "readers.csv: a row is there twice and counts once (line 6).",
        "readers.csv: Fracture_R1 is empty, so these rows do not count for this reader (2 rows: lines 3, 4).",
        "readers.csv: Fracture is not what the reference says, which counts (line 2).",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ID,Fracture_R1\n1.2.0,2\n", 'line 2: Fracture_R1 is "2"; write 1 for a fracture, 0 for none'),
        ("ID,Fracture_R1\n1.2.0,yes\n", 'line 2: Fracture_R1 is "yes"'),
        (
            "ID,Fracture_R1\n1.2.0,1\n1.2.0,0\n",
            "lines 2 and 3 are of the same radiograph or study and differ; keep one",
        ),
        ("ID,Fracture_R1\nP3,1\n", "line 2: P3 stands for 2 studies; write the Study Instance UID"),
        ("ID,Fracture_R1\n9,1\n8,1\n", r'none of its 2 rows belongs to a study that is there \("9"\)'),
        ("ID,Fracture\n1.2.0,1\n", "it has no reader's column"),
        ("ID,Fracture_R1\n", "it has no reader's column with rows below"),
        ("Study,Fracture_R1\n1.2.0,1\n", "it has no column ID"),
        ("ID,Fracture,Fracture_R1\n1.2.0,maybe,1\n", 'line 2: Fracture is "maybe"'),
    ],
)
def test_a_readers_file_is_refused_with_line_and_advice(
    index: StudyIndex, tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(DatasetError, match=message):
        read_reader_file(written(tmp_path, text), index)


def test_both_wrists_of_a_study_are_told_apart_by_file(tmp_path: Path) -> None:
    made = Dataset.create(tmp_path / "set", name="test")
    made.add_rows([RadiographRow(f"9.{s}", "9", "P", "PA", s, f"images/{s}.dcm") for s in "LR"])
    index = StudyIndex.of_dataset(made)
    table = read_reader_file(written(tmp_path, "ID,Fname,Fracture_R1\n9,R.png,1\n9,L.png,0\n9 L,,0\n"), index)
    assert table.calls == {"R1": {"9 R": True, "9 L": False}}
    with pytest.raises(DatasetError, match="9 stands for 2 studies"):
        read_reader_file(written(tmp_path, "ID,Fracture_R1\n9,1\n"), index)


def test_an_export_for_deepwrist_comes_back_as_readers(dataset: Dataset, tmp_path: Path) -> None:
    deepwrist.export(dataset, tmp_path / "out", ExportOptions(images=False, raters=["truth"]))
    file = reader_table(dataset, [tmp_path / "out" / "classifier.csv"])
    raters = reader_table(dataset, as_readers=["R1", "R2"])
    assert raters.calls["R1"] == {f"1.2.{i}": i in (0, 3) for i in range(5)}
    assert raters.calls["R2"] == {"1.2.0": True, "1.2.2": True, "1.2.3": False, "1.2.4": False}
    assert raters.notes == ("R2 was uncertain about 1 studies of the dataset; they do not count for this reader.",)
    assert file.calls == raters.calls
    with pytest.raises(EvaluationError, match="Two readers are called R1"):
        reader_table(dataset, [tmp_path / "out" / "classifier.csv"], ["R1"])


def test_a_reader_is_not_judged_by_own_marks(dataset: Dataset) -> None:
    with pytest.raises(DatasetError, match="the marks of truth are the reference"):
        reader_table(dataset, as_readers=["truth"])
    with pytest.raises(DatasetError, match="rater R9 has no annotations"):
        reader_table(dataset, as_readers=["R9"])


def test_other_predictions_are_means_of_the_means_of_views(dataset: Dataset, tmp_path: Path) -> None:
    text = "ID,Fname,Side,Fracture_Prediction,Fracture\n"
    text += "1.2.0,a.png,0,0.9,1\n1.2.0,b.png,0,0.7,1\n1.2.0,c.png,1,0.2,1\n1.2.1,d.png,0,0.1,0\n1.2.2,e.png,0,,0\n"
    table = reader_table(dataset, predictions=[written(tmp_path, text, "rival.csv")], threshold=0.4)
    assert table.models["rival"].probabilities == {"1.2.0": pytest.approx(0.5), "1.2.1": pytest.approx(0.1)}
    assert table.models["rival"].threshold == 0.4
    assert table.notes == ("rival.csv: Fracture_Prediction is empty (line 6).",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ID,Fracture_Prediction\n1,1.2\n", 'line 2: Fracture_Prediction is "1.2"; write a probability from 0 to 1'),
        ("ID,Fracture_Prediction\n,0.2\n", "line 2 has no ID"),
        ("ID,Fracture_Prediction\n1,0.2\n1,0.2\n", "lines 2 and 3 are of the same radiograph"),
        ("ID,Fracture_Prediction\n1,\n", "no row has a Fracture_Prediction"),
        ("ID,Fracture\n1,1\n", "it has no column Fracture_Prediction"),
        ("ID,Side,Fracture_Prediction\n1,AP,0.2\n", 'line 2: Side is "AP"; write 0 for PA, 1 for LAT'),
        ("ID,Stratum,Fracture_Prediction\n1,odd,0.2\n", 'Stratum is "odd"'),
    ],
)
def test_a_predictions_file_is_refused_with_line_and_advice(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        read_prediction_file(written(tmp_path, text))


def test_cases_of_predictions(tmp_path: Path) -> None:
    text = "ID,Side,Fname,Fracture_Prediction,Fracture,Patient,Age,Sex,Stratum\n"
    text += "a,0,a1,0.9,1,P1,40,f,hard\na,1,a2,0.5,0,P1,40,f,hard\nb,0,b1,0.2,,,,,\nc,0,c1,0.3,0,,,,\n"
    file = read_prediction_file(written(tmp_path, text))
    cases, left_out = cases_of_predictions(file, 0.6)
    assert [(case.study, case.patient, case.label, case.probability) for case in cases] == [
        ("a", "P1", True, pytest.approx(0.7)),
        ("c", "c", False, pytest.approx(0.3)),
    ]
    first = cases[0]
    assert (first.age_years, first.sex, first.stratum, first.called) == (40, "F", "hard", True)
    assert [view.view for view in first.views] == ["PA", "LAT"]
    assert [item.study for item in left_out] == ["b"]
    bare = read_prediction_file(written(tmp_path, "ID,Fracture_Prediction\na,1\nb,0\n"))
    assert "areas are those of decisions" in bare.notes[0]
    with pytest.raises(DatasetError, match="no row has a Fracture of 0 or 1"):
        cases_of_predictions(bare, 0.5)


@pytest.mark.slow
def test_predictions_alone_make_a_report(cases_of, tmp_path: Path) -> None:
    cases = cases_of(60)
    lines, rival, reader = [], [], []
    for i, case in enumerate(cases):
        for side, view in enumerate(case.views):
            start = f"{case.study},{case.study}_{view.view}.png,{side}"
            lines.append(f"{start},{view.probability:.6f},{int(case.label)},{case.patient},{case.age_years},{case.sex}")
            rival.append(f"{start},{1 - view.probability if i % 7 == 0 else view.probability:.6f},")
        reader.append(f"{case.study},{int(case.label != (i % 5 == 0))}")
    ours = written(
        tmp_path, "\n".join(["ID,Fname,Side,Fracture_Prediction,Fracture,Patient,Age,Sex", *lines]), "ours.csv"
    )
    other = written(tmp_path, "\n".join(["ID,Fname,Side,Fracture_Prediction,Fracture", *rival]), "rival.csv")
    human = written(tmp_path, "\n".join(["ID,Fracture_R1", *reader]))
    evaluation, path = write_prediction_report([ours, other], tmp_path / "out", readers=[human])
    rows = {row.reader: row for row in evaluation.readers.sets[0].rows}
    assert list(rows) == ["R1", "Model", "rival"]
    assert rows["R1"].true_positive + rows["R1"].true_negative == 48
    called = sum((case.probability >= 0.5) == case.label for case in cases)
    assert rows["Model"].true_positive + rows["Model"].true_negative == called
    assert rows["rival"].auroc.difference.value < 0
    assert evaluation.confounders is not None
    document = json.loads((path.parent / "numbers.json").read_text(encoding="utf-8"))
    assert document["readers"]["sets"][0]["rows"][2]["reader"] == "rival"
    assert "Predictions of ours" in path.read_text(encoding="utf-8")
