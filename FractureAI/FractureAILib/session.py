"""What all pages share: the open dataset, who is marking, and whether others' marks may be seen."""

from collections.abc import Callable

from slicer.i18n import tr as _

from fractureai.dataset import Dataset
from fractureai.dataset.second_reading import first_reader
from fractureai.errors import FractureAIError
from FractureAILib.background import Background
from FractureAILib.dataset_actions import DatasetActions
from FractureAILib.engine_link import EngineLink
from FractureAILib.settings import Settings
from FractureAILib.signals import Signal


class UnsavedError(FractureAIError):
    """Marks that could not be saved keep the dataset and the rater from being changed."""


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
        dataset_actions: opens, makes and fills datasets.
        guards: asked before the dataset or the rater changes; each saves what it holds and tells whether that worked.
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
        self.dataset_actions = DatasetActions(self)
        self.guards: list[Callable[[], bool]] = []
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
            UnsavedError: marks in the dataset open now can not be saved.
        """
        dataset = Dataset.open(folder)
        self._leave()
        self._dataset = dataset
        self.settings.remember_dataset(str(self._dataset.folder))
        self.dataset_changed.emit()
        return self._dataset

    def close_dataset(self) -> None:
        """Have no dataset open.

        Raises:
            UnsavedError: marks can not be saved.
        """
        self._leave()
        self._dataset = None
        self.dataset_changed.emit()

    @property
    def rater(self) -> str:
        """Short name of who is marking, for example ``AM``; "" before anybody said. ``AM.2``: a second reading.

        Setting it raises `UnsavedError` when marks of the one before can not be saved.
        """
        return self._rater

    @rater.setter
    def rater(self, name: str) -> None:
        if name != self._rater:
            self._leave()
            self._rater = name
            self.settings.rater = name
            self.rater_changed.emit()

    @property
    def blinded(self) -> bool:
        """Whether others' marks and model output are hidden; always in a second reading."""
        return self._blinded or first_reader(self._rater) is not None

    @blinded.setter
    def blinded(self, value: bool) -> None:
        if value != self._blinded:  # what was chosen, whatever a second reading demands
            self._blinded = value
            self.settings.blinded = value
            self.blinded_changed.emit()

    def _leave(self) -> None:
        if not all(guard() for guard in self.guards):
            raise UnsavedError(_("Some marks are not saved yet. See what is wrong at the foot of the worklist."))

    def say(self, text: str, alarm: bool = False) -> None:
        """Show a sentence in the panel's footer."""
        self.message.emit(text, alarm)

    def stop(self) -> None:
        """Stop what runs beside the viewer, the engine included."""
        self.background.stop()
        self.engine.stop()
