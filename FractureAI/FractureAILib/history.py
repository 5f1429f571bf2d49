"""Undo and redo over all changes of annotations, in the order they were made, whichever radiograph they are on."""

from dataclasses import dataclass, replace

from fractureai.dataset import Annotation

LONGEST = 2000
"""Changes that are remembered; an annotation is small, so this is a few megabytes."""


@dataclass(frozen=True)
class Change:
    """One step that can be undone.

    Attributes:
        before, after: the annotation without and with the change; of the same radiograph and rater.
        text: what was changed, for people, for example "landmark".
        merge: changes with the same key, other than "", made one after the other are one step (a drag, a word).
    """

    before: Annotation
    after: Annotation
    text: str
    merge: str = ""

    @property
    def radiograph(self) -> str:
        """SOP Instance UID of the radiograph that was changed."""
        return self.before.radiograph


class History:
    """What can be undone and redone."""

    def __init__(self) -> None:
        self._done: list[Change] = []
        self._undone: list[Change] = []

    def add(self, change: Change) -> None:
        """Remember a change that was made; what was undone before can not be redone any more."""
        self._undone = []
        last = self._done[-1] if self._done else None
        if last is not None and change.merge and last.merge == change.merge and last.radiograph == change.radiograph:
            self._done[-1] = replace(change, before=last.before)
            return
        self._done = [*self._done[-LONGEST + 1 :], change]

    def next_undo(self) -> Change | None:
        """Return the change that `undo` would take back."""
        return self._done[-1] if self._done else None

    def next_redo(self) -> Change | None:
        """Return the change that `redo` would make again."""
        return self._undone[-1] if self._undone else None

    def undo(self) -> Change | None:
        """Move one step back and return its change; None when there is none."""
        if not self._done:
            return None
        self._undone.append(self._done.pop())
        return self._undone[-1]

    def redo(self) -> Change | None:
        """Move one step forward and return its change; None when there is none."""
        if not self._undone:
            return None
        self._done.append(self._undone.pop())
        return self._done[-1]

    def end_merging(self) -> None:
        """Let the next change be a step of its own, whatever its key."""
        if self._done:
            self._done[-1] = replace(self._done[-1], merge="")

    def forget(self, radiograph: str) -> None:
        """Forget the changes of one radiograph: its annotation was replaced from outside."""
        self._done = [change for change in self._done if change.radiograph != radiograph]
        self._undone = [change for change in self._undone if change.radiograph != radiograph]

    def clear(self) -> None:
        """Forget everything: another dataset, another rater."""
        self._done, self._undone = [], []
