"""The processes of one training: one, or as many as ``torchrun`` started."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from fractureai.errors import TrainingError

if TYPE_CHECKING:
    from torch import nn

T = TypeVar("T")

PATIENCE = timedelta(hours=6)
"""How long the processes wait for one of them that prepares images or writes files alone. One that ended is noticed at
once: ``torchrun`` ends the others."""


@dataclass(frozen=True)
class Ranks:
    """This process among those of the training. All of them must call the same methods in the same order.

    Attributes:
        rank: number of this process, from 0. The first writes all files and talks to people.
        size: number of processes.
        local_rank: number of this process on its computer: its GPU.
        control: the group that talks over the network (gloo), beside the one that adds gradients; None for one process.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    control: Any = None

    @property
    def first(self) -> bool:
        """Whether this process writes and talks."""
        return self.rank == 0

    def share(self, indices: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return this process's part of samples; the parts are as equal as possible and in the order of the ranks."""
        return np.array_split(indices, self.size)[self.rank]

    def gather(self, rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the rows of all processes, in the order of the ranks."""
        if self.size == 1:
            return rows
        import torch.distributed as dist

        parts: list[Any] = [None] * self.size
        with _others_are_there():
            dist.all_gather_object(parts, rows, group=self.control)
        return np.concatenate([part for part in parts if len(part)] or parts[:1])

    def agree(self, value: T) -> T:
        """Return the first process's value in all of them."""
        if self.size == 1:
            return value
        import torch.distributed as dist

        values = [value]
        with _others_are_there():
            dist.broadcast_object_list(values, src=0, group=self.control)
        return values[0]

    def wait(self) -> None:
        """Return when all processes have come here."""
        self.gather(np.zeros(0))

    def in_turn(self, make: Callable[[], T]) -> T:
        """Let the first process make something in a folder that all see, then let the others find it made."""
        if self.first:
            made = make()
            self.wait()
            return made
        self.wait()
        return make()

    def average_buffers(self, network: nn.Module) -> None:
        """Give every process the mean of all processes' running statistics (batch normalisation)."""
        if self.size == 1:
            return
        import torch.distributed as dist

        for buffer in network.buffers():
            if buffer.is_floating_point():
                dist.all_reduce(buffer)
                buffer /= self.size


ALONE = Ranks()
"""The only process."""


@contextlib.contextmanager
def join_ranks(device: str = "auto") -> Iterator[Ranks]:
    """Meet the other processes where ``torchrun`` started this one, else be alone.

    GPUs add their gradients with NCCL, CPUs with gloo.

    Args:
        device: see `fractureai.training.device.choose_device`.

    Raises:
        TrainingError: there are more processes on this computer than GPUs.
    """
    if not _is_launched():
        yield ALONE
        return
    import torch
    import torch.distributed as dist

    from fractureai.training.device import choose_device

    local_rank = int(os.environ["LOCAL_RANK"])
    chosen = choose_device(device, local_rank)
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
        dist.init_process_group("nccl", timeout=PATIENCE, device_id=chosen)
        control = dist.new_group(backend="gloo", timeout=PATIENCE)
    else:
        dist.init_process_group("gloo", timeout=PATIENCE)
        control = dist.group.WORLD
    yield Ranks(dist.get_rank(), dist.get_world_size(), local_rank, control)
    # After an error the others may be gone: no good-bye that would wait for them.
    dist.destroy_process_group()


def _is_launched() -> bool:
    return "TORCHELASTIC_RUN_ID" in os.environ and "RANK" in os.environ


@contextlib.contextmanager
def _others_are_there() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise TrainingError(f"Another process of this training ended; its own message says why. ({error})") from error
