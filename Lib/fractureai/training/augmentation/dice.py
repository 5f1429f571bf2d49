"""Random numbers of an augmentation: drawn on the CPU from one seed, so that they do not depend on the device."""

from __future__ import annotations

import torch
from torch import Tensor


def beside(values: Tensor, like: Tensor) -> Tensor:
    """Return drawn numbers on the device of ``like``: floats in its type, other types as they are.

    On a GPU without waiting for what it is doing: a few numbers an image would otherwise stall it at every change.
    """
    dtype = like.dtype if values.is_floating_point() else values.dtype
    return values.to(device=like.device, dtype=dtype, non_blocking=like.device.type == "cuda")


class Dice:
    """A seeded source of the parameters of ``count`` images."""

    def __init__(self, seed: int, count: int) -> None:
        self.count = count
        self._generator = torch.Generator().manual_seed(seed % 2**63)

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Return float64 numbers (count, ``*shape``) in [low, high)."""
        draw = torch.rand((self.count, *shape), generator=self._generator, dtype=torch.float64)
        return low + (high - low) * draw

    def chance(self, probability: float, *shape: int) -> Tensor:
        """Return booleans (count, ``*shape``), each True with this probability."""
        return self.uniform(0, 1, *shape) < probability

    def integers(self, low: int, high: int, *shape: int) -> Tensor:
        """Return integers (count, ``*shape``) in low .. high - 1."""
        return torch.randint(low, high, (self.count, *shape), generator=self._generator)

    def seed(self) -> int:
        """Return a seed for numbers that are drawn on the device."""
        return int(torch.randint(2**62, (1,), generator=self._generator))
