"""Reading files into the scene: one function for each way in which Slicer's readers do it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import slicer
import vtk
from vtkmodules.util.numpy_support import vtk_to_numpy

Properties = Mapping[str, Any]

PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
STORAGE = {
    "TransformFile": ("vtkMRMLTransformNode", "vtkMRMLTransformStorageNode"),
    "ModelFile": ("vtkMRMLModelNode", "vtkMRMLModelStorageNode"),
    "ColorTableFile": ("vtkMRMLColorTableNode", "vtkMRMLColorTableStorageNode"),
    "TableFile": ("vtkMRMLTableNode", "vtkMRMLTableStorageNode"),
    "TextFile": ("vtkMRMLTextNode", "vtkMRMLTextStorageNode"),
    "SequenceFile": ("vtkMRMLSequenceNode", "vtkMRMLVolumeSequenceStorageNode"),
}
# Rows in the order of VTK's other readers, whatever the file says (TIFF's own number for it).
TIFF_FROM_BELOW = 4
VOLUME_OPTIONS = (("labelmap", 1), ("center", 2), ("singleFile", 4), ("autoWindowLevel", 8), ("discardOrientation", 16))


def fail(messages: Any, text: str) -> bool:
    """Note why something failed, among the messages or in the log; always False."""
    if messages is not None:
        messages.AddMessage(vtk.vtkCommand.ErrorEvent, text)
    else:
        logging.getLogger(__name__).error(text)
    return False


def _node_name(path: Path, properties: Properties) -> str:
    known = slicer.app.coreIOManager().extractKnownExtension(path.name)
    return str(properties.get("name") or path.name[: len(path.name) - len(known)] or path.name)


def load_volume(path: Path, properties: Properties, messages: Any) -> list[Any]:
    """A volume: by the Volumes logic, or a picture; shown in the slice views unless "show" says no."""
    name = _node_name(path, properties)
    if path.suffix.lower() in PICTURES:
        volume = _load_picture(path, name, labelmap=bool(properties.get("labelmap")))
    else:
        options = sum(bit for key, bit in VOLUME_OPTIONS if properties.get(key, key == "autoWindowLevel"))
        files = vtk.vtkStringArray()
        for file_name in properties.get("fileNames", ()):
            files.InsertNextValue(str(file_name))
        logic = slicer.app.applicationLogic().GetModuleLogic("Volumes")
        collected = messages if messages is not None else slicer.vtkMRMLMessageCollection()
        volume = logic.AddArchetypeVolume(str(path), name, options, files, collected)
    if volume is None:
        fail(messages, f"{path.name} could not be read as a volume")
        return []
    display = volume.GetDisplayNode()
    if display is not None and properties.get("colorNodeID"):
        display.SetAndObserveColorNodeID(properties["colorNodeID"])
    if properties.get("show", True):
        _show_volume(volume)
    return [volume]


def _show_volume(volume: Any) -> None:
    """Show a volume in all slice views, as Slicer does after loading."""
    logic = slicer.app.applicationLogic()
    selection = logic.GetSelectionNode()
    if volume.IsA("vtkMRMLLabelMapVolumeNode"):
        selection.SetActiveLabelVolumeID(volume.GetID())
    else:
        selection.SetActiveVolumeID(volume.GetID())
    logic.PropagateVolumeSelection()


def _load_picture(path: Path, name: str, *, labelmap: bool) -> Any:
    """A PNG, JPEG, TIFF or BMP as a volume in Slicer's geometry: pixels of 1 mm, rows and columns along -R and -A."""
    reader = vtk.vtkImageReader2Factory.CreateImageReader2(str(path))
    if reader is None:
        return None
    reader.SetFileName(str(path))
    if reader.IsA("vtkTIFFReader"):
        reader.SetOrientationType(TIFF_FROM_BELOW)
    reader.Update()
    image = reader.GetOutput()
    scalars = image.GetPointData().GetScalars()
    if scalars is None:
        return None
    columns, rows, slices = image.GetDimensions()
    pixels = vtk_to_numpy(scalars).reshape(slices, rows, columns, -1)[:, ::-1]
    if pixels.shape[3] == 1:
        class_name = "vtkMRMLLabelMapVolumeNode" if labelmap else "vtkMRMLScalarVolumeNode"
        pixels = pixels[..., 0]
    else:
        class_name = "vtkMRMLVectorVolumeNode"
    volume = slicer.mrmlScene.AddNewNodeByClass(class_name, name)
    slicer.util.updateVolumeFromArray(volume, np.ascontiguousarray(pixels))
    volume.SetIJKToRASDirections(-1, 0, 0, 0, -1, 0, 0, 0, 1)
    volume.CreateDefaultDisplayNodes()
    return volume


def load_markups(path: Path, properties: Properties, messages: Any) -> list[Any]:
    """Markups of any kind."""
    logic = slicer.app.applicationLogic().GetModuleLogic("Markups")
    collected = messages if messages is not None else slicer.vtkMRMLMessageCollection()
    ids = logic.LoadMarkups(str(path), _node_name(path, properties), collected)
    nodes = [slicer.mrmlScene.GetNodeByID(i) for i in (ids or "").split(",") if i]
    return [node for node in nodes if node is not None]


def load_segmentation(path: Path, properties: Properties, _messages: Any) -> list[Any]:
    """A segmentation."""
    logic = slicer.app.applicationLogic().GetModuleLogic("Segmentations")
    node = logic.LoadSegmentationFromFile(str(path), True, _node_name(path, properties))
    return [node] if node is not None else []


def load_by_storage(
    path: Path, properties: Properties, messages: Any, node_class: str, storage_class: str
) -> list[Any]:
    """A node of a class, filled by a storage node of a class; nothing stays in the scene when that fails."""
    scene = slicer.mrmlScene
    storage = scene.AddNewNodeByClass(storage_class)
    storage.SetFileName(str(path))
    node = scene.AddNewNodeByClass(node_class, _node_name(path, properties))
    node.SetAndObserveStorageNodeID(storage.GetID())
    if storage.ReadData(node):
        if hasattr(node, "CreateDefaultDisplayNodes") and not node.IsA("vtkMRMLTransformNode"):
            node.CreateDefaultDisplayNodes()
        return [node]
    if messages is not None:
        messages.AddMessages(storage.GetUserMessages())
    scene.RemoveNode(node)
    scene.RemoveNode(storage)
    return []
