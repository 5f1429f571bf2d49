"""Stage 2: from the region of interest to the probability of a fracture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from monai.transforms import Compose
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn
from torch.nn import functional as F

from fractureai.errors import RecipeError
from fractureai.geometry import five_crop_corners
from fractureai.networks.classifier import CLASSIFIERS, ClassifierOutput
from fractureai.training.augmentation import change_values, draw_warps, value_transform, warp
from fractureai.training.localizer import to_device
from fractureai.training.loop import autocast
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
        self._values: Compose = value_transform(recipe.augmentation)

    def head_parameters(self) -> list[nn.Parameter]:
        """Return the parameters of the linear layer."""
        parameters: list[nn.Parameter] = self.network.head_parameters()  # type: ignore[operator]
        return parameters

    def batch(self, indices: IntArray, seed: int, device: torch.device) -> Batch:
        """Return augmented windows, labels, region masks, and 1 for each known mask."""
        images = to_device(self._data.images[indices], device)
        masks = torch.from_numpy(self._data.masks[indices].astype(np.float32))[:, None].to(device)
        size = self._recipe.window_px
        jitter = (self._data.roi_px - size) / 2
        matrices = draw_warps(self._recipe.augmentation, len(indices), jitter, size, seed)
        warped = warp(images, matrices, size, None, masks)
        assert warped.masks is not None
        labels = torch.from_numpy(self._data.labels[indices]).to(device)
        known = torch.from_numpy(self._data.masks_known[indices].astype(np.float32)).to(device)
        values = change_values(warped.images, self._recipe.augmentation, self._values, seed)
        return Batch(values, (labels, warped.masks, known))

    def loss(
        self, images: Tensor, targets: tuple[Tensor, ...], mixed: tuple[Tensor, ...] | None, share: float
    ) -> Tensor:
        """Cross-entropy, plus the region loss where the recipe has one."""
        output = self.network(images)
        loss = self._target_loss(output, targets)
        return loss if mixed is None else share * loss + (1 - share) * self._target_loss(output, mixed)

    def _target_loss(self, output: ClassifierOutput, targets: tuple[Tensor, ...]) -> Tensor:
        labels, masks, known = targets
        loss = F.cross_entropy(output.logits, labels)
        if self._recipe.region_weight:
            logits = self.network.region_logits(output.evidence)  # type: ignore[operator]
            loss = loss + self._recipe.region_weight * _region_loss(logits, masks, known)
        return loss

    def validate(self, network: nn.Module, device: torch.device) -> Validation:
        """Return the cross-entropy and the AUROC on the validation samples."""
        if len(self.validation) == 0:
            return Validation(float("nan"), float("nan"))
        probabilities = classify(network, self._data, self.validation, self._recipe, device)
        labels = self._data.labels[self.validation]
        loss = float(-np.log(np.maximum(probabilities[np.arange(len(labels)), labels], 1e-7)).mean())
        positive = labels == self._positive
        both = 0 < positive.sum() < len(positive)
        return Validation(
            loss, float(roc_auc_score(positive, probabilities[:, self._positive])) if both else float("nan")
        )


def classify(
    network: nn.Module, data: ClassifierData, indices: IntArray, recipe: ClassifierRecipe, device: torch.device
) -> npt.NDArray[np.float64]:
    """Return (n, K) probabilities with the recipe's test-time augmentation (mean of softmax)."""
    results = []
    with torch.no_grad(), autocast(device, recipe.fit.amp):
        for start in range(0, len(indices), _VALIDATION_BATCH):
            images = to_device(data.images[indices[start : start + _VALIDATION_BATCH]], device)
            views = inference_windows(images, data.roi_px, recipe)
            probabilities = [torch.softmax(network(view).logits, dim=-1) for view in views]
            results.append(torch.stack(probabilities).mean(dim=0).double().cpu().numpy())
    return np.concatenate(results)


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
