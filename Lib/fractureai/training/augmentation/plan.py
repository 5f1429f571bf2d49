"""What is drawn for a batch: which image changes how."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from fractureai.training.augmentation.changes import (
    AddedNoise,
    Blur,
    Border,
    Change,
    Contrast,
    Cutout,
    Downscale,
    Gamma,
    LowVisibility,
    Median,
    MixedNoise,
    SaltAndPepper,
    Triangle,
)
from fractureai.training.augmentation.dice import Dice
from fractureai.training.augmentation.geometry import SidePadding, draw_matrices
from fractureai.training.recipe import AugmentationRecipe

FILM_GREYS = (50 / 255, 100 / 255)
"""Greys of paddings, triangles and fog (DeepWrist's source code)."""
TRIANGLES_PX = ((50, 100), (100, 50))
KERNELS_PX = (3, 5)
SALT_SHARE, MUCH_SALT_SHARE = 0.01, 0.05
NOISE_GAIN = 0.5
CONTROL_POINTS = (4, 8)
_SALT, _BLUR, _MEDIAN, _NOISE, _SALT_THEN_MEDIAN, _MEDIAN_THEN_SALT, _NOTHING = range(7)


@dataclass(frozen=True, eq=False)
class Plan:
    """All that is random in the augmentation of a batch, in the order of its application.

    Attributes:
        jitter: (n, L, 2) displacement of the landmarks, share of the image's side.
        padding: of the sides.
        film: changes before the warp.
        matrices: (n, 3, 3) from output to input; see `fractureai.training.augmentation.geometry`.
        values: changes after the warp.
    """

    jitter: Tensor
    padding: SidePadding
    film: tuple[Change, ...]
    matrices: Tensor
    values: tuple[Change, ...]


def draw_plan(
    recipe: AugmentationRecipe,
    count: int,
    shape: tuple[int, int],
    size_px: int,
    seed: int,
    *,
    landmarks: int = 0,
    window_jitter_px: float = 0.0,
) -> Plan:
    """Draw everything random for ``count`` images of this shape; the same seed draws the same.

    The order is that of `AugmentationRecipe`'s attributes.
    """
    dice = Dice(seed, count)
    padding = _side_padding(recipe, dice)
    film = (*_triangles(recipe, dice), *_fog(recipe, dice))
    jittered = dice.chance(recipe.landmark_jitter_probability)[:, None, None]
    jitter = jittered * dice.uniform(-recipe.landmark_jitter, recipe.landmark_jitter, landmarks, 2)
    matrices = draw_matrices(recipe, shape, size_px, window_jitter_px, dice)
    values = (_border(recipe, dice), *_degradation(recipe, dice), *_tone(recipe, dice), _cutout(recipe, dice))
    return Plan(jitter, padding, film, matrices, values)


def _side_padding(recipe: AugmentationRecipe, dice: Dice) -> SidePadding:
    chosen = _indices(dice.chance(recipe.side_padding_probability))
    sides = dice.chance(0.5, 4) * recipe.side_padding_px
    return SidePadding(chosen, sides[chosen], dice.uniform(*FILM_GREYS)[chosen])


def _triangles(recipe: AugmentationRecipe, dice: Dice) -> tuple[Change, ...]:
    triangles = []
    for arms_px in TRIANGLES_PX:
        chosen = _indices(dice.chance(recipe.triangle_probability))
        triangles.append(Triangle(chosen, dice.chance(0.5, 2)[chosen], dice.uniform(*FILM_GREYS)[chosen], arms_px))
    return tuple(triangles)


def _fog(recipe: AugmentationRecipe, dice: Dice) -> tuple[Change, ...]:
    chosen = _indices(dice.chance(recipe.low_visibility_probability))
    fog = LowVisibility(chosen, dice.uniform(*FILM_GREYS)[chosen])
    return fog, Downscale(_indices(dice.chance(recipe.downscale_probability)))


def _border(recipe: AugmentationRecipe, dice: Dice) -> Change:
    chosen = _indices(dice.chance(recipe.border_probability))
    grey = torch.stack([torch.zeros(dice.count), torch.ones(dice.count), dice.uniform(0, 1)], dim=1)
    grey = grey.gather(1, dice.integers(0, 3, 1))[:, 0]
    return Border(chosen, dice.integers(0, 4)[chosen], dice.uniform(0.02, 0.15)[chosen], grey[chosen])


def _degradation(recipe: AugmentationRecipe, dice: Dice) -> tuple[Change, ...]:
    """One of seven; each image passes at most two of the changes."""
    kind = dice.integers(0, 7).where(dice.chance(recipe.degradation_probability), _NOTHING)
    perhaps = dice.chance(0.5)
    salted = _indices((kind == _SALT) | (kind == _SALT_THEN_MEDIAN) | (kind == _MEDIAN_THEN_SALT))
    share = dice.uniform(0, 1) * torch.where(kind == _SALT_THEN_MEDIAN, MUCH_SALT_SHARE, SALT_SHARE)
    kernel = torch.tensor(KERNELS_PX)[dice.integers(0, len(KERNELS_PX))]
    before = _indices((kind == _MEDIAN_THEN_SALT) & perhaps)
    after = _indices((kind == _MEDIAN) | ((kind == _SALT_THEN_MEDIAN) & perhaps))
    blurred, noisy = _indices(kind == _BLUR), _indices(kind == _NOISE)
    return (
        Median(before, kernel[before]),
        SaltAndPepper(salted, share[salted], dice.seed()),
        Median(after, kernel[after]),
        Blur(blurred, torch.ones(len(blurred), 2, dtype=torch.float64), kernel[blurred] // 2),
        MixedNoise(noisy, dice.uniform(0, NOISE_GAIN)[noisy], dice.seed()),
    )


def _tone(recipe: AugmentationRecipe, dice: Dice) -> tuple[Change, ...]:
    contrast = _contrast(recipe, dice)
    brighter = _indices(dice.chance(recipe.gamma_probability))
    gamma = Gamma(brighter, dice.uniform(*recipe.gamma)[brighter])
    blurred = _indices(dice.chance(recipe.blur_probability))
    sigma = dice.uniform(min(0.3, recipe.blur_sigma_px), recipe.blur_sigma_px, 2)[blurred]
    radius = torch.full((len(blurred),), math.ceil(4 * recipe.blur_sigma_px))
    noisy = _indices(dice.chance(recipe.noise_probability))
    noise = AddedNoise(noisy, dice.uniform(0, recipe.noise_std)[noisy], dice.seed())
    return contrast, gamma, Blur(blurred, sigma, radius), noise


def _contrast(recipe: AugmentationRecipe, dice: Dice) -> Change:
    """Draw as MONAI's RandHistogramShift: each inner control point anywhere between its neighbours."""
    chosen = _indices(dice.chance(recipe.contrast_probability))
    low, high = CONTROL_POINTS
    points = dice.integers(low, high + 1)
    values = torch.arange(high) / (points[:, None] - 1.0).double()
    share = dice.uniform(0, 1, high)
    for inner in range(1, high - 1):
        moved = torch.lerp(values[:, inner - 1], values[:, inner + 1], share[:, inner])
        values[:, inner] = torch.where(inner < points - 1, moved, values[:, inner])
    return Contrast(chosen, points[chosen], values[chosen])


def _cutout(recipe: AugmentationRecipe, dice: Dice) -> Change:
    chosen = _indices(dice.chance(recipe.cutout_probability))
    holes, (low, high) = recipe.cutout_count, recipe.cutout_px
    size = dice.integers(low, high + 1, holes, 2)
    used = torch.arange(holes) < dice.integers(1, holes + 1, 1)
    return Cutout(chosen, dice.uniform(0, 1, holes, 2)[chosen], (size * used[..., None])[chosen])


def _indices(mask: Tensor) -> Tensor:
    return torch.nonzero(mask)[:, 0]
