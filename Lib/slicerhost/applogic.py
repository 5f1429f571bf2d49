"""The scene, the application logic and the module logics, as Slicer's application object sets them up at start.

`install(slicer)` makes `slicer.mrmlScene` and fills `slicer.modules` with the modules whose logic slicer-core ships.
What desktop Slicer does in Qt plugins and module classes (subject hierarchy items that come and go with their nodes,
default slice orientations, modules that answer to one another) is done here by observers on the scene.
"""

from __future__ import annotations

import sys
import tempfile
import types
from typing import Any

import vtk

# Module name -> class of its logic in slicer-core. The order is the one in which Slicer's dependencies ask for them.
MODULE_LOGICS = {
    "Units": "vtkSlicerUnitsLogic",
    "SubjectHierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "Annotations": "vtkSlicerAnnotationModuleLogic",
    "Cameras": "vtkSlicerCamerasModuleLogic",
    "CropVolume": "vtkSlicerCropVolumeLogic",
    "Data": "vtkSlicerDataModuleLogic",
    "Markups": "vtkSlicerMarkupsLogic",
    "Models": "vtkSlicerModelsLogic",
    "Plots": "vtkSlicerPlotsLogic",
    "Reformat": "vtkSlicerReformatLogic",
    "SceneViews": "vtkSlicerSceneViewsModuleLogic",
    "Segmentations": "vtkSlicerSegmentationsModuleLogic",
    "Sequences": "vtkSlicerSequencesLogic",
    "Tables": "vtkSlicerTablesLogic",
    "Texts": "vtkSlicerTextsLogic",
    "Transforms": "vtkSlicerTransformLogic",
    "ViewControllers": "vtkSlicerViewControllersLogic",
    "Volumes": "vtkSlicerVolumesLogic",
}

# Node class -> name of the subject hierarchy plugin that owns its items in Slicer; the first that fits counts.
SUBJECT_HIERARCHY_OWNERS = (
    ("vtkMRMLSegmentationNode", "Segmentations"),
    ("vtkMRMLLabelMapVolumeNode", "LabelMaps"),
    ("vtkMRMLVolumeNode", "Volumes"),
    ("vtkMRMLMarkupsNode", "Markups"),
    ("vtkMRMLModelNode", "Models"),
    ("vtkMRMLTableNode", "Tables"),
    ("vtkMRMLTextNode", "Texts"),
    ("vtkMRMLTransformNode", "Transforms"),
    ("vtkMRMLPlotChartNode", "Plots"),
    ("vtkMRMLPlotSeriesNode", "Plots"),
)

EXCLUDE_FROM_TREE = "SubjectHierarchy.ExcludeFromTree"


class CoreModule:
    """A module that has a logic and no panel: what `slicer.modules.markups` answers to in a script."""

    def __init__(self, name: str, logic: Any) -> None:
        self.name = name
        self.title = name
        self.path = ""
        self._logic = logic

    def logic(self) -> Any:
        """The module's logic, connected to `slicer.mrmlScene`."""
        return self._logic

    def widgetRepresentation(self) -> None:
        """None: the host has no panel for Slicer's own modules."""
        return

    def __repr__(self) -> str:
        return f"<module {self.name} (logic only)>"


class SubjectHierarchyKeeper:
    """Keeps one subject hierarchy in a scene, with an item for every node that Slicer's plugins would give one.

    Source: qSlicerSubjectHierarchyPluginLogic (items are added with the node, removed with it, and completed after an
    import; a closed scene gets a new, empty hierarchy).
    """

    def __init__(self, slicer: Any, scene: Any) -> None:
        self._slicer = slicer
        self._scene = scene
        self._tags = [
            scene.AddObserver(scene.NodeAddedEvent, self._node_added),
            scene.AddObserver(scene.NodeAboutToBeRemovedEvent, self._node_about_to_be_removed),
            scene.AddObserver(scene.EndImportEvent, self._import_ended),
            scene.AddObserver(scene.EndCloseEvent, self._close_ended),
        ]
        self.hierarchy()

    def hierarchy(self) -> Any:
        """The scene's one subject hierarchy node; made when there is none, merged when there are several."""
        return self._slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(self._scene)

    def owner(self, node: Any) -> str | None:
        """Name of the plugin that owns items of such a node; None when the node gets no item."""
        if node.GetHideFromEditors() or node.GetAttribute(EXCLUDE_FROM_TREE):
            return None
        return next((owner for class_name, owner in SUBJECT_HIERARCHY_OWNERS if node.IsA(class_name)), None)

    def add(self, node: Any) -> None:
        """Give a node its item below the scene, unless it has one or gets none."""
        owner = self.owner(node)
        if owner is None:
            return
        hierarchy = self.hierarchy()
        if hierarchy.GetItemByDataNode(node):
            return
        item = hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)
        hierarchy.SetItemOwnerPluginName(item, owner)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _node_added(self, scene: Any, _event: str, node: Any) -> None:
        if node is not None and node.IsA("vtkMRMLSubjectHierarchyNode"):
            self.hierarchy()
        elif node is not None and not scene.IsImporting():
            self.add(node)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _node_about_to_be_removed(self, scene: Any, _event: str, node: Any) -> None:
        if node is None or scene.IsClosing() or node.IsA("vtkMRMLSubjectHierarchyNode"):
            return
        hierarchy = self.hierarchy()
        item = hierarchy.GetItemByDataNode(node)
        if item:
            hierarchy.RemoveItem(item, False, False)

    def _import_ended(self, scene: Any, _event: str) -> None:
        self.hierarchy()
        for class_name in ("vtkMRMLStorableNode", "vtkMRMLPlotChartNode", "vtkMRMLPlotSeriesNode"):
            nodes = scene.GetNodesByClass(class_name)
            nodes.UnRegister(None)
            for index in range(nodes.GetNumberOfItems()):
                self.add(nodes.GetItemAsObject(index))

    def _close_ended(self, _scene: Any, _event: str) -> None:
        self.hierarchy()


def install(slicer: Any) -> Any:
    """Make `slicer.mrmlScene` and the module logics; returns the application logic.

    Sets `slicer.mrmlScene`, `slicer.modules.<name>` and `slicer.moduleNames.<Name>` for the modules in `MODULE_LOGICS`
    and Colors. A second call returns the same logic.

    Args:
        slicer: the module `slicer` of slicer-core.

    Returns:
        the vtkSlicerApplicationLogic; what `slicer.app.applicationLogic()` has to return.
    """
    existing = getattr(slicer, "_host_application_logic", None)
    if existing is not None:
        return existing
    scene = slicer.mrmlScene if getattr(slicer, "mrmlScene", None) is not None else slicer.vtkMRMLScene()
    slicer.mrmlScene = scene
    logic = slicer.vtkSlicerApplicationLogic()
    logic.SetMRMLScene(scene)
    logic.SetSliceLogics(vtk.vtkCollection())
    logic.SetViewLogics(vtk.vtkCollection())
    _install_data_io(slicer, logic, scene)
    slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene, True)
    slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance().SetMRMLApplicationLogic(logic)
    slicer.vtkMRMLThreeDViewDisplayableManagerFactory.GetInstance().SetMRMLApplicationLogic(logic)
    _install_colors(slicer, logic)
    for name, class_name in MODULE_LOGICS.items():
        _install_module(slicer, logic, name, class_name)
    _set_defaults(slicer, scene)
    slicer._host_application_logic = logic
    slicer._host_subject_hierarchy = SubjectHierarchyKeeper(slicer, scene)
    return logic


def _namespace(slicer: Any, name: str) -> Any:
    """`slicer.modules` or `slicer.moduleNames`: the one that is there, or a new one, importable by its name."""
    namespace = getattr(slicer, name, None)
    if namespace is None or callable(namespace):
        namespace = types.ModuleType(f"slicer.{name}")
        setattr(slicer, name, namespace)
        sys.modules[f"slicer.{name}"] = namespace
    return namespace


def _register(slicer: Any, name: str, module_logic: Any) -> None:
    setattr(_namespace(slicer, "modules"), name.lower(), CoreModule(name, module_logic))
    setattr(_namespace(slicer, "moduleNames"), name, name)


def _install_colors(slicer: Any, logic: Any) -> None:
    colors = slicer.vtkMRMLColorLogic()
    colors.SetMRMLScene(slicer.mrmlScene)
    colors.AddDefaultColorNodes()
    logic.SetColorLogic(colors)
    logic.SetModuleLogic("Colors", colors)
    _register(slicer, "Colors", colors)


def _install_module(slicer: Any, logic: Any, name: str, class_name: str) -> None:
    module_class = getattr(slicer, class_name, None)
    if module_class is None:
        return
    module_logic = module_class()
    if not module_logic.IsA("vtkMRMLAbstractLogic"):
        return
    module_logic.SetMRMLApplicationLogic(logic)
    module_logic.SetMRMLScene(slicer.mrmlScene)
    logic.SetModuleLogic(name, module_logic)
    _register(slicer, name, module_logic)


def _set_defaults(slicer: Any, scene: Any) -> None:
    """What Slicer sets as defaults for new nodes: slice views that show the size of things, and a crosshair node."""
    if scene.GetFirstNodeByClass("vtkMRMLCrosshairNode") is None:
        crosshair = slicer.vtkMRMLCrosshairNode()
        crosshair.SetCrosshairName("default")
        scene.AddNode(crosshair)


def _install_data_io(slicer: Any, logic: Any, scene: Any) -> None:
    """Where scene bundles are unpacked to: the application's temporary folder, as in Slicer."""
    folder = str(getattr(getattr(slicer, "app", None), "temporaryPath", "") or tempfile.gettempdir())
    logic.SetTemporaryPath(folder)
    remote = slicer.vtkMRMLRemoteIOLogic()
    remote.SetMRMLScene(scene)
    remote.GetCacheManager().SetRemoteCacheDirectory(folder)
    data_io = slicer.vtkDataIOManagerLogic()
    data_io.SetMRMLApplicationLogic(logic)
    data_io.SetAndObserveDataIOManager(remote.GetDataIOManager())
    logic.SetMRMLSceneDataIO(scene, remote, data_io)
    slicer._host_data_io = (remote, data_io)
