"""What to say when memory runs out."""

from __future__ import annotations

import gc
from collections.abc import Callable

import torch

from fractureai.errors import TrainingError


def is_out_of_memory(error: RuntimeError) -> bool:
    """Tell whether PyTorch ran out of memory (CUDA, MPS or CPU)."""
    text = str(error)
    return isinstance(error, torch.OutOfMemoryError) or any(
        words in text for words in ("out of memory", "can't allocate memory", "not enough memory")
    )


def largest_fitting_batch(try_batch: Callable[[int], None], batch_size: int) -> int:
    """Halve the batch size until one training step fits.

    Args:
        try_batch: does one step with that many images; raises PyTorch's error where they do not fit.
        batch_size: size that did not fit.

    Returns:
        The largest half, quarter, ... that fits; 0 when not even one image does.
    """
    size = batch_size // 2
    while size:
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        try:
            try_batch(size)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            size //= 2
        else:
            return size
    return 0


def out_of_memory_error(device: torch.device, batch_size: int, fitting: int) -> TrainingError:
    """Return the error that says what would fit."""
    if fitting == 0:
        return TrainingError(
            f"Out of memory on {device}: not even one image fits; close other programs or use a smaller network."
        )
    accumulate = -(-batch_size // fitting)
    return TrainingError(
        f"Out of memory on {device} with batch_size = {batch_size}: a batch_size of {fitting} fits; "
        f"set batch_size = {fitting} and accumulate = {accumulate} in the recipe for the same result."
    )
