"""Random changes of training images, for a whole batch at once on its device.

What is drawn for a batch is a `Plan` of a few numbers an image, drawn on the CPU; what is done to the pixels is one
operation for all images that a change chose. DeepWrist, Pre-processing and augmentation, and its source code; the
values stand in the recipes.
"""

from __future__ import annotations

from torch import Tensor

from fractureai.training.augmentation.changes import change
from fractureai.training.augmentation.dice import beside
from fractureai.training.augmentation.geometry import Augmented, warp
from fractureai.training.augmentation.plan import Plan, draw_plan
from fractureai.training.recipe import AugmentationRecipe

__all__ = ["Augmented", "Plan", "augment", "carry_out", "draw_plan"]


def augment(
    images: Tensor,
    recipe: AugmentationRecipe,
    size_px: int,
    seed: int,
    *,
    points: Tensor | None = None,
    masks: Tensor | None = None,
    window_jitter_px: float = 0.0,
) -> Augmented:
    """Return a changed copy of a batch; the same seed gives the same batch on the same device.

    Args:
        images: (n, 1, H, W) float in [0, 1], on any device.
        recipe: what may happen, and how often.
        size_px: side of the resulting images.
        seed: of everything random.
        points: (n, L, 2) landmarks, pixels (row, col) of the input; they move with the image and may leave it.
        masks: (n, 1, H, W) float; they move with the image.
        window_jitter_px: largest displacement of the resulting window inside a larger input.
    """
    landmarks = 0 if points is None else points.shape[1]
    shape = (images.shape[-2], images.shape[-1])
    plan = draw_plan(
        recipe, len(images), shape, size_px, seed, landmarks=landmarks, window_jitter_px=window_jitter_px
    )  # fmt: skip
    return carry_out(plan, images, size_px, points=points, masks=masks)


def carry_out(
    plan: Plan, images: Tensor, size_px: int, *, points: Tensor | None = None, masks: Tensor | None = None
) -> Augmented:
    """Apply a plan to the batch that it was drawn for; see `augment`."""
    padded = plan.padding(Augmented(images, None if points is None else points.to(images.device), masks))
    points = padded.points
    if points is not None:
        points = points + beside(plan.jitter, points) * images.shape[-1]
    filmed = Augmented(change(padded.images, plan.film), points, padded.masks)
    warped = warp(filmed, plan.matrices, size_px)
    return Augmented(change(warped.images, plan.values).clamp(0, 1), warped.points, warped.masks)
