"""The page Read."""

from FractureAILib.pages import Page


class ReadPage(Page):
    """To be filled."""

    ui_file = "Read.ui"
