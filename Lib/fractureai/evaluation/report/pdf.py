"""The report as PDF: the sections of the page on A4, with an outline, page numbers and the notice on each page."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from reportlab.lib.utils import ImageReader, simpleSplit
from reportlab.platypus import (
    BaseDocTemplate,
    CondPageBreak,
    Flowable,
    Frame,
    Image,
    ListFlowable,
    PageTemplate,
    Paragraph,
    Spacer,
)
from reportlab.platypus import Table as Grid

from fractureai import NOT_A_MEDICAL_DEVICE, __version__
from fractureai.evaluation.blocks import (
    Block,
    Bullets,
    Facts,
    Picture,
    Pictures,
    Plot,
    Plots,
    Section,
    Table,
    Text,
    Tiles,
)
from fractureai.evaluation.figures import PlotFiles
from fractureai.evaluation.report.pdf_style import (
    ALARM,
    BOLD,
    GRID,
    MUTED,
    ORANGE,
    REGULAR,
    SOFT,
    paragraph_style,
    register_fonts,
)
from fractureai.evaluation.report.pdf_table import table_flowables

_MM = 72 / 25.4
_MARGIN_PT, _TOP_PT, _BOTTOM_PT = 18 * _MM, 20 * _MM, 24 * _MM
_PAGE_PT = (210 * _MM, 297 * _MM)
_WIDTH_PT = _PAGE_PT[0] - 2 * _MARGIN_PT
_HEIGHT_PT = _PAGE_PT[1] - _TOP_PT - _BOTTOM_PT
_GAP_PT = 6 * _MM
_START_PT = 45 * _MM
"""A section or a long table starts on the next page rather than with less than this."""
_PICTURE_PT = 78 * _MM
_SECTION_GAP_PT = 16
_BODY_PT = 9.5
_NOTICE_LINES = 3
_TOTAL, _TOTAL_PT = "pages", (_PAGE_PT[0] - _MARGIN_PT - 10, 13.5 * _MM)
_CAPTION_PT = 8.0


class _Mark(Flowable):  # type: ignore[misc]  # reportlab has no types
    """A place that the outline leads to; takes no room."""

    def __init__(self, title: str, key: str, level: int) -> None:
        super().__init__()
        self._title, self._key, self._level = title, key, level
        self.keepWithNext = 1

    def wrap(self, *_: float) -> tuple[float, float]:
        """Return its size."""
        return 0, 0

    def draw(self) -> None:
        """Set the mark."""
        self.canv.bookmarkHorizontal(self._key, 0, 14)
        self.canv.addOutlineEntry(self._title, self._key, self._level)


class _Total(Flowable):  # type: ignore[misc]  # reportlab has no types
    """Last in the document: writes the number of pages at the place where every page shows it."""

    def wrap(self, *_: float) -> tuple[float, float]:
        """Return its size."""
        return 0, 0

    def draw(self) -> None:
        """Define what the pages refer to."""
        pages = self.canv.getPageNumber()
        self.canv.beginForm(_TOTAL, 0, 0, *_PAGE_PT)
        self.canv.setFont(REGULAR, 7.5)
        self.canv.setFillColor(MUTED)
        self.canv.drawString(*_TOTAL_PT, str(pages))
        self.canv.endForm()


def write_pdf(
    path: Path,
    title: str,
    notice: str,
    created: str,
    sections: Sequence[Section],
    plots: Mapping[str, PlotFiles],
) -> Path:
    """Write the report as PDF. The same input gives the same bytes.

    Args:
        path: the file.
        title, notice, created, sections, plots: as of `fractureai.evaluation.report.page.html_page`.
    """
    register_fonts()
    warning = f"{NOT_A_MEDICAL_DEVICE} For research only."
    if notice:
        warning += f" {notice[:1].upper()}{notice[1:].rstrip('.')}."
    content = io.BytesIO()
    document = BaseDocTemplate(
        content,
        pagesize=_PAGE_PT,
        title=title,
        author=f"FractureAI {__version__}",
        subject=warning,
        creator=f"FractureAI {__version__}",
        invariant=1,
        lang="en",
    )
    frame = Frame(_MARGIN_PT, _BOTTOM_PT, _WIDTH_PT, _HEIGHT_PT, 0, 0, 0, 0)

    def decorate(canvas: Any, _: Any) -> None:
        _decorate(canvas, title, warning)

    document.addPageTemplates(PageTemplate(frames=[frame], onPage=decorate))
    document.build([*_story(title, warning, created, sections, plots), _Total()])
    path.write_bytes(content.getvalue())
    return path


def _decorate(canvas: Any, title: str, warning: str) -> None:
    """Put title, notice and page number outside the frame."""
    number = canvas.getPageNumber()
    canvas.saveState()
    canvas.setFillColor(MUTED)
    canvas.setStrokeColor(GRID)
    canvas.setFont(REGULAR, 7.5)
    if number > 1:
        lines = simpleSplit(title, REGULAR, 7.5, _WIDTH_PT)
        canvas.drawString(_MARGIN_PT, _PAGE_PT[1] - 13 * _MM, lines[0] + (" …" if len(lines) > 1 else ""))
    canvas.line(_MARGIN_PT, 18 * _MM, _PAGE_PT[0] - _MARGIN_PT, 18 * _MM)
    canvas.drawRightString(_TOTAL_PT[0], _TOTAL_PT[1], f"{number} of ")
    canvas.doForm(_TOTAL)
    lines = simpleSplit(warning, BOLD, 7.5, _WIDTH_PT - 50)
    if len(lines) > _NOTICE_LINES:  # it stands in full on the first page
        lines = [*lines[: _NOTICE_LINES - 1], f"{lines[_NOTICE_LINES - 1].rstrip('.')} …"]
    canvas.setFont(BOLD, 7.5)
    for i, line in enumerate(lines):
        canvas.drawString(_MARGIN_PT, 13.5 * _MM - i * 9.5, line)
    canvas.restoreState()


def _story(
    title: str, warning: str, created: str, sections: Sequence[Section], plots: Mapping[str, PlotFiles]
) -> list[Any]:
    about = f"FractureAI {__version__}" + (f" · {created}" if created else "")
    story: list[Any] = [
        Paragraph(escape(title), paragraph_style(18, font=BOLD, after=2)),
        Paragraph(escape(about), paragraph_style(_BODY_PT, colour=MUTED, after=8)),
        _notice(warning),
        Spacer(0, 9),
    ]
    heading = paragraph_style(13, font=BOLD, after=5, keep=True)
    for i, section in enumerate(sections):
        story += [CondPageBreak(_START_PT), _Mark(section.title, section.key, 0)]
        if i:
            story.append(Paragraph(escape(section.title), heading))
        for block, following in zip(section.blocks, (*section.blocks[1:], None), strict=True):
            story += _text(block, following) if isinstance(block, Text) else _flowables(block, plots)
        # Space after a section, not before a heading: reportlab forgets the latter when it keeps flowables together.
        end = Spacer(0, 0)
        end.spaceAfter = _SECTION_GAP_PT
        story.append(end)
    return story


def _flowables(block: Block, plots: Mapping[str, PlotFiles]) -> list[Any]:
    if isinstance(block, Plots):
        return _plots(block, plots)
    makers: dict[type[Any], Callable[[Any], list[Any]]] = {
        Bullets: _bullets,
        Facts: _facts,
        Tiles: _tiles,
        Table: _table,
        Pictures: _pictures,
    }
    return makers[type(block)](block)


def _text(block: Text, following: Block | None = None) -> list[Any]:
    # A text stays on the page of the table or the pictures that it introduces.
    keep = not isinstance(following, Text | Bullets | None)
    styles = {
        "": paragraph_style(_BODY_PT, after=5, keep=keep),
        "lead": paragraph_style(11, after=6, keep=keep),
        "muted": paragraph_style(_CAPTION_PT, colour=MUTED, after=5, keep=keep),
        "heading": paragraph_style(10.5, font=BOLD, before=8, after=4, keep=True),
    }
    return [Paragraph(escape(block.text), styles[block.look])]


def _bullets(block: Bullets) -> list[Any]:
    style = paragraph_style(9, after=3)
    items = [Paragraph(escape(item), style) for item in block.items]
    list_ = ListFlowable(items, bulletType="bullet", start="•", leftIndent=12, bulletFontSize=9, bulletOffsetY=0)
    return [*(_text(Text(block.summary, "heading")) if block.summary else []), list_]


def _facts(block: Facts) -> list[Any]:
    names, values = paragraph_style(8.5, colour=MUTED), paragraph_style(8.5)
    pairs = [[Paragraph(escape(name), names), Paragraph(escape(value), values)] for name, value in block.rows.items()]
    half = (len(pairs) + 1) // 2
    rows = [[*pairs[i], *(pairs[half + i] if half + i < len(pairs) else ["", ""])] for i in range(half)]
    name_pt = 31 * _MM
    grid = Grid(rows, colWidths=[name_pt, _WIDTH_PT / 2 - name_pt] * 2, hAlign="LEFT")
    grid.setStyle([("VALIGN", (0, 0), (-1, -1), "TOP"), *_padding(0, 4, 1.5, 1.5)])
    return [grid]


def _tiles(block: Tiles) -> list[Any]:
    note = paragraph_style(7, colour=MUTED)
    cells = [
        [
            Paragraph(escape(tile.title), note),
            Paragraph(escape(tile.value), paragraph_style(17, font=BOLD)),
            Paragraph(escape(tile.note), note),
        ]
        for tile in block.items
    ]
    grid = Grid([cells], colWidths=[_WIDTH_PT / len(cells)] * len(cells), hAlign="LEFT")
    grid.setStyle(
        [
            ("BACKGROUND", (0, 0), (-1, -1), SOFT),
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("LINEAFTER", (0, 0), (-2, -1), 4, "#ffffff"),
            *_padding(7, 5, 5, 6),
        ]
    )
    return [Spacer(0, 4), grid]


def _table(block: Table) -> list[Any]:
    grids = table_flowables(block, _WIDTH_PT)
    # A long table starts where it stands and goes on over the page, a short one stays in one piece.
    short = sum(grid.wrap(_WIDTH_PT, _HEIGHT_PT)[1] for grid in grids) < _HEIGHT_PT * 2 / 3
    caption = paragraph_style(_CAPTION_PT, colour=MUTED, before=3, after=3, keep=short)
    story: list[Any] = [] if short else [CondPageBreak(_START_PT)]
    story += [Paragraph(escape(block.caption), caption)] if block.caption else []
    for grid in grids:
        story += [grid, Spacer(0, 7)]
    return story


def _plots(block: Plots, files: Mapping[str, PlotFiles]) -> list[Any]:
    column_pt = (_WIDTH_PT - _GAP_PT) / 2
    story: list[Any] = []
    row: list[list[Any]] = []
    for plot in block.items:
        if plot.wide:
            story += _row(row, column_pt) + _row([_plot(plot, files[plot.name], _WIDTH_PT)], _WIDTH_PT)
            row = []
        else:
            row.append(_plot(plot, files[plot.name], column_pt))
        if len(row) == 2:
            story += _row(row, column_pt)
            row = []
    if block.notes:
        row.append([Paragraph(escape(note), paragraph_style(9, after=5)) for note in block.notes])
    return story + _row(row, column_pt)


def _plot(plot: Plot, files: PlotFiles, width_pt: float) -> list[Any]:
    height_pt = width_pt * plot.size_in[1] / plot.size_in[0]
    # A tall plot shares its page with heading and caption.
    shrink = min(1.0, 0.85 * _HEIGHT_PT / height_pt)
    mark = _Mark(plot.title, f"plot-{plot.name}", 1)
    heading = Paragraph(escape(plot.title), paragraph_style(9.5, font=BOLD, after=2))
    image = Image(str(files.png), width_pt * shrink, height_pt * shrink, hAlign="LEFT")
    return [mark, heading, image, Paragraph(escape(plot.caption), paragraph_style(7.5, colour=MUTED))]


def _pictures(block: Pictures) -> list[Any]:
    columns = 3
    column_pt = (_WIDTH_PT - (columns - 1) * _GAP_PT) / columns
    story: list[Any] = []
    for start in range(0, len(block.items), columns):
        row = [_picture(item, column_pt) for item in block.items[start : start + columns]]
        story += _row(row, column_pt, columns)
    return story


def _picture(item: Picture, width_pt: float) -> list[Any]:
    width, height = ImageReader(io.BytesIO(item.png)).getSize()
    shrink = min(width_pt / width, _PICTURE_PT / height)
    title = paragraph_style(8, font=BOLD, colour=ALARM if item.wrong else None, before=3)
    return [
        Image(io.BytesIO(item.png), width * shrink, height * shrink, hAlign="LEFT"),
        *([Paragraph(escape(item.title), title)] if item.title else []),
        Paragraph(escape(item.caption), paragraph_style(7, colour=MUTED)),
    ]


def _row(cells: Sequence[list[Any]], column_pt: float, columns: int = 2) -> list[Any]:
    """Return cells side by side, on one page."""
    if not cells:
        return []
    count = 1 if column_pt == _WIDTH_PT else columns
    filled = [*cells, *[[] for _ in range(count - len(cells))]]
    widths = [column_pt + (_GAP_PT if i < count - 1 else 0) for i in range(count)]
    grid = Grid([filled], colWidths=widths, hAlign="LEFT", splitByRow=0)
    gaps = [("RIGHTPADDING", (0, 0), (-2, -1), _GAP_PT)] if count > 1 else []
    grid.setStyle([("VALIGN", (0, 0), (-1, -1), "TOP"), *_padding(0, 0, 6, 6), *gaps])
    return [grid]


def _notice(warning: str) -> Any:
    grid = Grid([[Paragraph(escape(warning), paragraph_style(_BODY_PT, font=BOLD))]], colWidths=[_WIDTH_PT])
    grid.setStyle(
        [("BACKGROUND", (0, 0), (-1, -1), SOFT), ("LINEBEFORE", (0, 0), (0, -1), 3, ORANGE), *_padding(9, 6, 6, 7)]
    )
    return grid


def _padding(left: float, right: float, top: float, bottom: float) -> list[tuple[Any, ...]]:
    sides = {"LEFT": left, "RIGHT": right, "TOP": top, "BOTTOM": bottom}
    return [(f"{side}PADDING", (0, 0), (-1, -1), points) for side, points in sides.items()]
