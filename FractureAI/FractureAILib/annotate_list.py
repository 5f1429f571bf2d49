"""The worklist of the annotation page: read in the background, restricted by other pages, with marks left unsaved."""

from collections.abc import Sequence

from slicer.i18n import tr as _

from fractureai.errors import FractureAIError
from FractureAILib.rescue import restored_text
from FractureAILib.worklist_rows import Worklist, load_worklist


class Listing:
    """Fills the worklist of an annotation page."""

    def __init__(self, page) -> None:
        self._page = page
        self._task = None
        self._restriction: tuple[str, tuple[str, ...]] | None = None

    def setup(self) -> None:
        """Connect the widgets; called once."""
        ui = self._page.ui
        ui.rescueButton.connect("clicked()", self._restore)
        ui.restrictionButton.connect("clicked()", self.show_everything)
        self._page.session.show_radiographs.connect(self.show_only)

    def clear(self) -> None:
        """Show an empty list: another dataset comes."""
        self._restriction = None
        self._page.list.show(Worklist(()), True)

    def reload(self) -> None:
        """Read the worklist anew."""
        session = self._page.session
        if self._task is not None:
            self._task.cancel()
        dataset, rater, blinded = session.dataset, session.rater, session.blinded
        if dataset is None:
            return
        self._task = session.background.run(
            lambda _task: load_worklist(dataset, rater, blinded),
            self._listed,
            lambda error: session.say(str(error), True),
        )

    def show_only(self, title: str, radiographs: Sequence[str]) -> None:
        """Show these radiographs alone, under a title; one alone is gone to."""
        self._restriction = (title, tuple(radiographs))
        self.reload()

    def show_everything(self) -> None:
        """Show the whole worklist again."""
        self._restriction = None
        self.reload()

    def _listed(self, worklist: Worklist) -> None:
        page, session = self._page, self._page.session
        self._task = None
        if self._restriction is not None:
            title, wanted = self._restriction
            worklist = worklist.only(wanted)
            page.ui.restrictionButton.text = _("{title}: {n}  ✕").format(title=title, n=len(worklist.entries))
        page.ui.restrictionButton.visible = self._restriction is not None
        page.list.show(worklist, session.blinded)
        self._offer_rescue()
        if worklist.problems:
            session.say(worklist.problems[0], True)
        if not worklist.entries:
            session.say(_("There is nothing on this list."))
        if page.current is not None and worklist.place(page.current) is not None:
            page.list.select(page.current)
            page.take_in_hand()
        else:
            first = worklist.next_open(None) or worklist.following(None)
            if first is not None:
                page.choose(first.row.id)

    def _offer_rescue(self) -> None:
        """Offer to save what could not be saved the last time."""
        page = self._page
        kept = page.autosave.rescue.kept(page.session.dataset, page.session.rater)
        kept = [one for one in kept if page.autosave.unsaved is None or one.radiograph != page.current]
        page.ui.rescueButton.visible = bool(kept)
        page.ui.rescueButton.text = _("Save marks on {n} radiographs that were left unsaved").format(n=len(kept))

    def _restore(self) -> None:
        page, session = self._page, self._page.session
        if not page.flush():
            return
        try:
            saved, left = page.autosave.rescue.restore(session.dataset, session.rater)
        except FractureAIError as error:
            session.say(str(error), True)
            return
        session.say(restored_text(saved, left))
        page.editor.close()  # it may be one of those; it is read again with the list
        self.reload()
