"""ctkPathLineEdit and ctkDirectoryButton: choosing files and folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import Property, QSettings, Qt, Signal
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import (
    QComboBox,
    QCompleter,
    QFileDialog,
    QFileSystemModel,
    QHBoxLayout,
    QPushButton,
    QSizePolicy,
    QStyle,
    QToolButton,
    QWidget,
)

from ..dialect.attributes import stands_for_cpp

_LONGEST_HISTORY = 9


@stands_for_cpp
class ctkPathLineEdit(QWidget):
    """A line for a path, with completion, a history kept in the settings, and a button that opens a file dialog."""

    currentPathChanged = Signal(str)
    validInputChanged = Signal(bool)

    Dirs, Files, Drives, NoSymLinks, AllEntries = 0x1, 0x2, 0x4, 0x8, 0x7
    Readable, Writable, Executable, Hidden = 0x10, 0x20, 0x40, 0x100
    NoDotAndDotDot, NoDot, NoDotDot, NoFilter = 0x1000, 0x2000, 0x4000, -1

    def __init__(self, *arguments: Any) -> None:
        super().__init__(next((a for a in arguments if isinstance(a, QWidget)), None))
        self._label, self._name_filters, self._filters, self._key, self._valid = "", [], self.AllEntries, "", False
        self._take_arguments([a for a in arguments if not isinstance(a, QWidget) and a is not None])
        self._box, self._browse = QComboBox(), QToolButton()
        self._box.setEditable(True)
        self._box.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self._box.setSizePolicy(QSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed))
        self._box.setMinimumContentsLength(10)
        self._complete()
        self._browse.setText("...")
        self._browse.setToolTip("Open a dialog")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._box, 1)
        layout.addWidget(self._browse)
        self.setFocusProxy(self._box)
        self._browse.connect("clicked()", self.browse)  # type: ignore[call-overload]
        self._box.connect("editTextChanged(QString)", self._changed)  # type: ignore[call-overload]

    def _take_arguments(self, arguments: list[Any]) -> None:
        if arguments:
            self._label = str(arguments[0])
        if len(arguments) > 1:
            self._name_filters = [str(f) for f in arguments[1]]
        if len(arguments) > 2:
            self._filters = int(arguments[2])

    def _complete(self) -> None:
        model = QFileSystemModel(self)
        model.setRootPath("")
        completer = QCompleter(model, self)
        completer.setCompletionMode(QCompleter.CompletionMode.PopupCompletion)
        self._box.setCompleter(completer)

    def _changed(self, text: str) -> None:
        valid = Path(text).exists() if text else False
        if valid != self._valid:
            self._valid = valid
            self.validInputChanged.emit(valid)
        self.currentPathChanged.emit(text)

    def setCurrentPath(self, path: str) -> None:
        """Set the path."""
        self._box.setEditText(str(path))

    def browse(self) -> None:
        """Open a dialog for a file to read, a file to write, or a folder, as the filters say."""
        if not self._filters & self.Files:
            path = QFileDialog.getExistingDirectory(self, self._label, self.currentPath)
        elif self._filters & self.Writable:
            path = QFileDialog.getSaveFileName(self, self._label, self.currentPath, ";;".join(self._name_filters))
        else:
            path = QFileDialog.getOpenFileName(self, self._label, self.currentPath, ";;".join(self._name_filters))
        if path:
            self.setCurrentPath(path)

    def _settings_key(self) -> str:
        return f"ctkPathLineEdit/{self._key or self.objectName}"

    def addCurrentPathToHistory(self) -> None:
        """Keep the current path for the list of `retrieveHistory`."""
        current = self.currentPath
        if not current:
            return
        kept = [current, *(p for p in self._history() if p != current)][:_LONGEST_HISTORY]
        QSettings().setValue(self._settings_key(), kept)
        self.retrieveHistory()

    def _history(self) -> list[str]:
        kept = QSettings().value(self._settings_key(), [])
        return [kept] if isinstance(kept, str) else list(kept or [])

    def retrieveHistory(self) -> None:
        """Fill the list with the paths kept; the first becomes the current one, as in CTK."""
        kept = self._history()
        blocked = self._box.blockSignals(True)
        before = self._box.currentText
        self._box.clear()
        self._box.addItems(kept)
        self._box.blockSignals(blocked)
        self._box.setEditText(kept[0] if kept else before)

    def setLabel(self, text: str) -> None:
        """Set the title of the dialog."""
        self._label = text

    def setFilters(self, filters: int) -> None:
        """Set whether files or folders are wanted, to read or to write."""
        self._filters = int(filters)

    def setNameFilters(self, filters: list[str]) -> None:
        """Set the kinds of files of the dialog, each as "Images (*.png *.jpg)"."""
        self._name_filters = [str(f) for f in filters]

    def setSettingKey(self, key: str) -> None:
        """Set the key of the history, and fill the list."""
        self._key = key
        self.retrieveHistory()

    def setShowBrowseButton(self, show: bool) -> None:
        """Show the button that opens the dialog."""
        self._browse.setVisible(show)

    def comboBox(self) -> QComboBox:
        """The line itself."""
        return self._box

    currentPath = Property(str, lambda self: self._box.currentText, setCurrentPath, user=True)
    label = Property(str, lambda self: self._label, setLabel)
    filters = Property(int, lambda self: self._filters, setFilters)
    nameFilters = Property("QStringList", lambda self: self._name_filters, setNameFilters)
    settingKey = Property(str, lambda self: self._key, setSettingKey)
    showBrowseButton = Property(bool, lambda self: not self._browse.isHidden(), setShowBrowseButton)


@stands_for_cpp
class ctkDirectoryButton(QWidget):
    """A button that shows a folder and opens a dialog to choose another."""

    directoryChanged = Signal(str)
    directorySelected = Signal(str)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(next((a for a in arguments if isinstance(a, QWidget)), None))
        self._directory = next((a for a in arguments if isinstance(a, str)), "") or "."
        self._caption, self._text = "", ""
        self._button = QPushButton()
        icon = next((a for a in arguments if isinstance(a, QIcon)), None)
        self._button.setIcon(icon or self.style().standardIcon(QStyle.StandardPixmap.SP_DirIcon))
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._button)
        self.setFocusProxy(self._button)
        self._button.connect("clicked()", self.browse)  # type: ignore[call-overload]
        self._show()

    def _show(self) -> None:
        metrics = self._button.fontMetrics()
        room = max(80, self._button.width - 40)
        self._button.setText(
            self._text or metrics.elidedText(str(Path(self._directory).absolute()), Qt.TextElideMode.ElideMiddle, room)
        )
        self._button.setToolTip(self._directory)

    def resizeEvent(self, event: Any) -> None:
        """A long path is cut in its middle."""
        super().resizeEvent(event)
        self._show()

    def setDirectory(self, path: str) -> None:
        """Set the folder; an empty path means the folder the program runs in."""
        changed, self._directory = (path or ".") != self._directory, path or "."
        self._show()
        self.directorySelected.emit(self._directory)
        if changed:
            self.directoryChanged.emit(self._directory)

    def browse(self) -> str:
        """Ask for a folder; returns it, or "" when cancelled."""
        path = str(QFileDialog.getExistingDirectory(self, self._caption or self.toolTip, self._directory))
        if path:
            self.setDirectory(path)
        return path

    def setCaption(self, text: str) -> None:
        """Set the title of the dialog."""
        self._caption = text

    def setText(self, text: str) -> None:
        """Set the text of the button; the folder is shown when empty."""
        self._text = text
        self._show()

    def setIcon(self, icon: QIcon) -> None:
        """Set the icon of the button."""
        self._button.setIcon(icon)

    directory = Property(str, lambda self: self._directory, setDirectory, notify=directoryChanged, user=True)
    caption = Property(str, lambda self: self._caption, setCaption)
    text = Property(str, lambda self: self._text, setText)
    icon = Property(QIcon, lambda self: self._button.icon, setIcon)
