"""Reading and writing: what `slicer.app.coreIOManager()` does in Slicer, for the nodes that slicer-core can store.

The real storage nodes and logics do the work; this is the part of Slicer that chooses among them by file name and type.
PNG, JPEG, TIFF and BMP, which slicer-core reads through ITK parts it does not ship, come in by VTK's readers, with the
geometry that Slicer gives them.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import slicer
import vtk

from .dialect.attributes import stands_for_cpp
from .readers import PICTURES, STORAGE, Properties, fail, load_by_storage, load_markups, load_segmentation, load_volume


@dataclass(frozen=True)
class FileType:
    """One kind of file: Slicer's name for it, a description, and the endings it is known by."""

    name: str
    description: str
    extensions: tuple[str, ...]


MEDICAL_IMAGES = (".nrrd", ".nhdr", ".nii", ".nii.gz", ".mha", ".mhd", ".hdr", ".img", ".img.gz", ".dcm", ".ima")
FILE_TYPES = (
    FileType("SceneFile", "MRML Scene", (".mrb", ".mrml")),
    FileType("SegmentationFile", "Segmentation", (".seg.nrrd", ".seg.nhdr")),
    FileType("SequenceFile", "Sequence", (".seq.nrrd", ".seq.nhdr")),
    FileType("MarkupsFile", "Markups", (".mrk.json", ".fcsv")),
    FileType("TransformFile", "Transform", (".h5", ".tfm", ".mat")),
    FileType("ModelFile", "Model", (".vtk", ".vtp", ".stl", ".ply", ".obj")),
    FileType("ColorTableFile", "Color", (".ctbl", ".cxml")),
    FileType("TableFile", "Table", (".tsv", ".csv", ".schema.csv")),
    FileType("VolumeFile", "Volume", (*MEDICAL_IMAGES, *PICTURES)),
    FileType("TextFile", "Text", (".txt", ".json", ".xml")),
)
# slicer-core's storage nodes do not list the formats that ITK writes; these it does write.
VOLUME_FORMATS = (
    "NRRD (.nrrd)",
    "NRRD (.nhdr)",
    "NIfTI (.nii.gz)",
    "NIfTI (.nii)",
    "MetaImage (.mha)",
    "MetaImage (.mhd)",
)
# Node class -> file type of Slicer's writer; the first that fits counts.
WRITERS = (
    ("vtkMRMLSegmentationNode", "SegmentationFile"),
    ("vtkMRMLVolumeNode", "VolumeFile"),
    ("vtkMRMLMarkupsNode", "MarkupsFile"),
    ("vtkMRMLModelNode", "ModelFile"),
    ("vtkMRMLTableNode", "TableFile"),
    ("vtkMRMLTextNode", "TextFile"),
    ("vtkMRMLTransformNode", "TransformFile"),
    ("vtkMRMLColorNode", "ColorTableFile"),
    ("vtkMRMLSequenceNode", "SequenceFile"),
    ("vtkMRMLScene", "SceneFile"),
)


@stands_for_cpp
class qSlicerCoreIOManager:
    """Loads and saves nodes and scenes."""

    def __init__(self) -> None:
        self._loaders: dict[str, Callable[[Path, Properties, Any], list[Any]]] = {
            "VolumeFile": load_volume,
            "MarkupsFile": load_markups,
            "SegmentationFile": load_segmentation,
        }

    # What kind of file it is.

    def fileType(self, file_name: str) -> str:
        """Slicer's name for a file's type by its ending: "VolumeFile" ...; "NoFile" for an unknown one.

        A file without ending that begins as DICOM files do is a volume.
        """
        name = Path(str(file_name)).name.lower()
        best = max(
            ((len(e), t.name) for t in FILE_TYPES for e in t.extensions if name.endswith(e)),
            default=(0, "NoFile"),
        )[1]
        return "VolumeFile" if best == "NoFile" and _is_dicom(Path(str(file_name))) else best

    def fileDescription(self, file_name: str) -> str:
        """A word or two for a file's type."""
        kind = self.fileType(file_name)
        return next((t.description for t in FILE_TYPES if t.name == kind), "Unknown")

    def fileWriterFileType(self, node: Any) -> str:
        """The type of file a node is written to; "NoFile" when there is none."""
        return next((kind for class_name, kind in WRITERS if node.IsA(class_name)), "NoFile")

    def fileWriterExtensions(self, node: Any) -> tuple[str, ...]:
        """The formats a node can be written in, as "NRRD (.nrrd)", the storage node's own list."""
        storage = _default_storage(node)
        known = tuple(_strings(storage.GetSupportedWriteFileTypes())) if storage is not None else ()
        return known or (VOLUME_FORMATS if node.IsA("vtkMRMLVolumeNode") else ())

    def defaultSceneFileType(self) -> str:
        """The format scenes are saved in unless told otherwise."""
        return "MRML Scene (.mrml)"

    def allReadableFileExtensions(self) -> tuple[str, ...]:
        """All endings that can be read."""
        return tuple(e for kind in FILE_TYPES for e in kind.extensions)

    def registeredFileReaderCount(self, file_type: str) -> int:
        """How many readers there are for a type of file: one, or none."""
        return sum(kind.name == file_type for kind in FILE_TYPES)

    def extractKnownExtension(self, file_name: str, node: Any = None) -> str:
        """A file's ending as far as it is one that can be written or read (".nii.gz"), in lower case; "" if unknown."""
        name = Path(str(file_name)).name.lower()
        known = {e for kind in FILE_TYPES for e in kind.extensions}
        if node is not None:
            known |= {_extension(text) for text in self.fileWriterExtensions(node)}
        return max((e for e in known if e and name.endswith(e)), key=len, default="")

    # Loading.

    def loadNodes(self, file_type: str, properties: Properties, nodes: Any = None, messages: Any = None) -> bool:
        """Load a file into the scene.

        Args:
            file_type: a name of `FILE_TYPES`; "NoFile" fails.
            properties: "fileName", and what the type of file asks for ("name", "labelmap", "show", "clear" ...).
            nodes: a vtkCollection to which the loaded nodes are added.
            messages: a vtkMRMLMessageCollection for the reasons of a failure.

        Returns:
            whether everything was loaded; nothing half-loaded stays in the scene.
        """
        path = Path(str(properties["fileName"]))
        if not path.exists():
            return fail(messages, f"There is no file {path.name}")
        if file_type == "SceneFile":
            return self.loadScene(str(path), bool(properties.get("clear", False)), messages)
        loader = self._loaders.get(file_type)
        if loader is None and file_type not in STORAGE:
            return fail(messages, f"{path.name} is of no type that can be read here")
        if loader is not None:
            loaded = loader(path, properties, messages)
        else:
            loaded = load_by_storage(path, properties, messages, *STORAGE[file_type])
        for node in loaded:
            if nodes is not None:
                nodes.AddItem(node)
        return bool(loaded)

    def loadNodesAndGetFirst(self, file_type: str, properties: Properties) -> Any:
        """Load a file and return its first node; None on failure."""
        nodes = vtk.vtkCollection()
        return nodes.GetItemAsObject(0) if self.loadNodes(file_type, properties, nodes) else None

    def loadFile(self, file_name: str) -> bool:
        """Load a file of any known type, found by its name."""
        return self.loadNodes(self.fileType(file_name), {"fileName": file_name})

    def loadScene(self, file_name: str, clear: bool = True, messages: Any = None) -> bool:
        """Open a scene (clear: instead of the present one) or add it; a bundle (.mrb) or a .mrml file."""
        scene = slicer.mrmlScene
        if file_name.lower().endswith(".mrb"):
            if not zipfile.is_zipfile(file_name):
                return fail(messages, f"{Path(file_name).name} is no scene bundle (or one cut short)")
            collected = messages if messages is not None else slicer.vtkMRMLMessageCollection()
            with _same_folder():
                return bool(scene.ReadFromMRB(file_name, clear, collected))
        scene.SetURL(file_name)
        return bool(scene.Connect() if clear else scene.Import())

    # Saving.

    def saveNodes(self, file_type: str, properties: Properties, messages: Any = None) -> bool:
        """Write a node ("nodeID") or the scene to "fileName"; the node keeps the file as its own, as in Slicer."""
        path = Path(str(properties["fileName"]))
        if file_type == "SceneFile":
            return self.saveScene(str(path), properties.get("screenShot"), messages)
        node = slicer.mrmlScene.GetNodeByID(properties["nodeID"])
        if node is None:
            return fail(messages, f"There is no node {properties['nodeID']}")
        if node.IsA("vtkMRMLStorableNode") and node.GetStorageNode() is None:
            node.AddDefaultStorageNode()
        if not node.IsA("vtkMRMLStorableNode") or node.GetStorageNode() is None:
            return fail(messages, f"{node.GetName()} can not be saved to a file")
        return self._write(node, node.GetStorageNode(), path, properties, messages)

    def saveScene(self, file_name: str, screen_shot: Any = None, messages: Any = None) -> bool:
        """Write the whole scene: a bundle with all data (.mrb), the scene's description only (.mrml), or a folder."""
        scene, path = slicer.mrmlScene, Path(file_name)
        picture = screen_shot if screen_shot is not None and screen_shot.IsA("vtkImageData") else None
        collected = messages if messages is not None else slicer.vtkMRMLMessageCollection()
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix.lower() == ".mrb":
            with _same_folder():
                return bool(scene.WriteToMRB(str(path.absolute()), picture, collected))
        if path.suffix.lower() == ".mrml":
            scene.SetURL(str(path))
            scene.SetRootDirectory(str(path.parent))
            return bool(scene.Commit(str(path), collected))
        return bool(scene.SaveSceneToSlicerDataBundleDirectory(str(path), picture, collected))

    def exportNodes(
        self,
        node_ids: Iterable[str],
        file_names: Iterable[str],
        properties: Properties | Iterable[Properties],
        harden: bool = False,
        messages: Any = None,
    ) -> bool:
        """Write copies of nodes to files; the nodes' own storage stays as it is.

        Args:
            node_ids: the nodes.
            file_names: one file for each.
            properties: options for all, or for each ("fileFormat", "useCompression").
            harden: write positions in the world's coordinates: transforms are applied to the copy.
            messages: a vtkMRMLMessageCollection for the reasons of a failure.
        """
        ids, names = list(node_ids), list(file_names)
        options = [properties] * len(ids) if isinstance(properties, Mapping) else list(properties)
        written = [self._export(i, Path(n), o, harden, messages) for i, n, o in zip(ids, names, options, strict=True)]
        return all(written)

    def _export(self, node_id: str, path: Path, properties: Properties, harden: bool, messages: Any) -> bool:
        node = slicer.mrmlScene.GetNodeByID(node_id)
        if node is None:
            return fail(messages, f"There is no node {node_id}")
        copies = slicer.vtkMRMLScene()
        copy = copies.AddNode(node.CreateNodeInstance())
        copy.CopyContent(node)
        copy.SetName(node.GetName())
        parent = node.GetParentTransformNode() if hasattr(node, "GetParentTransformNode") else None
        if harden and parent is not None:
            to_world = slicer.vtkMRMLTransformNode()
            to_world.SetAndObserveTransformToParent(_to_world(parent))
            copies.AddNode(to_world)
            copy.SetAndObserveTransformNodeID(to_world.GetID())
            copy.HardenTransform()
        storage = _default_storage(node)
        if storage is None:
            return fail(messages, f"{node.GetName()} can not be saved to a file")
        copies.AddNode(storage)
        copy.SetAndObserveStorageNodeID(storage.GetID())
        return self._write(copy, storage, path, properties, messages)

    def _write(self, node: Any, storage: Any, path: Path, properties: Properties, messages: Any) -> bool:
        path.parent.mkdir(parents=True, exist_ok=True)
        storage.SetFileName(str(path))
        if "useCompression" in properties:
            storage.SetUseCompression(int(bool(properties["useCompression"])))
        extension = _extension(properties.get("fileFormat") or "")
        if extension and path.name.lower().endswith(extension):  # slicer.util keeps the format of the last export
            storage.SetWriteFileFormat(extension)
        written = bool(storage.WriteData(node))
        if messages is not None and not written:
            messages.AddMessages(storage.GetUserMessages())
        return written or fail(messages, f"{node.GetName()} could not be written to {path.name}")


@contextmanager
def _same_folder() -> Iterator[None]:
    """Come back to the working folder: vtkArchive leaves the process in a folder that it deletes when it fails."""
    folder = Path.cwd()
    try:
        yield
    finally:
        os.chdir(folder)


def _strings(array: Any) -> list[str]:
    return [array.GetValue(index) for index in range(array.GetNumberOfValues())]


def _extension(file_format: str) -> str:
    """The ending in "NRRD (.nrrd)"."""
    return str(slicer.vtkDataFileFormatHelper.GetFileExtensionFromFormatString(file_format) or "").lower()


def _default_storage(node: Any) -> Any:
    """A storage node for a node, not in the scene; None for a node that is never stored."""
    if not node.IsA("vtkMRMLStorableNode"):
        return None
    storage = node.CreateDefaultStorageNode()
    if storage is not None:
        storage.UnRegister(None)
    return storage


def _to_world(transform: Any) -> Any:
    general = vtk.vtkGeneralTransform()
    transform.GetTransformToWorld(general)
    return general


def _is_dicom(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False


def install(slicer_module: Any) -> qSlicerCoreIOManager:
    """Make the manager that `slicer.app.coreIOManager()` returns."""
    manager = qSlicerCoreIOManager()
    slicer_module.app.setCoreIOManager(manager)
    return manager
