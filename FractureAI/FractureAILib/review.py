"""The page Review: how far raters agree, where they differ most, and what they settle on."""

import qt
from slicer.i18n import tr as _

from fractureai.dataset import Dataset, resolve_view
from fractureai.dataset.agreement import Disagreement, PairAgreement
from fractureai.dataset.consensus import CONSENSUS, merge, take
from fractureai.errors import FractureAIError
from FractureAILib import review_tables
from FractureAILib.pages import Page
from FractureAILib.review_marks import ComparedMarks
from FractureAILib.review_work import Comparison, accept_unanimous, compare, export_csv
from FractureAILib.shortcuts import Action

SHOWN = 500
"""Differences listed at most, the worst ones."""


class ReviewPage(Page):
    """Agreement of raters, the worst disagreements one click away, and adjudication into a consensus."""

    ui_file = "Review.ui"

    def __init__(self, session, resource_path) -> None:
        super().__init__(session, resource_path)
        self.marks = ComparedMarks(session)
        self._comparison: Comparison | None = None
        self._pair: PairAgreement | None = None
        self._listed: list[Disagreement] = []
        self._chosen_raters: set[str] | None = None
        self._task = None

    def actions(self) -> list[Action]:
        """Return what keys do on this page."""
        return [
            Action("ReviewTakeFirst", _("Take the first rater's marks"), "1", lambda: self.settle("first")),
            Action("ReviewTakeSecond", _("Take the second rater's marks"), "2", lambda: self.settle("second")),
            Action("ReviewMerge", _("Mean of both raters' landmarks"), "3", lambda: self.settle("mean")),
        ]

    def setup(self) -> None:
        """Connect the widgets."""
        self._raters_menu = qt.QMenu(self.ui.ratersButton)
        self.ui.ratersButton.setMenu(self._raters_menu)
        self.ui.ratersButton.setPopupMode(qt.QToolButton.InstantPopup)
        self.ui.compareButton.connect("clicked()", self.compare)
        self.ui.exportButton.connect("clicked()", self._ask_export)
        self.ui.kappaTable.connect("itemSelectionChanged()", self._pair_chosen)
        self.ui.differencesTable.connect("itemSelectionChanged()", self._difference_chosen)
        self.ui.unsettledCheckBox.connect("toggled(bool)", self._list_differences)
        self.ui.takeFirstButton.connect("clicked()", lambda: self.settle("first"))
        self.ui.takeSecondButton.connect("clicked()", lambda: self.settle("second"))
        self.ui.mergeButton.connect("clicked()", lambda: self.settle("mean"))
        self.ui.unanimousButton.connect("clicked()", self.accept_unanimous)
        for table in (self.ui.kappaTable, self.ui.landmarkTable, self.ui.differencesTable):
            review_tables.prepare(table)
        self.session.dataset_changed.connect(self._start_anew)
        self.session.blinded_changed.connect(self._start_anew)
        self._start_anew()

    def enter(self) -> None:
        """Compare anew: others may have worked meanwhile."""
        super().enter()
        self._offer_raters()
        self.compare()

    def exit(self) -> None:
        """Take the compared marks off the screen."""
        super().exit()
        self._cancel()
        self.marks.clear()

    def scene_closed(self) -> None:
        """The radiograph on screen is gone."""
        self.marks.scene_closed()

    # --- comparing ---

    @property
    def raters(self) -> list[str]:
        """The raters that are compared, in the menu's order."""
        return [action.text for action in self._raters_menu.actions() if action.checked]

    def compare(self) -> None:
        """Compare the chosen raters in the background."""
        self._cancel()
        dataset, raters = self.session.dataset, self.raters
        reason = self._why_not(dataset, raters)
        self._show(None)
        if reason:
            self.ui.introLabel.text = reason
            return
        self.ui.introLabel.text = _("Comparing {raters} ...").format(raters=", ".join(raters))
        self._task = self.session.background.run(
            lambda task: compare(dataset, raters, task.cancelled), self._compared, self._failed
        )

    def _why_not(self, dataset: Dataset | None, raters: list[str]) -> str:
        if dataset is None:
            return _("Open a dataset to compare its raters.")
        if self.session.blinded:
            return _("Blinded: others' marks are hidden. Leave the blinded mode in the header to review them.")
        if len(raters) < 2:
            return _("Agreement needs the finished marks of two raters; choose them above.")
        return ""

    def _compared(self, comparison: Comparison) -> None:
        self._show(comparison)
        pairs = [pair for pair in comparison.pairs.values() if pair.disagreements]
        if not pairs:
            self.ui.introLabel.text = _("These raters have finished no radiograph in common yet.")
            return
        self.ui.introLabel.text = _(
            "{n} radiographs finished by two raters or more. Choose a pair in the matrix."
        ).format(n=comparison.in_common)
        review_tables.select_pair(self.ui.kappaTable, comparison.raters, pairs[0].raters)

    def _failed(self, error: FractureAIError) -> None:
        self.ui.introLabel.text = str(error)
        self.session.say(str(error), alarm=True)

    def _show(self, comparison: Comparison | None) -> None:
        self._comparison, self._pair = comparison, None
        review_tables.fill_kappa(self.ui.kappaTable, comparison)
        review_tables.fill_landmarks(self.ui.landmarkTable, None, self.session.dataset)
        self._list_differences()
        agreed = comparison.unanimous if comparison else ()
        self.ui.unanimousLabel.text = (
            _("{n} radiographs where all agree (landmarks within 2 mm) are not settled yet.").format(n=len(agreed))
            if comparison
            else ""
        )
        for widget in (self.ui.kappaTable, self.ui.landmarkTable, self.ui.differencesTable, self.ui.differencesLabel):
            widget.visible = comparison is not None and comparison.in_common > 0
        self.ui.unsettledCheckBox.visible = self.ui.differencesTable.isVisibleTo(self.widget)
        self.ui.unanimousButton.enabled = bool(agreed)
        self.ui.unanimousButton.visible = self.ui.unanimousLabel.visible = bool(comparison)
        self.ui.exportButton.enabled = comparison is not None
        self._offer_settling()

    # --- a pair, a difference ---

    def _pair_chosen(self) -> None:
        if self._comparison is None:
            return
        raters = review_tables.pair_at(self.ui.kappaTable, self._comparison.raters)
        self._pair = self._comparison.pair(*raters) if raters else None
        if self._pair is not None:
            self.ui.introLabel.text = review_tables.kappa_sentence(self._pair.kappa, *self._pair.raters)
        review_tables.fill_landmarks(self.ui.landmarkTable, self._pair, self.session.dataset)
        self._list_differences()

    def _list_differences(self, *_ignored) -> None:
        settled = self._comparison.settled if self._comparison and self.ui.unsettledCheckBox.checked else frozenset()
        found = self._pair.disagreements if self._pair else ()
        self._listed = [one for one in found if one.row.id not in settled and not review_tables.is_same(one)][:SHOWN]
        review_tables.fill_differences(self.ui.differencesTable, self._pair, self._listed)
        self._offer_settling()

    @property
    def difference(self) -> Disagreement | None:
        """The difference that is chosen in the list."""
        rows = {item.row() for item in self.ui.differencesTable.selectedItems()}
        return self._listed[rows.pop()] if len(rows) == 1 and max(rows) < len(self._listed) else None

    def _difference_chosen(self) -> None:
        chosen = self.difference
        self._offer_settling()
        if chosen is None or self.session.dataset is None:
            return
        view = self.session.dataset.site.view_for(resolve_view(chosen.row, chosen.first))
        self.marks.show(chosen, view)
        self.ui.caseLabel.text = review_tables.case_text(chosen, self.ui.caseLabel)

    def _offer_settling(self) -> None:
        chosen = self.difference
        if chosen is None:
            self.ui.caseLabel.text = ""
        for button in (self.ui.takeFirstButton, self.ui.takeSecondButton, self.ui.mergeButton):
            button.visible = self._pair is not None
            button.enabled = chosen is not None
        if self._pair is not None:
            first, second = self._pair.raters
            self.ui.takeFirstButton.text = _("Take {rater}'s (1)").format(rater=first)
            self.ui.takeSecondButton.text = _("Take {rater}'s (2)").format(rater=second)
            self.ui.mergeButton.text = _("Mean landmarks (3)")
        if chosen is not None:
            self.ui.mergeButton.enabled = chosen.label_steps == 0

    # --- settling ---

    def settle(self, how: str) -> None:
        """Save the consensus on the chosen difference: ``first``, ``second`` (rater) or ``mean`` (of landmarks)."""
        chosen, dataset = self.difference, self.session.dataset
        if chosen is None or dataset is None or (how == "mean" and chosen.label_steps):
            return
        if not self.session.rater:
            self.session.say(_("Say who you are first: choose a rater in the header."), alarm=True)
            return
        marks = (chosen.first, chosen.second)
        rater = (chosen.second if how == "second" else chosen.first).rater
        settled = (merge if how == "mean" else take)(marks, chosen=rater, adjudicator=self.session.rater)
        try:
            before = dataset.annotation(chosen.row.id, CONSENSUS)
            dataset.save(settled, expected_revision=before.revision if before else 0)
        except FractureAIError as error:
            self.session.say(str(error), alarm=True)
            return
        self.session.say(_("Settled: {label}.").format(label=review_tables.label_text(settled.label)))
        self._comparison = self._comparison.with_settled(chosen.row.id)
        position = self._listed.index(chosen)
        self._list_differences()
        if self._listed:
            self.ui.differencesTable.selectRow(min(position, len(self._listed) - 1))

    def accept_unanimous(self) -> None:
        """Save a consensus for every radiograph on which all chosen raters agree."""
        dataset, comparison, rater = self.session.dataset, self._comparison, self.session.rater
        if dataset is None or comparison is None:
            return
        if not rater:
            self.session.say(_("Say who you are first: choose a rater in the header."), alarm=True)
            return
        self.ui.unanimousButton.enabled = False
        self.session.background.run(
            lambda _task: accept_unanimous(dataset, comparison, rater), self._accepted, self._failed
        )

    def _accepted(self, count: int) -> None:
        self.session.say(_("{n} radiographs settled.").format(n=count))
        self.compare()

    def _ask_export(self) -> None:
        path = qt.QFileDialog.getSaveFileName(
            self.widget, _("Export the agreement"), "agreement.csv", _("Table (*.csv)")
        )
        path = path[0] if isinstance(path, tuple) else path
        if path:
            self.export(path)

    def export(self, path: str) -> None:
        """Write the figures and all differences as CSV."""
        try:
            export_csv(self._comparison, path)
        except FractureAIError as error:
            self.session.say(str(error), alarm=True)
            return
        self.session.say(_("Written to {path}").format(path=path))

    # --- raters ---

    def _start_anew(self) -> None:
        self._cancel()
        self._chosen_raters = None
        self.marks.clear()
        self._offer_raters()
        self._show(None)
        self.ui.introLabel.text = self._why_not(self.session.dataset, self.raters) or _("Press Compare.")

    def _offer_raters(self) -> None:
        dataset = self.session.dataset
        known = [rater for rater in (dataset.raters if dataset else ()) if rater != CONSENSUS]
        chosen = self._chosen_raters if self._chosen_raters is not None else set(known)
        self._raters_menu.clear()
        for rater in known:
            action = self._raters_menu.addAction(rater)
            action.checkable = True
            action.checked = rater in chosen
            action.connect("toggled(bool)", self._raters_chosen)
        self._name_raters()

    def _raters_chosen(self, *_ignored) -> None:
        self._chosen_raters = set(self.raters)
        self._name_raters()
        self.compare()

    def _name_raters(self) -> None:
        self.ui.ratersButton.text = ", ".join(self.raters) or _("none")

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None
