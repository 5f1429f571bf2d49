"""The page Train in a real window with a real engine: planned, started, cancelled, continued, used."""

import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from fractureai.dataset import Annotation, Dataset, make_splits
from fractureai.phantom import write_dataset

pytest.importorskip("torch")

TRAINING_S = 240.0
RECIPE = """
format_version = 1
name = "tiny"
title = "Tiny: for a test, seconds on a CPU"
seed = 3
folds = 1
[localizer]
input_px = 64
network = { name = "hourglass", parameters = { width = 8, depth = 2 } }
fit = { epochs = 4, batch_size = 8, optimizer = "adamw", learning_rate = 3e-3 }
augmentation = { rotation_deg = 20.0 }
[classifier]
window_px = 128
network = { name = "small_cnn", parameters = { widths = [8, 8, 8] } }
fit = { epochs = 4, batch_size = 8, learning_rate = 1e-2, schedule = "one_cycle" }
augmentation = { rotation_deg = 20.0 }
"""


@pytest.fixture(scope="session")
def wrists(tmp_path_factory):
    """Sixteen simulated studies, split."""
    folder = tmp_path_factory.mktemp("training") / "wrists"
    dataset = write_dataset(folder, studies=16, seed=5, pixels=128, hard_fraction=0.1, workers=1)
    make_splits(dataset, fractions=(0.5, 0.25, 0.25), folds=2, seed=0)
    return folder


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "tiny.toml"
    path.write_text(RECIPE, encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch):
    """Networks as small as these only wait for each other's threads, above all where tests share the processors."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture
def page(desk, tmp_path):
    """The page Train in front; jobs and models go to a folder of the test."""
    desk.session.settings.engine_work_folder = str(tmp_path / "work")
    desk.widget.showPage(2)
    return desk.widget.pages[2]


def planned(desk, page, folder, recipe):
    """Open a dataset and choose the recipe, as a user would by the list's last line."""
    desk.session.open_dataset(str(folder))
    desk.wait(lambda: page.plan.summary is not None)
    page.plan.add_recipe(str(recipe))
    desk.wait(lambda: page.ui.startButton.enabled and not page.plan.busy)


def started(desk, page, epochs=3):
    """Press Start and wait for some epochs."""
    desk.press(page.ui.startButton)
    desk.wait(lambda: page.run.job is not None or page._problem, seconds=60)
    assert page._problem == ""
    desk.wait(lambda: len(page.run.job["history"]) >= epochs, seconds=TRAINING_S)
    return page.run.job


def job_processes(job):
    """Return the processes that work on a job, by their command lines."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if any(job["id"] in part for part in process.info["cmdline"] or ()):
            found.append(process)
    return found


class Latency:
    """How long the event loop keeps a timer waiting."""

    def __init__(self, interval_ms=10):
        import qt

        self.gaps_ms = []
        self._last = None
        self._timer = qt.QTimer()
        self._timer.setInterval(interval_ms)
        self._timer.connect("timeout()", self._beat)
        self._interval_ms = interval_ms
        self._timer.start()

    def _beat(self):
        now = time.perf_counter()
        if self._last is not None:
            self.gaps_ms.append(max(0.0, (now - self._last) * 1000 - self._interval_ms))
        self._last = now

    def stop(self):
        self._timer.stop()
        return sorted(self.gaps_ms)


@pytest.mark.slow
def test_a_training_cancelled_half_way_and_continued_ends_in_a_model_that_reads(
    desk, page, wrists, recipe, capsys, monkeypatch
):
    planned(desk, page, wrists, recipe)
    assert not page.ui.runPanel.visible
    latency = Latency()
    job = started(desk, page)
    assert page.ui.runPanel.visible
    assert not page.ui.setupPanel.visible
    processes = job_processes(job)
    assert processes
    desk.wait(lambda: page.ui.progressBar.value > 0)
    assert "left" in page.ui.runTextLabel.text
    assert "loss" in page.ui.runNumbersLabel.text

    desk.press(page.ui.cancelButton)
    desk.wait(lambda: page.run.state == "cancelled", seconds=30)
    _gone, alive = psutil.wait_procs(processes, timeout=5)
    assert not alive
    assert not job_processes(job)
    epochs = len(page.run.job["history"])
    assert page.ui.continueButton.visible
    assert not page.ui.cancelButton.visible

    desk.press(page.ui.continueButton)
    desk.wait(lambda: page.run.state == "done", seconds=TRAINING_S)
    gaps = latency.stop()
    with capsys.disabled():
        at = [gaps[int(len(gaps) * share)] for share in (0.5, 0.95, 0.99)]
        texts = (*(f"{value:.1f}" for value in at), f"{gaps[-1]:.0f}")
        print("\nevent loop during a training, ms late: median {}, 95 % {}, 99 % {}, most {}".format(*texts))
    assert at[2] < 100
    history = page.run.job["history"]
    assert len({(entry["fit"], entry["epoch"]) for entry in history}) == len(history) > epochs
    assert len(history) == 4 * 4

    result = page.run.job["result"]
    assert Path(result["bundle"], "configs", "metadata.json").is_file()
    assert Path(result["report"]).stat().st_size > 10_000
    assert page.ui.resultPanel.visible
    assert page.ui.figuresTable.rowCount >= 3
    assert page.ui.figuresTable.item(0, 2).text().startswith(("0.", "1."))
    shown = []
    monkeypatch.setattr("FractureAILib.train_results.open_file", shown.append)
    desk.press(page.ui.reportButton)
    assert shown == [Path(result["report"])]
    desk.press(page.ui.useButton)
    assert desk.session.settings.model == result["model"]
    assert not page.ui.useButton.enabled
    models = []
    desk.session.engine.call(lambda client, _task: client.models(), models.extend, pytest.fail)
    desk.wait(lambda: models)
    assert result["model"] in {model["id"] for model in models}


@pytest.mark.slow
def test_an_engine_killed_in_the_middle_loses_nothing(desk, page, wrists, recipe):
    planned(desk, page, wrists, recipe)
    job = started(desk, page)
    os.kill(desk.session.engine.process.pid, signal.SIGKILL)
    desk.wait(lambda: page.run.state in ("interrupted", "running") and desk.session.engine.state == "ready", seconds=60)
    desk.wait(lambda: page.run.state == "interrupted" or len(page.run.job["history"]) > len(job["history"]), seconds=60)
    if page.run.state == "interrupted":
        assert "Continue" in page.ui.runTextLabel.text
        desk.press(page.ui.continueButton)
    desk.wait(lambda: page.run.state == "done", seconds=TRAINING_S)


@pytest.mark.slow
def test_a_training_goes_on_after_the_window_was_closed_and_opened(slicer, main_window, desk, page, wrists, recipe):
    planned(desk, page, wrists, recipe)
    job = started(desk, page)
    desk.panel.exit()
    desk.widget.cleanup()
    desk.settle(0.5)
    psutil.wait_procs(job_processes(job), timeout=15)
    assert not job_processes(job)

    desk.panel = slicer.modules.fractureai.createNewWidgetRepresentation()
    desk.widget = desk.panel.self()
    main_window.set_module("FractureAI", desk.panel)
    desk.panel.enter()
    desk.widget.showPage(2)
    page = desk.widget.pages[2]
    desk.wait(lambda: page.jobs, seconds=60)
    if page.run.job is None:
        desk.press(page.ui.jobsButton)
        page.ui.jobsTable.selectRow(0)
    desk.wait(lambda: page.run.job is not None and page.run.job["id"] == job["id"])
    if page.run.stopped:
        desk.press(page.ui.continueButton)
    desk.wait(lambda: page.run.state == "done", seconds=TRAINING_S)


@pytest.mark.slow
def test_curves_are_plot_nodes_in_the_layout_and_go_when_the_page_is_left(desk, page, wrists, recipe):
    from FractureAILib.train_curves import LAYOUT, LOSS_VIEW, METRIC_VIEW

    scene, manager = desk.slicer.mrmlScene, desk.slicer.app.layoutManager()
    planned(desk, page, wrists, recipe)
    before = manager.layout
    started(desk, page)
    desk.wait(lambda: manager.layout == LAYOUT)
    charts = {}
    for tag in (LOSS_VIEW, METRIC_VIEW):
        chart = scene.GetSingletonNode(tag, "vtkMRMLPlotViewNode").GetPlotChartNode()
        charts[tag] = [chart.GetNthPlotSeriesNode(index) for index in range(chart.GetNumberOfPlotSeriesNodes())]
        assert not chart.GetSaveWithScene()
    assert [series.GetYColumnName() for series in charts[LOSS_VIEW]] == ["loss", "validation_loss"]
    assert [series.GetYColumnName() for series in charts[METRIC_VIEW]] == ["metric"]
    assert [round(255 * part) for part in charts[LOSS_VIEW][0].GetColor()] == [0x00, 0x72, 0xB2]
    table = charts[LOSS_VIEW][0].GetTableNode().GetTable()
    assert table.GetNumberOfRows() >= 1
    desk.wait(lambda: page.run.job["history"][-1]["fit"].startswith("PA classifier"), seconds=TRAINING_S)
    desk.settle(0.3)
    first_fit = [entry for entry in page.run.job["history"] if entry["fit"] == page.run.job["history"][0]["fit"]]
    page.ui.fitComboBox.setCurrentIndex(1)
    desk.settle()
    losses = [table.GetColumnByName("loss").GetValue(row) for row in range(table.GetNumberOfRows())]
    assert losses == [entry["loss"] for entry in first_fit]

    desk.widget.showPage(0)
    desk.settle()
    assert manager.layout == before
    desk.widget.showPage(2)
    desk.settle()
    assert manager.layout == LAYOUT
    scene.Clear(0)
    desk.settle(1.5)
    assert scene.GetNumberOfNodesByClass("vtkMRMLPlotChartNode") == 2
    desk.press(page.ui.logButton)
    desk.wait(lambda: "train, process" in page.ui.logEdit.plainText)
    desk.press(page.ui.cancelButton)
    desk.wait(lambda: page.run.state == "cancelled", seconds=30)


def test_what_is_missing_opens_the_worklist_on_it(desk, page, wrists, tmp_path):
    import shutil

    folder = Path(shutil.copytree(wrists, tmp_path / "gaps"))
    dataset = Dataset.open(folder)
    lacking = [row.id for row in dataset.radiographs[:3]]
    for id_ in lacking:
        mark = dataset.annotation(id_, "truth")
        dataset.save(Annotation(id_, "truth", "done", None, mark.landmarks))
    shown = []
    desk.session.show_radiographs.connect(lambda *what: shown.append(what))
    desk.session.open_dataset(str(folder))
    desk.wait(lambda: page.plan.summary is not None)
    assert "3 without a label" in page.ui.gapsLabel.text
    page.ui.gapsLabel.setFocus()
    desk.key(desk.Qt.Key.Key_Tab, widget=page.ui.gapsLabel)
    desk.key(desk.Qt.Key.Key_Return, widget=page.ui.gapsLabel)
    assert shown == [("3 without a label", tuple(lacking))]
    assert desk.widget.page is desk.widget.pages[0]


def test_an_empty_page_says_how_to_begin(desk, page):
    assert page.ui.emptyPanel.visible
    assert not page.ui.setupPanel.visible
    assert "Open" in page.ui.emptyLabel.text


def test_nothing_to_train_on_is_said_and_can_not_be_started(desk, page, tmp_path):
    Dataset.create(tmp_path / "empty", name="Empty")
    desk.session.open_dataset(str(tmp_path / "empty"))
    desk.wait(lambda: page.plan.summary is not None)
    assert "Nothing can be trained on yet" in page.ui.obstacleLabel.text
    assert not page.ui.startButton.enabled


def test_raters_without_consensus_are_counted_once_somebody_is_named(desk, page, wrists, tmp_path):
    import shutil

    folder = Path(shutil.copytree(wrists, tmp_path / "raters"))
    dataset = Dataset.open(folder)
    for rater in ("AM", "BK"):
        for mark in dataset.annotations("truth"):
            dataset.save(Annotation(mark.radiograph, rater, "done", mark.label, mark.landmarks))
    shutil.rmtree(folder / "annotations" / "truth")
    desk.session.open_dataset(str(folder))
    desk.wait(lambda: page.plan.summary is not None)
    assert page.plan.summary.usable == 0
    assert "32 finished by several people" in page.ui.gapsLabel.text
    page.plan.raters.choose(["BK", "AM"])
    desk.wait(lambda: page.plan.summary.usable > 0)
    assert page.ui.ratersButton.text == "BK, then AM"
    assert page.plan.parameters()["raters"] == ["BK", "AM"]


def test_a_dataset_that_vanished_is_a_sentence(desk, page, wrists, recipe, tmp_path):
    import shutil

    folder = Path(shutil.copytree(wrists, tmp_path / "gone"))
    planned(desk, page, folder, recipe)
    shutil.rmtree(folder)
    desk.press(page.ui.startButton)
    desk.wait(lambda: page._problem, seconds=60)
    assert "gone" in page.ui.problemLabel.text
    assert "Traceback" not in page.ui.problemLabel.text
    assert page.ui.startButton.enabled


def test_what_training_needs_is_asked_for_before_anything_is_installed(desk, page, wrists, recipe, tmp_path):
    from fractureai.engine import EngineEnvironment

    planned(desk, page, wrists, recipe)
    nothing = EngineEnvironment(tmp_path / "packages", requirements=None, pip_options=["--no-index"])
    desk.session.engine.restart()
    desk.session.engine._this_python = desk.session.engine.own = nothing
    desk.press(page.ui.startButton)
    desk.wait(lambda: page.ui.installBox.visible)
    assert page.run.job is None
    desk.wait(lambda: "Looking up" not in page.ui.installLabel.text)
    desk.press(page.ui.installCancelButton)
    assert not page.ui.installBox.visible
    assert not (tmp_path / "packages").exists()
    assert page.ui.startButton.enabled


def test_a_report_that_nothing_opens_is_a_sentence(desk, page, tmp_path, monkeypatch):
    from fractureai.errors import FractureAIError

    def refused(path):
        raise FractureAIError(f"Nothing on this computer opens {path}; open it by hand.")

    monkeypatch.setattr("FractureAILib.train_results.open_file", refused)
    report = tmp_path / "report.html"
    report.write_text("<p>figures</p>")
    job = {"id": "1", "state": "done", "result": {"report": str(report), "model": "demo", "bundle": str(tmp_path)}}
    page.results.show(job)
    page.results.open_report()
    assert "open it by hand" in page.ui.problemLabel.text
