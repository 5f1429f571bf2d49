"""Copy a bundle out of a folder or a ZIP file that nobody has checked yet."""

from __future__ import annotations

import os
import shutil
import stat
import struct
import zipfile
import zlib
from http import HTTPStatus
from pathlib import Path, PurePosixPath

from fractureai.server.errors import ApiError
from fractureai.server.settings import Limits

_BLOCK = 1 << 20
_END = b"PK\x05\x06"  # end of central directory record (APPNOTE.TXT 4.3.16): 22 bytes and a comment
_END_BYTES, _LONGEST_COMMENT = 22, 65535
_LITTER = ("__MACOSX/", ".DS_Store", "Thumbs.db", "desktop.ini")


def copy_folder(source: Path, target: Path, limits: Limits) -> None:
    """Copy the regular files of a folder.

    Raises:
        ApiError: it holds links or special files, or too much.
    """
    files, size = 0, 0
    for parent, folders, names in os.walk(source):
        for name in (*folders, *names):
            path = Path(parent) / name
            facts = path.lstat()
            if stat.S_ISDIR(facts.st_mode):
                (target / path.relative_to(source)).mkdir()
                continue
            if not stat.S_ISREG(facts.st_mode):
                raise _refused("it holds a link or a special file")
            files, size = files + 1, size + facts.st_size
            _check(files, size, limits)
            shutil.copyfile(path, target / path.relative_to(source), follow_symlinks=False)


def unpack_zip(source: Path, target: Path, limits: Limits) -> None:
    """Unpack a ZIP file.

    Raises:
        ApiError: it is none, is encrypted, holds links or names that lead out of it, or unpacks to too much.
    """
    _check_directory(source, limits)
    with zipfile.ZipFile(source) as archive:
        entries = [entry for entry in archive.infolist() if not _is_litter(entry.filename)]
        _check(len(entries), sum(entry.file_size for entry in entries), limits)
        left = limits.bundle_bytes
        for entry in entries:
            place = target / _safe(entry)
            if entry.is_dir():
                place.mkdir(parents=True, exist_ok=True)
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            left -= _unpack(archive, entry, place, left)


def _unpack(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, place: Path, left: int) -> int:
    """Write one file; believes what comes out, not what the entry says."""
    written = 0
    try:
        with archive.open(entry) as data, place.open("xb") as file:
            while block := data.read(_BLOCK):
                written += len(block)
                if written > min(left, entry.file_size):
                    raise _refused("it unpacks to more than it says")
                file.write(block)
    except FileExistsError as error:
        raise _refused("a file is in it twice") from error
    except (RuntimeError, NotImplementedError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise _refused("a file in it is damaged, encrypted or packed in an unusual way") from error
    return written


def _safe(entry: zipfile.ZipInfo) -> PurePosixPath:
    """Return the relative path of an entry.

    Raises:
        ApiError: it leads out of the folder, or is not one on every system, or the entry is a link.
    """
    name = entry.orig_filename
    path = PurePosixPath(name)
    odd = "\\" in name or ":" in name or "\0" in name or path.is_absolute() or ".." in path.parts or not path.parts
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if odd or kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise _refused("it holds a link, or a name that leads out of it")
    return path


def _check_directory(source: Path, limits: Limits) -> None:
    """Refuse a ZIP file whose directory alone would fill the memory.

    Raises:
        ApiError: it is no ZIP file, or has too many entries.
    """
    with source.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - _END_BYTES - _LONGEST_COMMENT))
        tail = file.read()
    place = tail.rfind(_END)
    if place < 0 or len(tail) - place < _END_BYTES:
        raise _refused("it is neither a folder nor a ZIP file")
    entries, size = struct.unpack_from("<HI", tail, place + 10)
    if entries > limits.bundle_files or size > limits.bundle_files * 1024:
        raise _refused("it holds too many files")


def _check(files: int, size: int, limits: Limits) -> None:
    if files > limits.bundle_files:
        raise _refused("it holds too many files")
    if size > limits.bundle_bytes:
        raise _refused(f"it is larger than {limits.bundle_bytes >> 20} MiB")


def _is_litter(name: str) -> bool:
    return name.startswith(_LITTER[0]) or PurePosixPath(name).name in _LITTER[1:]


def _refused(reason: str) -> ApiError:
    return ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, f"This bundle can not be used: {reason}.")
