"""Files that survive a crash: names from any text, atomic writes, one lock for the table."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
import sys
import threading
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from fractureai.errors import DatasetError

TEMPORARY_SUFFIX = ".tmp"
LEFTOVER_AGE_S = 3600.0
"""A temporary file older than this was left by a program that was killed."""

LONGEST_NAME = 200
"""Characters of a file name made by `encode_name`: leaves room for suffixes within the 255 bytes of file systems."""

Signature = tuple[int, int, int]
"""Time of change in nanoseconds, size and inode of a file."""

_CLOCK_TICK_NS = 100_000_000
_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")
_SIMPLE = re.compile(r"[A-Za-z0-9_-]([A-Za-z0-9._-]*[A-Za-z0-9_-])?")
_DEVICES = frozenset(["CON", "PRN", "AUX", "NUL", *(f"{name}{n}" for name in ("COM", "LPT") for n in range(1, 10))])
_NO_FOLDER_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EBADF)
_REPLACE_PATIENCE_S = 3.0


class LockUnsupportedError(DatasetError):
    """A file system on which nothing can be locked."""


def encode_name(text: str) -> str:
    """Return a file name for a text (an id, a rater): one path component, on every operating system.

    Letters, digits, ``.``, ``_`` and ``-`` stay; everything else becomes ``%XX`` of its UTF-8 bytes, as do a dot at
    either end and the first letter of a Windows device name. SOP Instance UIDs stay as they are; ``../x`` becomes
    ``%2E.%2Fx``.

    Raises:
        ValueError: the text is empty, holds control characters or half a surrogate pair, or its name would be too long.
    """
    if _is_plain(text):
        return text
    text = unicodedata.normalize("NFC", text)
    if not text or any(unicodedata.category(c) in ("Cc", "Cs") for c in text):
        raise ValueError("it is empty or holds control characters")
    data = text.encode("utf-8")
    last = len(data) - 1
    device = text.split(".")[0].upper() in _DEVICES
    name = "".join(
        chr(byte)
        if byte in _PLAIN and not (byte == 46 and i in (0, last)) and not (device and i == 0)
        else f"%{byte:02X}"
        for i, byte in enumerate(data)
    )
    if len(name) > LONGEST_NAME:
        raise ValueError(f"it is too long for a file name ({len(name)} characters, at most {LONGEST_NAME})")
    return name


def _is_plain(text: str) -> bool:
    """Tell whether a text is its own file name, as UIDs are."""
    return (
        _SIMPLE.fullmatch(text) is not None
        and len(text) <= LONGEST_NAME
        and text.split(".", 1)[0].upper() not in _DEVICES
    )


def decode_name(name: str) -> str:
    """Return the text of a file name made by `encode_name`.

    Raises:
        ValueError: the name was not made by `encode_name`.
    """
    if _is_plain(name):
        return name
    try:
        raw = name.encode("ascii")
        head, *parts = raw.split(b"%")
        data = head + b"".join(bytes.fromhex(part[:2].decode("ascii")) + part[2:] for part in parts)
        text = data.decode("utf-8")
    except ValueError as error:
        raise ValueError(f"{name} is not a name FractureAI writes") from error
    if encode_name(text) != name:
        raise ValueError(f"{name} is not a name FractureAI writes")
    return text


def is_name(name: str) -> bool:
    """Tell whether a file name was made by `encode_name`."""
    try:
        decode_name(name)
    except ValueError:
        return False
    return True


def absolute_path(path: str | Path) -> Path:
    """Return a path from the root, without ``..``; unlike ``resolve`` it leaves links and network drives alone."""
    return Path(os.path.abspath(path))  # noqa: PTH100


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits.

    Raises:
        DatasetError: the file can not be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise DatasetError(path, f"it can not be read ({error.strerror})", "check that it is there") from error
    return digest.hexdigest()


def write_atomically(path: Path, data: bytes, *, mode: int = 0o666, sync_folder: bool = True) -> None:
    """Write a file so that at every moment, also after a power cut, its old or its new content is there whole.

    Temporary file in the same folder, fsync, rename, fsync of the folder (where the operating system has it).

    Args:
        path: the file; its folder exists.
        data: the content.
        mode: permission bits before the umask.
        sync_folder: False when the caller writes many files and calls `sync_folder` himself once.

    Raises:
        DatasetError: the file could not be written (full disk, no permission); the old content is untouched.
    """
    temporary = path.parent / f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}{TEMPORARY_SUFFIX}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    try:
        try:
            with os.fdopen(os.open(temporary, flags, mode), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            replace_file(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        if sync_folder:
            sync_directory(path.parent)
    except OSError as error:
        advice = "check the free space and the permissions of the folder, then try again"
        raise DatasetError(path, f"it could not be written ({error.strerror})", advice) from error


def replace_file(source: Path, target: Path) -> None:
    """Rename a file over another; on Windows, wait a little while a reader has the other one open."""
    end = time.monotonic() + _REPLACE_PATIENCE_S
    while True:
        try:
            source.replace(target)
            return
        except PermissionError:
            if os.name != "nt" or time.monotonic() > end:
                raise
            time.sleep(0.02)


def sync_directory(folder: Path) -> None:
    """Make renames in a folder durable; does nothing on Windows and on file systems that have no such call."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        os.close(descriptor)


def signature_of(stat: os.stat_result) -> Signature:
    """Return what changes when a file is replaced."""
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


def is_settled(signature: Signature) -> bool:
    """Tell whether a file is old enough that another replacement would give it another time.

    Within one tick of the file system's clock a file may be replaced by one of the same size and (reused) inode.
    """
    return abs(time.time_ns() - signature[0]) > _CLOCK_TICK_NS


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files that programs left which were killed while writing."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") and entry.name.endswith(TEMPORARY_SUFFIX):
                remove_leftover(entry)


def remove_leftover(entry: os.DirEntry[str]) -> None:
    """Remove a temporary file unless it is so new that its writer may still be at work."""
    try:
        if time.time() - entry.stat().st_mtime > LEFTOVER_AGE_S:
            Path(entry.path).unlink()
    except (FileNotFoundError, PermissionError):
        return  # another program removed it, or it is not ours to remove


def set_aside(path: Path) -> Path:
    """Rename a file to the first free ``<name>.broken-N`` beside it and return the new path.

    Raises:
        OSError: the file can not be renamed.
    """
    number = 1
    while True:
        target = path.with_name(f"{path.name}.broken-{number}")
        try:
            os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
            break
        except FileExistsError:
            number += 1
    try:
        replace_file(path, target)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return target


_thread_locks: dict[str, threading.Lock] = {}
_thread_locks_guard = threading.Lock()


@contextlib.contextmanager
def thread_lock(path: Path) -> Iterator[None]:
    """Hold a lock among the threads of this process that is named by a path."""
    with _thread_locks_guard:
        lock = _thread_locks.setdefault(os.path.normcase(path.absolute()), threading.Lock())
    with lock:
        yield


@contextlib.contextmanager
def file_lock(path: Path, *, timeout_s: float = 60.0) -> Iterator[None]:
    """Hold a lock among all processes that use a folder, also over a network.

    An operating system lock on the first byte of a small file that stays behind empty: when its holder is killed the
    system frees it, so there are no stale locks.

    Raises:
        LockUnsupportedError: the file system can not lock.
        DatasetError: somebody else held it for ``timeout_s``.
    """
    with thread_lock(path):
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise DatasetError(path, f"it could not be opened ({error.strerror})", "check the permissions") from error
        try:
            _wait_for_lock(descriptor, path, timeout_s)
            try:
                yield
            finally:
                _unlock(descriptor)
        finally:
            os.close(descriptor)


def _wait_for_lock(descriptor: int, path: Path, timeout_s: float) -> None:
    end = time.monotonic() + timeout_s
    while True:
        try:
            _try_lock(descriptor)
            return
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
                advice = "keep the dataset on another drive while radiographs are added"
                raise LockUnsupportedError(
                    path, f"the file system can not lock it ({error.strerror})", advice
                ) from error
            if time.monotonic() > end:
                reason = f"another program has been writing here for {timeout_s:.0f} seconds"
                raise DatasetError(path, reason, "wait until it has finished") from error
        time.sleep(0.01)


if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int) -> None:
        os.lseek(descriptor, 0, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

    def _unlock(descriptor: int) -> None:
        os.lseek(descriptor, 0, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _try_lock(descriptor: int) -> None:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1)

    def _unlock(descriptor: int) -> None:
        fcntl.lockf(descriptor, fcntl.LOCK_UN, 1)
