"""A dataset to give away: one ZIP file, de-identified, with a manifest of hashes; it trains on another computer.

The archive holds a dataset folder (so unpacking it by hand is enough to use it) and ``manifest.json``. Radiographs,
studies and series get new UIDs by a keyed hash whose key stays in the dataset's folder: exporting again gives the same
ones, so marks that were made on the copy can be matched, and nobody without the key can go back.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from fractureai.dataset.annotation_files import warn_of
from fractureai.dataset.annotation_json import annotation_to_json
from fractureai.dataset.archive import zip_entry
from fractureai.dataset.deidentify import OLDEST_YEARS, Identity, deidentify
from fractureai.dataset.files import encode_name, file_lock, replace_file, sha256_of
from fractureai.dataset.layout import ANNOTATIONS, IMAGES, LOCK, SETTINGS, SPLITS, TABLE
from fractureai.dataset.pseudonyms import Pseudonymiser, load_pseudonymiser
from fractureai.dataset.splits import Split, splits_to_csv
from fractureai.dataset.table import RadiographRow, rows_to_csv
from fractureai.errors import DatasetError, FractureAIError

if TYPE_CHECKING:
    from fractureai.dataset.annotation import Annotation
    from fractureai.dataset.core import Dataset

MANIFEST = "manifest.json"
FORMAT = "FractureAI portable dataset"
FORMAT_VERSION = 1
_PSEUDONYM = re.compile(r"P-[0-9A-HJKMNP-TV-Z]{8}")
_MAX_FILE_BYTES = 1 << 30


@dataclass(frozen=True)
class PortableReport:
    """What was written.

    Attributes:
        path: the archive.
        radiographs, annotations: how many are in it.
        problems: radiographs that are not in it because they could not be de-identified, and what else to look at;
            one sentence each.
    """

    path: Path
    radiographs: int
    annotations: int
    problems: tuple[str, ...]


class ExportCancelledError(FractureAIError):
    """The export was stopped by the one who asked for it; nothing was written."""


def export_portable(
    dataset: Dataset,
    zip_path: str | Path,
    raters: Sequence[str] | None = None,
    *,
    comments: bool = False,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> PortableReport:
    """Write the radiographs and marks of a dataset, de-identified, into one ZIP file.

    Dates, descriptions and foreign columns are left out, ages are capped, patients keep their pseudonyms or get one.

    Args:
        dataset: the dataset.
        zip_path: the file to write; an existing one is replaced once the new one is whole.
        raters: whose marks, and only the radiographs that one of them marked; None for everything.
        comments: take the raters' comments along; they are free text, so they may name somebody.
        progress: is called with (radiographs done, radiographs in all).
        cancelled: asked before each radiograph.

    Raises:
        DatasetError: a rater has no marks, nothing is left to export, or the file can not be written.
        ExportCancelledError: ``cancelled`` said so.
    """
    target = Path(zip_path).absolute()
    unfinished = target.with_name(f".{target.name}.tmp")
    marks = _marks(dataset, raters)
    rows = [row for row in dataset.radiographs if raters is None or row.id in marks]
    if not rows:
        raise DatasetError(
            dataset.folder, "there is no radiograph to export", "add radiographs, or choose other raters"
        )
    with file_lock(dataset.folder / LOCK):
        names = _Names(load_pseudonymiser(dataset.folder)[0])
    try:
        with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            writer = _Writer(archive, dataset, names, comments)
            for done, row in enumerate(rows):
                if cancelled():
                    raise ExportCancelledError("The export was cancelled; nothing was written.")
                if progress is not None:
                    progress(done, len(rows))
                writer.add(row, marks.get(row.id, ()))
            if not writer.rows:
                raise DatasetError(dataset.folder, f"no radiograph can be exported: {writer.problems[0]}", "mend it")
            writer.finish(raters)
        replace_file(unfinished, target)
    except OSError as error:
        raise DatasetError(target, f"it could not be written ({error.strerror})", "check the free space") from error
    finally:
        unfinished.unlink(missing_ok=True)
    if progress is not None:
        progress(len(rows), len(rows))
    return PortableReport(target, len(writer.rows), writer.annotations, tuple(writer.problems))


def unpack_portable(zip_path: str | Path, folder: str | Path) -> Dataset:
    """Unpack an archive into a folder and compare every file with the manifest.

    A folder that holds the same archive already is only compared, so that a training can be started again.

    Raises:
        DatasetError: it is no such archive, or a file in it is missing, changed or not listed.
    """
    from fractureai.dataset.core import Dataset

    source, root = Path(zip_path), Path(folder)
    try:
        with zipfile.ZipFile(source) as archive:
            listed = _listed(source, archive)
            known = root / MANIFEST
            if known.is_file() and known.read_bytes() == archive.read(MANIFEST):
                return Dataset.open(root)
            if root.exists() and any(root.iterdir()):
                raise DatasetError(root, "the folder is not empty", "choose another, or empty it")
            for name, facts in listed.items():
                _unpack(source, archive, name, facts, root / name)
            (root / MANIFEST).write_bytes(archive.read(MANIFEST))
    except (OSError, zipfile.BadZipFile, KeyError, NotImplementedError, RuntimeError) as error:
        raise DatasetError(source, f"it can not be unpacked ({error})", "export or copy it again") from error
    return Dataset.open(root)


@dataclass(frozen=True)
class _Names:
    """New names for old ones, by the dataset's key."""

    pseudonymiser: Pseudonymiser

    def uid(self, old: str) -> str:
        digest = hmac.new(self.pseudonymiser.key, f"uid {old}".encode(), hashlib.sha256).digest()
        return f"2.25.{int.from_bytes(digest[:16], 'big')}"

    def patient(self, row: RadiographRow) -> str:
        if _PSEUDONYM.fullmatch(row.patient):
            return row.patient
        return self.pseudonymiser.pseudonym(f"patient {row.patient}" if row.patient else f"study {row.group}")


class _Writer:
    """Adds radiographs to an archive, and at the end what describes them."""

    def __init__(self, archive: zipfile.ZipFile, dataset: Dataset, names: _Names, comments: bool) -> None:
        self._archive = archive
        self._dataset = dataset
        self._names = names
        self._comments = comments
        self._files: dict[str, dict[str, Any]] = {}
        self._groups: dict[str, str] = {}
        self.rows: list[RadiographRow] = []
        self.annotations = 0
        self.problems: list[str] = []

    def add(self, row: RadiographRow, marks: Sequence[Annotation]) -> None:
        """Add a radiograph and its marks, or note why not."""
        names = self._names
        patient, study = names.patient(row), names.uid(row.study or row.id)
        identity = Identity(names.uid(row.id), study, patient, names.uid, row.age_years)
        try:
            if not row.file:
                raise DatasetError(self._dataset.folder / TABLE, f"radiograph {row.id} has no file", "")
            image = deidentify(self._dataset.image_path(row), identity)
        except FractureAIError as error:
            self.problems.append(str(error))
            return
        if image.burned_in:
            self.problems.append(
                f"{self._dataset.image_path(row)}: its header says that writing about the patient is burned into the "
                f"pixels; look at it before you give the archive away."
            )
        name = f"{IMAGES}/{encode_name(identity.radiograph)}{image.suffix}"
        new = replace(
            row,
            id=identity.radiograph,
            study=study,
            patient=patient,
            file=name,
            sha256=self._write(name, image.data),
            age_years=None if row.age_years is None else min(row.age_years, OLDEST_YEARS),
            date="",
            description="",
            extra={},
        )
        self.rows.append(new)
        self._groups[row.group] = new.group
        for mark in marks:
            self._add_mark(mark, new.id)

    def _add_mark(self, mark: Annotation, radiograph: str) -> None:
        comment = mark.comment if self._comments else ""
        clean = replace(mark, radiograph=radiograph, comment=comment, extra={})
        name = f"{ANNOTATIONS}/{encode_name(mark.rater)}/{encode_name(radiograph)}.json"
        self._write(name, annotation_to_json(clean))
        self.annotations += 1

    def finish(self, raters: Sequence[str] | None) -> None:
        """Write the tables and the manifest."""
        folder = self._dataset.folder
        for name in (SETTINGS, f"{self._dataset.site.name}.toml"):
            if (folder / name).is_file():
                self._write(name, (folder / name).read_bytes())
        self._write(TABLE, rows_to_csv(self.rows))
        splits: Mapping[str, Split] = self._dataset.splits
        kept = {self._groups[group]: split for group, split in splits.items() if group in self._groups}
        if kept:
            self._write(SPLITS, splits_to_csv(kept))
        manifest = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "dataset": self._dataset.name,
            "raters": None if raters is None else list(raters),
            "radiographs": len(self.rows),
            "annotations": self.annotations,
            "files": dict(sorted(self._files.items())),
        }
        self._archive.writestr(zip_entry(MANIFEST), json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")

    def _write(self, name: str, data: bytes) -> str:
        self._archive.writestr(zip_entry(name), data)
        sha256 = hashlib.sha256(data).hexdigest()
        self._files[name] = {"sha256": sha256, "bytes": len(data)}
        return sha256


def _marks(dataset: Dataset, raters: Sequence[str] | None) -> dict[str, list[Annotation]]:
    unknown = [rater for rater in raters or () if rater not in dataset.raters]
    if unknown:
        advice = f"raters are: {', '.join(dataset.raters) or 'none yet'}"
        raise DatasetError(dataset.folder, f"rater {unknown[0]} has no annotations", advice)
    marks: dict[str, list[Annotation]] = {}
    for rater in dataset.raters if raters is None else raters:
        for mark in dataset.annotations(rater, report=warn_of):
            marks.setdefault(mark.radiograph, []).append(mark)
    return marks


def _listed(source: Path, archive: zipfile.ZipFile) -> dict[str, dict[str, Any]]:
    """Return the manifest's files, after refusing what could write elsewhere or fill the disk."""
    try:
        manifest = json.loads(archive.read(MANIFEST))
        files: dict[str, dict[str, Any]] = manifest["files"]
        known = manifest["format"] == FORMAT and all({"sha256", "bytes"} <= set(facts) for facts in files.values())
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise DatasetError(source, "it holds no manifest of an exported dataset", "export it again") from error
    if not known or manifest["format_version"] != FORMAT_VERSION:
        raise DatasetError(source, "its manifest is of another format version", "update FractureAI")
    entries = [entry.filename for entry in archive.infolist()]
    if sorted(entries) != sorted([*files, MANIFEST]):
        raise DatasetError(source, "its files are not those of its manifest", "copy it again")
    for name in files:
        parts = PurePosixPath(name).parts
        if "\\" in name or ":" in name or name.startswith("/") or ".." in parts or not parts:
            raise DatasetError(source, f"it wants to write to {name}, outside its folder", "do not trust it")
        size = archive.getinfo(name).file_size
        if size != files[name]["bytes"] or size > _MAX_FILE_BYTES:
            raise DatasetError(source, f"{name} is not as large as its manifest says", "copy it again")
    return files


def _unpack(source: Path, archive: zipfile.ZipFile, name: str, facts: Mapping[str, Any], target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(name) as stream, target.open("wb") as out:
        while piece := stream.read(1 << 20):
            out.write(piece)
    if sha256_of(target) != facts["sha256"]:
        target.unlink()
        raise DatasetError(source, f"{name} was changed after the export (other SHA-256)", "copy it again")
