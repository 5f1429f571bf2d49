"""Where the study to be read comes from: files, folders, the dataset, or what is in the scene already."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from fractureai.dataset import Dataset, RadiographRow
from fractureai.errors import FractureAIError, RadiographError
from fractureai.radiograph import UNKNOWN, Radiograph, RadiographHeader, list_studies, read_header, read_radiograph
from fractureai.scene.radiograph import UID
from FractureAILib.background import Task

MOST_RADIOGRAPHS = 6
"""Radiographs of one case that are loaded; no model reads more views."""

FRONTAL = ("PA", "AP")
SIDES = {"L": "left", "R": "right", "B": "both sides"}


@dataclass(frozen=True)
class Case:
    """The radiographs of one body side in one study, not read yet.

    Attributes:
        study: Study Instance UID; of files without one, a name.
        title: for people, without the patient's name or number.
        headers: of its radiographs: frontal views first, then lateral, then others; empty for a study that came with
            a saved scene and whose files are not known here.
        rows: their rows in the open dataset, by SOP Instance UID; empty for files from elsewhere.
        radiographs: their SOP Instance UIDs, in the same order.
    """

    study: str
    title: str
    headers: tuple[RadiographHeader, ...]
    rows: Mapping[str, RadiographRow] = field(default_factory=dict)
    radiographs: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of its radiographs."""
        return tuple(header.path for header in self.headers)

    @property
    def given_view(self) -> str | None:
        """What the dataset says of the view of an only radiograph whose file does not say it; else None."""
        return self._given("view", UNKNOWN) if len(self.headers) == 1 else None

    @property
    def given_side(self) -> str | None:
        """What the dataset says of the side when no file says it; else None."""
        return self._given("side", UNKNOWN)

    @property
    def given_spacing_mm(self) -> float | None:
        """The dataset's spacing for an only radiograph whose file has none and whose pixels are square; else None."""
        given = self._given("spacing_mm", None) if len(self.headers) == 1 else None
        return float(given[0]) if given and given[0] == given[1] else None

    def _given(self, name: str, unknown: Any) -> Any:
        if any(getattr(header, name) != unknown for header in self.headers):
            return None
        said = {getattr(row, name) for row in self.rows.values()} - {"", unknown}
        return said.pop() if len(said) == 1 else None


def cases_of_files(paths: Sequence[str], task: Task | None = None) -> tuple[Case, ...]:
    """Group files and folders, or a DICOMDIR, into cases; for a thread beside the viewer.

    Raises:
        FractureAIError: nothing among them can be read as a radiograph.
    """
    headers: list[RadiographHeader] = []
    problems: list[FractureAIError] = []
    cases: list[Case] = []
    for path in map(Path, paths):
        if task is not None and task.cancelled():
            return ()
        if path.is_dir() or path.name.upper() == "DICOMDIR":
            listing = list_studies(path)
            problems += listing.problems
            cases += [_case(study.study_instance_uid or study.key, study.radiographs) for study in listing.studies]
        else:
            try:
                headers.append(read_header(path))
            except RadiographError as error:
                problems.append(error)
    cases = [*_cases_together(headers), *cases]
    if not cases:
        raise problems[0] if problems else FractureAIError(_("There is no radiograph in it; choose another folder."))
    return tuple(cases)


def case_of_dataset(dataset: Dataset, row: RadiographRow) -> Case:
    """Return the case that a radiograph of the dataset belongs to: its study and side.

    Raises:
        FractureAIError: the radiograph can not be read.
    """
    others = [
        other
        for other in dataset.radiographs
        if other.id == row.id or (row.study and other.study == row.study and other.side in (row.side, "", UNKNOWN))
    ]
    case = _case(row.study or row.id, [read_header(dataset.image_path(other)) for other in others])
    title = ", ".join(part for part in (row.patient, _date(row.date), _side(row.side)) if part)
    return replace(case, title=title or case.title, rows={other.id: other for other in others})


def cases_of_scene() -> tuple[Case, ...]:
    """Return the cases among the volumes in the scene whose files are known: loaded from DICOM, or from a file.

    The files are read again by `fractureai.radiograph`: other readers ignore spacings and invert some radiographs.
    """
    headers: dict[str, RadiographHeader] = {}
    for path in _files_of_scene():
        try:
            header = read_header(path)
        except RadiographError:
            continue  # another kind of volume; it is not ours to judge
        headers.setdefault(header.sop_instance_uid, header)
    return tuple(_cases_together(tuple(headers.values())))


def case_of_saved_scene(study: str, title: str, radiographs: Sequence[str]) -> Case:
    """Return a case whose radiographs are in the scene already and whose files need not be here."""
    return Case(study, title, (), {}, tuple(radiographs))


def read_case(case: Case, dataset: Dataset | None = None) -> tuple[Radiograph, ...]:
    """Read the radiographs of a case; for a thread beside the viewer.

    A radiograph without Study Instance UID gets the case's name instead, so that the views stay together.

    Raises:
        FractureAIError: one can not be read.
    """
    result = []
    for header in case.headers:
        row = case.rows.get(header.sop_instance_uid)
        known = dataset is not None and row is not None
        radiograph = dataset.read(row) if known else read_radiograph(header.path)
        if not radiograph.study_instance_uid:
            radiograph = replace(radiograph, study_instance_uid=case.study)
        result.append(radiograph)
    return tuple(result)


def in_order(names: Sequence[tuple[str, str]]) -> list[str]:
    """Return identifiers of (identifier, view) in the order they are shown: frontal, lateral, others."""
    return [identifier for identifier, view in sorted(names, key=lambda one: _rank(one[1]))]


def describe(headers: Iterable[RadiographHeader]) -> str:
    """Say which views there are: ``PA left, LAT left``."""
    return ", ".join(" ".join(part for part in (_view(header.view), _side(header.side)) if part) for header in headers)


def _files_of_scene() -> list[Path]:
    database = getattr(slicer, "dicomDatabase", None)
    files = []
    for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"):
        uids = [*(node.GetAttribute("DICOM.instanceUIDs") or "").split(), node.GetAttribute(UID) or ""]
        if database is not None:
            files += [database.fileForInstance(uid) for uid in uids if uid]
        storage = node.GetStorageNode()
        if storage is not None:
            files.append(storage.GetFileName() or "")
    return [Path(name) for name in dict.fromkeys(files) if name and Path(name).is_file()]


def _cases_together(headers: Sequence[RadiographHeader]) -> list[Case]:
    """Group headers into cases by study and side; files without header that were given together are one study."""
    nameless = next((header.path.stem for header in headers if not header.study_instance_uid), "")
    groups: dict[str, list[RadiographHeader]] = {}
    for header in headers:
        groups.setdefault(header.study_instance_uid or nameless, []).append(header)
    cases = []
    for study, members in groups.items():
        sides = sorted({header.side for header in members} - {UNKNOWN}) or [UNKNOWN]
        for side in sides:
            cases.append(_case(study, [header for header in members if header.side in (side, UNKNOWN)]))
    return cases


def _case(study: str, headers: Sequence[RadiographHeader]) -> Case:
    ordered = tuple(sorted(headers, key=lambda header: (_rank(header.view), str(header.path))))[:MOST_RADIOGRAPHS]
    first = ordered[0]
    name = _date(first.study_date) or first.path.name
    title = ", ".join(part for part in (name, describe(ordered)) if part)
    return Case(study, title, ordered, {}, tuple(header.sop_instance_uid for header in ordered))


def _rank(view: str) -> int:
    return 0 if view in FRONTAL else 1 if view == "LAT" else 2


def _date(text: str) -> str:
    return f"{text[:4]}-{text[4:6]}-{text[6:8]}" if len(text) == 8 and text.isdigit() else text


def _view(view: str) -> str:
    return _("view unknown") if view == UNKNOWN else view


def _side(side: str) -> str:
    return SIDES.get(side, "")
