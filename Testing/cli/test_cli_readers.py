"""`fractureai evaluate` with readers and other models."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

PREDICTIONS = "ID,Fname,Side,Fracture_Prediction,Fracture,Age,Sex\n" + "".join(
    f"s{i},s{i}_PA.png,0,{0.05 + (i * 37 % 90) / 100:.2f},{int(i * 37 % 90 > 40)},{20 + i},{'FM'[i % 2]}\n"
    for i in range(30)
)
READERS = "ID,Fracture_R1\n" + "".join(f"s{i},{int(i * 37 % 90 > 50)}\n" for i in range(29)) + "s29,\nother,1\n"


@pytest.mark.slow
def test_predictions_alone_are_evaluated_beside_a_reader(fractureai: Callable, tmp_path: Path) -> None:
    (tmp_path / "model.csv").write_text(PREDICTIONS, encoding="utf-8")
    (tmp_path / "readers.csv").write_text(READERS, encoding="utf-8")
    words = ("--predictions", tmp_path / "model.csv", "--readers", tmp_path / "readers.csv", "--json")
    done = fractureai("evaluate", tmp_path / "out", *words)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["model"] == "model"
    assert [row["reader"] for row in document["readers"]["sets"][0]["rows"]] == ["R1", "Model"]
    assert "line 31" in done.stderr
    assert "line 32" in done.stderr
    with (tmp_path / "out" / "readers.csv").open(encoding="utf-8") as file:
        assert [row["n"] for row in csv.DictReader(file)] == ["29", "30"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("out",), "Give BUNDLE DATASET OUT, or --predictions FILE.csv and OUT"),
        (("out", "--predictions", "missing.csv"), "missing.csv"),
        (("out", "--predictions", "bad.csv"), 'line 2: Fracture_Prediction is "2"'),
        (("out", "--predictions", "bad.csv", "--reader-rater", "anna"), "need a dataset"),
    ],
)
def test_bad_words_are_one_line(fractureai: Callable, tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    (tmp_path / "bad.csv").write_text("ID,Fracture_Prediction,Fracture\na,2,1\n", encoding="utf-8")
    done = fractureai("evaluate", *words, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
