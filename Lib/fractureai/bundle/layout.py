"""Where things lie in a bundle, and the hashes that guard them."""

from __future__ import annotations

import hashlib
from pathlib import Path, PurePosixPath

HASHES = "sha256.json"
METADATA = "configs/metadata.json"
INFERENCE = "configs/inference.json"
CARD = "docs/README.md"
CARD_JSON = "docs/model_card.json"
LICENSE = "LICENSE"
RELIABILITY = "models/reliability.safetensors"
MODEL_SUFFIXES = (".onnx", ".safetensors")
PICKLES = (".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".ts", ".npy", ".npz", ".bin")
"""Formats that can carry code or pickled objects; never in a bundle."""

_LITTER = ("Thumbs.db", "desktop.ini")


def bundle_files(folder: Path) -> dict[str, Path]:
    """Return the files of a bundle by their relative path (forward slashes), without what desktops leave behind."""
    found = (path for path in folder.rglob("*") if path.is_file() or path.is_symlink())
    kept = (
        path
        for path in found
        if path.name not in _LITTER and not path.name.startswith("._") and path.name != ".DS_Store"
    )
    return {path.relative_to(folder).as_posix(): path for path in kept}


def sha256(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file's content."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def is_model_path(relative: str) -> bool:
    """Whether a relative path may hold a model: below ``models/``, of a format that can not carry code."""
    path = PurePosixPath(relative)
    parts = path.parts
    return "\\" not in relative and ".." not in parts and parts[:1] == ("models",) and path.suffix in MODEL_SUFFIXES
