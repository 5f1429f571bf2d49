"""Add radiograph files to a dataset: headers, hashes, pseudonyms, duplicates, copies."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from fractureai.dataset.annotation_files import annotation_name
from fractureai.dataset.files import (
    absolute_path,
    encode_name,
    file_lock,
    remove_leftovers,
    sha256_of,
    write_atomically,
)
from fractureai.dataset.layout import IMAGES, LOCK, PSEUDONYM_KEY
from fractureai.dataset.pseudonyms import Pseudonymiser, load_pseudonymiser
from fractureai.dataset.table import STRATA, RadiographRow, id_key
from fractureai.errors import DatasetError, FractureAIError
from fractureai.radiograph.model import SIDES, UNKNOWN, VIEWS

if TYPE_CHECKING:
    from fractureai.dataset.core import Dataset
    from fractureai.radiograph import RadiographHeader

IMAGE_SUFFIXES = (".dcm", ".dicom", ".ima", ".png", ".jpg", ".jpeg", ".tif", ".tiff")
_BATCH = 500  # rows are written after each batch, so that a long import that is killed can be repeated cheaply
_WORKERS = 8


@dataclass(frozen=True)
class Skipped:
    """A file that was not added, and why (a clause without a full stop)."""

    path: Path
    reason: str


@dataclass(frozen=True)
class AddReport:
    """What became of the files.

    Attributes:
        added: the new rows.
        skipped: files that are in the dataset already, or are no images.
        problems: files that can not be read, and what else to look at.
    """

    added: tuple[RadiographRow, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    problems: tuple[FractureAIError, ...] = ()


@dataclass(frozen=True)
class _Given:
    """What the user says about files whose header does not."""

    view: str | None
    side: str | None
    spacing_mm: tuple[float, float] | None
    stratum: str
    description: str


@dataclass(frozen=True)
class _Candidate:
    path: Path
    header: RadiographHeader
    sha256: str


def add_files(
    dataset: Dataset,
    paths: Iterable[str | Path],
    *,
    copy: bool,
    view: str | None = None,
    side: str | None = None,
    spacing_mm: tuple[float, float] | None = None,
    stratum: str = "",
    description: str = "",
    progress: Callable[[int, int], None] | None = None,
) -> AddReport:
    """Add radiographs, by reference or as a copy in ``images/``.

    Patient identifiers are replaced by pseudonyms in radiographs.csv (keyed hash; the key lies in ``pseudonym.key`` and
    must stay private). The files themselves are **not** de-identified: a copy is the original DICOM file with all its
    header. De-identification is the work of the export that gives a dataset away.

    A file that is in the dataset already (same SOP Instance UID or same content) is skipped and reported, so adding a
    folder again adds what is new. A file that can not be read is reported, and the rest goes on.

    Args:
        dataset: the dataset.
        paths: files, and folders that are searched with all their subfolders.
        copy: True to copy into ``images/``; False to keep the files where they are.
        view, side: for files whose header does not say (one of ``VIEWS``, ``SIDES``).
        spacing_mm: (row, column) for files without spacing.
        stratum: ``general``, ``hard`` or "".
        description: free text for all rows.
        progress: is called with (files done, files in total).

    Raises:
        DatasetError: view, side or spacing make no sense, or the dataset can not be written.
    """
    _check_given(dataset, view, side, spacing_mm, stratum)
    given = _Given(view, side, spacing_mm, stratum, description)
    files, skipped, problems = _find(paths)
    (dataset.folder / IMAGES).mkdir(exist_ok=True)
    with file_lock(dataset.folder / LOCK):
        pseudonymiser, new_key = load_pseudonymiser(dataset.folder)
    if new_key and any(row.patient.startswith("P-") for row in dataset.radiographs):
        reason = (
            "it was missing and has been made anew: patients who are in the dataset already get other pseudonyms now"
        )
        problems.append(
            DatasetError(dataset.folder / PSEUDONYM_KEY, reason, "restore the old key before adding their images")
        )
    added: list[RadiographRow] = []
    with ThreadPoolExecutor(_WORKERS) as pool:
        for start in range(0, len(files), _BATCH):
            batch: list[_Candidate] = []
            for number, found in enumerate(pool.map(_examine, files[start : start + _BATCH]), start=start + 1):
                (batch if isinstance(found, _Candidate) else problems).append(found)  # type: ignore[arg-type]
                if progress is not None:
                    progress(number, len(files))
            added += _add_batch(dataset, batch, given, pseudonymiser, copy, skipped)
    if copy:
        remove_leftovers(dataset.folder / IMAGES)
    return AddReport(tuple(added), tuple(skipped), tuple(problems))


def _check_given(
    dataset: Dataset, view: str | None, side: str | None, spacing_mm: tuple[float, float] | None, stratum: str
) -> None:
    for value, allowed, name in ((view, VIEWS, "view"), (side, SIDES, "side"), (stratum, STRATA, "stratum")):
        if value is not None and value not in allowed:
            raise DatasetError(dataset.folder, f"{name} {value!r} is unknown", f"choose one of {', '.join(allowed)}")
    if spacing_mm is not None and not all(0 < value < 100 for value in spacing_mm):
        raise DatasetError(dataset.folder, f"spacing {spacing_mm} is not in millimetres", "give two positive numbers")


def _find(paths: Iterable[str | Path]) -> tuple[list[Path], list[Skipped], list[FractureAIError]]:
    """List the files, each once; named files always, files in folders when they may be images."""
    files: dict[Path, None] = {}
    skipped: list[Skipped] = []
    problems: list[FractureAIError] = []
    for given in paths:
        path = absolute_path(given)
        if path.is_dir():
            for file in _walk(path):
                if file.suffix.lower() in IMAGE_SUFFIXES or _may_be_dicom(file):
                    files[file] = None
                else:
                    skipped.append(Skipped(file, "it is not an image"))
        elif path.is_file():
            files[path] = None
        else:
            problems.append(DatasetError(path, "there is no such file", "check the name"))
    return list(files), skipped, problems


def _walk(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(root, name) for name in sorted(names) if not name.startswith("."))


def _may_be_dicom(file: Path) -> bool:
    """DICOM files often have no suffix, or a piece of a UID for one."""
    suffix = file.suffix[1:]
    return file.name.upper() != "DICOMDIR" and (not suffix or suffix.isdigit())


def _examine(path: Path) -> _Candidate | FractureAIError:
    from fractureai.radiograph import read_header

    try:
        header = read_header(path)
        annotation_name(header.sop_instance_uid, "radiograph", path)
        return _Candidate(path, header, sha256_of(path))
    except FractureAIError as error:
        return error


def _add_batch(
    dataset: Dataset,
    batch: Sequence[_Candidate],
    given: _Given,
    pseudonymiser: Pseudonymiser,
    copy: bool,
    skipped: list[Skipped],
) -> list[RadiographRow]:
    """Add what is new, copies first, so that no row is ever without its file."""
    new = _without_duplicates(batch, dataset.radiographs, skipped)
    rows = [
        (candidate, replace(_row(candidate, given, pseudonymiser), file=_place(dataset, candidate, copy)))
        for candidate in new
    ]
    added: list[RadiographRow] = []

    def appended(existing: tuple[RadiographRow, ...]) -> tuple[RadiographRow, ...]:
        still_new = set(map(id, _without_duplicates([candidate for candidate, _ in rows], existing, skipped)))
        added.extend(row for candidate, row in rows if id(candidate) in still_new)
        return (*existing, *added)

    if rows:
        dataset.rewrite_rows(appended)
    return added


def _without_duplicates(
    batch: Sequence[_Candidate], existing: Sequence[RadiographRow], skipped: list[Skipped]
) -> list[_Candidate]:
    ids = {id_key(row.id): row.sha256 for row in existing}
    hashes = {row.sha256: row.id for row in existing if row.sha256}
    new = []
    for candidate in batch:
        uid = candidate.header.sop_instance_uid
        if id_key(uid) in ids:
            same = ids[id_key(uid)] in ("", candidate.sha256)
            reason = (
                "it is in the dataset already" if same else "another image with its SOP Instance UID is there already"
            )
            skipped.append(Skipped(candidate.path, f"{reason} ({uid})"))
        elif candidate.sha256 in hashes:
            skipped.append(Skipped(candidate.path, f"it is in the dataset already ({hashes[candidate.sha256]})"))
        else:
            new.append(candidate)
            ids[id_key(uid)] = candidate.sha256
            hashes[candidate.sha256] = uid
    return new


def _row(candidate: _Candidate, given: _Given, pseudonymiser: Pseudonymiser) -> RadiographRow:
    header = candidate.header
    uid = header.sop_instance_uid
    study = header.study_instance_uid or uid
    patient_id = header.patient_id.strip()
    spacing = given.spacing_mm if header.spacing_mm is None else None
    return RadiographRow(
        id=uid,
        study=study,
        patient=pseudonymiser.pseudonym(f"patient {patient_id}" if patient_id else f"study {study}"),
        view=header.view if header.view != UNKNOWN else given.view or UNKNOWN,
        side=header.side if header.side != UNKNOWN else given.side or UNKNOWN,
        sha256=candidate.sha256,
        row_spacing_mm=spacing[0] if spacing else None,
        col_spacing_mm=spacing[1] if spacing else None,
        age_years=header.patient_age_years,
        sex=header.patient_sex,
        date=header.study_date,
        stratum=given.stratum,
        description=given.description,
    )


def _place(dataset: Dataset, candidate: _Candidate, copy: bool) -> str:
    """Return what to write into the column ``file``, after copying where that is wanted."""
    inside = candidate.path.is_relative_to(dataset.folder)
    if not copy or inside:
        return (candidate.path.relative_to(dataset.folder) if inside else candidate.path).as_posix()
    suffix = candidate.path.suffix.lower()
    suffix = suffix if suffix in IMAGE_SUFFIXES else ".dcm"
    target = dataset.folder / IMAGES / f"{encode_name(candidate.header.sop_instance_uid)}{suffix}"
    if target.exists() and sha256_of(target) != candidate.sha256:
        target = target.with_name(f"{target.stem}-{candidate.sha256[:16]}{suffix}")
    if not target.exists():
        try:
            data = candidate.path.read_bytes()
        except OSError as error:
            raise DatasetError(candidate.path, f"it can not be read ({error.strerror})", "check the drive") from error
        write_atomically(target, data)
    return target.relative_to(dataset.folder).as_posix()
