"""Random changes of values: each is drawn with its parameters, and applied to the images of a batch that it chose.

Images are (n, 1, H, W) float in [0, 1]; a change maps the m chosen ones to the same shape. Its parameters are CPU
tensors with one entry a chosen image. Numbers for every pixel are drawn on the device from the change's seed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from fractureai.training.augmentation.dice import beside

REFERENCE_PX = 256
"""Side of the images to which the paper's sizes of triangles refer."""


class Change(Protocol):
    """A drawn change of some images."""

    @property
    def chosen(self) -> Tensor:
        """(m,) indices of the images that change."""

    def __call__(self, images: Tensor) -> Tensor:
        """Change the (m, 1, H, W) chosen images."""


def change(images: Tensor, changes: Iterable[Change]) -> Tensor:
    """Apply changes one after the other; ``images`` itself stays as it is."""
    changes = [each for each in changes if len(each.chosen)]
    if changes:
        images = images.clone()
    for each in changes:
        places = beside(each.chosen, images)
        images.index_copy_(0, places, each(images[places]).to(images.dtype))
    return images


@dataclass(frozen=True, eq=False)
class Triangle:
    """A triangle of one grey in a corner.

    Attributes:
        chosen: see `Change`.
        corner: (m, 2) bool: the last row, the last column instead of the first.
        grey: (m,).
        arms_px: length along the rows and along the columns, for images of `REFERENCE_PX`.
    """

    chosen: Tensor
    corner: Tensor
    grey: Tensor
    arms_px: tuple[int, int]

    def __call__(self, images: Tensor) -> Tensor:
        """Return the chosen images, changed."""
        inside = torch.zeros((), device=images.device, dtype=images.dtype)
        for axis, far, arm_px in zip((2, 3), self.corner.T, self.arms_px, strict=True):
            size = images.shape[axis]
            steps = _steps(images, axis)
            away = torch.where(_column(far, images) > 0, size - 1 - steps, steps)
            inside = inside + away / (arm_px * size / REFERENCE_PX)
        return torch.where(inside <= 1, _column(self.grey, images), images)


@dataclass(frozen=True, eq=False)
class LowVisibility:
    """Most of the contrast lost to one grey: ``visible`` of the image is left."""

    chosen: Tensor
    grey: Tensor
    visible: float = 0.15

    def __call__(self, images: Tensor) -> Tensor:
        """Return the chosen images, changed."""
        return self.visible * images + (1 - self.visible) * _column(self.grey, images)


@dataclass(frozen=True, eq=False)
class Downscale:
    """Averaged over squares of ``factor`` pixels a side, and interpolated back bilinearly."""

    chosen: Tensor
    factor: int = 4

    def __call__(self, images: Tensor) -> Tensor:
        """Return the chosen images, changed."""
        small = F.interpolate(images, scale_factor=1 / self.factor, mode="area")
        return F.interpolate(small, size=images.shape[-2:], mode="bilinear", align_corners=False)


@dataclass(frozen=True, eq=False)
class Border:
    """One side of the image set to one value, as padding on films.

    Attributes:
        chosen: see `Change`.
        side: (m,) 0 top, 1 left, 2 bottom, 3 right.
        width: (m,) share of the image's side.
        grey: (m,).
    """

    chosen: Tensor
    side: Tensor
    width: Tensor
    grey: Tensor

    def __call__(self, images: Tensor) -> Tensor:
        """Return the chosen images, changed."""
        inside = torch.zeros_like(images, dtype=torch.bool)
        for number in range(4):
            axis = 2 + number % 2
            steps, size = _steps(images, axis), images.shape[axis]
            away = size - 1 - steps if number >= 2 else steps
            inside |= (_column(self.side == number, images) > 0) & (away < _column(self.width, images) * size)
        return torch.where(inside, _column(self.grey, images), images)


@dataclass(frozen=True, eq=False)
class SaltAndPepper:
    """``share`` (m,) of the pixels set to black or white, equally likely."""

    chosen: Tensor
    share: Tensor
    seed: int

    def __call__(self, images: Tensor) -> Tensor:
        """Return the chosen images, changed."""
        field = torch.rand(images.shape, generator=_generator(images, self.seed), device=images.device)
        half = _column(self.share, images) / 2
        return torch.where(field < half, 0.0, torch.where(field >= 1 - half, 1.0, images))


@dataclass(frozen=True, eq=False)
class Median:
    """Median filter; at the border the nearest value is repeated. ``kernel_px`` (m,) is odd."""

    chosen: Tensor
    kernel_px: Tensor

    def __call__(self, images: Tensor) -> Tensor:
        """Return the chosen images, changed."""
        for kernel in sorted(set(self.kernel_px.tolist())):
            places = beside(torch.nonzero(self.kernel_px == kernel)[:, 0], images)
            images = images.index_copy(0, places, median(images[places], kernel))
        return images


def median(images: Tensor, kernel_px: int) -> Tensor:
    """Return the median over squares of ``kernel_px`` (odd) a side.

    Forgetful selection (Paeth 1990): of half of the values and two more, neither the least nor the greatest can be
    the median of all; drop both, take in another value, until one is left. Only minima and maxima of whole images.
    """
    padded = F.pad(images, (kernel_px // 2,) * 4, mode="replicate")
    height, width = images.shape[-2:]
    planes = [padded[..., r : r + height, c : c + width] for r in range(kernel_px) for c in range(kernel_px)]
    kept, waiting = planes[: len(planes) // 2 + 2], planes[len(planes) // 2 + 2 :]
    while len(kept) > 1:
        kept = _without_extremes(kept)
        if waiting:
            kept.append(waiting.pop())
    return kept[0]


def _without_extremes(planes: list[Tensor]) -> list[Tensor]:
    least, rest = planes[0], []
    for plane in planes[1:]:
        rest.append(torch.maximum(least, plane))
        least = torch.minimum(least, plane)
    greatest, middle = rest[0], []
    for plane in rest[1:]:
        middle.append(torch.minimum(greatest, plane))
        greatest = torch.maximum(greatest, plane)
    return middle


@dataclass(frozen=True, eq=False)
class Blur:
    """Gaussian blur, mirrored at the border. ``sigma_px`` (m, 2) along rows and columns; ``radius_px`` (m,)."""

    chosen: Tensor
    sigma_px: Tensor
    radius_px: Tensor

    def __call__(self, images: Tensor) -> Tensor:
        """Return the chosen images, changed."""
        radius = int(self.radius_px.max())
        steps = torch.arange(-radius, radius + 1, dtype=torch.float64)
        kernels = torch.exp(-(steps**2) / (2 * self.sigma_px[..., None] ** 2))
        kernels = kernels * (steps.abs() <= self.radius_px[:, None, None])
        kernels = beside(kernels / kernels.sum(dim=-1, keepdim=True), images)
        count, height, width = len(images), *images.shape[-2:]
        padded = F.pad(images, (radius,) * 4, mode="reflect").transpose(0, 1)
        rows = F.conv2d(padded, kernels[:, 0].reshape(count, 1, -1, 1), groups=count)
        blurred = F.conv2d(rows, kernels[:, 1].reshape(count, 1, 1, -1), groups=count)
        return blurred.transpose(0, 1).reshape(count, 1, height, width)


@dataclass(frozen=True, eq=False)
class MixedNoise:
    """Gaussian noise, stretched to 0..1, mixed in with the weight ``gain`` (m,)."""

    chosen: Tensor
    gain: Tensor
    seed: int

    def __call__(self, images: Tensor) -> Tensor:
        """Return the chosen images, changed."""
        field = torch.randn(images.shape, generator=_generator(images, self.seed), device=images.device)
        low, high = field.amin(dim=(1, 2, 3), keepdim=True), field.amax(dim=(1, 2, 3), keepdim=True)
        return torch.lerp(images, (field - low) / (high - low), _column(self.gain, images))


@dataclass(frozen=True, eq=False)
class AddedNoise:
    """Gaussian noise of standard deviation ``std`` (m,) added."""

    chosen: Tensor
    std: Tensor
    seed: int

    def __call__(self, images: Tensor) -> Tensor:
        """Return the chosen images, changed."""
        field = torch.randn(images.shape, generator=_generator(images, self.seed), device=images.device)
        return images + _column(self.std, images) * field


@dataclass(frozen=True, eq=False)
class Contrast:
    """A piecewise linear rising map of [0, 1] onto itself.

    Attributes:
        chosen: see `Change`.
        points: (m,) number of equally spaced control points.
        values: (m, K) value at each control point; what lies behind ``points`` is not used.
    """

    chosen: Tensor
    points: Tensor
    values: Tensor

    def __call__(self, images: Tensor) -> Tensor:
        """Return the chosen images, changed."""
        position = images.clamp(0, 1) * (_column(self.points, images) - 1)
        left = torch.minimum(position.floor(), _column(self.points, images) - 2)
        table, place = beside(self.values, images), left.long().flatten(1)
        low = torch.gather(table, 1, place).reshape(images.shape)
        high = torch.gather(table, 1, place + 1).reshape(images.shape)
        return torch.lerp(low, high, position - left)


@dataclass(frozen=True, eq=False)
class Gamma:
    """Values to the power of 1 / ``gamma`` (m,)."""

    chosen: Tensor
    gamma: Tensor

    def __call__(self, images: Tensor) -> Tensor:
        """Return the chosen images, changed."""
        return images.clamp(0, 1) ** (1 / _column(self.gamma, images))


@dataclass(frozen=True, eq=False)
class Cutout:
    """Rectangles set to 0 (DeVries and Taylor 2017).

    Attributes:
        chosen: see `Change`.
        corner: (m, K, 2) place of the upper left corner, share of the room there is for it.
        size_px: (m, K, 2) height and width; 0 for no rectangle.
    """

    chosen: Tensor
    corner: Tensor
    size_px: Tensor

    def __call__(self, images: Tensor) -> Tensor:
        """Return the chosen images, changed."""
        inside = torch.ones((), dtype=torch.bool, device=images.device)
        for axis in (0, 1):
            size = self.size_px[..., axis]
            first = torch.floor(self.corner[..., axis] * (images.shape[2 + axis] - size).clamp(min=0))
            steps = torch.arange(images.shape[2 + axis])
            covered = (steps >= first[..., None]) & (steps < (first + size)[..., None])
            covered = beside(covered, images)
            inside = inside & (covered[:, :, :, None] if axis == 0 else covered[:, :, None, :])
        return images.masked_fill(inside.any(dim=1, keepdim=True), 0.0)


def _column(values: Tensor, like: Tensor) -> Tensor:
    return beside(values.double(), like).reshape(-1, 1, 1, 1)


def _steps(like: Tensor, axis: int) -> Tensor:
    steps = torch.arange(like.shape[axis], device=like.device, dtype=like.dtype)
    return steps[:, None] if axis == 2 else steps


def _generator(like: Tensor, seed: int) -> torch.Generator:
    return torch.Generator(device=like.device).manual_seed(seed)
