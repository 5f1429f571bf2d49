"""The line that says when the marks were saved, or why not, and what can be done then."""

from datetime import datetime

from slicer.i18n import tr as _

from fractureai.dataset import Annotation
from fractureai.errors import FileError, FractureAIError
from FractureAILib import autosave, style
from FractureAILib.editor import Editor


class SavedLine:
    """Follows the autosave; after a failure it offers Retry, or the choice whose marks count."""

    def __init__(self, ui, editor: Editor) -> None:
        self.ui, self.editor = ui, editor
        editor.autosave.changed.connect(self._changed)

    def setup(self) -> None:
        """Connect the widgets; called once."""
        self.ui.retryButton.connect("clicked()", self.editor.autosave.retry)
        self.ui.theirsButton.connect("clicked()", self._take_theirs)
        self.ui.mineButton.connect("clicked()", self._keep_mine)

    def _changed(self) -> None:
        keeper = self.editor.autosave
        failed, stale = keeper.state == autosave.FAILED, keeper.state == autosave.STALE
        if keeper.state in (autosave.NOTHING, autosave.SAVED):
            done = keeper.state == autosave.SAVED
            style.set_text(self.ui.savedLabel, _saved_text(keeper.saved), style.DONE if done else None)
            self.ui.savedLabel.toolTip = ""
        elif failed or stale:
            style.set_text(self.ui.savedLabel, _sentence(keeper.error, stale), style.ALARM)
            self.ui.savedLabel.toolTip = str(keeper.error)
        if keeper.state != autosave.WAITING:
            self.ui.troublePanel.visible = failed or stale
            self.ui.retryButton.visible = failed
            self.ui.theirsButton.visible = self.ui.mineButton.visible = stale

    def _take_theirs(self) -> None:
        try:
            theirs = self.editor.autosave.take_theirs()
        except FractureAIError as error:
            self._failed(error)
            return
        mine = self.editor.annotation
        self.editor.replace(theirs or Annotation(radiograph=mine.radiograph, rater=mine.rater))

    def _keep_mine(self) -> None:
        try:
            self.editor.autosave.keep_mine()
        except FractureAIError as error:
            self._failed(error)

    def _failed(self, error: FractureAIError) -> None:
        style.set_text(self.ui.savedLabel, _reason(error), style.ALARM)


def _saved_text(saved: Annotation | None) -> str:
    if saved is None:
        return ""
    moment = datetime.fromisoformat(saved.updated.replace("Z", "+00:00")).astimezone()
    today = moment.date() == datetime.now().astimezone().date()
    return _("saved {time} ✓").format(time=moment.strftime("%H:%M:%S" if today else "%Y-%m-%d %H:%M"))


def _sentence(error: FractureAIError | None, stale: bool) -> str:
    if stale:
        return _("You have marked this radiograph in another window too. Whose marks shall count?")
    return _("Not saved, the marks are kept here: {reason}").format(reason=_reason(error))


def _reason(error: FractureAIError | None) -> str:
    """Say what is wrong without the path, which may be longer than the panel is wide."""
    if isinstance(error, FileError):
        return f"{error.reason}; {error.advice}." if error.advice else f"{error.reason}."
    return str(error)
