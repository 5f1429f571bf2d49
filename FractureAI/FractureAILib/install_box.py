"""Asking for what has to be installed: what, how much, where to; then progress, which can be cancelled."""

from collections.abc import Callable

from slicer.i18n import tr as _

from fractureai.engine import InstallPlan, InstallProgress
from fractureai.errors import FractureAIError
from FractureAILib.background import Task
from FractureAILib.engine_link import EngineLink


def size_text(size: float) -> str:
    """Return a number of bytes for people."""
    if size >= 1e9:
        return f"{size / 1e9:.1f} GB"
    return f"{max(1, round(size / 1e6))} MB"


class InstallBox:
    """The box that asks, in the page itself; nothing is installed before *Install* was pressed.

    Args:
        ui: widgets by name: installBox, installLabel, installBar, installButton, installCancelButton.
        engine: installs.
        installed: called when it is done.
    """

    def __init__(self, ui, engine: EngineLink, installed: Callable[[], None]) -> None:
        self.ui = ui
        self._engine = engine
        self._installed = installed
        self._what = "read"
        self._task: Task | None = None
        ui.installBox.visible = False
        ui.installButton.connect("clicked()", self._install)
        ui.installCancelButton.connect("clicked()", self._cancel)

    def ask(self, what: str) -> None:
        """Ask for what reading (``read``) or training (``train``) needs."""
        self._what = what
        self._idle(_("Looking up what is needed ..."))
        self.ui.installBox.visible = True
        environment = self._engine.own
        self._engine.in_background(lambda _task: environment.plan(what), self._planned, self._failed)

    def hide(self) -> None:
        """Ask no more."""
        if self._task is None:
            self.ui.installBox.visible = False

    def _planned(self, plan: InstallPlan) -> None:
        if self._task is not None:
            return
        if self._what == "read":
            text = _("Reading needs packages that do not come along: {download} to download, {disk} on disk.")
        else:
            text = _(
                "Training needs packages that do not come with the viewer: {download} to download, {disk} on disk."
            )
        where = _(
            "They go into a folder of their own, {folder}, never into the viewer's Python, and can be deleted in the "
            "settings. Install them now?"
        )
        room = "" if plan.fits else " " + _("There is not enough room: only {free} are free.").format(
            free=size_text(plan.free_bytes)
        )  # fmt: skip
        sizes = text.format(download=size_text(plan.download_bytes), disk=size_text(plan.disk_bytes))
        self._idle(f"{sizes} {where.format(folder=plan.folder)}{room}")
        self.ui.installButton.enabled = plan.fits

    def _idle(self, text: str) -> None:
        self.ui.installLabel.text = text
        self.ui.installBar.visible = False
        self.ui.installButton.visible = True
        self.ui.installButton.text = _("Install")
        self.ui.installCancelButton.text = _("Not now")

    def _install(self) -> None:
        self.ui.installButton.visible = False
        self.ui.installCancelButton.text = _("Cancel")
        self.ui.installBar.visible = True
        self.ui.installBar.setValue(0)
        self.ui.installLabel.text = _("Installing ...")
        self._task = self._engine.install(self._what, self._done, self._failed, self._progress)

    def _progress(self, report: InstallProgress) -> None:
        self.ui.installBar.setValue(round(100 * report.fraction))
        self.ui.installLabel.text = report.text

    def _done(self) -> None:
        self._task = None
        self.ui.installBox.visible = False
        self._installed()

    def _failed(self, error: FractureAIError) -> None:
        self._task = None
        self._idle(str(error))
        self.ui.installBox.visible = True
        self.ui.installButton.text = _("Retry")

    def _cancel(self) -> None:
        if self._task is not None:
            self._engine.cancel_install(self._task)
            self._task = None
        self.ui.installBox.visible = False
