"""Stage 1: from the whole image to the landmarks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fractureai.errors import RecipeError
from fractureai.networks.hourglass import LandmarkOutput, cell_centres, heatmap_spread
from fractureai.networks.localizers import LOCALIZERS
from fractureai.training.augmentation import augment
from fractureai.training.execution import Execution
from fractureai.training.feed import Feed, Rows, images_of, in_batches, to_numpy
from fractureai.training.recipe import LocalizerRecipe
from fractureai.training.task import Batch, IntArray, Validation, build_network

_VALIDATION_BATCH = 16


@dataclass(frozen=True)
class LocalizerData:
    """Images and landmarks of one view.

    Attributes:
        images: (n, S, S) uint16, 65535 is 1.0.
        landmarks: (n, L, 2) (row, col) in [0, 1] of the image, outer edge to outer edge.
        pixel_mm: (n, 2) size in millimetres of one unit of ``landmarks`` (the image's height and width); NaN without
            spacing.
    """

    images: npt.NDArray[np.uint16]
    landmarks: npt.NDArray[np.float64]
    pixel_mm: npt.NDArray[np.float64]

    def feed(self, device: torch.device, *, resident: bool | None = None) -> Feed:
        """Return where batches of it come from; see `Feed`."""
        return Feed({"images": self.images, "landmarks": self.landmarks}, device, resident=resident)


@dataclass(frozen=True)
class Located:
    """Landmarks of many images: ``landmarks`` (n, L, 2) in [0, 1], ``spread`` (n, L)."""

    landmarks: npt.NDArray[np.float64]
    spread: npt.NDArray[np.float64]


class LocalizerTask:
    """The localizer of one view and fold; implements `fractureai.training.task.Task`."""

    metric_name = "median error (mm)"

    def __init__(
        self, recipe: LocalizerRecipe, data: LocalizerData, training: IntArray, validation: IntArray, seed: int
    ) -> None:
        torch.manual_seed(seed)
        if recipe.network.name not in LOCALIZERS:
            raise RecipeError(f"There is no localizer {recipe.network.name}; known are {', '.join(LOCALIZERS)}.")
        self.network = build_network(LOCALIZERS[recipe.network.name], recipe.network, data.landmarks.shape[1])
        self.training, self.validation = training, validation
        self._recipe, self._data = recipe, data

    def head_parameters(self) -> list[nn.Parameter]:
        """Return the parameters of the head."""
        return list(self.network.head.parameters())  # type: ignore[union-attr]

    def unused_parameters(self) -> list[nn.Parameter]:
        """Return nothing: the loss depends on all of them."""
        return []

    def batch(self, rows: Rows, seed: int) -> Batch:
        """Return augmented images, landmarks in [0, 1], and 1 for each landmark that is on the image."""
        images = images_of(rows["images"])
        size = self._recipe.input_px
        points = rows["landmarks"] * size - 0.5
        changed = augment(images, self._recipe.augmentation, size, seed, points=points)
        assert changed.points is not None
        landmarks = ((changed.points + 0.5) / size).float()
        visible = ((landmarks >= 0) & (landmarks <= 1)).all(dim=-1).float()
        return Batch(changed.images, (landmarks, visible))

    def loss(
        self,
        network: Callable[..., Any],
        images: Tensor,
        targets: tuple[Tensor, ...],
        mixed: tuple[Tensor, ...] | None,
        share: float | Tensor,
    ) -> Tensor:
        """Mean squared error of the coordinates, plus the heat map loss where the recipe has one."""
        output = network(images)
        loss = self._target_loss(output, targets)
        return loss if mixed is None else share * loss + (1 - share) * self._target_loss(output, mixed)

    def _target_loss(self, output: LandmarkOutput, targets: tuple[Tensor, ...]) -> Tensor:
        landmarks, visible = targets
        count = visible.sum().clamp(min=1)
        loss = (((output.landmarks - landmarks) ** 2).mean(dim=-1) * visible).sum() / count
        if self._recipe.heatmap_weight:
            divergence = _divergence_from_gaussian(output.heatmaps, landmarks, self._recipe.heatmap_sigma_px)
            loss = loss + self._recipe.heatmap_weight * (divergence * visible).sum() / count
        return loss

    def validate(self, network: nn.Module, feed: Feed, execution: Execution) -> Validation:
        """Return the mean squared error and the median distance in millimetres."""
        if len(self.validation) == 0:
            return Validation(float("nan"), float("nan"))
        located = locate(network, feed, self.validation, execution)
        difference = located.landmarks - self._data.landmarks[self.validation]
        errors_mm = np.linalg.norm(difference * self._data.pixel_mm[self.validation][:, None], axis=-1)
        known = errors_mm[np.isfinite(errors_mm)]
        return Validation(float((difference**2).mean()), float(np.median(known)) if known.size else float("nan"))


def locate(network: nn.Module, feed: Feed, indices: IntArray, execution: Execution) -> Located:
    """Run a localizer over images of a feed (rows ``images``), without augmentation; each process does its share."""
    mine = execution.ranks.share(indices)
    results = []
    with torch.no_grad(), execution.autocast():
        for rows in feed.batches(in_batches(mine, _VALIDATION_BATCH)):
            output: LandmarkOutput = network(images_of(rows["images"]))
            spread = heatmap_spread(output.heatmaps, output.landmarks)
            results.append(torch.cat([output.landmarks, spread[..., None]], dim=-1))
    found = execution.ranks.gather(to_numpy(results))
    return Located(found[..., :2], found[..., 2])


def _divergence_from_gaussian(heatmaps: Tensor, landmarks: Tensor, sigma_px: float) -> Tensor:
    """Return the (n, L) Jensen-Shannon divergence of heat maps from a Gaussian at the landmark (Nibali et al. 2018)."""
    height, width = heatmaps.shape[-2:]
    rows = (cell_centres(height, heatmaps) - landmarks[..., 0:1]) * height
    cols = (cell_centres(width, heatmaps) - landmarks[..., 1:2]) * width
    log_target = -(rows[..., :, None] ** 2 + cols[..., None, :] ** 2) / (2 * sigma_px**2)
    target = torch.softmax(log_target.flatten(2), dim=-1)
    given = heatmaps.flatten(2)
    middle = torch.log((target + given) / 2 + 1e-12)
    to_middle = F.kl_div(middle, target, reduction="none") + F.kl_div(middle, given, reduction="none")
    return to_middle.sum(dim=-1) / 2
