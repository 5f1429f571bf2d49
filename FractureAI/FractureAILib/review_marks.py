"""Two raters' marks over the same radiograph, each in a colour of its own, not to be moved."""

from fractureai.dataset.agreement import Disagreement
from fractureai.errors import FractureAIError
from fractureai.scene import landmarks, regions, views
from fractureai.sites import ViewProfile
from FractureAILib.screen import Screen
from FractureAILib.session import Session
from FractureAILib.style import HUMAN

FIRST_COLOUR = HUMAN
SECOND_COLOUR = "#56B4E9"
"""Sky blue (Okabe and Ito 2008): the second rater; it is no model."""


class ComparedMarks:
    """Reads a radiograph beside the viewer and shows it with both raters' marks."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._screen = Screen()
        self._task = None

    def show(self, difference: Disagreement, view: ViewProfile | None) -> None:
        """Show the radiograph of a difference as soon as it is read."""
        self._cancel()
        dataset = self._session.dataset
        self._task = self._session.background.run(
            lambda _task: dataset.read(difference.row),
            lambda radiograph: self._read(radiograph, difference, view),
            self._failed,
        )

    def clear(self) -> None:
        """Show nothing."""
        self._cancel()
        self._screen.clear()

    def scene_closed(self) -> None:
        """The nodes are gone already."""
        self._cancel()
        self._screen.scene_closed()

    def _read(self, radiograph, difference: Disagreement, view: ViewProfile | None) -> None:
        points = difference.first.landmarks
        turns = views.upright_turns(points, view, radiograph.spacing_mm) if view and len(points) > 2 else 0
        volume = self._screen.show_one(radiograph, turns=turns)
        for marks, colour in ((difference.first, FIRST_COLOUR), (difference.second, SECOND_COLOUR)):
            if view is not None:
                node = landmarks.add_landmarks(volume, view, marks.landmarks)
                self._dress(node, marks.rater, colour)
            for region in marks.regions:
                self._dress(regions.add_region(volume, region), marks.rater, colour)
        self._screen.confine_marks()
        raters = f"{difference.first.rater} / {difference.second.rater}"
        self._screen.text().set(top_left=f"{radiograph.view} {radiograph.side}", bottom_left=raters)
        self._screen.render()

    def _dress(self, node, rater: str, colour: str) -> None:
        node.SetName(f"{rater}: {node.GetName()}")
        node.SetLocked(True)
        display = node.GetDisplayNode()
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        display.SetColor(*parts)
        display.SetSelectedColor(*parts)
        display.GetTextProperty().SetColor(*parts)
        display.SetPointLabelsVisibility(False)
        display.SetTranslationHandleVisibility(False)
        display.SetScaleHandleVisibility(False)

    def _failed(self, error: FractureAIError) -> None:
        self._screen.clear()
        self._session.say(str(error), alarm=True)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None
