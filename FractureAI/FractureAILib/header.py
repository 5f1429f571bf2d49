"""The head of the panel: which dataset, which rater, settings; and the sentence at its foot."""

from FractureAILib.session import Session

ALARM_COLOUR = "#D55E00"


class Header:
    """Fills the header's widgets and follows the session."""

    def __init__(self, session: Session, ui) -> None:
        self.session = session
        self.ui = ui

    def setup(self) -> None:
        """Connect the widgets; called once."""
