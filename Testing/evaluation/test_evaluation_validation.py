"""The validation report: what people and programs read of what a model is for and where it fails."""

import copy
import csv
import json
from dataclasses import replace
from importlib import resources
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator, ValidationError

from fractureai.bundle import load_bundle
from fractureai.bundle.card import model_card_json
from fractureai.bundle.use import intended_use
from fractureai.evaluation import CaseResult, evaluate, evaluation_to_json, wilson, write_report
from fractureai.evaluation.failures import failure_modes
from fractureai.evaluation.report import Subject
from fractureai.evaluation.report.validation import SIMULATED_NOTICE, limits


@pytest.fixture(scope="module")
def schema() -> Draft202012Validator:
    folder = resources.files("fractureai.evaluation.report")
    table = json.loads(folder.joinpath("validation.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(table)
    return Draft202012Validator(table)


@pytest.fixture(scope="module")
def subject() -> Subject:
    return Subject(load_bundle("demo").spec, "Simulated wrists, seed 7", "test", ("truth",))


def test_the_files_say_what_the_model_is_for_and_where_it_fails(
    cases_of, tmp_path: Path, subject: Subject, schema: Draft202012Validator
) -> None:
    evaluation = evaluate(cases_of(90, 3), resamples=100)
    page = write_report(evaluation, tmp_path, subject=subject, title="T", created="2026-01-02")
    report = json.loads((tmp_path / "validation.json").read_text(encoding="utf-8"))
    schema.validate(report)
    assert report["model"] == model_card_json(subject.spec)
    assert report["model"]["model_details"]["id"] == subject.spec.id
    assert report["data"]["studies"] == 90
    assert report["data"]["radiographs"] == {"LAT": 90, "PA": 90}
    assert report["data"]["simulated"] is True
    assert SIMULATED_NOTICE in report["notice"]
    numbers = json.loads(json.dumps(evaluation_to_json(evaluation)))
    assert report["results"] == {key: numbers[key] for key in report["results"]}
    assert set(numbers) - set(report["results"]) == {"format_version", "bootstrap", "cases", "left_out"}
    html = page.read_text(encoding="utf-8")
    for text in (*intended_use(subject.spec).out_of_scope, *report["known_failure_modes"]["known"], *report["limits"]):
        assert text in html
    assert 'href="validation.json"' in html
    keys = ("summary", "use", "data", "strata", "views", "figures", "errors", "failures", "limits", "computed")
    places = [html.index(f'<section id="{key}"') for key in keys]
    assert places == sorted(places)
    modes = failure_modes(evaluation)
    assert modes[0].stratum == "hard"
    with (tmp_path / "failure_modes.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["value_high"]) for row in rows] == [mode.estimate.high for mode in modes]


@pytest.mark.parametrize(
    "path",
    [
        ("model",),
        ("results", "strata"),
        ("data", "fractures"),
        ("limits",),
        ("results", "strata", 0, "estimates", "f1", "low"),
    ],
)
def test_the_schema_misses_what_is_missing(
    cases_of, tmp_path: Path, subject: Subject, schema: Draft202012Validator, path: tuple[str | int, ...]
) -> None:
    from fractureai.evaluation.report.validation import validation

    report = json.loads(json.dumps(validation(evaluate(cases_of(20), resamples=20), subject, "T", "")))
    schema.validate(report)
    broken = copy.deepcopy(report)
    place = broken
    for key in path[:-1]:
        place = place[key]
    del place[path[-1]]
    with pytest.raises(ValidationError):
        schema.validate(broken)
    with pytest.raises(ValidationError):
        schema.validate({**report, "unknown": 1})


def strata_of(hard_found: int, hard: int, general_found: int, general: int) -> tuple[CaseResult, ...]:
    """Make fractures of two strata, of which so many are found, and as many normals, all called right."""
    cases = []
    for stratum, found, count in (("hard", hard_found, hard), ("general", general_found, general)):
        for i in range(count):
            name = f"{stratum}-{i}"
            probability = 0.9 if i < found else 0.1
            cases.append(CaseResult(name, name, True, probability, 0.5, stratum=stratum))
            cases.append(CaseResult(f"{name}-n", f"{name}-n", False, 0.2, 0.5, stratum=stratum))
    return tuple(cases)


def test_a_kind_is_a_failure_mode_when_its_whole_interval_lies_below_the_value_of_all() -> None:
    evaluation = evaluate(strata_of(3, 20, 38, 40), resamples=300)
    modes = failure_modes(evaluation)
    assert {(mode.stratum, mode.metric) for mode in modes} == {("hard", "sensitivity"), ("hard", "auroc")}
    mode = next(mode for mode in modes if mode.metric == "sensitivity")
    assert (mode.n, mode.n_positive, mode.whole) == (40, 20, 41 / 60)
    assert mode.estimate == wilson(3, 20)
    assert mode.estimate.high < mode.whole
    assert not failure_modes(evaluate(strata_of(18, 20, 38, 40), resamples=300))
    assert not failure_modes(evaluate(strata_of(1, 2, 34, 40), resamples=300))  # two studies show nothing


def test_limits_name_what_was_not_tested(cases_of, subject: Subject) -> None:
    evaluation = evaluate(cases_of(30), resamples=20)
    text = " ".join(limits(evaluation, subject))
    assert "With implant" in text
    assert SIMULATED_NOTICE in text
    assert "flatter" not in text
    assert "what is said of referral flatters" in " ".join(limits(evaluation, replace(subject, fitted_here=True)))
    seen = replace(subject, dataset=subject.spec.data["name"], split="all", raters=("AM",))
    text = " ".join(limits(evaluation, seen))
    assert "the figures flatter" in text
    assert SIMULATED_NOTICE not in text
    assert "what the raters marked" in text


def test_without_a_subject_there_is_no_validation_report(cases_of, tmp_path: Path) -> None:
    page = write_report(evaluate(cases_of(20), resamples=20), tmp_path).read_text(encoding="utf-8")
    assert not (tmp_path / "validation.json").exists()
    assert '<section id="use"' not in page
    assert '<section id="limits"' in page


@pytest.mark.slow
def test_the_report_of_a_split_names_its_data(tmp_path: Path) -> None:
    """The fingerprint is that of images and marks: another mark, another fingerprint."""
    from fractureai.evaluation import read_split, write_split_report
    from fractureai.inference import Pipeline
    from fractureai.phantom import write_dataset

    dataset = write_dataset(tmp_path / "wrists", studies=3, seed=5)
    pipeline = Pipeline.load("demo")
    reading = read_split(dataset, pipeline.read, split=None)
    found = []
    for name in "ab":
        write_split_report(dataset, pipeline.bundle, reading, None, tmp_path / name)
        report = json.loads((tmp_path / name / "validation.json").read_text(encoding="utf-8"))
        found.append(report["data"])
        mark = dataset.reference_annotations()[dataset.radiographs[0].id]
        row, column = mark.landmarks["wrist_centre"]
        dataset.save(replace(mark, landmarks={**mark.landmarks, "wrist_centre": (row + 1, column)}))
    assert {**found[0], "fingerprint": ""} == {**found[1], "fingerprint": ""}
    assert found[0]["fingerprint"] != found[1]["fingerprint"]
    assert (found[0]["split"], found[0]["reference_raters"], found[0]["simulated"]) == ("all", ["truth"], True)
