"""The worklist table: progress, filters, search, and the choice of a radiograph."""

import re

import qt
from slicer.i18n import tr as _

from fractureai.dataset import Annotation
from FractureAILib import style
from FractureAILib.signals import Signal
from FractureAILib.worklist_rows import AGREES, DIFFERS, Entry, Worklist, summary

CASE, DATE, VIEW, SIDE, STATUS, RATER, AGREEMENT = range(7)
FILTER_ROLE = qt.Qt.UserRole + 1
SEARCH_DELAY_MS = 120
ROW_HEIGHT_PX = 22


class WorklistPanel:
    """Shows a worklist of any length.

    Attributes:
        worklist: what is shown.
        chosen: emitted with the SOP Instance UID of a row the user went to.
    """

    def __init__(self, ui) -> None:
        self.ui = ui
        self.worklist = Worklist(())
        self.chosen = Signal()
        self._quiet = False
        self._model = qt.QStandardItemModel()
        self._proxy = qt.QSortFilterProxyModel()
        self._proxy.setFilterRole(FILTER_ROLE)
        self._proxy.setFilterKeyColumn(CASE)
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(SEARCH_DELAY_MS)

    def setup(self) -> None:
        """Connect the widgets; called once."""
        self._model.setColumnCount(7)
        titles = (_("case"), _("date"), _("view"), _("side"), _("status"), _("rater"), AGREES)
        self._model.setHorizontalHeaderLabels(list(titles))
        self._proxy.setSourceModel(self._model)
        view = self.ui.worklistView
        view.setModel(self._proxy)
        view.verticalHeader().setDefaultSectionSize(ROW_HEIGHT_PX)
        view.verticalHeader().setMinimumSectionSize(ROW_HEIGHT_PX)
        view.horizontalHeader().setMinimumSectionSize(24)
        view.horizontalHeader().setDefaultAlignment(qt.Qt.AlignLeft | qt.Qt.AlignVCenter)
        self._set_widths()
        self._selection = view.selectionModel()
        self._selection.connect("currentRowChanged(QModelIndex,QModelIndex)", self._row_changed)
        for box in (self.ui.mineCheck, self.ui.openCheck, self.ui.flaggedCheck):
            box.connect("toggled(bool)", self._filter)
        self.ui.searchEdit.connect("textChanged(QString)", self._search_changed)
        self._timer.connect("timeout()", self._filter)

    def show(self, worklist: Worklist, blinded: bool) -> None:
        """Show a worklist; nobody else's names and agreement when blinded."""
        self.worklist = worklist
        self._quiet = True
        view = self.ui.worklistView
        view.setModel(None)
        self._proxy.setSourceModel(None)
        self._model.setRowCount(len(worklist.entries))
        for place, entry in enumerate(worklist.entries):
            self._fill(place, entry)
        self._proxy.setSourceModel(self._model)
        view.setModel(self._proxy)
        self._selection = view.selectionModel()
        self._selection.connect("currentRowChanged(QModelIndex,QModelIndex)", self._row_changed)
        self._set_widths()
        for column in (RATER, AGREEMENT):
            view.setColumnHidden(column, blinded)
        self._quiet = False
        self._show_progress()

    def update(self, annotation: Annotation) -> None:
        """Show a new state of one annotation."""
        place = self.worklist.place(annotation.radiograph)
        if place is None:
            return
        before = self.worklist.entries[place]
        self.worklist = self.worklist.changed(annotation)
        after = self.worklist.entries[place]
        if _cells(before) != _cells(after) or before.search_text != after.search_text:
            self._fill(place, after)
        if before.status != after.status:
            self._show_progress()

    def select(self, radiograph: str) -> None:
        """Mark the row of a radiograph as the current one, without choosing it anew."""
        place = self.worklist.place(radiograph)
        if place is None:
            return
        index = self._proxy.mapFromSource(self._model.index(place, CASE))
        self._quiet = True
        if index.isValid():
            self.ui.worklistView.setCurrentIndex(index)
            self.ui.worklistView.scrollTo(index)
        else:
            self.ui.worklistView.clearSelection()
        self._quiet = False

    def visible_count(self) -> int:
        """Return how many rows pass the filter."""
        return self._proxy.rowCount()

    def _fill(self, place: int, entry: Entry) -> None:
        model = self._model
        for column, text in enumerate(_cells(entry)):
            model.setData(model.index(place, column), text)
        case, status = model.index(place, CASE), model.index(place, STATUS)
        model.setData(case, entry.search_text, FILTER_ROLE)
        if not entry.heads_study:
            model.setData(case, qt.QColor(128, 128, 128), qt.Qt.ForegroundRole)
        model.setData(status, style.status_icon(entry.status), qt.Qt.DecorationRole)
        alarm = qt.QColor(style.text_colour(self.ui.worklistView, style.ALARM)) if entry.agreement == DIFFERS else None
        model.setData(model.index(place, AGREEMENT), alarm, qt.Qt.ForegroundRole)
        model.setData(case, entry.row.file, qt.Qt.ToolTipRole)

    def _set_widths(self) -> None:
        view = self.ui.worklistView
        samples = {CASE: "  P-7F3K2Q9A", DATE: "2026-10-20", VIEW: "view", SIDE: "side", RATER: "AM BK"}
        for column, sample in samples.items():
            view.setColumnWidth(column, view.fontMetrics().boundingRect(sample).width() + 9)
        view.setColumnWidth(STATUS, view.fontMetrics().boundingRect("flagged").width() + 36)

    def _show_progress(self) -> None:
        bar = self.ui.progressBar
        bar.maximum = max(1, len(self.worklist.entries))
        bar.value = self.worklist.count("done")
        self.ui.progressLabel.text = summary(self.worklist)
        flagged = self.worklist.count("flagged")
        style.set_text(self.ui.flaggedLabel, _("{n} flagged").format(n=flagged), style.ALARM if flagged else None)

    def _search_changed(self, _text: str) -> None:
        self._timer.start()

    def _filter(self, *_ignored) -> None:
        self._timer.stop()
        wanted = [re.escape(word) for word in self.ui.searchEdit.text.casefold().split()]
        if self.ui.mineCheck.checked:
            wanted.append("\x01mine")
        statuses = [
            name for name, box in (("open", self.ui.openCheck), ("flagged", self.ui.flaggedCheck)) if box.checked
        ]
        if statuses:
            wanted.append("\x01(?:" + "|".join(statuses) + ")")
        self._quiet = True
        self._proxy.setFilterRegularExpression("^" + "".join(f"(?=.*{pattern})" for pattern in wanted))
        self._quiet = False

    def _row_changed(self, index, _previous) -> None:
        if not self._quiet and index.isValid():
            self.chosen.emit(self.worklist.entries[self._proxy.mapToSource(index).row()].row.id)


def _cells(entry: Entry) -> tuple[str, ...]:
    status = {"open": _("open"), "done": _("done"), "flagged": _("flagged")}[entry.status]
    case = entry.case if entry.heads_study else "   " + entry.case
    return case, entry.date if entry.heads_study else "", entry.view, entry.side, status, entry.raters, entry.agreement
