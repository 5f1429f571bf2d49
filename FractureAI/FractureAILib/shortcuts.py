"""Keys: created when the module is entered, gone when it is left, changeable, listed for the user."""

from collections.abc import Callable
from dataclasses import dataclass

import qt
import slicer

from FractureAILib.settings import Settings


@dataclass(frozen=True)
class Action:
    """Something a key does.

    Attributes:
        name: identifier in the settings, for example ``PlaceLandmarks``.
        text: what it does, for people.
        default: key sequence, in Qt's notation.
        run: what is called.
    """

    name: str
    text: str
    default: str
    run: Callable[[], None]


class Shortcuts:
    """The keys of one page or of the whole module."""

    def __init__(self, settings: Settings, actions: list[Action]) -> None:
        self.actions = tuple(actions)
        self._settings = settings
        self._shortcuts: list[qt.QShortcut] = []

    def keys(self, action: Action) -> str:
        """Return the key sequence of an action as it is set now."""
        return self._settings.shortcut(action.name, action.default)

    def enter(self) -> None:
        """Make the keys work."""
        self.exit()
        for action in self.actions:
            shortcut = qt.QShortcut(slicer.util.mainWindow())
            shortcut.setKey(qt.QKeySequence(self.keys(action)))
            shortcut.connect("activated()", action.run)
            self._shortcuts.append(shortcut)

    def exit(self) -> None:
        """Give the keys back."""
        for shortcut in self._shortcuts:
            shortcut.disconnect("activated()")
            shortcut.setParent(None)
            shortcut.deleteLater()
        self._shortcuts = []
