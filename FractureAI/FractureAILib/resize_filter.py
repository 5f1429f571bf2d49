"""Tells that a widget has another size or other colours, once for many changes in a row."""

from collections.abc import Callable

import qt

DELAY_MS = 60


class ResizeFilter(qt.QObject):
    """Calls ``changed`` a moment after the last change of size or colours of the widgets it is installed on."""

    def __init__(self, changed: Callable[[], None]) -> None:
        qt.QObject.__init__(self)
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(DELAY_MS)
        self._timer.connect("timeout()", changed)

    def stop(self) -> None:
        """Tell nothing any more."""
        self._timer.stop()

    def eventFilter(self, _watched, event):  # noqa: N802
        """Qt's hook."""
        if event.type() in (qt.QEvent.Resize, qt.QEvent.PaletteChange):
            self._timer.start()
        return False
