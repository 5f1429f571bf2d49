"""The radiographs of a request: uploaded, or named by their paths."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from fractureai.errors import FractureAIError
from fractureai.radiograph import list_studies, read_header
from fractureai.server.errors import ApiError
from fractureai.server.roots import Roots
from fractureai.server.settings import Limits

LEFTOVER_AGE_S = 3600.0
"""An upload older than this was left by a server that was killed."""

_BLOCK = 1 << 20
_NAMES_OTHER_FILES = (".mhd", ".nhdr")


class Sources:
    """The radiographs of a request.

    Args:
        shown: real path -> how the client knows the file.
        folder: of uploaded files; None when the client named files of its own.

    Attributes:
        paths: in the order given.
    """

    def __init__(self, shown: Mapping[Path, str], folder: Path | None = None) -> None:
        self._shown, self._folder = dict(shown), folder
        self.paths = list(shown)

    def show(self, path: Path) -> str:
        """Return how the client knows a file."""
        return self._shown.get(path, "A file")

    def clean(self, text: str) -> str:
        """Return a sentence in which files are called as the client knows them."""
        for path, shown in self._shown.items():
            text = text.replace(str(path), shown)
            if self._folder is not None:
                text = re.sub(rf"\b{re.escape(path.name)}\b", shown, text)
        return text

    def check(self, limits: Limits) -> None:
        """Refuse radiographs that claim more pixels than are taken on, before their pixels are read.

        Raises:
            ApiError: one is too large.
        """
        for path in self.paths:
            with contextlib.suppress(FractureAIError):  # what else is wrong with a file is said when it is read
                header = read_header(path)
                if header.rows * header.columns > limits.pixels:
                    size = f"{header.rows} x {header.columns} pixels"
                    detail = f"{self.show(path)} has {size}, more than this server takes."
                    raise ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, detail)

    def remove(self) -> None:
        """Remove uploaded files; files that the client named stay."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


async def uploaded_sources(uploads: Sequence[UploadFile], folder: Path) -> Sources:
    """Write uploaded files below ``folder`` under names of the server's own.

    Raises:
        ApiError: they can not be stored.
    """
    own = folder / secrets.token_hex(16)
    shown = {own / f"file_{number}": f"File {number}" for number in range(1, len(uploads) + 1)}
    sources = Sources(shown, own)
    try:
        own.mkdir(parents=True, mode=0o700)
        for upload, path in zip(uploads, shown, strict=True):
            await run_in_threadpool(save_upload, upload, path)
    except OSError as error:
        sources.remove()
        raise ApiError(HTTPStatus.INSUFFICIENT_STORAGE, "The server can not store these files.") from error
    except BaseException:
        sources.remove()
        raise
    return sources


def save_upload(upload: UploadFile, path: Path) -> None:
    """Write an uploaded file to a path where there is none."""
    upload.file.seek(0)
    with path.open("xb") as target:
        shutil.copyfileobj(upload.file, target, _BLOCK)


def named_sources(paths: Sequence[str], roots: Roots, limits: Limits) -> Sources:
    """Find the files that a client names; a folder stands for the radiographs of the only study in it.

    Raises:
        ApiError: a path may not be used, or a folder holds no study, several, or too many files.
    """
    shown: dict[Path, str] = {}
    for text in paths:
        path = roots.resolve(text)
        if path.is_dir():
            shown.update({file: str(Path(text) / file.relative_to(path)) for file in _study(path, roots, limits)})
        elif path.suffix.lower() in _NAMES_OTHER_FILES:
            detail = "A header that names another file is not read; give the image as one file, as .mha or DICOM."
            raise ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, detail)
        else:
            shown[path] = text
    if len(shown) > limits.files:
        detail = f"There are {len(shown)} files; at most {limits.files} are read as one study."
        raise ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, detail)
    return Sources(shown)


def remove_leftovers(folder: Path) -> None:
    """Remove uploads that a killed server left."""
    if not folder.is_dir():
        return
    for entry in os.scandir(folder):
        if time.time() - entry.stat(follow_symlinks=False).st_mtime > LEFTOVER_AGE_S:
            shutil.rmtree(entry.path, ignore_errors=True)


def _study(folder: Path, roots: Roots, limits: Limits) -> list[Path]:
    count = 0
    for parent, _, names in os.walk(folder):
        count += len(names)
        links = [path for name in names if (path := Path(parent) / name).is_symlink()]
        unsafe = any(Path(name).suffix.lower() in _NAMES_OTHER_FILES for name in names)
        if count > limits.folder_files or unsafe or not all(roots.holds(path) for path in links):
            detail = f"That folder can not be read as a study: it holds more than {limits.folder_files} files, or other"
            raise ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, f"{detail} files than radiographs; name its radiographs.")
    studies = list_studies(folder).studies
    if len(studies) != 1:
        detail = f"That folder holds {len(studies) or 'no'} studies; name the radiographs of one."
        raise ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, detail)
    return [header.path for header in studies[0].radiographs]
