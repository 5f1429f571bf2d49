"""A cache of resampled images: one file of uint16, filled once, continued after a kill, dropped when stale."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fractureai.errors import FractureAIError

CACHE_VERSION = 1

_MISSING, _THERE, _FAILED = 0, 1, 2
_LEVELS = 65535


Facts = tuple[float, float, float, float]
"""Rows and columns of the radiograph, row and column spacing in millimetres (NaN where there is none)."""


@dataclass(frozen=True)
class CacheItem:
    """One image of a cache.

    Attributes:
        id: SOP Instance UID.
        content: whatever the image is made of, as a hashable text: file hash, region of interest, ...
        make: returns the (size, size) float image with values in [0, 1], and `Facts`.
    """

    id: str
    content: str
    make: Callable[[], tuple[npt.NDArray[np.float32], Facts]]


@dataclass(frozen=True)
class Cache:
    """A filled cache.

    Attributes:
        ids: of the images that could be made, in order.
        images: (n, size, size) uint16, memory-mapped; 65535 is 1.0.
        facts: (n, 4) `Facts` of each image.
        problems: one error for each image that could not be made.
        key: hash of everything the images are made of.
    """

    ids: tuple[str, ...]
    images: npt.NDArray[np.uint16]
    facts: npt.NDArray[np.float64]
    problems: tuple[FractureAIError, ...]
    key: str

    def mean_and_std(self, sample: int = 500) -> tuple[float, float]:
        """Return mean and standard deviation of up to ``sample`` images, in units of 1.0."""
        step = max(len(self.images) // sample, 1)
        values = self.images[::step].astype(np.float64) / _LEVELS
        return float(values.mean()), float(values.std())


def fill_cache(
    folder: Path,
    name: str,
    items: Sequence[CacheItem],
    size: int,
    *,
    on_image: Callable[[int, int], None] | None = None,
    workers: int | None = None,
) -> Cache:
    """Return the cache of these images; make those that are not there yet.

    The key is a hash of all contents: when anything an image is made of changed (another file, another region), the
    whole file is made anew. An image is marked as there only after its pixels are written, so a kill costs at most the
    images being made.

    Args:
        folder: of the cache.
        name: of this cache; files are ``<name>.json``, ``.u16``, ``.f64`` and ``.state``.
        items: the images.
        size: side in pixels.
        on_image: called with (done, all).
        workers: threads; None for one a core.
    """
    folder.mkdir(parents=True, exist_ok=True)
    key = _key(items, size)
    state = _open(folder, name, key, len(items), size)
    pixels = np.memmap(folder / f"{name}.u16", np.uint16, "r+", shape=(len(items), size, size))
    facts = np.memmap(folder / f"{name}.f64", np.float64, "r+", shape=(len(items), 4))
    todo = [index for index in range(len(items)) if state[index] != _THERE]
    problems: dict[int, FractureAIError] = {}

    def fill(index: int) -> None:
        try:
            image, facts[index] = items[index].make()
        except FractureAIError as error:
            problems[index] = error
            state[index] = _FAILED
            return
        pixels[index] = np.rint(np.clip(image, 0, 1) * _LEVELS).astype(np.uint16)
        state[index] = _THERE

    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        for done, _ in enumerate(pool.map(fill, todo), start=1):
            if on_image is not None:
                on_image(len(items) - len(todo) + done, len(items))
    for array in (pixels, facts, state):
        array.flush()
    there = np.flatnonzero(np.asarray(state) == _THERE).tolist()
    images = pixels if len(there) == len(items) else pixels[there]
    ids = tuple(items[i].id for i in there)
    return Cache(ids, images, np.asarray(facts)[there], tuple(problems[i] for i in sorted(problems)), key)


def _key(items: Sequence[CacheItem], size: int) -> str:
    digest = hashlib.sha256(f"{CACHE_VERSION} {size}".encode())
    for item in items:
        digest.update(f"\n{item.id} {item.content}".encode())
    return digest.hexdigest()


def _open(folder: Path, name: str, key: str, count: int, size: int) -> np.memmap[Any, np.dtype[np.uint8]]:
    """Return the state of each image; make the files, all images missing, where they are absent or stale."""
    head = folder / f"{name}.json"
    lengths = {".state": count, ".u16": count * size * size * 2, ".f64": count * 4 * 8}
    files = {folder / f"{name}{suffix}": length for suffix, length in lengths.items()}
    there = head.is_file() and all(path.is_file() and path.stat().st_size == length for path, length in files.items())
    if not there or json.loads(head.read_text(encoding="utf-8")) != {"key": key}:
        head.unlink(missing_ok=True)
        for path, length in files.items():
            with path.open("wb") as file:
                file.truncate(length)
        head.write_text(json.dumps({"key": key}), encoding="utf-8")
    return np.memmap(folder / f"{name}.state", np.uint8, "r+", shape=(count,))
