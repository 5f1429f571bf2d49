"""Where a model would put the landmarks: asked of the engine, which is started for it where it is installed."""

from collections.abc import Callable
from typing import Any

from slicer.i18n import tr as _

from fractureai.errors import FractureAIError
from FractureAILib.background import Task
from FractureAILib.case import Case
from FractureAILib.session import Session

KEPT = 500


class Proposals:
    """Asks for proposals and keeps the answers; says nothing when blinded, and never waits."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._answers: dict[tuple[str, str], dict[str, Any]] = {}
        self._task: Task | None = None

    def ask(self, case: Case, view: str, done: Callable[[dict[str, Any]], None]) -> None:
        """Hand over the server's answer for a radiograph when there is one; an earlier question is dropped.

        Args:
            case: the radiograph.
            view: as decided; ``unknown`` lets the model tell.
            done: gets the JSON of ``POST /v1/proposals``.
        """
        self.cancel()
        session = self._session
        if session.blinded or not session.settings.proposals:
            return
        engine = session.engine
        if engine.state == "off" and not engine.is_remote and engine.environment.is_ready("read"):
            engine.start()  # the page asks again once it is ready
        if engine.state != "ready":
            return
        key = (case.row.id, view)
        if key in self._answers:
            done(self._answers[key])
            return
        path, model = str(case.radiograph.path), session.settings.model

        def answered(answer: dict[str, Any]) -> None:
            if len(self._answers) >= KEPT:
                self._answers.clear()
            self._answers[key] = answer
            done(answer)

        wanted = None if view == "unknown" else view
        self._task = session.engine.call(
            lambda client, _task: client.proposals(path, model=model, view=wanted), answered, _no_proposal
        )

    def cancel(self) -> None:
        """Drop the question that has no answer yet."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def forget(self) -> None:
        """Another model reads from now on: ask anew."""
        self.cancel()
        self._answers.clear()


def points_of(answer: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """Return name -> (row, col) of an answer."""
    return {mark["name"]: (float(mark["row"]), float(mark["col"])) for mark in answer.get("landmarks") or ()}


def disagreements(answer: dict[str, Any], view: str, side: str) -> list[str]:
    """Return sentences on what the model sees otherwise than it was decided."""
    said = []
    suggested_view, suggested_side = answer.get("view_suggested"), answer.get("side_suggested")
    if suggested_view and suggested_view != view and (suggested_view, view) != ("PA", "AP"):
        said.append(_("The model sees the view {view}.").format(view=suggested_view))
    if suggested_side and suggested_side != side:
        said.append(_("The model sees a {side} wrist.").format(side=_("left") if suggested_side == "L" else _("right")))
    return said


def _no_proposal(_error: FractureAIError) -> None:
    """A proposal is a courtesy: without one, people place the landmarks themselves."""
