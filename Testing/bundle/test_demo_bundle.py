"""The bundle that comes along: whole, small, honest, and of use."""

from pathlib import Path

import numpy as np
import pytest

from fractureai import SIMULATED_DATA_NOTICE
from fractureai.bundle import load_bundle, resolve_bundle
from fractureai.geometry import distance_mm
from fractureai.inference import Pipeline
from fractureai.phantom import PhantomConfig, write_dataset

UNSEEN_SEED = 4242
"""The bundle was trained with another one."""


def test_it_is_small_and_says_what_it_is():
    folder = resolve_bundle("demo")
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) <= 15e6
    bundle = load_bundle("demo")
    assert bundle.spec.notice == SIMULATED_DATA_NOTICE
    assert bundle.spec.data["simulated"] is True
    assert "make_demo_bundle.py" in bundle.spec.command
    card = (folder / "docs" / "README.md").read_text(encoding="utf-8")
    assert bundle.spec.command in card
    assert SIMULATED_DATA_NOTICE in card
    assert set(bundle.spec.views) == {"PA", "LAT"}


@pytest.mark.slow
def test_it_finds_landmarks_and_tells_gross_fractures_from_normal_wrists(tmp_path):
    """A broken bundle or pipeline fails here; the figures themselves are measured by the benchmarks."""
    config = PhantomConfig(hard_fraction=0.0, implant_fraction=0.0, severities=(1.0, 0.0, 0.0))
    dataset = write_dataset(tmp_path / "d", studies=16, seed=UNSEEN_SEED, config=config)
    reference = dataset.reference_annotations()
    pipeline = Pipeline.load("demo")
    probabilities: dict[str, list[float]] = {"normal": [], "fracture": []}
    errors = []
    for row in dataset.radiographs:
        truth = reference[row.id]
        prediction = pipeline.read(dataset.read(row), view=truth.view)
        assert prediction.notice == SIMULATED_DATA_NOTICE
        (view,) = prediction.views
        probabilities[truth.label].append(view.probability)
        errors += [float(distance_mm(view.landmarks[n], truth.landmarks[n], view.spacing_mm)) for n in truth.landmarks]
    assert np.median(errors) < 3
    assert np.median(probabilities["fracture"]) > 0.6 > 0.4 > np.median(probabilities["normal"])


def test_no_file_in_it_is_a_pickle():
    suffixes = {path.suffix for path in Path(resolve_bundle("demo")).rglob("*") if path.is_file()}
    assert suffixes <= {".onnx", ".safetensors", ".json", ".md", ""}
