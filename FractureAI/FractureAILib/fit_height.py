"""A scroll area that is as high as what it shows, as long as there is room."""

import qt


class FitHeight:
    """Keeps the greatest height of a scroll area at the height its content wants."""

    def __init__(self, area) -> None:
        self._content = area.widget()
        self._filter = _LayoutFilter(area)
        self._content.installEventFilter(self._filter)

    def stop(self) -> None:
        """Let the content go."""
        self._content.removeEventFilter(self._filter)


class _LayoutFilter(qt.QObject):
    """Notices that the content wants another size."""

    def __init__(self, area) -> None:
        qt.QObject.__init__(self)
        self._area = area

    def eventFilter(self, watched, event):  # noqa: N802
        """Qt's hook."""
        if event.type() in (qt.QEvent.LayoutRequest, qt.QEvent.Resize, qt.QEvent.Show):
            layout = watched.layout()
            wide = layout.hasHeightForWidth() and watched.width > 0
            wanted = layout.totalHeightForWidth(watched.width) if wide else watched.sizeHint.height()
            if wanted != self._area.maximumHeight:
                self._area.setMaximumHeight(wanted)
        return False
