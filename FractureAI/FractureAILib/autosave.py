"""Every change on disk at once: one annotation in hand, saved on a thread of its own, never lost when saving fails."""

import qt

from fractureai.dataset import Annotation, Dataset
from fractureai.errors import DatasetError, FractureAIError, StaleAnnotationError
from FractureAILib.background import Background
from FractureAILib.rescue import Rescue
from FractureAILib.signals import Signal

DELAY_MS = 50
"""How long a change by dragging or typing may wait for the next one."""
GRACE_S = 0.012
"""How long the window waits for a save: a fast drive is done by then, before the image is drawn; a slow one goes on."""
PATIENCE_S = 20.0
"""How long to wait for a slow drive before a radiograph is left."""

NOTHING, WAITING, SAVED, FAILED, STALE = "nothing", "waiting", "saved", "failed", "stale"


class Autosave:
    """Saves the annotation in hand, the newest state first and always, one save at a time.

    Attributes:
        state: ``nothing`` to save, ``waiting``, ``saved``, ``failed`` (can be retried) or ``stale`` (the same rater
            saved it elsewhere: `take_theirs` or `keep_mine`).
        error: why saving failed.
        changed: emitted after each change of state.
        rescue: keeps on this computer what can not be saved.
    """

    def __init__(self) -> None:
        self.rescue = Rescue()
        self.changed = Signal()
        self.state = NOTHING
        self.error: FractureAIError | None = None
        self.saved: Annotation | None = None
        self._background = Background(threads=1)
        self._dataset: Dataset | None = None
        self._revision = 0
        self._wanted: Annotation | None = None
        self._saving = False
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(DELAY_MS)
        self._timer.connect("timeout()", self._start)

    def open(self, dataset: Dataset, annotation: Annotation | None) -> None:
        """Take an annotation in hand, as it is on disk; None when there is no file yet. `flush` the last one first."""
        self._dataset, self.saved, self.error = dataset, annotation, None
        self._revision = annotation.revision if annotation is not None else 0
        self._wanted = None
        self._set(NOTHING)

    def put(self, annotation: Annotation, *, soon: bool = False) -> None:
        """Save a new state.

        Args:
            annotation: of the radiograph and rater in hand.
            soon: it may wait for `DELAY_MS` for a newer one (drags, typing).
        """
        self._wanted = annotation
        if self.state in (STALE, FAILED):
            self.rescue.keep(self._dataset, annotation, self._revision)
        if self.state == STALE:
            return  # first it must be decided whose marks count
        if not soon:
            self._start()
        elif not self._timer.active:
            self._set(WAITING)
            self._timer.start()

    def hurry(self) -> None:
        """Save now what waits for a newer state."""
        if self._timer.active:
            self._start()

    def flush(self, patience_s: float = PATIENCE_S) -> bool:
        """Wait until everything is on disk; returns whether it is."""
        self._timer.stop()
        if self._wanted is not None and self.state != STALE:
            self._start()
        self._background.wait(patience_s)
        if self._wanted is not None:  # a drive that does not answer
            self.rescue.keep(self._dataset, self._wanted, self._revision)
        return self._wanted is None and not self._saving

    @property
    def unsaved(self) -> Annotation | None:
        """The marks that are in memory only."""
        return self._wanted

    def retry(self) -> None:
        """Try again after a failure."""
        if self._wanted is not None and self.state != STALE:
            self._start()

    def keep_mine(self) -> None:
        """Save these marks over those that were saved elsewhere.

        Raises:
            FractureAIError: the others can not be read.
        """
        theirs = self.theirs()
        self._revision = theirs.revision if theirs is not None else 0
        self._set(WAITING)
        self._start()

    def take_theirs(self) -> Annotation | None:
        """Drop these marks and return those that were saved elsewhere.

        Raises:
            FractureAIError: the others can not be read.
        """
        theirs = self.theirs()
        self.rescue.drop(self._dataset, self._wanted)
        self.open(self._dataset, theirs)
        return theirs

    def theirs(self) -> Annotation | None:
        """Read what is on disk now.

        Raises:
            FractureAIError: it can not be read.
        """
        return self._dataset.annotation(self._wanted.radiograph, self._wanted.rater)

    def stop(self) -> None:
        """Save what can be saved, and stop."""
        self.flush()
        self._timer.stop()
        self._background.stop()

    def _start(self) -> None:
        self._timer.stop()
        if self._saving or self._wanted is None:
            return
        annotation, revision, dataset = self._wanted, self._revision, self._dataset
        self._saving = True
        self._set(WAITING)
        self._background.run(
            lambda _task: _save(dataset, annotation, revision),
            lambda saved: self._succeeded(annotation, saved),
            self._failed,
        )
        self._background.wait(GRACE_S)

    def _succeeded(self, wanted: Annotation, saved: Annotation) -> None:
        self._saving = False
        if self.error is not None:
            self.rescue.drop(self._dataset, saved)
        self._revision, self.saved, self.error = saved.revision, saved, None
        if self._wanted is wanted:
            self._wanted = None
            self._set(SAVED)
        elif not self._timer.active:
            self._start()

    def _failed(self, error: FractureAIError) -> None:
        self._saving = False
        self.error = error
        if self._wanted is not None:
            self.rescue.keep(self._dataset, self._wanted, self._revision)
        self._set(STALE if isinstance(error, StaleAnnotationError) else FAILED)

    def _set(self, state: str) -> None:
        self.state = state
        self.changed.emit()


def _save(dataset: Dataset, annotation: Annotation, revision: int) -> Annotation:
    """Save, but not into a folder whose drive is gone: it would be made anew where the drive was."""
    if not (dataset.folder / "dataset.toml").is_file():
        raise DatasetError(dataset.folder, "the dataset's folder is gone", "bring it back, then try again")
    try:
        return dataset.save(annotation, expected_revision=revision)
    except OSError as error:
        raise DatasetError(dataset.folder, f"it can not be written ({error.strerror})", "check the drive") from error
