"""The look of the host: Qt's Fusion style with a light or a dark palette, or the one the desktop prefers."""

from __future__ import annotations

from PySide6.QtCore import QSettings, Qt
from PySide6.QtGui import QColor, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication, QStyleFactory

from .views import properties

STYLES = ("system", "light", "dark")
_KEY = "Host/Style"
_ROLE = QPalette.ColorRole

_DARK = {
    _ROLE.Window: "#2b2d30",
    _ROLE.WindowText: "#e6e6e6",
    _ROLE.Base: "#1f2123",
    _ROLE.AlternateBase: "#26282b",
    _ROLE.ToolTipBase: "#3a3d41",
    _ROLE.ToolTipText: "#f0f0f0",
    _ROLE.Text: "#e6e6e6",
    _ROLE.Button: "#383b3f",
    _ROLE.ButtonText: "#e6e6e6",
    _ROLE.BrightText: "#ffffff",
    _ROLE.Light: "#4b4f54",
    _ROLE.Midlight: "#43474b",
    _ROLE.Mid: "#2f3235",
    _ROLE.Dark: "#1a1b1d",
    _ROLE.Shadow: "#0e0f10",
    _ROLE.Highlight: "#2f6fa7",
    _ROLE.HighlightedText: "#ffffff",
    _ROLE.Link: "#6fb4ec",
    _ROLE.LinkVisited: "#b59be0",
    _ROLE.PlaceholderText: "#9aa0a6",
}
_LIGHT = {
    _ROLE.Window: "#f1f2f3",
    _ROLE.WindowText: "#1d1f21",
    _ROLE.Base: "#ffffff",
    _ROLE.AlternateBase: "#f6f7f8",
    _ROLE.ToolTipBase: "#fffbe6",
    _ROLE.ToolTipText: "#1d1f21",
    _ROLE.Text: "#1d1f21",
    _ROLE.Button: "#e7e9eb",
    _ROLE.ButtonText: "#1d1f21",
    _ROLE.BrightText: "#ffffff",
    _ROLE.Light: "#ffffff",
    _ROLE.Midlight: "#eef0f1",
    _ROLE.Mid: "#c6cacd",
    _ROLE.Dark: "#9da2a6",
    _ROLE.Shadow: "#6b7074",
    _ROLE.Highlight: "#0072b2",
    _ROLE.HighlightedText: "#ffffff",
    _ROLE.Link: "#005a8f",
    _ROLE.LinkVisited: "#6a4c93",
    _ROLE.PlaceholderText: "#6b7074",
}
_FAINT = {"dark": "#7d8287", "light": "#8b9094"}


def chosen() -> str:
    """The style the user chose: "system" (until chosen), "light" or "dark"."""
    style = str(QSettings().value(_KEY) or "system")
    return style if style in STYLES else "system"


def choose(style: str) -> None:
    """Remember a style and apply it.

    Raises:
        ValueError: it is none of `STYLES`.
    """
    if style not in STYLES:
        raise ValueError(f"There is no style {style!r}; there are {', '.join(STYLES)}")
    QSettings().setValue(_KEY, style)
    apply(style)


def apply(style: str | None = None) -> None:
    """Give all windows a style: the one named, or the one chosen."""
    style = chosen() if style is None else style
    if style == "system":
        dark = properties.value(QGuiApplication.styleHints(), "colorScheme") == Qt.ColorScheme.Dark
        style = "dark" if dark else "light"
    QApplication.setStyle(QStyleFactory.create("Fusion"))
    QApplication.setPalette(palette(style))


def palette(style: str) -> QPalette:
    """The palette of "light" or "dark"; every text on its ground has a contrast of at least 4.5:1."""
    result = QPalette()
    for role, colour in (_DARK if style == "dark" else _LIGHT).items():
        result.setColor(role, QColor(colour))
    for role in (_ROLE.WindowText, _ROLE.Text, _ROLE.ButtonText):
        result.setColor(QPalette.ColorGroup.Disabled, role, QColor(_FAINT[style]))
    return result
