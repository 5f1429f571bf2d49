import numpy as np
import pytest
import torch
from monai.visualize import GradCAM
from torch import nn

from fractureai.networks.classifier import seresnet50, small_cnn
from fractureai.networks.hourglass import HourglassLocalizer, expected_position, heatmap_spread


@pytest.mark.parametrize(("width", "depth"), [(16, 2), (32, 4)])
def test_localizer_shapes(width, depth):
    network = HourglassLocalizer(3, width=width, depth=depth).eval()
    output = network(torch.rand(2, 1, 256, 256))
    assert output.landmarks.shape == (2, 3, 2)
    assert output.heatmaps.shape == (2, 3, 64, 64)
    assert output.heatmaps.sum(dim=(2, 3)).detach().numpy() == pytest.approx(np.ones((2, 3)), abs=1e-5)
    assert ((output.landmarks > 0) & (output.landmarks < 1)).all()


def test_paper_sized_localizer_goes_down_to_one_pixel():
    network = HourglassLocalizer(3)
    assert sum(parameter.numel() for parameter in network.parameters()) > 4e6
    assert network.eval()(torch.rand(1, 1, 256, 256)).landmarks.shape == (1, 3, 2)


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
