"""The head of the panel: which dataset, which rater, blinded or not, keys, settings; and the sentence at its foot."""

from pathlib import Path

import qt
from slicer.i18n import tr as _

from fractureai.dataset.second_reading import first_reader, second_reader
from fractureai.errors import FractureAIError
from FractureAILib import style
from FractureAILib.drop_files import FileDrop
from FractureAILib.raters import check_rater, listed_raters
from FractureAILib.session import Session, UnsavedError


class Header:
    """Fills the header's widgets and follows the session.

    Attributes:
        keys_wanted: called to show what keys do; set by the panel.
        settings_wanted: called to show the settings; set by the panel.
    """

    def __init__(self, session: Session, ui) -> None:
        self.session = session
        self.ui = ui
        self.keys_wanted = lambda: None
        self.settings_wanted = lambda: None
        self._drop = FileDrop(lambda paths: session.dataset_actions.add(paths))

    def setup(self) -> None:
        """Connect the widgets; called once."""
        ui, session = self.ui, self.session
        self._dataset_menu = _menu(ui.datasetButton, self._fill_dataset_menu)
        self._rater_menu = _menu(ui.raterButton, self._fill_rater_menu)
        for button in (ui.annotateButton, ui.readButton, ui.trainButton, ui.reviewButton):
            style.mark_checked(button, tick=False)
        style.mark_checked(ui.blindedButton, tick=False)
        ui.blindedButton.connect("clicked(bool)", self._blinded_clicked)
        ui.settingsButton.connect("clicked()", lambda: self.settings_wanted())
        ui.keysButton.connect("clicked()", lambda: self.keys_wanted())
        ui.raterOkButton.connect("clicked()", self._rater_given)
        ui.raterEdit.connect("returnPressed()", self._rater_given)
        ui.workCancelButton.connect("clicked()", session.dataset_actions.cancel)
        session.dataset_changed.connect(self.update)
        session.rater_changed.connect(self.update)
        session.blinded_changed.connect(self.update)
        session.message.connect(self._say)
        session.dataset_actions.progress.connect(self._show_progress)
        self._drop.watch(ui.FractureAI)
        self.update()

    def cleanup(self) -> None:
        """The panel goes."""
        self._drop.stop()
        self.session.dataset_actions.cancel()

    def update(self) -> None:
        """Show the dataset and the rater."""
        session, ui = self.session, self.ui
        dataset = session.dataset
        ui.datasetButton.text = _shortened(dataset.name) if dataset is not None else _("choose")
        ui.datasetButton.toolTip = str(dataset.folder) if dataset is not None else _("Open or make a dataset")
        first = first_reader(session.rater)
        name = _("{rater}, 2nd reading").format(rater=first) if first is not None else session.rater
        ui.raterButton.text = _shortened(name) if name else _("who?")
        ui.blindedButton.checked = session.blinded
        ui.blindedButton.enabled = first is None
        self._ask_rater(dataset is not None and not session.rater)

    def ask_rater(self) -> None:
        """Ask for another rater's name, in the panel."""
        self._ask_rater(True)
        self.ui.raterEdit.text = ""
        self.ui.raterEdit.setFocus()

    def _ask_rater(self, wanted: bool) -> None:
        self.ui.raterPanel.visible = wanted

    def _rater_given(self) -> None:
        self._set_rater(self.ui.raterEdit.text.strip())

    def _set_rater(self, name: str) -> None:
        try:
            check_rater(self.session.dataset, name)
            self.session.rater = name
        except (FractureAIError, UnsavedError) as error:
            self.session.say(str(error), True)
            return
        self.session.say("")
        self._ask_rater(False)

    def _blinded_clicked(self, checked: bool) -> None:
        self.session.blinded = checked

    def _fill_dataset_menu(self, menu) -> None:
        actions, settings = self.session.dataset_actions, self.session.settings
        here = str(self.session.dataset.folder) if self.session.dataset is not None else ""
        for folder in settings.recent_datasets:
            if folder != here and Path(folder).is_dir():
                text = _("{name}   in {folder}")
                where = _shortened(str(Path(folder).parent), 40)
                _add(
                    menu, text.format(name=Path(folder).name, folder=where), lambda folder=folder: actions.open(folder)
                )
        menu.addSeparator()
        _add(menu, _("Open folder..."), actions.open_folder)
        _add(menu, _("New dataset..."), actions.new_dataset)
        _add(menu, _("Add DICOM files..."), actions.add_files)
        _add(menu, _("Add a folder of DICOM files..."), actions.add_folder)
        if actions.open_study_files():
            _add(menu, _("Take the study open in the viewer"), actions.add_open_study)
        menu.addSeparator()
        _add(menu, _("Try 20 simulated wrists"), actions.simulate)

    def _fill_rater_menu(self, menu) -> None:
        for name in listed_raters(self.session.dataset, self.session.rater):
            action = _add(menu, name, lambda name=name: self._set_rater(name))
            action.checkable = True
            action.checked = name == self.session.rater
        menu.addSeparator()
        _add(menu, _("Another rater..."), self.ask_rater)
        rater = self.session.rater
        if rater and first_reader(rater) is None:
            _add(menu, _("Second reading by {rater} (10 % of the done ones, blind)").format(rater=rater),
                 lambda: self._set_rater(second_reader(rater)))  # fmt: skip
        elif rater:
            _add(menu, _("Back to the first reading"), lambda: self._set_rater(first_reader(rater)))

    def _show_progress(self, sentence: str, share: float | None) -> None:
        self.ui.workPanel.visible = bool(sentence)
        self.ui.workLabel.text = sentence
        self.ui.workBar.maximum = 0 if share is None else 1000
        if share is not None:
            self.ui.workBar.value = round(1000 * share)

    def _say(self, text: str, alarm: bool) -> None:
        self.ui.footerLabel.visible = bool(text)
        style.set_text(self.ui.footerLabel, _breakable(text), style.ALARM if alarm else None)


def _menu(button, fill):
    menu = qt.QMenu(button)
    button.setMenu(menu)
    button.popupMode = qt.QToolButton.InstantPopup

    def refill() -> None:
        menu.clear()
        fill(menu)

    menu.connect("aboutToShow()", refill)
    return menu


def _add(menu, text: str, call):
    action = menu.addAction(text)
    action.connect("triggered()", call)
    return action


def _shortened(text: str, longest: int = 20) -> str:
    return text if len(text) <= longest else text[: longest // 2] + "…" + text[-(longest // 2) + 1 :]


def _breakable(text: str) -> str:
    """Let long paths be broken at their slashes, so that they never make the panel wider."""
    return text.replace("/", "/\u200b").replace("\\", "\\\u200b")
