"""Where batches come from: arrays in the device's memory, or in the computer's with a thread that fetches ahead."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fractureai.training.device import free_bytes

RESIDENT_SHARE = 0.5
"""Of the free device memory that the arrays of a stage may take; the rest is for weights and feature maps."""
AHEAD = 3
"""Batches that are fetched ahead."""

Rows = dict[str, Tensor]


class Feed:
    """The arrays of a stage, one row a sample, and the batches that are taken from them.

    On a GPU they are moved to the device once when they take at most half (`RESIDENT_SHARE`) of its memory that is free
    at that moment; then a batch is a gather on the device. Otherwise a thread gathers batches in page-locked memory up
    to three (`AHEAD`) ahead, and they are copied while the device computes. On a CPU the arrays stay where they are: in
    the memory-mapped file of the cache, which the system keeps in memory as far as there is room. A batch is the same
    either way.

    Args:
        arrays: name -> (n, ...); unsigned 16-bit images, whole numbers, truth values or floats.
        device: that batches come to.
        resident: False to fetch ahead, True to keep the arrays on the device, whatever the memory; None for the rule.
    """

    def __init__(
        self, arrays: Mapping[str, npt.NDArray[Any]], device: torch.device, *, resident: bool | None = None
    ) -> None:
        self.device = device
        self.nbytes = sum(array.nbytes for array in arrays.values())
        if resident is None:
            resident = device.type == "cpu" or self.nbytes <= RESIDENT_SHARE * free_bytes(device)
        self.resident = resident
        tensors = {name: _tensor(array) for name, array in arrays.items()}
        self._rows = {name: tensor.to(device) for name, tensor in tensors.items()} if resident else tensors

    def batches(self, batches: Sequence[npt.NDArray[np.int64]]) -> Iterator[Rows]:
        """Yield name -> rows on the device for each array of indices."""
        return self._gathered(batches) if self.resident else self._fetched_ahead(batches)

    def describe(self) -> str:
        """Return a few words for the record of a training."""
        where = "in memory" if self.device.type == "cpu" else "in device memory"
        return f"data {where if self.resident else 'fetched ahead'}"

    def _gathered(self, batches: Sequence[npt.NDArray[np.int64]]) -> Iterator[Rows]:
        for indices in batches:
            chosen = to_device(indices, self.device)
            yield {name: rows.index_select(0, chosen) for name, rows in self._rows.items()}

    def _fetched_ahead(self, batches: Sequence[npt.NDArray[np.int64]]) -> Iterator[Rows]:
        with ThreadPoolExecutor(1, "fractureai-feed", _use, (self.device,)) as thread:
            todo = iter(batches)
            fetched: deque[Future[Rows]] = deque(
                thread.submit(self._fetch, indices) for indices in itertools.islice(todo, AHEAD)
            )
            while fetched:
                rows = fetched.popleft().result()
                fetched.extend(thread.submit(self._fetch, indices) for indices in itertools.islice(todo, 1))
                yield {name: value.to(self.device, non_blocking=True) for name, value in rows.items()}

    def _fetch(self, indices: npt.NDArray[np.int64]) -> Rows:
        chosen = torch.from_numpy(indices)
        rows = {name: values.index_select(0, chosen) for name, values in self._rows.items()}
        return {name: values.pin_memory() for name, values in rows.items()} if self.device.type == "cuda" else rows


def _use(device: torch.device) -> None:
    """Make a GPU this thread's own: page-locked memory is asked of it, not of the first GPU."""
    if device.type == "cuda":
        torch.cuda.set_device(device)


def _tensor(array: npt.NDArray[Any]) -> Tensor:
    """Return the array as a tensor; 16-bit images keep their bits in int16, which every device can gather."""
    if array.dtype == np.uint16:
        return torch.from_numpy(array.view(np.int16))
    return torch.from_numpy(array.astype(np.float32) if array.dtype == np.float64 else array)


def images_of(rows: Tensor) -> Tensor:
    """Return (n, 1, S, S) float32 images in [0, 1] for (n, S, S) rows of a feed; 65535 is 1.0."""
    return ((rows.to(torch.int32) & 0xFFFF).to(torch.float32) / 65535)[:, None]


def to_device(array: npt.NDArray[Any], device: torch.device) -> Tensor:
    """Copy a small array to the device without waiting for what the device is doing."""
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def to_numpy(results: Sequence[Tensor]) -> npt.NDArray[np.float64]:
    """Return the rows of all batches of results; waits for the device once."""
    return torch.cat(list(results)).cpu().double().numpy() if results else np.zeros(0)


def in_batches(indices: npt.NDArray[np.int64], size: int) -> list[npt.NDArray[np.int64]]:
    """Cut indices into batches of ``size``; the last may be smaller."""
    return [indices[start : start + size] for start in range(0, len(indices), size)]
