"""The page Read: open a study, have a model read it, see how sure it is and where it looked, agree or disagree."""

from collections.abc import Mapping
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from fractureai.errors import FractureAIError
from fractureai.scene.reading import ReadingNodes, Verdict
from FractureAILib import opinions, reading_text, stages, style
from FractureAILib.engine_line import EngineLine
from FractureAILib.engine_link import MissingPackagesError
from FractureAILib.hold_key import HoldKey
from FractureAILib.image_texts import ImageTexts
from FractureAILib.install_box import InstallBox
from FractureAILib.model_choice import ModelChoice
from FractureAILib.overlay_panel import OverlayPanel
from FractureAILib.pages import Page
from FractureAILib.reading_run import ReadingRun
from FractureAILib.reading_view import ReadingView
from FractureAILib.resize_filter import ResizeFilter
from FractureAILib.shortcuts import Action
from FractureAILib.studies import OpenStudy
from FractureAILib.study_panel import BOTH, StudyPanel
from FractureAILib.study_screen import StudyScreen
from FractureAILib.study_source import Case
from FractureAILib.verdict_panel import VerdictPanel


class ReadPage(Page, VTKObservationMixin):
    """Puts the parts of the page together; each part is a class of its own.

    Attributes:
        study: the study that is open, or None.
        run: the reading in progress, and how the last one ended.
        nodes: the reading that is shown, in the scene, or None.
        annotated: returns the radiograph open in Annotate, or None; set by the panel.
    """

    ui_file = "Read.ui"

    def __init__(self, session, resource_path) -> None:
        VTKObservationMixin.__init__(self)
        Page.__init__(self, session, resource_path)
        self.study: OpenStudy | None = None
        self.nodes: ReadingNodes | None = None
        self.annotated = lambda: None
        self._front = False
        self._quiet = False

    def actions(self) -> list[Action]:
        """Return what keys do on this page."""
        return [
            Action("Read", _("Read the study"), "R", self.read),
            Action("CancelReading", _("Cancel the reading"), "Esc", self.cancel),
            Action("HeatMap", _("Activation map on or off"), "H", self._toggle_map),
            Action("HideMarks", _("Hide all marks while held"), "Space", self._hide_marks),
            Action("Agree", _("Agree with the reading"), "A", self._agree),
            Action("Disagree", _("Disagree with the reading"), "D", self._disagree),
            Action("NextViews", _("Both views, or one alone"), "V", self._next_views),
            Action("FitStudy", _("Show the whole radiographs again"), "F", self._fit),
        ]

    def setup(self) -> None:
        """Connect the widgets; called once."""
        ui, session = self.ui, self.session
        self.screen = StudyScreen()
        self.studies = StudyPanel(ui, self.widget, session, self.open_case, self._say_error, lambda: self.annotated())
        self.view = ReadingView(ui)
        self.overlay = OverlayPanel(ui, self.screen)
        self.texts = ImageTexts(self.screen)
        self.verdicts = VerdictPanel(ui, self._store, lambda: session.rater)
        self.models = ModelChoice(ui.modelCombo, session, self._no_models)
        self.line = EngineLine(ui.engineLabel, ui.retryButton, session.engine)
        self.install = InstallBox(ui, session.engine, self._installed)
        self.run = ReadingRun(session.engine, self._run_changed)
        self._hold = HoldKey(qt.Qt.Key_Space, lambda: self.overlay.hide_all(False))
        self._resized = ResizeFilter(self._draw_again)
        self.widget.installEventFilter(self._resized)
        ui.readButton.connect("clicked()", self.read)
        ui.cancelButton.connect("clicked()", self.cancel)
        ui.viewsCombo.connect("currentIndexChanged(int)", lambda _index: self._show_images())
        ui.readingsCombo.connect("activated(int)", self._choose_reading)
        ui.exportButton.connect("clicked()", lambda: opinions.export(session, self.widget))
        ui.removeStudyButton.connect("clicked()", self.close_study)
        for name in ("", "PA", "LAT"):
            ui.givenViewCombo.addItem(name or _("unknown"), name)
        ui.readButton.toolTip = _("Key {key}").format(key=self.shortcuts.keys(self.shortcuts.actions[0]))
        ui.overlayVisible.toolTip = _("Where the model looked; key {key}").format(
            key=self.shortcuts.keys(self.shortcuts.actions[2])
        )
        session.engine.state_changed.connect(self._engine_changed)
        session.blinded_changed.connect(self._blinded_changed)
        session.dataset_changed.connect(self._dataset_changed)
        self._show_reading(None)
        self._update()

    # --- the page comes and goes ---

    def enter(self) -> None:
        """The page comes to the front."""
        self._front = True
        Page.enter(self)
        self.addObserver(slicer.mrmlScene, slicer.vtkMRMLScene.EndImportEvent, self._scene_loaded)
        self.addObserver(slicer.mrmlScene, slicer.vtkMRMLScene.NodeRemovedEvent, self._node_removed)
        self.session.engine.start()
        if self.session.engine.state == "ready":
            self.models.refresh()
        self._find_studies()
        if self.study is None:
            self.studies.open_annotated()
        self._show_images()
        self._draw_again()

    def exit(self) -> None:
        """The page is left."""
        self._front = False
        self.verdicts.flush()
        self._hold.stop()
        self.removeObservers()
        self.overlay.leave()
        self.texts.clear()
        self.screen.leave()
        Page.exit(self)

    def scene_closed(self) -> None:
        """The scene was closed: the page's nodes are gone."""
        self.run.cancel()
        self.screen.leave()
        self.study = None
        self.studies.clear()
        self._show_reading(None)
        self._update()

    def cleanup(self) -> None:
        """The panel is closed or reloaded."""
        self.run.cancel()
        Page.cleanup(self)
        self.study = None
        self.studies.cleanup()
        self.widget.removeEventFilter(self._resized)
        self._resized.stop()
        self.session.engine.state_changed.disconnect(self._engine_changed)
        self.session.blinded_changed.disconnect(self._blinded_changed)
        self.session.dataset_changed.disconnect(self._dataset_changed)
        self.models.cleanup()

    # --- a study ---

    def open_case(self, case: Case) -> None:
        """Show a case; its radiographs are read in the background."""
        self.run.cancel()
        self.verdicts.flush()
        self.line.clear()
        before, self.study = self.study, OpenStudy(case)
        if before is not None and before.case is not case:
            before.leave()
        self._show_reading(None)
        if self.study.is_whole:
            self._study_shown()
            return
        study, dataset = self.study, self.session.dataset
        self._update()

        def read(radiographs) -> None:
            if self.study is study:
                study.add(radiographs)
                self._study_shown()

        def failed(error: FractureAIError) -> None:
            if self.study is study:
                self._fail(error, lambda: self.open_case(case))

        self.session.background.run(lambda _task: study.read_files(dataset), read, failed)

    def close_study(self) -> None:
        """Take the study with all that belongs to it out of the scene."""
        if self.study is None:
            return
        self.run.cancel()
        self.verdicts.flush()
        study, self.study = self.study, None
        self.screen.leave(empty=True)
        self.texts.clear()
        study.remove()
        self.studies.remove(study.case)
        self._show_reading(None)
        self._update()
        if self.studies.cases:
            self.ui.studyCombo.setCurrentIndex(0)
            self.open_case(self.studies.cases[0])

    def _study_shown(self) -> None:
        self.studies.list_views(self.study.view_names)
        readings = self.study.readings()
        self._show_images()
        self._show_reading(readings[-1] if readings else None)
        self._update()

    def _show_images(self) -> None:
        """Show both views, or the one that was chosen."""
        volumes = self.study.volumes() if self.study is not None else ()
        if not self._front or not volumes:
            return
        alone = self.studies.views_shown()
        self.screen.show_volumes(volumes[:2] if alone == BOTH else volumes[alone : alone + 1])
        self.texts.show(self.study, self._shown_reading())
        self.overlay.apply()

    # --- reading ---

    def read(self) -> None:
        """Have the chosen model read the study."""
        if self.study is None or not self._may_read():
            return
        self.line.clear()
        self.install.hide()
        given_view = self.ui.givenViewCombo.itemData(self.ui.givenViewCombo.currentIndex) or None
        view = given_view if self.study.view_is_unknown else None
        self.run.start(self.study.case, self.models.model, view, self.models.coverage)

    def cancel(self) -> None:
        """Cancel the reading in progress."""
        if self.run.is_running:
            self.run.cancel()
            self.session.say(_("Reading cancelled."))

    def _run_changed(self) -> None:
        run = self.run
        if run.is_running and run.stage is not None:
            self._show_stage()
            return
        if run.state == "failed":
            if isinstance(run.error, MissingPackagesError):
                self.install.ask(run.error.what)
            else:
                self._fail(run.error, self.read)
        elif run.state == "done" and self.study is not None and run.case is self.study.case:
            nodes = self.study.add_reading(run.reading, run.activations, float(self.ui.overlayCutoff.value))
            self.overlay.choose_default(run.reading)
            self._show_reading(nodes)
            self._show_images()
            self.session.say("")
        self._update()

    def _show_reading(self, nodes: ReadingNodes | None) -> None:
        self.nodes = nodes
        reading = nodes.reading if nodes is not None else None
        self.view.show(None if self.session.blinded else reading)
        self.overlay.show(nodes, reading)
        self._list_readings()
        self._show_verdict()
        if self.study is not None and self._front:
            self.texts.show(self.study, self._shown_reading())

    def _shown_reading(self) -> Mapping[str, Any] | None:
        """Return the reading whose marks are on the images."""
        return self.nodes.reading if self.nodes is not None and not self.session.blinded else None

    def _list_readings(self) -> None:
        readings = self.study.readings() if self.study is not None else ()
        combo = self.ui.readingsCombo
        combo.clear()
        for nodes in readings:
            reading = nodes.reading
            combo.addItem(f"{reading['model']}: {reading_text.summary(reading)}")
        if self.nodes is not None:
            combo.setCurrentIndex([nodes.record.GetID() for nodes in readings].index(self.nodes.record.GetID()))

    def _choose_reading(self, index: int) -> None:
        readings = self.study.readings() if self.study is not None else ()
        if 0 <= index < len(readings):
            self.verdicts.flush()
            self._show_reading(readings[index])
            self._update()

    # --- what a person says of it ---

    def _show_verdict(self) -> None:
        if self.nodes is None or self.study is None:
            self.verdicts.show(None, "")
            return
        model = self.nodes.reading["model"]
        self.verdicts.show(self.study.verdict(self.session.rater, model), model)

    def _store(self, verdict: Verdict) -> str:
        return opinions.store(self.session, self.study, self.nodes.reading, verdict)

    # --- keys ---

    def _toggle_map(self) -> None:
        if self.nodes is not None:
            self.overlay.toggle()

    def _hide_marks(self) -> None:
        self._hold.press()
        self.overlay.hide_all(True)

    def _agree(self) -> None:
        if self.nodes is not None and not self.session.blinded:
            self.verdicts.agree()

    def _disagree(self) -> None:
        if self.nodes is not None and not self.session.blinded:
            self.verdicts.disagree()

    def _next_views(self) -> None:
        combo = self.ui.viewsCombo
        if combo.count > 1:
            combo.setCurrentIndex((combo.currentIndex + 1) % combo.count)

    def _fit(self) -> None:
        self.screen.fit()

    # --- the scene changes by other hands ---

    def _scene_loaded(self, _caller, _event) -> None:
        """A scene was loaded: its readings are shown again."""
        qt.QTimer.singleShot(0, self._find_studies)

    def _find_studies(self) -> None:
        """List the studies in the scene that have readings; show the first when none is open."""
        if not self._front:
            return
        found = OpenStudy.in_scene(self.studies.cases)
        self.studies.add(found, choose=self.study is None)

    def _node_removed(self, _caller, _event) -> None:
        if self.study is not None and not self._quiet:
            self._quiet = True  # one look for all nodes that go together
            qt.QTimer.singleShot(0, self._look_again)

    def _look_again(self) -> None:
        self._quiet = False
        study = self.study
        if study is None:
            return
        if study.was_shown and not study.is_whole:
            self.study = None
            self.studies.remove(study.case)
            self._show_reading(None)
            self.screen.leave()
            self.texts.clear()
        elif self.nodes is not None and not slicer.mrmlScene.IsNodePresent(self.nodes.record):
            readings = study.readings()
            self._show_reading(readings[-1] if readings else None)
        self._update()

    def _blinded_changed(self) -> None:
        self.run.cancel()
        self._show_reading(self.nodes)
        self._update()

    def _dataset_changed(self) -> None:
        dataset = self.session.dataset
        if dataset is not None:
            self.session.engine.share(str(dataset.folder))
        self.studies.update()
        self._update()

    # --- what is seen of all this ---

    def _may_read(self) -> bool:
        study = self.study
        return (
            study is not None
            and study.is_whole
            and bool(study.case.headers)
            and not self.run.is_running
            and not self.session.blinded
        )

    def _update(self) -> None:
        """Show, hide and enable as the state of the page asks for."""
        ui, study = self.ui, self.study
        running, blinded = self.run.is_running, self.session.blinded
        has_reading = self.nodes is not None and not blinded
        ui.readButton.text = _("Read again") if has_reading else _("Read")
        self._swap_buttons(running)
        ui.progressBox.visible = running
        self._show_stage()
        for box in (ui.overlayBox, ui.verdictBox):
            box.visible = has_reading and not running
        ui.readingsBox.visible = study is not None and study.is_whole
        ui.readingsLabel.visible = ui.readingsCombo.visible = has_reading
        self.view.show(self.nodes.reading if has_reading and not running else None)
        self.overlay.set_blinded(blinded)
        unknown = study is not None and study.view_is_unknown
        ui.givenViewLabel.visible = ui.givenViewCombo.visible = unknown
        ui.studyLabel.text = self._about_study()
        ui.studyLabel.visible = bool(ui.studyLabel.text)
        self.line.update()

    def _show_stage(self) -> None:
        self.ui.stagesLabel.text = stages.stages_text(self.run.stage)
        self.ui.progressBar.setValue(stages.stage_number(self.run.stage))

    def _swap_buttons(self, running: bool) -> None:
        """Offer Read or Cancel; the keyboard's focus goes from the one to the other, not to somewhere else."""
        ui, may_read = self.ui, self._may_read()
        if running:
            ui.cancelButton.visible = True
            if ui.readButton.focus:
                ui.cancelButton.setFocus()
            ui.readButton.enabled = False
        else:
            ui.readButton.enabled = may_read
            if ui.cancelButton.focus and may_read:
                ui.readButton.setFocus()
            ui.cancelButton.visible = False

    def _about_study(self) -> str:
        study = self.study
        if self.session.blinded:
            return _("You read blinded: what models say stays hidden until you switch that off in the header.")
        if study is None:
            return ""
        if not study.is_whole:
            return "" if self.line.error else _("Opening the radiographs ...")
        lines = []
        if not study.case.headers:
            lines.append(_("This study came with the scene; open its files to have it read again."))
        elif len(study.view_names) == 1:
            lines.append(_("One view only: models are surer with a frontal and a lateral one."))
        colour = style.text_colour(self.ui.studyLabel, style.ALARM)
        lines += [f'<span style="color:{colour};">{text}</span>' for text in study.conflicts]
        return "<br>".join(lines)

    def _engine_changed(self, state: str, _sentence: str) -> None:
        if state == "ready":
            self.models.refresh()
        self.line.update()

    def _installed(self) -> None:
        self.session.engine.start()
        self.read()

    def _say_error(self, error: FractureAIError) -> None:
        self._fail(error, None)

    def _no_models(self, error: FractureAIError) -> None:
        if not self.line.error:  # the list of models matters less than a reading that failed
            self._fail(error, self.models.refresh)

    def _fail(self, error: FractureAIError, again) -> None:
        self.line.fail(str(error), again)
        self._update()

    def _draw_again(self) -> None:
        """The panel has another width: what is painted is painted again."""
        self.view.draw()
        self.overlay.draw_legend()
