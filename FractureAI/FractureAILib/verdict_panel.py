"""Agree or disagree with a reading: asked for with a reason, stored with time and reader."""

from collections.abc import Callable
from datetime import datetime, timezone

import qt
from slicer.i18n import tr as _

from fractureai.scene.reading import Verdict

OTHER = "other"
REASON_DELAY_MS = 700
"""Who goes through the reasons by arrow keys passes others on the way."""


def disagreement_reasons() -> tuple[tuple[str, str], ...]:
    """Return (identifier, text) of the reasons that can be chosen."""
    return (
        ("", _("Why? Choose a reason")),
        ("missed-fracture", _("There is a fracture")),
        ("no-fracture", _("There is no fracture")),
        ("wrong-place", _("Right answer, wrong place")),
        ("wrong-region", _("Region or landmarks are wrong")),
        ("image", _("The image is not fit for it")),
        ("needless-referral", _("It could have been sure")),
        (OTHER, _("Other, see the comment")),
    )


class VerdictPanel:
    """The buttons agree and disagree, reason and comment.

    Args:
        ui: the page's widgets by name.
        store: is called with a `Verdict`; returns the sentence shown, or raises a FractureAIError that the page shows.
        reader: returns who reads; "" when nobody said yet.
    """

    def __init__(self, ui, store: Callable[[Verdict], str], reader: Callable[[], str]) -> None:
        self.ui = ui
        self._store = store
        self._reader = reader
        self._model = ""
        self._buttons = qt.QButtonGroup(ui.verdictBox)
        self._buttons.setExclusive(True)
        self._buttons.addButton(ui.agreeButton)
        self._buttons.addButton(ui.disagreeButton)
        for identifier, text in disagreement_reasons():
            ui.reasonCombo.addItem(text, identifier)
        ui.agreeButton.connect("clicked()", self._agree)
        ui.disagreeButton.connect("clicked()", self._disagree)
        self._soon = qt.QTimer()
        self._soon.setSingleShot(True)
        self._soon.setInterval(REASON_DELAY_MS)
        self._soon.connect("timeout()", self._store_if_whole)
        ui.reasonCombo.connect("activated(int)", lambda _index: self._soon.start())
        ui.storeButton.connect("clicked()", self.store)
        ui.commentEdit.connect("returnPressed()", self.store)
        self._update()

    def show(self, verdict: Verdict | None, model: str) -> None:
        """Show what this reader said of a model's reading before; None: nothing yet."""
        self._soon.stop()
        self._model = model
        self._choose(None if verdict is None else verdict.agrees)
        identifiers = [identifier for identifier, _text in disagreement_reasons()]
        reason = verdict.reason if verdict is not None else ""
        self.ui.reasonCombo.setCurrentIndex(identifiers.index(reason) if reason in identifiers else 0)
        self.ui.commentEdit.text = verdict.comment if verdict is not None else ""
        self.ui.verdictLabel.text = "" if verdict is None else stored_text(verdict)
        self._update()

    def flush(self) -> None:
        """Store a reason that was just chosen now."""
        if self._soon.active:
            self._soon.stop()
            self._store_if_whole()

    def agree(self) -> None:
        """Press Agree."""
        self.ui.agreeButton.checked = True
        self._agree()

    def disagree(self) -> None:
        """Press Disagree."""
        self.ui.disagreeButton.checked = True
        self._disagree()

    def store(self) -> None:
        """Store what was chosen, when it is whole."""
        self._soon.stop()
        if not (self.ui.agreeButton.checked or self.ui.disagreeButton.checked):
            self.ui.verdictLabel.text = _("Choose Agree or Disagree first.")
            return
        agrees = bool(self.ui.agreeButton.checked)
        reason = "" if agrees else self._reason()
        if not agrees and not reason:
            self.ui.verdictLabel.text = _("Choose a reason; then it is stored.")
            return
        if reason == OTHER and not self.ui.commentEdit.text.strip():
            self.ui.verdictLabel.text = _("Say why in the comment; then it is stored.")
            self.ui.commentEdit.setFocus()
            return
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        comment = self.ui.commentEdit.text.strip()
        verdict = Verdict(self._reader(), agrees, reason, comment, now, self._model)
        self.ui.verdictLabel.text = self._store(verdict)

    def _agree(self) -> None:
        self._update()
        self.store()

    def _disagree(self) -> None:
        self._update()
        if self._reason():
            self._store_if_whole()
        else:
            self.ui.verdictLabel.text = _("Choose a reason; then it is stored.")
            self.ui.reasonCombo.setFocus()

    def _store_if_whole(self) -> None:
        if self.ui.disagreeButton.checked and self._reason():
            self.store()

    def _reason(self) -> str:
        return disagreement_reasons()[self.ui.reasonCombo.currentIndex][0]

    def _choose(self, agrees: bool | None) -> None:
        self._buttons.setExclusive(False)
        self.ui.agreeButton.checked = agrees is True
        self.ui.disagreeButton.checked = agrees is False
        self._buttons.setExclusive(True)

    def _update(self) -> None:
        self.ui.reasonCombo.visible = bool(self.ui.disagreeButton.checked)


def stored_text(verdict: Verdict) -> str:
    """Say what was stored, by whom and when, in local time."""
    what = _("agrees") if verdict.agrees else _("disagrees")
    try:
        when = datetime.fromisoformat(verdict.time).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except ValueError:
        when = verdict.time
    return _("✓ {reader} {what}, stored {when}").format(
        reader=verdict.reader or _("Unnamed reader"), what=what, when=when
    )
