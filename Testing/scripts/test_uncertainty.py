"""The benchmark of uncertainty: what it makes of readings whose answer is known, and of images that are no wrists."""

import csv
import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fractureai.reliability import SCORES

BENCHMARKS = Path(__file__).parents[2] / "scripts" / "benchmarks"


@pytest.fixture(autouse=True)
def benchmarks(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def readings(count: int = 160) -> list[dict[str, str]]:
    """Occult fractures look normal; faint ones are found half of the time, and margin knows when."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(count):
        hard, broken, occult = number % 2 == 1, number % 4 < 2, number % 8 == 1
        severity = "" if not broken else "gross" if not hard else "occult" if occult else "faint"
        signal = {"": -2.0, "gross": 2.0, "occult": -2.0, "faint": 0.0}[severity] + float(rng.normal(0, 0.5))
        probability = 1 / (1 + math.exp(-signal))
        doubt = 1 / (1 + abs(signal))
        scores = {key: repr(float(rng.random())) for key in SCORES} | {"margin": repr(doubt)}
        rows.append(
            {
                "set": "hard" if hard else "general", "kind": "wrist", "patient": f"P{number}", "severity": severity,
                "label": "fracture" if broken else "normal", "read": "1", "probability": repr(probability),
                "threshold": "0.5", "called": str(int(signal > 0)), "codes": "score-uncertain" if doubt > 0.8 else "",
                "uncertainty": repr(doubt), **scores,
            }
        )  # fmt: skip
    for number in range(12):
        odd = dict.fromkeys(SCORES, "9.0" if number else "")
        facts = {"set": "foreign", "kind": "noise", "patient": f"F{number}", "severity": "", "label": "", "codes": "x"}
        read = {"read": str(int(number > 0)), "probability": "0.5", "threshold": "0.5", "called": "1"}
        rows.append({**facts, **read, "uncertainty": "1.0" if number else "", **odd})
    return rows


def test_the_tables_say_what_is_known(tmp_path):
    import uncertainty_judge

    found = uncertainty_judge.judge(readings(), tmp_path)
    assert found["strata"]["hard, occult"] == {"n": 60, "fractures": 20, "wrong": 20}
    rows = {(row["stratum"], row["score"]): row for row in found["referring"]}
    faint, occult = rows["hard, faint", "Combined"], rows["hard, occult", "Combined"]
    assert faint["sensitivity_0"] < 0.8
    assert faint["aurc_minus_published"] < 0
    assert faint["gain_20_low"] <= faint["gain_20"] <= faint["gain_20_high"]
    assert (occult["sensitivity_0"], occult["gain_20"]) == (0, 0)
    assert [item["reached"] for item in found["goal"]] == [faint["gain_20"] >= 0.1, False]
    foreign = {row["score"]: row for row in found["foreign"] if row["kind"] == "noise"}
    assert (foreign["Combined"]["n"], foreign["Combined"]["not_read"]) == (12, 1)
    assert foreign["Combined"]["auroc"] == 1
    decision = {row["stratum"]: row for row in found["decision"]}
    assert decision["hard, occult"] == {
        "stratum": "hard, occult",
        "gain_called_normal_first": 0,
        "gain_missed_first": 0,
    }
    assert 0 < decision["hard, faint"]["gain_called_normal_first"] < decision["hard, faint"]["gain_missed_first"]
    groups = {(row["groups"], row["score"]): row["auroc"] for row in found["groups"]}
    assert groups["wrong against right decisions, without occult", "Combined"] > 0.8
    assert {path.name for path in tmp_path.iterdir()} == {
        "decision.csv", "referring.csv", "groups.csv", "foreign.csv", "in_use.csv", "uncertainty_risk.png",
        "uncertainty_risk.svg", "uncertainty_sensitivity.png", "uncertainty_sensitivity.svg",
    }  # fmt: skip
    with (tmp_path / "in_use.csv").open(encoding="utf-8", newline="") as handle:
        assert [row["n"] for row in csv.DictReader(handle)] == ["80", "40", "20", "20"]


def test_foreign_images_are_studies_of_two_views():
    import uncertainty_images

    kinds = {}
    for kind, (first, second) in uncertainty_images.no_radiographs(3):
        kinds[kind] = kinds.get(kind, 0) + 1
        assert (first.view, second.view) == ("PA", "LAT")
        assert first.sop_instance_uid != second.sop_instance_uid
        assert first.pixels.dtype == np.float32
        assert np.ptp(first.pixels) > 0
    assert kinds == {"noise": 3, "clouds": 3, "photograph": 3}


def test_changed_wrists_differ_in_one_thing():
    import uncertainty_images

    image = np.random.default_rng(0).random((90, 60), dtype=np.float32)
    wrist = list(uncertainty_images.as_study(image, "wrist"))
    found = {kind: study[0].pixels for kind, study in uncertainty_images.changed_wrists([wrist])}
    assert found["wrist inverted"] + image == pytest.approx(image.max() + image.min())
    assert np.array_equal(found["wrist upside down"][::-1, ::-1], image)
    small = found["wrist a third of the size"]
    assert small.shape == image.shape
    assert small[30:60, 20:40].mean() == pytest.approx(image.mean(), abs=0.02)
    assert np.all(small[:30] == image.min())


def test_occult_fractures_are_found_in_no_pixel(monkeypatch):
    import uncertainty

    monkeypatch.setattr(uncertainty, "CONFIG", replace(uncertainty.CONFIG, pixels=160))
    assert uncertainty.twins(40, 302, 2) == {"simulated twice": 2, "the same": 2}


def test_readings_are_kept_as_written(tmp_path):
    import uncertainty

    rows = readings(8)
    uncertainty.write_rows(tmp_path / "new" / "readings.csv", rows)
    assert uncertainty.read_rows(tmp_path / "new" / "readings.csv") == rows
    assert set(uncertainty.COLUMNS) == set(rows[0])
    assert "uncertainty_judge" in sys.modules
