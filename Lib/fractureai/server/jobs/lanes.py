"""Which jobs may run side by side: one at a time on each device."""

from __future__ import annotations

import functools
import platform
import shutil

from fractureai.server.jobs.model import Job

EXPORT = "disk"


def device_of(job: Job) -> str:
    """Return the device a job keeps busy: ``cpu``, ``cuda``, ``cuda:1``, ``mps``; ``disk`` for an export."""
    if job.kind == "export":
        return EXPORT
    if job.kind == "evaluate":
        return "cpu"
    device = str(job.parameters.get("device", "auto"))
    return automatic_device() if device == "auto" else device


def collide(one: str, other: str) -> bool:
    """Tell whether two devices are or may be the same; ``cuda`` may be any of the GPUs."""
    if one == other:
        return True
    numbered = ":" in one and ":" in other
    return not numbered and one.split(":")[0] == other.split(":")[0]


@functools.cache
def automatic_device() -> str:
    """Return what training takes for ``auto``, as far as it can be told without PyTorch."""
    if shutil.which("nvidia-smi"):
        return "cuda"
    return "mps" if (platform.system(), platform.machine()) == ("Darwin", "arm64") else "cpu"
