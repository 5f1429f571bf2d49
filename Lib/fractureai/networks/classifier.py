"""The classifiers: a convolutional backbone, global average pooling, dropout, one linear layer.

With this head Grad-CAM for a class needs no backward pass: the gradient of its logit with respect to the last feature
maps A_k is the same everywhere, so Grad-CAM is ReLU(sum_k w_k A_k) up to a positive factor (Selvaraju et al. 2017, 3.1;
Zhou et al. 2016). It is therefore a second output of the exported network.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from monai.networks.nets import ResNet, SEResNet50
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


class _ResNetMaps(ResNet):  # type: ignore[misc]
    """MONAI's ResNet up to its last feature maps."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.bn1(self.conv1(x)))
        maps: Tensor = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return maps


def small_resnet(
    classes: int, positive_class: int, *, widths: tuple[int, int, int, int] = (16, 32, 64, 96), dropout: float = 0.2
) -> FractureClassifier:
    """Return a ResNet of four basic blocks without max pooling: feature maps of 1/16 of the input's side."""
    backbone = _ResNetMaps(
        "basic", (1, 1, 1, 1), tuple(widths), spatial_dims=2, n_input_channels=1, conv1_t_size=5, conv1_t_stride=2,
        no_max_pool=True, num_classes=classes,
    )  # fmt: skip
    del backbone.fc, backbone.avgpool, backbone.maxpool
    return FractureClassifier(
        backbone, channels_in=1, features=widths[-1], classes=classes, positive_class=positive_class, dropout=dropout
    )


CLASSIFIERS: dict[str, Callable[..., FractureClassifier]] = {"seresnet50": seresnet50, "small_resnet": small_resnet}
"""Name in a recipe -> function (classes, positive_class, **parameters)."""
