"""Weights as safetensors, networks as ONNX with the outputs that inference needs."""

from __future__ import annotations

import contextlib
import io
import logging
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from fractureai.errors import TrainingError
from fractureai.networks.classifier import ClassifierOutput
from fractureai.networks.hourglass import LandmarkOutput, heatmap_spread

OPSET = 18
TOLERANCE = 1e-4
"""Largest difference between PyTorch and ONNX Runtime that is accepted."""


class LocalizerGraph(nn.Module):
    """Localizer for export: image -> landmarks, spread."""

    outputs = ("landmarks", "spread")

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return (n, L, 2) landmarks in [0, 1] and (n, L) spreads."""
        output: LandmarkOutput = self.network(image)
        return output.landmarks, heatmap_spread(output.heatmaps, output.landmarks)


class ClassifierGraph(nn.Module):
    """Classifier for export: image -> probability, activation_map, features, logits."""

    outputs = ("probability", "activation_map", "features", "logits")

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return what inference needs.

        These are (n, K) probabilities, the (n, h, w) Grad-CAM of the positive class (>= 0, not scaled), (n, C) pooled
        features and (n, K) logits.
        """
        output: ClassifierOutput = self.network(image)
        return torch.softmax(output.logits, dim=-1), torch.relu(output.evidence), output.features, output.logits


def save_weights(network: nn.Module, path: Path) -> None:
    """Write the state of a network as safetensors."""
    temporary = path.with_suffix(".tmp")
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, temporary)
    temporary.replace(path)


def load_weights(network: nn.Module, path: Path) -> None:
    """Load the state of a network from safetensors; every tensor must be there."""
    network.load_state_dict(load_file(path))


def export_onnx(graph: LocalizerGraph | ClassifierGraph, size_px: int, path: Path) -> None:
    """Write a network as ONNX for any number of (1, size_px, size_px) images and check it against PyTorch.

    Raises:
        TrainingError: ONNX Runtime gives other numbers than PyTorch.
    """
    graph = graph.float().eval()
    example = torch.rand(2, 1, size_px, size_px, generator=torch.Generator().manual_seed(0))
    batch = torch.export.Dim("n", min=1)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with contextlib.redirect_stdout(io.StringIO()):
        torch.onnx.export(
            graph, (example,), str(path), input_names=["image"], output_names=list(graph.outputs),
            dynamic_shapes={"image": {0: batch}}, opset_version=OPSET, dynamo=True, external_data=False, verbose=False,
        )  # fmt: skip
    _verify(graph, path, size_px)


def _verify(graph: nn.Module, path: Path, size_px: int) -> None:
    images = torch.rand(3, 1, size_px, size_px, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = graph(images)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for value, reference in zip(session.run(None, {"image": images.numpy()}), expected, strict=True):
        scale = max(float(reference.abs().max()), 1.0)
        difference = float(np.abs(value - reference.numpy()).max()) / scale
        if not difference <= TOLERANCE:
            raise TrainingError(f"{path}: ONNX Runtime differs from PyTorch by {difference:.1e}.")
