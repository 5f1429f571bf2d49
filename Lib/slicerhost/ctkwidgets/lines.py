"""Line edits, boxes and texts that CTK adds little to."""

from __future__ import annotations

import math
from typing import Any

from PySide6.QtCore import Property, QEvent, QSettings, Qt
from PySide6.QtGui import QIcon, QResizeEvent
from PySide6.QtWidgets import QCheckBox, QComboBox, QLineEdit, QMessageBox, QStyle, QTextBrowser, QWidget

from ..dialect.attributes import stands_for_cpp


@stands_for_cpp
class ctkSearchBox(QLineEdit):
    """A line edit to search or filter with: a cross clears it, Escape does too."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._show_icon, self._action = False, None
        self._icon = QIcon.fromTheme(
            "edit-find", self.style().standardIcon(QStyle.StandardPixmap.SP_FileDialogContentsView)
        )
        self.setClearButtonEnabled(True)
        self.setPlaceholderText("Search...")

    def setShowSearchIcon(self, show: bool) -> None:
        """Show the icon on the left."""
        self._show_icon = bool(show)
        if self._action is not None:
            self.removeAction(self._action)
            self._action = None
        if show:
            self._action = self.addAction(self._icon, QLineEdit.ActionPosition.LeadingPosition)

    def setSearchIcon(self, icon: QIcon) -> None:
        """Set the icon on the left."""
        self._icon = icon
        self.setShowSearchIcon(self._show_icon)

    showSearchIcon = Property(bool, lambda self: self._show_icon, setShowSearchIcon)
    searchIcon = Property(QIcon, lambda self: self._icon, setSearchIcon)


@stands_for_cpp
class ctkComboBox(QComboBox):
    """A combo box with a text to show while nothing is chosen."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._scroll = True

    def setDefaultText(self, text: str) -> None:
        """Set the text shown while nothing is chosen."""
        self.setPlaceholderText(text)

    def setScrollWheelEffect(self, effect: int) -> None:
        """0: the wheel never changes the choice; 1: always; 2: only while the box has the focus."""
        self._scroll = int(effect)

    defaultText = Property(str, lambda self: self.placeholderText, setDefaultText)


@stands_for_cpp
class ctkCheckBox(QCheckBox):
    """A check box that can show an icon for its state in place of the tick."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._indicator_icon = QIcon()

    def setIndicatorIcon(self, icon: QIcon) -> None:
        """Set the icon; its On and Off states follow the check mark."""
        self._indicator_icon = icon
        self.setIcon(icon)

    indicatorIcon = Property(QIcon, lambda self: self._indicator_icon, setIndicatorIcon)


@stands_for_cpp
class ctkFittedTextBrowser(QTextBrowser):
    """A text that is as high as its contents need at the width there is."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.connect("textChanged()", self._fit)  # type: ignore[call-overload]

    def _fit(self) -> None:
        height = math.ceil(self.document.size.height()) + 2 * self.frameWidth
        if self.minimumHeight != height:
            self.setFixedHeight(height)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Another width needs another height."""
        super().resizeEvent(event)
        self._fit()

    def showEvent(self, event: QEvent) -> None:
        """The font is final when it is first shown."""
        super().showEvent(event)
        self._fit()


@stands_for_cpp
class ctkMessageBox(QMessageBox):
    """A message with "Don't show this message again": the answer is kept in the settings and given next time."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._again, self._key = False, ""
        self._check = QCheckBox("Don't show this message again")
        self._check.setVisible(False)
        self._visible = False

    def setDontShowAgain(self, value: bool) -> None:
        """Skip the box from now on."""
        self._again = bool(value)
        self._check.setChecked(value)

    def setDontShowAgainVisible(self, visible: bool) -> None:
        """Show the check box."""
        self._visible = bool(visible)
        self.setCheckBox(self._check if visible else None)

    def setDontShowAgainSettingsKey(self, key: str) -> None:
        """Keep the answer under this key of the settings; shows the check box."""
        self._key = key
        if key:
            self.setDontShowAgainVisible(True)
            self._again = int(QSettings().value(key, int(QMessageBox.ButtonRole.InvalidRole))) != -1

    def exec(self) -> int:
        """Ask, or give the kept answer."""
        if self._again:
            kept = int(QSettings().value(self._key, -1)) if self._key else -1
            return kept if kept not in (-1, 0) else int(QMessageBox.StandardButton.Ok)
        answer = int(super().exec())
        cancelled = (
            self.buttonRole(self.button(QMessageBox.StandardButton(answer))) == QMessageBox.ButtonRole.RejectRole
        )
        if self._visible and self._check.checked and not cancelled:
            self._again = True
            if self._key:
                QSettings().setValue(self._key, answer)
        return answer

    exec_ = exec

    dontShowAgain = Property(bool, lambda self: self._again, setDontShowAgain)
    dontShowAgainVisible = Property(bool, lambda self: self._visible, setDontShowAgainVisible)
    dontShowAgainSettingsKey = Property(str, lambda self: self._key, setDontShowAgainSettingsKey)
