"""The page Review."""

from FractureAILib.pages import Page


class ReviewPage(Page):
    """To be filled."""

    ui_file = "Review.ui"
