"""Changes of geometry: one projective matrix an image, applied to the image, its landmarks and its mask at once.

Matrices are (n, 3, 3) float64 on the CPU and lead from output to input pixels (row, col, 1), both counted from the
image's centre.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from fractureai.training.augmentation.dice import Dice, beside
from fractureai.training.recipe import AugmentationRecipe


@dataclass(frozen=True)
class Augmented:
    """A batch: ``images``, ``masks`` (n, 1, S, S); ``points`` (n, L, 2) pixels (row, col)."""

    images: Tensor
    points: Tensor | None = None
    masks: Tensor | None = None


def draw_matrices(
    recipe: AugmentationRecipe, shape: tuple[int, int], size_px: int, window_jitter_px: float, dice: Dice
) -> Tensor:
    """Draw one matrix an image.

    Args:
        recipe: ranges and probabilities.
        shape: height and width of the input.
        size_px: side of the output.
        window_jitter_px: largest displacement of the output window inside a larger input, where ``recipe.pad_px`` is 0.
        dice: for as many images as there are in the batch.
    """
    considered = dice.chance(recipe.geometry_probability)
    flipped = considered & dice.chance(recipe.flip_probability)
    warped = considered & dice.chance(recipe.warp_probability)
    forward = torch.where(warped[:, None, None], _projection(recipe, dice), _identity(dice.count))
    mirror = _identity(dice.count)
    mirror[:, 1, 1] = torch.where(flipped, -1.0, 1.0)
    forward = forward @ mirror
    window = dice.uniform(-window_jitter_px, window_jitter_px, 2)
    if recipe.pad_px:
        window = _window(forward, shape, size_px, recipe.pad_px, dice)
    shift = dice.uniform(-recipe.shift, recipe.shift, 2) * size_px * warped[:, None]
    matrices: Tensor = _translation(shift) @ torch.linalg.inv(forward) @ _translation(window)
    return matrices


def _projection(recipe: AugmentationRecipe, dice: Dice) -> Tensor:
    """Scale, turn, shear, and perspective, from input to output."""
    aspect = torch.exp(dice.uniform(-1, 1) * torch.log1p(torch.tensor(recipe.aspect, dtype=torch.float64)) / 2)
    enlarge = dice.uniform(*recipe.scale)
    matrix = _identity(dice.count)
    matrix[:, 0, 0], matrix[:, 1, 1] = enlarge * aspect, enlarge / aspect
    angle = torch.deg2rad(dice.uniform(-recipe.rotation_deg, recipe.rotation_deg))
    turn = _identity(dice.count)
    turn[:, 0, 0] = turn[:, 1, 1] = torch.cos(angle)
    turn[:, 1, 0] = torch.sin(angle)
    turn[:, 0, 1] = -turn[:, 1, 0]
    matrix = turn @ matrix
    for _ in range(recipe.shear_count):
        sheared = dice.chance(recipe.shear_probability)[:, None] * dice.uniform(-recipe.shear, recipe.shear, 2)
        shear = _identity(dice.count)
        shear[:, 0, 1], shear[:, 1, 0] = sheared[:, 0], sheared[:, 1]
        matrix = shear @ matrix
    matrix[:, 2, :2] = dice.uniform(*recipe.perspective, 2)
    return matrix


def _window(forward: Tensor, shape: tuple[int, int], size_px: int, pad_px: int, dice: Dice) -> Tensor:
    """Draw the output's centre: anywhere in the frame that holds all of the warped image and is ``pad_px`` or more.

    Whole pixels from the frame's centre, so that an image that was not warped is not interpolated.
    """
    height, width = shape
    corners = torch.tensor(
        [[s * height / 2, t * width / 2, 1.0] for s in (-1, 1) for t in (-1, 1)], dtype=torch.float64
    )
    moved = torch.einsum("nij,kj->nki", forward, corners)
    moved = moved[..., :2] / moved[..., 2:].clamp(min=1e-3)
    low, high = moved.amin(dim=1), moved.amax(dim=1)
    room = (torch.round(high - low).clamp(min=pad_px) - size_px).clamp(min=0)
    return (low + high) / 2 + torch.floor(dice.uniform(0, 1, 2) * room) - torch.floor(room / 2)


def warp(batch: Augmented, matrices: Tensor, size_px: int) -> Augmented:
    """Apply one matrix an image; outside the images it is black."""
    height, width = batch.images.shape[-2:]
    grid = _grid(matrices, (height, width), size_px, batch.images)
    points = None if batch.points is None else _move(batch.points, matrices, (height, width), size_px)
    masks = None if batch.masks is None else _sample(batch.masks, grid)
    return Augmented(_sample(batch.images, grid), points, masks)


def _sample(images: Tensor, grid: Tensor) -> Tensor:
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def _grid(matrices: Tensor, shape: tuple[int, int], size_px: int, like: Tensor) -> Tensor:
    steps = torch.arange(size_px, dtype=like.dtype, device=like.device) - (size_px - 1) / 2
    matrix = beside(matrices, like)[:, :, :, None, None]
    # Sums of a column and a row of numbers, written in place: this is memory traffic, not arithmetic.
    down, right = matrix[:, :, 0] * steps[:, None] + matrix[:, :, 2], matrix[:, :, 1] * steps
    scale = (down[:, 2] + right[:, 2]).clamp_(min=1e-3).reciprocal_()
    grid = torch.empty((*scale.shape, 2), dtype=like.dtype, device=like.device)
    for place, axis in enumerate((1, 0)):
        torch.mul(down[:, axis] + right[:, axis], scale * (2 / shape[axis]), out=grid[..., place])
    return grid


def _move(points: Tensor, matrices: Tensor, shape: tuple[int, int], size_px: int) -> Tensor:
    centre = beside(torch.tensor([(shape[0] - 1) / 2, (shape[1] - 1) / 2], dtype=torch.float64), points)
    homogeneous = F.pad(points - centre, (0, 1), value=1.0)
    moved = torch.einsum("nij,nlj->nli", beside(torch.linalg.inv(matrices), points), homogeneous)
    # A point behind the horizon of a perspective is far outside; clamping keeps it there and finite.
    return moved[..., :2] / moved[..., 2:].clamp(min=1e-3) + (size_px - 1) / 2


@dataclass(frozen=True, eq=False)
class SidePadding:
    """A border of one grey on some sides; the image is shrunk to make room.

    Attributes:
        chosen: (m,) indices of the images that change.
        width_px: (m, 4) of the border at the top, left, bottom, right, before shrinking.
        grey: (m,).
    """

    chosen: Tensor
    width_px: Tensor
    grey: Tensor

    def matrices(self, shape: tuple[int, int]) -> Tensor:
        """Return (m, 3, 3) matrices from output to input, for images of this height and width."""
        matrix = _identity(len(self.chosen))
        for axis in (0, 1):
            before, after = self.width_px[:, axis], self.width_px[:, 2 + axis]
            matrix[:, axis, axis] = (shape[axis] + before + after) / shape[axis]
            matrix[:, axis, 2] = (after - before) / 2
        return matrix

    def __call__(self, batch: Augmented) -> Augmented:
        """Return the batch with the chosen (square) images, their points and their masks changed."""
        if not len(self.chosen):
            return batch
        places = beside(self.chosen, batch.images)
        matrices = self.matrices((batch.images.shape[-2], batch.images.shape[-1]))
        before = Augmented(*(None if x is None else x[places] for x in (batch.images, batch.points, batch.masks)))  # type: ignore[arg-type]
        after = warp(before, matrices, batch.images.shape[-1])
        grid = _grid(matrices, (batch.images.shape[-2], batch.images.shape[-1]), batch.images.shape[-1], batch.images)
        outside = 1 - _sample(torch.ones_like(before.images), grid)
        grey = beside(self.grey, batch.images)[:, None, None, None]
        return Augmented(
            batch.images.index_copy(0, places, after.images + outside * grey),
            None if batch.points is None or after.points is None else batch.points.index_copy(0, places, after.points),
            None if batch.masks is None or after.masks is None else batch.masks.index_copy(0, places, after.masks),
        )


def _identity(count: int) -> Tensor:
    return torch.eye(3, dtype=torch.float64).repeat(count, 1, 1)


def _translation(by: Tensor) -> Tensor:
    matrix = _identity(len(by))
    matrix[:, :2, 2] = by
    return matrix
