"""Radiographs read ahead, in the background, and kept while there is room."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fractureai.dataset import Dataset, RadiographRow
from fractureai.errors import FractureAIError
from fractureai.radiograph import Radiograph
from fractureai.scene.radiograph import exact_image
from FractureAILib.background import Background, Task

CACHE_BYTES = 400_000_000
"""Memory for radiographs that were read: about 13 of 2500 x 2000 pixels."""


@dataclass(frozen=True)
class Loaded:
    """A radiograph, and its voxels as the scene takes them (vtkImageData)."""

    radiograph: Radiograph
    image: Any

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""
        return self.radiograph.pixels.nbytes + 1024 * self.image.GetActualMemorySize()


class Loader:
    """Reads radiographs on other threads; the one that is waited for last is handed over, the others are kept."""

    def __init__(self, background: Background, room_bytes: int = CACHE_BYTES) -> None:
        self._background = background
        self._room_bytes = room_bytes
        self._kept: OrderedDict[str, Loaded] = OrderedDict()
        self._reading: dict[str, Task] = {}
        self._waiting: tuple[str, Callable[[Loaded], None], Callable[[FractureAIError], None]] | None = None
        self._dataset: Dataset | None = None

    def open(self, dataset: Dataset | None) -> None:
        """Read from this dataset from now on."""
        self._forget()
        self._dataset = dataset

    def kept(self, radiograph: str) -> Loaded | None:
        """Return a radiograph that was read already, or None."""
        return self._kept.get(radiograph)

    def get(
        self, row: RadiographRow, done: Callable[[Loaded], None], failed: Callable[[FractureAIError], None]
    ) -> None:
        """Hand over a radiograph: at once when it was read ahead, else when it is read.

        Whoever asked before and has no answer yet gets none.
        """
        self._waiting = None
        kept = self._kept.get(row.id)
        if kept is not None:
            self._kept.move_to_end(row.id)
            done(kept)
            return
        self._waiting = (row.id, done, failed)
        self._read(row)

    def prefetch(self, row: RadiographRow) -> None:
        """Read a radiograph ahead."""
        if row.id not in self._kept:
            self._read(row)

    def _read(self, row: RadiographRow) -> None:
        if row.id in self._reading:
            return
        dataset = self._dataset

        def ended() -> tuple | None:
            self._reading.pop(row.id, None)
            if self._waiting is None or self._waiting[0] != row.id:
                return None
            waiting, self._waiting = self._waiting, None
            return waiting

        def done(loaded: Loaded) -> None:
            waiting = ended()
            self._keep(row.id, loaded)
            if waiting is not None:
                waiting[1](loaded)

        def failed(error: FractureAIError) -> None:
            waiting = ended()
            if waiting is not None:
                waiting[2](error)

        self._reading[row.id] = self._background.run(lambda _task: _load(dataset, row), done, failed)

    def _keep(self, identifier: str, loaded: Loaded) -> None:
        self._kept[identifier] = loaded
        total = sum(one.nbytes for one in self._kept.values())
        while total > self._room_bytes and len(self._kept) > 1:
            _oldest, dropped = self._kept.popitem(last=False)
            total -= dropped.nbytes

    def _forget(self) -> None:
        for task in self._reading.values():
            task.cancel()
        self._reading, self._waiting = {}, None
        self._kept.clear()


def _load(dataset: Dataset, row: RadiographRow) -> Loaded:
    radiograph = dataset.read(row)
    return Loaded(radiograph, exact_image(radiograph.pixels))
