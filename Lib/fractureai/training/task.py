"""What the training loop needs to know of a stage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from fractureai.errors import RecipeError
from fractureai.training.execution import Execution
from fractureai.training.feed import Feed, Rows
from fractureai.training.recipe import NetworkRecipe

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Batch:
    """Images and their targets, on the device.

    Attributes:
        images: (n, 1, S, S) in [0, 1].
        targets: each (n, ...).
    """

    images: Tensor
    targets: tuple[Tensor, ...]


@dataclass(frozen=True)
class Validation:
    """What one pass over the validation images gave.

    Attributes:
        loss: mean loss.
        metric: a figure people know.
    """

    loss: float
    metric: float


def build_network(build: Callable[..., nn.Module], recipe: NetworkRecipe, *arguments: int) -> nn.Module:
    """Build a network with the parameters of a recipe.

    Raises:
        RecipeError: the network does not take these parameters.
    """
    try:
        return build(*arguments, **recipe.parameters)
    except (TypeError, ValueError) as error:
        raise RecipeError(f"The network {recipe.name} can not be built with {recipe.parameters}: {error}.") from error


class Task(Protocol):
    """A stage: its network, its data, its loss."""

    network: nn.Module
    metric_name: str

    @property
    def training(self) -> IntArray:
        """Indices of the training samples."""

    @property
    def validation(self) -> IntArray:
        """Indices of the validation samples; may be empty."""

    def batch(self, rows: Rows, seed: int) -> Batch:
        """Return an augmented training batch made of rows of the stage's feed; the same seed gives the same batch."""

    def loss(
        self,
        network: Callable[..., Any],
        images: Tensor,
        targets: tuple[Tensor, ...],
        mixed: tuple[Tensor, ...] | None,
        share: float | Tensor,
    ) -> Tensor:
        """Return the loss; with ``mixed`` targets (mixup), ``share`` weighs the first and 1 - share the second.

        ``network`` is `network` or its compiled form.
        """

    def validate(self, network: nn.Module, feed: Feed, execution: Execution) -> Validation:
        """Measure a network on the validation samples, without augmentation; all processes of a training together."""

    def head_parameters(self) -> list[nn.Parameter]:
        """Parameters that are trained in the head-only epochs."""

    def unused_parameters(self) -> list[nn.Parameter]:
        """Parameters that the recipe's loss does not depend on."""
