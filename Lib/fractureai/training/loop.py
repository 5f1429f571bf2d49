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

import numpy as np
import torch
from torch import nn

from fractureai.errors import TrainingError
from fractureai.training.checkpoint import EpochRecord, read_checkpoint, write_checkpoint
from fractureai.training.execution import Execution
from fractureai.training.feed import Feed
from fractureai.training.ranks import Ranks
from fractureai.training.recipe import FitRecipe
from fractureai.training.state import TrainingState
from fractureai.training.step import Stepper
from fractureai.training.stopwatch import Stopwatch
from fractureai.training.task import IntArray, Task

EpochCallback = Callable[[EpochRecord, bool], None]
"""Receives each epoch's record, and whether it was done by an earlier run."""

_SMALLEST_SHARE = 2
"""Images a process needs for batch normalisation."""


@dataclass(frozen=True)
class FitResult:
    """A fitted network (in evaluation mode, on the CPU) and the history of its training."""

    network: nn.Module
    history: tuple[EpochRecord, ...]


@dataclass(frozen=True)
class FitTarget:
    """What a fit is to continue, and where.

    Attributes:
        folder: receives ``checkpoint.pt`` and ``history.json`` after every epoch.
        key: identifies recipe, data and seed; see `read_checkpoint`.
        seed: of everything random.
    """

    folder: Path
    key: str
    seed: int


def fit_network(
    task: Task, fit: FitRecipe, feed: Feed, execution: Execution, target: FitTarget, on_epoch: EpochCallback
) -> FitResult:
    """Fit a task's network, continuing from ``checkpoint.pt`` where there is one.

    Where several processes train, each computes its part of every batch (`FitRecipe.batch_size` counts all parts) and
    the gradients are averaged; the first process writes the files.

    Args:
        task: the stage.
        fit: how.
        feed: the task's data.
        execution: device, precision, processes.
        target: files and seed.
        on_epoch: called after every epoch, also for those an earlier run did.

    Raises:
        TrainingError: there are no training samples, memory ran out, the loss is not finite, the batch is too small for
            so many processes, or the checkpoint belongs to another training.
    """
    ranks = execution.ranks
    if len(task.training) == 0:
        raise TrainingError(
            f"{target.folder.name}: there is no training sample; annotate more radiographs or check the splits."
        )
    if ranks.size > 1 and min(fit.batch_size, len(task.training)) < _SMALLEST_SHARE * ranks.size:
        raise TrainingError(
            f"batch_size = {fit.batch_size} with {len(task.training)} training samples is too small for {ranks.size} "
            f"processes; both must be at least {_SMALLEST_SHARE * ranks.size}."
        )
    path = target.folder / "checkpoint.pt"
    ranks.in_turn(lambda: target.folder.mkdir(parents=True, exist_ok=True))
    earlier = read_checkpoint(path, target.key)
    steps = math.ceil(len(training_batches(task.training, fit.batch_size, ranks.size)) / fit.accumulate)
    state = TrainingState(task.network, fit, steps, execution)
    if earlier is not None:
        state.restore(earlier)
        for record in state.history:
            on_epoch(record, True)
    stepper = Stepper(task, fit, state, execution)
    while len(state.history) < fit.epochs and not _stalled(state.history, fit.early_stop_epochs):
        record = ranks.agree(_epoch(task, fit, feed, state, stepper, target.seed))
        state.add(record)
        if ranks.first:
            write_checkpoint(path, state.checkpoint(target.key))
            _write_history(target.folder / "history.json", state.history)
        on_epoch(record, False)
    return FitResult(state.result(best=fit.keep == "best"), state.history)


def training_batches(order: IntArray, batch_size: int, processes: int = 1) -> list[IntArray]:
    """Cut the samples of an epoch into batches.

    A last batch too small for batch normalisation (fewer than two images a process) is left for another epoch, which
    has another order.
    """
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    return batches[:-1] if len(batches) > 1 and len(batches[-1]) < _SMALLEST_SHARE * processes else batches


def _write_history(path: Path, history: tuple[EpochRecord, ...]) -> None:
    path.write_text(json.dumps([asdict(record) for record in history], indent=1), encoding="utf-8")


def _epoch(task: Task, fit: FitRecipe, feed: Feed, state: TrainingState, stepper: Stepper, seed: int) -> EpochRecord:
    start = time.monotonic()
    epoch, ranks = len(state.history), stepper.execution.ranks
    torch.manual_seed(_mix(seed, epoch) + ranks.rank)
    rng = np.random.default_rng((seed, epoch))
    watch = Stopwatch(feed.device)
    with _trainable(task, head_only=epoch < fit.head_only_epochs):
        loss, count = _train_epoch(task, fit, feed, state, stepper, rng, watch)
    spent = watch.seconds()
    if fit.schedule == "step":
        state.schedule.step()
    if not math.isfinite(loss):
        raise TrainingError(f"The loss became {loss} in epoch {epoch + 1}; lower the learning rate or turn amp off.")
    state.share_statistics(ranks)
    validated = task.validate(state.validated.eval(), feed, stepper.execution)
    rate, seconds = float(state.optimizer.param_groups[0]["lr"]), sum(spent.values())
    return EpochRecord(
        epoch + 1,
        loss,
        validated.loss,
        validated.metric,
        rate,
        time.monotonic() - start,
        images_per_second=count / seconds,
        waiting=spent.get("wait", 0.0) / seconds,
        augmenting=spent.get("augment", 0.0) / seconds,
        how=f"{stepper.execution.describe()}, {feed.describe()}",
    )


def _train_epoch(
    task: Task,
    fit: FitRecipe,
    feed: Feed,
    state: TrainingState,
    stepper: Stepper,
    rng: np.random.Generator,
    watch: Stopwatch,
) -> tuple[float, int]:
    """Train one epoch; return the mean loss and the number of images."""
    ranks = stepper.execution.ranks
    state.network.train()
    batches = training_batches(rng.permutation(task.training), fit.batch_size, ranks.size)
    losses = []
    for number, rows in enumerate(feed.batches([ranks.share(batch) for batch in batches]), start=1):
        watch.mark("wait")
        complete = number % fit.accumulate == 0 or number == len(batches)
        loss = stepper.step(rows, len(batches[number - 1]), rng, watch, complete=complete)
        losses.append(loss)
        if complete:
            state.update(fit)
        watch.mark("compute")
    # The losses are fetched once, so that no step waits for the one before it.
    each = torch.stack(losses).cpu().double().numpy()
    sizes = [len(batch) for batch in batches]
    return float(np.average(_mean_over_ranks(each, ranks), weights=sizes)), sum(sizes)


def _mean_over_ranks(losses: np.ndarray, ranks: Ranks) -> np.ndarray:
    return np.asarray(ranks.gather(losses[None]).mean(axis=0))


@contextlib.contextmanager
def _trainable(task: Task, *, head_only: bool) -> Iterator[None]:
    kept = task.head_parameters() if head_only else list(task.network.parameters())
    unused = {id(parameter) for parameter in task.unused_parameters()}
    trained = {id(parameter) for parameter in kept} - unused
    frozen = [parameter for parameter in task.network.parameters() if id(parameter) not in trained]
    for parameter in frozen:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in frozen:
            parameter.requires_grad_(True)


def _stalled(history: tuple[EpochRecord, ...], patience: int) -> bool:
    if not patience or len(history) <= patience:
        return False
    losses = [record.validation_loss for record in history]
    return min(losses[-patience:]) >= min(losses[:-patience])


def _mix(seed: int, epoch: int) -> int:
    return int(np.random.SeedSequence((seed, epoch)).generate_state(1, np.uint64)[0] >> np.uint64(1))
