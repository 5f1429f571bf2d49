import dataclasses

import numpy as np
import pytest
import torch

from fractureai.errors import RecipeError
from fractureai.training.classifier import ClassifierData, ClassifierTask, inference_windows
from fractureai.training.localizer import LocalizerData, LocalizerTask
from fractureai.training.recipe import AugmentationRecipe, NetworkRecipe, load_recipe

STILL = AugmentationRecipe(flip_probability=0, warp_probability=0)


def classifier_task(recipe, images, roi_px):
    count, side, _ = images.shape
    data = ClassifierData(
        images, np.arange(count) % 2, np.zeros((count, side, side), dtype=bool), np.ones(count, dtype=bool), roi_px
    )
    indices = np.arange(count)
    return ClassifierTask(recipe, data, indices, indices[:0], 0, 2, 1), data


def rows_of(task, data, device=torch.device("cpu")):
    return next(iter(data.feed(device).batches([task.training])))


def test_the_paper_trains_on_the_whole_region_and_reads_ten_windows_of_it():
    recipe = load_recipe("deepwrist").classifier
    recipe = dataclasses.replace(recipe, network=NetworkRecipe("small_cnn", {}), augmentation=STILL)
    images = np.random.default_rng(0).integers(0, 65536, (4, 256, 256)).astype(np.uint16)
    task, data = classifier_task(recipe, images, 256)
    batch = task.batch(rows_of(task, data), 1)
    whole = torch.from_numpy(images / 65535).float()[:, None]
    assert torch.allclose(batch.images, whole, atol=1e-4)
    windows = inference_windows(whole, 256, recipe)
    assert len(windows) == 10
    assert {tuple(window.shape) for window in windows} == {(4, 1, 224, 224)}
    assert torch.equal(windows[9], whole[..., 16:240, 16:240].flip(-1))
    for size in (batch.images, windows[0]):
        assert task.network(size).logits.shape == (4, 2)


def test_smaller_training_images_are_random_windows_of_the_region():
    recipe = dataclasses.replace(
        load_recipe("quick").classifier, train_px=48, window_px=48, augmentation=STILL, region_weight=0.0
    )
    ramp = (np.arange(64, dtype=np.uint16) * 1000)[None, :, None] * np.ones((40, 1, 64), dtype=np.uint16)
    task, data = classifier_task(recipe, ramp, 64)
    images = task.batch(rows_of(task, data), 5).images
    assert images.shape == (40, 1, 48, 48)
    first = images[:, 0, 0, 0] * 65535 / 1000
    assert 0 <= float(first.min()) < 2
    assert 14 < float(first.max()) <= 16


def test_an_unknown_localizer_names_the_known_ones():
    recipe = load_recipe("quick").localizer
    recipe = dataclasses.replace(recipe, network=NetworkRecipe("sandglass", {}))
    data = LocalizerData(np.zeros((1, 64, 64), np.uint16), np.zeros((1, 3, 2)), np.ones((1, 2)))
    with pytest.raises(RecipeError, match="no localizer sandglass; known are hourglass, kneel"):
        LocalizerTask(recipe, data, np.arange(1), np.arange(0), 0)


def test_a_parameter_the_network_does_not_take_is_one_sentence():
    recipe = load_recipe("deepwrist").localizer
    data = LocalizerData(np.zeros((1, 64, 64), np.uint16), np.zeros((1, 3, 2)), np.ones((1, 2)))
    for parameters in ({"pointwise_px": 2}, {"size": 3}):
        wrong = dataclasses.replace(recipe, network=NetworkRecipe("kneel", parameters))
        with pytest.raises(RecipeError, match="The network kneel can not be built"):
            LocalizerTask(wrong, data, np.arange(1), np.arange(0), 0)


def test_landmarks_that_leave_the_image_are_marked():
    recipe = load_recipe("deepwrist").localizer
    recipe = dataclasses.replace(
        recipe, input_px=64, network=NetworkRecipe("kneel", {"width": 4, "depth": 2}),
        augmentation=dataclasses.replace(STILL, pad_px=100),
    )  # fmt: skip
    points = np.tile(np.array([[0.02, 0.5], [0.5, 0.5], [0.98, 0.98]]), (60, 1, 1))
    data = LocalizerData(np.zeros((60, 64, 64), np.uint16), points, np.ones((60, 2)))
    task = LocalizerTask(recipe, data, np.arange(60), np.arange(0), 0)
    batch = task.batch(rows_of(task, data), 3)
    landmarks, visible = batch.targets
    assert torch.equal(visible > 0, ((landmarks >= 0) & (landmarks <= 1)).all(dim=-1))
    assert visible[:, 1].all()
    assert 0 < float(visible[:, 0].mean()) < 1
    loss = task.loss(task.network, batch.images, batch.targets, None, 1.0)
    assert torch.isfinite(loss)
