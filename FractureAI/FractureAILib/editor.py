"""The annotation in hand: every change goes through here, can be undone, and is saved."""

from dataclasses import replace
from typing import Any

from fractureai.dataset import Annotation, Dataset
from FractureAILib.autosave import Autosave
from FractureAILib.history import Change, History
from FractureAILib.signals import Signal


class Editor:
    """Holds one rater's annotation of one radiograph.

    Attributes:
        annotation: as it is now; None while no radiograph is chosen.
        changed: emitted with the annotation after each change, also after undo and redo.
    """

    def __init__(self, autosave: Autosave) -> None:
        self.autosave = autosave
        self.history = History()
        self.changed = Signal()
        self.annotation: Annotation | None = None

    def open(self, dataset: Dataset, radiograph: str, rater: str, annotation: Annotation | None) -> None:
        """Take the annotation of a radiograph in hand.

        Args:
            dataset: where it is saved.
            radiograph: SOP Instance UID.
            rater: who marks.
            annotation: as it is on disk; None when there is none yet.
        """
        self.autosave.open(dataset, annotation)
        self.history.end_merging()
        self.annotation = annotation or Annotation(radiograph=radiograph, rater=rater)
        self.changed.emit(self.annotation)

    def close(self) -> None:
        """Have nothing in hand."""
        self.annotation = None

    def change(self, text: str, *, merge: str = "", soon: bool = False, **values: Any) -> None:
        """Change attributes of the annotation.

        Args:
            text: what is changed, for people.
            merge: see `Change`.
            soon: the save may wait for the next change for a moment.
            values: attributes of `Annotation` and their new values.
        """
        before = self.annotation
        after = replace(before, **values)
        if after == before:
            return
        self.history.add(Change(before, after, text, merge))
        self._take(after, soon)

    def undo(self) -> Change | None:
        """Take the last change back; None when there is none. It must be on the radiograph in hand."""
        change = self.history.undo()
        if change is not None:
            self._take(change.before, False)
        return change

    def redo(self) -> Change | None:
        """Make the change again that was taken back last; None when there is none."""
        change = self.history.redo()
        if change is not None:
            self._take(change.after, False)
        return change

    def replace(self, annotation: Annotation) -> None:
        """Show what is on disk instead (somebody else's marks); its changes can not be undone any more."""
        self.history.forget(annotation.radiograph)
        self.annotation = annotation
        self.changed.emit(annotation)

    def _take(self, annotation: Annotation, soon: bool) -> None:
        self.annotation = annotation
        self.autosave.put(annotation, soon=soon)
        self.changed.emit(annotation)
