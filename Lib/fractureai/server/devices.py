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
_QUERY = ("--query-gpu=name,memory.free,memory.total", "--format=csv,noheader,nounits")

_lock = threading.Lock()
_known: tuple[float, list[dict[str, Any]]] = (-_KEEP_S, [])


def can_train() -> bool:
    """Tell whether what training needs is installed."""
    return all(importlib.util.find_spec(name) is not None for name in ("torch", "monai", "onnx"))


def devices() -> list[dict[str, Any]]:
    """Return what a training could take, best first: name, kind, free and total bytes of memory."""
    global _known
    with _lock:
        if time.monotonic() - _known[0] > _KEEP_S:
            _known = (time.monotonic(), [*_graphics_cards(), _processor()])
        return list(_known[1])


def _processor() -> dict[str, Any]:
    memory = psutil.virtual_memory()
    return {"name": "CPU", "kind": "cpu", "free_bytes": memory.available, "total_bytes": memory.total}


def _graphics_cards() -> list[dict[str, Any]]:
    if platform.system() == "Darwin" and platform.machine() == "arm64" and can_train():
        return [{**_processor(), "name": "Apple GPU", "kind": "mps"}]
    program = shutil.which("nvidia-smi")
    if program is None or not _torch_knows_cuda():
        return []
    try:
        done = subprocess.run((program, *_QUERY), capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    cards = [line.rsplit(",", 2) for line in done.stdout.splitlines()]
    found = [
        {"name": name.strip(), "kind": "cuda", "free_bytes": int(free) << 20, "total_bytes": int(total) << 20}
        for name, free, total in (card for card in cards if len(card) == 3)
        if free.strip().isdigit() and total.strip().isdigit()
    ]
    return sorted(found, key=lambda card: -int(card["free_bytes"]))


def _torch_knows_cuda() -> bool:
    try:
        return not importlib.metadata.version("torch").endswith("+cpu")
    except importlib.metadata.PackageNotFoundError:
        return False
