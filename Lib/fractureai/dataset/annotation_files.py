"""annotations/<rater>/<id>.json: one file for each rater and radiograph, so that raters never wait for each other."""

from __future__ import annotations

import contextlib
import os
import unicodedata
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path

from fractureai.dataset.annotation import Annotation
from fractureai.dataset.annotation_json import NewerFormatError, annotation_from_json, annotation_to_json
from fractureai.dataset.files import (
    TEMPORARY_SUFFIX,
    LockUnsupportedError,
    Signature,
    decode_name,
    encode_name,
    file_lock,
    is_name,
    is_settled,
    remove_leftover,
    set_aside,
    signature_of,
    sync_directory,
    thread_lock,
    write_atomically,
)
from fractureai.dataset.layout import LOCK
from fractureai.errors import DatasetError, StaleAnnotationError

Reporter = Callable[[DatasetError], None]

_LOCK_PATIENCE_S = 10.0


class BrokenAnnotationWarning(UserWarning):
    """An annotation file that could not be read and was set aside."""


def warn_of(error: DatasetError) -> None:
    """Report a broken annotation file as a Python warning; the default of every function that reads many."""
    warnings.warn(str(error), BrokenAnnotationWarning, stacklevel=3)


def annotation_name(identifier: str, what: str, folder: Path) -> str:
    """Return the file name for a radiograph's id or a rater's name.

    Raises:
        DatasetError: no file name can be made of it.
    """
    try:
        if identifier != identifier.strip():
            raise ValueError("it begins or ends with a space")
        return encode_name(identifier)
    except ValueError as error:
        raise DatasetError(folder, f"{what} {identifier!r} can not be used: {error}", "choose another") from error


@dataclass(frozen=True)
class AnnotationFiles:
    """The annotation files of a dataset.

    Attributes:
        folder: ``<dataset>/annotations``; may not exist yet.
        label_set: the labels that may be saved.
    """

    folder: Path
    label_set: tuple[str, ...]
    _parsed: dict[Path, tuple[Signature, Annotation]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def path(self, radiograph: str, rater: str) -> Path:
        """Return where a rater's annotation of a radiograph is or would be.

        Raises:
            DatasetError: no file name can be made of one of the names.
        """
        rater_name = annotation_name(rater, "rater", self.folder)
        return self.folder / rater_name / f"{annotation_name(radiograph, 'radiograph', self.folder)}.json"

    def raters(self) -> tuple[str, ...]:
        """Return the names of all who have a folder, sorted; folders of other programs are no raters."""
        names = [name for name, _ in self._scan(self.folder, folders=True)]
        return tuple(sorted(decode_name(name) for name in names if is_name(name)))

    def foreign_folders(self) -> tuple[Path, ...]:
        """Return the folders whose names FractureAI does not write, as those that some network drives make."""
        return tuple(self.folder / name for name, _ in self._scan(self.folder, folders=True) if not is_name(name))

    def load(self, radiograph: str, rater: str) -> Annotation | None:
        """Read one annotation; None when there is none.

        Raises:
            DatasetError: the file is broken; it was set aside under the name that the message gives. Or it can not be
                read, or was written by a newer version; then it stays.
        """
        return self._load(self.path(radiograph, rater), radiograph, rater)

    def load_all(self, rater: str, report: Reporter) -> Iterator[Annotation]:
        """Read all annotations of one rater by file name; broken files are reported and set aside."""
        folder = self.folder / annotation_name(rater, "rater", self.folder)
        for name, signature in self._scan(folder):
            path = folder / name
            cached = self._parsed.get(path)
            if cached is not None and cached[0] == signature:
                yield cached[1]
                continue
            try:
                annotation = self._load(path, _decoded(name[: -len(".json")], path), rater)
            except DatasetError as error:
                report(error)
                continue
            if annotation is not None:
                if is_settled(signature):
                    self._parsed[path] = (signature, annotation)
                yield annotation

    def save(self, annotation: Annotation, expected_revision: int | None) -> Annotation:
        """Save an annotation as the next revision; see `Dataset.save`."""
        path = self._prepare(annotation)
        with _only_writer(path, across_processes=expected_revision is not None), thread_lock(path):
            return self._write(path, annotation, expected_revision, _now(), sync=True)

    def save_all(self, annotations: Iterable[Annotation], updated: str) -> int:
        """Save many annotations, each atomically, syncing each folder once; see `Dataset.save_all`."""
        folders: set[Path] = set()
        count = 0
        for annotation in annotations:
            path = self._prepare(annotation)
            with thread_lock(path):
                self._write(path, annotation, None, updated or _now(), sync=False)
            folders.add(path.parent)
            count += 1
        for folder in folders:
            sync_directory(folder)
        return count

    def _prepare(self, annotation: Annotation) -> Path:
        path = self.path(annotation.radiograph, annotation.rater)
        if annotation.label is not None and annotation.label not in self.label_set:
            reason = f"label {annotation.label!r} is not one of {', '.join(self.label_set)}"
            raise DatasetError(path, reason, "use one of them or extend label_set in dataset.toml")
        if not path.parent.is_dir():
            self.folder.mkdir(parents=True, exist_ok=True)
            path.parent.mkdir(exist_ok=True)
            sync_directory(self.folder)
        name = path.parent.name
        twins = [n for n, _ in self._scan(self.folder, folders=True) if n != name and n.casefold() == name.casefold()]
        if twins:
            reason = f"raters {decode_name(twins[0])} and {annotation.rater} differ in upper and lower case only"
            raise DatasetError(path.parent, reason, "use one spelling")
        return path

    def _write(
        self, path: Path, annotation: Annotation, expected: int | None, updated: str, *, sync: bool
    ) -> Annotation:
        try:
            current = self._load(path, annotation.radiograph, annotation.rater)
        except NewerFormatError:
            raise
        except DatasetError as error:
            if path.exists():
                raise
            warn_of(error)  # set aside: the new marks take its place
            current = None
        revision = current.revision if current else 0
        if expected is not None and expected != revision:
            reason = f"it is at revision {revision}, not {expected}: somebody saved it in the meantime"
            raise StaleAnnotationError(path, reason, "read it again and repeat the change")
        rater = unicodedata.normalize("NFC", annotation.rater)
        saved = replace(annotation, rater=rater, revision=revision + 1, updated=updated)
        try:
            data = annotation_to_json(saved)
        except (ValueError, TypeError) as error:
            raise DatasetError(path, f"these marks can not be saved: {error}", "correct them") from error
        write_atomically(path, data, sync_folder=sync)
        return saved

    def _load(self, path: Path, radiograph: str, rater: str) -> Annotation | None:
        try:
            return _read(path, radiograph, rater)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DatasetError(
                path, f"it can not be read ({error.strerror})", "check the drive and permissions"
            ) from error
        except NewerFormatError:
            raise
        except DatasetError as error:
            return _set_aside(path, radiograph, rater, error)

    def _scan(self, folder: Path, *, folders: bool = False) -> list[tuple[str, Signature]]:
        """Return (name, signature) of the annotation files or rater folders, sorted; remove what a crash left."""
        found = []
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if folders and entry.is_dir() and not entry.name.startswith("."):
                        found.append((entry.name, (0, 0, 0)))
                    elif not folders and entry.name.endswith(".json") and not entry.name.startswith("."):
                        found.append((entry.name, signature_of(entry.stat())))
                    elif entry.name.endswith(TEMPORARY_SUFFIX):
                        remove_leftover(entry)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise DatasetError(folder, f"it can not be listed ({error.strerror})", "check the drive") from error
        return sorted(found)


@contextlib.contextmanager
def _only_writer(path: Path, *, across_processes: bool) -> Iterator[None]:
    """Keep other processes of the same rater from writing between a look at the revision and the write.

    On a file system that can not lock, only threads wait for each other: marks must be saved there too.
    """
    with contextlib.ExitStack() as stack:
        if across_processes:
            with contextlib.suppress(LockUnsupportedError):
                stack.enter_context(file_lock(path.parent / LOCK, timeout_s=_LOCK_PATIENCE_S))
        yield


def _read(path: Path, radiograph: str, rater: str) -> Annotation:
    annotation = annotation_from_json(path.read_bytes(), path)
    for what, found, wanted in (("rater", annotation.rater, rater), ("radiograph", annotation.radiograph, radiograph)):
        if found != wanted and unicodedata.normalize("NFC", found) != unicodedata.normalize("NFC", wanted):
            raise DatasetError(path, f"it is of {what} {found!r}, not {wanted!r}", "move it where it belongs")
    return annotation


def _set_aside(path: Path, radiograph: str, rater: str, error: DatasetError) -> Annotation | None:
    """Set a broken file aside and raise; give back an annotation that took its place in the meantime."""
    try:
        aside = set_aside(path)
    except FileNotFoundError:
        return None
    except OSError as failure:
        advice = f"it could not be set aside ({failure.strerror}); {error.advice}"
        raise DatasetError(path, error.reason, advice) from error
    try:
        annotation = _read(aside, radiograph, rater)
    except (DatasetError, OSError):
        raise DatasetError(path, f"{error.reason}; it was set aside as {aside.name}", error.advice) from error
    if path.exists():
        aside.unlink()
    else:
        aside.rename(path)
    return annotation


def _decoded(name: str, path: Path) -> str:
    try:
        return decode_name(name)
    except ValueError as error:
        raise DatasetError(path, f"{error}", "rename or remove it") from error


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")
