"""The section Dataset of the page Train: what is there, is it whole, give it away, take a model back."""

from collections.abc import Callable
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from fractureai.dataset.formats import FORMATS
from fractureai.errors import FractureAIError
from FractureAILib.dataset_work import (
    ARCHIVE,
    OWN_FORMATS,
    DatasetFacts,
    Exported,
    check_dataset,
    export,
    facts_of,
    radiograph_of,
)
from FractureAILib.dialogs import ask_folder, ask_new_file
from FractureAILib.pages import Page
from FractureAILib.style import ALARM, DONE, set_text
from FractureAILib.train_raters import RatersMenu
from FractureAILib.train_results import open_file

PROBLEMS_SHOWN = 500
MORE_PROBLEMS = 3
"""Problems of an export that are named in the panel; the others are counted."""


class DatasetPage(Page):
    """Facts, check, export and import; everything in the background, none of it needs the engine but the import."""

    ui_file = "Dataset.ui"

    def __init__(self, session, resource_path) -> None:
        super().__init__(session, resource_path)
        self.problems: tuple = ()
        self.exported: Exported | None = None
        self.imported: dict | None = None
        self._counting = None
        self._checking = None
        self._exporting = None
        self._importing = None

    def setup(self) -> None:
        """Connect the widgets."""
        ui = self.ui
        self.raters = RatersMenu(ui.exportRatersButton, _("everybody"), self._choice_changed)
        ui.formatComboBox.addItem(_("portable archive, de-identified (ZIP)"), ARCHIVE)
        for name in OWN_FORMATS:
            ui.formatComboBox.addItem(FORMATS[name].title, name)
        ui.formatComboBox.connect("currentIndexChanged(int)", lambda _index: self._choice_changed())
        ui.checkButton.connect("clicked()", self.check)
        ui.writeButton.connect("clicked()", self._ask_export)
        ui.stopButton.connect("clicked()", self.cancel_export)
        ui.showButton.connect("clicked()", self._show_folder)
        ui.copyButton.connect("clicked()", lambda: qt.QApplication.clipboard().setText(ui.commandEdit.text))
        ui.importZipButton.connect("clicked()", self._ask_zip)
        ui.importFolderButton.connect("clicked()", self._ask_bundle_folder)
        ui.useImportedButton.connect("clicked()", self.use_imported)
        self.session.dataset_changed.connect(self._start_anew)
        self.session.model_changed.connect(self._show_import)
        self._prepare_problems_table()
        self._start_anew()
        self._show_import()

    def enter(self) -> None:
        """Count anew: others may have worked meanwhile."""
        super().enter()
        self._count()

    def cleanup(self) -> None:
        """Let everything go."""
        super().cleanup()
        for task in (self._counting, self._checking, self._exporting, self._importing):
            if task is not None:
                task.cancel()

    # --- facts ---

    def _start_anew(self) -> None:
        for task in (self._counting, self._checking, self._exporting):
            if task is not None:
                task.cancel()
        self._counting = self._checking = self._exporting = None
        self.exported = None
        self.ui.checkLabel.text = ""
        self.ui.exportLabel.text = ""
        self._list_problems(())
        has_dataset = self.session.dataset is not None
        for group in (self.ui.checkGroup, self.ui.exportGroup):
            group.visible = has_dataset
        if not has_dataset:
            self.ui.factsLabel.text = _("Open a dataset to check it, or to give it to somebody who trains on it.")
        self._choice_changed()
        self._count()

    def _count(self) -> None:
        dataset = self.session.dataset
        if dataset is None or self._counting is not None:
            return
        self._counting = self.session.background.run(lambda _task: facts_of(dataset), self._counted, self._not_counted)

    def _counted(self, facts: DatasetFacts) -> None:
        self._counting = None
        lines = [
            _("{name} ({site})").format(name=facts.name, site=facts.site),
            _("{radiographs} radiographs of {studies} studies and {patients} patients").format(
                radiographs=facts.radiographs, studies=facts.studies, patients=facts.patients
            ),
        ]
        if facts.finished:
            finished = ", ".join(f"{rater} {number}" for rater, number in facts.finished.items())
            lines.append(_("Finished by: {raters}").format(raters=finished))
        if facts.splits:
            splits = ", ".join(f"{split} {number}" for split, number in facts.splits.items())
            lines.append(_("Patients: {splits}").format(splits=splits))
        lines.append(facts.folder)
        set_text(self.ui.factsLabel, "\n".join(lines))
        self.raters.offer(list(facts.finished))

    def _not_counted(self, error: FractureAIError) -> None:
        self._counting = None
        set_text(self.ui.factsLabel, str(error), ALARM)

    # --- check ---

    def check(self) -> None:
        """Check the dataset in the background."""
        dataset = self.session.dataset
        if dataset is None or self._checking is not None:
            return
        self.ui.checkButton.enabled = False
        set_text(self.ui.checkLabel, _("Checking ..."))

        def told(progress: tuple[int, int]) -> None:
            self.ui.checkLabel.text = _("{done} of {all} images").format(done=progress[0], all=progress[1])

        self._checking = self.session.background.run(
            lambda task: check_dataset(dataset, task), self._checked, self._not_checked, told
        )

    def _checked(self, problems: tuple) -> None:
        self._checking = None
        self.ui.checkButton.enabled = True
        errors = sum(problem.severity == "error" for problem in problems)
        if not problems:
            set_text(self.ui.checkLabel, _("Everything is as it should be."), DONE)
        else:
            text = _("errors: {errors}, warnings: {warnings}").format(errors=errors, warnings=len(problems) - errors)
            set_text(self.ui.checkLabel, text, ALARM if errors else None)
        self._list_problems(problems)

    def _not_checked(self, error: FractureAIError) -> None:
        self._checking = None
        self.ui.checkButton.enabled = True
        set_text(self.ui.checkLabel, str(error), ALARM)

    def _prepare_problems_table(self) -> None:
        table = self.ui.problemsTable
        table.setColumnCount(2)
        table.setHorizontalHeaderLabels([_("File"), _("Problem")])
        table.verticalHeader().setVisible(False)
        table.horizontalHeader().setSectionResizeMode(1, qt.QHeaderView.Stretch)
        table.setTextElideMode(qt.Qt.ElideMiddle)
        table.connect("cellActivated(int,int)", self._problem_chosen)
        table.toolTip = _("Enter or double click: show the radiograph")

    def _problem_chosen(self, row: int, _column: int) -> None:
        dataset, problem = self.session.dataset, self.problems[row]
        radiograph = radiograph_of(dataset, problem) if dataset is not None else None
        if radiograph is not None:
            self.session.show_radiographs.emit(problem.text, (radiograph,))

    def _list_problems(self, problems: tuple) -> None:
        self.problems = problems
        table = self.ui.problemsTable
        table.setRowCount(min(len(problems), PROBLEMS_SHOWN))
        for row, problem in enumerate(problems[:PROBLEMS_SHOWN]):
            for column, text in enumerate((problem.file.name, problem.text)):
                item = qt.QTableWidgetItem(text)
                item.setToolTip(f"{problem.severity}: {problem.file}\n{problem.text}")
                table.setItem(row, column, item)
        table.visible = bool(problems)
        table.resizeRowsToContents()

    # --- export ---

    @property
    def format(self) -> str:
        """What is exported to: ``archive``, ``deepwrist``, ``via`` or ``coco``."""
        return str(self.ui.formatComboBox.currentData)

    def export(self, target: str) -> None:
        """Export in the background.

        Args:
            target: the ZIP file of an archive, or the folder of another format.
        """
        dataset, kind, raters = self.session.dataset, self.format, self.raters.chosen
        comments, images = self.ui.commentsCheckBox.checked, self.ui.imagesCheckBox.checked
        if dataset is None or self._exporting is not None:
            return
        self.exported = None
        set_text(self.ui.exportLabel, _("Exporting ..."))
        self.ui.exportBar.value = 0

        def told(progress: tuple[int, int]) -> None:
            done, total = progress
            self.ui.exportBar.value = round(1000 * done / max(total, 1))
            self.ui.exportLabel.text = _("{done} of {all} radiographs").format(done=done, all=total)

        def work(task):
            return export(dataset, kind, Path(target), raters, task, comments=comments, images=images)

        self._exporting = self.session.background.run(work, self._was_exported, self._not_exported, told)
        self._show_export()

    def cancel_export(self) -> None:
        """Stop an export; an archive is not written at all."""
        if self._exporting is not None:
            self._exporting.cancel()
            self._exporting = None
            set_text(self.ui.exportLabel, _("Cancelled."))
            self._show_export()

    def _ask_export(self) -> None:
        dataset = self.session.dataset
        window = slicer.util.mainWindow()
        if self.format == ARCHIVE:
            proposed = dataset.folder.with_name(f"{dataset.folder.name}.zip")
            target = ask_new_file(window, _("Export as"), str(proposed), "zip")
        else:
            target = ask_folder(window, _("An empty folder for the export"), str(dataset.folder.parent))
        if target:
            self.export(target)

    def _was_exported(self, exported: Exported) -> None:
        self._exporting = None
        self.exported = exported
        text = exported.text
        if exported.problems:
            shown = "\n".join(exported.problems[:MORE_PROBLEMS])
            text += "\n" + _("To look at ({n}):").format(n=len(exported.problems)) + f"\n{shown}"
        set_text(self.ui.exportLabel, text)
        self.ui.commandEdit.text = exported.command
        self._show_export()

    def _not_exported(self, error: FractureAIError) -> None:
        self._exporting = None
        set_text(self.ui.exportLabel, str(error), ALARM)
        self._show_export()

    def _show_folder(self) -> None:
        self._or_say(lambda: open_file(self.exported.target.parent if self.format == ARCHIVE else self.exported.target))

    def _choice_changed(self) -> None:
        archive = self.format == ARCHIVE
        self.ui.commentsCheckBox.visible = archive
        self.ui.imagesCheckBox.visible = not archive
        self.ui.formatHintLabel.text = (
            _("For other computers: new UIDs, no dates, no texts, pixels as they are, a hash for every file.")
            if archive
            else _("For other programs. Images are written as they are, DICOM headers included: for use in this house.")
        )
        self._show_export()

    def _show_export(self) -> None:
        ui, running = self.ui, self._exporting is not None
        ui.writeButton.enabled = not running
        ui.stopButton.visible = running
        ui.exportBar.visible = running
        ui.exportLabel.visible = bool(ui.exportLabel.text)
        ui.showButton.visible = self.exported is not None
        command = self.exported is not None and bool(self.exported.command)
        ui.commandEdit.visible = command
        ui.copyButton.visible = command

    # --- import ---

    def import_model(self, path: str) -> None:
        """Register a bundle with the engine."""
        if self._importing is not None:
            return
        set_text(self.ui.importLabel, _("Importing ..."))
        self.imported = None
        self._importing = self.session.engine.call(
            lambda client, _task: client.import_model(path), self._was_imported, self._not_imported
        )
        self._show_import()

    def use_imported(self) -> None:
        """Let the imported model read from now on."""
        self.session.settings.model = self.imported["id"]
        self.session.model_changed.emit()

    def _ask_zip(self) -> None:
        window = slicer.util.mainWindow()
        path = qt.QFileDialog.getOpenFileName(window, _("Import a model"), "", _("Bundles (*.zip)"))
        path = path[0] if isinstance(path, tuple) else path
        if path:
            self.import_model(path)

    def _ask_bundle_folder(self) -> None:
        folder = ask_folder(slicer.util.mainWindow(), _("Import a model: the folder of its bundle"))
        if folder:
            self.import_model(folder)

    def _was_imported(self, model: dict) -> None:
        self._importing = None
        self.imported = model
        set_text(self.ui.importLabel, _("{title} is in the list of models.").format(title=model["title"]), DONE)
        self._show_import()

    def _not_imported(self, error: FractureAIError) -> None:
        self._importing = None
        set_text(self.ui.importLabel, str(error), ALARM)
        self._show_import()

    def _show_import(self) -> None:
        ui, model = self.ui, self.imported
        for button in (ui.importZipButton, ui.importFolderButton):
            button.enabled = self._importing is None
        ui.importLabel.visible = bool(ui.importLabel.text)
        used = model is not None and self.session.settings.model == model["id"]
        ui.useImportedButton.visible = model is not None
        ui.useImportedButton.enabled = not used
        ui.useImportedButton.text = _("In use") if used else _("Use this model")

    def _or_say(self, work: Callable[[], None]) -> None:
        try:
            work()
        except FractureAIError as error:
            self.session.say(str(error), alarm=True)
