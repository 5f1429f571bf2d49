"""`fractureai explain`, in processes of its own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

if TYPE_CHECKING:
    from conftest import Demo  # type: ignore[import-not-found]

Run = Callable[..., "subprocess.CompletedProcess[str]"]

DOCUMENTED = Path(__file__).resolve().parents[2] / "docs" / "command-line.md"


def documented() -> dict[str, object]:
    """Return the example of the command in docs/command-line.md."""
    text = DOCUMENTED.read_text(encoding="utf-8").split("### `fractureai explain --json`", 1)[1]
    document: dict[str, object] = json.loads(text.split("```json\n", 1)[1].split("```", 1)[0])
    return document


@pytest.mark.slow
@pytest.mark.xdist_group("cli-demo")
def test_explain_draws_every_map_and_says_how_far_they_agree(fractureai: Run, demo: Demo, tmp_path: Path) -> None:
    out = tmp_path / "explanation"
    done = fractureai("explain", demo.bundle, *demo.pair, out, "--patch-mm", "8", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    example = documented()
    assert set(document) == set(example)
    assert json.loads((out / "explanation.json").read_text(encoding="utf-8")) == document
    assert [view["view"] for view in document["views"]] == ["PA", "LAT"]
    for view in document["views"]:
        assert set(view) == set(example["views"][0])
        assert set(view["occlusion"]) == set(example["views"][0]["occlusion"])
        assert view["occlusion"]["patch_mm"] == pytest.approx(8, abs=0.3)
        assert view["fold_agreement"] is None  # one network a view
        maps = {name: np.load(path, allow_pickle=False) for name, path in view["maps"].items()}
        assert maps["folds"].shape == (1, *maps["mean"].shape)
        np.testing.assert_allclose(maps["folds"][0], maps["mean"], atol=1e-6)
        assert maps["occlusion"].max() <= view["occlusion"]["largest_drop"] + 1e-6
    with Image.open(document["picture"]) as picture:
        assert picture.width > 1300  # four panels a radiograph
        assert np.asarray(picture.convert("RGB")).std() > 20
    assert document["notice"] == "trained on simulated images; not for clinical use"


@pytest.mark.slow
@pytest.mark.xdist_group("cli-demo")
def test_explain_talks_to_people(fractureai: Run, demo: Demo, tmp_path: Path) -> None:
    done = fractureai("explain", demo.bundle, demo.pair[0], tmp_path / "one", "--patch-mm", "30")
    assert done.returncode == 2
    assert "--patch-mm 30 is more than the 18 mm that the networks see" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    done = fractureai("explain", demo.bundle, demo.pair[0], tmp_path / "one")
    assert done.returncode == 0, done.stderr
    assert "rank correlation" in done.stdout
    assert "not for clinical use" in done.stdout


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["demo", "missing.dcm", "out"], "missing.dcm"),
        (["demo", ".", "out"], "is a folder"),
        (["demo", "out"], "files"),
        (["missing", "x.dcm", "out"], "there is no such bundle"),
        (["demo", "x.dcm", "out", "--view", "FRONT"], "FRONT is not one of"),
        (["demo", "x.dcm", "out", "--patch-mm", "0"], "--patch-mm"),
    ],
)
def test_bad_input_gets_one_line(fractureai: Run, tmp_path: Path, words: list[str], expected: str) -> None:
    done = fractureai("explain", *words, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert expected.lower() in done.stderr.lower()
    assert not (tmp_path / "out").exists()
