"""What the dataset's section does in the background: facts, check, export. No Qt."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from slicer.i18n import tr as _

from fractureai.dataset import Dataset, Problem, check
from fractureai.dataset.portable import ExportCancelledError, export_portable
from fractureai.errors import DatasetError
from FractureAILib.background import Task

ARCHIVE = "archive"
OWN_FORMATS = ("deepwrist", "via", "coco")
TRAIN_COMMAND = "fractureai train --dataset {archive}"


@dataclass(frozen=True)
class DatasetFacts:
    """What a dataset holds.

    Attributes:
        name, folder, site: of the dataset.
        radiographs, studies, patients: how many.
        finished: rater -> radiographs that are done.
        splits: split -> patients; empty before there are any.
    """

    name: str
    folder: str
    site: str
    radiographs: int
    studies: int
    patients: int
    finished: dict[str, int]
    splits: dict[str, int]


@dataclass(frozen=True)
class Exported:
    """What an export wrote.

    Attributes:
        target: the archive, or the folder.
        text: one sentence.
        problems: sentences on what was left out.
        command: that trains on it; "" for a foreign format.
    """

    target: Path
    text: str
    problems: tuple[str, ...]
    command: str


def facts_of(dataset: Dataset) -> DatasetFacts:
    """Count what is there.

    Raises:
        DatasetError: a table can not be read.
    """
    rows = dataset.radiographs
    counts: dict[str, int] = {}
    for split in dataset.splits.values():
        counts[split.split] = counts.get(split.split, 0) + 1
    return DatasetFacts(
        name=dataset.name,
        folder=str(dataset.folder),
        site=dataset.site.title,
        radiographs=len(rows),
        studies=len({row.study or row.id for row in rows}),
        patients=len({row.group for row in rows}),
        finished={name: sum(mark.status == "done" for mark in dataset.annotations(name)) for name in dataset.raters},
        splits=counts,
    )


def check_dataset(dataset: Dataset, task: Task) -> tuple[Problem, ...]:
    """Check a dataset, reporting (done, all) images."""
    return check(dataset, progress=lambda done, total: task.report((done, total)))


def radiograph_of(dataset: Dataset, problem: Problem) -> str | None:
    """Return the id of the radiograph that a problem of `check` is about; None for one of the whole dataset."""
    for row in dataset.radiographs:
        marks = dataset.annotation_path(row.id, "anybody").name
        if problem.file == dataset.image_path(row) or problem.file.name == marks:
            return row.id
    return None


def export(
    dataset: Dataset,
    kind: str,
    target: Path,
    raters: Sequence[str] | None,
    task: Task,
    *,
    comments: bool,
    images: bool,
) -> Exported:
    """Write a dataset for elsewhere, reporting (done, all) radiographs.

    Args:
        dataset: the dataset.
        kind: ``archive``, or a name of `fractureai.dataset.formats.FORMATS`.
        target: a ZIP file for the archive, else a folder that is made.
        raters: whose marks; None for all in an archive, else for the ones that count.
        task: to report, and to be cancelled by.
        comments: take comments along into the archive.
        images: write the images too, in a foreign format.

    Raises:
        FractureAIError: what is wrong.
        ExportCancelledError: the user cancelled.
    """

    def progress(done: int, total: int) -> None:
        if task.cancelled():
            raise ExportCancelledError(_("The export was cancelled."))
        task.report((done, total))

    if kind == ARCHIVE:
        report = export_portable(dataset, target, raters, comments=comments, progress=progress)
        text = _("{radiographs} radiographs and {marks} sets of marks, de-identified, are in {file}.").format(
            radiographs=report.radiographs, marks=report.annotations, file=report.path
        )
        return Exported(report.path, text, report.problems, TRAIN_COMMAND.format(archive=_quoted(report.path)))
    return _export_foreign(dataset, kind, target, raters, images, progress)


def _export_foreign(dataset, kind, target, raters, images, progress) -> Exported:
    from fractureai.dataset.formats import FORMATS, ExportOptions

    if target.exists() and any(target.iterdir()):
        raise DatasetError(target, _("the folder is not empty"), _("choose another"))
    target.mkdir(parents=True, exist_ok=True)
    found = FORMATS[kind].export(dataset, target, ExportOptions(raters, images, progress))
    text = _("{images} radiographs and {marks} sets of marks are in {folder}.").format(
        images=found.images, marks=found.annotations, folder=target
    )
    return Exported(target, text, tuple(map(str, found.problems)), "")


def _quoted(path: Path) -> str:
    """Return a path as a command line of Windows and others takes it."""
    return f'"{path}"' if any(letter in str(path) for letter in " &()'") else str(path)
