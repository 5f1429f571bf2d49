"""What a report is made of: sections of texts, tables and plots; page, PDF and CSV files are made from them.

A section is described once. The HTML page and the PDF show it, each table with a name is written as ``<name>.csv`` with
unrounded numbers, each plot as ``figures/<name>.svg`` and ``.png``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias

from fractureai.evaluation.bootstrap import Estimate

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DASH = "–"
"""Stands for a value that the data do not define."""
_MINUS = "−"

Cell: TypeAlias = Estimate | str | int | float | bool | None


@dataclass(frozen=True)
class Text:
    """A paragraph.

    Attributes:
        text: plain text; no markup.
        look: "" as usual, ``lead`` for the main result, ``muted`` for a note, ``heading`` for a heading below the
            section's.
    """

    kind: ClassVar[str] = "text"
    text: str
    look: str = ""


@dataclass(frozen=True)
class Bullets:
    """A list of sentences; with ``summary``, one that a reader of the page opens."""

    kind: ClassVar[str] = "bullets"
    items: tuple[str, ...]
    summary: str = ""


@dataclass(frozen=True)
class Facts:
    """Names with short values."""

    kind: ClassVar[str] = "facts"
    rows: Mapping[str, str]


@dataclass(frozen=True)
class Tile:
    """One figure set large: what it is, its value, and a note below (the interval)."""

    title: str
    value: str
    note: str


@dataclass(frozen=True)
class Tiles:
    """The main figures side by side."""

    kind: ClassVar[str] = "tiles"
    items: tuple[Tile, ...]


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        key: heading in the CSV file; an estimate takes three columns: key, ``<key>_low``, ``<key>_high``.
        title: heading on the page.
        format: of numbers that are not whole, as of `format`.
        text: True for sentences, which are set left and may wrap; numbers are set right.
    """

    key: str
    title: str
    format: str = ".2f"
    text: bool = False

    def show(self, cell: Cell) -> tuple[str, str]:
        """Return the cell as people read it: the value, and the interval below it or ""."""
        if isinstance(cell, Estimate):
            bounds = [self._number(end) for end in (cell.low, cell.high)]
            between = " to " if any(end.startswith(_MINUS) for end in bounds) else "–"
            known = math.isfinite(cell.low) or math.isfinite(cell.high)
            return self._number(cell.value), between.join(bounds) if known else ""
        if isinstance(cell, bool):
            return "yes" if cell else "no", ""
        if isinstance(cell, float):
            return self._number(cell), ""
        return DASH if cell is None else str(cell), ""

    def _number(self, value: float) -> str:
        if math.isnan(value):
            return DASH
        if math.isinf(value):
            return "∞" if value > 0 else f"{_MINUS}∞"
        text = format(value, self.format)
        nothing = value < 0 and not any(digit in text for digit in "123456789")
        return text.lstrip("-") if nothing else text.replace("-", _MINUS, 1) if value < 0 else text


@dataclass(frozen=True)
class RowGroup:
    """Rows that belong together.

    Attributes:
        rows: cells of each row, one a column.
        title: sentence above the rows; may be "".
        muted: True for rows that are there for orientation only, such as published figures.
    """

    rows: tuple[tuple[Cell, ...], ...]
    title: str = ""
    muted: bool = False


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        columns: the first is the name of the row and set left.
        groups: the rows.
        caption: what the table shows and how its intervals were made.
        name: name of the CSV file without suffix; "" writes none.
        shown: False: only the CSV file is written, for what is too wide or too long to read.
    """

    kind: ClassVar[str] = "table"
    columns: tuple[Column, ...]
    groups: tuple[RowGroup, ...]
    caption: str = ""
    name: str = ""
    shown: bool = True


@dataclass(frozen=True)
class Plot:
    """A figure that matplotlib draws.

    Attributes:
        name: file name without suffix; one name once in a report.
        title: heading.
        caption: how to read it.
        draw: puts axes on the empty figure it is given. Style and colours are those of `fractureai.evaluation.figures`.
        size_in: width and height in inches; a plot wider than 6 inches takes the whole width of the page.
    """

    name: str
    title: str
    caption: str
    draw: Callable[[Figure], None] = field(repr=False)
    size_in: tuple[float, float] = (4.8, 4.4)

    @property
    def wide(self) -> bool:
        """True when it takes the whole width of the page."""
        return self.size_in[0] > 6


@dataclass(frozen=True)
class Plots:
    """Plots side by side, and texts that stand beside them."""

    kind: ClassVar[str] = "plots"
    items: tuple[Plot, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Picture:
    """An image.

    Attributes:
        png: a PNG file's bytes.
        title: heading; "" for none.
        caption: what it shows.
        alt: the same for those who can not see it.
        wrong: True sets the title in the colour of an error.
    """

    png: bytes = field(repr=False)
    title: str
    caption: str
    alt: str
    wrong: bool = False


@dataclass(frozen=True)
class Pictures:
    """Images in a grid."""

    kind: ClassVar[str] = "pictures"
    items: tuple[Picture, ...]


Block: TypeAlias = Text | Bullets | Facts | Tiles | Table | Plots | Pictures


@dataclass(frozen=True)
class Section:
    """One section of a report.

    Attributes:
        key: short name, the anchor on the page and in the PDF's outline.
        title: heading.
        blocks: content in order.
    """

    key: str
    title: str
    blocks: tuple[Block, ...]


class ReportPart(Protocol):
    """A result that adds its own section to a report, its tables to the CSV files and its values to the JSON files."""

    def section(self) -> Section:
        """Return what people read."""

    def to_json(self) -> Mapping[str, Any]:
        """Return what programs read: JSON values, null where a value is not defined."""
