"""What every page of the panel is."""

import slicer

from FractureAILib.session import Session
from FractureAILib.shortcuts import Action, Shortcuts


class Page:
    """One page: its widgets (from a .ui file), its keys, and what happens when it is entered and left.

    Attributes:
        session: the state all pages share.
        widget: the page's widget.
        ui: its children by name.
    """

    ui_file = ""
    """File in Resources/UI, set by each page."""

    def __init__(self, session: Session, resource_path) -> None:
        self.session = session
        self.resource_path = resource_path
        self.widget = slicer.util.loadUI(resource_path(f"UI/{self.ui_file}"))
        self.ui = slicer.util.childWidgetVariables(self.widget)
        self.shortcuts = Shortcuts(session.settings, self.actions())

    def actions(self) -> list[Action]:
        """Return what keys do on this page."""
        return []

    def setup(self) -> None:
        """Connect widgets and fill them; called once."""

    def enter(self) -> None:
        """The page comes to the front."""
        self.shortcuts.enter()

    def exit(self) -> None:
        """The page is left; observers and keys go."""
        self.shortcuts.exit()

    def scene_closed(self) -> None:
        """The scene was closed: the page's nodes are gone."""

    def cleanup(self) -> None:
        """The panel is closed or reloaded: nothing may stay behind."""
        self.exit()
