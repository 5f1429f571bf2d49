"""The readings that were made: kept for a while, whole or not at all."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import shutil
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any

import numpy as np

from fractureai.inference import Prediction, prediction_to_json
from fractureai.radiograph import Radiograph
from fractureai.server.drawing import draw_overlay
from fractureai.server.errors import ApiError
from fractureai.server.settings import Limits
from fractureai.server.sources import Sources

NAMES = re.compile(r"reading\.json|overlay\.png|[0-9]{1,3}\.npy")
"""What a reading's files are called."""

_ID = re.compile(r"[0-9a-f]{32}")
_UNFINISHED = ".unfinished-"
_OVERLAY = "overlay.png"
_DRAWING_S = 60.0
_LEFTOVER_AGE_S = 600.0


class ReadingStore:
    """The folder of readings.

    Args:
        folder: is made when missing.
        limits: how much is kept, for how long.
    """

    def __init__(self, folder: Path, limits: Limits) -> None:
        self._folder, self._limits = folder, limits
        self._drawer = ThreadPoolExecutor(1, thread_name_prefix="draw")
        self._drawings: dict[str, Future[None]] = {}
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._clean()

    def add(self, prediction: Prediction, radiographs: Mapping[str, Radiograph], sources: Sources) -> dict[str, Any]:
        """Keep a reading and return it as JSON values; its overlay is drawn afterwards, unless too many wait for that.

        Args:
            prediction: the reading.
            radiographs: SOP Instance UID -> radiograph, for the overlay.
            sources: how the client knows the files.
        """
        identifier = secrets.token_hex(16)
        document = {"id": identifier, **prediction_to_json(prediction)}
        document["problems"] = [sources.clean(text) for text in document["problems"]]
        for reason in document["reasons"]:
            reason["text"] = sources.clean(reason["text"])
        unfinished = self._folder / f"{_UNFINISHED}{identifier}"
        unfinished.mkdir(mode=0o700)
        for number, (view, found) in enumerate(zip(document["views"], prediction.views, strict=True), start=1):
            view["file"] = sources.show(found.file)
            view["activation_map"] = f"readings/{identifier}/{number}.npy"
            np.save(unfinished / f"{number}.npy", found.activation_map, allow_pickle=False)
        with self._lock:
            draws = bool(prediction.views) and len(self._drawings) < self._limits.drawings
            if draws:
                self._drawings[identifier] = Future()
        document["overlay"] = f"readings/{identifier}/{_OVERLAY}" if draws else None
        text = json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False)
        (unfinished / "reading.json").write_text(text + "\n", encoding="utf-8")
        with self._lock:
            unfinished.rename(self._folder / identifier)
            self._clean()
        if draws:
            self._drawer.submit(self._draw, identifier, prediction, radiographs)
        return document

    def file(self, identifier: str, name: str) -> Path:
        """Return a reading's file.

        Raises:
            ApiError: there is no such reading or file.
        """
        gone = ApiError(
            HTTPStatus.NOT_FOUND, "There is no such reading, or it is no longer kept; read the study again."
        )
        if not _ID.fullmatch(identifier) or not NAMES.fullmatch(name):
            raise gone
        path = self._folder / identifier / name
        if not path.is_file():
            raise gone
        return path

    async def drawn(self, identifier: str, name: str) -> None:
        """Wait until a file is there, if it is an overlay that is being drawn.

        Raises:
            ApiError: it takes too long.
        """
        drawing = self._drawings.get(identifier) if name == _OVERLAY else None
        if drawing is not None:
            done, _ = await asyncio.wait((asyncio.wrap_future(drawing),), timeout=_DRAWING_S)
            if not done:
                raise ApiError(HTTPStatus.SERVICE_UNAVAILABLE, "The overlay is still being drawn; try again.")

    def close(self) -> None:
        """Draw no more."""
        self._drawer.shutdown(wait=False, cancel_futures=True)

    def _draw(self, identifier: str, prediction: Prediction, radiographs: Mapping[str, Radiograph]) -> None:
        try:
            unfinished = self._folder / identifier / ".overlay.tmp"
            draw_overlay(unfinished, prediction, radiographs)
            unfinished.replace(unfinished.with_name(_OVERLAY))
        except FileNotFoundError:
            return  # the reading was removed in the meantime
        finally:
            self._drawings.pop(identifier).set_result(None)

    def _clean(self) -> None:
        """Remove what is too old, too many or too large, the oldest first, and what a killed server left.

        One caller at a time: a reading half removed is as young as its last removal, and one renamed is nowhere.
        """
        now = time.time()
        kept: list[tuple[float, Path]] = []
        for path in self._folder.iterdir():
            age = now - path.lstat().st_mtime
            if path.name.startswith(_UNFINISHED):
                if age > _LEFTOVER_AGE_S:
                    shutil.rmtree(path, ignore_errors=True)
            elif age > self._limits.readings_age_s:
                shutil.rmtree(path, ignore_errors=True)
            elif _ID.fullmatch(path.name):
                kept.append((age, path))
        total = 0
        for number, (_, path) in enumerate(sorted(kept), start=1):
            total += _size_bytes(path)
            if number > self._limits.readings or total > self._limits.readings_bytes:
                shutil.rmtree(path, ignore_errors=True)


def _size_bytes(folder: Path) -> int:
    total = 0
    for path in folder.iterdir():
        with suppress(FileNotFoundError):  # the overlay was given its name in the meantime
            total += path.stat().st_size
    return total
