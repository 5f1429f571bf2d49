"""Strata, and the report as people and machines read it."""

import csv
import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from sklearn.metrics import auc

from fractureai.errors import EvaluationError
from fractureai.evaluation import (
    METRICS,
    GalleryItem,
    LeftOut,
    binary_metrics,
    bootstrap_metrics,
    evaluate,
    evaluation_to_json,
    worst_errors,
    write_report,
)
from fractureai.evaluation.published import PUBLISHED
from fractureai.inference.prediction import Referral

PNG = bytes.fromhex(  # one white pixel
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b55"
    "0000000a49444154789c63f80f0001010100b138f6140000000049454e44ae4260"
    "82"
)
VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """Collects text, attributes and headings, and checks that every element is closed where it should be."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.text: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.references: set[str] = set()
        self.rows: list[list[str]] = []
        self.tags: list[str] = []
        self.feed(html)
        self.close()
        assert not self.stack

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {key: value or "" for key, value in attrs}
        self.tags.append(tag)
        for key in ("src", "href", "xlink:href"):
            if key in values:
                (
                    self.references.add(values[key][1:])
                    if values[key].startswith("#")
                    else self.links.append(values[key])
                )
        self.references |= set(re.findall(r"url\(#([^)]+)\)", " ".join(values.values())))
        self.ids += [values["id"]] if "id" in values else []
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.stack.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.stack:
            self.text.append(data)
        if {"td", "th"} & set(self.stack):
            self.rows[-1][-1] += data

    def row(self, title: str) -> list[str]:
        return next(row for row in self.rows if row and row[0].strip().startswith(title))


def test_strata_hold_the_right_cases(cases_of) -> None:
    cases = cases_of(120)
    evaluation = evaluate(cases, resamples=200, seed=4)
    members = {
        "all": cases,
        "kept": [c for c in cases if not c.refer],
        "general": [c for c in cases if c.stratum == "general"],
        "hard": [c for c in cases if c.stratum == "hard"],
        "cast": [c for c in cases if c.cast],
        "implant": [],
        "child": [c for c in cases if c.age_years < 18],
        "adult": [c for c in cases if c.age_years >= 18],
    }
    assert [row.name for row in evaluation.strata] == list(members)
    for row in evaluation.strata:
        chosen = members[row.name]
        assert row.n == len(chosen)
        if chosen:
            labels, probabilities = [c.label for c in chosen], [c.probability for c in chosen]
            assert row.metrics == binary_metrics(labels, probabilities, 0.5)
            patients = [c.patient for c in chosen]
            assert row.estimates == bootstrap_metrics(labels, probabilities, 0.5, 200, 4, patients=patients)
    assert evaluation.stratum("implant").few


def test_views_are_judged_against_the_study_at_their_own_threshold(cases_of) -> None:
    cases = cases_of(60)
    cases = (replace(cases[0], views=cases[0].views[:1]), *cases[1:])
    rows = {row.name: row for row in evaluate(cases, resamples=50).views}
    labels = [c.label for c in cases]
    assert rows["PA"].metrics == binary_metrics(labels, [c.views[0].probability for c in cases], 0.41)
    assert rows["LAT"].metrics == binary_metrics(labels[1:], [c.views[1].probability for c in cases[1:]], 0.58)
    assert rows["ensemble"].n == 59
    assert list(rows) == ["PA", "LAT", "ensemble"]


def test_other_thresholds_replace_those_of_the_readings(cases_of) -> None:
    cases = cases_of(40)
    single = replace(cases[0], views=cases[0].views[:1])
    changed = evaluate((single, *cases[1:]), {"PA": 0.3, "ensemble": 0.9}, resamples=50)
    assert [case.threshold for case in changed.cases[:3]] == [0.3, 0.9, 0.9]
    assert {view.threshold for case in changed.cases for view in case.views} == {0.3, 0.58}


def test_localisation_counts_true_positive_radiographs_only(cases_of) -> None:
    cases = cases_of(80)
    row = evaluate(cases, resamples=50).localisation[0]
    hits = [v.activation_hit for c in cases if c.label for v in c.views if v.probability >= v.threshold]
    assert (row.hits, row.n) == (sum(hits), len(hits))


def test_studies_not_read_count_as_referred_and_nowhere_else(cases_of) -> None:
    unread = replace(
        cases_of(1)[0],
        study="unread",
        probability=None,
        views=(),
        refer=True,
        reasons=(Referral("view-unknown", "The view is unknown."),),
    )
    cases = tuple(replace(case, refer=False, reasons=()) for case in cases_of(30))
    evaluation = evaluate((*cases, unread), resamples=50)
    assert evaluation.stratum("all").n == 30
    counts = evaluation.referrals
    assert (counts.studies, counts.referred, counts.not_read, counts.wrong_referred) == (31, 1, 1, 0)
    assert counts.wrong_kept == sum(not case.correct for case in cases)
    assert [(reason.code, reason.studies) for reason in counts.reasons] == [("view-unknown", 1)]
    with pytest.raises(EvaluationError, match="No study"):
        evaluate([unread])
    with pytest.raises(EvaluationError, match="more than once"):
        evaluate([*cases, cases[0]])


def test_worst_errors_are_the_farthest_from_the_threshold(cases_of) -> None:
    base = cases_of(1)[0]
    probabilities = {"missed": (True, 0.1), "alarm": (False, 0.95), "close": (True, 0.49), "right": (True, 0.9)}
    cases = tuple(replace(base, study=k, label=a, probability=p) for k, (a, p) in probabilities.items())
    assert [case.study for case in worst_errors(cases, 5)] == ["alarm", "missed", "close"]
    assert len(worst_errors(cases, 1)) == 1


def test_report_says_what_was_computed(cases_of, tmp_path: Path) -> None:
    cases = cases_of(120)
    evaluation = evaluate(cases, resamples=300, left_out=[LeftOut("study-900", "its label is uncertain.")])
    gallery = [GalleryItem(case, PNG, "PA") for case in worst_errors(cases, 3)]
    path = write_report(
        evaluation,
        tmp_path / "a" / "report",
        gallery=gallery,
        notice="trained on simulated images; not for clinical use",
        title="Evaluation <b>of</b> a & b",
        facts={"Model": "<script>alert(1)</script>"},
    )
    page = Page(path.read_text(encoding="utf-8"))
    text = " ".join(" ".join(page.text).split())
    for sentence in (
        "Not a medical device.",
        "Trained on simulated images; not for clinical use.",
        "Evaluation <b>of</b> a & b",
        "<script>alert(1)</script>",
        "can not be compared with the rows above",
        "study-900: its label is uncertain.",
        "No study in the test set: With implant.",
        "views-disagree",
    ):
        assert sentence in text
    assert "script" not in page.tags
    metrics = evaluation.stratum("all").metrics
    assert f"the model found {metrics.true_positive} of {metrics.n_positive} fractures" in text
    row = page.row("General")
    general = evaluation.stratum("general")
    assert row[1:3] == [str(general.n), str(general.n_positive)]
    for cell, name in zip(row[3:], METRICS, strict=True):
        estimate = general.estimates[name]
        assert cell == f"{estimate.value:.2f}{estimate.low:.2f}–{estimate.high:.2f}"
    published = next(row for row in PUBLISHED if "hard" in row.title)
    assert page.row(published.title)[3] == "0.840.72–0.93"
    assert sum(link.startswith("data:image/png;base64,") for link in page.links) == 3


def test_report_stands_alone_and_its_parts_do_not_clash(cases_of, tmp_path: Path) -> None:
    path = write_report(evaluate(cases_of(50), resamples=50), tmp_path)
    html = path.read_text(encoding="utf-8")
    page = Page(html)
    for link in page.links:
        assert link.startswith("data:") or (tmp_path / link).exists(), link
    assert page.tags.count("svg") == 5
    assert len(page.ids) == len(set(page.ids))
    assert page.references <= set(page.ids)
    assert "var(--ink)" in html
    assert {p.name for p in (tmp_path / "figures").iterdir()} == {
        f"{name}.{kind}"
        for name in ("roc", "precision_recall", "probabilities", "calibration", "landmarks")
        for kind in ("svg", "png")
    }


def test_same_input_same_bytes(cases_of, tmp_path: Path) -> None:
    evaluation = evaluate(cases_of(30), resamples=50)
    first, second = (write_report(evaluation, tmp_path / name) for name in "ab")
    for file in sorted(p for p in first.parent.rglob("*") if p.suffix in (".html", ".json", ".csv", ".svg")):
        assert file.read_bytes() == (second.parent / file.relative_to(first.parent)).read_bytes(), file


def test_numbers_beside_the_report_are_the_evaluation(cases_of, tmp_path: Path) -> None:
    evaluation = evaluate(cases_of(40), resamples=50)
    write_report(evaluation, tmp_path, title="T", notice="N", facts={"Model": "M"})
    numbers = json.loads((tmp_path / "numbers.json").read_text(encoding="utf-8"))
    assert {key: numbers[key] for key in evaluation_to_json(evaluation)} == json.loads(
        json.dumps(evaluation_to_json(evaluation), allow_nan=False)
    )
    assert (numbers["title"], numbers["notice"], numbers["facts"]["Model"]) == ("T", "N", "M")
    with (tmp_path / "strata.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    assert float(rows["all"]["auroc_low"]) == evaluation.stratum("all").estimates["auroc"].low
    assert rows["implant"]["auroc"] == ""
    with (tmp_path / "landmarks.csv").open(encoding="utf-8", newline="") as file:
        assert float(next(csv.DictReader(file))["recall_5_mm"]) == evaluation.landmarks[0].result.recall[5.0].value
    with (tmp_path / "curves.csv").open(encoding="utf-8", newline="") as file:
        curves = [row for row in csv.DictReader(file) if (row["curve"], row["line"]) == ("roc", "curve")]
    strata = {name: [row for row in curves if row["stratum"] == name] for name in ("general", "hard")}
    for name, points in strata.items():
        area = auc([float(row["x"]) for row in points], [float(row["y"]) for row in points])
        assert area == pytest.approx(evaluation.stratum(name).estimates["auroc"].value)
    with (tmp_path / "cases.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["study"] for row in table] == [case.study for case in evaluation.cases]
    assert float(table[3]["probability"]) == evaluation.cases[3].probability
    assert {"calibrated", "uncertainty", "score_margin", "score_knn"} <= set(table[3])
    assert table[3]["uncertainty"] == ""  # the model was never calibrated


def test_report_of_hardly_anything(cases_of, tmp_path: Path) -> None:
    """One class, one study, no landmarks, no stratum: dashes, no curves, no error."""
    case = replace(
        cases_of(1)[0], label=True, stratum="", age_years=None, sex="", cast=None, views=(), refer=False, reasons=()
    )
    evaluation = evaluate([case], resamples=20)
    assert math.isnan(evaluation.stratum("all").estimates["auroc"].value)
    page = Page(write_report(evaluation, tmp_path).read_text(encoding="utf-8"))
    assert page.row("All studies")[3] == "–"
    assert page.tags.count("svg") == 2
    assert not (tmp_path / "figures" / "roc.svg").exists()
