"""Images written for other programs, and images found in their folders."""

from __future__ import annotations

import os
import posixpath
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fractureai.dataset.formats.textfiles import make_folder
from fractureai.errors import DatasetError
from fractureai.radiograph.model import Radiograph
from fractureai.radiograph.normalise import normalise

_WHITE_16 = 65535


def write_png8(path: Path, radiograph: Radiograph) -> int:
    """Write a whole radiograph as 8-bit grey PNG: clipped to its 5th and 99th percentile, bone bright.

    Returns:
        The size of the file in bytes.

    Raises:
        DatasetError: the file could not be written.
    """
    return write_png(path, grey8(normalise(radiograph.pixels)))


def write_png16(path: Path, radiograph: Radiograph) -> int:
    """Write a whole radiograph as 16-bit grey PNG, bone bright, without loss where its values are whole and fit.

    Values are shifted so that none is negative, and scaled only where they are fractions or span more than 16 bits.

    Returns:
        The size of the file in bytes.

    Raises:
        DatasetError: the file could not be written.
    """
    pixels = radiograph.pixels
    low, high = float(pixels.min()), float(pixels.max())
    shift = min(low, 0.0) if high <= _WHITE_16 else low
    whole = bool((pixels == np.rint(pixels)).all())
    scale = 1.0 if whole and high - shift <= _WHITE_16 else _WHITE_16 / ((high - low) or 1.0)
    offset = shift if scale == 1.0 else low
    return write_png(path, np.rint((pixels.astype(np.float64) - offset) * scale).astype(np.uint16))


def grey8(unit: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Return values 0..1 as 0..255, rounded."""
    return np.rint(np.asarray(unit) * 255).astype(np.uint8)


def write_png(path: Path, pixels: npt.NDArray[Any]) -> int:
    """Write (rows, columns) uint8 or uint16 as grey PNG, its folder too, and return the size in bytes.

    Raises:
        DatasetError: the file could not be written.
    """
    import SimpleITK as sitk  # noqa: N813  (slow to import: only where an image is written)

    make_folder(path.parent)
    try:
        sitk.WriteImage(sitk.GetImageFromArray(pixels), str(path), useCompression=True)
        return path.stat().st_size
    except (RuntimeError, OSError) as error:
        raise DatasetError(path, "the image could not be written", "check the free space and the folder") from error


def copy_file(source: Path, target: Path) -> None:
    """Copy an image as it is, making the folder.

    Raises:
        DatasetError: it could not be copied.
    """
    make_folder(target.parent)
    try:
        shutil.copyfile(source, target)
    except OSError as error:
        reason = f"the image could not be copied ({error.strerror})"
        raise DatasetError(target, reason, "check the free space and the folder") from error


@dataclass(frozen=True)
class FolderIndex:
    """The files below a folder by the end of their path, so that each of 20,000 names is found at once."""

    folder: Path
    by_name: dict[str, tuple[str, ...]]

    @classmethod
    def of(cls, folder: Path) -> FolderIndex:
        """List a folder with all its folders, hidden ones and links to folders excepted.

        Raises:
            DatasetError: there is no such folder.
        """
        if not folder.is_dir():
            raise DatasetError(folder, "there is no such folder", "say where the images are")
        by_name: dict[str, tuple[str, ...]] = {}
        for base, folders, names in os.walk(folder):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            relative = Path(base).relative_to(folder).as_posix()
            for name in sorted(names):
                path = posixpath.join(relative, name) if relative != "." else name
                by_name[name] = (*by_name.get(name, ()), path)
        return cls(folder, by_name)

    def find(self, name: str) -> Path | None:
        """Return the file whose path ends with as much of a (relative or foreign absolute) path as possible.

        ``PA/1.png`` finds ``set/PA/1.png`` rather than ``set/LAT/1.png``. Two files that fit equally well are as good
        as none: it is not guessed which is meant.
        """
        plain = name.replace("\\", "/").removeprefix("./").rstrip("/")
        wanted = plain.split("/")
        found = self.by_name.get(wanted[-1], ())
        if plain in found:
            return self.folder / plain
        scored = [(_common_tail(wanted, path.split("/")), path) for path in found]
        best = [path for score, path in scored if score == max(score for score, _ in scored)]
        return self.folder / best[0] if len(best) == 1 else None

    def find_any(self, names: Iterable[str]) -> Path | None:
        """Return the first of several names that is found."""
        return next((path for name in names if (path := self.find(name)) is not None), None)


def _common_tail(first: list[str], second: list[str]) -> int:
    count = 0
    for a, b in zip(reversed(first), reversed(second), strict=False):
        if a != b:
            break
        count += 1
    return count
