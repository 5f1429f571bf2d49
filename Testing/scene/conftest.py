"""A scene, the application logic, and a slice view that renders offscreen: what 3D Slicer has, without its windows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

slicer = pytest.importorskip("slicer")
vtk = pytest.importorskip("vtk")

from vtkmodules.util.numpy_support import vtk_to_numpy  # noqa: E402

from fractureai.radiograph import Radiograph  # noqa: E402

_PROBE = """
import vtk
window = vtk.vtkRenderWindow()
window.SetOffScreenRendering(1)
window.AddRenderer(vtk.vtkRenderer())
window.Render()
"""


@pytest.fixture(scope="session")
def can_render():
    """A machine without OpenGL ends the process that renders: try it in another one."""
    done = subprocess.run([sys.executable, "-c", _PROBE], capture_output=True, timeout=120)
    if done.returncode:
        pytest.skip("no OpenGL here; on Debian install libegl1 and libgl1-mesa-dri")


@pytest.fixture
def application(tmp_path_factory):
    """A scene with Slicer's application logic and module logics."""
    factory = slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance()
    before = getattr(slicer, "mrmlScene", None), factory.GetMRMLApplicationLogic()
    scene = slicer.vtkMRMLScene()
    cache, data_io = slicer.vtkCacheManager(), slicer.vtkDataIOManager()
    cache.SetRemoteCacheDirectory(str(tmp_path_factory.mktemp("cache")))
    cache.SetMRMLScene(scene)
    data_io.SetCacheManager(cache)
    scene.SetCacheManager(cache)
    scene.SetDataIOManager(data_io)
    slicer.mrmlScene = scene
    logic = slicer.vtkSlicerApplicationLogic()
    logic.SetMRMLScene(scene)
    keep = [logic, cache, data_io]
    for name in ("Color", "Markups", "Volumes", "Tables", "Texts"):
        module = getattr(slicer, f"vtkSlicer{name}Logic")()
        module.SetMRMLApplicationLogic(logic)
        logic.SetModuleLogic(name, module)
        module.SetMRMLScene(scene)
        keep.append(module)
    if logic.GetSliceLogics() is None:
        logic.SetSliceLogics(vtk.vtkCollection())
    yield SimpleNamespace(scene=scene, logic=logic)
    scene.Clear(1)
    for module in reversed(keep):
        module.SetMRMLScene(None) if hasattr(module, "SetMRMLScene") else None
    slicer.mrmlScene = before[0]
    factory.SetMRMLApplicationLogic(before[1])


@pytest.fixture
def scene(application):
    """An empty scene with the default colours."""
    return application.scene


class View:
    """A Red slice view that renders into memory."""

    def __init__(self, application, width=600, height=600):
        self.window = vtk.vtkRenderWindow()
        self.window.SetOffScreenRendering(1)
        self.window.SetMultiSamples(0)
        self.renderer = vtk.vtkRenderer()
        self.renderer.GetActiveCamera().ParallelProjectionOn()
        self.window.AddRenderer(self.renderer)
        self.interactor = vtk.vtkGenericRenderWindowInteractor()
        self.interactor.SetRenderWindow(self.window)
        factory = slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance()
        factory.SetMRMLApplicationLogic(application.logic)
        if not factory.IsDisplayableManagerRegistered("vtkMRMLMarkupsDisplayableManager"):
            factory.RegisterDisplayableManager("vtkMRMLMarkupsDisplayableManager")
        self.group = factory.InstantiateDisplayableManagers(self.renderer)
        self.logic = slicer.vtkMRMLSliceLogic()
        self.logic.SetMRMLApplicationLogic(application.logic)
        application.logic.GetSliceLogics().AddItem(self.logic)
        self.logic.SetMRMLScene(application.scene)
        self.node = self.logic.AddSliceNode("Red")
        self.node.SetOrientation("Axial")
        self.node.SetMappedInLayout(1)
        self.group.SetMRMLDisplayableNode(self.node)
        self.mapper = vtk.vtkImageMapper()
        self.mapper.SetColorWindow(255)
        self.mapper.SetColorLevel(127.5)
        self.picture = vtk.vtkActor2D()
        self.picture.SetMapper(self.mapper)
        self.picture.GetProperty().SetDisplayLocationToBackground()
        self.style = slicer.vtkMRMLSliceViewInteractorStyle()
        self.style.SetSliceLogic(self.logic)
        self.style.SetDisplayableManagers(self.group)
        self.interactor.SetInteractorStyle(vtk.vtkInteractorStyleUser())
        self.interactor.Initialize()
        self.style.SetInteractor(self.interactor)
        self.resize(width, height)

    def resize(self, width, height):
        self.size = (width, height)
        self.window.SetSize(width, height)
        self.interactor.SetSize(width, height)
        self.logic.ResizeSliceNode(width, height)

    def show(self):
        source = self.logic.GetImageDataConnection()
        if source:
            self.mapper.SetInputConnection(source)
            if not self.renderer.HasViewProp(self.picture):
                self.renderer.AddViewProp(self.picture)
        self.window.Render()

    def render(self):
        """Return the picture, (height, width, 3) uint8, first row at the top."""
        self.show()
        grab = vtk.vtkWindowToImageFilter()
        grab.SetInput(self.window)
        grab.ReadFrontBufferOff()
        grab.Update()
        width, height, _ = grab.GetOutput().GetDimensions()
        return vtk_to_numpy(grab.GetOutput().GetPointData().GetScalars()).reshape(height, width, 3)[::-1].copy()

    def save(self, path):
        from PIL import Image

        Image.fromarray(self.render()).save(path)

    def at(self, volume, row, col):
        """Return row and column of the picture where a point of the radiograph is shown."""
        from fractureai.scene import views

        x, y = views.pixel_to_xy(self.logic, volume, (row, col))
        return round(self.size[1] - 1 - float(y)), round(float(x))

    def move(self, x, y):
        self.interactor.SetEventInformation(int(x), int(y), 0, 0, chr(0), 0, None)
        self.interactor.InvokeEvent("MouseMoveEvent")

    def click(self, x, y):
        self.move(x, y)
        self.interactor.InvokeEvent("LeftButtonPressEvent")
        self.interactor.InvokeEvent("LeftButtonReleaseEvent")

    def close(self, application):
        self.group.SetMRMLDisplayableNode(None)
        application.logic.GetSliceLogics().RemoveItem(self.logic)
        self.style.SetInteractor(None)
        self.logic.SetMRMLScene(None)
        self.window.Finalize()


@pytest.fixture
def reopen(scene, tmp_path):
    """Save the scene as an MRB, clear it, and load the file."""

    def save_and_load():
        path = str(tmp_path / "scene.mrb")
        assert scene.WriteToMRB(path, None, None)
        scene.Clear(0)
        assert scene.ReadFromMRB(path, True, None)

    return save_and_load


@pytest.fixture
def view(application, scene, can_render):
    made = View(application)
    yield made
    made.close(application)


def make_radiograph(pixels=None, **changes):
    """A radiograph as read; any attribute by keyword."""
    pixels = np.arange(24 * 40, dtype=np.float32).reshape(24, 40) if pixels is None else np.asarray(pixels, np.float32)
    values = {
        "path": Path("image.dcm"),
        "pixels": pixels,
        "spacing_mm": (0.2, 0.1),
        "spacing_source": "ImagerPixelSpacing",
        "view": "PA",
        "view_source": "ViewPosition",
        "side": "L",
        "side_source": "ImageLaterality",
        "body_part": "WRIST",
        "body_part_source": "BodyPartExamined",
        "sop_instance_uid": "1.2.3",
        "study_instance_uid": "1.2",
        "study_date": "20140302",
    }
    return Radiograph(**(values | changes))


@pytest.fixture(scope="session")
def radiograph():
    return make_radiograph
