"""The page Train: what will be used, how, and then the training itself, until its model reads."""

import qt
import slicer
from slicer.i18n import tr as _

from fractureai.errors import FractureAIError
from FractureAILib import train_tables
from FractureAILib.dataset_page import DatasetPage
from FractureAILib.dialogs import ask_folder
from FractureAILib.engine_link import MissingPackagesError
from FractureAILib.install_box import InstallBox
from FractureAILib.pages import Page
from FractureAILib.style import ALARM, DONE, set_text
from FractureAILib.train_curves import Curves, fits_of
from FractureAILib.train_plan import TrainPlan
from FractureAILib.train_recipes import recipe_name
from FractureAILib.train_results import TrainResults
from FractureAILib.train_run import TrainRun
from FractureAILib.train_texts import ended_text, numbers_text, plain, progress_text, state_text, when_text

FOLLOW = ""
"""Data of the first line in the list of fits: show the one that runs."""


class TrainPage(Page):
    """Two parts that are never seen together: planning a training, and following one."""

    ui_file = "Train.ui"

    def __init__(self, session, resource_path) -> None:
        super().__init__(session, resource_path)
        self.dataset_page = DatasetPage(session, resource_path)
        self.curves = Curves()
        self.run = TrainRun(session)
        self.jobs: list[dict] = []
        self._entered = False
        self._can_train = False
        self._looking = None
        self._problem = ""
        self._layout_shown_for = ""
        self._listed_for: tuple[str, str] | None = None

    def setup(self) -> None:
        """Connect the widgets."""
        ui = self.ui
        ui.datasetLayout.addWidget(self.dataset_page.widget)
        self.plan = TrainPlan(self.session, ui, self._refresh)
        self.results = TrainResults(self.session, ui, self._failed)
        self.install = InstallBox(ui, self.session.engine, self._installed)
        ui.trainingButton.connect("clicked()", lambda: self.show_section(False))
        ui.exportButton.connect("clicked()", lambda: self.show_section(True))
        ui.openButton.connect("clicked()", self._open_dataset)
        ui.startButton.connect("clicked()", self.start)
        ui.cancelButton.connect("clicked()", self.run.cancel)
        ui.continueButton.connect("clicked()", self._continue)
        ui.againButton.connect("clicked()", lambda: self.show_job(None))
        ui.fitComboBox.connect("currentIndexChanged(int)", lambda _index: self._draw())
        ui.logButton.connect("toggled(bool)", self._show_log)
        ui.jobsTable.connect("itemSelectionChanged()", self._job_chosen)
        self.run.changed.connect(self._refresh)
        self.run.failed.connect(self._failed)
        self.run.ended.connect(self._ended)
        self.session.dataset_changed.connect(self._dataset_changed)
        self.session.engine.state_changed.connect(self._engine_changed)
        self.dataset_page.setup()
        ui.logEdit.visible = False
        self.show_section(False)
        self._refresh()

    def enter(self) -> None:
        """Look at the dataset and the server's trainings anew."""
        super().enter()
        self._entered = True
        self.plan.refresh()
        self.dataset_page.enter()
        self.look_at_engine()
        self.run.look_again()
        self._draw()

    def exit(self) -> None:
        """Leave the views as they were; a training goes on."""
        super().exit()
        if self._entered:
            self._entered = False
            self._hide_curves()
            self.dataset_page.exit()

    def scene_closed(self) -> None:
        """The plot nodes are gone."""
        self.curves.forget()
        self._draw()

    def cleanup(self) -> None:
        """Let everything go; a training is stopped with the engine, and can be continued."""
        super().cleanup()
        self.plan.stop()
        self.run.stop()
        self.dataset_page.cleanup()
        self.curves.remove()

    # --- what the user does ---

    def show_section(self, dataset: bool) -> None:
        """Show the dataset's section, or the training's."""
        self.ui.trainingPanel.visible = not dataset
        self.ui.datasetPanel.visible = dataset
        (self.ui.exportButton if dataset else self.ui.trainingButton).checked = True

    def start(self) -> None:
        """Start a training as planned; asks first where something has to be installed."""
        if self.session.dataset is None or self.run.busy or self.run.running:
            return
        self._say_problem("")
        self.install.hide()
        try:
            parameters = self.plan.parameters()
        except FractureAIError as error:
            self._failed(error)
            return
        self.run.start(parameters)

    def show_job(self, job) -> None:
        """Follow one of the server's trainings; None to plan a new one."""
        self._say_problem("")
        self.run.follow(job)
        if job is None:
            self._hide_curves()
            self.plan.refresh()
            self.look_at_engine()

    def look_at_engine(self) -> None:
        """Ask the engine what it computes with and which trainings there are; harmless where none is installed."""
        if self._looking is not None:
            return
        self._looking = self.session.engine.call(
            lambda client, _task: (client.health(), client.jobs()), self._engine_answered, self._engine_silent
        )

    def _continue(self) -> None:
        self._say_problem("")
        self.run.resume()

    def _installed(self) -> None:
        self.start()

    def _open_dataset(self) -> None:
        folder = ask_folder(slicer.util.mainWindow(), _("Open a dataset"))
        try:
            if folder:
                self.session.open_dataset(folder)
        except FractureAIError as error:
            self._failed(error)

    def _job_chosen(self) -> None:
        rows = {item.row() for item in self.ui.jobsTable.selectedItems()}
        if len(rows) == 1:
            job = self.jobs[rows.pop()]
            if self.run.job is None or self.run.job["id"] != job["id"]:
                self.show_job(job)

    def _show_log(self, wanted: bool) -> None:
        self.ui.logEdit.visible = wanted
        self.run.follow_log(wanted)

    # --- what happens ---

    def _dataset_changed(self) -> None:
        self.plan.forget()
        if self._entered:
            self.plan.refresh()

    def _engine_changed(self, state: str, _sentence: str) -> None:
        if state == "ready" and self._entered:
            self.look_at_engine()

    def _engine_answered(self, answer) -> None:
        self._looking = None
        health, jobs = answer
        self._can_train = bool(health.get("can_train"))
        self.plan.offer_devices(health.get("devices") or ())
        self.jobs = [job for job in jobs if job["kind"] == "train"]
        self._list_jobs()
        running = [job for job in self.jobs if job["state"] in ("queued", "running")]
        if running and self.run.job is None and not self.run.busy:
            self.run.follow(running[0])
        self._refresh()

    def _engine_silent(self, error: FractureAIError) -> None:
        self._looking = None
        if not isinstance(error, MissingPackagesError):
            self._failed(error)

    def _failed(self, error: FractureAIError) -> None:
        if isinstance(error, MissingPackagesError):
            self.install.ask("train")
            return
        self._say_problem(str(error))

    def _ended(self, job) -> None:
        if job["state"] == "done":
            self.session.say(_("The training is done; its model is in the list of models."))
        self.look_at_engine()

    def _say_problem(self, text: str) -> None:
        self._problem = text
        self._refresh()

    # --- showing it ---

    def _refresh(self) -> None:
        """Show what fits the state."""
        ui, run = self.ui, self.run
        following = run.job is not None
        has_dataset = self.session.dataset is not None
        ui.emptyPanel.visible = not following and not has_dataset
        ui.setupPanel.visible = not following and has_dataset
        ui.runPanel.visible = following
        set_text(ui.problemLabel, self._problem, ALARM)
        ui.problemLabel.visible = bool(self._problem)
        if following:
            self._show_run(run.job)
            self._list_again(run.job)
        elif has_dataset:
            self._show_start()
        self.results.show(run.job)
        ui.jobsButton.visible = bool(self.jobs)

    def _show_start(self) -> None:
        ui, summary = self.ui, self.plan.summary
        ready = summary is not None and not summary.obstacles and not self.run.busy
        ui.startButton.enabled = ready
        ui.startButton.text = _("Starting ...") if self.run.busy else _("Start training")
        here = _(
            "It runs beside the viewer, which can be used meanwhile. Closing the viewer stops it; it can be continued."
        )
        there = _("It runs on the server at {url}, also while this viewer is closed.")
        url = self.session.settings.server_url
        ui.startHintLabel.text = there.format(url=url) if self.session.engine.is_remote else here

    def _show_run(self, job) -> None:
        ui, run = self.ui, self.run
        given = job.get("parameters") or {}
        dataset = str(given.get("dataset") or "").replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
        recipe = recipe_name(str(given.get("recipe") or ""))
        state = _("stopping ...") if run.busy == "cancelling" else state_text(run.state)
        ui.runTitleLabel.text = _("{recipe} on {dataset}: {state}").format(recipe=recipe, dataset=dataset, state=state)
        ui.progressBar.value = 1000 if run.state == "done" else round(1000 * (job["progress"]["fraction"] or 0))
        if run.running:
            set_text(ui.runTextLabel, progress_text(job))
        else:
            set_text(ui.runTextLabel, ended_text(job), {"done": DONE, "failed": ALARM}.get(run.state))
        ui.runNumbersLabel.text = numbers_text(job) if run.running else ""
        ui.runNumbersLabel.visible = bool(ui.runNumbersLabel.text)
        ui.cancelButton.visible = run.running
        ui.cancelButton.enabled = not run.busy
        ui.continueButton.visible = run.stopped
        ui.continueButton.enabled = not run.busy
        ui.againButton.visible = not run.running
        self._offer_fits(fits_of(job["history"]))
        self._draw()
        self._fill_log()

    def _offer_fits(self, fits: list[str]) -> None:
        box = self.ui.fitComboBox
        follow = _("the one that runs") if self.run.running else _("the last one")
        if box.count and [box.itemText(0), *(box.itemData(index) for index in range(1, box.count))] == [follow, *fits]:
            return
        before = box.currentData
        box.blockSignals(True)
        box.clear()
        box.addItem(follow, FOLLOW)
        for fit in fits:
            box.addItem(plain(fit), fit)
        box.setCurrentIndex(max(0, box.findData(before)))
        box.blockSignals(False)

    def _draw(self) -> None:
        """Show the curves while this page is in front."""
        job = self.run.job
        history = job["history"] if job is not None else ()
        if not self._entered or not history:
            return
        fit = self.ui.fitComboBox.currentData or fits_of(history)[-1]
        self.curves.show(history, fit)
        if self._layout_shown_for != job["id"]:  # once, so that a layout the user chooses meanwhile stays
            self._layout_shown_for = job["id"]
            self.curves.show_layout()

    def _hide_curves(self) -> None:
        self._layout_shown_for = ""
        self.curves.hide_layout()

    def _fill_log(self) -> None:
        edit = self.ui.logEdit
        if edit.visible and edit.plainText != self.run.log:
            edit.plainText = self.run.log
            edit.moveCursor(qt.QTextCursor.End)

    def _list_again(self, job) -> None:
        """Ask for the list of trainings when the one that is followed is not listed as it is, once for each change."""
        seen = (job["id"], job["state"])
        if seen != self._listed_for and seen not in {(known["id"], known["state"]) for known in self.jobs}:
            self._listed_for = seen
            self.look_at_engine()

    def _list_jobs(self) -> None:
        rows = []
        for job in self.jobs:
            given = job.get("parameters") or {}
            dataset = str(given.get("dataset") or "").replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
            recipe = recipe_name(str(given.get("recipe") or ""))
            rows.append([dataset, recipe, when_text(str(job["created"])), state_text(str(job["state"]))])
        headers = [_("Dataset"), _("Recipe"), _("Begun"), _("State")]
        train_tables.fill(self.ui.jobsTable, headers, rows, most_rows=5)
        self.ui.jobsButton.text = _("Trainings so far ({n})").format(n=len(rows))
