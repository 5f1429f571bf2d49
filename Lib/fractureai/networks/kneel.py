"""The paper's localizer: the hourglass of KNEEL.

Tiulpin et al., KNEEL: Knee anatomical landmark localization using hourglass networks (ICCV Workshops 2019); DeepWrist,
ROI localization block. Blocks are bottlenecks with batch normalisation after each convolution (He et al. 2016) and no
activation after the sum; the hourglass has three of them on the way down, one at the way up, and three beside
(Newell et al. 2016 have one each).
"""

from __future__ import annotations

import itertools

from torch import Tensor, nn
from torch.nn import functional as F

from fractureai.networks.hourglass import HeatmapLocalizer


def _convolution(channels_in: int, channels_out: int, kernel_px: int, *, activated: bool = True) -> nn.Sequential:
    layers = [nn.Conv2d(channels_in, channels_out, kernel_px, padding=kernel_px // 2), nn.BatchNorm2d(channels_out)]
    return nn.Sequential(*layers, nn.ReLU(inplace=True)) if activated else nn.Sequential(*layers)


class Bottleneck(nn.Module):
    """Half the channels and back around a 3x3 convolution, plus the input.

    Args:
        channels_in, channels_out: where they differ, the input passes a convolution too.
        pointwise_px: kernel of the convolutions that only change the number of channels: 1, or 3 as published.
    """

    def __init__(self, channels_in: int, channels_out: int, pointwise_px: int) -> None:
        super().__init__()
        middle = channels_out // 2
        self.branch = nn.Sequential(
            _convolution(channels_in, middle, pointwise_px),
            _convolution(middle, middle, 3),
            _convolution(middle, channels_out, pointwise_px, activated=False),
        )
        self.skip: nn.Module = nn.Identity()
        if channels_in != channels_out:
            self.skip = _convolution(channels_in, channels_out, pointwise_px, activated=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, channels_in, h, w) to (n, channels_out, h, w)."""
        total: Tensor = self.branch(x) + self.skip(x)
        return total


class KneelHourglass(nn.Module):
    """Halve the resolution ``depth`` times and come back, adding what each level saw.

    Args:
        depth: halvings.
        width: channels of the input and inside.
        channels_out: of the output of every level.
        pointwise_px: see `Bottleneck`.
    """

    def __init__(self, depth: int, width: int, channels_out: int, pointwise_px: int) -> None:
        super().__init__()

        def blocks(*channels: int) -> list[nn.Module]:
            return [Bottleneck(*pair, pointwise_px) for pair in itertools.pairwise(channels)]

        self.beside = nn.Sequential(*blocks(width, width, width, channels_out))
        inner = (
            KneelHourglass(depth - 1, width, channels_out, pointwise_px)
            if depth > 1
            else Bottleneck(width, channels_out, pointwise_px)
        )
        self.below = nn.Sequential(*blocks(width, width, width, width), inner, *blocks(channels_out, channels_out))

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, width, h, w) to (n, channels_out, h, w)."""
        below = self.below(F.max_pool2d(x, 2))
        beside: Tensor = self.beside(x)
        return beside + F.interpolate(below, size=x.shape[-2:], mode="bilinear", align_corners=True)


class KneelLocalizer(HeatmapLocalizer):
    """The hourglass of KNEEL as DeepWrist uses it: 18.8 M parameters, 26.7 GFLOP an image of 256 pixels a side.

    With ``pointwise_px = 3``, which is what the published code builds under the name of 1x1: 69.7 M and 115.5 GFLOP.

    Args:
        landmarks: number of landmarks L.
        width: channels of the first convolution; the hourglass has four times as many, its output eight times.
        depth: halvings inside the hourglass.
        dropout: of whole channels, before each of the last two blocks.
        beta: sharpness of the soft-argmax.
        pointwise_px: 1 or 3.
    """

    def __init__(
        self,
        landmarks: int,
        *,
        width: int = 64,
        depth: int = 6,
        dropout: float = 0.25,
        beta: float = 1.0,
        pointwise_px: int = 1,
    ) -> None:
        if pointwise_px not in (1, 3):
            raise ValueError(f"pointwise_px is {pointwise_px}, not 1 or 3")
        stem = nn.Sequential(
            nn.Conv2d(1, width, 7, stride=2, padding=3),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            Bottleneck(width, 2 * width, pointwise_px),
            nn.MaxPool2d(2),
            Bottleneck(2 * width, 2 * width, pointwise_px),
            Bottleneck(2 * width, 2 * width, pointwise_px),
            Bottleneck(2 * width, 4 * width, pointwise_px),
        )
        head = nn.Sequential(
            nn.Dropout2d(dropout),
            _convolution(8 * width, 8 * width, pointwise_px),
            nn.Dropout2d(dropout),
            _convolution(8 * width, 4 * width, pointwise_px),
            nn.Conv2d(4 * width, landmarks, 1),
        )
        super().__init__(stem, KneelHourglass(depth, 4 * width, 8 * width, pointwise_px), head, beta)
