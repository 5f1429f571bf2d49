"""The application logic: module logics, singletons, presets, and what a closed scene leaves."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    "name", ["Markups", "Volumes", "SubjectHierarchy", "Plots", "Tables", "Texts", "Segmentations", "Colors"]
)
def test_modules_are_reached_as_in_slicer(slicer, scene, name):
    module = getattr(slicer.modules, name.lower())
    assert module.name == name
    assert module.logic() is slicer.util.getModuleLogic(name)
    assert module.logic() is slicer.app.applicationLogic().GetModuleLogic(name)
    assert module.logic().GetMRMLScene() is slicer.mrmlScene
    assert getattr(slicer.moduleNames, name) == name


def test_singletons_and_presets_stay(slicer, scene):
    def state():
        node = scene.GetNodeByID("vtkMRMLSliceNodeRed")
        return (
            [name for name in ("Axial", "Sagittal", "Coronal", "Oblique") if node.HasSliceOrientationPreset(name)],
            scene.GetNumberOfNodesByClass("vtkMRMLColorNode"),
            [
                scene.GetNumberOfNodesByClass(f"vtkMRML{name}Node")
                for name in ("Selection", "Interaction", "Layout", "Crosshair", "SubjectHierarchy", "Unit")
            ],
        )

    before = state()
    assert before[0] == ["Axial", "Sagittal", "Coronal"]
    assert before[2][:5] == [1] * 5
    scene.Clear(0)
    assert state() == before


def test_the_subject_hierarchy_is_empty_after_closing(slicer, scene, radiograph):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    hierarchy.CreateStudyItem(hierarchy.GetSceneItemID(), "a study")
    assert hierarchy.GetNumberOfItems() == 2
    del hierarchy  # the scene keeps using a closed hierarchy as long as anybody holds it, in Slicer too
    scene.Clear(0)
    assert slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene).GetNumberOfItems() == 0
    radiograph = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "another")
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    assert hierarchy.GetItemByDataNode(radiograph)


def test_a_new_fiducial_is_placed_by_the_logic(slicer, scene):
    """`StartPlaceMode` of the markups logic, as many scripts use it."""
    node = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode")
    logic = slicer.modules.markups.logic()
    logic.SetActiveList(node)
    logic.StartPlaceMode(True)
    interaction = slicer.app.applicationLogic().GetInteractionNode()
    assert interaction.GetCurrentInteractionMode() == interaction.Place
    assert interaction.GetPlaceModePersistence() == 1
    assert slicer.app.applicationLogic().GetSelectionNode().GetActivePlaceNodeID() == node.GetID()


def test_start_a_second_time_changes_nothing(slicer, scene):
    import slicerhost
    from slicerhost import applogic

    logic = slicer.app.applicationLogic()
    assert slicerhost.start() is slicer
    assert applogic.install(slicer) is logic
    assert slicer.mrmlScene is scene
