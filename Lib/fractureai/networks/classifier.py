"""The classifiers: a convolutional backbone, global average pooling, dropout, one linear layer.

With this head Grad-CAM for a class needs no backward pass: the gradient of its logit with respect to the last feature
maps A_k is the same everywhere, so Grad-CAM is ReLU(sum_k w_k A_k) up to a positive factor (Selvaraju et al. 2017, 3.1;
Zhou et al. 2016). It is therefore a second output of the exported network.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from monai.networks.blocks import Convolution
from monai.networks.nets import SEResNet50
from torch import Tensor, nn


@dataclass(frozen=True)
class ClassifierOutput:
    """What a classifier gives for a batch of n images and K classes.

    Attributes:
        logits: (n, K).
        evidence: (n, h, w) margin that each place adds for the positive class against the others, before ReLU.
        features: (n, C) pooled features.
    """

    logits: Tensor
    evidence: Tensor
    features: Tensor


class FractureClassifier(nn.Module):
    """Backbone + global average pooling + dropout + linear layer.

    Input (n, 1, S, S) float in [0, 1].

    Args:
        backbone: maps (n, ``channels_in``, S, S) to non-negative feature maps (n, ``features``, h, w).
        channels_in: 1, or 3 where the backbone was made for colour images: grey is repeated.
        features: channels of the feature maps.
        classes: K.
        positive_class: index of the class whose evidence is mapped.
        dropout: before the linear layer.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, backbone: nn.Module, *, channels_in: int, features: int, classes: int, positive_class: int, dropout: float
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.channels_in = channels_in
        self.positive_class = positive_class
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(features, classes)
        self.region_scale = nn.Parameter(torch.tensor(0.0))
        self.region_bias = nn.Parameter(torch.tensor(-3.0))
        self.register_buffer("mean", torch.tensor(0.0))
        self.register_buffer("std", torch.tensor(1.0))

    def standardize_by(self, mean: float, std: float) -> None:
        """Set the mean and standard deviation of the training images."""
        self.mean.fill_(mean)
        self.std.fill_(max(std, 1e-6))

    def forward(self, image: Tensor) -> ClassifierOutput:
        """Classify, and say where the evidence lies."""
        x = ((image - self.mean) / self.std).expand(-1, self.channels_in, -1, -1)
        maps = self.backbone(x).float()
        features = maps.mean(dim=(2, 3))
        logits = self.head(self.dropout(features))
        return ClassifierOutput(logits, self.evidence(maps), features)

    def evidence(self, maps: Tensor) -> Tensor:
        """Return (n, h, w): sum_k (w_positive,k - mean of the others) A_k, the signed Grad-CAM of the margin."""
        weight = self.head.weight
        others = torch.cat([weight[: self.positive_class], weight[self.positive_class + 1 :]]).mean(dim=0)
        return torch.einsum("nchw,c->nhw", maps, weight[self.positive_class] - others)

    def region_logits(self, evidence: Tensor) -> Tensor:
        """Turn the evidence into logits of "a marked region lies here" by one learnt positive scale and one offset."""
        return evidence * torch.exp(self.region_scale) + self.region_bias

    def head_parameters(self) -> list[nn.Parameter]:
        """Parameters that are trained while the backbone is frozen."""
        return [*self.head.parameters(), self.region_scale, self.region_bias]


class _SEResNet50Maps(SEResNet50):  # type: ignore[misc]
    """MONAI's SE-ResNet50 up to its last feature maps."""

    def forward(self, x: Tensor) -> Tensor:
        maps: Tensor = self.features(x)
        return maps


def seresnet50(classes: int, positive_class: int, *, dropout: float = 0.5) -> FractureClassifier:
    """Return SE-ResNet50 as in DeepWrist: grey repeated to three channels, dropout 0.5 (28 M parameters)."""
    backbone = _SEResNet50Maps(spatial_dims=2, in_channels=3, num_classes=classes)
    del backbone.last_linear
    return FractureClassifier(
        backbone, channels_in=3, features=2048, classes=classes, positive_class=positive_class, dropout=dropout
    )


def small_cnn(
    classes: int,
    positive_class: int,
    *,
    widths: tuple[int, int, int] = (32, 64, 96),
    shrink: int = 2,
    dropout: float = 0.3,
) -> FractureClassifier:
    """Return six convolutions for small data sets and CPUs.

    Args:
        classes, positive_class, dropout: see `FractureClassifier`.
        widths: channels at 1/2, 1/4 and 1/8 of the shrunk image's side.
        shrink: the image is averaged over so many pixels a side first: a fracture is wider than a pixel, noise is not.
    """
    first, second, third = widths
    plan = ((1, first // 2, 2), (first // 2, first, 1), (first, second, 1), (second, second, 1), (second, third, 1))
    convolutions = [_convolution(*step) for step in (*plan, (third, third, 1))]
    layers = [nn.AvgPool2d(shrink), *convolutions[:2], nn.MaxPool2d(2), *convolutions[2:4], nn.MaxPool2d(2)]
    backbone = nn.Sequential(*layers, *convolutions[4:])
    return FractureClassifier(
        backbone, channels_in=1, features=third, classes=classes, positive_class=positive_class, dropout=dropout
    )


def _convolution(channels_in: int, channels_out: int, stride: int) -> nn.Module:
    block: nn.Module = Convolution(
        2,
        channels_in,
        channels_out,
        strides=stride,
        kernel_size=3,
        act="RELU",
        norm="BATCH",
        adn_ordering="NA",
        bias=False,
    )
    return block


CLASSIFIERS: dict[str, Callable[..., FractureClassifier]] = {"seresnet50": seresnet50, "small_cnn": small_cnn}
"""Name in a recipe -> function (classes, positive_class, **parameters)."""
