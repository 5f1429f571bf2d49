"""Stage 1: from the whole image to the landmarks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from monai.transforms import Compose
from torch import Tensor, nn
from torch.nn import functional as F

from fractureai.networks.hourglass import HourglassLocalizer, LandmarkOutput, cell_centres, heatmap_spread
from fractureai.training.augmentation import change_values, draw_warps, value_transform, warp
from fractureai.training.loop import autocast
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
        self.network = build_network(HourglassLocalizer, recipe.network, data.landmarks.shape[1])
        self.training, self.validation = training, validation
        self._recipe, self._data = recipe, data
        self._values: Compose = value_transform(recipe.augmentation)

    def head_parameters(self) -> list[nn.Parameter]:
        """Return the parameters of the head."""
        return list(self.network.head.parameters())  # type: ignore[union-attr]

    def batch(self, indices: IntArray, seed: int, device: torch.device) -> Batch:
        """Return augmented images, landmarks in [0, 1], and 1 for each landmark that is on the image."""
        images = to_device(self._data.images[indices], device)
        size = self._recipe.input_px
        points = torch.from_numpy(self._data.landmarks[indices] * size - 0.5)
        warped = warp(images, draw_warps(self._recipe.augmentation, len(indices), 0.0, size, seed), size, points, None)
        assert warped.points is not None
        landmarks = ((warped.points + 0.5) / size).to(device=device, dtype=torch.float32)
        visible = ((landmarks >= 0) & (landmarks <= 1)).all(dim=-1).float()
        return Batch(change_values(warped.images, self._recipe.augmentation, self._values, seed), (landmarks, visible))

    def loss(
        self, images: Tensor, targets: tuple[Tensor, ...], mixed: tuple[Tensor, ...] | None, share: float
    ) -> Tensor:
        """Mean squared error of the coordinates, plus the heat map loss where the recipe has one."""
        output = self.network(images)
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

    def validate(self, network: nn.Module, device: torch.device) -> Validation:
        """Return the mean squared error and the median distance in millimetres."""
        if len(self.validation) == 0:
            return Validation(float("nan"), float("nan"))
        located = locate(network, self._data.images[self.validation], device, amp=self._recipe.fit.amp)
        difference = located.landmarks - self._data.landmarks[self.validation]
        errors_mm = np.linalg.norm(difference * self._data.pixel_mm[self.validation][:, None], axis=-1)
        known = errors_mm[np.isfinite(errors_mm)]
        return Validation(float((difference**2).mean()), float(np.median(known)) if known.size else float("nan"))


def locate(network: nn.Module, images: npt.NDArray[np.uint16], device: torch.device, *, amp: bool) -> Located:
    """Run a localizer over (n, S, S) uint16 images, without augmentation."""
    landmarks, spreads = [], []
    with torch.no_grad(), autocast(device, amp):
        for start in range(0, len(images), _VALIDATION_BATCH):
            output: LandmarkOutput = network(to_device(images[start : start + _VALIDATION_BATCH], device))
            landmarks.append(output.landmarks.double().cpu().numpy())
            spreads.append(heatmap_spread(output.heatmaps, output.landmarks).double().cpu().numpy())
    return Located(np.concatenate(landmarks), np.concatenate(spreads))


def to_device(images: npt.NDArray[np.uint16], device: torch.device) -> Tensor:
    """Return (n, 1, S, S) float32 in [0, 1] for (n, S, S) uint16."""
    return torch.from_numpy(np.asarray(images, dtype=np.float32) / np.float32(65535))[:, None].to(device)


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
