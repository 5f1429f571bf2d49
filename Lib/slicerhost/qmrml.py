"""The qMRML widgets: Qt widgets that show and choose nodes of the scene.

Signals carry nodes as Python objects; `connect("currentNodeChanged(vtkMRMLNode*)", f)` finds them all the same.
"""

from __future__ import annotations

from typing import Any

import shiboken6
import vtk
from PySide6.QtCore import Property, Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QInputDialog, QLineEdit, QWidget

from .dialect.attributes import stands_for_cpp
from .dialect.uiloader import CUSTOM_WIDGETS

_FLAGS = (
    "showHidden", "showChildNodeTypes", "noneEnabled", "addEnabled", "removeEnabled", "editEnabled", "renameEnabled",
    "selectNodeUponCreation",
)  # fmt: skip


def _flag(name: str) -> tuple[Any, Any]:
    """A yes-or-no property of the combo box, and its setter."""

    def setter(self: Any, value: bool) -> None:
        self._flags[name] = bool(value)
        self._refresh()

    return Property(bool, lambda self: self._flags[name], setter), setter


@stands_for_cpp
class qMRMLWidget(QWidget):
    """A widget that knows a scene and tells it on: the root of a module's panel."""

    mrmlSceneChanged = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene: Any = None

    def mrmlScene(self) -> Any:
        """The scene, or None."""
        return self._scene

    def setMRMLScene(self, scene: Any) -> None:
        """Set the scene and send `mrmlSceneChanged`; widgets get it only where the .ui file connects them."""
        if scene is not self._scene:
            self._scene = scene
            self.mrmlSceneChanged.emit(scene)


@stands_for_cpp
class qMRMLNodeComboBox(QWidget):
    """A list of the scene's nodes of some types, with entries to make, rename and delete one.

    Without a scene it is empty and disabled. Without `noneEnabled` the first node becomes current by itself.
    """

    currentNodeChanged = Signal((object,), (bool,))
    currentNodeIDChanged = Signal(str)
    nodeActivated = Signal(object)
    nodeAdded = Signal(object)
    nodeAddedByUser = Signal(object)
    nodeAboutToBeRemoved = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene: Any = None
        self._tags: list[int] = []
        self._node_tags: dict[str, int] = {}
        self._ids: list[str] = []
        self._current = ""
        self._types: list[str] = []
        self._hidden_types: list[str] = []
        self._attributes: dict[tuple[str, str], str | None] = {}
        self._base_name, self._none_display = "", "None"
        self._flags = dict.fromkeys(_FLAGS, False) | {
            "showChildNodeTypes": True,
            "addEnabled": True,
            "removeEnabled": True,
        }
        self._actions: dict[int, Any] = {}
        self._box = QComboBox()
        self._box.setMinimumContentsLength(8)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._box)
        self.setFocusProxy(self._box)
        self._box.setEnabled(False)
        self._box.connect("activated(int)", self._activated)  # type: ignore[call-overload]

    # The scene

    def mrmlScene(self) -> Any:
        """The scene, or None."""
        return self._scene

    def setMRMLScene(self, scene: Any) -> None:
        """Show this scene's nodes and follow its changes."""
        if scene is self._scene:
            return
        self._unobserve()
        self._scene = scene
        self._box.setEnabled(scene is not None)
        if scene is not None:
            events = (scene.NodeAddedEvent, scene.NodeRemovedEvent, scene.EndCloseEvent, scene.EndImportEvent)
            self._tags = [scene.AddObserver(event, self._on_scene) for event in (*events, scene.EndBatchProcessEvent)]
        self._refresh()

    def _unobserve(self) -> None:
        for tag in self._tags:
            self._scene.RemoveObserver(tag)
        for node_id, tag in self._node_tags.items():
            node = self._scene.GetNodeByID(node_id)
            if node is not None:
                node.RemoveObserver(tag)
        self._tags, self._node_tags = [], {}

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _on_scene(self, scene: Any, event: str, node: Any = None) -> None:
        if not shiboken6.isValid(self):
            for tag in self._tags:
                scene.RemoveObserver(tag)
            return
        if scene.IsBatchProcessing() or scene.IsClosing():
            return
        if event == "NodeAddedEvent" and node is not None and self._fits(node):
            self._refresh()
            self.nodeAdded.emit(node)
            return
        self._refresh()

    def _on_node(self, *_: Any) -> None:
        if shiboken6.isValid(self):
            self._refresh()

    # What is shown

    def _fits(self, node: Any) -> bool:
        if node.GetHideFromEditors() and not self._flags["showHidden"]:
            return False
        if any(node.IsA(t) for t in self._hidden_types):
            return False
        children = self._flags["showChildNodeTypes"]
        of_type = [t for t in self._types if (node.IsA(t) if children else node.GetClassName() == t)]
        return any(self._attributes_fit(node, t) for t in of_type)

    def _attributes_fit(self, node: Any, node_type: str) -> bool:
        wanted = [(name, value) for (of, name), value in self._attributes.items() if of == node_type]
        values = [(node.GetAttribute(name), value) for name, value in wanted]
        return all(has is not None and (value is None or has == value) for has, value in values)

    def nodes(self) -> list[Any]:
        """The nodes in the list, in its order."""
        return [self._scene.GetNodeByID(i) for i in self._ids if i] if self._scene is not None else []

    def nodeCount(self) -> int:
        """How many nodes are in the list."""
        return len(self.nodes())

    def nodeFromIndex(self, index: int) -> Any:
        """A node by its place in the list, or None."""
        nodes = self.nodes()
        return nodes[index] if 0 <= index < len(nodes) else None

    def _matching(self) -> list[Any]:
        if self._scene is None:
            return []
        found: list[Any] = []
        for i in range(self._scene.GetNumberOfNodes()):
            node = self._scene.GetNthNode(i)
            if self._fits(node):
                found.append(node)
        return found

    def _refresh(self) -> None:
        nodes = self._matching()
        self._box.clear()
        self._ids = []
        if self._flags["noneEnabled"]:
            self._box.addItem(self._none_display)
            self._ids.append("")
        for node in nodes:
            self._box.addItem(node.GetName() or "")
            self._ids.append(node.GetID())
            if node.GetID() not in self._node_tags:
                self._node_tags[node.GetID()] = node.AddObserver(vtk.vtkCommand.ModifiedEvent, self._renamed)
        self._add_actions()
        wanted = self._current if self._current in self._ids else ""
        if not wanted and not self._flags["noneEnabled"] and nodes:
            wanted = nodes[0].GetID()
        self._select(wanted)

    def _renamed(self, node: Any, _event: str) -> None:
        if not shiboken6.isValid(self) or node.GetID() not in self._ids:
            return
        index = self._ids.index(node.GetID())
        if self._box.itemText(index) != (node.GetName() or ""):
            self._box.setItemText(index, node.GetName() or "")

    def _add_actions(self) -> None:
        if self._scene is None:
            return
        actions: list[tuple[str, Any]] = []
        if self._flags["renameEnabled"]:
            actions.append(("Rename current node", self.renameCurrentNode))
        if self._flags["addEnabled"]:
            actions += [(f"Create new {self._type_label(t)}", lambda t=t: self._add_by_user(t)) for t in self._types]
        if self._flags["removeEnabled"]:
            actions.append(("Delete current node", self.removeCurrentNode))
        if actions and self._box.count:
            self._box.insertSeparator(self._box.count)
        self._actions = {}
        for text, action in actions:
            self._actions[self._box.count] = action
            self._box.addItem(text)

    def _type_label(self, node_type: str) -> str:
        node = self._scene.CreateNodeByClass(node_type)
        if node is None:
            return node_type
        node.UnRegister(None)
        return str(node.GetTypeDisplayName() if hasattr(node, "GetTypeDisplayName") else node.GetNodeTagName())

    # What is chosen

    def _activated(self, index: int) -> None:
        action = self._actions.get(index)
        if action is not None:
            self._show_current()
            action()
        elif 0 <= index < len(self._ids):
            self._select(self._ids[index])
            self.nodeActivated.emit(self.currentNode())

    def _show_current(self) -> None:
        self._box.setCurrentIndex(self._ids.index(self._current) if self._current in self._ids else -1)

    def _select(self, node_id: str) -> None:
        changed, self._current = node_id != self._current, node_id
        self._show_current()
        if changed:
            node = self.currentNode()
            self.currentNodeChanged.emit(node)
            self.currentNodeChanged[bool].emit(node is not None)
            self.currentNodeIDChanged.emit(node_id)

    def currentNode(self) -> Any:
        """The chosen node, or None."""
        return self._scene.GetNodeByID(self._current) if self._scene is not None and self._current else None

    def setCurrentNode(self, node: Any) -> None:
        """Choose a node, or an id; None chooses nothing."""
        self.setCurrentNodeID(node if isinstance(node, str) else (node.GetID() or "") if node is not None else "")

    def setCurrentNodeID(self, node_id: str) -> None:
        """Choose a node by its id; an id that is not in the list chooses nothing."""
        self._select(node_id if node_id in self._ids else "")

    def setCurrentNodeIndex(self, index: int) -> None:
        """Choose a node by its place in the list, "None" not counted."""
        self.setCurrentNode(self.nodeFromIndex(index))

    def addNode(self, node_type: str = "") -> Any:
        """Make a node of the type (the first one when not given), with the base name; it becomes current."""
        node_type = node_type or (self._types[0] if self._types else "")
        if self._scene is None or node_type not in self._types:
            return None
        name = self._scene.GenerateUniqueName(self._base_name or self._type_label(node_type))
        node = self._scene.CreateNodeByClass(node_type)
        node.UnRegister(None)
        node.SetName(name)
        for (of, attribute), value in self._attributes.items():
            if of == node_type:
                node.SetAttribute(attribute, value or "")
        node = self._scene.AddNode(node)
        if self._flags["selectNodeUponCreation"] or not self._current:
            self.setCurrentNode(node)
        return node

    def _add_by_user(self, node_type: str) -> None:
        node = self.addNode(node_type)
        self.setCurrentNode(node)
        self.nodeAddedByUser.emit(node)

    def removeCurrentNode(self) -> None:
        """Remove the chosen node from the scene."""
        node = self.currentNode()
        if node is not None:
            self.nodeAboutToBeRemoved.emit(node)
            self._scene.RemoveNode(node)

    def renameCurrentNode(self) -> None:
        """Ask for another name of the chosen node."""
        node = self.currentNode()
        if node is None:
            return
        name = QInputDialog.getText(self, "Rename", "New name:", QLineEdit.EchoMode.Normal, node.GetName() or "")
        if name:
            node.SetName(name)

    # Settings

    def setNodeTypes(self, types: list[str]) -> None:
        """Set the classes of nodes to show."""
        self._types = [str(t) for t in types]
        self._refresh()

    def setHideChildNodeTypes(self, types: list[str]) -> None:
        """Set classes not to show although they derive from those shown."""
        self._hidden_types = [str(t) for t in types]
        self._refresh()

    def addAttribute(self, node_type: str, name: str, value: Any = None) -> None:
        """Show only nodes of the type that have the attribute (with this value, where one is given)."""
        self._attributes[(node_type, name)] = None if value is None else str(value)
        self._refresh()

    def removeAttribute(self, node_type: str, name: str) -> None:
        """Undo `addAttribute`."""
        self._attributes.pop((node_type, name), None)
        self._refresh()

    def setBaseName(self, name: str, _node_type: str = "") -> None:
        """Set the name from which new nodes' names are made."""
        self._base_name = name

    def setNoneDisplay(self, text: str) -> None:
        """Set the text of the entry that chooses nothing."""
        self._none_display = text
        self._refresh()

    currentNodeID = Property(str, lambda self: self._current, setCurrentNodeID, notify=currentNodeIDChanged)
    nodeTypes = Property("QStringList", lambda self: list(self._types), setNodeTypes)
    hideChildNodeTypes = Property("QStringList", lambda self: list(self._hidden_types), setHideChildNodeTypes)
    baseName = Property(str, lambda self: self._base_name, setBaseName)
    noneDisplay = Property(str, lambda self: self._none_display, setNoneDisplay)
    showHidden, setShowHidden = _flag("showHidden")
    showChildNodeTypes, setShowChildNodeTypes = _flag("showChildNodeTypes")
    noneEnabled, setNoneEnabled = _flag("noneEnabled")
    addEnabled, setAddEnabled = _flag("addEnabled")
    removeEnabled, setRemoveEnabled = _flag("removeEnabled")
    editEnabled, setEditEnabled = _flag("editEnabled")
    renameEnabled, setRenameEnabled = _flag("renameEnabled")
    selectNodeUponCreation, setSelectNodeUponCreation = _flag("selectNodeUponCreation")


def install(slicer: Any) -> None:
    """Offer the widgets in the module `slicer` and to .ui files."""
    for cls in (qMRMLWidget, qMRMLNodeComboBox):
        setattr(slicer, cls.__name__, cls)
        CUSTOM_WIDGETS[cls.__name__] = cls
