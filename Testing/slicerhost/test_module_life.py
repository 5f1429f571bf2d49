"""A module's life: loaded, entered, left, reloaded, unloaded; in a window of this process."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

FILE = Path(__file__).parent / "SampleModule" / "SampleModule.py"


@pytest.fixture(scope="module")
def sample(slicer):
    """The sample module, loaded once."""
    import slicerhost

    slicer.app.setTestingEnabled(True)
    yield slicerhost.load_module(FILE)
    slicer.app.moduleManager()._unload_all()
    slicer.app.setTestingEnabled(False)


@pytest.fixture
def panel(sample, window, slicer):
    """A new panel of the sample in the window."""
    sample._forget_widget()
    representation = sample.widgetRepresentation()
    window.set_module(sample.title, representation, sample)
    representation.enter()
    slicer.app.processEvents()
    yield representation.self()
    representation.exit()
    representation.self().cleanup()


def add_volume(slicer, name="ramp"):
    return slicer.util.addVolumeFromArray(np.arange(60, dtype=np.int16).reshape(1, 6, 10), name=name)


def test_what_a_module_tells_about_itself(sample, slicer):
    assert (sample.name, sample.title, sample.path) == ("SampleModule", "Sample module", str(FILE))
    assert list(sample.categories) == ["Examples"]
    assert sample.helpText == "Counts the voxels above a threshold."
    assert slicer.modules.samplemodule is sample
    assert slicer.util.getModule("SampleModule") is sample
    assert slicer.moduleNames.SampleModule == "SampleModule"
    assert "SampleModule" in slicer.util.moduleNames()
    assert slicer.util.modulePath("SampleModule") == str(FILE)
    assert type(slicer.modules.SampleModuleInstance).__name__ == "SampleModule"
    with pytest.raises(AttributeError, match="creating new attributes"):
        sample.tilte = "typo"
    with pytest.raises(RuntimeError):
        slicer.util.getModule("Nothing")


def test_setup_enter_exit(panel, sample):
    assert panel.log[:2] == ["setup", "enter"]
    sample.widgetRepresentation().exit()
    sample.widgetRepresentation().enter()
    assert panel.log == ["setup", "enter", "exit", "enter"]


def test_the_panel_and_its_logic(panel, slicer):
    assert slicer.util.getModuleWidget("SampleModule") is panel
    assert slicer.util.getModuleLogic("SampleModule") is panel.logic
    assert slicer.modules.SampleModuleWidget is panel
    assert isinstance(panel.parent, slicer.qSlicerScriptedLoadableModuleWidget)
    assert panel.parent.mrmlScene() is slicer.mrmlScene
    assert Path(panel.resourcePath("UI/SampleModule.ui")).is_file()


def test_by_mouse_and_keys(panel, slicer, window):
    from PySide6.QtCore import QPoint, Qt
    from PySide6.QtTest import QTest

    add_volume(slicer)
    panel._parameterNode.volume = slicer.util.getNode("ramp")
    slicer.app.processEvents()
    QTest.mouseClick(panel.ui.invertCheck, Qt.MouseButton.LeftButton, pos=QPoint(8, 8))
    assert panel._parameterNode.invert is True
    box = panel.ui.thresholdSlider.spinBox()
    box.selectAll()
    QTest.keyClicks(box, "10")
    QTest.keyClick(box, Qt.Key.Key_Return)
    assert panel._parameterNode.threshold == 10.0
    QTest.mouseClick(panel.ui.applyButton, Qt.MouseButton.LeftButton)
    assert panel.ui.resultLabel.text == "10"
    panel.ui.resultLabel.text = ""
    window.activateWindow()
    window.setFocus()
    QTest.qWaitForWindowActive(window)
    QTest.keyClick(window, Qt.Key.Key_K)
    assert panel.ui.resultLabel.text == "10"


def test_the_heading_opens_by_mouse_and_keeps_what_is_hidden(panel, slicer):
    from PySide6.QtCore import QPoint, Qt
    from PySide6.QtTest import QTest

    button, changes = panel.ui.detailsButton, []
    button.connect("contentsCollapsed(bool)", changes.append)
    assert button.collapsed
    assert not panel.ui.titleEdit.visible
    button.collapsed = False
    panel.ui.countBox.hide()
    button.collapsed = True
    slicer.app.processEvents()
    before = button.height
    changes.clear()
    QTest.mouseClick(button, Qt.MouseButton.LeftButton, pos=QPoint(40, 8))
    slicer.app.processEvents()
    assert changes == [False]
    assert panel.ui.titleEdit.visible
    assert not panel.ui.countBox.visible
    assert button.height > before + 40
    QTest.mouseClick(button, Qt.MouseButton.LeftButton, pos=QPoint(40, button.height - 4))  # not the heading
    assert not button.collapsed
    panel.ui.titleEdit.hide()
    button.collapsed = True
    panel.ui.titleEdit.show()  # while collapsed: for later
    assert not panel.ui.titleEdit.visible
    button.collapsed = False
    assert panel.ui.titleEdit.visible


def test_closing_the_scene_begins_anew(panel, slicer):
    add_volume(slicer)
    panel._parameterNode.threshold = 77.0
    slicer.mrmlScene.Clear(0)
    assert panel._parameterNode.threshold == 20.0
    assert panel.ui.thresholdSlider.value == 20.0
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScriptedModuleNode") == 1
    assert panel._parameterNode.parameterNode.GetAttribute("ModuleName") == "SampleModule"


def test_reloading(panel, slicer, sample, monkeypatch):
    before = sys.modules["SampleModule"]
    panel._parameterNode.threshold = 33.0
    slicer.util.reloadScriptedModule("SampleModule")
    new = slicer.modules.SampleModuleWidget
    assert sys.modules["SampleModule"] is not before
    assert new is not panel
    assert panel.log[-1] == "cleanup"
    assert new.log == ["setup", "enter"]
    assert new.ui.thresholdSlider.value == 33.0
    slicer.app.processEvents()
    assert sample.widgetRepresentation().self() is new
    visible = [w for w in sample.widgetRepresentation().findChildren("qMRMLWidget") if w.visible]
    assert len(visible) == 1


def test_the_developers_section(sample, window, slicer, qt_settings):
    qt_settings.setValue("Developer/DeveloperMode", True)
    sample._forget_widget()
    representation = sample.widgetRepresentation()
    widget = representation.self()
    assert widget.developerMode
    assert widget.reloadCollapsibleButton.text == "Reload && Test"
    window.set_module(sample.title, representation, sample)
    representation.enter()
    widget.onReloadAndTest()
    assert slicer.modules.SampleModuleWidget is not widget
    slicer.modules.SampleModuleWidget.reloadTestMenuButton.menu().actions()[0].trigger()
    assert qt_settings.value("SampleModule/PreferredReloadAndTestAction") == "TestAction"
    representation.exit()
    representation.self().cleanup()


@pytest.fixture
def qt_settings(slicer):
    import qt

    settings = qt.QSettings()
    yield settings
    settings.remove("Developer")
    settings.remove("SampleModule")


def test_a_test_class_that_is_missing(sample, slicer, monkeypatch):
    monkeypatch.delattr(sys.modules["SampleModule"], "SampleModuleTest")
    with pytest.raises(AssertionError, match="SampleModuleTest"):
        slicer.selfTests["SampleModule"]()


def test_parameter_nodes_of_a_logic(sample, slicer, scene):
    from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic

    class OtherLogic(ScriptedLoadableModuleLogic):
        pass

    logic = OtherLogic()
    assert logic.moduleName == "Other"
    node = logic.getParameterNode()
    assert logic.getParameterNode() is node
    assert (node.GetSingletonTag(), node.GetAttribute("ModuleName")) == ("Other", "Other")
    node.SetAttribute("ModuleName", None)
    assert logic.getParameterNode().GetAttribute("ModuleName") == "Other"
    logic.isSingletonParameterNode = False
    assert logic.getAllParameterNodes() == [node]
    scene.AddNode(logic.createParameterNode())
    assert len(logic.getAllParameterNodes()) == 2


def test_unloading_tells_the_panel(slicer, window, tmp_path):
    import slicerhost

    path = tmp_path / "Passing.py"
    path.write_text(
        "from slicer.ScriptedLoadableModule import *\n"
        "class Passing(ScriptedLoadableModule): pass\n"
        "class PassingWidget(ScriptedLoadableModuleWidget):\n"
        "    gone = 0\n"
        "    def cleanup(self): PassingWidget.gone += 1\n"
    )
    slicerhost.load_module(path)
    widget, _ = slicerhost.module_widget("Passing")
    slicer.app.moduleManager().moduleAboutToBeUnloaded.emit("Passing")
    assert widget.gone == 1
    slicer.app.moduleManager().moduleAboutToBeUnloaded.emit("Passing")
    assert widget.gone == 1


def test_translation(slicer, tmp_path):
    from PySide6.QtCore import QTranslator
    from slicer.i18n import getContext, tr, translate

    package = tmp_path / "Pack"
    package.mkdir()
    for name in ("__init__.py", "part.py"):
        (package / name).write_text("")
    (tmp_path / "Alone.py").write_text("")
    assert getContext(str(package / "part.py")) == "Pack.part"
    assert getContext(str(tmp_path / "Alone.py")) == "Alone"

    class Translator(QTranslator):
        def translate(self, context, text, *_):
            return {"Read": "Lesen", "{n} files": "{m} Dateien"}.get(text)

        def isEmpty(self):
            return False

    translator = Translator()
    slicer.app.installTranslator(translator)
    try:
        assert tr("Read") == "Lesen"
        assert translate("Any", "Read") == "Lesen"
        assert tr("{n} files") == "{n} files"  # the placeholder was translated too
        assert tr("Other") == "Other"
    finally:
        slicer.app.removeTranslator(translator)
