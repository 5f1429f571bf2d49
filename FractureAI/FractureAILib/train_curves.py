"""Learning curves as Slicer plot nodes: one table, its series, a chart for the losses and one for the metric."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import slicer
import vtk
from slicer.i18n import tr as _

from FractureAILib.style import ALARM, DONE, MODEL
from FractureAILib.train_texts import plain

LAYOUT = 5470
"""Number of the layout with the two plot views; far from Slicer's own and from those of common extensions."""

LOSS_VIEW, METRIC_VIEW = "FractureAILoss", "FractureAIMetric"
_VIEW = (
    '<item><view class="vtkMRMLPlotViewNode" singletontag="{tag}">'
    '<property name="viewlabel" action="default">{label}</property></view></item>'
)
_DESCRIPTION = '<layout type="vertical" split="true">{loss}{metric}</layout>'
_COLUMNS = ("epoch", "loss", "validation_loss", "metric")


def fits_of(history: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the names of the fits in the order in which they began."""
    return list(dict.fromkeys(str(entry["fit"]) for entry in history))


class Curves:
    """Shows one fit of a training in the plot views; the nodes are not saved with the scene."""

    def __init__(self) -> None:
        self._nodes: dict[str, Any] = {}
        self._shown: tuple[Any, ...] = ()
        self._layout_before: int | None = None

    def show(self, history: Sequence[Mapping[str, Any]], fit: str) -> None:
        """Draw the epochs of a fit; does nothing when they are drawn already."""
        entries = [entry for entry in history if entry["fit"] == fit]
        shown = (fit, len(entries), entries[-1] if entries else None)
        if shown == self._shown and self._is_there():
            return
        self._shown = shown
        self._make_nodes()
        self._fill(entries)
        metric = str(entries[-1].get("metric_name") or "") if entries else ""
        self._entitle("LossChart", f"{plain(fit)}: {_('loss')}", _("loss"))
        self._entitle("MetricChart", f"{plain(fit)}: {metric or _('metric')}", metric or _("metric"))
        self._connect_views()

    def show_layout(self) -> None:
        """Bring the plot views to the front, and remember what was there."""
        manager = slicer.app.layoutManager()
        if manager is None:
            return
        node = manager.layoutLogic().GetLayoutNode()
        if not node.IsLayoutDescription(LAYOUT):
            loss = _VIEW.format(tag=LOSS_VIEW, label="L")
            node.AddLayoutDescription(
                LAYOUT, _DESCRIPTION.format(loss=loss, metric=_VIEW.format(tag=METRIC_VIEW, label="M"))
            )
        if manager.layout != LAYOUT:
            self._layout_before = manager.layout
            manager.setLayout(LAYOUT)
        self._connect_views()

    def hide_layout(self) -> None:
        """Bring back what was there before, unless somebody chose another layout meanwhile."""
        manager = slicer.app.layoutManager()
        if manager is not None and self._layout_before is not None and manager.layout == LAYOUT:
            manager.setLayout(self._layout_before)
        self._layout_before = None

    def forget(self) -> None:
        """The scene was closed: the nodes are gone."""
        self._nodes = {}
        self._shown = ()

    def remove(self) -> None:
        """Take the nodes out of the scene."""
        for node in self._nodes.values():
            if slicer.mrmlScene.IsNodePresent(node):
                slicer.mrmlScene.RemoveNode(node)
        self.forget()

    def _is_there(self) -> bool:
        return bool(self._nodes) and all(slicer.mrmlScene.IsNodePresent(node) for node in self._nodes.values())

    def _make_nodes(self) -> None:
        if self._is_there():
            return
        self.remove()
        table = self._add("Table", "vtkMRMLTableNode", _("Training curves"))
        for name in _COLUMNS:
            column = vtk.vtkDoubleArray()
            column.SetName(name)
            table.GetTable().AddColumn(column)
        series = (
            ("Loss", "loss", _("training (augmented)"), MODEL),
            ("ValidationLoss", "validation_loss", _("validation"), ALARM),
            ("Metric", "metric", _("validation"), DONE),
        )
        for key, column_name, title, colour in series:
            node = self._add(key, "vtkMRMLPlotSeriesNode", title)
            node.SetAndObserveTableNodeID(table.GetID())
            node.SetPlotType(node.PlotTypeScatter)
            node.SetXColumnName("epoch")
            node.SetYColumnName(column_name)
            node.SetColor(*(int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)))
            node.SetLineWidth(2)
            node.SetMarkerStyle(node.MarkerStyleCircle)
            node.SetMarkerSize(5)
        charts = (("LossChart", _("Loss"), ("Loss", "ValidationLoss")), ("MetricChart", _("Metric"), ("Metric",)))
        for key, name, keys in charts:
            chart = self._add(key, "vtkMRMLPlotChartNode", name)
            for series_key in keys:
                chart.AddAndObservePlotSeriesNodeID(self._nodes[series_key].GetID())
            chart.SetXAxisTitle(_("epoch"))
            chart.SetLegendVisibility(len(keys) > 1)

    def _add(self, key: str, class_name: str, name: str):
        node = slicer.mrmlScene.AddNewNodeByClass(class_name, name)
        node.SetSaveWithScene(False)
        self._nodes[key] = node
        return node

    def _fill(self, entries: Sequence[Mapping[str, Any]]) -> None:
        node = self._nodes["Table"]
        table = node.GetTable()
        for name in _COLUMNS:
            column = table.GetColumnByName(name)
            column.SetNumberOfValues(len(entries))
            for row, entry in enumerate(entries):
                value = entry.get(name)
                column.SetValue(row, math.nan if value is None else float(value))
            column.Modified()
        table.Modified()
        node.Modified()

    def _entitle(self, key: str, title: str, axis: str) -> None:
        chart = self._nodes[key]
        chart.SetTitle(title)
        chart.SetYAxisTitle(axis)

    def _connect_views(self) -> None:
        """Tell each view its chart, and that it is its own (Slicer else shows a newly selected chart in all views)."""
        if not self._is_there():
            return
        for tag, key in ((LOSS_VIEW, "LossChart"), (METRIC_VIEW, "MetricChart")):
            view = slicer.mrmlScene.GetSingletonNode(tag, "vtkMRMLPlotViewNode")
            if view is not None:
                view.SetDoPropagatePlotChartSelection(False)
                view.SetPlotChartNodeID(self._nodes[key].GetID())
