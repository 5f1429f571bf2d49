import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fractureai.training.augmentation import change_values, draw_warps, value_transform, warp
from fractureai.training.recipe import AugmentationRecipe, load_recipe

STRONG = load_recipe("deepwrist").localizer.augmentation


def blob(points, size):
    rows, cols = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    square = (rows[None] - points[:, 0, None, None]) ** 2 + (cols[None] - points[:, 1, None, None]) ** 2
    return torch.exp(-square / 50.0)[:, None]


@given(st.integers(0, 2**31), st.sampled_from([(128, 128), (160, 128), (128, 96)]))
@settings(max_examples=40, deadline=None)
def test_points_and_masks_move_with_the_image(seed, sizes):
    """Warp a blob: its brightest place is where the landmark went, and the mask covers it."""
    size_in, size_out = sizes
    recipe = dataclasses.replace(STRONG, perspective=5e-4, warp_probability=1.0)
    points = torch.tensor([[[size_in * 0.45, size_in * 0.55]]] * 4)
    images = blob(points[:, 0], size_in)
    warped = warp(images, draw_warps(recipe, 4, 3.0, size_out, seed), size_out, points, (images > 0.5).float())
    for image, (point,), (mask,) in zip(warped.images, warped.points, warped.masks, strict=True):
        if ((point > 12) & (point < size_out - 12)).all():
            brightest = torch.tensor(np.unravel_index(int(image.argmax()), (size_out, size_out)), dtype=torch.float32)
            assert float((brightest - point).abs().max()) <= 1.5
            assert mask[int(point[0].round()), int(point[1].round())] > 0.5


def test_no_augmentation_is_the_centre_window():
    recipe = AugmentationRecipe(flip_probability=0, warp_probability=0)
    images = torch.rand(3, 1, 40, 40)
    warped = warp(images, draw_warps(recipe, 3, 0.0, 32, 5), 32, torch.full((3, 1, 2), 20.0), None)
    assert torch.allclose(warped.images, images[..., 4:36, 4:36], atol=1e-5)
    assert torch.allclose(warped.points, torch.full((3, 1, 2), 16.0))


def test_mirror_mirrors_the_point():
    recipe = AugmentationRecipe(flip_probability=1, warp_probability=0)
    images = torch.rand(1, 1, 32, 32)
    warped = warp(images, draw_warps(recipe, 1, 0.0, 32, 5), 32, torch.tensor([[[3.0, 5.0]]]), None)
    assert torch.allclose(warped.images, images.flip(-1), atol=1e-5)
    assert warped.points.tolist() == [[[3.0, 26.0]]]


def test_same_seed_same_images_and_values_stay_in_range():
    recipe = dataclasses.replace(
        STRONG, contrast_probability=0.5, invert_probability=0.3, downscale_probability=0.5, border_probability=0.5
    )
    images = torch.rand(6, 1, 64, 64)
    transform = value_transform(recipe)
    first = change_values(images, recipe, transform, 42)
    change_values(images, recipe, transform, 43)
    again = change_values(images, recipe, value_transform(recipe), 42)
    other = change_values(images, recipe, transform, 44)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.shape == images.shape
    assert 0 <= float(first.min()) <= float(first.max()) <= 1


def test_ranges_are_kept():
    recipe = AugmentationRecipe(flip_probability=0, warp_probability=1, rotation_deg=30, scale=(0.8, 1.25), shift=0.1)
    matrices = draw_warps(recipe, 300, 0.0, 100, 1).numpy()
    angles = np.degrees(np.arctan2(matrices[:, 1, 0], matrices[:, 0, 0]))
    scales = 1 / np.sqrt(np.linalg.det(matrices[:, :2, :2]))
    assert np.abs(angles).max() <= 30
    assert np.abs(angles).max() > 25
    assert scales.min() == pytest.approx(0.8, abs=0.02)
    assert scales.max() == pytest.approx(1.25, abs=0.03)
    assert np.abs(matrices[:, :2, 2]).max() <= 10
