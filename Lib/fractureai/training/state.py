"""What a training has learnt so far: network, moving average, optimizer and schedule; what a checkpoint holds."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from fractureai.training.checkpoint import Checkpoint, EpochRecord
from fractureai.training.execution import Execution
from fractureai.training.ranks import Ranks
from fractureai.training.recipe import FitRecipe


class TrainingState:
    """Network, moving average, optimizer, schedule and history of a fit.

    Where several processes train on GPUs, batch normalisation sees the whole batch (`torch.nn.SyncBatchNorm`); on CPUs,
    which have none, each process normalises its part, and the running statistics are averaged after each epoch.

    Args:
        network: is moved to the device and trained in place.
        fit: how.
        steps: optimizer steps in an epoch.
        execution: device, memory format, processes.
    """

    def __init__(self, network: nn.Module, fit: FitRecipe, steps: int, execution: Execution) -> None:
        self._plain: nn.Module | None = None
        if execution.ranks.size > 1 and execution.device.type == "cuda":
            self._plain = copy.deepcopy(network)
            network = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        self.network = network.to(execution.device)
        if execution.channels_last:
            self.network = self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = (
            AveragedModel(self.network, multi_avg_fn=get_ema_multi_avg_fn(fit.average_decay), use_buffers=True)  # type: ignore[no-untyped-call]
            if fit.average_decay
            else None
        )
        self.optimizer = _optimizer(fit, self.network)
        self.schedule = _schedule(fit, self.optimizer, steps)
        self.history: tuple[EpochRecord, ...] = ()
        self._best: dict[str, Any] | None = None
        self._best_loss = math.inf

    @property
    def validated(self) -> nn.Module:
        """The network that is validated and kept."""
        return self.average.module if self.average is not None else self.network

    def update(self, fit: FitRecipe) -> None:
        """Step the optimizer with the gradients that were accumulated."""
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self.average is not None:
            self.average.update_parameters(self.network)
        if fit.schedule == "one_cycle":
            self.schedule.step()

    def share_statistics(self, ranks: Ranks) -> None:
        """Average the running statistics of batch normalisation over the processes."""
        ranks.average_buffers(self.network)
        if self.average is not None:
            ranks.average_buffers(self.average.module)

    def add(self, record: EpochRecord) -> None:
        """Put an epoch into the history; keep the weights where they are the best so far."""
        self.history += (record,)
        if not record.validation_loss >= self._best_loss:
            self._best_loss = record.validation_loss
            self._best = {name: value.detach().clone() for name, value in self.validated.state_dict().items()}

    def result(self, *, best: bool) -> nn.Module:
        """Return the fitted network on the CPU, in evaluation mode."""
        network = self.validated
        if best and self._best is not None:
            network.load_state_dict(self._best)
        if self._plain is not None:
            self._plain.load_state_dict(network.state_dict())
            network = self._plain
        return network.cpu().eval()

    def checkpoint(self, key: str) -> Checkpoint:
        """Return everything that is needed to go on."""
        average = self.average.state_dict() if self.average is not None else None
        return Checkpoint(
            key, len(self.history), self.network.state_dict(), average, self.optimizer.state_dict(),
            self.schedule.state_dict(), self._best, self._best_loss, self.history,
        )  # fmt: skip

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go back to a checkpoint."""
        self.network.load_state_dict(checkpoint.network)
        if self.average is not None and checkpoint.average is not None:
            self.average.load_state_dict(checkpoint.average)
        self.optimizer.load_state_dict(checkpoint.optimizer)
        self.schedule.load_state_dict(checkpoint.schedule)
        self._best, self._best_loss, self.history = checkpoint.best, checkpoint.best_loss, checkpoint.history


def _optimizer(fit: FitRecipe, network: nn.Module) -> torch.optim.Optimizer:
    matrices = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    if fit.optimizer == "sgd":  # the paper decays every parameter
        return torch.optim.SGD(
            [*matrices, *others], lr=fit.learning_rate, momentum=fit.momentum, weight_decay=fit.weight_decay
        )
    groups = [{"params": matrices, "weight_decay": fit.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=fit.learning_rate)


def _schedule(fit: FitRecipe, optimizer: torch.optim.Optimizer, steps: int) -> torch.optim.lr_scheduler.LRScheduler:
    if fit.schedule == "step":
        return torch.optim.lr_scheduler.MultiStepLR(optimizer, list(fit.milestones), fit.gamma)
    return torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=fit.learning_rate, total_steps=steps * fit.epochs + 1, pct_start=0.15, cycle_momentum=False
    )
