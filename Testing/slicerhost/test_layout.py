"""The layout manager: the scene's layout node decides which views there are and where."""

from __future__ import annotations

import pytest

RED_ABOVE_PLOT = """
<layout type="vertical" split="true">
 <item splitSize="700"><view class="vtkMRMLSliceNode" singletontag="Red"/></item>
 <item splitSize="300"><view class="vtkMRMLPlotViewNode" singletontag="PlotView1"/></item>
</layout>"""


@pytest.fixture
def manager(slicer, window):
    return slicer.app.layoutManager()


def visible(manager):
    return {name for name in manager.sliceViewNames() if manager.sliceWidget(name).isVisible()}


def test_one_view_and_side_by_side(manager, slicer):
    manager.setLayout(6)
    slicer.app.processEvents()
    assert manager.layout == 6
    assert visible(manager) == {"Red"}
    red = manager.sliceWidget("Red")
    manager.setLayout(29)
    slicer.app.processEvents()
    assert visible(manager) == {"Red", "Yellow"}
    assert manager.sliceWidget("Red") is red
    widths = [manager.sliceWidget(name).size.width() for name in ("Red", "Yellow")]
    assert abs(widths[0] - widths[1]) <= 4
    assert {"Red", "Yellow"} <= set(manager.sliceViewNames())
    logics = manager.mrmlSliceLogics()
    found = [logics.GetItemAsObject(i) for i in range(logics.GetNumberOfItems())]
    assert red.sliceLogic() in found
    assert len(found) == len(manager.sliceViewNames())


def test_the_layout_node_is_the_truth(manager, slicer, scene):
    changes = []
    manager.layoutChanged.connect(changes.append)
    node = scene.GetFirstNodeByClass("vtkMRMLLayoutNode")
    node.SetViewArrangement(node.SlicerLayoutSideBySideView)
    slicer.app.processEvents()
    assert manager.layout == 29
    assert changes == [29]
    assert manager.sliceWidget("Yellow").isVisible()


def test_a_layout_there_is_not(manager):
    with pytest.raises(ValueError, match="no layout 9999"):
        manager.setLayout(9999)
    assert manager.layout == 6


def test_a_plot_below_a_slice_view_in_the_shares_asked_for(manager, slicer):
    node = manager.layoutLogic().GetLayoutNode()
    if not node.IsLayoutDescription(777):
        node.AddLayoutDescription(777, RED_ABOVE_PLOT)
    manager.setLayout(777)
    slicer.app.processEvents()
    red, plot = manager.sliceWidget("Red"), manager.plotWidget(0)
    assert red.isVisible()
    assert plot.isVisible()
    assert manager.plotViewCount == 1
    assert manager.plotWidget(1) is None
    share = red.size.height() / (red.size.height() + plot.size.height())
    assert 0.66 < share < 0.74


def test_slicers_plot_layouts(manager, slicer):
    for number in (
        slicer.vtkMRMLLayoutNode.SlicerLayoutConventionalPlotView,
        slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpPlotView,
        slicer.vtkMRMLLayoutNode.SlicerLayoutThreeOverThreePlotView,
        slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpPlotView,
    ):
        manager.setLayout(number)
        slicer.app.processEvents()
        assert manager.plotWidget(0).isVisible()
    assert visible(manager) == set()


def test_a_view_the_host_has_not_is_an_empty_place_with_a_sentence(manager, slicer, window):
    from PySide6.QtWidgets import QLabel

    manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutOneUp3DView)
    slicer.app.processEvents()
    assert [w for w in window.findChildren(QLabel) if w.isVisible() and "no view" in w.text]
    assert manager.threeDViewCount == 0


def test_views_keep_what_they_show_through_layouts(manager, slicer, radiograph):
    slicer.util.setSliceViewerLayers(background=radiograph, fit=True)
    manager.setLayout(39)
    slicer.app.processEvents()
    manager.setLayout(6)
    slicer.app.processEvents()
    assert manager.sliceWidget("Red").mrmlSliceCompositeNode().GetBackgroundVolumeID() == radiograph.GetID()


def test_a_closed_scene_keeps_the_views(manager, slicer, scene, radiograph):
    manager.setLayout(29)
    slicer.app.processEvents()
    slicer.util.setSliceViewerLayers(background=radiograph)
    seen = []
    events = scene.StartCloseEvent, scene.EndCloseEvent
    tags = [scene.AddObserver(event, lambda *_, e=event: seen.append(e)) for event in events]
    scene.Clear(0)
    slicer.app.processEvents()
    for tag in tags:
        scene.RemoveObserver(tag)
    assert seen == list(events)
    red = manager.sliceWidget("Red")
    assert scene.GetNodeByID("vtkMRMLSliceNodeRed") is red.mrmlSliceNode()
    assert scene.GetNodeByID(red.mrmlSliceCompositeNode().GetID()) is red.mrmlSliceCompositeNode()
    assert red.mrmlSliceCompositeNode().GetBackgroundVolumeID() is None
    logic = slicer.app.applicationLogic()
    assert logic.GetSelectionNode() is scene.GetNodeByID("vtkMRMLSelectionNodeSingleton")
    assert logic.GetInteractionNode() is scene.GetNodeByID("vtkMRMLInteractionNodeSingleton")
    manager.setLayout(6)
    slicer.app.processEvents()
    assert red.isVisible()


def test_two_windows_one_after_the_other(manager, slicer, window, radiograph):
    """Views move to the window that shows them, and survive a window that is gone."""
    import qt

    from slicerhost import MainWindow

    slicer.util.setSliceViewerLayers(background=radiograph, fit=True)
    window.close()
    second = MainWindow()
    second.set_module("Second", qt.QWidget())
    second.show()
    slicer.app.processEvents()
    red = manager.sliceWidget("Red")
    assert red.isVisible()
    assert second.isAncestorOf(red)
    second.close()
    second.deleteLater()
    del second
    slicer.app.processEvents()
    window.show()
    slicer.app.processEvents()
    assert window.isAncestorOf(manager.sliceWidget("Red"))
    assert manager.sliceWidget("Red") is red
