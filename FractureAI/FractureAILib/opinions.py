"""What readers say of readings: kept in the scene and in the reading log, written out as a table."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from fractureai.errors import FractureAIError
from fractureai.scene.reading import Verdict, verdicts, verdicts_csv
from FractureAILib import dialogs, reading_log
from FractureAILib.session import Session
from FractureAILib.studies import OpenStudy
from FractureAILib.verdict_panel import stored_text


def log_path(session: Session) -> Path | None:
    """Return the file of the reading log: as set, else in the open dataset's folder; None without either."""
    if session.settings.reading_log:
        return Path(session.settings.reading_log)
    return Path(session.dataset.folder) / reading_log.FILE_NAME if session.dataset is not None else None


def store(session: Session, study: OpenStudy, reading: Mapping[str, Any], verdict: Verdict) -> str:
    """Store an opinion in the scene and in the log; return the sentence about it."""
    study.store(verdict)
    path = log_path(session)
    if path is None:
        text = _("{stored} in the scene. Choose a reading log in the settings to keep it in a file, too.")
        return text.format(stored=stored_text(verdict))
    try:
        reading_log.append(path, reading_log.entry(reading, verdict))
    except FractureAIError as error:
        return _("Stored in the scene, but not in the log. {error}").format(error=error)
    return stored_text(verdict)


def export(session: Session, parent) -> None:
    """Ask for a file and write all stored opinions to it: those of the log, or without a log those in the scene."""
    target = dialogs.ask_new_file(parent, _("Export the opinions on readings"), "readings.csv", "csv")
    if not target:
        return
    try:
        count = export_to(session, target)
    except FractureAIError as error:
        session.say(str(error), True)
    else:
        session.say(_("{n} opinions written to {file}.").format(n=count, file=target))


def export_to(session: Session, target: str | Path) -> int:
    """Write all stored opinions as CSV and return how many there are.

    Raises:
        FractureAIError: the log can not be read, or the file not be written.
    """
    path = log_path(session)
    if path is not None:
        return reading_log.export_csv(path, target)
    listed = verdicts()
    reading_log.write_table(target, verdicts_csv(listed))
    return len(listed)
