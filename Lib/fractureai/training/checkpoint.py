"""Checkpoints that survive being killed, and are only continued by the training that wrote them."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from fractureai.errors import TrainingError


@dataclass(frozen=True)
class EpochRecord:
    """Figures of one epoch.

    Attributes:
        epoch: from 1.
        loss: mean over the augmented training images.
        validation_loss, metric: see `fractureai.training.task.Validation`.
        learning_rate: at its end.
        seconds: training and validation.
        images_per_second: training images over the time of the training part; of all processes together.
        waiting: share of the training part's time in which no batch was there; see `Stopwatch`.
        augmenting: share of the training part's time that batches were augmented.
        how: device, precision, and where the data lay.
    """

    epoch: int
    loss: float
    validation_loss: float
    metric: float
    learning_rate: float
    seconds: float
    images_per_second: float
    waiting: float
    augmenting: float
    how: str


@dataclass(frozen=True)
class Checkpoint:
    """The state after an epoch.

    Attributes:
        key: hash of recipe, data and seed; a training with another key does not continue from it.
        epoch: epochs done.
        network, average, optimizer, schedule, best: state dictionaries; ``average`` and ``best`` may be None.
        best_loss: smallest validation loss so far.
        history: records of all epochs.
    """

    key: str
    epoch: int
    network: dict[str, Any]
    average: dict[str, Any] | None
    optimizer: dict[str, Any]
    schedule: dict[str, Any]
    best: dict[str, Any] | None
    best_loss: float
    history: tuple[EpochRecord, ...] = field(default=())


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint so that the file is either the old or the new one at every moment."""
    values = {**vars(checkpoint), "history": [vars(record) for record in checkpoint.history]}
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        torch.save(values, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def read_checkpoint(path: Path, key: str) -> Checkpoint | None:
    """Read the checkpoint, or None where there is none. Tensors only: no code in the file is run.

    Raises:
        TrainingError: it belongs to another recipe or other data.
    """
    if not path.is_file():
        return None
    values = torch.load(path, map_location="cpu", weights_only=True)
    if values["key"] != key:
        raise TrainingError(
            f"{path}: this checkpoint was written with another recipe, other data or another device; "
            "start afresh (--fresh) or choose another output folder."
        )
    return Checkpoint(**{**values, "history": tuple(EpochRecord(**record) for record in values["history"])})
