"""The page Annotate."""

from FractureAILib.pages import Page


class AnnotatePage(Page):
    """To be filled."""

    ui_file = "Annotate.ui"
