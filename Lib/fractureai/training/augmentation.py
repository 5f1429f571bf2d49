"""Random changes of training images.

Geometry: one projective matrix an image is drawn and applied to the image, its landmarks and its region mask at
once, in a batch on the device (MONAI has no projective warp and moves no points with one). Values: MONAI's transforms
where MONAI has them, image by image.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from monai.transforms import (
    Compose,
    MedianSmooth,
    RandAdjustContrast,
    RandCoarseDropout,
    RandGaussianNoise,
    RandGaussianSmooth,
    RandHistogramShift,
    RandSimulateLowResolution,
)
from monai.utils import InterpolateMode, convert_to_tensor
from torch import Tensor
from torch.nn import functional as F

from fractureai.training.recipe import AugmentationRecipe


@dataclass(frozen=True)
class Warped:
    """A batch after the warp: ``images``, ``masks`` (n, 1, S, S); ``points`` (n, L, 2) pixels (row, col)."""

    images: Tensor
    points: Tensor | None
    masks: Tensor | None


def draw_warps(recipe: AugmentationRecipe, count: int, window_jitter_px: float, size_px: int, seed: int) -> Tensor:
    """Draw (count, 3, 3) matrices from output to input pixels (row, col, 1), both counted from the image's centre.

    Args:
        recipe: ranges and probabilities.
        count: number of images.
        window_jitter_px: largest displacement of the output window inside a larger input.
        size_px: side of the output, the unit of ``recipe.shift``.
        seed: the same seed draws the same matrices.
    """
    rng = np.random.default_rng(seed)
    matrices = np.tile(np.eye(3), (count, 1, 1))
    for matrix in matrices:
        if rng.random() < recipe.warp_probability:
            matrix[:] = _affine(recipe, size_px, rng) @ _perspective(recipe, rng)
        if rng.random() < recipe.flip_probability:
            matrix[:] = matrix @ np.diag([1.0, -1.0, 1.0])
        matrix[:] = _translation(*rng.uniform(-window_jitter_px, window_jitter_px, 2)) @ matrix
    return torch.from_numpy(matrices)


def _affine(recipe: AugmentationRecipe, size_px: int, rng: np.random.Generator) -> np.ndarray:
    angle = math.radians(rng.uniform(-recipe.rotation_deg, recipe.rotation_deg))
    enlarge = rng.uniform(*recipe.scale)
    aspect = math.exp(rng.uniform(-1, 1) * math.log1p(recipe.aspect) / 2)
    row_shear, col_shear = rng.uniform(-recipe.shear, recipe.shear, 2)
    rotation = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    matrix = np.eye(3)
    matrix[:2, :2] = rotation @ np.array([[1, row_shear], [col_shear, 1]]) @ np.diag([aspect, 1 / aspect]) / enlarge
    return np.asarray(_translation(*(rng.uniform(-recipe.shift, recipe.shift, 2) * size_px)) @ matrix)


def _perspective(recipe: AugmentationRecipe, rng: np.random.Generator) -> np.ndarray:
    matrix = np.eye(3)
    matrix[2, :2] = rng.uniform(-recipe.perspective, recipe.perspective, 2)
    return matrix


def _translation(row: float, col: float) -> np.ndarray:
    return np.array([[1, 0, row], [0, 1, col], [0, 0, 1.0]])


def warp(images: Tensor, matrices: Tensor, size_px: int, points: Tensor | None, masks: Tensor | None) -> Warped:
    """Apply warps to a batch; zero outside the images.

    Args:
        images: (n, 1, H, W).
        matrices: (n, 3, 3) of `draw_warps`.
        size_px: side S of the output.
        points: (n, L, 2) pixels (row, col) of the input, or None; returned in pixels of the output.
        masks: (n, 1, H, W), or None.
    """
    height, width = images.shape[-2:]
    steps = torch.arange(size_px, dtype=images.dtype, device=images.device) - (size_px - 1) / 2
    rows, cols = torch.meshgrid(steps, steps, indexing="ij")
    places = torch.stack([rows, cols, torch.ones_like(rows)], dim=-1)
    source = torch.einsum("nij,hwj->nhwi", matrices.to(images), places)
    source = source[..., :2] / source[..., 2:].clamp(min=1e-3)
    grid = torch.stack([source[..., 1] * 2 / width, source[..., 0] * 2 / height], dim=-1)
    sampled = F.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    moved = None if masks is None else F.grid_sample(masks, grid, mode="bilinear", align_corners=False)
    return Warped(sampled, None if points is None else _move_points(points, matrices, height, width, size_px), moved)


def _move_points(points: Tensor, matrices: Tensor, height: int, width: int, size_px: int) -> Tensor:
    centre = torch.tensor([(height - 1) / 2, (width - 1) / 2], dtype=torch.float64)
    centred = points.double().cpu() - centre
    homogeneous = torch.cat([centred, torch.ones_like(centred[..., :1])], dim=-1)
    moved = torch.einsum("nij,nlj->nli", torch.linalg.inv(matrices), homogeneous)
    return (moved[..., :2] / moved[..., 2:] + (size_px - 1) / 2).to(points)


def value_transform(recipe: AugmentationRecipe) -> Compose:
    """Return the MONAI transform of one (1, H, W) image with values in [0, 1]."""
    sigma = (0.3, recipe.blur_sigma_px)
    low_resolution = (0.25, 0.9)
    cutout = max(recipe.cutout_px, 1)
    return Compose(
        [
            RandSimulateLowResolution(
                prob=recipe.downscale_probability, upsample_mode=InterpolateMode.BILINEAR, zoom_range=low_resolution
            ),
            RandHistogramShift(num_control_points=(4, 8), prob=recipe.contrast_probability),
            RandAdjustContrast(prob=recipe.gamma_probability, gamma=recipe.gamma),
            RandGaussianSmooth(prob=recipe.blur_probability, sigma_x=sigma, sigma_y=sigma, sigma_z=sigma),
            RandGaussianNoise(prob=recipe.noise_probability, std=recipe.noise_std),
            RandCoarseDropout(
                holes=1, max_holes=max(recipe.cutout_count, 1), spatial_size=max(cutout // 3, 1),
                max_spatial_size=cutout, fill_value=0.0, prob=recipe.cutout_probability,
            ),
        ],
        map_items=False,
    )  # fmt: skip


def change_values(images: Tensor, recipe: AugmentationRecipe, transform: Compose, seed: int) -> Tensor:
    """Apply the random changes of values to (n, 1, H, W) images in [0, 1]; the same seed gives the same images."""
    transform.set_random_state(seed=seed % 2**32)
    rng = np.random.default_rng(seed)
    return torch.stack([_change(image, recipe, transform, rng) for image in images]).clamp_(0, 1)


def _change(image: Tensor, recipe: AugmentationRecipe, transform: Compose, rng: np.random.Generator) -> Tensor:
    own: tuple[tuple[float, Callable[[Tensor], Tensor]], ...] = (
        (recipe.border_probability, lambda x: _border(x, rng)),
        (recipe.salt_and_pepper_probability, lambda x: _salt_and_pepper(x, recipe.salt_and_pepper_share, rng)),
        (recipe.median_probability, MedianSmooth(radius=1)),
        (recipe.invert_probability, lambda x: 1 - x),
    )
    changed = image
    for probability, function in own:
        if rng.random() < probability:
            changed = function(changed)
    plain: Tensor = convert_to_tensor(transform(changed), track_meta=False)
    return plain


def _border(image: Tensor, rng: np.random.Generator) -> Tensor:
    width = int(rng.uniform(0.02, 0.15) * image.shape[-1]) + 1
    turns = int(rng.integers(4))
    turned = torch.rot90(image, turns, dims=(-2, -1)).clone()
    turned[..., :width, :] = float(rng.choice([0.0, 1.0, rng.random()]))
    return torch.rot90(turned, -turns, dims=(-2, -1))


def _salt_and_pepper(image: Tensor, share: float, rng: np.random.Generator) -> Tensor:
    draw = torch.from_numpy(rng.random(tuple(image.shape), dtype=np.float32)).to(image.device)
    half = share * rng.random() / 2
    return torch.where(
        draw < half, torch.zeros_like(image), torch.where(draw > 1 - half, torch.ones_like(image), image)
    )
