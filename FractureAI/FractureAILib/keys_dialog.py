"""The list of keys, shown by ``?``; each can be changed."""

from collections.abc import Sequence

import qt
import slicer
from slicer.i18n import tr as _

from FractureAILib import style
from FractureAILib.settings import Settings
from FractureAILib.shortcuts import Action


class KeysDialog:
    """Shows what keys do and lets them be changed."""

    def __init__(self, settings: Settings, actions: Sequence[Action]) -> None:
        self._settings = settings
        self._actions = list(actions)
        self._edits: dict[str, qt.QLineEdit] = {}
        self.dialog = qt.QDialog(slicer.util.mainWindow())
        self.dialog.windowTitle = _("Keys")
        layout = qt.QVBoxLayout(self.dialog)
        layout.addWidget(self._table())
        self._problem = qt.QLabel()
        self._problem.wordWrap = True
        layout.addWidget(self._problem)
        layout.addLayout(self._buttons())
        self.dialog.resize(460, 620)

    def ask(self) -> bool:
        """Show the keys; returns whether they were changed."""
        return bool(self.dialog.exec_())

    def set_keys(self, name: str, keys: str) -> None:
        """Write other keys of an action into its field, as if they were typed."""
        self._edits[name].text = keys

    def accept(self) -> None:
        """Keep the keys as they are in the fields, unless one is none or is there twice."""
        chosen = {action.name: _normal(self._edits[action.name].text) for action in self._actions}
        for action in self._actions:
            if not chosen[action.name]:
                self._refuse(_("{what}: this is no key.").format(what=action.text))
                return
        twice = next((keys for keys in chosen.values() if list(chosen.values()).count(keys) > 1), None)
        if twice is not None:
            self._refuse(_("The key {keys} is there twice.").format(keys=twice))
            return
        for action in self._actions:
            self._settings.set_shortcut(action.name, chosen[action.name])
        self.dialog.accept()

    def _refuse(self, sentence: str) -> None:
        style.set_text(self._problem, sentence, style.ALARM)

    def _table(self):
        area = qt.QScrollArea()
        area.widgetResizable = True
        inner = qt.QWidget()
        grid = qt.QGridLayout(inner)
        for row, action in enumerate(self._actions):
            grid.addWidget(qt.QLabel(action.text), row, 0)
            edit = qt.QLineEdit(_normal(self._settings.shortcut(action.name, action.default)))
            edit.setMaximumWidth(120)
            edit.toolTip = _("For example P, Shift+Z or Ctrl+Right")
            grid.addWidget(edit, row, 1)
            self._edits[action.name] = edit
        area.setWidget(inner)
        return area

    def _buttons(self):
        row = qt.QHBoxLayout()
        defaults, cancel, keep = (qt.QPushButton(text) for text in (_("Defaults"), _("Cancel"), _("Keep")))
        defaults.connect("clicked()", self._defaults)
        cancel.connect("clicked()", self.dialog.reject)
        keep.connect("clicked()", self.accept)
        for button in (defaults, cancel, keep):
            row.addWidget(button)
        self._held = (defaults, cancel, keep)
        return row

    def _defaults(self) -> None:
        for action in self._actions:
            self._edits[action.name].text = _normal(action.default)


def _normal(keys: str) -> str:
    """Return a key sequence in Qt's spelling; "" for none."""
    return str(qt.QKeySequence(keys.strip()).toString())
