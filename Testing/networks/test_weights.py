import pickle

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

from fractureai.errors import TrainingError
from fractureai.networks.classifier import seresnet50
from fractureai.networks.hourglass import HourglassLocalizer
from fractureai.networks.weights import load_initial_weights, load_weights_file

LAYERS = ((3, 64, 256, 1), (4, 128, 512, 2), (6, 256, 1024, 2), (3, 512, 2048, 2))


def norm(channels, generator):
    uniform = {name: torch.rand(channels, generator=generator) for name in ("weight", "bias", "running_mean")}
    return {**uniform, "running_var": 0.5 + torch.rand(channels, generator=generator)}


def convolution(channels_out, channels_in, size, generator):
    return torch.randn(channels_out, channels_in, size, size, generator=generator) / (channels_in * size * size) ** 0.5


@pytest.fixture(scope="module")
def cadene():
    """Random weights under the names and with the shapes of `pretrainedmodels.se_resnet50`."""
    generator = torch.Generator().manual_seed(0)
    state = {"layer0.conv1.weight": convolution(64, 3, 7, generator)}
    state |= {f"layer0.bn1.{name}": value for name, value in norm(64, generator).items()}
    inputs = 64
    for layer, (blocks, middle, outputs, _) in enumerate(LAYERS, start=1):
        for block in range(blocks):
            at = f"layer{layer}.{block}"
            for number, shape in enumerate([(middle, inputs, 1), (middle, middle, 3), (outputs, middle, 1)], start=1):
                state[f"{at}.conv{number}.weight"] = convolution(*shape, generator)
                state |= {f"{at}.bn{number}.{name}": value for name, value in norm(shape[0], generator).items()}
            for name, shape in (("fc1", (outputs // 16, outputs)), ("fc2", (outputs, outputs // 16))):
                state[f"{at}.se_module.{name}.weight"] = convolution(*shape, 1, generator)
                state[f"{at}.se_module.{name}.bias"] = torch.randn(shape[0], generator=generator)
            if block == 0:
                state[f"{at}.downsample.0.weight"] = convolution(outputs, inputs, 1, generator)
                state |= {f"{at}.downsample.1.{name}": value for name, value in norm(outputs, generator).items()}
            inputs = outputs
    state["last_linear.weight"] = torch.randn(1000, 2048, generator=generator)
    state["last_linear.bias"] = torch.randn(1000, generator=generator)
    return state


def se_resnet50_maps(state, image):
    """SE-ResNet-50 (Hu et al. 2018) written down once more, by Cadene's names."""

    def normalised(x, at):
        mean, var = state[f"{at}.running_mean"], state[f"{at}.running_var"]
        return F.batch_norm(x, mean, var, state[f"{at}.weight"], state[f"{at}.bias"])

    x = F.conv2d(image, state["layer0.conv1.weight"], stride=2, padding=3)
    x = F.max_pool2d(F.relu(normalised(x, "layer0.bn1")), 3, stride=2, ceil_mode=True)
    for layer, (blocks, _, _, first_stride) in enumerate(LAYERS, start=1):
        for block in range(blocks):
            at, stride = f"layer{layer}.{block}", first_stride if block == 0 else 1
            y = F.relu(normalised(F.conv2d(x, state[f"{at}.conv1.weight"], stride=stride), f"{at}.bn1"))
            y = F.relu(normalised(F.conv2d(y, state[f"{at}.conv2.weight"], padding=1), f"{at}.bn2"))
            y = normalised(F.conv2d(y, state[f"{at}.conv3.weight"]), f"{at}.bn3")
            gate = y.mean(dim=(2, 3), keepdim=True)
            gate = F.relu(F.conv2d(gate, state[f"{at}.se_module.fc1.weight"], state[f"{at}.se_module.fc1.bias"]))
            gate = F.conv2d(gate, state[f"{at}.se_module.fc2.weight"], state[f"{at}.se_module.fc2.bias"])
            if block == 0:
                x = normalised(F.conv2d(x, state[f"{at}.downsample.0.weight"], stride=stride), f"{at}.downsample.1")
            x = F.relu(y * torch.sigmoid(gate) + x)
    return x


@pytest.mark.parametrize("form", ["weights.pth", "legacy.pth", "weights.safetensors", "wrapped.pt"])
def test_weights_in_cadenes_naming_load_exactly(tmp_path, cadene, form):
    path = tmp_path / form
    if form.endswith("safetensors"):
        save_file(cadene, path)
    else:
        content = {"state_dict": cadene} if form.startswith("wrapped") else cadene
        torch.save(content, path, _use_new_zipfile_serialization=not form.startswith("legacy"))
    network = seresnet50(2, 1).eval()
    head = network.head.weight.clone()
    count = load_initial_weights(network, path)
    own = [name for name in network.backbone.state_dict() if not name.endswith("num_batches_tracked")]
    assert count == len(own) == len(cadene) - 2
    assert torch.equal(network.head.weight, head)
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        ours, expected = network.backbone(image), se_resnet50_maps(cadene, image)
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


def test_own_weights_load_for_another_number_of_classes(tmp_path):
    before = HourglassLocalizer(3, width=8, depth=2)
    save_file(before.state_dict(), tmp_path / "own.safetensors")
    after = HourglassLocalizer(5, width=8, depth=2)
    load_initial_weights(after, tmp_path / "own.safetensors")
    assert torch.equal(after.stem[0].weight, before.stem[0].weight)
    assert after.head[-1].weight.shape[0] == 5


def test_a_missing_file_is_one_sentence(tmp_path):
    with pytest.raises(TrainingError, match=r"none\.pth: the file of initial weights does not exist"):
        load_weights_file(tmp_path / "none.pth")


class Surprise:
    def __reduce__(self):
        return (open, ("surprise", "w"))


def test_code_in_a_file_is_never_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content = {"layer0.conv1.weight": Surprise()}
    torch.save(content, tmp_path / "zip.pth")
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(content, protocol=2))
    for name in ("zip.pth", "plain.pth"):
        with pytest.raises(TrainingError, match="holds more than tensors"):
            load_weights_file(tmp_path / name)
    torch.save(nn.Linear(2, 2), tmp_path / "module.pth")
    with pytest.raises(TrainingError, match="save the network's state_dict"):
        load_weights_file(tmp_path / "module.pth")
    assert not (tmp_path / "surprise").exists()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("content", [b"", b"not weights at all", b"PK\x03\x04 cut off"])
def test_a_damaged_file_is_one_sentence(tmp_path, suffix, content):
    path = tmp_path / f"damaged{suffix}"
    path.write_bytes(content)
    with pytest.raises(TrainingError, match="damaged"):
        load_weights_file(path)


def test_a_file_without_names_is_refused(tmp_path):
    torch.save([torch.zeros(3)], tmp_path / "list.pth")
    with pytest.raises(TrainingError, match="tensors by name"):
        load_weights_file(tmp_path / "list.pth")


def test_weights_of_another_network_are_refused_by_name(tmp_path, cadene):
    save_file(HourglassLocalizer(3, width=8, depth=2).state_dict(), tmp_path / "other.safetensors")
    with pytest.raises(TrainingError, match=r"was not made for this network.*layer0.conv1.weight.*is missing"):
        load_initial_weights(seresnet50(2, 1), tmp_path / "other.safetensors")
    torch.save({**cadene, "layer2.0.conv2.weight": torch.zeros(4, 4, 3, 3)}, tmp_path / "shape.pth")
    with pytest.raises(TrainingError, match=r"layer2.0.conv2.conv.weight.*has the shape \(4, 4, 3, 3\)"):
        load_initial_weights(seresnet50(2, 1), tmp_path / "shape.pth")
