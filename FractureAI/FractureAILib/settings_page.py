"""The settings: who reads, which model, which server, what is installed, where opinions are kept, what leaves."""

from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from fractureai.errors import FractureAIError
from FractureAILib import dialogs, style
from FractureAILib.install_box import InstallBox, size_text
from FractureAILib.model_choice import model_title
from FractureAILib.pages import Page


class SettingsPage(Page):
    """Everything takes effect at once; nothing has to be confirmed.

    Attributes:
        keys_wanted: called to show the list of keys; set by the panel.
        models: as the server listed them last.
    """

    ui_file = "Settings.ui"

    def setup(self) -> None:
        """Connect the widgets; called once."""
        ui, session = self.ui, self.session
        self.keys_wanted = lambda: None
        self.models: tuple[dict[str, Any], ...] = ()
        self._test: Any = None
        self.install = InstallBox(ui, session.engine, self._packages_changed)
        ui.raterEdit.connect("editingFinished()", self._rater_edited)
        ui.keysButton.connect("clicked()", lambda: self.keys_wanted())
        ui.proposalsCheckBox.checked = session.settings.proposals
        ui.proposalsCheckBox.connect("toggled(bool)", self._set_proposals)
        ui.coverageSpinBox.setValue(round(100 * (session.settings.coverage or 0)))
        ui.coverageSpinBox.connect("valueChanged(int)", self._set_coverage)
        ui.modelsList.connect("currentRowChanged(int)", self._show_card)
        ui.useModelButton.connect("clicked()", self._use_model)
        ui.importModelButton.connect("clicked()", self._ask_zip)
        ui.importFolderButton.connect("clicked()", self._ask_folder)
        ui.localRadio.connect("toggled(bool)", lambda _on: self._show_server())
        ui.urlEdit.connect("textChanged(QString)", lambda _text: self._show_server())
        ui.tokenButton.connect("clicked()", self._ask_token)
        ui.testButton.connect("clicked()", self.test_connection)
        ui.applyButton.connect("clicked()", self.apply_server)
        ui.installReadButton.connect("clicked()", lambda: self.install.ask("read"))
        ui.installTrainButton.connect("clicked()", lambda: self.install.ask("train"))
        ui.removeButton.connect("clicked()", self._remove_packages)
        ui.logEdit.connect("editingFinished()", self._log_edited)
        ui.logButton.connect("clicked()", self._ask_log)
        session.engine.state_changed.connect(self._engine_changed)
        session.rater_changed.connect(self._show_person)
        session.model_changed.connect(self._list_models)
        self._in_front = False

    def enter(self) -> None:
        """The page comes to the front."""
        Page.enter(self)
        self._in_front = True
        settings, ui = self.session.settings, self.ui
        ui.remoteRadio.checked = bool(settings.server_url)
        ui.localRadio.checked = not settings.server_url
        ui.urlEdit.text = settings.server_url
        ui.tokenEdit.text = settings.server_token_file
        ui.logEdit.text = settings.reading_log
        ui.logLabel.text = _("Whether readers agree with a model is kept in the scene and in this file:")
        self._say_server("")
        self._show_person()
        self._show_server()
        self._show_packages()
        self.refresh_models()

    def exit(self) -> None:
        """The page is left."""
        self._in_front = False
        Page.exit(self)

    def cleanup(self) -> None:
        """The panel is closed or reloaded."""
        Page.cleanup(self)
        self.session.engine.state_changed.disconnect(self._engine_changed)
        self.session.rater_changed.disconnect(self._show_person)
        self.session.model_changed.disconnect(self._list_models)

    # --- reader ---

    def _show_person(self) -> None:
        self.ui.raterEdit.text = self.session.rater

    def _rater_edited(self) -> None:
        name = self.ui.raterEdit.text.strip()
        if name != self.session.rater:
            try:
                self.session.rater = name
            except (FractureAIError, ValueError) as error:
                self.session.say(str(error), True)
                self._show_person()

    # --- models ---

    def refresh_models(self) -> None:
        """Ask the server for its models."""
        self.ui.modelStateLabel.text = _("Asking the engine for its models ...") if not self.models else ""
        self.session.engine.call(lambda client, _task: client.models(), self._models_listed, self._models_failed)

    def import_model(self, path: str) -> None:
        """Import a bundle (a folder or ZIP file) and choose it."""
        if not path:
            return
        self._say_model(_("Importing {name} ...").format(name=Path(path).name))
        self.session.engine.call(lambda client, _task: client.import_model(path), self._imported, self._models_failed)

    def _models_listed(self, models: list[dict[str, Any]]) -> None:
        self.models = tuple(models)
        self._say_model("")
        self._list_models()

    def _models_failed(self, error: FractureAIError) -> None:
        self._say_model(str(error), style.ALARM)

    def _imported(self, model: dict[str, Any]) -> None:
        self.session.settings.model = str(model["id"])
        self.session.model_changed.emit()
        self.session.say(_("{model} was imported and reads from now on.").format(model=model_title(model)))
        self.refresh_models()

    def _list_models(self) -> None:
        widget, chosen = self.ui.modelsList, self.session.settings.model
        row = next((number for number, model in enumerate(self.models) if model["id"] == chosen), 0)
        widget.blockSignals(True)
        widget.clear()
        for model in self.models:
            mark = "● " if model["id"] == chosen else "○ "
            widget.addItem(mark + model_title(model))
        widget.blockSignals(False)
        if self.models:
            widget.setCurrentRow(row)
        self._show_card(row)

    def _show_card(self, row: int) -> None:
        there = 0 <= row < len(self.models)
        self.ui.useModelButton.enabled = there and self.models[row]["id"] != self.session.settings.model
        self.ui.cardBrowser.visible = there
        self._show_coverage(self.models[row] if there else {})
        if there:
            self.ui.cardBrowser.setMarkdown(self.models[row].get("card") or _("This model has no card."))

    def _set_proposals(self, wanted: bool) -> None:
        self.session.settings.proposals = wanted

    def _set_coverage(self, percent: int) -> None:
        self.session.settings.coverage = percent / 100 if percent else None

    def _show_coverage(self, model: dict[str, Any]) -> None:
        """Say what the share of answered studies means for the model whose card is shown."""
        own = model.get("coverage")
        self.ui.coverageLabel.visible = bool(model)
        if own is None:
            text = _("This model was never calibrated: it can not be told how many studies to answer.")
        else:
            text = _(
                "Of studies like those this model was calibrated on; by itself it answers {percent} of 100."
            ).format(percent=round(100 * own))
        style.set_text(self.ui.coverageLabel, text)

    def _use_model(self) -> None:
        row = self.ui.modelsList.currentRow
        if 0 <= row < len(self.models):
            self.session.settings.model = str(self.models[row]["id"])
            self.session.model_changed.emit()

    def _ask_zip(self) -> None:
        chosen = dialogs.ask_files(self.widget, _("Import a model (ZIP file)"))
        self.import_model(chosen[0] if chosen else "")

    def _ask_folder(self) -> None:
        self.import_model(dialogs.ask_folder(self.widget, _("Import a model (folder of a bundle)")))

    def _say_model(self, text: str, colour: str | None = None) -> None:
        style.set_text(self.ui.modelStateLabel, text, colour)
        self.ui.modelStateLabel.visible = bool(text)

    # --- server ---

    def test_connection(self) -> None:
        """Ask the server that is filled in for its health, and say what it answered."""
        ui = self.ui
        if self._test is not None:
            self._test.cancel()
        self._say_server(_("Asking ..."))
        if ui.remoteRadio.checked:
            url, token_file = ui.urlEdit.text.strip(), ui.tokenEdit.text.strip()
            self._test = self.session.engine.test(url, token_file, self._answered, self._refused)
        else:
            self._test = self.session.engine.call(
                lambda client, _task: client.health(), self._answered, self._refused
            )  # fmt: skip

    def apply_server(self) -> None:
        """Use the server that is filled in from now on."""
        ui, settings = self.ui, self.session.settings
        settings.server_url = ui.urlEdit.text.strip() if ui.remoteRadio.checked else ""
        settings.server_token_file = ui.tokenEdit.text.strip() if ui.remoteRadio.checked else ""
        self.models = ()
        self.session.engine.retry()
        self._show_server()
        self.refresh_models()

    def _answered(self, health: dict[str, Any]) -> None:
        text = _("It answers: version {version}, reads on {device}.").format(
            version=health.get("version", "?"), device=(health.get("device") or {}).get("name", "?")
        )
        self._say_server(f"✓ {text}", style.DONE)

    def _refused(self, error: FractureAIError) -> None:
        self._say_server(str(error), style.ALARM)

    def _engine_changed(self, state: str, sentence: str) -> None:
        if self._in_front and sentence:
            self._say_server(sentence, style.ALARM if state == "failed" else None)

    def _say_server(self, text: str, colour: str | None = None) -> None:
        style.set_text(self.ui.serverStateLabel, text, colour)
        self.ui.serverStateLabel.visible = bool(text)

    def _show_server(self) -> None:
        ui, settings = self.ui, self.session.settings
        remote = bool(ui.remoteRadio.checked)
        url = ui.urlEdit.text.strip()
        ui.remoteFrame.visible = remote
        ui.testButton.enabled = not remote or bool(url)
        changed = (url if remote else "") != settings.server_url or (
            remote and ui.tokenEdit.text.strip() != settings.server_token_file
        )
        ui.applyButton.enabled = ui.testButton.enabled and (changed or remote)
        text = _("The radiographs you read will be sent to this address.") if remote else _(
            "It starts when it is needed, ends with the viewer, and answers to this viewer only."
        )  # fmt: skip
        style.set_text(ui.remoteLabel, text, style.ALARM if remote else None)
        self._show_privacy()

    def _ask_token(self) -> None:
        chosen = dialogs.ask_files(self.widget, _("File with the token of the server"))
        if chosen:
            self.ui.tokenEdit.text = chosen[0]
            self._show_server()

    # --- packages ---

    def _show_packages(self) -> None:
        engine, ui = self.session.engine, self.ui
        environment = engine.environment
        lines = []
        for what, title in (("read", _("Reading")), ("train", _("Training"))):
            ready = environment.is_ready(what)
            lines.append(f"{'✓' if ready else '○'} {title}: {_('installed') if ready else _('not installed')}")
        ui.installReadButton.visible = not environment.is_ready("read")
        ui.installTrainButton.visible = not environment.is_ready("train")
        there = engine.own.folder.is_dir()
        ui.removeButton.visible = there
        if not there and environment is not engine.own:
            lines.append(_("They came with the viewer; nothing was installed by this module."))
        ui.packagesLabel.text = "\n".join(lines)
        if there:
            folder = engine.own.folder
            known = "\n".join(lines)

            def sized(size: int) -> None:
                ui.packagesLabel.text = known + "\n" + _("{size} in {folder}").format(
                    size=size_text(size), folder=folder
                )  # fmt: skip

            engine.in_background(lambda _task: size_of(folder), sized, lambda _error: None)

    def _remove_packages(self) -> None:
        question = _("Delete the packages of the engine? Reading and training will ask to install them again.")
        if dialogs.ask_yes(self.widget, _("Delete packages"), question):
            self.session.engine.remove_packages(self._packages_changed, self._remove_failed)

    def _remove_failed(self, error: FractureAIError) -> None:
        self.session.say(str(error), True)
        self._show_packages()

    def _packages_changed(self) -> None:
        self._show_packages()
        self.session.say("")

    # --- log, privacy ---

    def _log_edited(self) -> None:
        self.session.settings.reading_log = self.ui.logEdit.text.strip()

    def _ask_log(self) -> None:
        chosen = dialogs.ask_new_file(self.widget, _("File of the reading log"), "reading-log.jsonl", "jsonl")
        if chosen:
            self.ui.logEdit.text = chosen
            self._log_edited()

    def _show_privacy(self) -> None:
        url = self.session.settings.server_url
        if url:
            text = _("The radiographs that you have read are sent to {url}, as you set above. Nothing else leaves.")
            self.ui.privacyLabel.text = text.format(url=url)
        else:
            self.ui.privacyLabel.text = _(
                "Nothing: radiographs, marks and readings stay here; the engine talks to this computer only. Installing"
                " packages asks the Python package index for them and tells it nothing about images or people."
            )


def size_of(folder: Path) -> int:
    """Return how many bytes the files below a folder take; those that vanish meanwhile count nothing."""
    total = 0
    for path in folder.rglob("*"):
        try:
            if path.is_file() and not path.is_symlink():
                total += path.stat().st_size
        except OSError:
            continue
    return total
