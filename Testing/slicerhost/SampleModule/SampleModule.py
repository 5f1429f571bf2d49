# ruff: noqa: PT009, PT027 - Slicer's test classes are unittest's
"""A small scripted module: all that the host's tests need, written for Slicer."""

import enum
import logging
from pathlib import Path
from typing import Annotated, Optional

import ctk
import qt
import slicer
import vtk
from SampleModuleLib.thresholding import count_above
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import (
    Choice,
    Default,
    Maximum,
    Minimum,
    WithinRange,
    parameterNodeWrapper,
    parameterPack,
)
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin


class SampleModule(ScriptedLoadableModule):
    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("Sample module")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Examples")]
        self.parent.contributors = ["Nobody"]
        self.parent.helpText = _("Counts the voxels above {limit}.").format(limit="a threshold")


class Kind(enum.Enum):
    ABOVE = 1
    BELOW = 2

    def label(self):
        return self.name.title()


@parameterPack
class Window:
    width: Annotated[float, Minimum(0)] = 100.0
    level: float = 50.0


@parameterNodeWrapper
class SampleModuleParameterNode:
    volume: slicer.vtkMRMLScalarVolumeNode
    threshold: Annotated[float, WithinRange(0, 100)] = 20.0
    count: Annotated[int, Minimum(0), Maximum(10)] = 3
    invert: bool = False
    title: str = "untitled"
    comment: str = ""
    kind: Kind = Kind.ABOVE
    quality: Annotated[str, Choice(["good", "fair", "poor"])] = "good"
    folder: Path = Path("/tmp")
    tags: list[str]
    weights: dict[str, float]
    pair: tuple[int, str] = (1, "one")
    maybe: Optional[int]  # noqa: UP045 - Slicer takes typing's Optional only
    limit: Annotated[float, Default(7.5)]
    window: Window


class SampleModuleWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self._parameterNode = None
        self._guiTag = None
        self.log = []

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        widget = slicer.util.loadUI(self.resourcePath("UI/SampleModule.ui"))
        self.layout.addWidget(widget)
        self.ui = slicer.util.childWidgetVariables(widget)
        widget.setMRMLScene(slicer.mrmlScene)
        self.logic = SampleModuleLogic()
        self.ui.applyButton.connect("clicked(bool)", self.onApply)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.initializeParameterNode()
        self.log.append("setup")

    def enter(self):
        self.log.append("enter")
        self.initializeParameterNode()
        self.shortcut = qt.QShortcut(qt.QKeySequence("k"), self.parent)
        self.shortcut.connect("activated()", self.onApply)

    def exit(self):
        self.log.append("exit")
        self.shortcut.disconnect("activated()", self.onApply)
        self.shortcut.setParent(None)
        self.shortcut = None

    def cleanup(self):
        self.log.append("cleanup")
        self.setParameterNode(None)
        self.removeObservers()

    def onSceneStartClose(self, caller, event):
        self.setParameterNode(None)

    def onSceneEndClose(self, caller, event):
        self.initializeParameterNode()

    def initializeParameterNode(self):
        self.setParameterNode(self.logic.getParameterNode())

    def setParameterNode(self, node):
        if self._parameterNode:
            self._parameterNode.disconnectGui(self._guiTag)
            self.removeObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self.checkCanApply)
        self._parameterNode = node
        if node:
            self._guiTag = node.connectGui(self.ui)
            self.addObserver(node, vtk.vtkCommand.ModifiedEvent, self.checkCanApply)
            self.checkCanApply()

    def checkCanApply(self, caller=None, event=None):
        self.ui.applyButton.enabled = self._parameterNode.volume is not None

    def onApply(self):
        with slicer.util.tryWithErrorDisplay(_("Failed to count."), waitCursor=True):
            node = self._parameterNode
            self.ui.resultLabel.text = str(self.logic.process(node.volume, node.threshold, node.invert))


class SampleModuleLogic(ScriptedLoadableModuleLogic):
    def getParameterNode(self):
        return SampleModuleParameterNode(super().getParameterNode())

    def process(self, volume, threshold, invert):
        if volume is None:
            raise ValueError("no volume")
        logging.info("Counting")
        return count_above(slicer.util.arrayFromVolume(volume), threshold, invert)


class SampleModuleTest(ScriptedLoadableModuleTest):
    def setUp(self):
        slicer.mrmlScene.Clear()

    def runTest(self):
        self.setUp()
        self.test_counting()
        self.setUp()
        self.test_panel()

    def makeVolume(self):
        import numpy as np

        return slicer.util.addVolumeFromArray(np.arange(60, dtype=np.int16).reshape(1, 6, 10), name="ramp")

    def test_counting(self):
        self.delayDisplay("Counting")
        logic = SampleModuleLogic()
        volume = self.makeVolume()
        self.assertEqual(logic.process(volume, 20, False), 39)
        self.assertEqual(logic.process(volume, 20, True), 20)
        with self.assertRaises(ValueError):
            logic.process(None, 20, True)

    def test_panel(self):
        self.delayDisplay("The panel")
        widget = slicer.modules.SampleModuleWidget
        node = widget._parameterNode
        self.assertIsNone(node.volume)
        self.assertFalse(widget.ui.applyButton.enabled)
        node.volume = self.makeVolume()
        self.assertEqual(widget.ui.volumeSelector.currentNode().GetName(), "ramp")
        self.assertTrue(widget.ui.applyButton.enabled)
        widget.ui.thresholdSlider.value = 30.0
        self.assertEqual(node.threshold, 30.0)
        widget.ui.applyButton.click()
        self.assertEqual(widget.ui.resultLabel.text, "29")
        node.window.level = 12.0
        self.assertEqual(widget.ui.levelBox.value, 12.0)
        self.assertIsInstance(widget.ui.detailsButton, ctk.ctkCollapsibleButton)
