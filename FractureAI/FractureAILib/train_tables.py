"""Small tables of the page Train that are as high as their content."""

from collections.abc import Sequence

import qt

ROW_PX = 24
FRAME_PX = 4


def fill(table, headers: Sequence[str], rows: Sequence[Sequence[str]], most_rows: int = 8) -> None:
    """Fill a table with texts: the first column to the left and as wide as there is room, the others centred.

    Args:
        table: a QTableWidget.
        headers: of the columns.
        rows: texts, one for each column.
        most_rows: shown at once; more can be scrolled.
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
            item.setToolTip(text)
            if column:
                item.setTextAlignment(qt.Qt.AlignCenter)
            table.setItem(row, column, item)
    _arrange(table, len(headers), min(len(rows), most_rows))
    table.blockSignals(False)


def _arrange(table, columns: int, rows: int) -> None:
    table.verticalHeader().setVisible(False)
    table.verticalHeader().setDefaultSectionSize(ROW_PX)
    header = table.horizontalHeader()
    header.setHighlightSections(False)
    header.setMinimumSectionSize(20)
    for column in range(columns):
        header.setSectionResizeMode(column, qt.QHeaderView.ResizeToContents if column else qt.QHeaderView.Stretch)
    table.setVerticalScrollMode(qt.QAbstractItemView.ScrollPerPixel)
    table.setFixedHeight(header.sizeHint.height() + rows * ROW_PX + FRAME_PX)
