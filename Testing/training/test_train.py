"""The whole training on simulated wrists, in processes of its own, killed and resumed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from fractureai.bundle import load_bundle
from fractureai.dataset import Dataset, make_splits
from fractureai.errors import TrainingError
from fractureai.geometry import resize
from fractureai.inference import Pipeline
from fractureai.networks.classifier import small_cnn
from fractureai.networks.hourglass import HourglassLocalizer
from fractureai.phantom import write_dataset
from fractureai.radiograph import normalise
from fractureai.training.export import ClassifierGraph, LocalizerGraph, load_weights
from fractureai.training.train import f1_threshold, train

RECIPE = """
format_version = 1
name = "tiny"
title = "tiny"
seed = 3
folds = {folds}
members = {members}
[localizer]
input_px = 64
heatmap_weight = 1.0
network = {{ name = "hourglass", parameters = {{ width = 8, depth = 2, dropout = 0.1 }} }}
fit = {{ epochs = {epochs}, batch_size = 8, optimizer = "adamw", learning_rate = 3e-3, mixup_alpha = 0.4 }}
augmentation = {{ rotation_deg = 20.0, noise_probability = 0.5 }}
[classifier]
window_px = 128
crops = "five"
region_weight = 1.0
network = {{ name = "small_cnn", parameters = {{ widths = [8, 8, 8], dropout = 0.2 }} }}
fit = {{ epochs = {epochs}, batch_size = 8, learning_rate = 1e-2, schedule = "one_cycle", average_decay = 0.9 }}
augmentation = {{ rotation_deg = 20.0, cutout_probability = 0.5 }}
"""


@pytest.fixture(scope="module")
def wrists(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wrists") / "d"
    dataset = write_dataset(folder, studies=24, seed=5, pixels=192, hard_fraction=0.1)
    make_splits(dataset, fractions=(0.6, 0.25, 0.15), folds=2, seed=0)
    return folder


def write_recipe(folder, **values):
    path = folder / "tiny.toml"
    path.write_text(RECIPE.format(**{"epochs": 4, "folds": 1, "members": 1, **values}), encoding="utf-8")
    return path


def start(wrists, out, recipe):
    code = f"from fractureai.training.train import train; print(train({str(wrists)!r}, {str(out)!r}, {str(recipe)!r}))"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-W", "ignore", "-c", code], env=environment, start_new_session=True)


def weights_of(bundle):
    return {str(p.relative_to(bundle)): load_file(p) for p in sorted(bundle.rglob("*.safetensors"))}


@pytest.fixture(scope="module")
def trained(wrists, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    assert start(wrists, folder / "out", write_recipe(folder)).wait() == 0
    return folder / "out" / "bundle"


@pytest.mark.slow
def test_killed_at_any_stage_and_resumed_it_ends_with_the_same_weights(wrists, trained, tmp_path):
    """Kill -9 four times: in the localizer, in the classifier, in the second view; then let it finish."""
    recipe, out = write_recipe(tmp_path), tmp_path / "out"
    milestones = ["PA/localizer_0", "PA/classifier_0", "LAT/localizer_0", "LAT/classifier_0"]
    for milestone in milestones:
        process = start(wrists, out, recipe)
        history = out / "runs" / milestone / "history.json"
        while process.poll() is None and not history.is_file():
            time.sleep(0.005)
        os.killpg(process.pid, signal.SIGKILL) if hasattr(os, "killpg") else process.kill()
        process.wait()
        assert history.is_file()
    assert not (out / "bundle").exists()
    assert start(wrists, out, recipe).wait() == 0
    expected, found = weights_of(trained), weights_of(out / "bundle")
    assert list(found) == list(expected)
    for name, tensors in expected.items():
        for key, value in tensors.items():
            assert torch.equal(value, found[name][key]), (name, key)


def test_what_training_leaves_behind(trained, wrists):
    bundle = load_bundle(trained)
    runs = trained.parent / "runs"
    for stage in ("PA/localizer_0", "PA/classifier_0", "LAT/localizer_0", "LAT/classifier_0"):
        assert (runs / stage / "curve.png").stat().st_size > 5000
        assert len(json.loads((runs / stage / "history.json").read_text())) == 4
        assert list((runs / stage / "tensorboard").glob("events*"))
    assert bundle.spec.notice == "trained on simulated images; not for clinical use"
    assert bundle.spec.command == f"fractureai train {Dataset.open(wrists).name} OUT --recipe tiny"
    assert bundle.spec.data["simulated"] is True
    assert str(wrists.parent) not in (trained / "configs" / "metadata.json").read_text()
    assert 0 < bundle.spec.views["PA"].threshold < 1


def test_test_patients_are_never_seen(trained, wrists):
    dataset = Dataset.open(wrists)
    held = [row for row in dataset.radiographs if dataset.splits[row.group].split != "test"]
    data = load_bundle(trained).spec.data
    assert data["patients"] == len({row.patient for row in held})
    assert data["radiographs"] == len(held) < len(dataset.radiographs)


def test_torch_and_onnx_give_the_same_reading(trained, wrists):
    """The whole pipeline on real files, once on ONNX Runtime, once on PyTorch with the safetensors."""
    bundle = load_bundle(trained)

    class Torch:
        def __init__(self, path):
            path = Path(path)
            if "localizer" in path.name:
                network = HourglassLocalizer(3, width=8, depth=2, dropout=0.1)
                self.graph = LocalizerGraph(network)
            else:
                network = small_cnn(2, 1, widths=(8, 8, 8), dropout=0.2)
                self.graph = ClassifierGraph(network)
            load_weights(network, path.with_suffix(".safetensors"))
            self.graph.eval()

        def run(self, image):
            with torch.no_grad():
                return dict(
                    zip(self.graph.outputs, (v.numpy() for v in self.graph(torch.from_numpy(image))), strict=True)
                )

    study = [wrists / "images" / f"00003_{view}.dcm" for view in ("PA", "LAT")]
    options = {"side": "L", "spacing_mm": 0.4}
    onnx = Pipeline.load(bundle.folder).read(study, **options)
    reference = Pipeline.load(bundle.folder, runtime=Torch).read(study, **options)
    assert onnx.views
    assert onnx.probability == pytest.approx(reference.probability, abs=1e-4)
    for one, other in zip(onnx.views, reference.views, strict=True):
        assert one.probability == pytest.approx(other.probability, abs=1e-4)
        assert np.array(list(one.landmarks.values())) == pytest.approx(
            np.array(list(other.landmarks.values())), abs=0.05
        )
        assert one.activation_map == pytest.approx(other.activation_map, abs=1e-2)


@pytest.mark.slow
def test_folds_make_an_ensemble(wrists, tmp_path):
    bundle = load_bundle(train(wrists, tmp_path, write_recipe(tmp_path, folds=2, epochs=1), device="cpu"))
    assert len(bundle.spec.views["LAT"].classifiers) == 2
    dataset = Dataset.open(wrists)
    prediction = Pipeline.load(bundle.folder).read(dataset.read(dataset.radiographs[0]), view="PA", spacing_mm=0.4)
    assert prediction.views[0].fold_probabilities.shape == (2,)


@pytest.mark.slow
def test_members_of_an_ensemble_share_data_and_localizer_but_no_seed(wrists, tmp_path):
    """Thresholds come from the mean of all members on the validation split, which none of them has seen."""
    bundle = load_bundle(train(wrists, tmp_path, write_recipe(tmp_path, members=2, epochs=1), device="cpu"))
    spec = bundle.spec.views["PA"]
    assert [Path(name).stem for name in spec.localizers] == ["localizer_0"]
    assert [Path(name).stem for name in spec.classifiers] == ["classifier_0", "classifier_1"]
    one, other = (load_file(bundle.path(name).with_suffix(".safetensors")) for name in spec.classifiers)
    assert not torch.equal(one["head.weight"], other["head.weight"])
    dataset = Dataset.open(wrists)
    held_out = {row.id for row in dataset.radiographs if dataset.splits[row.group].split == "validation"}
    assert 0 < bundle.spec.metrics["PA"]["held_out_radiographs"] <= len(held_out)


def test_the_training_input_is_the_inference_input(trained, wrists):
    """The cached image is the very image that inference would make, to the rounding of 16 bits."""
    dataset = Dataset.open(wrists)
    cache = trained.parent / "cache"
    count = (cache / "PA-whole.state").stat().st_size
    images = np.memmap(cache / "PA-whole.u16", np.uint16, "r", shape=(count, 64, 64))
    reference = dataset.reference_annotations()
    rows = [r for r in dataset.radiographs if reference[r.id].view in ("PA", "AP")]
    rows = [r for r in rows if dataset.splits[r.group].split != "test"]
    assert len(rows) == count
    expected = resize(normalise(dataset.read(rows[0]).pixels), (64, 64))
    assert images[0] / 65535 == pytest.approx(expected, abs=1e-5)


def test_a_dataset_without_splits_or_marks_is_a_clear_error(tmp_path):
    dataset = Dataset.create(tmp_path / "empty", name="empty")
    with pytest.raises(TrainingError, match="fractureai split"):
        train(dataset.folder, tmp_path / "out", "quick", device="cpu")


@pytest.mark.parametrize(
    ("labels", "probabilities", "expected"),
    [([0, 0, 1, 1], [0.1, 0.2, 0.6, 0.9], 0.4), ([0, 1, 0, 1], [0.3, 0.2, 0.5, 0.9], 0.7), ([1, 0], [0.9, 0.0], 0.45)],
)
def test_f1_threshold(labels, probabilities, expected):
    threshold = f1_threshold(np.array(labels), np.array(probabilities))
    assert threshold == pytest.approx(expected)


def test_a_threshold_needs_both_classes():
    with pytest.raises(TrainingError, match="both classes"):
        f1_threshold(np.array([1, 1]), np.array([0.5, 0.6]))
