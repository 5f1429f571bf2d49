"""Initial weights from a local file. Nothing is ever downloaded, and no code in a file is ever run.

A file may hold our own names, or those of Cadene's se_resnet50 (`pretrainedmodels`), whose ImageNet weights the paper
starts from; these get the names of MONAI's SEResNet50, which is the same network. Those weights were trained on colour
images in [0, 1] less (0.485, 0.456, 0.406), divided by (0.229, 0.224, 0.225). As in the published code, the network
standardises by the mean and standard deviation of its own training images instead, which gives the first layer the same
range; grey is repeated to the three channels.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from fractureai.errors import TrainingError

_RENAMED = (
    (re.compile(r"^(layer[1-4]\.\d+\.conv\d)\.(weight|bias)$"), r"\1.conv.\2"),
    (re.compile(r"^(layer[1-4]\.\d+\.)bn(\d)\.(\w+)$"), r"\1conv\2.adn.N.\3"),
    (re.compile(r"^(layer[1-4]\.\d+\.)se_module\.fc1\.(\w+)$"), r"\1se_layer.fc.0.\2"),
    (re.compile(r"^(layer[1-4]\.\d+\.)se_module\.fc2\.(\w+)$"), r"\1se_layer.fc.2.\2"),
    (re.compile(r"^(layer[1-4]\.\d+\.)downsample\.0\.(\w+)$"), r"\1project.conv.\2"),
    (re.compile(r"^(layer[1-4]\.\d+\.)downsample\.1\.(\w+)$"), r"\1project.adn.N.\2"),
)
"""Cadene's names of the residual blocks -> MONAI's."""
_FRESH = ("head.", "region_", "mean", "std")
"""What may be missing: it depends on the classes, the landmarks and the images of this training."""


def load_weights_file(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a safetensors file (``.safetensors``) or a PyTorch file, by name, on the CPU.

    A PyTorch file may hold tensors only (``torch.load(..., weights_only=True)``), or them below ``state_dict``.

    Raises:
        TrainingError: there is no such file, it is damaged, or it holds something other than tensors.
    """
    if not path.is_file():
        raise TrainingError(f"{path}: the file of initial weights does not exist.")
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise TrainingError(
            f"{path}: it holds more than tensors (or is damaged), and nothing else is read from a file of weights; "
            "save the network's state_dict() alone, best as safetensors."
        ) from error
    except (SafetensorError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise TrainingError(f"{path}: it is damaged, or no file of weights.") from error
    content = content.get("state_dict", content) if isinstance(content, Mapping) else content
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise TrainingError(f"{path}: it does not hold tensors by name (a state_dict).")
    return dict(content)


def load_initial_weights(network: nn.Module, path: Path) -> int:
    """Load a network's initial weights; return the number of tensors that were set.

    Every tensor of the network must be in the file, but for those of the head and the standardisation.

    Raises:
        TrainingError: see `load_weights_file`; or a tensor is missing or has another shape.
    """
    own = network.state_dict()
    given = {_own_name(name, own): value for name, value in load_weights_file(path).items()}
    fitting = {name: _shaped(value, own[name]) for name, value in given.items() if name in own}
    fitting = {name: value for name, value in fitting.items() if value.shape == own[name].shape}
    missing = [
        name
        for name in own
        if name not in fitting and not name.startswith(_FRESH) and not name.endswith("num_batches_tracked")
    ]
    if missing:
        name = missing[0]
        what = f"has the shape {tuple(given[name].shape)}" if name in given else "is missing"
        raise TrainingError(
            f"{path}: it was not made for this network: {len(missing)} of the network's {len(own)} tensors do not fit; "
            f"{name}, of shape {tuple(own[name].shape)}, {what}."
        )
    network.load_state_dict({**own, **fitting})
    return len(fitting)


def _own_name(name: str, own: Mapping[str, Tensor]) -> str:
    if name in own:
        return name
    for pattern, replacement in _RENAMED:
        name = pattern.sub(replacement, name)
    return f"backbone.{name}"


def _shaped(value: Tensor, like: Tensor) -> Tensor:
    """Squeeze-and-excitation is a 1x1 convolution in one library and a linear layer in the other."""
    return value.flatten(1) if value.ndim == 4 and like.ndim == 2 and value.shape[2:] == (1, 1) else value
