"""A key that does something only as long as it is held down."""

from collections.abc import Callable

import qt
import slicer


class HoldKey:
    """Calls ``released`` when a key that is down now is let go.

    A shortcut knows when its key goes down, not when it comes up; so the application's events are watched from the one
    to the other, and only then.
    """

    def __init__(self, key: int, released: Callable[[], None]) -> None:
        self._filter = _Release(key, self._up)
        self._released = released
        self.down = False

    def press(self) -> None:
        """Call this when the key went down; harmless when it is down already (a key that repeats itself)."""
        if not self.down:
            self.down = True
            slicer.app.installEventFilter(self._filter)

    def stop(self) -> None:
        """Watch no longer; ``released`` is called when the key was down."""
        if self.down:
            self._up()

    def _up(self) -> None:
        self.down = False
        slicer.app.removeEventFilter(self._filter)
        self._released()


class _Release(qt.QObject):
    """Notices that a key comes up, or that the window is left while it is down."""

    def __init__(self, key: int, up: Callable[[], None]) -> None:
        qt.QObject.__init__(self)
        self._key = key
        self._on_up = up

    def eventFilter(self, _watched, event):  # noqa: N802
        """Qt's hook."""
        kind = event.type()
        came_up = kind == qt.QEvent.KeyRelease and event.key() == self._key and not event.isAutoRepeat()
        if came_up or kind == qt.QEvent.ApplicationDeactivate:
            self._on_up()
        return False
