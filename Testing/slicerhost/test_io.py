"""Files: nodes and scenes written and read back."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

STUDY = "1.2.840.99.1"


@pytest.fixture
def case(slicer, scene, radiograph):
    """A study in the subject hierarchy: radiograph, overlay, landmarks, box, note, table."""
    rng = np.random.default_rng(3)
    overlay = scene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", "map")
    slicer.util.updateVolumeFromArray(overlay, rng.integers(0, 255, (1, 30, 20, 4), np.uint8))
    overlay.CreateDefaultDisplayNodes()
    heat = slicer.util.addVolumeFromArray(rng.random((1, 30, 20)).astype(np.float32), name="heat")
    points = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "landmarks")
    points.AddControlPoint(1.25, -2.5, 0.0, "ulna")
    points.AddControlPoint(3.5, -7.125, 0.0, "radius")
    points.UnsetNthControlPointPosition(1)
    box = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "box")
    box.SetCenter(-10, -12, 0)
    box.SetSize(6, 8, 1)
    box.SetLocked(True)
    note = scene.AddNewNodeByClass("vtkMRMLTextNode", "verdict")
    note.SetText('{"agrees": true, "reader": "Ä"}')
    note.SetAttribute("FractureAI.Kind", "verdict")
    table = scene.AddNewNodeByClass("vtkMRMLTableNode", "readings")
    slicer.util.updateTableFromArray(table, np.arange(6.0).reshape(3, 2), ["a", "b"])
    hierarchy = scene.GetSubjectHierarchyNode() if hasattr(scene, "GetSubjectHierarchyNode") else None
    hierarchy = hierarchy or slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    study = hierarchy.CreateStudyItem(hierarchy.GetSceneItemID(), "a study")
    hierarchy.SetItemUID(study, "DICOM", STUDY)
    nodes = [radiograph, overlay, heat, points, box, note, table]
    for node in nodes:
        hierarchy.SetItemParent(hierarchy.GetItemByDataNode(node), study)
    return [node.GetName() for node in nodes]


def arrays(slicer):
    return {
        name: slicer.util.arrayFromVolume(slicer.util.getNode(name)).copy() for name in ("radiograph", "map", "heat")
    }


@pytest.mark.parametrize("name", ["case.mrb", "Fälle und Bögen.mrb"])
def test_a_bundle_brings_everything_back(slicer, scene, case, tmp_path, name):
    before = arrays(slicer)
    radiograph = slicer.util.getNode("radiograph")
    matrix = slicer.util.arrayFromVTKMatrix(_ijk_to_ras(radiograph))
    window = radiograph.GetDisplayNode().GetWindow()
    assert slicer.util.saveScene(str(tmp_path / name))
    scene.Clear(0)
    assert scene.GetFirstNodeByName("radiograph") is None
    slicer.util.loadScene(str(tmp_path / name))
    for volume, pixels in arrays(slicer).items():
        assert pixels.dtype == before[volume].dtype
        assert np.array_equal(pixels, before[volume])
    radiograph = slicer.util.getNode("radiograph")
    assert np.allclose(slicer.util.arrayFromVTKMatrix(_ijk_to_ras(radiograph)), matrix)
    assert radiograph.GetDisplayNode().GetWindow() == pytest.approx(window)
    points = slicer.util.getNode("landmarks")
    assert points.GetNthControlPointPosition(0) == pytest.approx((1.25, -2.5, 0.0))
    assert points.GetNthControlPointLabel(1) == "radius"
    assert points.GetNumberOfDefinedControlPoints() == 1
    box = slicer.util.getNode("box")
    assert box.GetLocked()
    assert box.GetSize() == pytest.approx((6, 8, 1))
    note = slicer.util.getNode("verdict")
    assert note.GetText() == '{"agrees": true, "reader": "Ä"}'
    assert note.GetAttribute("FractureAI.Kind") == "verdict"
    assert np.array_equal(slicer.util.arrayFromTableColumn(slicer.util.getNode("readings"), "b"), [1, 3, 5])
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    study = hierarchy.GetItemByUID("DICOM", STUDY)
    assert hierarchy.GetItemName(study) == "a study"
    for node in case:
        assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(slicer.util.getNode(node))) == study
    assert hierarchy.GetNumberOfItems() == 1 + len(case)
    assert scene.GetNumberOfNodesByClass("vtkMRMLSubjectHierarchyNode") == 1


def _ijk_to_ras(volume):
    import vtk

    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    return matrix


def test_a_bundle_is_added_to_what_is_there(slicer, scene, case, tmp_path):
    slicer.util.saveScene(str(tmp_path / "case.mrb"))
    slicer.util.loadScene(str(tmp_path / "case.mrb"))
    assert scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") >= 4
    assert slicer.app.coreIOManager().loadScene(str(tmp_path / "case.mrb"), True)
    assert len(slicer.util.getNodes("radiograph*")) == 1


def test_a_scene_as_a_folder(slicer, scene, case, tmp_path):
    folder = tmp_path / "scene"
    folder.mkdir()
    before = arrays(slicer)
    assert slicer.util.saveScene(str(folder))
    scene.Clear(0)
    [description] = folder.glob("*.mrml")
    slicer.util.loadScene(str(description), {"clear": True})
    assert all(np.array_equal(pixels, before[name]) for name, pixels in arrays(slicer).items())


def test_items_come_and_go_with_their_nodes(slicer, scene, radiograph):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    item = hierarchy.GetItemByDataNode(radiograph)
    assert item
    assert hierarchy.GetItemOwnerPluginName(item) == "Volumes"
    hidden = slicer.vtkMRMLTextNode()
    hidden.SetHideFromEditors(True)
    scene.AddNode(hidden)
    assert not hierarchy.GetItemByDataNode(hidden)
    count = hierarchy.GetNumberOfItems()
    scene.RemoveNode(radiograph)
    assert hierarchy.GetNumberOfItems() == count - 1
    assert not hierarchy.GetItemByDataNode(radiograph)


def test_a_study_removed_takes_its_nodes_along(slicer, scene, case):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    hierarchy.RemoveItem(hierarchy.GetItemByUID("DICOM", STUDY), True, True)
    assert all(scene.GetFirstNodeByName(name) is None for name in case)
    assert hierarchy.GetNumberOfItems() == 0


def test_nodes_saved_and_loaded(slicer, scene, case, tmp_path):
    note = slicer.util.getNode("verdict")
    assert not slicer.util.saveNode(note, str(tmp_path / "short.txt"))  # Slicer keeps short texts in the scene itself
    note.SetForceCreateStorageNode(note.CreateStorageNodeAlways)
    for name, ending, load in (
        ("radiograph", ".nrrd", slicer.util.loadVolume),
        ("radiograph", ".nii.gz", slicer.util.loadVolume),
        ("landmarks", ".mrk.json", slicer.util.loadMarkups),
        ("box", ".mrk.json", slicer.util.loadMarkups),
        ("readings", ".tsv", slicer.util.loadTable),
        ("verdict", ".txt", slicer.util.loadText),
    ):
        node, path = slicer.util.getNode(name), tmp_path / f"{name}-{ending[1:3]}{ending}"
        assert slicer.util.saveNode(node, str(path))
        loaded = load(str(path))
        assert loaded.GetClassName() == node.GetClassName()
        assert loaded.GetName() == f"{name}-{ending[1:3]}"
        if name == "radiograph":
            assert np.array_equal(slicer.util.arrayFromVolume(loaded), slicer.util.arrayFromVolume(node))
        if name == "landmarks":
            assert loaded.GetNthControlPointPosition(0) == pytest.approx(node.GetNthControlPointPosition(0))
        if name == "verdict":
            assert loaded.GetText() == node.GetText()


def test_exporting_leaves_the_nodes_own_file_alone(slicer, scene, case, radiograph, tmp_path):
    slicer.util.saveNode(radiograph, str(tmp_path / "own.nrrd"))
    assert slicer.util.exportNode(radiograph, str(tmp_path / "copy.nrrd"))
    assert radiograph.GetStorageNode().GetFileName().endswith("own.nrrd")
    count = scene.GetNumberOfNodes()
    assert slicer.util.exportNode(slicer.util.getNode("landmarks"), str(tmp_path / "points.mrk.json"))
    assert scene.GetNumberOfNodes() == count
    with pytest.raises(ValueError, match="no known file format"):
        slicer.util.exportNode(radiograph, str(tmp_path / "copy.unknown"), {})


def test_exporting_in_the_worlds_coordinates(slicer, scene, tmp_path):
    import vtk

    points = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "points")
    points.AddControlPoint(1, 2, 3)
    shift = vtk.vtkMatrix4x4()
    shift.SetElement(0, 3, 10)
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(shift)
    points.SetAndObserveTransformNodeID(transform.GetID())
    assert slicer.util.exportNode(points, str(tmp_path / "points.mrk.json"), world=True)
    loaded = slicer.util.loadMarkups(str(tmp_path / "points.mrk.json"))
    assert loaded.GetNthControlPointPosition(0) == pytest.approx((11, 2, 3))
    assert points.GetNthControlPointPosition(0) == pytest.approx((1, 2, 3))


@pytest.mark.parametrize(("ending", "components"), [(".png", 1), (".png", 3), (".tif", 1), (".jpg", 1)])
def test_pictures(slicer, scene, tmp_path, ending, components):
    image = pytest.importorskip("PIL.Image")
    pixels = np.zeros((40, 60) if components == 1 else (40, 60, 3), np.uint8)
    pixels[5:15, 10:50] = 200
    path = tmp_path / f"hand{ending}"
    image.fromarray(pixels).save(path)
    volume = slicer.util.loadVolume(str(path))
    loaded = slicer.util.arrayFromVolume(volume)[0]
    assert np.abs(loaded.astype(int) - pixels).mean() <= (2 if ending == ".jpg" else 0)
    assert slicer.app.applicationLogic().GetSelectionNode().GetActiveVolumeID() == volume.GetID()


def test_what_can_not_be_read_says_so_and_leaves_nothing(slicer, scene, tmp_path):
    count = scene.GetNumberOfNodes()
    for name, content, load in (
        ("missing.nrrd", None, slicer.util.loadVolume),
        ("broken.nrrd", b"not an image", slicer.util.loadVolume),
        ("broken.png", b"not a picture", slicer.util.loadVolume),
        ("broken.mrk.json", b"{", slicer.util.loadMarkups),
        ("broken.mrb", b"PK", slicer.util.loadScene),
        ("odd.xyz", b"?", slicer.util.loadNodeFromFile),
    ):
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(RuntimeError, match=re.escape(name)):
            load(str(path), **({"filetype": None} if load is slicer.util.loadNodeFromFile else {}))
    assert scene.GetNumberOfNodes() == count
    assert Path.cwd().exists()


def test_a_bundle_cut_short(slicer, scene, case, tmp_path):
    """It is refused, what is in the scene stays, and the process stays in its folder."""
    path = tmp_path / "case.mrb"
    slicer.util.saveScene(str(path))
    whole, folder = path.read_bytes(), Path.cwd()
    for share in (0.3, 0.9):
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(RuntimeError):
            slicer.util.loadScene(str(path))
        assert Path.cwd() == folder
    assert len(slicer.util.getNodes("radiograph*")) == 1


def test_types_of_files(slicer, radiograph, tmp_path):
    manager = slicer.app.coreIOManager()
    dicom = tmp_path / "IM0001"
    dicom.write_bytes(b"\0" * 128 + b"DICM")
    for name, kind in (
        ("a.nii.gz", "VolumeFile"),
        ("a.seg.nrrd", "SegmentationFile"),
        ("a.mrk.json", "MarkupsFile"),
        ("a.json", "TextFile"),
        ("A.MRB", "SceneFile"),
        ("a.xyz", "NoFile"),
        (str(dicom), "VolumeFile"),
    ):
        assert manager.fileType(name) == kind
    assert manager.extractKnownExtension("x/case.NII.GZ", radiograph) == ".nii.gz"
    assert manager.fileWriterFileType(radiograph) == "VolumeFile"
    assert any(".nrrd" in text for text in manager.fileWriterExtensions(radiograph))
