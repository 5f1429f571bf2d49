"""Which device trains, and what it is good at."""

from __future__ import annotations

import torch

from fractureai.errors import TrainingError


def choose_device(name: str = "auto", local_rank: int | None = None) -> torch.device:
    """Return the device for ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.

    ``auto`` takes the CUDA GPU with the most free memory, then MPS, then the CPU. Of several processes (``torchrun``)
    each takes the GPU of its number.

    Args:
        name: of the device.
        local_rank: number of this process among several on this computer; None for the only one.

    Raises:
        TrainingError: the named device is not there, or is one where each process needs its own.
    """
    if local_rank is not None:
        return _device_of_rank(name, local_rank)
    if name == "auto":
        if torch.cuda.is_available():
            free = [torch.cuda.mem_get_info(index)[0] for index in range(torch.cuda.device_count())]
            return torch.device("cuda", free.index(max(free)))
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise TrainingError(f"There is no device {name}; use auto, cpu, cuda, cuda:1 or mps.") from error
    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not there.get(device.type, False):
        raise TrainingError(f"Device {name} is not available on this computer; use --device auto.")
    return device


def _device_of_rank(name: str, local_rank: int) -> torch.device:
    if name not in ("auto", "cpu", "cuda"):
        raise TrainingError(f"Several processes can not all train on {name}; use --device auto, cuda or cpu.")
    if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    gpus = torch.cuda.device_count()
    if local_rank >= gpus:
        raise TrainingError(
            f"There are more processes than GPUs ({gpus}) on this computer; use --nproc-per-node {max(gpus, 1)}."
        )
    return torch.device("cuda", local_rank)


def supports_fast_bfloat16(device: torch.device) -> bool:
    """Tell whether bfloat16 convolutions are faster than float32 ones: CUDA from Ampere on, CPUs with AMX."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device)[0] >= 8
    return device.type == "cpu" and bool(torch.cpu.get_capabilities().get("amx_bf16", False))


def gains_from_compiling(device: torch.device) -> bool:
    """Tell whether compiled networks pay: CUDA from Volta on, which Triton compiles for.

    On a CPU a compilation takes a minute or more for each fit and needs a C++ compiler.
    """
    return device.type == "cuda" and torch.cuda.get_device_capability(device)[0] >= 7


def free_bytes(device: torch.device) -> int:
    """Return the device memory that is free now; of MPS, of what the system recommends to use."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if device.type == "mps":
        return int(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    raise TrainingError(f"The free memory of the device {device} is not known.")
