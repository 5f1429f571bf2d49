"""What stands in the corners of the images: view and side, model and notice, scale."""

from collections.abc import Mapping
from typing import Any

from slicer.i18n import tr as _

from fractureai.radiograph import UNKNOWN
from FractureAILib import reading_text
from FractureAILib.studies import OpenStudy
from FractureAILib.study_screen import StudyScreen

SIDES = {"L": "left", "R": "right", "B": "both sides"}
LINE_LENGTH = 44


class ImageTexts:
    """Keeps the texts as the study and the reading say."""

    def __init__(self, screen: StudyScreen) -> None:
        self._screen = screen

    def show(self, study: OpenStudy | None, reading: Mapping[str, Any] | None) -> None:
        """Show the texts of the radiographs on the screen.

        Args:
            study: that is open; None for no texts.
            reading: whose marks are shown; its model and notice stand on each image, and nothing hides them.
        """
        if study is None:
            self.clear()
            return
        for name, volume in self._screen.shown_views():
            view = volume.GetAttribute("FractureAI.View") or UNKNOWN
            side = volume.GetAttribute("FractureAI.Side") or UNKNOWN
            text = self._screen.text_on_top(name)
            decided = _decided(reading, volume)
            shown_view = decided or (_("view unknown") if view == UNKNOWN else view)
            text.set(
                top_left="  ".join(part for part in (shown_view, SIDES.get(side, _("side unknown"))) if part),
                alarm=_alarm(study, volume, shown_view, side),
                bottom_left=_about_model(reading) if reading is not None else "",
            )
            text.set_scale(volume, self._screen.logic(name).GetSliceNode())
        self._screen.render()

    def clear(self) -> None:
        """Take all texts away."""
        for name, _volume in self._screen.shown_views():
            text = self._screen.text(name)
            text.set(top_left="", alarm="", bottom_left="")
            text.set_scale(None)
        self._screen.render()


def _decided(reading: Mapping[str, Any] | None, volume) -> str:
    """Return the view as which a radiograph was read; "" when it was not read."""
    uid = volume.GetAttribute("FractureAI.SOPInstanceUID")
    views = reading["views"] if reading is not None else ()
    return next((view["view"] for view in views if view["sop_instance_uid"] == uid), "")


def _alarm(study: OpenStudy, volume, view: str, side: str) -> str:
    """Say where the header says something else than what was decided."""
    header = study.header_of(volume)
    if header is None:
        return ""
    lines = []
    accepted = {"PA": ("PA", "AP")}.get(view, (view,))
    if header.view not in (UNKNOWN, *accepted) and view in ("PA", "AP", "LAT"):
        lines.append(_("header says {view}").format(view=header.view))
    if header.side not in (UNKNOWN, side):
        lines.append(_("header says {side}").format(side=SIDES.get(header.side, header.side)))
    if header.conflicts:
        lines.append(_("the header contradicts itself"))
    return "\n".join(lines)


def _about_model(reading: Mapping[str, Any]) -> str:
    return f"{reading['model']}\n{_wrapped(reading_text.notice(reading))}"


def _wrapped(text: str) -> str:
    """Break a long notice into lines that fit into half a window."""
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) >= LINE_LENGTH:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines)
