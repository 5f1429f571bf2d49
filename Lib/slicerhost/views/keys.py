"""Names of keys as VTK's interactors expect them (X11 key symbols), from Qt's key events."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent

_KEY = Qt.Key
_SYMBOLS = {
    _KEY.Key_Backspace: "BackSpace",
    _KEY.Key_Tab: "Tab",
    _KEY.Key_Backtab: "Tab",
    _KEY.Key_Return: "Return",
    _KEY.Key_Enter: "Return",
    _KEY.Key_Shift: "Shift_L",
    _KEY.Key_Control: "Control_L",
    _KEY.Key_Alt: "Alt_L",
    _KEY.Key_Pause: "Pause",
    _KEY.Key_CapsLock: "Caps_Lock",
    _KEY.Key_Escape: "Escape",
    _KEY.Key_Space: "space",
    _KEY.Key_PageUp: "Prior",
    _KEY.Key_PageDown: "Next",
    _KEY.Key_End: "End",
    _KEY.Key_Home: "Home",
    _KEY.Key_Left: "Left",
    _KEY.Key_Up: "Up",
    _KEY.Key_Right: "Right",
    _KEY.Key_Down: "Down",
    _KEY.Key_Insert: "Insert",
    _KEY.Key_Delete: "Delete",
    _KEY.Key_Plus: "plus",
    _KEY.Key_Minus: "minus",
    _KEY.Key_Comma: "comma",
    _KEY.Key_Period: "period",
    _KEY.Key_Equal: "equal",
    _KEY.Key_Underscore: "underscore",
    _KEY.Key_BracketLeft: "bracketleft",
    _KEY.Key_BracketRight: "bracketright",
    _KEY.Key_QuoteLeft: "grave",
}


def key_symbol(event: QKeyEvent) -> str:
    """The symbol of a key event: "a", "A" with shift, "Escape", "F3", "plus"; "None" for a key VTK has no name for."""
    key = event.key()
    symbol = _SYMBOLS.get(_KEY(key)) if key in _KEY._value2member_map_ else None
    if symbol is not None:
        return symbol
    if _KEY.Key_F1.value <= key <= _KEY.Key_F24.value:
        return f"F{key - _KEY.Key_F1.value + 1}"
    character = chr(key) if 0x20 < key < 0x7F else ""
    if character.isalnum():
        shifted = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        return character.upper() if shifted else character.lower()
    return "None"


def key_character(event: QKeyEvent) -> str:
    """The one ASCII character a key event types, or a NUL."""
    text = event.text()
    return text[0] if text and ord(text[0]) < 0x80 else "\0"
