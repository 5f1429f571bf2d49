"""Where settings are kept."""

from __future__ import annotations

from pathlib import Path

from . import dialect  # noqa: F401 - PySide6 must be imported the dialect's way


def keep_settings_in(folder: Path) -> None:
    """Read and write all settings below a folder from now on: a test must not depend on the user's, nor change them.

    To be called before the application is made.
    """
    from PySide6.QtCore import QSettings

    QSettings.setDefaultFormat(QSettings.Format.IniFormat)
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(folder))
