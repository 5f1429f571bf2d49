"""One small line: how the engine is, or what went wrong, with a button to try again."""

from collections.abc import Callable
from html import escape

from slicer.i18n import tr as _

from FractureAILib import style
from FractureAILib.engine_link import EngineLink

MARKS = {"off": "○", "installing": "◔", "starting": "◔", "ready": "●", "failed": "▲"}
COLOURS = {"ready": style.DONE, "failed": style.ALARM}


class EngineLine:
    """Fills the line of a page.

    Attributes:
        error: the sentence about what failed; "" when nothing did.
    """

    def __init__(self, label, retry_button, engine: EngineLink) -> None:
        self._label = label
        self._button = retry_button
        self._engine = engine
        self._again: Callable[[], None] | None = None
        self.error = ""
        retry_button.connect("clicked()", self.retry)

    def fail(self, sentence: str, again: Callable[[], None] | None) -> None:
        """Say what failed.

        Args:
            sentence: for people.
            again: what the button does; None for no button.
        """
        self.error, self._again = sentence, again
        self.update()

    def clear(self) -> None:
        """Forget what failed."""
        self.error, self._again = "", None
        self.update()

    def retry(self) -> None:
        """Try again what failed."""
        again = self._again
        self.clear()
        if self._engine.state == "failed":
            self._engine.retry()
        if again is not None:
            again()
        self.update()

    def update(self) -> None:
        """Show the state as it is now."""
        engine, label = self._engine, self._label
        if self.error:
            mark, text, colour = "▲", self.error, style.ALARM
        else:
            mark, text = MARKS[engine.state], engine.sentence or _("The engine starts when it is needed")
            colour = COLOURS.get(engine.state)
        dot = f'<span style="color:{style.text_colour(label, colour)};">{mark}</span>' if colour else mark
        label.text = f"<small>{dot} {escape(text)}</small>"
        self._button.visible = self._again is not None or engine.state == "failed"
