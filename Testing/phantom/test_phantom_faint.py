"""Faint fractures: in the image, moved by less than counts as visible; off unless asked for."""

import hashlib
import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from typer.testing import CliRunner

from fractureai.cli.app import app
from fractureai.dataset import Dataset
from fractureai.errors import DatasetError
from fractureai.phantom import PhantomConfig, plan_study, simulate_plan, simulate_study, write_dataset
from fractureai.phantom.injuries import FAINT_MM, VISIBLE_MM

HARD = PhantomConfig(pixels=200, hard_fraction=1.0, hard_fracture_fraction=1.0, marker_fraction=0.0)
FAINT = replace(HARD, hard_faint_fraction=1.0)
MEANS = ((0.1507, 0.2292, 0.1842, 0.2282, 0.3191, 0.2795), (0.147, 0.2334, 0.3177, 0.2544, 0.2438, 0.0765))
"""Of six bands of rows of PA and LAT of one study, as simulated before there were faint fractures."""


def rounded(value):
    """Six digits of every number: what may differ between computers is in the last two of seventeen."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(item) for item in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def test_plans_are_what_they_were_before_there_were_faint_fractures():
    config = PhantomConfig(hard_fraction=0.4)
    plans = [rounded(asdict(plan_study(index, 11, config))) for index in range(60)]
    digest = hashlib.sha256(json.dumps(plans, sort_keys=True).encode()).hexdigest()
    assert digest == "2d0482a09872130881b1028591ac264181c18b7654c8629b6d004afedde4f3c2"


def test_images_are_what_they_were_before_there_were_faint_fractures():
    study = simulate_study(4, 11, PhantomConfig(pixels=128))
    means = [[round(float(part.mean()), 4) for part in np.array_split(r.image, 6)] for r in study.radiographs]
    assert np.allclose(means, MEANS, atol=2e-3)


def test_truth_of_a_collection_without_faint_fractures_does_not_mention_them(tmp_path):
    for name, share in (("without", 0.0), ("with", 0.5)):
        config = PhantomConfig(pixels=64, views=("PA",), hard_faint_fraction=share)
        dataset = write_dataset(tmp_path / name, studies=1, seed=1, config=config, workers=1)
        truth = json.loads((dataset.folder / "truth.json").read_text(encoding="utf-8"))
        assert truth["config"].get("hard_faint_fraction", 0.0) == share
        assert ("hard_faint_fraction" in truth["config"]) == (share > 0)


def test_faint_fractures_move_less_than_counts_as_visible():
    plans = [plan_study(index, 3, FAINT) for index in range(200)]
    assert {plan.fractures[0].severity for plan in plans} == {"faint"}
    assert all(len(plan.fractures) == 1 for plan in plans)
    edge = [np.linalg.norm(p.fractures[0].edge_movement_mm, axis=1).max() * p.person.scale for p in plans]
    assert FAINT_MM[0] * 0.9 < min(edge)
    assert max(edge) < VISIBLE_MM
    assert {"torus", "metaphyseal", "salter", "styloid", "scaphoid"} == {p.fractures[0].kind for p in plans}


def test_a_faint_fracture_is_in_the_image_where_its_region_says():
    plan = next(p for i in range(20) if (p := plan_study(i, 3, FAINT)).fractures[0].kind == "metaphyseal")
    broken, intact = (simulate_plan(p, FAINT) for p in (plan, replace(plan, fractures=())))
    for one, other in zip(broken.radiographs, intact.radiographs, strict=True):
        assert one.fractures
        assert not any(truth.visible for truth in one.fractures)
        change = np.abs(one.image - other.image)
        assert change[one.mask].mean() > 0.004
        assert change[one.mask].mean() > 2 * change[~one.mask].mean()


def test_the_share_is_kept_and_the_other_hard_wrists_stay_as_they_are():
    half = replace(HARD, hard_faint_fraction=0.5, hard_fracture_fraction=0.7)
    with_faint = [plan_study(index, 5, half) for index in range(300)]
    without = [plan_study(index, 5, replace(half, hard_faint_fraction=0.0)) for index in range(300)]
    severities = [plan.fractures[0].severity for plan in with_faint if plan.fractures]
    assert 0.4 < np.mean([severity == "faint" for severity in severities]) < 0.6
    for one, other in zip(with_faint, without, strict=True):
        assert one.label == other.label
        if not one.fractures or one.fractures[0].severity == "occult":
            assert one == other


def test_command_writes_faint_fractures_with_their_regions(tmp_path):
    arguments = ["--studies", "6", "--seed", "2", "--pixels", "128", "--hard-fraction", "1", "--workers", "1"]
    result = CliRunner().invoke(app, ["phantom", str(tmp_path / "faint"), *arguments, "--faint", "1"])
    assert result.exit_code == 0, result.output
    dataset = Dataset.open(tmp_path / "faint")
    truth = json.loads((dataset.folder / "truth.json").read_text(encoding="utf-8"))
    fractured = [study for study in truth["studies"] if study["label"] == "fracture"]
    assert fractured
    for study in fractured:
        assert [fracture["severity"] for fracture in study["fractures"]] == ["faint"]
        marks = [dataset.annotation(image["id"], "truth") for image in study["images"]]
        assert any(mark.regions for mark in marks)
        assert {mark.displacement for mark in marks} == {"none"}
        assert {mark.extra["visible"] for mark in marks} == {"false"}


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_a_share_beyond_one_is_refused(share):
    with pytest.raises(DatasetError, match="faint"):
        PhantomConfig(hard_faint_fraction=share)
