"""Files dropped on the panel."""

from collections.abc import Callable

import qt


class FileDrop:
    """Calls a function with the paths of files and folders that are dropped on a widget."""

    def __init__(self, dropped: Callable[[list[str]], None]) -> None:
        self._filter = _DropFilter(dropped)
        self._widget = None

    def watch(self, widget) -> None:
        """Accept drops on a widget from now on."""
        self._widget = widget
        widget.acceptDrops = True
        widget.installEventFilter(self._filter)

    def stop(self) -> None:
        """Accept no drops any more."""
        if self._widget is not None:
            self._widget.removeEventFilter(self._filter)
            self._widget = None


class _DropFilter(qt.QObject):
    """Takes drags that carry local files."""

    def __init__(self, dropped: Callable[[list[str]], None]) -> None:
        qt.QObject.__init__(self)
        self._dropped = dropped

    def eventFilter(self, _watched, event):  # noqa: N802
        """Qt's hook."""
        kind = event.type()
        if kind not in (qt.QEvent.DragEnter, qt.QEvent.Drop):
            return False
        paths = [url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()]
        if not paths:
            return False
        event.acceptProposedAction()
        if kind == qt.QEvent.Drop:
            qt.QTimer.singleShot(0, lambda: self._dropped(paths))  # a drop must end before a question may be asked
        return True
