"""Which model reads: the choice on the page, kept for the next time."""

from collections.abc import Callable

import qt
from slicer.i18n import tr as _

from fractureai.errors import FractureAIError
from FractureAILib.session import Session


class ModelChoice:
    """Fills a combo box with the models of the server and keeps the chosen one in the settings.

    Attributes:
        models: as the server lists them; () before it was asked.
    """

    def __init__(self, combo, session: Session, failed: Callable[[FractureAIError], None]) -> None:
        self.combo = combo
        self._session = session
        self._failed = failed
        self.models: tuple[dict, ...] = ()
        combo.connect("activated(int)", self._chosen)
        session.model_changed.connect(self._changed)
        self._fill()

    def cleanup(self) -> None:
        """Let the combo box go."""
        self._session.model_changed.disconnect(self._changed)

    @property
    def model(self) -> str:
        """Identifier of the model that reads."""
        return self._session.settings.model

    @property
    def coverage(self) -> float | None:
        """Share of studies that the chosen model is to answer; None: as it was made, or it was never calibrated."""
        chosen = next((model for model in self.models if model["id"] == self.model), {})
        return None if chosen.get("coverage") is None else self._session.settings.coverage

    def refresh(self) -> None:
        """Ask the server for its models; it is running."""
        self._session.engine.call(lambda client, _task: client.models(), self._listed, self._failed)

    def _listed(self, models: list[dict]) -> None:
        self.models = tuple(models)
        if self.model not in [model["id"] for model in models]:
            self._session.settings.model = "demo"
        self._fill()

    def _fill(self) -> None:
        self.combo.blockSignals(True)
        self.combo.clear()
        for model in self.models or ({"id": self.model, "title": self.model, "notice": ""},):
            self.combo.addItem(model_title(model), model["id"])
            self.combo.setItemData(self.combo.count - 1, model.get("notice", ""), qt.Qt.ToolTipRole)
        self.combo.blockSignals(False)
        self._select()

    def _changed(self) -> None:
        """Another model reads: it may be a new one."""
        if self.models and self.model not in [model["id"] for model in self.models]:
            self.refresh()
        self._select()

    def _select(self) -> None:
        index = self.combo.findData(self.model)
        if index >= 0:
            self.combo.setCurrentIndex(index)

    def _chosen(self, index: int) -> None:
        model = str(self.combo.itemData(index))
        if model != self.model:
            self._session.settings.model = model
            self._session.model_changed.emit()


def model_title(model: dict) -> str:
    """Return a model's title for people, with its identifier: several may have the same title."""
    identifier = model["id"]
    title = model.get("title") or identifier
    if identifier == "demo":
        return _("Demo") if title == identifier else _("Demo: {title}").format(title=title)
    return title if identifier in title else f"{title} ({identifier})"
