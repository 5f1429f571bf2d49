"""Tables in the PDF: set so that they never run off the page.

Columns of numbers keep each number on one line; columns of text wrap. What does not fit is set smaller, and what does
not fit then is set as several tables below each other, each with the first column.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import escape

from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.platypus import Paragraph
from reportlab.platypus import Table as Grid

from fractureai.evaluation.blocks import RowGroup, Table
from fractureai.evaluation.report.pdf_style import BOLD, GRID, MUTED, REGULAR, paragraph_style

SIZES_PT = (8.5, 8.0, 7.5, 7.0, 6.5)
_PADDING_PT = 4.0
_SLACK_PT = 1.0  # sizes are rounded when text is set
_TEXT_MIN_PT = 60.0
_SMALL = 0.86
"""Size of an interval, as a share of the value's above it."""


def table_flowables(table: Table, width_pt: float) -> list[Any]:
    """Return a table as one or more tables of reportlab, none wider than ``width_pt``."""
    everything = range(len(table.columns))
    # Rather somewhat smaller than wrapped, rather wrapped than tiny.
    for which, sizes in ((1, SIZES_PT[:3]), (0, SIZES_PT)):
        for size in sizes:
            if sum(_bounds(table, i, size)[which] for i in everything) <= width_pt:
                return [_set(table, list(everything), size, width_pt)]
    size = SIZES_PT[-1]
    return [_set(table, columns, size, width_pt) for columns in _parts(table, size, width_pt)]


def _parts(table: Table, size: float, width_pt: float) -> list[list[int]]:
    """Deal the columns out to as few tables as hold them, in order, each after the first column."""
    first = _bounds(table, 0, size)[0]
    parts: list[list[int]] = [[0]]
    used = first
    for i in range(1, len(table.columns)):
        narrowest = _bounds(table, i, size)[0]
        if used + narrowest > width_pt and len(parts[-1]) > 1:
            parts.append([0])
            used = first
        parts[-1].append(i)
        used += narrowest
    return parts


def _bounds(table: Table, index: int, size: float) -> tuple[float, float]:
    """Return the narrowest width of a column and the one at which nothing wraps, in points."""
    column = table.columns[index]
    font = REGULAR if index else BOLD
    shown = [column.show(row[index]) for group in table.groups for row in group.rows]
    words = [stringWidth(word, BOLD, size) for word in column.title.split()]
    values = [stringWidth(value, font, size) for value, _ in shown]
    intervals = [stringWidth(interval, REGULAR, size * _SMALL) for _, interval in shown]
    widest = max([*words, *values, *intervals], default=0.0) + 2 * _PADDING_PT + _SLACK_PT
    # What is longer than this is broken; identifiers may be very long.
    limit = 2 * _TEXT_MIN_PT + 2 * _PADDING_PT
    if index and not column.text:
        return min(widest, limit), widest
    longest = [stringWidth(word, font, size) for value, _ in shown for word in value.split()]
    narrowest = min(max([*words, *longest], default=0.0) + 2 * _PADDING_PT + _SLACK_PT, limit)
    return min(max(narrowest, _TEXT_MIN_PT), widest), widest


def _widths(table: Table, columns: Sequence[int], size: float, width_pt: float) -> list[float]:
    bounds = [_bounds(table, i, size) for i in columns]
    spare = width_pt - sum(low for low, _ in bounds)
    wanted = sum(high - low for low, high in bounds)
    share = min(1.0, spare / wanted) if wanted > 0 else 0.0
    widths = [low + (high - low) * share for low, high in bounds]
    rest = max(0.0, width_pt - sum(widths))
    # What is left goes to all columns alike, so that few columns do not crowd at one side.
    return [width + rest / len(widths) for width in widths]


def _set(table: Table, columns: Sequence[int], size: float, width_pt: float) -> Any:
    header = [_heading(table, i, size) for i in columns]
    rows, commands = [header], _commands()
    for group in table.groups:
        _add_group(group, table, columns, size, rows, commands)
    grid = Grid(rows, colWidths=_widths(table, columns, size, width_pt), repeatRows=1, splitInRow=1, hAlign="LEFT")
    grid.setStyle(commands)
    return grid


def _commands() -> list[tuple[Any, ...]]:
    return [
        ("VALIGN", (0, 0), (-1, 0), "BOTTOM"),
        ("VALIGN", (0, 1), (-1, -1), "TOP"),
        ("LINEBELOW", (0, 0), (-1, 0), 1.0, MUTED),
        ("LINEBELOW", (0, 1), (-1, -1), 0.4, GRID),
        ("LEFTPADDING", (0, 0), (-1, -1), _PADDING_PT),
        ("RIGHTPADDING", (0, 0), (-1, -1), _PADDING_PT),
        ("LEFTPADDING", (0, 0), (0, -1), 0),
        ("RIGHTPADDING", (-1, 0), (-1, -1), 0),
        ("TOPPADDING", (0, 0), (-1, -1), 2.5),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 3.5),
    ]


def _add_group(
    group: RowGroup,
    table: Table,
    columns: Sequence[int],
    size: float,
    rows: list[list[Any]],
    commands: list[tuple[Any, ...]],
) -> None:
    if group.title:
        i = len(rows)
        # A title is not left alone at the foot of a page.
        commands += [("SPAN", (0, i), (-1, i)), ("TOPPADDING", (0, i), (-1, i), 10), ("NOSPLIT", (0, i), (-1, i + 1))]
        title = Paragraph(escape(group.title), paragraph_style(size, colour=MUTED))
        rows.append([title, *[""] * (len(columns) - 1)])
    for row in group.rows:
        rows.append([_cell(table, row, i, size, group.muted) for i in columns])


def _heading(table: Table, index: int, size: float) -> Any:
    column = table.columns[index]
    style = paragraph_style(size, font=BOLD, right=not (column.text or index == 0))
    return Paragraph(escape(column.title), style)


def _cell(table: Table, row: Sequence[Any], index: int, size: float, muted: bool) -> Any:
    column = table.columns[index]
    value, interval = column.show(row[index])
    wraps = column.text or index == 0
    font = BOLD if index == 0 and not muted else REGULAR
    style = paragraph_style(size, font=font, right=not wraps, colour=MUTED if muted else None)
    below = f'<br/><font size="{size * _SMALL:.2f}" color="{MUTED}">{escape(interval)}</font>' if interval else ""
    return Paragraph(escape(value) + below, style)
