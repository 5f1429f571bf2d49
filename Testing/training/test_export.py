"""Exported networks give what PyTorch gives, under the names that inference asks for."""

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from fractureai.errors import TrainingError
from fractureai.inference.runtime import OnnxRuntime
from fractureai.networks.classifier import small_cnn
from fractureai.training.export import ClassifierGraph, export_onnx


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    torch.manual_seed(0)
    graph = ClassifierGraph(small_cnn(2, 1, widths=(8, 8, 8), dropout=0.5)).eval()
    path = tmp_path_factory.mktemp("onnx") / "classifier.onnx"
    export_onnx(graph, 64, path)
    return graph, path


def test_the_classifier_gives_logits_too(exported):
    graph, path = exported
    image = np.random.default_rng(3).random((5, 1, 64, 64), dtype=np.float32)
    found = OnnxRuntime(path).run(image)
    assert list(found) == ["probability", "activation_map", "features", "logits"]
    with torch.no_grad():
        expected = graph(torch.from_numpy(image))
    for name, value in zip(graph.outputs, expected, strict=True):
        assert found[name] == pytest.approx(value.numpy(), abs=1e-5), name
    shares = np.exp(found["logits"]) / np.exp(found["logits"]).sum(axis=1, keepdims=True)
    assert found["probability"] == pytest.approx(shares, abs=1e-6)


def test_a_network_that_runs_differently_is_not_exported(exported, tmp_path, monkeypatch):
    session = onnxruntime.InferenceSession

    class Off:
        def __init__(self, *words, **options):
            self._session = session(*words, **options)

        def run(self, *words):
            *others, logits = self._session.run(*words)
            return [*others, logits + 0.01]

    monkeypatch.setattr(onnxruntime, "InferenceSession", Off)
    graph = ClassifierGraph(nn.Module())
    graph.network = exported[0].network
    with pytest.raises(TrainingError, match="differs from PyTorch"):
        export_onnx(graph, 64, tmp_path / "x.onnx")
