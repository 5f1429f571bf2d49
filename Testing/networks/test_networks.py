from pathlib import Path

import numpy as np
import pytest
import torch
from monai.visualize import GradCAM
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import fractureai
from fractureai.networks.classifier import seresnet50, small_cnn
from fractureai.networks.hourglass import HourglassLocalizer, expected_position, heatmap_spread
from fractureai.networks.kneel import Bottleneck, KneelHourglass, KneelLocalizer
from fractureai.networks.localizers import LOCALIZERS
from fractureai.training.export import LocalizerGraph, export_onnx, load_weights
from fractureai.training.recipe import load_recipe


@pytest.mark.parametrize(("width", "depth"), [(16, 2), (32, 4)])
def test_localizer_shapes(width, depth):
    network = HourglassLocalizer(3, width=width, depth=depth).eval()
    output = network(torch.rand(2, 1, 256, 256))
    assert output.landmarks.shape == (2, 3, 2)
    assert output.heatmaps.shape == (2, 3, 64, 64)
    assert output.heatmaps.sum(dim=(2, 3)).detach().numpy() == pytest.approx(np.ones((2, 3)), abs=1e-5)
    assert ((output.landmarks > 0) & (output.landmarks < 1)).all()


@pytest.mark.parametrize(
    ("pointwise_px", "parameters", "gflop"), [(1, 18_818_691, 26.7), (3, 69_707_395, 115.5)], ids=["1x1", "3x3"]
)
def test_the_papers_localizer_has_its_size_and_cost(pointwise_px, parameters, gflop):
    """18.8 M parameters and 26.7 GFLOP; as published 69.7 M and 115.5 GFLOP."""
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        network = KneelLocalizer(3, pointwise_px=pointwise_px).eval()
        output = network(torch.empty(1, 1, 256, 256))
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters
    assert counter.get_total_flops() / 1e9 == pytest.approx(gflop, abs=0.05)
    assert output.heatmaps.shape == (1, 3, 64, 64)
    assert output.landmarks.shape == (1, 3, 2)


def test_the_papers_localizer_goes_down_to_one_pixel_and_drops_channels():
    network = KneelLocalizer(3, width=4, depth=6, dropout=0.25)
    lowest = []
    for module in network.modules():
        if isinstance(module, KneelHourglass):
            module.below.register_forward_hook(lambda _, given, __: lowest.append(given[0].shape[-1]))
    output = network.eval()(torch.rand(2, 1, 256, 256))
    assert sorted(lowest) == [1, 2, 4, 8, 16, 32]
    assert output.landmarks.shape == (2, 3, 2)
    drop = next(module for module in network.head if isinstance(module, nn.Dropout2d)).train()
    dropped = drop(torch.ones(1, 4000, 2, 2)).flatten(2)
    assert ((dropped == 0).all(dim=2) | (dropped > 1).all(dim=2)).all()
    assert float((dropped == 0).double().mean()) == pytest.approx(0.25, abs=0.03)


def test_the_hourglass_sees_the_whole_image_from_every_place():
    torch.manual_seed(0)
    hourglass = KneelHourglass(4, 8, 8, 1).eval()
    image = torch.rand(1, 8, 32, 32)
    other = image.clone()
    other[..., 0, 0] += 5
    with torch.no_grad():
        change = (hourglass(image) - hourglass(other)).abs()
        beside = (hourglass.beside(image) - hourglass.beside(other)).abs()
    assert float(change[..., -1, -1].max()) > 0
    assert float(beside[..., 8:, 8:].max()) == 0


def test_the_last_block_has_no_activation_after_the_sum():
    block = Bottleneck(4, 8, 1).eval()
    assert float(block(torch.randn(2, 4, 8, 8)).min()) < 0
    assert not any(isinstance(module, nn.ReLU) for module in block.branch[-1])


def test_the_papers_localizer_learns():
    """A few steps of the paper's optimizer find the bright spot of one image."""
    torch.manual_seed(0)
    network = KneelLocalizer(1, width=4, depth=2, dropout=0.0)
    image = torch.zeros(4, 1, 64, 64)
    target = torch.tensor([[[0.25, 0.75]], [[0.75, 0.25]], [[0.3, 0.3]], [[0.6, 0.8]]])
    for picture, (place,) in zip(image, (target * 64).int().tolist(), strict=True):
        picture[0, place[0] - 3 : place[0] + 3, place[1] - 3 : place[1] + 3] = 1
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = ((network(image).landmarks - target) ** 2).mean()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.1 * losses[0]


def test_the_papers_localizer_exports(tmp_path):
    network = KneelLocalizer(3, width=4, depth=2, pointwise_px=3).eval()
    export_onnx(LocalizerGraph(network), 64, tmp_path / "model.onnx")
    assert (tmp_path / "model.onnx").stat().st_size > 1000


def test_other_kernels_are_refused():
    with pytest.raises(ValueError, match="pointwise_px"):
        KneelLocalizer(3, pointwise_px=5)


def test_the_localizers_of_the_bundle_that_comes_along_still_load():
    recipe = load_recipe("demo").localizer.network
    files = sorted((Path(fractureai.__file__).parent / "bundles").rglob("localizer_*.safetensors"))
    assert files
    for file in files:
        network = LOCALIZERS[recipe.name](3, **recipe.parameters)
        load_weights(network, file)


@pytest.mark.parametrize("place", [(0, 0), (10, 50), (63, 63)])
def test_soft_argmax_is_the_cell_centre_and_spread_is_zero_for_a_point(place):
    heatmap = torch.zeros(1, 1, 64, 64)
    heatmap[0, 0, place[0], place[1]] = 1
    position = expected_position(heatmap)
    assert position[0, 0].numpy() == pytest.approx((np.array(place) + 0.5) / 64)
    assert float(heatmap_spread(heatmap, position)) == pytest.approx(0, abs=1e-6)


def test_spread_is_the_root_mean_square_radius():
    heatmap = torch.zeros(1, 1, 64, 64)
    heatmap[0, 0, 20, 20] = heatmap[0, 0, 20, 40] = 0.5
    spread = heatmap_spread(heatmap, expected_position(heatmap))
    assert float(spread) == pytest.approx(10 / 64, rel=1e-5)


class _Logits(nn.Module):
    """The classifier as MONAI's Grad-CAM wants it: a network that returns logits."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, image):
        return self.network(image).logits


@pytest.mark.parametrize(("build", "size"), [(small_cnn, 128), (seresnet50, 96)])
def test_evidence_is_monais_grad_cam(build, size):
    """MONAI computes Grad-CAM with a backward pass; ours comes with the forward pass."""
    torch.manual_seed(3)
    network = build(2, 1).eval()
    with torch.no_grad():
        network.head.weight.copy_(torch.randn(network.head.weight.shape))
        network.head.weight[1] += 0.2
    image = torch.rand(1, 1, size, size)
    output = network(image)
    # MONAI maps one logit; the margin of two classes has the gradient w1 - w0.
    with torch.no_grad():
        network.head.weight[1] -= network.head.weight[0].clone()
        network.head.weight[0] = 0
    reference = GradCAM(nn_module=_Logits(network), target_layers="network.backbone").compute_map(image, class_idx=1)
    reference = torch.relu(torch.as_tensor(reference).detach())[0, 0]
    ours = torch.relu(output.evidence)[0]
    assert float(ours.detach().max()) > 0
    assert (ours / ours.max()).detach().numpy() == pytest.approx((reference / reference.max()).numpy(), abs=1e-5)


def test_evidence_sums_to_the_margin():
    network = small_cnn(2, 1).eval()
    output = network(torch.rand(3, 1, 128, 128))
    bias = network.head.bias[1] - network.head.bias[0]
    margin = output.logits[:, 1] - output.logits[:, 0]
    assert (output.evidence.mean(dim=(1, 2)) + bias).detach().numpy() == pytest.approx(
        margin.detach().numpy(), abs=1e-5
    )


def test_three_classes_have_evidence_too():
    network = small_cnn(3, 1).eval()
    output = network(torch.rand(1, 1, 128, 128))
    weight, maps = network.head.weight, network.backbone(torch.rand(1, 1, 128, 128))
    expected = torch.einsum("nchw,c->nhw", maps, weight[1] - (weight[0] + weight[2]) / 2)
    assert output.logits.shape == (1, 3)
    assert network.evidence(maps).detach().numpy() == pytest.approx(expected.detach().numpy(), abs=1e-5)
