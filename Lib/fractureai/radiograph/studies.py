"""The studies in a folder or on a DICOM disk, read from the headers only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path, PurePosixPath
from typing import Any

from fractureai.errors import NotAnImageError, RadiographError
from fractureai.radiograph.model import UNKNOWN, VIEWS, RadiographHeader
from fractureai.radiograph.read import read_header

Progress = Callable[[int, int], None]

_DICOM_SUFFIXES = (".dcm", ".dicom", ".dic", ".ima")
_IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".mha", ".mhd", ".nrrd", ".nhdr", ".nii", ".gz")
_FRONTAL = ("PA", "AP")


@dataclass(frozen=True)
class Study:
    """The radiographs of one wrist in one study.

    Attributes:
        key: identifies the study in its listing: the Study Instance UID, with the side where the study has several; of
            an image file without header its name without suffix.
        study_instance_uid, patient_id, study_date: as in the headers; "" when missing. Never log the patient.
        side: ``L``, ``R``, ``B`` or ``unknown``.
        radiographs: frontal views first, then lateral, then others; within a view by file name.
    """

    key: str
    study_instance_uid: str
    patient_id: str = field(repr=False)
    study_date: str
    side: str
    radiographs: tuple[RadiographHeader, ...]

    def of_view(self, *views: str) -> tuple[RadiographHeader, ...]:
        """Return the radiographs of these views, in order."""
        return tuple(item for item in self.radiographs if item.view in views)

    @property
    def pairs(self) -> tuple[tuple[RadiographHeader, RadiographHeader], ...]:
        """Each frontal view (PA or AP) with a lateral one, the first with the first and so on; the rest is left out."""
        return tuple(zip(self.of_view(*_FRONTAL), self.of_view("LAT"), strict=False))


@dataclass(frozen=True)
class StudyListing:
    """What a folder holds.

    Attributes:
        studies: by date, then key.
        problems: files that should be radiographs but can not be read, in the order met.
    """

    studies: tuple[Study, ...]
    problems: tuple[RadiographError, ...]


def list_studies(folder_or_dicomdir: str | PathLike[str], *, progress: Progress | None = None) -> StudyListing:
    """List the radiographs below a folder, or those a DICOMDIR names, grouped by study and side.

    A radiograph of unknown side belongs to the only side its study knows; where it knows both, or none, to a study of
    unknown side. PNG, JPEG, TIFF and other image files are studies of one image. Files that are no images at all
    (texts, tables, reports, DICOMDIR itself) and hidden files are passed over.

    Args:
        folder_or_dicomdir: searched with all its subfolders, whatever the files are called; or a file DICOMDIR.
        progress: called with the number of files done and the number of all.

    Raises:
        RadiographError: there is no such folder, or the DICOMDIR is damaged.
    """
    root = Path(folder_or_dicomdir)
    problems: list[RadiographError] = []
    if root.is_dir():
        files = sorted(path for path in root.rglob("*") if path.is_file() and not _is_hidden(path.relative_to(root)))
    elif root.is_file():
        files = list(_referenced_files(root, problems))
    else:
        raise RadiographError(root, "there is no such folder", "check its name")
    headers = []
    for done, path in enumerate(files, start=1):
        header = _read(path, problems)
        if header is not None:
            headers.append(header)
        if progress is not None:
            progress(done, len(files))
    return StudyListing(tuple(_group(headers, root if root.is_dir() else root.parent)), tuple(problems))


def _read(path: Path, problems: list[RadiographError]) -> RadiographHeader | None:
    """Read a header; a file that should have one but has not goes to the problems."""
    if path.name.upper() == "DICOMDIR":
        return None
    try:
        return read_header(path)
    except NotAnImageError:
        return None
    except RadiographError as error:
        if _should_be_image(path):
            problems.append(error)
        return None


def _should_be_image(path: Path) -> bool:
    """Whether an unreadable file is likely to be a damaged radiograph rather than something else."""
    from fractureai.radiograph.dicomfile import looks_like_dicom

    suffix = path.suffix.lower()
    if suffix in _DICOM_SUFFIXES or suffix in _IMAGE_SUFFIXES:
        return True
    try:
        with path.open("rb") as stream:
            head = stream.read(256)
    except OSError:
        return True
    return looks_like_dicom(head) or (not head and not suffix)


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _referenced_files(dicomdir: Path, problems: list[RadiographError]) -> Iterator[Path]:
    """Yield the image files that a DICOMDIR (PS3.3 F) names and that exist; never one outside its folder."""
    from fractureai.radiograph.dicomfile import open_dicom, value

    with open_dicom(dicomdir) as file:
        records = value(file.header, "DirectoryRecordSequence")
        if records is None:
            raise RadiographError(dicomdir, "it is not a DICOMDIR", "give the folder, or its file DICOMDIR")
        for record in records:
            if str(value(record, "DirectoryRecordType")) != "IMAGE":
                continue
            path = _resolve(dicomdir.parent, value(record, "ReferencedFileID"))
            if path is None:
                problems.append(RadiographError(dicomdir, "it names an image that is not there", "copy the whole disk"))
            else:
                yield path


def _resolve(folder: Path, file_id: Any) -> Path | None:
    """Find a file by its File ID components, in any letter case, below a folder."""
    parts = [file_id] if isinstance(file_id, str) else [str(part) for part in file_id or ()]
    found = folder
    for part in parts:
        if part in ("", ".", "..") or PurePosixPath(part).name != part or "\\" in part or ":" in part:
            return None
        exact = found / part
        if not exact.exists() and found.is_dir():
            exact = next((item for item in found.iterdir() if item.name.casefold() == part.casefold()), exact)
        found = exact
    return found if parts and found.is_file() else None


def _group(headers: Iterable[RadiographHeader], root: Path) -> list[Study]:
    groups: dict[tuple[str, str, str], list[RadiographHeader]] = defaultdict(list)
    stems: dict[str, int] = defaultdict(int)
    headers = list(headers)
    for header in headers:
        stems[_stem(header.path)] += not header.study_instance_uid
    for header in headers:
        if header.study_instance_uid:
            key = header.study_instance_uid
        elif stems[_stem(header.path)] == 1:
            key = _stem(header.path)
        else:  # the same name in several folders
            key = header.path.relative_to(root).with_name(_stem(header.path)).as_posix()
        groups[(key, header.study_instance_uid, header.patient_id)].append(header)
    studies = [study for group, members in groups.items() for study in _by_side(*group, members)]
    return sorted(studies, key=lambda study: (study.study_date, study.key))


def _stem(path: Path) -> str:
    return path.name[: -len("".join(path.suffixes[-2:]))] if path.name.lower().endswith(".nii.gz") else path.stem


def _by_side(key: str, uid: str, patient_id: str, members: list[RadiographHeader]) -> Iterator[Study]:
    """Split a study by side."""
    known = {header.side for header in members} - {UNKNOWN}
    only = known.pop() if len(known) == 1 else None
    sides: dict[str, list[RadiographHeader]] = defaultdict(list)
    for header in members:
        sides[only or header.side].append(header)
    for side, radiographs in sides.items():
        ordered = tuple(sorted(radiographs, key=lambda header: (VIEWS.index(header.view), str(header.path))))
        date = next((header.study_date for header in ordered if header.study_date), "")
        yield Study(key if len(sides) == 1 else f"{key}:{side}", uid, patient_id, date, side, ordered)
