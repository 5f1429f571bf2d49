"""Bundles for the tests."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import fractureai


def other_bundle(folder: Path) -> Path:
    """Return a copy of the demo bundle under another identifier."""
    source = Path(fractureai.__file__).parent / "bundles" / "demo"
    target = Path(shutil.copytree(source, folder / "other-bundle"))
    path = target / "configs" / "metadata.json"
    metadata = json.loads(path.read_text("utf-8"))
    metadata["fractureai"]["id"] = "wrist-other-1"
    metadata["fractureai"]["title"] = "Wrist, another one"
    path.write_text(json.dumps(metadata, indent=2), "utf-8")
    sums = target / "sha256.json"
    table = json.loads(sums.read_text("utf-8"))
    _set_sum(table, "configs/metadata.json", hashlib.sha256(path.read_bytes()).hexdigest())
    sums.write_text(json.dumps(table, indent=2), "utf-8")
    return target


def _set_sum(table: dict, name: str, digest: str) -> None:
    for key, value in table.items():
        if key == name:
            table[key] = digest
        elif isinstance(value, dict):
            _set_sum(value, name, digest)
