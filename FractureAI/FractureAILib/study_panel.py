"""Choosing what is read: files, folders, the dataset's case, what is in the viewer; and which views are shown."""

from collections.abc import Callable, Sequence

import qt
from slicer.i18n import tr as _

from fractureai.errors import FractureAIError
from fractureai.radiograph import UNKNOWN
from FractureAILib import dialogs, study_source
from FractureAILib.session import Session
from FractureAILib.study_source import Case

BOTH = -1


class StudyPanel:
    """The row on top of the page, and the box that is there as long as nothing is open.

    Args:
        ui: the page's widgets by name.
        widget: the page; files and folders can be dropped on it.
        session: its dataset's cases can be opened.
        chosen: called with the case the user chose.
        failed: called with the error when something can not be opened.
        annotated: returns the SOP Instance UID of the radiograph open in Annotate, or None.
    """

    def __init__(
        self,
        ui,
        widget,
        session: Session,
        chosen: Callable[[Case], None],
        failed: Callable[[FractureAIError], None],
        annotated: Callable[[], str | None],
    ) -> None:
        self.ui = ui
        self._annotated = annotated
        self._widget = widget
        self._session = session
        self._chosen = chosen
        self._failed = failed
        self.cases: list[Case] = []
        self._menu = qt.QMenu(ui.openButton)
        ui.openButton.setMenu(self._menu)
        self._menu.connect("aboutToShow()", self._fill_menu)
        self._fill_menu()
        ui.openFilesButton.connect("clicked()", self.ask_files)
        ui.openFolderButton.connect("clicked()", self.ask_folder)
        ui.openSceneButton.connect("clicked()", self.open_scene)
        ui.studyCombo.connect("activated(int)", self._activated)
        self._drop = _DropFilter(self.open_paths)
        widget.installEventFilter(self._drop)
        self.update()

    def cleanup(self) -> None:
        """Let the page go."""
        self._widget.removeEventFilter(self._drop)

    # --- opening ---

    def ask_files(self) -> None:
        """Let the user choose files."""
        self.open_paths(dialogs.ask_files(self._widget, _("Open the radiographs of one study")))

    def ask_folder(self) -> None:
        """Let the user choose a folder."""
        folder = dialogs.ask_folder(self._widget, _("Open a folder with radiographs"))
        self.open_paths([folder] if folder else [])

    def open_paths(self, paths: Sequence[str]) -> None:
        """Open files and folders; the first case found is chosen."""
        if not paths:
            return
        self._session.say(_("Looking for radiographs ..."))
        self._session.background.run(
            lambda task: study_source.cases_of_files(paths, task), self._opened, self._not_opened
        )

    def open_row(self, row) -> None:
        """Open the case of a radiograph of the dataset."""
        dataset = self._session.dataset
        if dataset is not None:
            self._session.background.run(
                lambda _task: (study_source.case_of_dataset(dataset, row),), self._opened, self._not_opened
            )

    def annotated_row(self):
        """Return the dataset's row of the radiograph open in Annotate, or None."""
        dataset, current = self._session.dataset, self._annotated()
        rows = dataset.radiographs if dataset is not None and current is not None else ()
        return next((row for row in rows if row.id == current), None)

    def open_annotated(self) -> None:
        """Open the case that is open in Annotate; does nothing when there is none."""
        row = self.annotated_row()
        if row is not None:
            self.open_row(row)

    def open_scene(self) -> None:
        """Open what was loaded into the viewer by other means: from its DICOM database, or from files."""
        cases = study_source.cases_of_scene()
        if cases:
            self._opened(cases)
        else:
            self._not_opened(
                FractureAIError(_("No radiograph is loaded whose file is known here; open its files instead."))
            )

    def add(self, cases: Sequence[Case], choose: bool = True) -> None:
        """Put cases on the list; one that is there already is not put there twice."""
        known = {(case.study, case.radiographs): case for case in self.cases}
        fresh = [case for case in cases if (case.study, case.radiographs) not in known]
        self.cases += fresh
        self.ui.studyCombo.blockSignals(True)
        for case in fresh:
            self.ui.studyCombo.addItem(case.title)
        self.ui.studyCombo.blockSignals(False)
        self.update()
        if choose and cases:
            first = known.get((cases[0].study, cases[0].radiographs), cases[0])
            self.ui.studyCombo.setCurrentIndex(self.cases.index(first))
            self._chosen(first)

    def remove(self, case: Case) -> None:
        """Take a case off the list."""
        if case in self.cases:
            index = self.cases.index(case)
            self.cases.pop(index)
            self.ui.studyCombo.blockSignals(True)
            self.ui.studyCombo.removeItem(index)
            self.ui.studyCombo.blockSignals(False)
        self.update()

    def clear(self) -> None:
        """Have nothing on the list."""
        self.cases = []
        self.ui.studyCombo.blockSignals(True)
        self.ui.studyCombo.clear()
        self.ui.studyCombo.blockSignals(False)
        self.update()

    # --- which views are shown ---

    def list_views(self, names: Sequence[str]) -> None:
        """Offer both views, and each alone."""
        combo = self.ui.viewsCombo
        combo.blockSignals(True)
        combo.clear()
        if len(names) > 1:
            combo.addItem(_("Both views"), BOTH)
        for number, name in enumerate(names):
            combo.addItem(_("view unknown") if name == UNKNOWN else name, number)
        combo.setCurrentIndex(0)
        combo.blockSignals(False)
        combo.visible = len(names) > 1

    def views_shown(self) -> int:
        """Return which radiograph is to be shown alone, or `BOTH`."""
        combo = self.ui.viewsCombo
        if combo.currentIndex < 0 or combo.count < 2:
            return BOTH
        return int(combo.itemData(combo.currentIndex))

    # --- parts ---

    def _opened(self, cases: Sequence[Case]) -> None:
        self._session.say(
            "" if len(cases) < 2 else _("{n} studies found; choose one above.").format(n=len(cases))
        )  # fmt: skip
        self.add(cases)

    def _not_opened(self, error: FractureAIError) -> None:
        self._session.say("")
        self._failed(error)

    def _activated(self, index: int) -> None:
        if 0 <= index < len(self.cases):
            self._chosen(self.cases[index])

    def update(self) -> None:
        """Show what there is to choose from."""
        empty = not self.cases
        self.ui.emptyBox.visible = empty
        self.ui.studyCombo.visible = not empty
        self.ui.openButton.visible = not empty or self._session.dataset is not None  # the menu has more than the box
        if empty:
            self.list_views(())

    def _fill_menu(self) -> None:
        self._menu.clear()
        self._menu.addAction(_("Files ...")).connect("triggered()", self.ask_files)
        self._menu.addAction(_("Folder ...")).connect("triggered()", self.ask_folder)
        self._menu.addAction(_("What is loaded in the viewer")).connect("triggered()", self.open_scene)
        dataset = self._session.dataset
        if dataset is None:
            return
        self._menu.addSeparator()
        if self.annotated_row() is not None:
            self._menu.addAction(_("The case open in Annotate")).connect("triggered()", self.open_annotated)
        action = self._menu.addAction(_("All cases of the dataset"))
        action.connect("triggered()", self.open_dataset)

    def open_dataset(self) -> None:
        """List every case of the dataset."""
        dataset = self._session.dataset

        def cases(task):
            found, seen = [], set()
            for row in dataset.radiographs:
                if task.cancelled():
                    break
                if row.id in seen:
                    continue
                case = study_source.case_of_dataset(dataset, row)
                seen.update(case.radiographs)
                found.append(case)
            return found

        self._session.say(_("Looking for radiographs ..."))
        self._session.background.run(cases, self._opened, self._not_opened)


class _DropFilter(qt.QObject):
    """Takes files and folders that are dropped on a widget."""

    def __init__(self, dropped: Callable[[Sequence[str]], None]) -> None:
        qt.QObject.__init__(self)
        self._dropped = dropped

    def eventFilter(self, _watched, event):  # noqa: N802
        """Qt's hook."""
        kind = event.type()
        if kind in (qt.QEvent.DragEnter, qt.QEvent.DragMove) and event.mimeData().hasUrls():
            event.acceptProposedAction()
            return True
        if kind == qt.QEvent.Drop and event.mimeData().hasUrls():
            paths = [str(url.toLocalFile()) for url in event.mimeData().urls()]
            event.acceptProposedAction()
            # The program that dropped them waits until this returns.
            qt.QTimer.singleShot(0, lambda: self._dropped([path for path in paths if path]))
            return True
        return False
