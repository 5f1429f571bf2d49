"""Opening, making and filling datasets: what the dataset menu, the empty page and dropped files do."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from fractureai.dataset import Dataset
from fractureai.errors import FractureAIError
from FractureAILib.background import Task
from FractureAILib.dialogs import ask_files, ask_folder
from FractureAILib.signals import Signal

SIMULATED_STUDIES = 20
SIMULATED_PIXELS = 1024


class CancelledError(FractureAIError):
    """The user gave the work up."""


class DatasetActions:
    """Does the work in the background.

    Attributes:
        progress: emitted with (sentence, share 0..1 or None for unknown); ("", None) at the end.
    """

    def __init__(self, session) -> None:
        self.session = session
        self.progress = Signal()
        self._task: Task | None = None

    @property
    def busy(self) -> bool:
        """Whether a dataset is being filled now."""
        return self._task is not None

    def cancel(self) -> None:
        """Give up what is being done; what was added stays, an unfinished simulation goes."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
            self.progress.emit("", None)

    def open(self, folder: str) -> bool:
        """Open a dataset; tells in the footer why it can not be opened."""
        try:
            self.session.open_dataset(folder)
        except FractureAIError as error:
            self.session.say(str(error), True)
            return False
        self.session.say("")
        return True

    def open_folder(self) -> None:
        """Ask for a dataset folder and open it."""
        folder = ask_folder(slicer.util.mainWindow(), _("Open a dataset"), self._last_folder())
        if folder:
            self.open(folder)

    def new_dataset(self) -> bool:
        """Ask for an empty folder, make a dataset in it and open it."""
        folder = ask_folder(slicer.util.mainWindow(), _("Where shall the new dataset be?"), self._last_folder())
        return bool(folder) and self.create(folder)

    def create(self, folder: str) -> bool:
        """Make a dataset in a folder and open it; tells in the footer why it can not be made."""
        try:
            Dataset.create(folder, name=Path(folder).name)
        except FractureAIError as error:
            self.session.say(str(error), True)
            return False
        return self.open(folder)

    def add_files(self) -> None:
        """Ask for radiographs and add them, to a new dataset when none is open."""
        paths = ask_files(slicer.util.mainWindow(), _("Add radiographs (DICOM, PNG, JPEG, TIFF)"))
        if paths:
            self.add(paths)

    def add_folder(self) -> None:
        """Ask for a folder and add all radiographs in it and below."""
        folder = ask_folder(slicer.util.mainWindow(), _("Add all radiographs in a folder"))
        if folder:
            self.add([folder])

    def add(self, paths: Sequence[str]) -> None:
        """Copy radiographs into the open dataset; ask for a new one when none is open."""
        if self.busy or (self.session.dataset is None and not self.new_dataset()):
            return
        dataset = self.session.dataset

        def work(task: Task):
            def told(done: int, total: int) -> None:
                _stop_if_cancelled(task)
                task.report((_("Adding {done} of {total} files").format(done=done, total=total), done / max(1, total)))

            return dataset.add(list(paths), copy=True, progress=told)

        def added(report) -> None:
            self._ended()
            self.session.say(_summary(report), bool(report.problems))
            if self.session.dataset is dataset and report.added:
                self.session.dataset_changed.emit()

        self._run(work, added, _("Adding radiographs"))

    def simulate(self, folder: str = "", studies: int = SIMULATED_STUDIES, pixels: int = SIMULATED_PIXELS) -> None:
        """Simulate wrists and open them as a dataset.

        Args:
            folder: of the new dataset; by default a new one in the user's documents.
            studies: how many, each with two views.
            pixels: along the longer side.
        """
        if self.busy:
            return
        target = Path(folder) if folder else _free_folder()

        def work(task: Task) -> str:
            from fractureai.phantom import write_dataset

            def told(done: int, total: int) -> None:
                _stop_if_cancelled(task)
                task.report((_("Simulating wrist {done} of {total}").format(done=done, total=total), done / total))

            try:
                write_dataset(target, studies=studies, pixels=pixels, workers=1, progress=told)
            except CancelledError:
                shutil.rmtree(target, ignore_errors=True)
                raise
            return str(target)

        def simulated(where: str) -> None:
            self._ended()
            self.open(where)

        self._run(work, simulated, _("Simulating wrists"))

    def open_study_files(self) -> list[str]:
        """Return the DICOM files of the radiographs that are loaded in the viewer and not from a dataset of ours."""
        database = getattr(slicer, "dicomDatabase", None)
        if database is None:
            return []
        found = []
        for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"):
            for uid in (node.GetAttribute("DICOM.instanceUIDs") or "").split():
                path = database.fileForInstance(uid)
                if path:
                    found.append(path)
        return found

    def add_open_study(self) -> None:
        """Take the study open in the viewer into the dataset."""
        paths = self.open_study_files()
        if paths:
            self.add(paths)
        else:
            self.session.say(_("No study from the DICOM database is open in the viewer."))

    def _run(self, work, done, sentence: str) -> None:
        self.progress.emit(sentence, None)
        self._task = self.session.background.run(work, done, self._failed, lambda told: self.progress.emit(*told))

    def _failed(self, error: FractureAIError) -> None:
        self._ended()
        self.session.say(str(error), True)

    def _ended(self) -> None:
        self._task = None
        self.progress.emit("", None)

    def _last_folder(self) -> str:
        recent = self.session.settings.recent_datasets
        return str(Path(recent[0]).parent) if recent else ""


def _stop_if_cancelled(task: Task) -> None:
    if task.cancelled():
        raise CancelledError(_("Cancelled."))


def _free_folder() -> Path:
    documents = qt.QStandardPaths.writableLocation(qt.QStandardPaths.DocumentsLocation)
    base = Path(documents or Path.home()) / "FractureAI"
    number = 1
    while (base / f"simulated-wrists-{number}").exists():
        number += 1
    return base / f"simulated-wrists-{number}"


def _summary(report) -> str:
    text = _("{n} radiographs added.").format(n=len(report.added))
    if report.skipped:
        text += " " + _("{n} were there already or are no images.").format(n=len(report.skipped))
    if report.problems:
        text += " " + _("{n} could not be used, for example: {first}").format(
            n=len(report.problems), first=report.problems[0]
        )
    return text
