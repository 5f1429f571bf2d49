"""The layout manager: makes the views that the scene's layout node describes, and arranges them.

The layout node in the scene is the truth, as in Slicer: `setLayout` only writes to it. Any layout of slice and plot
views works, a module's own (`AddLayoutDescription`) too; a view of a class the host has no view for (3D, table) is
shown as an empty place with a sentence.
"""

from __future__ import annotations

from typing import Any

import shiboken6
import slicer
from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QLabel, QSplitter, QTabWidget, QVBoxLayout, QWidget

from .dialect.attributes import stands_for_cpp
from .views.plot_view import qMRMLPlotView
from .views.plot_widget import qMRMLPlotWidget
from .views.slice_view import qMRMLSliceView
from .views.slice_widget import qMRMLSliceWidget

VIEW_WIDGETS = {"vtkMRMLSliceNode": qMRMLSliceWidget, "vtkMRMLPlotViewNode": qMRMLPlotWidget}


@stands_for_cpp
class qMRMLLayoutManager(QObject):
    """Views by name, and the layout they stand in."""

    layoutChanged = Signal(int)

    def __init__(self, application_logic: Any, scene: Any, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._application_logic = application_logic
        self._scene = scene
        self._viewport: QWidget | None = None
        self._root: QWidget | None = None
        self._widgets: dict[str, QWidget] = {}
        self._places: list[QWidget] = []
        self._logic = slicer.vtkMRMLLayoutLogic()
        self._logic.SetMRMLScene(scene)
        self._node = self._logic.GetLayoutNode()
        self._shown: int | None = None
        self._tags = [
            (self._node, self._node.AddObserver("ModifiedEvent", self._update)),
            (scene, scene.AddObserver(scene.EndBatchProcessEvent, self._update)),
        ]
        if self._node.GetViewArrangement() < self._node.SlicerLayoutConventionalView:
            self._node.SetViewArrangement(self._node.SlicerLayoutOneUpRedSliceView)
        self._update()

    # As in qMRMLLayoutManager.

    def setLayout(self, layout: int) -> None:
        """Change the layout; a number the layout node knows, such as vtkMRMLLayoutNode.SlicerLayoutSideBySideView.

        Raises:
            ValueError: the layout node has no such layout.
        """
        if not self._node.IsLayoutDescription(int(layout)):
            raise ValueError(f"There is no layout {layout}")
        self._node.SetViewArrangement(int(layout))

    @property
    def layout(self) -> int:
        """The number of the current layout."""
        return int(self._node.GetViewArrangement())

    @layout.setter
    def layout(self, layout: int) -> None:
        self.setLayout(layout)

    def layoutLogic(self) -> Any:
        """The logic that makes view nodes from a layout."""
        return self._logic

    def mrmlScene(self) -> Any:
        """The scene."""
        return self._scene

    def viewport(self) -> QWidget | None:
        """The widget in which the views stand."""
        return self._viewport

    def setViewport(self, viewport: QWidget | None) -> None:
        """Put the views into a widget (which gets a layout of its own), or nowhere until another widget takes them."""
        if self._root is not None and shiboken6.isValid(self._root):
            self._root.setParent(None)
        self._viewport = viewport
        if viewport is None:
            return
        if viewport.layout() is None:
            column = QVBoxLayout(viewport)
            column.setContentsMargins(0, 0, 0, 0)
        self._shown = None
        self._update()

    def sliceWidget(self, name: str) -> qMRMLSliceWidget | None:
        """The slice widget of a name ("Red"); None when no layout so far had it."""
        widget = self._widgets.get(f"vtkMRMLSliceNode{name}")
        return widget if isinstance(widget, qMRMLSliceWidget) else None

    def sliceViewNames(self) -> tuple[str, ...]:
        """Names of all slice widgets, of those not in the current layout too."""
        return tuple(
            w.mrmlSliceNode().GetLayoutName() for w in self._widgets.values() if isinstance(w, qMRMLSliceWidget)
        )

    def mrmlSliceLogics(self) -> Any:
        """A vtkCollection of the slice views' logics."""
        return self._application_logic.GetSliceLogics()

    @property
    def plotViewCount(self) -> int:
        """How many plot widgets there are."""
        return len(self._plots())

    def plotWidget(self, index: int) -> qMRMLPlotWidget | None:
        """The plot widget of a number; None when there are fewer."""
        plots = self._plots()
        return plots[index] if 0 <= index < len(plots) else None

    @property
    def threeDViewCount(self) -> int:
        """0: the host has no 3D view."""
        return 0

    @property
    def tableViewCount(self) -> int:
        """0: the host has no table view."""
        return 0

    def viewWidget(self, node: Any) -> QWidget | None:
        """The widget that shows a view node; None when there is none."""
        return self._widgets.get(node.GetID()) if node is not None else None

    def resetSliceViews(self) -> None:
        """Show the whole background volume in each slice view."""
        for name in self.sliceViewNames():
            widget = self.sliceWidget(name)
            if widget is not None:
                widget.fitSliceToBackground()

    def resetThreeDViews(self) -> None:
        """Nothing to do: the host has no 3D view."""

    def _plots(self) -> list[qMRMLPlotWidget]:
        return [widget for widget in self._widgets.values() if isinstance(widget, qMRMLPlotWidget)]

    # Building.

    def _update(self, *_: Any) -> None:
        layout = self.layout
        if layout == self._shown or self._scene.IsBatchProcessing():
            return
        element = self._node.GetLayoutRootElement()
        if element is None:
            return
        self._shown = layout
        for place in self._places:
            place.deleteLater()
        self._places.clear()
        self._widgets = {i: widget for i, widget in self._widgets.items() if shiboken6.isValid(widget)}
        for widget in self._widgets.values():
            widget.hide()
            widget.setParent(self._viewport)
        old = self._root if self._root is not None and shiboken6.isValid(self._root) else None
        self._root = self._build(element)
        if self._viewport is not None:
            column = self._viewport.layout()
            if old is not None:
                column.removeWidget(old)
            column.addWidget(self._root)
            self._root.show()
        if old is not None and old not in self._widgets.values():
            old.deleteLater()
        self.layoutChanged.emit(layout)

    def _build(self, element: Any) -> QWidget:
        """The widget of an element of a layout's description: a layout, an item in it, or a view."""
        name = element.GetName()
        children = [element.GetNestedElement(index) for index in range(element.GetNumberOfNestedElements())]
        if name == "view":
            return self._view(element)
        if name in ("item", "viewports"):
            return self._build(children[0])
        kind = element.GetAttribute("type") or "horizontal"
        if kind == "tab":
            return self._tabs(children)
        if kind == "grid":
            return self._grid(children)
        orientation = Qt.Orientation.Vertical if kind == "vertical" else Qt.Orientation.Horizontal
        sizes = [int(child.GetAttribute("splitSize") or 500) for child in children]
        return self._row([self._build(child) for child in children], orientation, sizes)

    def _row(self, widgets: list[QWidget], orientation: Qt.Orientation, sizes: list[int] | None = None) -> QWidget:
        if len(widgets) == 1:
            return widgets[0]
        splitter = QSplitter(orientation)
        splitter.setChildrenCollapsible(False)
        splitter.setHandleWidth(3)
        for widget in widgets:
            splitter.addWidget(widget)
            widget.show()
        for index, share in enumerate(sizes or [1] * len(widgets)):
            splitter.setStretchFactor(index, share)
        splitter.setSizes([10 * share for share in sizes or [100] * len(widgets)])
        return splitter

    def _tabs(self, items: list[Any]) -> QWidget:
        tabs = QTabWidget()
        for item in items:
            tabs.addTab(self._build(item), item.GetAttribute("name") or "")
        return tabs

    def _grid(self, items: list[Any]) -> QWidget:
        """A grid as rows of equal height, each a row of equal widths."""
        rows: dict[int, list[QWidget]] = {}
        for item in items:
            rows.setdefault(int(item.GetAttribute("row") or 0), []).append(self._build(item))
        lines = [self._row(widgets, Qt.Orientation.Horizontal) for _, widgets in sorted(rows.items())]
        return self._row(lines, Qt.Orientation.Vertical)

    def _view(self, element: Any) -> QWidget:
        node = self._logic.GetViewFromElement(element)
        make = VIEW_WIDGETS.get(element.GetAttribute("class"))
        if node is None or make is None:
            place = QLabel(self.tr("The host has no view of this kind."))
            place.setAlignment(Qt.AlignmentFlag.AlignCenter)
            place.setEnabled(False)
            self._places.append(place)
            return place
        widget = self._widgets.get(node.GetID())
        if widget is None or not shiboken6.isValid(widget):
            widget = make(node, self._application_logic)
            self._widgets[node.GetID()] = widget
            if isinstance(widget, qMRMLSliceWidget):
                self.mrmlSliceLogics().AddItem(widget.sliceLogic())
        return widget

    def finalize(self) -> None:
        """Let go of the scene and of the views' graphics resources; at the end of the program."""
        for subject, tag in self._tags:
            subject.RemoveObserver(tag)
        self._tags.clear()
        self.mrmlSliceLogics().RemoveAllItems()
        for widget in self._widgets.values():
            widget.finalize()
        self._widgets.clear()


def install(slicer_module: Any) -> qMRMLLayoutManager:
    """Make the manager that `slicer.app.layoutManager()` returns; its views have no window until one asks for them."""
    manager = qMRMLLayoutManager(slicer_module.app.applicationLogic(), slicer_module.mrmlScene)
    slicer_module.app.setLayoutManager(manager)
    for cls in (qMRMLLayoutManager, qMRMLSliceWidget, qMRMLSliceView, qMRMLPlotWidget, qMRMLPlotView):
        setattr(slicer_module, cls.__name__, cls)
    return manager
