"""A reading in the panel: one big line, the reasons, bars with their thresholds, a small table."""

from collections.abc import Mapping
from html import escape
from typing import Any

import qt
from slicer.i18n import tr as _

from FractureAILib import reading_text, style
from FractureAILib.probability_bar import draw_bars
from FractureAILib.reading_text import Line

HEADLINE_POINTS = 15
COLUMNS = 5


class ReadingView:
    """Fills the result box of the page; knows nothing of scenes and servers.

    Args:
        ui: the page's widgets by name: resultBox, headlineLabel, reasonsLabel, barLabel, resultTable, trustLabel,
            noticeLabel.
    """

    def __init__(self, ui) -> None:
        self.ui = ui
        self._lines: tuple[Line, ...] = ()
        table = ui.resultTable
        table.setColumnCount(COLUMNS)
        table.setHorizontalHeaderLabels([_("View"), _("Probability"), _("95 % CI"), _("Threshold"), _("Decision")])
        table.verticalHeader().hide()
        header = table.horizontalHeader()
        header.setSectionResizeMode(qt.QHeaderView.ResizeToContents)
        header.setSectionResizeMode(COLUMNS - 1, qt.QHeaderView.Stretch)
        header.setHighlightSections(False)
        table.setFrameShape(qt.QFrame.NoFrame)

    def show(self, reading: Mapping[str, Any] | None) -> None:
        """Show a reading; None: nothing was read yet."""
        self.ui.resultBox.visible = reading is not None
        self._lines = reading_text.lines(reading) if reading is not None else ()
        if reading is None:
            return
        self._headline(reading)
        self._reasons(reading)
        self._table()
        self._trust(reading)
        self.draw()
        style.set_text(self.ui.noticeLabel, self._about_model(reading), style.ALARM if reading["notice"] else None)

    def draw(self) -> None:
        """Draw the bars again: the panel's width or colours have changed."""
        label = self.ui.barLabel
        label.visible = bool(self._lines)
        if self._lines:
            ratio = label.devicePixelRatioF()
            pixmap = draw_bars(self._lines, max(200, label.width), label.palette, ratio)
            label.setPixmap(pixmap)
            label.setFixedHeight(round(pixmap.height() / ratio))
            label.toolTip = "\n\n".join(
                f"{line.label}: {reading_text.figures(line)}" for line in self._lines
            ) + "\n\n" + _("Filled: at or above the threshold (upright stroke). Hollow: below it.")  # fmt: skip

    def _headline(self, reading: Mapping[str, Any]) -> None:
        big = f'<span style="font-size:{HEADLINE_POINTS}pt; font-weight:600;">{{}}</span>'
        label = self.ui.headlineLabel
        if reading_text.is_sure(reading):
            line = self._lines[-1]
            number = line.number(line.probability)
            rest = reading_text.figures(line)[len(number) :].strip()
            words = f"{escape(reading_text.headline(reading))} &nbsp; {number}"
            label.text = f'{big.format(words)} &nbsp; <span style="white-space:nowrap;">{escape(rest)}</span>'
            label.toolTip = self._meaning(line)
        else:
            colour = style.text_colour(label, style.ALARM)
            words = f'<span style="color:{colour};">{escape(reading_text.headline(reading))}</span>'
            label.text = big.format(words)
            label.toolTip = _("The model gives no opinion that should be relied on; the reasons are below.")

    def _reasons(self, reading: Mapping[str, Any]) -> None:
        label = self.ui.reasonsLabel
        reasons = reading_text.reasons(reading)
        rows = "".join(f"<div>• {escape(reason)}</div>" for reason in reasons)
        withheld = reading_text.withheld(reading)
        if withheld:
            rows += f'<div style="margin-top:4px;">{escape(withheld)}</div>'
        label.visible = bool(rows)
        label.text = rows

    def _trust(self, reading: Mapping[str, Any]) -> None:
        label, sentences = self.ui.trustLabel, reading_text.trust(reading)
        label.visible = bool(sentences)
        label.text = "\n".join(sentences)
        label.toolTip = reading_text.trust_meaning()

    def _table(self) -> None:
        table = self.ui.resultTable
        table.visible = bool(self._lines)
        table.setRowCount(len(self._lines))
        for row, line in enumerate(self._lines):
            cells = (
                line.label,
                line.number(line.probability),
                line.interval_figures,
                line.number(line.threshold),
                line.decision,
            )
            for column, text in enumerate(cells):
                item = qt.QTableWidgetItem(text)
                item.setToolTip(reading_text.threshold_meaning(line) if column == 3 else self._meaning(line))
                if column:
                    item.setTextAlignment(qt.Qt.AlignCenter)
                if line.together:
                    font = item.font()
                    font.setBold(True)
                    item.setFont(font)
                table.setItem(row, column, item)
        height = table.horizontalHeader().height
        row_height = table.fontMetrics().height() + 8
        for row in range(len(self._lines)):
            table.setRowHeight(row, row_height)
        table.setFixedHeight(height + row_height * len(self._lines) + 4)

    def _meaning(self, line: Line) -> str:
        return f"{reading_text.interval_meaning(line)}\n\n{reading_text.threshold_meaning(line)}"

    def _about_model(self, reading: Mapping[str, Any]) -> str:
        return _("Model {model}: {notice}").format(model=reading["model"], notice=reading_text.notice(reading))
