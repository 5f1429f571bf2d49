"""The datasets below a server's roots."""

from __future__ import annotations

import hashlib
import os
import threading
from collections import Counter
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

from fractureai.dataset import Dataset
from fractureai.dataset.files import signature_of
from fractureai.dataset.layout import ANNOTATIONS, IMAGES, SETTINGS
from fractureai.errors import FractureAIError
from fractureai.server.errors import ApiError
from fractureai.server.roots import Roots

_DEEPEST = 4
_MOST_FOLDERS = 20_000


class DatasetStore:
    """The datasets below a server's roots, by name.

    Args:
        roots: where they lie.
    """

    def __init__(self, roots: Roots) -> None:
        self._roots = roots
        self._open: dict[Path, tuple[object, Dataset]] = {}
        self._lock = threading.Lock()

    def all(self) -> dict[str, Dataset]:
        """Return every dataset that can be opened by its name: that of its folder, with a mark where two are alike."""
        folders = list(dict.fromkeys(folder for root in self._roots.folders for folder in _find(root)))
        alike = Counter(folder.name for folder in folders)
        found = {}
        for folder in folders:
            try:
                dataset = self._dataset(folder)
            except FractureAIError:
                continue
            mark = f"-{hashlib.sha256(str(folder).encode()).hexdigest()[:8]}" if alike[folder.name] > 1 else ""
            found[f"{folder.name}{mark}"] = dataset
        return found

    def get(self, name: str) -> Dataset:
        """Return a dataset.

        Raises:
            ApiError: there is none of this name.
        """
        dataset = self.all().get(name)
        if dataset is None:
            raise ApiError(HTTPStatus.NOT_FOUND, "There is no such dataset below the folders of this server.")
        return dataset

    def _dataset(self, folder: Path) -> Dataset:
        """Return a dataset; it is kept open, so that what it has parsed need not be parsed again."""
        try:
            stamp = signature_of((folder / SETTINGS).stat())
        except OSError:
            stamp = None
        with self._lock:
            known = self._open.get(folder)
            if known is None or known[0] != stamp:
                known = (stamp, Dataset.open(folder))
                self._open[folder] = known
        return known[1]


def _find(root: Path) -> Iterator[Path]:
    """Yield the folders of datasets at and below a root, without following links."""
    level, left = [root], _MOST_FOLDERS
    for _ in range(_DEEPEST + 1):
        following: list[Path] = []
        for folder in level:
            if (folder / SETTINGS).is_file():
                yield folder
                continue
            left -= 1
            if left > 0:
                following += _folders(folder)
        level = following


def _folders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            inner = [entry for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []
    skipped = (IMAGES, ANNOTATIONS)
    return sorted(Path(entry.path) for entry in inner if not entry.name.startswith(".") and entry.name not in skipped)
