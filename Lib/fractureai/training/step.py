"""One step of a training: augmentation, mixup, loss and gradient of a batch."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch._dynamo.exc import TorchDynamoException
from torch.nn.parallel import DistributedDataParallel

from fractureai.errors import TrainingError
from fractureai.training.execution import Execution
from fractureai.training.feed import Rows, to_device
from fractureai.training.memory import is_out_of_memory, largest_fitting_batch, out_of_memory_error
from fractureai.training.recipe import FitRecipe
from fractureai.training.state import TrainingState
from fractureai.training.stopwatch import Stopwatch
from fractureai.training.task import Task


class _Loss(nn.Module):
    """A task's loss as a module: what `DistributedDataParallel` wants, with all use of parameters inside."""

    def __init__(self, task: Task, network: nn.Module, call: Callable[..., Any]) -> None:
        super().__init__()
        self.network = network
        self._task, self._call = task, (call,)  # in a tuple: a compiled network is no second child

    def forward(
        self, images: Tensor, targets: tuple[Tensor, ...], mixed: tuple[Tensor, ...] | None, share: Tensor
    ) -> Tensor:
        """Return the loss of a batch."""
        return self._task.loss(self._call[0], images, targets, mixed, share)


class Stepper:
    """Accumulates the gradients of batches.

    Args:
        task: the stage.
        fit: how.
        state: the network.
        execution: how to compute.
    """

    def __init__(self, task: Task, fit: FitRecipe, state: TrainingState, execution: Execution) -> None:
        self.execution = execution
        self._task, self._fit = task, fit
        call: Callable[..., Any] = state.network
        if execution.compiled:
            # One graph a shape: full batches and the last; what earlier networks left would count against the limit.
            torch.compiler.reset()
            call = torch.compile(state.network, dynamic=False)
        self._loss = _Loss(task, state.network, call)
        self._distributed: DistributedDataParallel | None = None
        self._trained: tuple[bool, ...] = ()

    def step(
        self, rows: Rows, batch_size: int, rng: np.random.Generator, watch: Stopwatch, *, complete: bool
    ) -> Tensor:
        """Accumulate the gradient of a batch and return its loss, on the device.

        Args:
            rows: this process's part of the batch.
            batch_size: of all parts together.
            rng: the same in all processes.
            watch: is told when the batch is augmented.
            complete: whether an optimizer step follows.

        Raises:
            TrainingError: memory ran out, or the network can not be compiled.
        """
        seed = int(rng.integers(2**62)) + self.execution.ranks.rank
        share = float(rng.beta(self._fit.mixup_alpha, self._fit.mixup_alpha)) if self._fit.mixup_alpha else 1.0
        try:
            return self._step(rows, batch_size, seed, share, watch, complete=complete)
        except RuntimeError as error:
            if isinstance(error, TorchDynamoException) and not is_out_of_memory(error):
                reason = str(error).strip().splitlines()[0]
                raise TrainingError(f"The network can not be compiled ({reason}); set compile = false.") from error
            if not is_out_of_memory(error):
                raise
        raise self._out_of_memory(rows, seed, share)

    def _step(
        self, rows: Rows, batch_size: int, seed: int, share: float, watch: Stopwatch, *, complete: bool
    ) -> Tensor:
        batch = self._task.batch(rows, seed)
        count, device = len(batch.images), batch.images.device
        images, mixed = batch.images, None
        if share < 1:
            partner = to_device(np.random.default_rng(seed).permutation(count), device)
            images = share * images + (1 - share) * images[partner]
            mixed = tuple(target[partner] for target in batch.targets)
        if self.execution.channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        watch.mark("augment")
        # A tensor: a compiled loss must not be compiled anew for each number.
        factor = torch.full((), share, device=device)
        module, later = self._module(complete=complete)
        with later:
            with self.execution.autocast():
                loss: Tensor = module(images, batch.targets, mixed, factor)
            # The mean over processes of these is the mean over the batch, also where the parts differ in size.
            loss = loss * (count * self.execution.ranks.size / batch_size)
            (loss / self._fit.accumulate).backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def _module(self, *, complete: bool) -> tuple[Callable[..., Any], contextlib.AbstractContextManager[Any]]:
        """Return what computes the loss, and a context that keeps gradients here until the step is complete."""
        if self.execution.ranks.size == 1:
            return self._loss, contextlib.nullcontext()
        trained = tuple(parameter.requires_grad for parameter in self._loss.parameters())
        if self._distributed is None or trained != self._trained:
            self._distributed = DistributedDataParallel(self._loss, broadcast_buffers=False)
            self._trained = trained
        return self._distributed, contextlib.nullcontext() if complete else self._distributed.no_sync()

    def _out_of_memory(self, rows: Rows, seed: int, share: float) -> TrainingError:
        count = len(next(iter(rows.values())))
        device, ranks = self.execution.device, self.execution.ranks
        if ranks.size > 1:  # a smaller batch can not be tried here alone
            return TrainingError(
                f"Out of memory on {device} with {count} images in each of {ranks.size} processes; "
                "halve batch_size and double accumulate in the recipe."
            )
        watch = Stopwatch(torch.device("cpu"))

        def try_batch(size: int) -> None:
            part = {name: values[:size] for name, values in rows.items()}
            self._step(part, size, seed, share, watch, complete=True)

        return out_of_memory_error(device, count, largest_fitting_batch(try_batch, count))
