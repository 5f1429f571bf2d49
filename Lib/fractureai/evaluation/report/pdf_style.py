"""Fonts, colours and styles of the PDF: those of the figures."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import matplotlib
from reportlab.lib.enums import TA_LEFT, TA_RIGHT
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont

from fractureai.evaluation.figures import GRID, INK, MUTED

REGULAR, BOLD = "DejaVuSans", "DejaVuSans-Bold"
SOFT, ORANGE, ALARM = "#f4f6f8", "#e69f00", "#b34a00"

__all__ = ["ALARM", "BOLD", "GRID", "INK", "MUTED", "ORANGE", "REGULAR", "SOFT", "paragraph_style", "register_fonts"]


@lru_cache
def register_fonts() -> None:
    """Make the font of the figures known to reportlab; matplotlib brings it along."""
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    for name in (REGULAR, BOLD):
        pdfmetrics.registerFont(TTFont(name, str(folder / f"{name}.ttf")))
    pdfmetrics.registerFontFamily(REGULAR, normal=REGULAR, bold=BOLD, italic=REGULAR, boldItalic=BOLD)


@lru_cache
def paragraph_style(
    size: float,
    *,
    font: str = REGULAR,
    colour: str | None = None,
    right: bool = False,
    before: float = 0,
    after: float = 0,
    keep: bool = False,
) -> ParagraphStyle:
    """Return a style of reportlab.

    Args:
        size: of the font, in points.
        font: its name.
        colour: of the text; None: ink.
        right: set right.
        before, after: space above and below, in points.
        keep: stay on the page of what follows.
    """

    return ParagraphStyle(
        "paragraph",
        fontName=font,
        fontSize=size,
        leading=size * 1.35,
        textColor=colour or INK,
        alignment=TA_RIGHT if right else TA_LEFT,
        spaceBefore=before,
        spaceAfter=after,
        keepWithNext=int(keep),
        allowWidows=0,
        allowOrphans=0,
    )
