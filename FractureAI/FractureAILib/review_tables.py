"""The tables of the page Review: kappa matrix, landmark distances, differences."""

import qt
from slicer.i18n import tr as _

from fractureai.dataset import Dataset
from fractureai.dataset.agreement import Disagreement, Kappa, PairAgreement
from fractureai.dataset.consensus import TOLERANCE_MM
from FractureAILib.review_marks import FIRST_COLOUR, SECOND_COLOUR
from FractureAILib.review_work import Comparison
from FractureAILib.style import HUMAN, MODEL, text_colour

MATRIX_ROWS_SHOWN = 6
ROW_PX = 24
_READABLE = {FIRST_COLOUR: HUMAN, SECOND_COLOUR: MODEL}
"""Colour on the image -> colour whose readable shade is used for text."""


def prepare(table) -> None:
    """Set what all tables of the page have in common."""
    table.verticalHeader().setDefaultSectionSize(ROW_PX)
    table.horizontalHeader().setStretchLastSection(True)
    table.horizontalHeader().setHighlightSections(False)
    table.setWordWrap(False)


def fill_kappa(table, comparison: Comparison | None) -> None:
    """Fill the matrix: kappa with its interval above the diagonal, radiographs in common below."""
    raters = comparison.raters if comparison else ()
    table.blockSignals(True)
    table.clear()
    table.setRowCount(len(raters))
    table.setColumnCount(len(raters))
    table.setHorizontalHeaderLabels(list(raters))
    table.setVerticalHeaderLabels(list(raters))
    for row, first in enumerate(raters):
        for column, second in enumerate(raters):
            table.setItem(row, column, _kappa_item(comparison, first, second, row, column))
    table.horizontalHeader().setSectionResizeMode(qt.QHeaderView.Stretch)
    _limit_height(table, min(max(len(raters), 1), MATRIX_ROWS_SHOWN))
    table.blockSignals(False)


def _kappa_item(comparison: Comparison, first: str, second: str, row: int, column: int):
    if row == column:
        item = _item("")
        item.setFlags(qt.Qt.NoItemFlags)
        return item
    kappa = comparison.pair(first, second).kappa
    value = "-" if kappa.value is None else f"{kappa.value:.2f}"
    item = _item(value if row < column else f"n = {kappa.cases}", centred=True)
    item.setToolTip(kappa_sentence(kappa, first, second))
    return item


def kappa_text(kappa: Kappa) -> str:
    """Return a kappa that is defined with its 95 % confidence interval, for example ``0.76 (95 % CI 0.61-0.91)``."""
    return f"{kappa.value:.2f} (95 % CI {kappa.low:.2f}-{kappa.high:.2f})"


def kappa_sentence(kappa: Kappa, first: str, second: str) -> str:
    """Return what a kappa means, in words."""
    words = _("{first} and {second} gave the same label to {agreeing} of {n} radiographs.").format(
        first=first, second=second, agreeing=kappa.agreeing, n=kappa.cases
    )
    if kappa.value is None:
        return words + " " + _("Kappa needs two different labels, so it is not defined here.")
    return words + " " + _("Cohen's kappa {kappa}.").format(kappa=kappa_text(kappa))


def select_pair(table, raters: tuple[str, ...], pair: tuple[str, str]) -> None:
    """Choose the cell of two raters."""
    table.setCurrentCell(raters.index(pair[0]), raters.index(pair[1]))


def pair_at(table, raters: tuple[str, ...]) -> tuple[str, str] | None:
    """Return the two raters of the chosen cell; None on the diagonal."""
    chosen = [(item.row(), item.column()) for item in table.selectedItems()]
    if len(chosen) != 1 or chosen[0][0] == chosen[0][1]:
        return None
    row, column = min(chosen[0]), max(chosen[0])
    return raters[row], raters[column]


def fill_landmarks(table, pair: PairAgreement | None, dataset: Dataset | None) -> None:
    """Fill in how far two raters' landmarks lie apart."""
    landmarks = pair.landmarks if pair else ()
    titles = {mark.name: mark.title for view in (dataset.site.views if dataset else ()) for mark in view.landmarks}
    table.clear()
    table.setColumnCount(4)
    table.setHorizontalHeaderLabels([_("landmark"), _("pairs"), _("median"), _("95 % within")])
    table.verticalHeader().setVisible(False)
    table.setRowCount(len(landmarks))
    for row, found in enumerate(landmarks):
        table.setItem(row, 0, _item(titles.get(found.name, found.name)))
        table.setItem(row, 1, _item(str(len(found.distances)), centred=True))
        table.setItem(row, 2, _item(_distance(found.median, found.unit), centred=True))
        table.setItem(row, 3, _item(_distance(found.percentile_95, found.unit), centred=True))
    _stretch_first(table)
    _limit_height(table, min(max(len(landmarks), 1), MATRIX_ROWS_SHOWN))


def fill_differences(table, pair: PairAgreement | None, differences: list[Disagreement]) -> None:
    """Fill in the differences of two raters."""
    first, second = pair.raters if pair else ("", "")
    table.blockSignals(True)
    table.clear()
    table.setColumnCount(5)
    table.setHorizontalHeaderLabels([_("case"), _("view"), first, second, _("farthest")])
    table.verticalHeader().setVisible(False)
    table.setRowCount(len(differences))
    for row, found in enumerate(differences):
        worst = found.worst_landmark
        cells = [
            _item(found.row.patient or found.row.id),
            _item(found.first.view or found.row.view, centred=True),
            _item(label_text(found.first.label)),
            _item(label_text(found.second.label)),
            _item(_distance(found.distances[worst], found.unit) if worst else "-", centred=True),
        ]
        for column, item in enumerate(cells):
            if found.label_steps == 2 and column in (2, 3):
                bold = item.font()
                bold.setBold(True)
                item.setFont(bold)
            table.setItem(row, column, item)
    _stretch_first(table)
    table.blockSignals(False)


def is_same(difference: Disagreement) -> bool:
    """Tell whether there is nothing to settle: the same label, and all landmarks within the tolerance."""
    limit = TOLERANCE_MM if difference.unit == "mm" else 0.0
    return difference.label_steps == 0 and all(value <= limit for value in difference.distances.values())


def label_text(label: str | None) -> str:
    """Return a label for people."""
    return {"normal": _("normal"), "fracture": _("fracture"), "uncertain": _("uncertain"), None: _("no label")}.get(
        label, str(label)
    )


def case_text(difference: Disagreement, widget) -> str:
    """Return who says what, in the colours of the marks on the image (rich text)."""
    lines = []
    for marks, colour in ((difference.first, FIRST_COLOUR), (difference.second, SECOND_COLOUR)):
        shade = text_colour(widget, _READABLE[colour])
        words = [label_text(marks.label), marks.displacement, marks.comment]
        said = ", ".join(_escaped(word) for word in words if word)
        lines.append(f'<span style="color:{shade}">&#9670; <b>{_escaped(marks.rater)}</b></span>: {said}')
    return "<br>".join(lines)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _distance(value: float, unit: str) -> str:
    return f"{value:.1f} {unit}"


def _item(text: str, centred: bool = False):
    item = qt.QTableWidgetItem(text)
    if centred:
        item.setTextAlignment(qt.Qt.AlignCenter)
    return item


def _stretch_first(table) -> None:
    header = table.horizontalHeader()
    for column in range(table.columnCount):
        header.setSectionResizeMode(column, qt.QHeaderView.ResizeToContents if column else qt.QHeaderView.Stretch)


def _limit_height(table, rows: int) -> None:
    table.setFixedHeight(table.horizontalHeader().sizeHint.height() + rows * ROW_PX + 4)
