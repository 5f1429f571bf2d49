"""The slim bar above a view: its coloured letter, what is shown, and a button that fits it."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QToolButton, QWidget

from . import properties

BAR_HEIGHT = 22


class ViewBar(QWidget):
    """The bar of one view; what a script hides with `sliceController().setVisible(False)`."""

    def __init__(self, label: str, colour: QColor, fit: Callable[[], None], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFixedHeight(BAR_HEIGHT)
        self._text = ""
        self._letter = QLabel(label)
        self._letter.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._letter.setFixedWidth(BAR_HEIGHT)
        ink = "black" if colour.lightnessF() > 0.45 else "white"
        self._letter.setStyleSheet(f"background: {colour.name()}; color: {ink}; font-weight: bold;")
        self._name = QLabel()
        self._name.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._fit = QToolButton()
        self._fit.setText(self.tr("Fit"))
        self._fit.setAutoRaise(True)
        self._fit.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._fit.setToolTip(self.tr("Show everything"))
        self._fit.clicked.connect(lambda *_: fit())
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 2, 0)
        row.setSpacing(6)
        row.addWidget(self._letter)
        row.addWidget(self._name, 1)
        row.addWidget(self._fit)

    def set_text(self, text: str) -> None:
        """Say what is shown; long texts end in dots."""
        self._text = text
        self._elide()

    def _elide(self) -> None:
        width = max(0, properties.size(self._name).width() - 2)
        self._name.setText(self._name.fontMetrics().elidedText(self._text, Qt.TextElideMode.ElideRight, width))
        self._name.setToolTip(self._text)

    def resizeEvent(self, event: object) -> None:
        """Fit the text to the new width."""
        super().resizeEvent(event)
        self._elide()
