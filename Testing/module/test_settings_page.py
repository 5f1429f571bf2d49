"""The settings in a real window: server, models, packages, log, and the way there and back."""

from __future__ import annotations

import pytest

from .models import other_bundle
from .reading_room import ReadingRoom


@pytest.fixture
def room(desk, tmp_path):
    return ReadingRoom(desk, tmp_path)


@pytest.fixture
def page(room):
    room.desk.press(room.desk.widget.ui.settingsButton)
    return room.desk.widget.page


def choose(desk, radio):
    """Press a radio button on its circle; the rest of its row does nothing."""
    at = desk._core.QPoint(10, radio.rect.height() // 2)
    desk._test.mouseClick(radio, desk.Qt.MouseButton.LeftButton, desk.Qt.KeyboardModifier.NoModifier, at)
    desk.settle()


def test_there_and_back(desk, room):
    room.go()
    desk.press(desk.widget.ui.settingsButton)
    assert desk.widget.page is desk.widget.pages[-1]
    assert desk.widget._parameterNode.page == 1  # a saved scene never opens with the settings
    desk.press(desk.widget.ui.settingsButton)
    assert desk.widget.page is room.page
    desk.press(desk.widget.ui.settingsButton)
    desk.press(desk.widget.ui.readButton)
    assert desk.widget.page is room.page


def test_a_model_is_imported_shown_and_chosen(desk, room, page, tmp_path):
    desk.wait(lambda: page.models, 90)
    assert [model["id"] for model in page.models] == ["demo"]
    assert "not for clinical use" in page.ui.cardBrowser.toPlainText()
    page.import_model(str(other_bundle(tmp_path)))
    desk.wait(lambda: len(page.models) == 2)
    assert desk.session.settings.model == "wrist-other-1"
    assert not page.ui.useModelButton.enabled  # it is the one in use
    page.ui.modelsList.setCurrentRow(0)
    assert page.ui.useModelButton.enabled
    desk.press(page.ui.useModelButton)
    assert desk.session.settings.model == "demo"


def test_the_share_of_answered_studies_is_kept_and_explained(desk, room, page, calibrated_demo):
    desk.wait(lambda: page.models, 90)
    spin = page.ui.coverageSpinBox
    assert spin.text == "as the model was made"
    assert "never calibrated" in page.ui.coverageLabel.text or "by itself it answers" in page.ui.coverageLabel.text
    page.import_model(str(calibrated_demo))
    desk.wait(lambda: len(page.models) == 2)
    desk.wait(lambda: "by itself it answers 90 of 100" in page.ui.coverageLabel.text)
    for _ in range(5):  # below "as the model was made" comes 100 %
        desk.key(desk.Qt.Key.Key_Down, widget=spin)
    assert desk.session.settings.coverage == 0.8
    assert room.page.models.coverage == 0.8 or not room.page.models.models
    spin.setValue(0)
    assert desk.session.settings.coverage is None


def test_a_folder_that_is_no_model_is_refused_with_a_sentence(desk, page, tmp_path):
    desk.wait(lambda: page.models, 90)
    (tmp_path / "empty").mkdir()
    page.import_model(str(tmp_path / "empty"))
    desk.wait(lambda: "Importing" not in page.ui.modelStateLabel.text)
    assert page.ui.modelStateLabel.visible
    assert page.ui.modelStateLabel.text.rstrip().endswith(".")
    assert desk.session.settings.model == "demo"


def test_the_connection_is_tested_before_it_is_used(desk, page):
    desk.wait(lambda: page.models, 90)
    desk.press(page.ui.testButton)
    desk.wait(lambda: page.ui.serverStateLabel.text.startswith("✓"))
    choose(desk, page.ui.remoteRadio)
    assert page.ui.remoteFrame.visible
    assert "will be sent" in page.ui.remoteLabel.text
    desk.type(page.ui.urlEdit, "http://127.0.0.1:9")
    desk.press(page.ui.testButton)
    desk.wait(lambda: "no server" in page.ui.serverStateLabel.text, 30)
    assert desk.session.settings.server_url == ""  # tried, not used
    desk.press(page.ui.applyButton)
    assert desk.session.settings.server_url == "http://127.0.0.1:9"
    assert "http://127.0.0.1:9" in page.ui.privacyLabel.text
    choose(desk, page.ui.localRadio)
    desk.press(page.ui.applyButton)
    assert desk.session.settings.server_url == ""
    assert page.ui.privacyLabel.text.startswith("Nothing")


def test_packages_are_listed_and_deleted(desk, room, page, tmp_path):
    from fractureai.engine import EngineEnvironment

    own = room.engine.own = EngineEnvironment(tmp_path / "own")
    (own.folder / "cache").mkdir(parents=True)
    (own.folder / "cache" / "wheel").write_bytes(bytes(3_000_000))
    page._show_packages()
    desk.wait(lambda: "3 MB" in page.ui.packagesLabel.text)
    assert "✓ Reading: installed" in page.ui.packagesLabel.text
    assert page.ui.removeButton.visible

    def say_yes():
        from PySide6.QtWidgets import QApplication, QMessageBox

        box = QApplication.activeModalWidget()
        desk._test.mouseClick(box.button(QMessageBox.StandardButton.Yes), desk.Qt.MouseButton.LeftButton)

    desk._core.QTimer.singleShot(300, say_yes)
    desk.press(page.ui.removeButton)
    desk.wait(lambda: not own.folder.exists())
    desk.wait(lambda: not page.ui.removeButton.visible)


def test_the_log_and_the_reader_are_kept(desk, page, tmp_path):
    desk.type(page.ui.raterEdit, "RD")
    desk.key(desk.Qt.Key.Key_Return, widget=page.ui.raterEdit)
    assert desk.session.rater == "RD"
    desk.type(page.ui.logEdit, str(tmp_path / "log.jsonl"))
    desk.key(desk.Qt.Key.Key_Return, widget=page.ui.logEdit)
    assert desk.session.settings.reading_log == str(tmp_path / "log.jsonl")
