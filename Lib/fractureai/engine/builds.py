"""Which build of PyTorch fits this computer: with CUDA where there is an NVIDIA GPU, else for the CPU.

PyPI has CPU builds for Windows and macOS, and CUDA builds for Linux; the others are on PyTorch's own index
(https://pytorch.org/get-started/locally). ``scripts/run.py`` chooses in the same way.
"""

from __future__ import annotations

import re
import shutil
import subprocess

from fractureai.engine.tree import NO_WINDOW

TORCH_INDEX = "https://download.pytorch.org/whl/"
CUDA_BUILDS = ("cu130", "cu129", "cu128", "cu126")
_PATIENCE_S = 30.0

CudaVersion = tuple[int, int]


def find_nvidia() -> CudaVersion | None:
    """Return the newest CUDA version that this computer's NVIDIA driver runs, or None without an NVIDIA GPU."""
    smi = shutil.which("nvidia-smi")
    if smi is None:
        return None
    try:
        listed, shown = (
            subprocess.run(
                command, capture_output=True, text=True, timeout=_PATIENCE_S, errors="replace", creationflags=NO_WINDOW
            )
            for command in ([smi, "-L"], [smi])
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if listed.returncode or "GPU 0" not in listed.stdout:
        return None
    return parse_driver_cuda(shown.stdout) or (12, 6)


def parse_driver_cuda(smi_output: str) -> CudaVersion | None:
    """Return the newest CUDA version that the driver runs, from what nvidia-smi prints."""
    match = re.search(r"CUDA[\w ]* Version:\s*(\d+)\.(\d+)", smi_output)
    return (int(match.group(1)), int(match.group(2))) if match else None


def candidates(version: str, platform: str, driver_cuda: CudaVersion | None) -> list[tuple[str, str]]:
    """Return what to look for, best first: (requirement, index besides pip's own or "").

    Args:
        version: of PyTorch.
        platform: as ``sys.platform``.
        driver_cuda: of `find_nvidia`.
    """
    plain = (f"torch=={version}", "")
    if platform.startswith("linux") and driver_cuda is None:
        return [(f"torch=={version}+cpu", ""), (f"torch=={version}+cpu", f"{TORCH_INDEX}cpu"), plain]
    if platform == "win32" and driver_cuda is not None:
        fitting = [name for name in CUDA_BUILDS if (int(name[2:4]), int(name[4:])) <= driver_cuda]
        return [(f"torch=={version}+{name}", f"{TORCH_INDEX}{name}") for name in fitting] + [plain]
    return [plain]
