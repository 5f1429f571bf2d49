"""Stage 2: from the region of interest to the probability of a fracture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn
from torch.nn import functional as F

from fractureai.errors import RecipeError
from fractureai.geometry import five_crop_corners
from fractureai.networks.classifier import CLASSIFIERS, ClassifierOutput
from fractureai.training.augmentation import augment
from fractureai.training.execution import Execution
from fractureai.training.feed import Feed, Rows, images_of, in_batches, to_numpy
from fractureai.training.recipe import ClassifierRecipe
from fractureai.training.task import Batch, IntArray, Validation, build_network

_VALIDATION_BATCH = 16


@dataclass(frozen=True)
class ClassifierData:
    """Regions of interest of one view and their labels.

    Attributes:
        images: (n, C, C) uint16, 65535 is 1.0; C is ``context`` times the region's side.
        labels: (n,) class indices.
        masks: (n, C, C) bool, marked fracture regions.
        masks_known: (n,) whether the mask says where the fracture is (a normal image: known, empty).
        roi_px: side of the region of interest in the middle of an image.
    """

    images: npt.NDArray[np.uint16]
    labels: npt.NDArray[np.int64]
    masks: npt.NDArray[np.bool_]
    masks_known: npt.NDArray[np.bool_]
    roi_px: int

    def feed(self, device: torch.device, *, resident: bool | None = None) -> Feed:
        """Return where batches of it come from; see `Feed`."""
        names = ("images", "labels", "masks", "masks_known")
        return Feed({name: getattr(self, name) for name in names}, device, resident=resident)


class ClassifierTask:
    """The classifier of one view and fold; implements `fractureai.training.task.Task`."""

    metric_name = "AUROC"

    def __init__(
        self,
        recipe: ClassifierRecipe,
        data: ClassifierData,
        training: IntArray,
        validation: IntArray,
        seed: int,
        classes: int,
        positive_class: int,
    ) -> None:
        torch.manual_seed(seed)
        if recipe.network.name not in CLASSIFIERS:
            raise RecipeError(f"There is no classifier {recipe.network.name}; known are {', '.join(CLASSIFIERS)}.")
        self.network = build_network(CLASSIFIERS[recipe.network.name], recipe.network, classes, positive_class)
        self.training, self.validation = training, validation
        self._recipe, self._data, self._positive = recipe, data, positive_class

    def head_parameters(self) -> list[nn.Parameter]:
        """Return the parameters of the linear layer."""
        parameters: list[nn.Parameter] = self.network.head_parameters()  # type: ignore[operator]
        return parameters

    def unused_parameters(self) -> list[nn.Parameter]:
        """Return those of the region loss where the recipe has none."""
        unused: tuple[nn.Parameter, ...] = (self.network.region_scale, self.network.region_bias)  # type: ignore[assignment]
        return [] if self._recipe.region_weight else list(unused)

    def batch(self, rows: Rows, seed: int) -> Batch:
        """Return augmented windows, labels, region masks, and 1 for each known mask."""
        images = images_of(rows["images"])
        masks = rows["masks"][:, None].float()
        size = self._recipe.train_px
        jitter = max(self._data.roi_px - size, 0) / 2
        changed = augment(images, self._recipe.augmentation, size, seed, masks=masks, window_jitter_px=jitter)
        assert changed.masks is not None
        return Batch(changed.images, (rows["labels"], changed.masks, rows["masks_known"].float()))

    def loss(
        self,
        network: Callable[..., Any],
        images: Tensor,
        targets: tuple[Tensor, ...],
        mixed: tuple[Tensor, ...] | None,
        share: float | Tensor,
    ) -> Tensor:
        """Cross-entropy, plus the region loss where the recipe has one."""
        output = network(images)
        loss = self._target_loss(output, targets)
        return loss if mixed is None else share * loss + (1 - share) * self._target_loss(output, mixed)

    def _target_loss(self, output: ClassifierOutput, targets: tuple[Tensor, ...]) -> Tensor:
        labels, masks, known = targets
        loss = F.cross_entropy(output.logits, labels)
        if self._recipe.region_weight:
            logits = self.network.region_logits(output.evidence)  # type: ignore[operator]
            loss = loss + self._recipe.region_weight * _region_loss(logits, masks, known)
        return loss

    def validate(self, network: nn.Module, feed: Feed, execution: Execution) -> Validation:
        """Return the cross-entropy and the AUROC on the validation samples.

        Of the windows of a recipe's test-time augmentation only those in the centre are used: with all of them the
        validation of an epoch would take about as long as its training.
        """
        if len(self.validation) == 0:
            return Validation(float("nan"), float("nan"))
        recipe = replace(self._recipe, crops="centre")
        probabilities = classify(network, feed, self.validation, self._data.roi_px, recipe, execution)
        labels = self._data.labels[self.validation]
        loss = float(-np.log(np.maximum(probabilities[np.arange(len(labels)), labels], 1e-7)).mean())
        positive = labels == self._positive
        both = 0 < positive.sum() < len(positive)
        return Validation(
            loss, float(roc_auc_score(positive, probabilities[:, self._positive])) if both else float("nan")
        )


def classify(
    network: nn.Module, feed: Feed, indices: IntArray, roi_px: int, recipe: ClassifierRecipe, execution: Execution
) -> npt.NDArray[np.float64]:
    """Return (n, K) probabilities with the recipe's test-time augmentation (mean of softmax).

    Each process of a training does its share.

    Args:
        network: a classifier on the device.
        feed: its rows ``images`` are regions of interest with context.
        indices: (n,) which.
        roi_px: side of the region of interest in the middle of an image.
        recipe: says which windows.
        execution: how to compute.
    """
    mine = execution.ranks.share(indices)
    results = []
    with torch.no_grad(), execution.autocast():
        for rows in feed.batches(in_batches(mine, _VALIDATION_BATCH)):
            windows = inference_windows(images_of(rows["images"]), roi_px, recipe)
            results.append(torch.stack([torch.softmax(network(view).logits, dim=-1) for view in windows]).mean(dim=0))
    return execution.ranks.gather(to_numpy(results))


def inference_windows(images: Tensor, roi_px: int, recipe: ClassifierRecipe) -> list[Tensor]:
    """Cut the windows of the test-time augmentation out of (n, 1, C, C) images."""
    margin = (images.shape[-1] - roi_px) // 2
    size = recipe.window_px
    corners = five_crop_corners(roi_px, size)
    if recipe.crops == "centre":
        corners = corners[-1:]
    windows = [images[..., margin + r : margin + r + size, margin + c : margin + c + size] for r, c in corners]
    return windows + [window.flip(-1) for window in windows] if recipe.mirror else windows


def _region_loss(logits: Tensor, masks: Tensor, known: Tensor) -> Tensor:
    """Balanced binary cross-entropy of region logits (n, h, w) against masks (n, 1, S, S) at the logits' resolution."""
    target = F.adaptive_max_pool2d(masks, logits.shape[-2:])[:, 0].clamp(0, 1)
    weight = known[:, None, None].expand_as(target)
    each = F.binary_cross_entropy_with_logits(logits, target, reduction="none") * weight
    inside = (each * target).sum() / (target * weight).sum().clamp(min=1)
    outside = (each * (1 - target)).sum() / ((1 - target) * weight).sum().clamp(min=1)
    return (inside + 3 * outside) / 4
