"""The page Annotate: a worklist, a radiograph, and everything a rater says about it, saved as it is said."""

import qt
import slicer
from slicer.i18n import tr as _

from fractureai.dataset import Annotation
from fractureai.errors import FractureAIError
from FractureAILib import style
from FractureAILib.annotate_keys import annotate_actions, name_buttons
from FractureAILib.annotate_list import Listing
from FractureAILib.autosave import FAILED, STALE, Autosave
from FractureAILib.case import Case
from FractureAILib.editor import Editor
from FractureAILib.fit_height import FitHeight
from FractureAILib.hold_key import HoldKey
from FractureAILib.image_text import show_image_text, show_problem
from FractureAILib.labels_panel import LabelsPanel
from FractureAILib.landmarks_panel import LandmarksPanel
from FractureAILib.loader import Loaded, Loader
from FractureAILib.pages import Page
from FractureAILib.proposals import Proposals, disagreements, points_of
from FractureAILib.regions_panel import RegionsPanel
from FractureAILib.saved_line import SavedLine
from FractureAILib.screen import Screen
from FractureAILib.worklist import WorklistPanel

AHEAD = 2
"""Radiographs that are read ahead."""


class AnnotatePage(Page):
    """Marks of one rater, radiograph by radiograph.

    Attributes:
        current: SOP Instance UID of the radiograph chosen last, or None.
        case: the radiograph on the screen; None while it is being read, or when it can not be read.
    """

    ui_file = "Annotate.ui"

    def __init__(self, session, resource_path) -> None:
        super().__init__(session, resource_path)
        self.screen = Screen()
        self.autosave = Autosave()
        self.editor = Editor(self.autosave)
        self.loader = Loader(session.background)
        self.list = WorklistPanel(self.ui)
        self.listing = Listing(self)
        self.landmarks = LandmarksPanel(self.ui, self.editor, self.screen)
        self.labels = LabelsPanel(self.ui, self.editor)
        self.regions = RegionsPanel(self.ui, self.editor, self.screen)
        self.saved_line = SavedLine(self.ui, self.editor)
        self.proposals = Proposals(session)
        self.current: str | None = None
        self.case: Case | None = None
        self._hide_key = HoldKey(qt.Qt.Key_Space, lambda: self.screen.set_marks_visible(True))
        self._finish_empty: str | None = None
        self._mode_tag = None
        self._trouble = False
        self._dataset = None
        self._entered = False

    def actions(self):
        """Return what keys do on this page."""
        return annotate_actions(self)

    def setup(self) -> None:
        """Connect everything; called once."""
        for panel in (self.list, self.listing, self.landmarks, self.labels, self.regions, self.saved_line):
            panel.setup()
        for button in (self.ui.placeButton, self.ui.boxButton, self.ui.curveButton, self.ui.flagButton):
            style.mark_checked(button, tick=False)
        self._fit_height = FitHeight(self.ui.caseScroll)
        self.list.chosen.connect(self.choose)
        self.editor.changed.connect(self._annotation_changed)
        self.autosave.changed.connect(self._saved_or_not)
        self.ui.undoButton.connect("clicked()", self.undo)
        self.ui.nextButton.connect("clicked()", self.next_case)
        self.ui.flagButton.connect("clicked()", self.flag)
        session = self.session
        for button, action in (
            (self.ui.emptyOpenButton, session.dataset_actions.open_folder),
            (self.ui.emptyAddButton, session.dataset_actions.add_files),
            (self.ui.emptyTryButton, session.dataset_actions.simulate),
        ):
            button.connect("clicked()", lambda action=action: action())
        session.guards.append(self.flush)
        session.dataset_changed.connect(self._dataset_changed)
        session.rater_changed.connect(self._rater_changed)
        session.blinded_changed.connect(self._blinded_changed)
        session.model_changed.connect(self._model_changed)
        session.engine.state_changed.connect(lambda *_state: self._ask_for_proposals())
        self._dataset_changed()

    def enter(self) -> None:
        """The page comes to the front: keys work, the radiograph is shown again."""
        super().enter()
        self._entered = True
        name_buttons(self)
        interaction = slicer.mrmlScene.GetNodeByID("vtkMRMLInteractionNodeSingleton")
        if self._mode_tag is None and interaction is not None:
            self._mode_tag = interaction.AddObserver(interaction.InteractionModeChangedEvent, self._mode_changed)
        if self.current is not None and self.case is None:
            self._show_current()
        elif self.case is not None:
            self.screen.show_again()
            show_image_text(self.screen, self.case, self.editor.annotation)

    def exit(self) -> None:
        """The page is left: everything is saved, keys and observers go."""
        super().exit()
        self._hide_key.stop()
        if self._entered:
            self.flush()
            self.landmarks.place(False)
            self.screen.remove_texts()
        if self._mode_tag is not None:
            slicer.mrmlScene.GetNodeByID("vtkMRMLInteractionNodeSingleton").RemoveObserver(self._mode_tag)
            self._mode_tag = None
        self._entered = False

    def scene_closed(self) -> None:
        """The scene was closed: show the radiograph anew."""
        self._close_case()
        self.screen.scene_closed()
        if self._entered and self.current is not None:
            self._show_current()

    def cleanup(self) -> None:
        """The panel goes: everything is saved first."""
        super().cleanup()
        self._close_case()
        self.autosave.stop()
        self.editor.close()
        self._fit_height.stop()
        self.screen.cleanup()
        if self.flush in self.session.guards:
            self.session.guards.remove(self.flush)

    # --- the dataset, the rater, the worklist ---

    def flush(self) -> bool:
        """Bring every mark on disk; returns whether they are."""
        return self.autosave.flush()

    def _dataset_changed(self) -> None:
        dataset = self.session.dataset
        self.flush()
        if dataset is not None and dataset is self._dataset:  # radiographs were added to it
            self.listing.reload()
            return
        self._dataset = dataset
        self._close_case()
        self.screen.clear()
        self.editor.close()
        self.editor.history.clear()
        self.loader.open(dataset)
        self.proposals.forget()
        self.current = None
        self.listing.clear()
        self.ui.stack.setCurrentIndex(0 if dataset is None else 1)
        self._show_case_state()
        self.listing.reload()

    def _blinded_changed(self) -> None:
        self._forget_proposals()
        self._ask_for_proposals()
        self.listing.reload()

    def _model_changed(self) -> None:
        self.proposals.forget()
        self._forget_proposals()
        self._ask_for_proposals()

    def _forget_proposals(self) -> None:
        self.proposals.cancel()
        self.landmarks.propose({})
        self.labels.warn([])

    def _rater_changed(self) -> None:
        self.editor.history.clear()
        self.editor.close()
        self._forget_proposals()
        self._show_case_state()
        self.listing.reload()

    # --- the radiograph in hand ---

    def choose(self, radiograph: str) -> None:
        """Go to a radiograph, once the marks on the one before are saved."""
        if radiograph == self.current:
            return
        if not self.flush():
            self.list.select(self.current)
            return
        self._close_case()
        self.current = radiograph
        self.list.select(radiograph)
        self._open_annotation()
        self._show_current()

    def next_case(self) -> None:
        """Finish this radiograph and go to the next open one."""
        if self.ui.searchEdit.focus:
            self.ui.worklistView.setFocus()
            return
        annotation = self.editor.annotation
        if annotation is not None and self.case is not None and annotation.status != "done":
            if _is_empty(annotation) and self._finish_empty != self.current:
                self._finish_empty = self.current
                self.session.say(_("Nothing is marked here yet. The same key again finishes it all the same."))
                return
            self.editor.change(_("done"), status="done")
        following = self.list.worklist.next_open(self.current)
        if following is None or following.row.id == self.current:
            self.flush()
            self.session.say(_("This was the last open radiograph."))
        else:
            self.session.say("")
            self.choose(following.row.id)

    def previous_case(self) -> None:
        """Go to the radiograph before this one in the list."""
        before = self.list.worklist.previous(self.current)
        if before is not None:
            self.choose(before.row.id)

    def flag(self) -> None:
        """Put this radiograph aside for a second look, or take the flag away."""
        if self.editor.annotation is not None:
            flagged = self.editor.annotation.status == "flagged"
            self.editor.change(_("flag"), status="open" if flagged else "flagged")

    def undo(self) -> None:
        """Take the last change back, on the radiograph it was made on."""
        self._step(
            self.editor.history.next_undo(), self.editor.undo, _("Undone: {what}"), _("There is nothing to undo.")
        )

    def redo(self) -> None:
        """Make the change again that was taken back last."""
        self._step(
            self.editor.history.next_redo(), self.editor.redo, _("Redone: {what}"), _("There is nothing to redo.")
        )

    def hide_marks(self) -> None:
        """Hide all marks as long as the key is held."""
        self.screen.set_marks_visible(False)
        self._hide_key.press()

    def turn(self, quarters: int) -> None:
        """Turn the radiograph clockwise by quarter turns."""
        if self.case is not None:
            self.screen.turn(quarters)

    def next_window(self) -> None:
        """Show the next window of the header."""
        if self.case is not None:
            self.session.say(_("Window: {name}").format(name=self.screen.next_window() or _("header")))

    def _step(self, change, step, done: str, nothing: str) -> None:
        if change is None:
            self.session.say(nothing)
            return
        self.choose(change.radiograph)
        if self.current == change.radiograph and step() is not None:
            self.session.say(done.format(what=change.text))

    def take_in_hand(self) -> None:
        """Take the rater's annotation of the current radiograph in hand, unless it is; called with a new worklist."""
        if self.editor.annotation is None:
            self._open_annotation()
        else:
            self.list.update(self.editor.annotation)  # the list was read a moment ago, this is now

    def _open_annotation(self) -> None:
        """Take the rater's annotation of the current radiograph in hand, as it is on disk."""
        dataset, rater = self.session.dataset, self.session.rater
        if dataset is None or self.current is None or not rater:
            self.editor.close()
            self._show_case_state()
            return
        try:
            annotation = dataset.annotation(self.current, rater)
        except FractureAIError as error:
            self.session.say(str(error), True)
            annotation = None
        self.editor.open(dataset, self.current, rater, annotation)
        self._show_case_state()

    def _show_current(self) -> None:
        """Show the current radiograph as soon as it is read."""
        self.ui.problemLabel.visible = False
        self.loader.get(self.session.dataset.row(self.current), self._read, self._not_read)

    def _read(self, loaded: Loaded) -> None:
        if not self._entered:
            return
        dataset, row = self.session.dataset, self.session.dataset.row(self.current)
        volume = self.screen.show_one(loaded.radiograph, image=loaded.image)
        self.case = Case(dataset, row, loaded.radiograph, volume)
        annotation = self.editor.annotation or Annotation(self.current, "nobody")
        for panel in (self.landmarks, self.labels, self.regions):
            panel.open(self.case, annotation)
        self.labels.warn([])
        show_image_text(self.screen, self.case, annotation)
        self._show_case_state()
        self._ask_for_proposals()
        self._read_ahead()

    def _not_read(self, error: FractureAIError) -> None:
        self._close_case()
        self.screen.clear()
        sentence = _("This radiograph can not be shown. {error}").format(error=error)
        style.set_text(self.ui.problemLabel, sentence, style.ALARM)
        self.ui.problemLabel.visible = True
        show_problem(self.screen, _("This radiograph can not be shown."))
        self._show_case_state()
        self._read_ahead()

    def _read_ahead(self) -> None:
        here = self.current
        for _number in range(AHEAD):
            following = self.list.worklist.next_open(here)
            if following is None or following.row.id == self.current:
                return
            here = following.row.id
            self.loader.prefetch(following.row)

    def _close_case(self) -> None:
        self.proposals.cancel()
        for panel in (self.landmarks, self.labels, self.regions):
            panel.close()
        self.case = None

    def _show_case_state(self) -> None:
        """Let marks be made only where there is a radiograph and a rater."""
        ready = self.case is not None and self.editor.annotation is not None
        self.ui.casePanel.enabled = ready
        self.ui.flagButton.enabled = self.editor.annotation is not None
        self.ui.nextButton.enabled = self.current is not None

    def _annotation_changed(self, annotation: Annotation) -> None:
        self.list.update(annotation)
        self.ui.flagButton.checked = annotation.status == "flagged"
        for panel in (self.landmarks, self.labels, self.regions):
            panel.update(annotation)
        self._show_image_text()

    def _saved_or_not(self) -> None:
        """Say it on the image, too, as long as marks can not be saved."""
        trouble = self.autosave.state in (FAILED, STALE)
        if trouble != self._trouble:
            self._trouble = trouble
            self._show_image_text()

    def _show_image_text(self) -> None:
        if self.case is not None and self.editor.annotation is not None and self._entered:
            unsaved = self.autosave.state in (FAILED, STALE)
            show_image_text(self.screen, self.case, self.editor.annotation, unsaved)

    def _mode_changed(self, _caller, _event) -> None:
        self.landmarks.show_mode()
        self.regions.show_mode()

    def _ask_for_proposals(self) -> None:
        if self.case is None or self.editor.annotation is None or self.session.blinded:
            return
        row = self.case.row.id

        def answered(answer) -> None:
            if self.case is not None and self.case.row.id == row:
                self.landmarks.propose(points_of(answer))
                annotation = self.editor.annotation
                self.labels.warn(disagreements(answer, self.case.view(annotation), self.case.side(annotation)))

        self.proposals.ask(self.case, self.case.view(self.editor.annotation), answered)

    def _say(self, what) -> None:
        self.session.say(str(what), isinstance(what, Exception))


def _is_empty(annotation: Annotation) -> bool:
    """Tell whether nothing was marked at all."""
    return not (annotation.label or annotation.landmarks or annotation.regions or annotation.comment)
