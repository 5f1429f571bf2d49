"""What all pages share: the open dataset, who is marking, and whether others' marks may be seen."""

from fractureai.dataset import Dataset
from FractureAILib.background import Background
from FractureAILib.engine_link import EngineLink
from FractureAILib.settings import Settings
from FractureAILib.signals import Signal


class Session:
    """The state of the panel that outlives a page. Setting an attribute tells every page.

    Attributes:
        settings: what is remembered on this computer.
        background: runs work beside the viewer.
        engine: the way to the server that reads and trains.
        dataset_changed, rater_changed, blinded_changed: emitted after the change, without values.
        message: emitted with (text, is_alarm); shown in the panel's footer.
        show_radiographs: emitted with (title, radiograph ids): bring the worklist to the front, showing only these,
            under the title (for example "No label").
        model_changed: emitted without values when another model reads from now on.
    """

    def __init__(self) -> None:
        self.settings = Settings()
        self.background = Background()
        self.engine = EngineLink(self.background, self.settings)
        self.dataset_changed = Signal()
        self.rater_changed = Signal()
        self.blinded_changed = Signal()
        self.message = Signal()
        self.show_radiographs = Signal()
        self.model_changed = Signal()
        self._dataset: Dataset | None = None
        self._rater = self.settings.rater
        self._blinded = self.settings.blinded

    @property
    def dataset(self) -> Dataset | None:
        """The open dataset, or None."""
        return self._dataset

    def open_dataset(self, folder: str) -> Dataset:
        """Open a dataset folder, remember it, and tell the pages.

        Raises:
            DatasetError: the folder holds no dataset that can be opened.
        """
        self._dataset = Dataset.open(folder)
        self.settings.remember_dataset(str(self._dataset.folder))
        self.dataset_changed.emit()
        return self._dataset

    def close_dataset(self) -> None:
        """Have no dataset open."""
        self._dataset = None
        self.dataset_changed.emit()

    @property
    def rater(self) -> str:
        """Short name of who is marking, for example ``AM``; "" before anybody said."""
        return self._rater

    @rater.setter
    def rater(self, name: str) -> None:
        if name != self._rater:
            self._rater = name
            self.settings.rater = name
            self.rater_changed.emit()

    @property
    def blinded(self) -> bool:
        """Whether others' marks and model output are hidden."""
        return self._blinded

    @blinded.setter
    def blinded(self, value: bool) -> None:
        if value != self._blinded:
            self._blinded = value
            self.settings.blinded = value
            self.blinded_changed.emit()

    def say(self, text: str, alarm: bool = False) -> None:
        """Show a sentence in the panel's footer."""
        self.message.emit(text, alarm)

    def stop(self) -> None:
        """Stop what runs beside the viewer, the engine included."""
        self.background.stop()
        self.engine.stop()
