"""Occlusion sensitivity, against MONAI's on the same weights and on networks with known answers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.visualize import OcclusionSensitivity
from safetensors.torch import load_file

from fractureai.bundle import load_bundle
from fractureai.errors import GeometryError
from fractureai.inference import OnnxRuntime, Pipeline
from fractureai.inference.occlusion import occlude, occlude_view
from fractureai.networks.classifier import small_cnn

from .conftest import make_scene

RNG = np.random.default_rng(5)


class Brightness:
    """A network whose probability is the mean of one place of the window, and that remembers what it saw."""

    def __init__(self, rows: slice, cols: slice) -> None:
        self.place, self.batches = np.s_[:, 0, rows, cols], []

    def run(self, image: np.ndarray) -> dict[str, np.ndarray]:
        self.batches.append(len(image))
        positive = image[self.place].mean(axis=(1, 2))
        return {"probability": np.stack([1 - positive, positive], axis=1)}


@pytest.mark.parametrize("view", ["PA", "LAT"])
def test_equals_monai_on_the_demo_bundles_weights(view: str) -> None:
    bundle = load_bundle("demo")
    folder = bundle.path("models") / view
    state = load_file(folder / "classifier_0.safetensors")
    network = small_cnn(2, 1)
    network.load_state_dict({key.removeprefix("network."): value for key, value in state.items()})
    network.eval()
    window = bundle.spec.views[view].window_px
    region = RNG.random((window, window)).astype(np.float32)
    region[60:120, 90:150] += 1
    ours = occlude(
        region,
        [OnnxRuntime(folder / "classifier_0.onnx", threads=1)],
        window_px=window,
        positive=1,
        patch_px=64,
        stride_px=48,
    )
    monai = OcclusionSensitivity(
        torch.nn.Sequential(network, Logits()), mask_size=64, n_batch=8, verbose=False, mode="mean_img", overlap=0.25,
        activate=lambda logits: logits.softmax(1),
    )  # fmt: skip
    with torch.no_grad():
        expected, _ = monai(torch.from_numpy(region)[None, None])
    np.testing.assert_allclose(ours.probability - ours.drop_map(), expected[0, 1].numpy(), atol=2e-5)
    assert np.ptp(ours.drops) > 1e-3  # hiding parts changed something


class Logits(torch.nn.Module):
    def forward(self, output):
        return output.logits


def test_hiding_what_counts_costs_most_and_the_last_patch_touches_the_edge() -> None:
    """The region is larger than the window: places are those of the region."""
    region = np.zeros((70, 70), np.float32)
    region[40:50, 20:30] = 1  # in the central window of 60: rows 35-45, columns 15-25
    network = Brightness(slice(35, 45), slice(15, 25))
    found = occlude(region, [network], window_px=60, positive=1, patch_px=14, stride_px=7)
    assert found.probability == pytest.approx(1)
    assert found.corners.min() == 5
    assert found.corners.max() == 5 + 60 - 14
    assert found.drops.max() == pytest.approx(1 - region[5:65, 5:65].mean(), abs=0.06)
    best = found.corners[found.drops.argmax()]
    assert (best <= [40, 20]).all()
    assert (best + 14 >= [50, 30]).all()
    heat = found.evidence_map()
    assert heat.max() == 1
    assert not heat[:5].any()  # beyond the window nothing was hidden
    assert heat[40:50, 20:30].mean() > 5 * heat.mean()
    assert max(network.batches) <= 32
    assert sum(network.batches) == len(found.drops) + 1


def test_what_raises_the_probability_is_no_evidence() -> None:
    region = np.full((40, 40), 0.5, np.float32)
    region[10:20, 10:20] = 0  # hiding this dark part makes it brighter
    found = occlude(
        region, [Brightness(slice(10, 20), slice(10, 20))], window_px=40, positive=1, patch_px=10, stride_px=5
    )
    assert found.drops.min() < -0.3
    assert not found.evidence_map().any()


def test_members_are_averaged() -> None:
    region = RNG.random((40, 40)).astype(np.float32)
    parts = [Brightness(slice(0, 20), slice(0, 20)), Brightness(slice(20, 40), slice(20, 40))]
    settings = {"window_px": 40, "positive": 1, "patch_px": 10, "stride_px": 10}
    both = occlude(region, parts, **settings)
    alone = [occlude(region, [part], **settings) for part in parts]
    np.testing.assert_allclose(both.drops, np.mean([part.drops for part in alone], axis=0), atol=1e-6)
    np.testing.assert_allclose(occlude(region, parts, **settings | {"positive": 0}).drops, -both.drops, atol=1e-6)


def test_means_under_the_patches() -> None:
    found = occlude(
        np.zeros((40, 40), np.float32), [Brightness(slice(0, 4), slice(0, 4))], window_px=40, positive=1, patch_px=10,
        stride_px=10,
    )  # fmt: skip
    heat = np.zeros((40, 40))
    heat[10:20, 30:40] = 1
    means = found.patch_means(heat)
    assert means.sum() == 1
    assert tuple(found.corners[means.argmax()]) == (10, 30)


@pytest.mark.parametrize(("patch", "stride"), [(0, 5), (41, 5), (10, 0)])
def test_patches_that_do_not_fit_are_refused(patch: int, stride: int) -> None:
    with pytest.raises(GeometryError, match="does not fit"):
        occlude(np.zeros((40, 40), np.float32), [], window_px=40, positive=1, patch_px=patch, stride_px=stride)


def test_a_reading_is_explained_by_the_networks_that_made_it(bundle_folder: Path) -> None:
    scene = make_scene()
    pipeline = Pipeline.load(bundle_folder, threads=1)
    view = pipeline.read(scene.radiograph).views[0]
    found = occlude_view(pipeline, scene.radiograph, view, patch_mm=16, stride_mm=4)
    assert found.drops.max() > 0.2
    hidden = found.corners[found.drops.argmax()] + found.patch_px / 2
    to_mm = view.roi.side_mm / found.size_px
    finding = (np.array(scene.finding) - [view.roi.row, view.roi.col]) * view.spacing_mm + view.roi.side_mm / 2
    assert np.abs(hidden * to_mm - finding).max() < 8  # the patch covers the finding
    alone = [occlude_view(pipeline, scene.radiograph, replace(view, members=(number,))) for number in (0, 1)]
    assert alone[1].probability < found.probability < alone[0].probability
