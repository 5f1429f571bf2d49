"""What came out of a training: the figures on test patients, the report, the model."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import qt
from slicer.i18n import tr as _

from fractureai.errors import FractureAIError
from FractureAILib import train_tables

NUMBERS = "numbers.json"
_PARTS = ("strata", "views")


def figure_rows(numbers: Mapping[str, Any]) -> list[list[str]]:
    """Return a row for each group of studies and each view that has any, from ``numbers.json`` of an evaluation."""
    rows = []
    for part in _PARTS:
        for entry in numbers.get(part) or ():
            if entry.get("n"):
                auroc = (entry.get("estimates") or {}).get("auroc")
                cells = (auroc, entry.get("sensitivity_wilson"), entry.get("specificity_wilson"))
                rows.append(
                    [str(entry["title"]), f"{entry['n']}\n{entry['n_positive']} fr.", *map(estimate_text, cells)]
                )
    return rows


def estimate_text(estimate: Mapping[str, Any] | None) -> str:
    """Return a figure and below it its interval, for example ``0.87`` and ``0.79-0.93``; ``-`` where not defined."""
    if not estimate or estimate.get("value") is None:
        return "-"
    value, low, high = (estimate.get(name) for name in ("value", "low", "high"))
    return f"{value:.2f}" if low is None or high is None else f"{value:.2f}\n{low:.2f}-{high:.2f}"


class TrainResults:
    """Shows the result of a training that is done.

    Args:
        session: shared state.
        ui: the page's widgets by name.
        failed: called with an error.
    """

    def __init__(self, session, ui, failed) -> None:
        self.session = session
        self.ui = ui
        self._failed = failed
        self._job: Mapping[str, Any] | None = None
        ui.reportButton.connect("clicked()", self.open_report)
        ui.useButton.connect("clicked()", self.use_model)
        ui.folderButton.connect("clicked()", self.show_folder)
        session.model_changed.connect(self.refresh)
        ui.resultPanel.visible = False

    @property
    def result(self) -> Mapping[str, Any]:
        """What the server says came out; empty before a training is done."""
        return (self._job or {}).get("result") or {}

    def show(self, job: Mapping[str, Any] | None) -> None:
        """Show the result of a job, or nothing when it is not done."""
        done = job is not None and job.get("state") == "done"
        if done and self._job is not None and self._job["id"] == job["id"]:
            return
        self._job = job if done else None
        self.refresh()
        if done:
            self._show_figures()

    def refresh(self) -> None:
        """Show the panel and its buttons as they are possible now."""
        ui, result = self.ui, self.result
        ui.resultPanel.visible = self._job is not None
        model = str(result.get("model") or "")
        used = bool(model) and self.session.settings.model == model
        ui.useButton.enabled = bool(model) and not used
        ui.useButton.text = _("In use") if used else _("Use this model")
        ui.reportButton.enabled = bool(result.get("report"))
        folder = str(result.get("bundle") or "")
        ui.folderButton.visible = bool(folder) and Path(folder).is_dir()

    def use_model(self) -> None:
        """Let this model read from now on."""
        model = str(self.result.get("model") or "")
        if model:
            self.session.settings.model = model
            self.session.model_changed.emit()
            self.session.say(_("The model {model} reads from now on.").format(model=model))

    def open_report(self) -> None:
        """Open the evaluation report in the browser; one of a server elsewhere is fetched first."""
        report = Path(str(self.result.get("report") or ""))
        if not self.session.engine.is_remote and report.is_file():
            self._open(report)
            return
        id_ = self._job["id"]

        def work(client, _task):
            page = client.job_report(id_)
            path = Path(tempfile.mkdtemp(prefix="fractureai-")) / f"report-{id_}.html"
            path.write_text(page, encoding="utf-8")
            return path

        self.session.engine.call(work, self._open, self._failed)

    def show_folder(self) -> None:
        """Show the bundle's folder in the file manager."""
        self._open(Path(str(self.result["bundle"])).parent)

    def _open(self, path: Path) -> None:
        try:
            open_file(path)
        except FractureAIError as error:
            self._failed(error)

    def _show_figures(self) -> None:
        ui, result = self.ui, self.result
        problems = " ".join(map(str, result.get("problems") or ()))
        ui.figuresTitleLabel.text = problems or _("On test patients, whom it never saw:")
        ui.figuresLabel.visible = False
        ui.figuresTable.visible = False
        numbers = Path(str(result.get("report") or "")).with_name(NUMBERS)
        if not self.session.engine.is_remote and result.get("report") and numbers.is_file():
            self._fill(figure_rows(json.loads(numbers.read_text(encoding="utf-8"))))
        elif result.get("auroc"):
            text = _("{n} studies, area under the ROC curve {auroc}")
            ui.figuresLabel.text = text.format(n=result.get("studies"), auroc=result["auroc"])
            ui.figuresLabel.visible = True

    def _fill(self, rows) -> None:
        headers = [_("Studies"), _("n"), _("AUROC"), _("Sens."), _("Spec.")]
        train_tables.fill(self.ui.figuresTable, headers, rows, lines=2)
        self.ui.figuresTable.visible = bool(rows)


def open_file(path: Path) -> None:
    """Open a file or folder with what the computer opens such with.

    Raises:
        FractureAIError: nothing opens it.
    """
    if not qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(path))):
        raise FractureAIError(_("Nothing on this computer opens {path}; open it by hand.").format(path=path))
