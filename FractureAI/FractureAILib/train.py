"""The page Train."""

from FractureAILib.pages import Page


class TrainPage(Page):
    """To be filled."""

    ui_file = "Train.ui"
