"""One reading by a model: started, followed through its stages, cancelled, or ended."""

from collections.abc import Callable, Mapping
from typing import Any

from fractureai.client import Client
from fractureai.errors import FractureAIError
from FractureAILib.background import Task
from FractureAILib.engine_link import EngineLink
from FractureAILib.study_source import Case


class ReadingRun:
    """The reading in progress, or how the last one ended.

    Attributes:
        state: ``idle``, ``running``, ``done``, ``failed`` or ``cancelled``.
        stage: the stage that runs (see `FractureAILib.stages`); None before the first.
        case: what is read.
        reading: the result (reading.schema.json), once done.
        activations: SOP Instance UID -> activation map.
        error: why it failed.
    """

    def __init__(self, engine: EngineLink, changed: Callable[[], None]) -> None:
        self._engine = engine
        self._changed = changed
        self._task: Task | None = None
        self.state = "idle"
        self.stage: str | None = None
        self.case: Case | None = None
        self.reading: Mapping[str, Any] | None = None
        self.activations: Mapping[str, Any] = {}
        self.error: FractureAIError | None = None

    @property
    def is_running(self) -> bool:
        """Whether a reading is in progress."""
        return self.state == "running"

    def start(self, case: Case, model: str, view: str | None = None, coverage: float | None = None) -> None:
        """Start reading a case.

        Args:
            case: its files are read by the server.
            model: identifier of the model.
            view: of an only radiograph whose file does not say it; by default what the dataset says.
            coverage: share of studies that the model is to answer; None: as it was made.
        """
        self.cancel()
        self.state, self.stage, self.case = "running", None, case
        self.reading, self.activations, self.error = None, {}, None
        given = {
            "view": view or case.given_view,
            "side": case.given_side,
            "spacing_mm": case.given_spacing_mm,
            "coverage": coverage,
        }
        files = case.files

        def work(client: Client, task: Task) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
            reading = client.read(files, model, on_stage=task.report, cancelled=task.cancelled, **given)
            maps = {
                view["sop_instance_uid"]: client.activation(view["activation_map"])
                for view in reading["views"]
                if view["activation_map"]
            }
            return reading, maps

        self._task = self._engine.call(work, self._done, self._failed, self._stage)
        self._changed()

    def cancel(self) -> None:
        """Cancel the reading in progress: the server stops after its stage, and nothing of it is shown."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
        if self.is_running:
            self.state = "cancelled"
            self._changed()

    def _stage(self, stage: str) -> None:
        self.stage = stage
        self._changed()

    def _done(self, result: tuple[Mapping[str, Any], Mapping[str, Any]]) -> None:
        self._task = None
        self.reading, self.activations = result
        self.state = "done"
        self._changed()

    def _failed(self, error: FractureAIError) -> None:
        self._task = None
        self.error = error
        self.state = "failed"
        self._changed()
