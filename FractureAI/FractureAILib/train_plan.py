"""The upper half of the page Train: what will be used, what is missing, and how it is to be trained."""

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

import qt
from slicer.i18n import tr as _

from fractureai.dataset import extend_splits
from fractureai.dataset.summary import TrainingSummary, ViewSummary, summarise
from fractureai.errors import FractureAIError
from FractureAILib import train_tables
from FractureAILib.style import ALARM, set_text
from FractureAILib.train_raters import RatersMenu
from FractureAILib.train_recipes import RecipeInfo, own_recipe, recipe_text, shipped_recipes
from FractureAILib.train_texts import device_text, gap_text, obstacle_text, usable_text

SPLIT_SEED = 0
ASSIGN = "assign-splits"
AUTO_DEVICE = "auto"


class TrainPlan:
    """Shows the dataset's summary and takes the choices; `parameters` is what a training job gets.

    Args:
        session: shared state.
        ui: the page's widgets by name.
        changed: called when what can be started has changed.
    """

    def __init__(self, session, ui, changed: Callable[[], None]) -> None:
        self.session = session
        self.ui = ui
        self.summary: TrainingSummary | None = None
        self.recipes: list[RecipeInfo] = list(shipped_recipes())
        self._changed: Callable[[], None] = lambda: None
        self._task = None
        self._gap_titles: dict[str, str] = {}
        self.raters = RatersMenu(ui.ratersButton, _("consensus, else the only person who marked"), self.refresh)
        ui.gapsLabel.connect("linkActivated(QString)", self.follow)
        ui.recipeComboBox.connect("currentIndexChanged(int)", self._recipe_chosen)
        ui.recipeComboBox.connect("activated(int)", self._recipe_activated)
        ui.foldsSpinBox.connect("valueChanged(int)", self._folds_changed)
        self.offer_devices(())
        self._offer_recipes(0)
        self._show(None)
        self._changed = changed

    # --- the dataset ---

    def refresh(self) -> None:
        """Look at the dataset anew, in the background; others may have worked meanwhile."""
        self.stop()
        dataset = self.session.dataset
        if dataset is None:
            self._show(None)
            return
        raters, folds = self.raters.chosen, self.ui.foldsSpinBox.value
        if self.summary is None:
            self.ui.usableLabel.text = _("Looking at {name} ...").format(name=dataset.name)
        self._task = self.session.background.run(
            lambda _task: summarise(dataset, raters, folds=folds), self._show, self._failed
        )

    def stop(self) -> None:
        """Look no further."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def forget(self) -> None:
        """Another dataset is open: nothing is known of it yet."""
        self.summary = None
        self._show(None)

    def follow(self, link: str) -> None:
        """Do what a link below the summary says: show the radiographs, or assign the patients without a split."""
        if link == ASSIGN:
            self._assign_splits()
            return
        gaps = {gap.kind: gap.radiographs for gap in (self.summary.gaps if self.summary else ())}
        if link in gaps:
            self.session.show_radiographs.emit(self._gap_titles[link], gaps[link])

    def _assign_splits(self) -> None:
        dataset, raters = self.session.dataset, self.raters.chosen

        def work(_task):
            extend_splits(dataset, seed=SPLIT_SEED, raters=raters)

        self.session.background.run(work, lambda _nothing: self.refresh(), self._failed)

    def _failed(self, error: FractureAIError) -> None:
        self.summary = None
        self._show(None)
        set_text(self.ui.usableLabel, str(error), ALARM)

    @property
    def busy(self) -> bool:
        """Whether the dataset is being looked at."""
        return self._task is not None

    def _show(self, summary: TrainingSummary | None) -> None:
        self._task = None
        self.summary = summary
        ui = self.ui
        set_text(ui.usableLabel, usable_text(summary) if summary else "")
        for widget in (ui.viewsTable, ui.gapsLabel, ui.obstacleLabel):
            widget.visible = summary is not None
        if summary is not None:
            self.raters.offer([rater.rater for rater in summary.raters])
            self._show_views(summary)
            self._show_gaps(summary)
            set_text(ui.obstacleLabel, "\n".join(map(obstacle_text, summary.obstacles)), ALARM)
            ui.obstacleLabel.visible = bool(summary.obstacles)
        self._changed()

    def _show_views(self, summary: TrainingSummary) -> None:
        classes = list(summary.views[0].labels) if summary.views else []
        headers = [_("View"), _("Landmarks"), *classes, _("Test")]
        train_tables.fill(self.ui.viewsTable, headers, [_view_row(view) for view in summary.views])

    def _show_gaps(self, summary: TrainingSummary) -> None:
        self._gap_titles = {gap.kind: gap_text(gap.kind, len(gap.radiographs)) for gap in summary.gaps}
        lines = [escape(_("Missing:"))] if summary.gaps else []
        lines += [f'<a href="{kind}">{escape(text)}</a>' for kind, text in self._gap_titles.items()]
        if "split" in self._gap_titles:
            lines.append('<a href="{link}">{text}</a>'.format(link=ASSIGN, text=escape(_("assign them now"))))
        if not summary.has_splits:
            text = _("Patients are set aside for validation and test when the first training starts.")
            lines.append(escape(text))
        self.ui.gapsLabel.text = "<br>".join(lines)
        self.ui.gapsLabel.visible = bool(lines)

    # --- the choices ---

    @property
    def recipe(self) -> RecipeInfo:
        """The chosen recipe."""
        return self.recipes[min(max(self.ui.recipeComboBox.currentIndex, 0), len(self.recipes) - 1)]

    @property
    def device(self) -> str:
        """The chosen device: ``auto``, ``cpu``, ``cuda:0`` ..."""
        return str(self.ui.deviceComboBox.currentData or AUTO_DEVICE)

    def parameters(self) -> dict[str, Any]:
        """Return the parameters of the training job; a recipe of the user's is sent as it is now.

        Raises:
            RecipeError: the file of the user's recipe can not be read any more.
        """
        return {
            "dataset": str(self.session.dataset.folder),
            "recipe": recipe_text(self.recipe),
            "raters": self.raters.chosen,
            "device": self.device,
            "folds": int(self.ui.foldsSpinBox.value),
        }

    def add_recipe(self, path: str) -> None:
        """Choose a recipe file of the user's.

        Raises:
            RecipeError: it is no recipe.
        """
        recipe = own_recipe(path)
        self.recipes = [known for known in self.recipes if known.key != recipe.key] + [recipe]
        self._offer_recipes(len(self.recipes) - 1)

    def offer_devices(self, devices: Sequence[Mapping[str, Any]]) -> None:
        """Offer the server's devices, with their free memory."""
        box, before = self.ui.deviceComboBox, self.device
        box.blockSignals(True)
        box.clear()
        best = device_text(devices[0]) if devices else ""
        box.addItem(_("automatic: {device}").format(device=best) if best else _("automatic"), AUTO_DEVICE)
        for device in devices:
            key = str(device.get("id") or device.get("kind") or "")
            if key and box.findData(key) < 0:
                box.addItem(device_text(device), key)
        box.setCurrentIndex(max(0, box.findData(before)))
        box.blockSignals(False)
        box.toolTip = box.currentText

    def _offer_recipes(self, chosen: int) -> None:
        box = self.ui.recipeComboBox
        box.blockSignals(True)
        box.clear()
        for recipe in self.recipes:
            box.addItem(recipe.title.split(":")[0], recipe.key)
        box.addItem(_("a file of my own ..."), "")
        box.setCurrentIndex(chosen)
        box.blockSignals(False)
        self._recipe_chosen(chosen)

    def _recipe_activated(self, index: int) -> None:
        """Ask for a file where the user chose the last line; otherwise there is nothing to do."""
        if index < len(self.recipes):
            return
        path = qt.QFileDialog.getOpenFileName(self.ui.recipeComboBox, _("Recipe"), "", _("Recipes (*.toml)"))
        path = path[0] if isinstance(path, tuple) else path
        try:
            if path:
                self.add_recipe(path)
                return
        except FractureAIError as error:
            self.session.say(str(error), alarm=True)
        self._offer_recipes(0)

    def _recipe_chosen(self, index: int) -> None:
        if index < 0 or index >= len(self.recipes):
            return
        self.ui.recipeHintLabel.text = self.recipe.title.split(":", 1)[-1].strip()
        self.ui.recipeComboBox.toolTip = self.recipe.key
        self.ui.foldsSpinBox.value = self.recipe.folds
        self._folds_changed(self.recipe.folds)

    def _folds_changed(self, folds: int) -> None:
        one = _("validated on the validation patients")
        many = _("each validated on a {n}th, {n} times as long")
        self.ui.foldsHintLabel.text = one if folds == 1 else many.format(n=folds)
        if self.summary is not None:
            self.refresh()


def _view_row(view: ViewSummary) -> list[str]:
    return [view.title, str(view.localizer), *(str(number) for number in view.labels.values()), str(view.tested)]
