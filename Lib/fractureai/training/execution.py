"""How the steps of a training are computed: what decides its speed and, beyond rounding, not its result."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

import torch

from fractureai.training.device import gains_from_compiling, supports_fast_bfloat16
from fractureai.training.ranks import ALONE, Ranks
from fractureai.training.recipe import FitRecipe


@dataclass(frozen=True)
class Execution:
    """How steps are computed.

    Attributes:
        device: where.
        bfloat16: autocast to bfloat16 (no loss scaling needed: its exponent is that of float32).
        channels_last: memory format of images, feature maps and kernels.
        compiled: whether `torch.compile` compiles the network's training.
        ranks: the processes that share each batch.
    """

    device: torch.device
    bfloat16: bool = False
    channels_last: bool = True
    compiled: bool = False
    ranks: Ranks = ALONE

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """Return a context in which networks compute as wanted."""
        return torch.autocast(self.device.type, torch.bfloat16) if self.bfloat16 else contextlib.nullcontext()

    def describe(self) -> str:
        """Return one line for the record of a training."""
        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else self.device.type
        words = [name, "bfloat16" if self.bfloat16 else "float32"]
        words += ["channels last"] if self.channels_last else []
        words += ["compiled" if self.compiled else "not compiled"]
        words += [f"{self.ranks.size} processes"] if self.ranks.size > 1 else []
        return ", ".join(words)


def choose_execution(fit: FitRecipe, device: torch.device, ranks: Ranks = ALONE) -> Execution:
    """Return what the recipe allows and the device gains from.

    bfloat16 where the recipe says ``amp`` and `supports_fast_bfloat16`; compiled where it says ``compile`` and
    `gains_from_compiling`; channels last everywhere but on MPS. What was chosen is written into every epoch's record.
    """
    return Execution(
        device,
        bfloat16=fit.amp and supports_fast_bfloat16(device),
        channels_last=device.type != "mps",
        compiled=fit.compile and gains_from_compiling(device),
        ranks=ranks,
    )
