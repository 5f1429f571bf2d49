import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.transforms import GaussianSmooth, RandCoarseDropout, RandFlip, RandHistogramShift
from scipy import ndimage

from fractureai.training.augmentation import augment, carry_out, changes, draw_plan
from fractureai.training.augmentation.changes import Blur, Median, median
from fractureai.training.augmentation.plan import CONTROL_POINTS
from fractureai.training.recipe import AugmentationRecipe, load_recipe

sys.path.insert(0, str(Path(__file__).parent))
from reference_augmentation import IMAGE, MASK, POINTS, REFERENCES, reference

DEEPWRIST = load_recipe("deepwrist").localizer.augmentation
NOTHING = AugmentationRecipe(flip_probability=0, warp_probability=0)
EVERYTHING = dataclasses.replace(
    DEEPWRIST, side_padding_probability=0.6, triangle_probability=0.4, low_visibility_probability=0.3,
    downscale_probability=0.3, landmark_jitter_probability=1.0, landmark_jitter=0.01, geometry_probability=0.9,
    aspect=0.1, shift=0.05, border_probability=0.4, contrast_probability=0.5, blur_probability=0.3,
    noise_probability=0.3, cutout_count=3, cutout_px=(3, 12), pad_px=80,
)  # fmt: skip


def blob(points, size):
    rows, cols = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    square = (rows[None] - points[:, 0, None, None]) ** 2 + (cols[None] - points[:, 1, None, None]) ** 2
    return torch.exp(-square / 50.0)[:, None]


def smooth_images(count, size, seed):
    noise = np.random.default_rng(seed).random((count, 1, size, size))
    images = ndimage.gaussian_filter(noise, (0, 0, 2, 2))
    low, high = images.min(axis=(2, 3), keepdims=True), images.max(axis=(2, 3), keepdims=True)
    return torch.from_numpy((images - low) / (high - low)).float()


@pytest.mark.parametrize("seed", range(6))
def test_a_batch_is_what_a_monai_dictionary_pipeline_makes_of_each_image(seed):
    count, size_in, size_out = 12, 72, 64
    images, rng = smooth_images(count, size_in, seed), np.random.default_rng(seed)
    points = torch.from_numpy(rng.uniform(0, size_in, (count, 3, 2)))
    masks = (images > 0.6).float()
    plan = draw_plan(EVERYTHING, count, (size_in, size_in), size_out, seed, landmarks=3)
    ours = carry_out(plan, images, size_out, points=points, masks=masks)
    for index in range(count):
        data = {IMAGE: images[index].double(), POINTS: points[index].numpy(), MASK: masks[index].double()}
        expected = reference(plan, index, (size_in, size_in), size_out)(data)
        difference = np.abs(np.asarray(ours.images[index]) - np.asarray(expected[IMAGE]))
        # An edge (of a triangle, of black outside) may fall within rounding of a pixel's centre on either side.
        assert np.quantile(difference, 0.999) < 2e-3
        assert difference.mean() < 1e-4
        np.testing.assert_allclose(ours.points[index], expected[POINTS], atol=1e-3)
        assert np.abs(np.asarray(ours.masks[index]) - np.asarray(expected[MASK])).mean() < 1e-4


def test_the_comparison_covers_every_change():
    seen = set()
    for seed in range(6):
        plan = draw_plan(EVERYTHING, 12, (72, 72), 64, seed)
        seen |= {type(change) for change in (*plan.film, *plan.values) if len(change.chosen)}
    assert seen == set(REFERENCES)


@given(st.integers(0, 2**31), st.sampled_from([(128, 128), (160, 128), (128, 96)]))
@settings(max_examples=40, deadline=None)
def test_points_and_masks_move_with_the_image(seed, sizes):
    """Warp a blob: its brightest place is where the landmark went, and the mask covers it."""
    size_in, size_out = sizes
    recipe = AugmentationRecipe(
        warp_probability=1, rotation_deg=90, scale=(0.9, 1.1), shear=0.1, shear_count=2, perspective=(1e-5, 1e-3),
        side_padding_probability=0.5, pad_px=150, shift=0.05,
    )  # fmt: skip
    points = torch.tensor([[[size_in * 0.45, size_in * 0.55]]] * 4)
    images = blob(points[:, 0], size_in)
    changed = augment(images, recipe, size_out, seed, points=points, masks=(images > 0.5).float())
    for image, (point,), (mask,) in zip(changed.images, changed.points, changed.masks, strict=True):
        if ((point > 12) & (point < size_out - 12)).all():
            brightest = torch.tensor(np.unravel_index(int(image.argmax()), (size_out, size_out)), dtype=torch.float32)
            assert float((brightest - point).abs().max()) <= 1.5
            assert mask[int(point[0].round()), int(point[1].round())] > 0.5


def test_no_augmentation_is_the_centre_window():
    images = torch.rand(3, 1, 40, 40)
    changed = augment(images, NOTHING, 32, 5, points=torch.full((3, 1, 2), 20.0))
    assert torch.allclose(changed.images, images[..., 4:36, 4:36], atol=1e-5)
    assert torch.allclose(changed.points, torch.full((3, 1, 2), 16.0))


def test_a_random_crop_of_the_padded_image_is_not_interpolated():
    images = torch.rand(40, 1, 64, 64)
    recipe = dataclasses.replace(NOTHING, pad_px=75)
    changed = augment(images, recipe, 64, 9, points=torch.full((40, 1, 2), 30.0))
    moves = changed.points[:, 0] - 30
    assert torch.equal(moves, moves.round())
    assert -6 <= float(moves.min()) <= -4
    assert 4 <= float(moves.max()) <= 6
    for image, before, (down, right) in zip(changed.images, images, moves.int().tolist(), strict=True):
        padded = torch.nn.functional.pad(before, (10,) * 4)
        assert torch.allclose(image, padded[:, 10 - down : 74 - down, 10 - right : 74 - right], atol=1e-5)


def test_mirror_mirrors_the_point():
    recipe = dataclasses.replace(NOTHING, flip_probability=1)
    images = torch.rand(1, 1, 32, 32)
    changed = augment(images, recipe, 32, 5, points=torch.tensor([[[3.0, 5.0]]]))
    flipped = RandFlip(prob=1, spatial_axis=1)(images[0])
    assert torch.allclose(changed.images[0], torch.as_tensor(flipped), atol=1e-5)
    assert changed.points.tolist() == [[[3.0, 26.0]]]


def test_same_seed_same_batch_and_the_input_stays_as_it_is():
    images = torch.rand(16, 1, 64, 64)
    before = images.clone()
    first = augment(images, EVERYTHING, 64, 42).images
    again = augment(images, EVERYTHING, 64, 42).images
    other = augment(images, EVERYTHING, 64, 43).images
    assert torch.equal(images, before)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.shape == images.shape
    assert 0 <= float(first.min()) <= float(first.max()) <= 1


def test_an_image_does_not_depend_on_what_happens_to_others():
    """Every change writes only the images that it chose."""
    images = smooth_images(12, 64, 1)
    plan = draw_plan(EVERYTHING, 12, (64, 64), 64, 3)
    changed = carry_out(plan, images, 64).images
    others = images.flip(0).clone()
    others[4] = images[4]
    assert torch.equal(carry_out(plan, others, 64).images[4], changed[4])


def share(chosen, count):
    return len(chosen) / count


def test_the_papers_probabilities():
    count = 20_000
    plan = draw_plan(DEEPWRIST, count, (256, 256), 256, 0, landmarks=1)
    first, second, fog, shrunk = plan.film
    assert share(plan.padding.chosen, count) == pytest.approx(0.05, abs=0.006)
    assert share(first.chosen, count) == pytest.approx(0.025, abs=0.004)
    assert share(second.chosen, count) == pytest.approx(0.025, abs=0.004)
    assert {first.arms_px, second.arms_px} == {(50, 100), (100, 50)}
    assert share(fog.chosen, count) == pytest.approx(0.05, abs=0.006)
    assert share(shrunk.chosen, count) == pytest.approx(0.01, abs=0.003)
    assert float((plan.jitter != 0).any(dim=-1).double().mean()) == pytest.approx(0.5, abs=0.015)
    assert plan.padding.width_px.double().mean() == pytest.approx(5, abs=0.5)
    values = {type(change): change for change in plan.values if len(change.chosen)}
    assert share(values[changes.Gamma].chosen, count) == pytest.approx(0.5, abs=0.015)
    assert share(values[changes.Cutout].chosen, count) == pytest.approx(0.5, abs=0.015)
    assert set(values[changes.Cutout].size_px.flatten().tolist()) == {25}
    gamma = values[changes.Gamma].gamma
    assert (float(gamma.min()), float(gamma.max())) == pytest.approx((0.5, 1.5), abs=0.01)


def test_one_of_seven_degradations_is_drawn():
    count = 21_000
    before, salt, after, blur, noise = draw_plan(DEEPWRIST, count, (256, 256), 256, 1).values[1:6]
    sets = [set(change.chosen.tolist()) for change in (before, salt, after, blur, noise)]
    median_first, salted, median_last, blurred, noisy = sets
    sevenths = [
        len(blurred), len(noisy), len(median_last - salted), len(salted) / 3,
        len(median_first) * 2, len(median_last & salted) * 2,
    ]  # fmt: skip
    assert [n / count for n in sevenths] == pytest.approx([1 / 7] * 6, abs=0.012)
    assert median_first <= salted
    assert not blurred & (salted | median_last | noisy)
    assert not noisy & (salted | median_last)
    untouched = count - len(salted | median_last | blurred | noisy)
    assert untouched / count == pytest.approx(1 / 7, abs=0.012)
    much = salt.share[torch.isin(salt.chosen, after.chosen)]
    assert float(much.max()) == pytest.approx(0.05, abs=1e-3)
    assert set(after.kernel_px.tolist()) == {3, 5}
    assert float(noise.gain.max()) == pytest.approx(0.5, abs=0.01)


def test_the_papers_geometry():
    count = 20_000
    classifier = load_recipe("deepwrist").classifier.augmentation
    matrices = draw_plan(dataclasses.replace(classifier, pad_px=0), count, (256, 256), 256, 2).matrices
    forward = torch.linalg.inv(matrices)
    forward = forward / forward[:, 2:, 2:]
    still = (forward - torch.eye(3)).abs().amax(dim=(1, 2)) < 1e-9
    assert float(still.double().mean()) == pytest.approx(0.3 + 0.7 * 0.25, abs=0.012)
    projected = forward[:, 2, :2].abs().amax(dim=1) > 1e-9
    assert float(projected.double().mean()) == pytest.approx(0.35, abs=0.012)
    assert float((torch.linalg.det(forward[:, :2, :2]) < 0).double().mean()) == pytest.approx(0.35, abs=0.012)
    terms = forward[projected][:, 2, :2].abs()
    assert float(terms.min()) >= 1e-5 - 1e-12
    assert float(terms.max()) <= 2e-3 + 1e-12
    area = torch.linalg.det(forward[projected][:, :2, :2]).abs().sqrt()
    assert 0.88 <= float(area.min()) < 0.91
    assert 1.09 < float(area.max()) <= 1.115


def test_ranges_are_kept():
    recipe = AugmentationRecipe(flip_probability=0, warp_probability=1, rotation_deg=30, scale=(0.8, 1.25), shift=0.1)
    matrices = draw_plan(recipe, 300, (100, 100), 100, 1).matrices.numpy()
    angles = np.degrees(np.arctan2(matrices[:, 1, 0], matrices[:, 0, 0]))
    scales = 1 / np.sqrt(np.linalg.det(matrices[:, :2, :2]))
    assert np.abs(angles).max() <= 30
    assert np.abs(angles).max() > 25
    assert scales.min() == pytest.approx(0.8, abs=0.02)
    assert scales.max() == pytest.approx(1.25, abs=0.03)
    assert np.abs(matrices[:, :2, 2]).max() <= 10


@pytest.mark.parametrize("kernel", [3, 5, 7])
def test_median_is_the_median(kernel):
    images = torch.rand(2, 1, 20, 23)
    expected = ndimage.median_filter(images.numpy(), (1, 1, kernel, kernel), mode="nearest")
    np.testing.assert_array_equal(median(images, kernel), expected)


def test_medians_of_two_sizes_in_one_batch():
    images = torch.rand(4, 1, 20, 20)
    mixed = Median(torch.arange(4), torch.tensor([3, 5, 3, 5]))(images)
    assert torch.equal(mixed[1:2], median(images[1:2], 5))
    assert torch.equal(mixed[2:3], median(images[2:3], 3))


def test_blur_is_monais_away_from_the_border():
    images = torch.rand(2, 1, 48, 48)
    sigma = torch.tensor([[0.8, 0.8], [1.2, 1.2]], dtype=torch.float64)
    ours = Blur(torch.arange(2), sigma, torch.tensor([5, 5]))(images)
    for image, blurred, value in zip(images, ours, (0.8, 1.2), strict=True):
        expected = GaussianSmooth(sigma=value, approx="sampled")(image)
        np.testing.assert_allclose(blurred[:, 8:-8, 8:-8], np.asarray(expected)[:, 8:-8, 8:-8], atol=2e-4)


def test_contrast_is_distributed_as_monais():
    """The mean and the spread of where 0.25, 0.5 and 0.75 go."""
    recipe, count = dataclasses.replace(NOTHING, contrast_probability=1), 4000
    levels = torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0]).repeat(count, 1)[:, None, None]
    contrast = next(c for c in draw_plan(recipe, count, (5, 5), 5, 0).values if isinstance(c, changes.Contrast))
    ours = contrast(levels)[:, 0, 0].numpy()
    transform = RandHistogramShift(num_control_points=CONTROL_POINTS, prob=1).set_random_state(0)
    theirs = np.array([np.asarray(transform(level[0]))[0] for level in levels])
    assert np.all(np.diff(ours, axis=1) >= 0)
    np.testing.assert_allclose(ours.mean(axis=0), theirs.mean(axis=0), atol=0.015)
    np.testing.assert_allclose(ours.std(axis=0), theirs.std(axis=0), atol=0.01)


def test_cutout_covers_as_much_as_monais():
    count, size = 3000, 64
    recipe = dataclasses.replace(NOTHING, cutout_probability=1, cutout_px=(8, 24))
    ours = 1 - augment(torch.ones(count, 1, size, size), recipe, size, 0).images
    transform = RandCoarseDropout(holes=1, spatial_size=8, max_spatial_size=24, fill_value=0, prob=1)
    transform.set_random_state(0)
    theirs = np.array([1 - np.asarray(transform(torch.ones(1, size, size))) for _ in range(count)])
    assert float(ours.mean()) == pytest.approx(float(theirs.mean()), rel=0.05)
    assert float(ours.mean(dim=(1, 2, 3)).std()) == pytest.approx(float(theirs.mean(axis=(1, 2, 3)).std()), rel=0.1)


@pytest.mark.parametrize("stage", ["localizer", "classifier"])
@pytest.mark.parametrize("name", ["quick", "demo", "deepwrist", "deepwrist-ensemble"])
def test_every_recipe_augments(name, stage):
    recipe = getattr(load_recipe(name), stage).augmentation
    changed = augment(
        torch.rand(8, 1, 256, 256), recipe, 256, 3, points=torch.full((8, 3, 2), 99.0, dtype=torch.float32)
    )
    assert changed.images.shape == (8, 1, 256, 256)
    assert torch.isfinite(changed.images).all()
    assert torch.isfinite(changed.points).all()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_does_the_same():
    """All but the numbers drawn for every pixel."""
    images = smooth_images(16, 72, 0)
    recipe = dataclasses.replace(EVERYTHING, degradation_probability=0.0, noise_probability=0.0)
    here = augment(images, recipe, 64, 1).images
    there = augment(images.cuda(), recipe, 64, 1).images.cpu()
    assert float((here - there).abs().quantile(0.999)) < 1e-3
