"""How the panel looks: colours that the colour-blind can tell apart, icons, and text readable on both themes."""

from functools import cache
from pathlib import Path

import qt

MODEL = "#0072B2"
"""Blue: what a model says."""
HUMAN = "#E69F00"
"""Orange: what a person marked."""
ALARM = "#D55E00"
"""Vermilion: what needs attention."""
DONE = "#009E73"
"""Bluish green: finished."""

# The same hues (Okabe and Ito 2008), lighter or darker until their contrast to the window is at least 4.5 : 1.
_TEXT_ON_LIGHT = {MODEL: "#00629B", HUMAN: "#7F5600", ALARM: "#AD4800", DONE: "#00704F"}
_TEXT_ON_DARK = {MODEL: "#74C0EE", HUMAN: "#F0B23C", ALARM: "#FF9A57", DONE: "#3FC79F"}

STATUS_ICONS = {"open": "status-open", "done": "status-done", "flagged": "status-flagged"}
ICONS = Path(__file__).resolve().parent.parent / "Resources" / "Icons"


def is_dark(widget) -> bool:
    """Tell whether a widget is drawn in a dark theme."""
    return widget.palette.color(qt.QPalette.Window).lightness() < 128


def text_colour(widget, colour: str) -> str:
    """Return the shade of one of our colours that is readable as text on a widget (contrast at least 4.5 : 1)."""
    return (_TEXT_ON_DARK if is_dark(widget) else _TEXT_ON_LIGHT)[colour]


def set_text(label, text: str, colour: str | None = None) -> None:
    """Set the text of a label, in one of our colours or in that of the theme."""
    label.text = text
    label.styleSheet = "" if colour is None else f"color: {text_colour(label, colour)};"


@cache
def icon(name: str) -> qt.QIcon:
    """Return an icon of Resources/Icons by its file name without ``.svg``; an empty one where there is none."""
    return qt.QIcon(str(ICONS / f"{name}.svg"))


def mark_checked(button, tick: bool = True) -> None:
    """Let a button that is down be seen as such in every theme: bold, with a tick unless there is no room for one."""

    def show(checked: bool) -> None:
        font = button.font
        font.setBold(checked)
        button.font = font
        if tick:
            button.setIcon(icon("checked") if checked else qt.QIcon())

    button.connect("toggled(bool)", show)
    show(button.checked)


def status_icon(status: str) -> qt.QIcon:
    """Return the glyph of a status: a hollow ring (open), a ticked disc (done) or a flag (flagged)."""
    return icon(STATUS_ICONS.get(status, "status-open"))


def picture(name: str, size_px: int, mirrored: bool = False) -> qt.QPixmap:
    """Return a drawing of Resources/Icons as a pixmap.

    Args:
        name: file name without ``.svg``.
        size_px: of its longer side.
        mirrored: left and right exchanged, for the other side of the body.
    """
    pixmap = icon(name).pixmap(size_px, size_px)
    return pixmap.transformed(qt.QTransform().scale(-1, 1)) if mirrored else pixmap
