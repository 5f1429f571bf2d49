"""What this computer computes with, found without loading torch."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import shutil
import subprocess
import threading
import time
from typing import Any

import psutil

_KEEP_S = 5.0
_QUERY = ("--query-gpu=index,name,memory.free,memory.total", "--format=csv,noheader,nounits")

_lock = threading.Lock()
_known: tuple[float, list[dict[str, Any]]] = (-_KEEP_S, [])


def can_train() -> bool:
    """Tell whether what training needs is installed."""
    return all(importlib.util.find_spec(name) is not None for name in ("torch", "monai", "onnx"))


def devices() -> list[dict[str, Any]]:
    """Return what a training could take, best first: id, name, kind, free and total bytes of memory.

    The id is what `fractureai train --device` takes; cards are counted as by nvidia-smi (CUDA_DEVICE_ORDER=PCI_BUS_ID).
    """
    global _known
    with _lock:
        if time.monotonic() - _known[0] > _KEEP_S:
            _known = (time.monotonic(), [*_graphics_cards(), _processor()])
        return list(_known[1])


def _processor() -> dict[str, Any]:
    memory = psutil.virtual_memory()
    return {"id": "cpu", "name": "CPU", "kind": "cpu", "free_bytes": memory.available, "total_bytes": memory.total}


def _graphics_cards() -> list[dict[str, Any]]:
    if platform.system() == "Darwin" and platform.machine() == "arm64" and can_train():
        return [{**_processor(), "id": "mps", "name": "Apple GPU", "kind": "mps"}]
    program = shutil.which("nvidia-smi")
    if program is None or not _torch_knows_cuda():
        return []
    try:
        done = subprocess.run((program, *_QUERY), capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    found = [card for line in done.stdout.splitlines() if (card := parse_card(line)) is not None]
    return sorted(found, key=lambda card: -int(card["free_bytes"]))


def parse_card(line: str) -> dict[str, Any] | None:
    """Return the card of a line that nvidia-smi prints (index, name, free and total MiB); None for another line."""
    index, _, rest = line.partition(",")
    name, *memory = (part.strip() for part in rest.rsplit(",", 2))
    if not (index.strip().isdigit() and len(memory) == 2 and all(part.isdigit() for part in memory)):
        return None
    free, total = (int(part) << 20 for part in memory)
    return {"id": f"cuda:{index.strip()}", "name": name, "kind": "cuda", "free_bytes": free, "total_bytes": total}


def _torch_knows_cuda() -> bool:
    try:
        return not importlib.metadata.version("torch").endswith("+cpu")
    except importlib.metadata.PackageNotFoundError:
        return False
