"""Plot views: what is drawn, and that it follows the nodes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

BLUE, ORANGE = (0.0, 114 / 255, 178 / 255), (230 / 255, 159 / 255, 0.0)


def fill(slicer, table, epochs, loss, validation):
    columns = np.stack([epochs, loss, validation], 1)
    slicer.util.updateTableFromArray(table, columns, ["epoch", "loss", "validation"])


@pytest.fixture
def training(slicer, scene):
    """A chart with two series over a table, as a training page makes it."""
    epochs = np.arange(1, 21, dtype=float)
    table = scene.AddNewNodeByClass("vtkMRMLTableNode", "history")
    fill(slicer, table, epochs, np.exp(-epochs / 6), np.exp(-epochs / 9))
    chart = scene.AddNewNodeByClass("vtkMRMLPlotChartNode", "Training")
    chart.SetTitle("PA localizer")
    chart.SetXAxisTitle("epoch")
    chart.SetYAxisTitle("loss")
    for name, colour in (("loss", BLUE), ("validation", ORANGE)):
        series = scene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", name)
        series.SetAndObserveTableNodeID(table.GetID())
        series.SetXColumnName("epoch")
        series.SetYColumnName(name)
        series.SetPlotType(series.PlotTypeScatter)
        series.SetMarkerStyle(series.MarkerStyleNone)
        series.SetLineWidth(3)
        series.SetColor(*colour)
        chart.AddAndObservePlotSeriesNodeID(series.GetID())
    return table, chart


@pytest.fixture
def plot(slicer, window, training):
    slicer.modules.plots.logic().ShowChartInLayout(training[1])
    manager = slicer.app.layoutManager()
    manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpPlotView)
    slicer.app.processEvents()
    return manager.plotWidget(0).plotView()


def ink(picture, colour):
    """Where a picture has a colour: rows and columns."""
    wanted = 255 * np.array(colour)
    return np.nonzero((np.abs(picture.astype(float) - wanted) < 12).all(axis=2))


def test_both_curves_are_drawn_and_fall(plot, picture_of):
    picture = picture_of(plot)
    for colour in (BLUE, ORANGE):
        rows, columns = ink(picture, colour)
        assert len(rows) > 500
        below = rows > picture.shape[0] * 0.15  # not the legend
        rows, columns = rows[below], columns[below]
        left, right = rows[columns < np.quantile(columns, 0.1)], rows[columns > np.quantile(columns, 0.9)]
        assert left.mean() < right.mean() - 100  # rows count from above: the loss falls
    assert plot.chartNode().GetName() == "Training"


def test_it_follows_the_table(plot, training, slicer, picture_of):
    before = picture_of(plot)
    table, _ = training
    slicer.util.updateTableFromArray(
        table, np.stack([np.arange(1, 31.0), np.linspace(0, 7, 30), np.ones(30)], 1), ["epoch", "loss", "validation"]
    )
    slicer.app.processEvents()
    assert plot.content().y_range[1] > 6
    assert (picture_of(plot) != before).any()


def test_it_follows_series_and_chart(plot, training, slicer, picture_of):
    _, chart = training
    chart.GetNthPlotSeriesNode(0).SetColor(0, 158 / 255, 115 / 255)
    slicer.app.processEvents()
    picture = picture_of(plot)
    assert not len(ink(picture, BLUE)[0])
    assert len(ink(picture, (0, 158 / 255, 115 / 255))[0]) > 500
    chart.RemovePlotSeriesNodeID(chart.GetNthPlotSeriesNode(1).GetID())
    slicer.app.processEvents()
    assert [series.name for series in plot.content().series] == ["loss"]
    chart.SetTitle("another")
    slicer.app.processEvents()
    assert plot.content().title == "another"


def test_ranges_set_by_hand_and_fitted_again(plot, training, slicer):
    _, chart = training
    chart.YAxisRangeAutoOff()
    chart.SetYAxisRange(-1, 3)
    slicer.app.processEvents()
    assert plot.content().y_range == (-1, 3)
    plot.fitToContent()
    slicer.app.processEvents()
    assert plot.content().y_range[0] > -0.5


def test_logarithmic_axis_bars_gaps_and_text_columns(plot, training, slicer, scene, picture_of):
    table, chart = training
    chart.YAxisLogScaleOn()
    series = chart.GetNthPlotSeriesNode(1)
    series.SetPlotType(series.PlotTypeBar)
    values = np.array([1.0, np.nan, 100.0, 0.01])
    fill(slicer, table, np.arange(4.0), values, values)
    slicer.app.processEvents()
    assert plot.content().log_y
    assert plot.content().y_range[0] > 0
    picture_of(plot)
    chart.GetNthPlotSeriesNode(0).SetYColumnName("no such column")
    slicer.app.processEvents()
    assert [s.bars for s in plot.content().series] == [True]


def test_an_empty_plot_says_so(slicer, window, scene, picture_of):
    manager = slicer.app.layoutManager()
    manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpPlotView)
    slicer.app.processEvents()
    view = manager.plotWidget(0).plotView()
    assert view.content().is_empty
    assert len(np.unique(picture_of(view))) > 3  # a sentence


def test_a_removed_chart(plot, training, slicer, scene):
    scene.RemoveNode(training[1])
    slicer.app.processEvents()
    assert plot.chartNode() is None
    assert plot.content().is_empty


@given(low=st.floats(-1e6, 1e6), size=st.floats(1e-3, 1e6), count=st.integers(1, 20))
def test_ticks_are_round_numbers_in_the_range(low, size, count):
    from slicerhost.views.chart import ticks

    found = ticks((low, low + size), count)
    assert len(found) <= count + 2
    slack = 1e-6 * max(abs(low), size)
    assert all(low - slack <= tick <= low + size + slack for tick in found)
    if len(found) > 2:
        steps = np.diff(found)
        assert np.allclose(steps, steps[0], rtol=1e-6, atol=1e-9)
        mantissa = steps[0] / 10 ** math.floor(math.log10(steps[0]) + 1e-9)
        assert min(abs(mantissa - nice) for nice in (1, 2, 2.5, 5, 10)) < 1e-3


def test_ticks_on_a_logarithmic_axis():
    from slicerhost.views.chart import ticks

    assert ticks((0.5, 2000), 8, log=True) == [1.0, 10.0, 100.0, 1000.0]
    assert ticks((1.0, 1.0), 5) == []
