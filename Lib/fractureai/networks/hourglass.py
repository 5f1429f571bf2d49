"""Localizers: a network whose heat maps become coordinates by soft-argmax, and the light hourglass.

Newell et al., Stacked Hourglass Networks (ECCV 2016). The paper's own network is in `fractureai.networks.kneel`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class LandmarkOutput:
    """What the localizer gives for a batch of n images and L landmarks.

    Attributes:
        landmarks: (n, L, 2) (row, col) in [0, 1] of the image's height and width, outer edge to outer edge.
        heatmaps: (n, L, h, w), each sums to 1.
    """

    landmarks: Tensor
    heatmaps: Tensor


class Residual(nn.Sequential):
    """Pre-activation bottleneck 1x1, 3x3, 1x1 without its skip connection (`ResidualBlock` adds it)."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        middle = max(channels_out // 2, 8)
        super().__init__(
            nn.BatchNorm2d(channels_in),
            nn.ReLU(inplace=False),
            nn.Conv2d(channels_in, middle, 1, bias=False),
            nn.BatchNorm2d(middle),
            nn.ReLU(inplace=True),
            nn.Conv2d(middle, middle, 3, padding=1, bias=False),
            nn.BatchNorm2d(middle),
            nn.ReLU(inplace=True),
            nn.Conv2d(middle, channels_out, 1, bias=False),
        )


class ResidualBlock(nn.Module):
    """`Residual` plus skip connection, which is a 1x1 convolution where the number of channels changes."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.branch = Residual(channels_in, channels_out)
        self.skip: nn.Module = nn.Identity()
        if channels_in != channels_out:
            self.skip = nn.Conv2d(channels_in, channels_out, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, channels_in, h, w) to (n, channels_out, h, w)."""
        return torch.add(self.branch(x), self.skip(x))


class Hourglass(nn.Module):
    """Halve the resolution ``depth`` times and come back, adding what each level saw (Newell, Fig. 3)."""

    def __init__(self, depth: int, width: int) -> None:
        super().__init__()
        self.same = ResidualBlock(width, width)
        self.down = ResidualBlock(width, width)
        self.inner: nn.Module = Hourglass(depth - 1, width) if depth > 1 else ResidualBlock(width, width)
        self.up = ResidualBlock(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, width, h, w) to the same shape."""
        low = self.up(self.inner(self.down(F.max_pool2d(x, 2))))
        return torch.add(self.same(x), F.interpolate(low, size=x.shape[-2:], mode="bilinear", align_corners=True))


class HeatmapLocalizer(nn.Module):
    """Landmarks of one view: standardisation, ``stem``, ``hourglass``, ``head``, soft-argmax.

    Input (n, 1, S, S) float in [0, 1]; S is a multiple of ``4 * 2**depth``. The heat maps have S/4 pixels a side.

    Args:
        stem: (n, 1, S, S) to feature maps of S/4 pixels a side.
        hourglass: feature maps to feature maps of the same size.
        head: feature maps to one score map a landmark.
        beta: sharpness of the soft-argmax.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, stem: nn.Module, hourglass: nn.Module, head: nn.Module, beta: float) -> None:
        super().__init__()
        self.beta = beta
        self.register_buffer("mean", torch.tensor(0.0))
        self.register_buffer("std", torch.tensor(1.0))
        self.stem, self.hourglass, self.head = stem, hourglass, head

    def standardize_by(self, mean: float, std: float) -> None:
        """Set the mean and standard deviation of the training images."""
        self.mean.fill_(mean)
        self.std.fill_(max(std, 1e-6))

    def forward(self, image: Tensor) -> LandmarkOutput:
        """Locate the landmarks."""
        scores = self.head(self.hourglass(self.stem((image - self.mean) / self.std))).float()
        flat = torch.softmax(self.beta * scores.flatten(2), dim=-1)
        heatmaps = flat.reshape(scores.shape)
        return LandmarkOutput(expected_position(heatmaps), heatmaps)


class HourglassLocalizer(HeatmapLocalizer):
    """A light hourglass of pre-activation bottlenecks, one a branch and level; for small data sets and CPUs.

    Args:
        landmarks: number of landmarks L.
        width: channels inside the hourglass.
        depth: halvings inside the hourglass.
        dropout: before each of the last two blocks.
        beta: sharpness of the soft-argmax.
    """

    def __init__(
        self, landmarks: int, *, width: int = 256, depth: int = 6, dropout: float = 0.25, beta: float = 1.0
    ) -> None:
        quarter, half = max(width // 4, 8), max(width // 2, 16)
        stem = nn.Sequential(
            nn.Conv2d(1, quarter, 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(quarter),
            nn.ReLU(inplace=True),
            ResidualBlock(quarter, half),
            nn.MaxPool2d(2),
            ResidualBlock(half, half),
            ResidualBlock(half, half),
            ResidualBlock(half, width),
        )
        head = nn.Sequential(
            nn.Dropout(dropout),
            ResidualBlock(width, width),
            nn.Dropout(dropout),
            ResidualBlock(width, width),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, landmarks, 1),
        )
        super().__init__(stem, Hourglass(depth, width), head, beta)


def cell_centres(count: int, like: Tensor) -> Tensor:
    """Return the centres of ``count`` cells that divide [0, 1]."""
    return (torch.arange(count, device=like.device, dtype=like.dtype) + 0.5) / count


def expected_position(heatmaps: Tensor) -> Tensor:
    """Return the expected (row, col) in [0, 1] under (n, L, h, w) heat maps that sum to 1 (soft-argmax)."""
    rows, cols = cell_centres(heatmaps.shape[-2], heatmaps), cell_centres(heatmaps.shape[-1], heatmaps)
    return torch.stack([(heatmaps.sum(3) * rows).sum(2), (heatmaps.sum(2) * cols).sum(2)], dim=-1)


def heatmap_spread(heatmaps: Tensor, landmarks: Tensor) -> Tensor:
    """Return (n, L) root mean square distances from the expected position, in units of the image's side."""
    rows, cols = cell_centres(heatmaps.shape[-2], heatmaps), cell_centres(heatmaps.shape[-1], heatmaps)
    row_square = (heatmaps.sum(3) * (rows - landmarks[..., 0:1]) ** 2).sum(2)
    col_square = (heatmaps.sum(2) * (cols - landmarks[..., 1:2]) ** 2).sum(2)
    return torch.sqrt(row_square + col_square)
