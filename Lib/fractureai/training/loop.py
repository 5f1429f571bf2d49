"""The training loop of both stages.

Everything random in an epoch is drawn from (seed, epoch), so a run that was killed and continued from its last
checkpoint ends with the same weights as one that was not.
"""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from fractureai.errors import TrainingError
from fractureai.training.checkpoint import Checkpoint, EpochRecord, read_checkpoint, write_checkpoint
from fractureai.training.device import supports_fast_bfloat16
from fractureai.training.memory import is_out_of_memory, largest_fitting_batch, out_of_memory_error
from fractureai.training.recipe import FitRecipe
from fractureai.training.task import Task

EpochCallback = Callable[[EpochRecord, bool], None]
"""Receives each epoch's record, and whether it was done by an earlier run."""


@dataclass(frozen=True)
class FitResult:
    """A fitted network (in evaluation mode, on the CPU) and the history of its training."""

    network: nn.Module
    history: tuple[EpochRecord, ...]


class _State:
    """Network, optimizer and schedule of a run: what a checkpoint holds."""

    def __init__(self, task: Task, fit: FitRecipe, device: torch.device) -> None:
        self.network = task.network.to(device)
        if device.type != "mps":
            self.network = self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = (
            AveragedModel(self.network, multi_avg_fn=get_ema_multi_avg_fn(fit.average_decay), use_buffers=True)  # type: ignore[no-untyped-call]
            if fit.average_decay
            else None
        )
        self.optimizer = _optimizer(fit, self.network)
        steps = math.ceil(len(task.training) / fit.batch_size / fit.accumulate)
        self.schedule = _schedule(fit, self.optimizer, steps)
        self.best: dict[str, Any] | None = None
        self.best_loss = math.inf
        self.history: tuple[EpochRecord, ...] = ()

    @property
    def validated(self) -> nn.Module:
        """The network that is validated and kept."""
        return self.average.module if self.average is not None else self.network

    def checkpoint(self, key: str) -> Checkpoint:
        average = self.average.state_dict() if self.average is not None else None
        return Checkpoint(
            key, len(self.history), self.network.state_dict(), average, self.optimizer.state_dict(),
            self.schedule.state_dict(), self.best, self.best_loss, self.history,
        )  # fmt: skip

    def restore(self, checkpoint: Checkpoint) -> None:
        self.network.load_state_dict(checkpoint.network)
        if self.average is not None and checkpoint.average is not None:
            self.average.load_state_dict(checkpoint.average)
        self.optimizer.load_state_dict(checkpoint.optimizer)
        self.schedule.load_state_dict(checkpoint.schedule)
        self.best, self.best_loss, self.history = checkpoint.best, checkpoint.best_loss, checkpoint.history


def fit_network(
    task: Task, fit: FitRecipe, folder: Path, key: str, seed: int, device: torch.device, on_epoch: EpochCallback
) -> FitResult:
    """Fit a task's network, continuing from ``folder/checkpoint.pt`` where there is one.

    Args:
        task: the stage.
        fit: how.
        folder: receives ``checkpoint.pt`` and ``history.json`` after every epoch.
        key: identifies recipe, data and seed; see `read_checkpoint`.
        seed: of everything random.
        device: where to compute.
        on_epoch: called after every epoch, also for those an earlier run did.

    Raises:
        TrainingError: there are no training samples, memory ran out, the loss is not finite, or the checkpoint belongs
            to another training.
    """
    if len(task.training) == 0:
        raise TrainingError(
            f"{folder.name}: there is no training sample; annotate more radiographs or check the splits."
        )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "checkpoint.pt"
    earlier = read_checkpoint(path, key)
    state = _State(task, fit, device)
    if earlier is not None:
        state.restore(earlier)
        for record in state.history:
            on_epoch(record, True)
    while len(state.history) < fit.epochs and not _stalled(state.history, fit.early_stop_epochs):
        record = _epoch(task, fit, state, seed, device)
        state.history += (record,)
        if not record.validation_loss >= state.best_loss:
            state.best_loss = record.validation_loss
            state.best = {name: value.detach().clone() for name, value in state.validated.state_dict().items()}
        write_checkpoint(path, state.checkpoint(key))
        (folder / "history.json").write_text(json.dumps([asdict(r) for r in state.history], indent=1), encoding="utf-8")
        on_epoch(record, False)
    network = state.validated
    if fit.keep == "best" and state.best is not None:
        network.load_state_dict(state.best)
    return FitResult(network.cpu().eval(), state.history)


def _epoch(task: Task, fit: FitRecipe, state: _State, seed: int, device: torch.device) -> EpochRecord:
    start = time.monotonic()
    epoch = len(state.history)
    torch.manual_seed(_mix(seed, epoch))
    rng = np.random.default_rng((seed, epoch))
    with _trainable(task, head_only=epoch < fit.head_only_epochs):
        loss = _train_epoch(task, fit, state, rng, device)
    if fit.schedule == "step":
        state.schedule.step()
    if not math.isfinite(loss):
        raise TrainingError(f"The loss became {loss} in epoch {epoch + 1}; lower the learning rate or turn amp off.")
    validated = task.validate(state.validated.eval(), device)
    rate = float(state.optimizer.param_groups[0]["lr"])
    return EpochRecord(epoch + 1, loss, validated.loss, validated.metric, rate, time.monotonic() - start)


def _train_epoch(task: Task, fit: FitRecipe, state: _State, rng: np.random.Generator, device: torch.device) -> float:
    state.network.train()
    order = rng.permutation(task.training)
    total = 0.0
    starts = range(0, len(order), fit.batch_size)
    for number, start in enumerate(starts, start=1):
        indices = order[start : start + fit.batch_size]
        loss = _guarded_step(task, fit, indices, rng, device)
        total += loss * len(indices)
        if number % fit.accumulate == 0 or number == len(starts):
            state.optimizer.step()
            state.optimizer.zero_grad(set_to_none=True)
            if state.average is not None:
                state.average.update_parameters(state.network)
            if fit.schedule == "one_cycle":
                state.schedule.step()
    return total / len(order)


def _guarded_step(task: Task, fit: FitRecipe, indices: Any, rng: np.random.Generator, device: torch.device) -> float:
    seed = int(rng.integers(2**63))
    share = float(rng.beta(fit.mixup_alpha, fit.mixup_alpha)) if fit.mixup_alpha else 1.0
    try:
        return _step(task, fit, indices, seed, share, device)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
    fitting = largest_fitting_batch(
        lambda size: _discard(_step(task, fit, indices[:size], seed, share, device)), len(indices)
    )
    raise out_of_memory_error(device, len(indices), fitting)


def _discard(_: float) -> None:
    return None


def _step(task: Task, fit: FitRecipe, indices: Any, seed: int, share: float, device: torch.device) -> float:
    """Accumulate the gradient of one batch."""
    batch = task.batch(indices, seed, device)
    images, mixed = batch.images, None
    if share < 1:
        partner = torch.from_numpy(np.random.default_rng(seed).permutation(len(indices))).to(device)
        images = share * images + (1 - share) * images[partner]
        mixed = tuple(target[partner] for target in batch.targets)
    if device.type != "mps":
        images = images.contiguous(memory_format=torch.channels_last)
    with autocast(device, fit.amp):
        loss: Tensor = task.loss(images, batch.targets, mixed, share)
    (loss / fit.accumulate).backward()  # type: ignore[no-untyped-call]
    return float(loss.detach())


def autocast(device: torch.device, wanted: bool) -> contextlib.AbstractContextManager[Any]:
    """Return bfloat16 autocast where it is wanted and the device is fast at it, else a context that does nothing."""
    enabled = wanted and supports_fast_bfloat16(device)
    return torch.autocast(device.type, torch.bfloat16) if enabled else contextlib.nullcontext()


@contextlib.contextmanager
def _trainable(task: Task, *, head_only: bool) -> Iterator[None]:
    if not head_only:
        yield
        return
    head = {id(parameter) for parameter in task.head_parameters()}
    frozen = [parameter for parameter in task.network.parameters() if id(parameter) not in head]
    for parameter in frozen:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in frozen:
            parameter.requires_grad_(True)


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


def _stalled(history: tuple[EpochRecord, ...], patience: int) -> bool:
    if not patience or len(history) <= patience:
        return False
    losses = [record.validation_loss for record in history]
    return min(losses[-patience:]) >= min(losses[:-patience])


def _mix(seed: int, epoch: int) -> int:
    return int(np.random.SeedSequence((seed, epoch)).generate_state(1, np.uint64)[0] >> np.uint64(1))
