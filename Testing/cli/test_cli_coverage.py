"""`fractureai calibrate`, and the coverage of `fractureai read`."""

import json
from pathlib import Path

import jsonschema
import pytest

from fractureai.bundle import load_bundle
from fractureai.cli.stored_reading import load_reading
from fractureai.inference.outputs import SCHEMA_FILE


def one_line(done) -> str:
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    return line


def test_the_coverage_decides_what_is_referred(fractureai, calibrated_demo, demo, tmp_path):
    shown = {}
    for coverage in (0.005, 1):
        words = ("read", calibrated_demo, *demo.pair, "--coverage", str(coverage))
        document = json.loads(fractureai(*words, "--json").stdout)
        jsonschema.validate(document, json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))
        shown[coverage] = document
    assert shown[1]["reliability"]["uncertainty"] == shown[0.005]["reliability"]["uncertainty"]
    reasons = {reason["code"]: reason["text"] for reason in shown[0.005]["reasons"]}
    assert reasons["score-uncertain"].startswith("The model is less sure here than on ")
    assert "score-uncertain" not in [reason["code"] for reason in shown[1]["reasons"]]


def test_people_read_it_in_words_and_it_is_stored(fractureai, calibrated_demo, demo, tmp_path):
    done = fractureai("read", calibrated_demo, *demo.pair, "--out", tmp_path / "out")
    assert "Calibrated probability 0." in done.stdout
    assert "the limit for answering 90 of 100 studies" in done.stdout
    prediction, _ = load_reading(tmp_path / "out" / "reading.json")
    assert prediction.coverage == 0.9
    assert prediction.uncertainty is not None
    assert set(prediction.scores) >= {"margin", "entropy"}


def test_readings_stored_before_there_was_this_still_load(fractureai, demo, tmp_path):
    assert fractureai("read", "demo", *demo.pair, "--out", tmp_path / "out").returncode == 0
    path = tmp_path / "out" / "reading.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    del document["reliability"]
    path.write_text(json.dumps(document), encoding="utf-8")
    prediction, _ = load_reading(path)
    assert (prediction.calibrated_probability, prediction.uncertainty, prediction.conformal) == (None, None, None)


def test_what_can_not_be_done_is_one_line(fractureai, demo, calibrated_demo):
    assert "above 0, at most 1" in one_line(fractureai("read", calibrated_demo, *demo.pair, "--coverage", "0"))
    assert "never calibrated" in one_line(fractureai("read", demo.bundle, *demo.pair, "--coverage", "0.5"))
    assert "coverage" in one_line(fractureai("serve", "--coverage", "2"))
    assert "no choice of studies" in one_line(fractureai("calibrate", demo.bundle, demo.dataset, "--split", "some"))
    assert "it comes with FractureAI" in one_line(fractureai("calibrate", "demo", demo.dataset))


def test_too_few_studies_are_named_in_figures_and_the_bundle_stays(fractureai, demo):
    before = (demo.bundle / "sha256.json").read_bytes()
    line = one_line(fractureai("calibrate", demo.bundle, demo.dataset))
    assert "10 studies with and 10 without the finding" in line
    assert (demo.bundle / "sha256.json").read_bytes() == before
    assert load_bundle(demo.bundle).spec.reliability is None


@pytest.mark.parametrize("page", ["command-line.md"])
def test_it_is_documented(page):
    text = (Path(__file__).resolve().parents[2] / "docs" / page).read_text(encoding="utf-8")
    assert "fractureai calibrate" in text
    assert "--coverage" in text
