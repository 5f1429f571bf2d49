"""The dataset's section in a real window: check it, give it away, take a model back."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import fractureai
from fractureai.dataset import Dataset
from fractureai.dataset.portable import unpack_portable

DEMO = Path(fractureai.__file__).parent / "bundles" / "demo"


@pytest.fixture
def page(desk, dataset_folder, tmp_path):
    """The section in front, with a dataset of four studies."""
    desk.session.settings.engine_work_folder = str(tmp_path / "work")
    desk.session.open_dataset(str(dataset_folder))
    desk.widget.showPage(2)
    train = desk.widget.pages[2]
    desk.press(train.ui.exportButton)
    page = train.dataset_page
    desk.wait(lambda: "8 radiographs" in page.ui.factsLabel.text)
    return page


def chosen(page, kind):
    page.ui.formatComboBox.setCurrentIndex(page.ui.formatComboBox.findData(kind))


def test_facts_say_what_is_there(desk, page):
    assert "8 radiographs of 4 studies" in page.ui.factsLabel.text
    assert "truth 8" in page.ui.factsLabel.text
    assert page.ui.exportGroup.visible
    desk.press(desk.widget.pages[2].ui.trainingButton)
    assert not page.ui.exportGroup.visible


def test_check_lists_every_problem(desk, page, dataset_folder):
    desk.press(page.ui.checkButton)
    desk.wait(lambda: page.ui.checkButton.enabled)
    before = len(page.problems)
    rows = Dataset.open(dataset_folder).radiographs
    Dataset.open(dataset_folder).image_path(rows[0]).unlink()
    desk.press(page.ui.checkButton)
    desk.wait(lambda: page.ui.checkButton.enabled)
    assert len(page.problems) == before + 1
    assert "errors: 1," in page.ui.checkLabel.text
    texts = [page.ui.problemsTable.item(row, 1).text() for row in range(page.ui.problemsTable.rowCount)]
    assert any("is missing" in text for text in texts)
    shown = []
    desk.session.show_radiographs.connect(lambda *what: shown.append(what))
    page.ui.problemsTable.setCurrentCell(next(i for i, text in enumerate(texts) if "is missing" in text), 0)
    desk.key(desk.Qt.Key.Key_Return, widget=page.ui.problemsTable)
    assert [radiographs for _title, radiographs in shown] == [(rows[0].id,)]


def test_the_archive_is_whole_and_its_command_trains_on_it(desk, page, tmp_path):
    target = tmp_path / "given away" / "export.zip"
    target.parent.mkdir()
    page.export(str(target))
    assert page.ui.stopButton.visible
    desk.wait(lambda: page.exported is not None)
    assert page.ui.showButton.visible
    copy = unpack_portable(target, tmp_path / "copy")
    assert len(copy.radiographs) == 8
    assert copy.raters == ("truth",)
    command = page.ui.commandEdit.text
    assert command.startswith("fractureai train --dataset ")
    assert str(target) in command
    desk.press(page.ui.copyButton)
    import qt

    assert qt.QApplication.clipboard().text() == command
    program = Path(sys.executable).with_name("fractureai")
    known = subprocess.run([program, "train", "--help"], capture_output=True, text=True, check=True).stdout
    assert "--dataset" in known


def test_a_cancelled_export_writes_nothing(desk, page, tmp_path):
    target = tmp_path / "export.zip"
    page.export(str(target))
    desk.press(page.ui.stopButton)
    assert page.ui.exportLabel.text == "Cancelled."
    assert page.ui.writeButton.enabled
    desk.settle(1.0)
    assert not target.exists()
    assert page.exported is None


@pytest.mark.parametrize(("kind", "written"), [("deepwrist", "*.csv"), ("via", "*.json"), ("coco", "*.json")])
def test_other_programs_formats_are_written(desk, page, tmp_path, kind, written):
    chosen(page, kind)
    assert "headers included" in page.ui.formatHintLabel.text
    page.export(str(tmp_path / kind))
    desk.wait(lambda: page.exported is not None or "not empty" in page.ui.exportLabel.text)
    assert list((tmp_path / kind).rglob(written))
    assert not page.ui.commandEdit.visible


def test_an_export_into_a_full_folder_is_a_sentence(desk, page, tmp_path):
    chosen(page, "coco")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("mine")
    page.export(str(tmp_path / "full"))
    desk.wait(lambda: "not empty" in page.ui.exportLabel.text)
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["letter.txt"]


def test_a_bundle_comes_back_by_one_click_and_reads(desk, page, tmp_path):
    bundle = tmp_path / "bundle.zip"
    with zipfile.ZipFile(bundle, "w") as archive:
        for path in sorted(DEMO.rglob("*")):
            archive.write(path, Path("bundle") / path.relative_to(DEMO))
    page.import_model(str(bundle))
    desk.wait(lambda: page.imported is not None or "Importing" not in page.ui.importLabel.text, seconds=90)
    assert page.imported is not None, page.ui.importLabel.text
    desk.press(page.ui.useImportedButton)
    assert desk.session.settings.model == page.imported["id"]
    assert page.ui.useImportedButton.text == "In use"


def test_a_broken_bundle_is_a_sentence(desk, page, tmp_path):
    broken = Path(shutil.copytree(DEMO, tmp_path / "broken"))
    (broken / "configs" / "metadata.json").write_text("{")
    page.import_model(str(broken))
    desk.wait(lambda: "Importing" not in page.ui.importLabel.text, seconds=90)
    assert page.imported is None
    assert "Traceback" not in page.ui.importLabel.text
    assert page.ui.importZipButton.enabled


def test_without_a_dataset_only_a_model_can_be_imported(desk, page):
    desk.session.close_dataset()
    desk.settle()
    assert not page.ui.exportGroup.visible
    assert page.ui.importGroup.visible
