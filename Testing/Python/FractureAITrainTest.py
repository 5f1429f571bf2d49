"""The page Train without engine and mouse: what it says, its curves, its choices. For Slicer and the host."""

import math
import shutil
import tempfile
import time
import unittest
from pathlib import Path

import qt
import slicer

from fractureai.dataset import Annotation, Dataset, RadiographRow
from fractureai.dataset.summary import GAPS, OBSTACLES, Obstacle
from fractureai.errors import RecipeError
from FractureAILib import train_texts
from FractureAILib.train_curves import LAYOUT, LOSS_VIEW, METRIC_VIEW, Curves, fits_of
from FractureAILib.train_raters import RatersMenu
from FractureAILib.train_recipes import FIRST, own_recipe, shipped_recipes
from FractureAILib.train_results import estimate_text, figure_rows

PATIENCE_S = 20
LANDMARKS = {"distal_ulna": (1.0, 2.0), "distal_radius": (3.0, 4.0), "wrist_centre": (5.0, 6.0)}


def epochs(fit, count, metric_name="AUROC"):
    """Return the history of a fit."""
    entries = []
    for n in range(count):
        metric = None if n == 0 else n / count
        losses = {"loss": 1 / (n + 1), "validation_loss": 2 / (n + 1)}
        entries.append({"fit": fit, "epoch": n + 1, **losses, "metric": metric, "metric_name": metric_name})
    return entries


class FractureAITrainTest(unittest.TestCase):
    """Drives the page by what its widgets and nodes call."""

    def setUp(self):
        slicer.mrmlScene.Clear(0)
        self.folder = Path(tempfile.mkdtemp(prefix="fractureai-test-"))

    def tearDown(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def wait(self, until):
        end = time.monotonic() + PATIENCE_S
        while not until():
            slicer.app.processEvents()
            time.sleep(0.002)
            assert time.monotonic() < end, "what was waited for did not happen"

    def test_every_gap_and_obstacle_has_a_sentence(self):
        for kind in GAPS:
            assert "7" in train_texts.gap_text(kind, 7)
        for kind in OBSTACLES:
            assert train_texts.obstacle_text(Obstacle(kind, "PA", 2)).endswith(".")
        assert "fold 3" in train_texts.obstacle_text(Obstacle("empty_fold", "PA", 2))

    def test_times_are_said_as_people_say_them(self):
        said = [train_texts.duration(seconds) for seconds in (0.2, 7, 33, 59, 150, 3700)]
        assert said == ["1 s", "7 s", "35 s", "1 min", "2 min", "1 h 02 min"]

    def test_a_failed_training_says_why(self):
        text = train_texts.ended_text({"state": "failed", "error": "The disk is full."})
        assert "The disk is full." in text
        for state in ("cancelled", "interrupted"):
            assert "Continue" in train_texts.ended_text({"state": state, "error": ""})

    def test_curves_are_nodes_that_follow_a_fit(self):
        curves = Curves()
        history = epochs("PA localizer", 5, "median error (mm)") + epochs("PA classifier", 3)
        assert fits_of(history) == ["PA localizer", "PA classifier"]
        curves.show(history, "PA localizer")
        tables = slicer.util.getNodesByClass("vtkMRMLTableNode")
        assert len(tables) == 1
        assert not tables[0].GetSaveWithScene()
        column = tables[0].GetTable().GetColumnByName("validation_loss")
        assert [column.GetValue(row) for row in range(5)] == [2 / (n + 1) for n in range(5)]
        assert math.isnan(tables[0].GetTable().GetColumnByName("metric").GetValue(0))
        curves.show(history, "PA classifier")
        assert slicer.util.getNodesByClass("vtkMRMLTableNode") == tables
        assert tables[0].GetTable().GetNumberOfRows() == 3
        curves.remove()
        assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLPlotSeriesNode") == 0

    def test_the_layout_with_the_curves_comes_and_goes(self):
        manager = slicer.app.layoutManager()
        if manager is None:
            self.skipTest("there is no window")
        curves = Curves()
        before = manager.layout
        curves.show(epochs("PA localizer", 3), "PA localizer")
        curves.show_layout()
        slicer.app.processEvents()
        assert manager.layout == LAYOUT
        titles = [
            slicer.mrmlScene.GetSingletonNode(tag, "vtkMRMLPlotViewNode").GetPlotChartNode().GetTitle()
            for tag in (LOSS_VIEW, METRIC_VIEW)
        ]
        assert titles == ["PA landmarks: loss", "PA landmarks: AUROC"]
        curves.hide_layout()
        assert manager.layout == before
        curves.remove()

    def test_raters_count_in_the_order_in_which_they_are_chosen(self):
        changes = []
        button = qt.QToolButton()
        menu = RatersMenu(button, "everybody", lambda: changes.append(menu.chosen))
        menu.offer(["AM", "BK", "consensus"])
        assert menu.chosen is None
        actions = {action.text: action for action in button.menu().actions()}
        actions["BK"].trigger()
        actions["AM"].trigger()
        assert menu.chosen == ["BK", "AM"]
        assert button.text == "BK, then AM"
        actions["BK"].trigger()
        actions["everybody"].trigger()
        assert changes == [["BK"], ["BK", "AM"], ["AM"], None]

    def test_recipes_that_come_along_and_of_ones_own(self):
        recipes = shipped_recipes()
        assert recipes[0].key == FIRST
        assert all(recipe.title and recipe.folds >= 1 for recipe in recipes)
        path = self.folder / "mine.toml"
        path.write_text('title = "Mine: slow"\nfolds = 3\n', encoding="utf-8")
        assert own_recipe(str(path)).folds == 3
        path.write_text("no recipe", encoding="utf-8")
        said = ""
        try:
            own_recipe(str(path))
        except RecipeError as error:
            said = str(error)
        assert "is no recipe" in said

    def test_figures_are_shown_with_their_intervals(self):
        good = {"value": 0.873, "low": 0.79, "high": 0.931}
        assert estimate_text(good) == "0.87\n0.79-0.93"
        assert estimate_text({"value": None}) == "-"
        row = {"title": "All", "n": 9, "n_positive": 4, "estimates": {"auroc": good}, "sensitivity_wilson": good}
        rows = figure_rows({"strata": [row, {"title": "Hard", "n": 0}], "views": []})
        assert rows == [["All", "9\n4 fr.", "0.87\n0.79-0.93", "0.87\n0.79-0.93", "-"]]

    def test_the_page_shows_what_can_be_used_and_what_is_missing(self):
        dataset = Dataset.create(self.folder / "wrists", name="Wrists")
        rows = [RadiographRow(f"1.2.{n}", patient=f"p{n}", view="PA", file=f"images/{n}.dcm") for n in range(12)]
        for row in rows:
            dataset.image_path(row).touch()
        dataset.add_rows(rows)
        for n, row in enumerate(rows[:8]):
            label = None if n == 0 else "fracture" if n % 2 else "normal"
            dataset.save(Annotation(row.id, "AM", "done", label, LANDMARKS))
        panel = slicer.modules.fractureai.widgetRepresentation()
        panel.enter()
        widget = panel.self()
        before = widget.session.rater
        widget.session.rater = "TT"
        shown = []

        def show(title, radiographs):
            shown.append((title, radiographs))

        widget.session.show_radiographs.connect(show)
        try:
            widget.showPage(2)
            widget.session.open_dataset(str(dataset.folder))
            plan = widget.pages[2].plan
            self.wait(lambda: plan.summary is not None)
            assert widget.pages[2].ui.usableLabel.text == "8 of 12 radiographs can train (8 patients)"
            assert "4 not finished" in widget.pages[2].ui.gapsLabel.text
            plan.follow("label")
            assert shown == [("1 without a label", ("1.2.0",))]
        finally:
            widget.session.show_radiographs.disconnect(show)
            widget.session.close_dataset()
            widget.session.rater = before
            widget.showPage(0)


if __name__ == "__main__":
    unittest.main()
