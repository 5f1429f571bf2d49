"""`fractureai train` ends with a bundle that knows how far it can be trusted: three members, trained and calibrated."""

import json
import subprocess
import sys

import numpy as np
import pytest

from fractureai.bundle import load_bundle
from fractureai.dataset import make_splits
from fractureai.phantom import PhantomConfig, write_dataset

RECIPE = """
format_version = 1
name = "tiny"
title = "tiny"
seed = 3
folds = 1
members = 3
[localizer]
input_px = 64
heatmap_weight = 1.0
network = { name = "hourglass", parameters = { width = 8, depth = 2, dropout = 0.1 } }
fit = { epochs = 3, batch_size = 8, optimizer = "adamw", learning_rate = 3e-3 }
augmentation = { }
[classifier]
window_px = 128
crops = "five"
region_weight = 1.0
network = { name = "small_cnn", parameters = { widths = [8, 8, 8], dropout = 0.0 } }
fit = { epochs = 3, batch_size = 8, learning_rate = 1e-2, schedule = "one_cycle" }
augmentation = { }
"""

READ = """
import json, sys
import numpy as np
from fractureai.dataset import Dataset
from fractureai.evaluation import studies
from fractureai.inference import Pipeline
pipeline, dataset = Pipeline.load(sys.argv[1], threads=1), Dataset.open(sys.argv[2])
found = {}
for coverage in (0.5, 1.0):
    readings = [
        pipeline.read([dataset.read(row) for row in rows], coverage=coverage)
        for rows in studies(dataset, "validation").values()
    ]
    codes = [[reason.code for reason in reading.referrals] for reading in readings]
    found[str(coverage)] = sum("score-uncertain" in each or "unlike-training" in each for each in codes)
    found["unlike"] = sum("unlike-training" in each for each in codes)
scores = [reading.scores for reading in readings]
print(json.dumps({**found, "n": len(readings), "scores": scores, "torch": "torch" in sys.modules}))
"""


@pytest.mark.slow
def test_a_training_ends_calibrated_and_its_readings_need_no_torch(tmp_path):
    wrists = tmp_path / "wrists"
    config = PhantomConfig(pixels=192, hard_fraction=0.0, views=("PA",))
    dataset = write_dataset(wrists, studies=32, seed=7, config=config)
    make_splits(dataset, fractions=(0.15, 0.85, 0.0), folds=2, seed=0)
    (tmp_path / "tiny.toml").write_text(RECIPE, encoding="utf-8")
    words = ["train", wrists, tmp_path / "out", "--recipe", tmp_path / "tiny.toml", "--device", "cpu"]
    done = subprocess.run(
        [sys.executable, "-m", "fractureai.cli", *map(str, words)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Calibrated on " in done.stdout, done.stdout
    bundle = load_bundle(tmp_path / "out" / "bundle")
    source = bundle.spec.reliability["source"]
    assert f"Calibrated on {source['studies']} studies" in done.stdout
    assert source["networks_a_study"] == [3]
    assert len(bundle.spec.views["PA"].classifiers) == 3
    command = [sys.executable, "-c", READ, str(bundle.folder), str(wrists)]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert found["torch"] is False
    assert abs(found["0.5"] / found["n"] - 0.5) < 0.2
    assert found["1.0"] == found["unlike"]
    for scores in found["scores"]:
        assert {"margin", "variance", "energy", "knn", "mahalanobis"} <= set(scores)
        assert np.isfinite(list(scores.values())).all()
