"""Small tables of the page Train that are as high as their content."""

from collections.abc import Sequence

import qt

ROW_PX = 24
FRAME_PX = 4


def fill(table, headers: Sequence[str], rows: Sequence[Sequence[str]], most_rows: int = 8, lines: int = 1) -> None:
    """Fill a table with texts: the first column to the left and as wide as there is room, the others centred.

    Args:
        table: a QTableWidget.
        headers: of the columns.
        rows: texts, one for each column.
        most_rows: shown at once; more can be scrolled.
        lines: of text in a row.
    """
    table.blockSignals(True)
    table.clear()
    table.setColumnCount(len(headers))
    table.setRowCount(len(rows))
    table.setHorizontalHeaderLabels(list(headers))
    table.setWordWrap(False)
    for row, texts in enumerate(rows):
        for column, text in enumerate(texts):
            item = qt.QTableWidgetItem(text)
            item.setToolTip(text.replace("\n", " "))
            if column:
                item.setTextAlignment(qt.Qt.AlignCenter)
            table.setItem(row, column, item)
    row_px = ROW_PX + (lines - 1) * table.fontMetrics().height()
    _arrange(table, len(headers), min(len(rows), most_rows), row_px)
    table.blockSignals(False)


def _arrange(table, columns: int, rows: int, row_px: int) -> None:
    table.verticalHeader().setVisible(False)
    table.verticalHeader().setDefaultSectionSize(row_px)
    header = table.horizontalHeader()
    header.setHighlightSections(False)
    header.setMinimumSectionSize(20)
    for column in range(columns):
        header.setSectionResizeMode(column, qt.QHeaderView.ResizeToContents if column else qt.QHeaderView.Stretch)
    table.setVerticalScrollMode(qt.QAbstractItemView.ScrollPerPixel)
    table.setFixedHeight(header.sizeHint.height() + rows * row_px + FRAME_PX)
