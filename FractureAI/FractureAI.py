"""FractureAI: annotate, read, train and review wrist radiographs for fractures, in the viewer."""

import importlib.util
import sys
from pathlib import Path
from typing import Annotated

if importlib.util.find_spec("fractureai") is None:  # run from the source tree: the engine lies beside this folder
    sys.path.append(str(Path(__file__).resolve().parent.parent / "Lib"))

import qt
import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

from FractureAILib.annotate import AnnotatePage
from FractureAILib.header import Header
from FractureAILib.keys_dialog import KeysDialog
from FractureAILib.pages import Page
from FractureAILib.read import ReadPage
from FractureAILib.review import ReviewPage
from FractureAILib.sample_data import register_sample_data
from FractureAILib.self_test import mark_and_undo, run_test_files
from FractureAILib.session import Session
from FractureAILib.settings_page import SettingsPage
from FractureAILib.shortcuts import Action, Shortcuts
from FractureAILib.train import TrainPage


class FractureAI(ScriptedLoadableModule):
    """What Slicer shows about the module before it is opened."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("FractureAI")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Radiology")]
        self.parent.dependencies = []
        self.parent.contributors = ["The FractureAI authors"]
        self.parent.helpText = _(
            "Place wrist landmarks and label fractures, train models on these marks, and read studies with confidence "
            "and activation maps. Not a medical device."
        )
        self.parent.acknowledgementText = _(
            "The method follows Raisuddin et al., Critical evaluation of deep neural networks for wrist fracture "
            "detection, Scientific Reports 11, 6006 (2021)."
        )
        slicer.app.connect("startupCompleted()", register_sample_data)


@parameterNodeWrapper
class FractureAIParameterNode:
    """What is saved with a scene.

    Attributes:
        page: which page is in front.
        overlayVisible: whether activation maps are shown.
        overlayOpacity: of the activation map, 0 to 1.
        overlayCutoff: share of the maximum below which the map is transparent.
        marksVisible: whether landmarks, regions and the region of interest are shown.
    """

    page: Annotated[int, WithinRange(0, 3)] = 0
    overlayVisible: bool = True
    overlayOpacity: Annotated[float, WithinRange(0, 1)] = 0.45
    overlayCutoff: Annotated[float, WithinRange(0, 0.95)] = 0.25
    marksVisible: bool = True


class FractureAIWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel: a header and four pages, one for each job."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self.session = None
        self.pages: list[Page] = []
        self._entered = False
        self._work = 0
        self._parameterNode = None
        self._parameterNodeGuiTag = None

    def setup(self):
        """Build the panel."""
        ScriptedLoadableModuleWidget.setup(self)
        widget = slicer.util.loadUI(self.resourcePath("UI/FractureAI.ui"))
        self.layout.addWidget(widget)
        self.ui = slicer.util.childWidgetVariables(widget)
        self.logic = FractureAILogic()
        self.session = Session()
        self.header = Header(self.session, self.ui)
        self.pages = [page(self.session, self.resourcePath) for page in (AnnotatePage, ReadPage, TrainPage, ReviewPage)]
        self._buttons = [self.ui.annotateButton, self.ui.readButton, self.ui.trainButton, self.ui.reviewButton]
        for index, (page, button) in enumerate(zip(self.pages, self._buttons, strict=True)):
            self._addPage(page)
            button.connect("clicked()", lambda index=index: self.showPage(index))
            page.setup()
        self.pages[1].annotated = lambda: self.pages[0].current
        self._addSettingsPage()
        self._fitPages()
        self.header.setup()
        self.header.keys_wanted = self.showKeys
        self.header.settings_wanted = self.showSettings
        self.shortcuts = Shortcuts(self.session.settings, [Action("Keys", _("Show this list"), "?", self.showKeys)])
        self.session.show_radiographs.connect(lambda *_what: self.showPage(0))
        self.initializeParameterNode()
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndImportEvent, self.onSceneEndImport)

    @property
    def page(self) -> Page:
        """The page in front."""
        return self.pages[self.ui.pages.currentIndex]

    def showPage(self, index: int) -> None:
        """Bring a page to the front."""
        if self._entered:
            self.page.exit()
        self.ui.pages.setCurrentIndex(index)
        self._fitPages()
        if index < len(self._buttons):
            self._buttons[index].checked = True
            self._work = index
            if self._parameterNode is not None:
                self._parameterNode.page = index
        if self._entered:
            self.page.enter()

    def _addPage(self, page: Page) -> None:
        """Add a page to the stack; within a frame, so that it can be hidden and then takes no room there."""
        frame = qt.QWidget()
        layout = qt.QVBoxLayout(frame)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(page.widget)
        self.ui.pages.addWidget(frame)

    def _fitPages(self) -> None:
        """Let the panel be as high as the page in front, not as the highest one."""
        for page in self.pages:
            page.widget.visible = page is self.page

    def _addSettingsPage(self) -> None:
        """Add the settings behind the four pages: a page as they are, but not kept with the scene."""
        settings = SettingsPage(self.session, self.resourcePath)
        self.pages.append(settings)
        self._addPage(settings)
        settings.setup()
        settings.keys_wanted = self.showKeys

    def showSettings(self) -> None:
        """Show the settings, or go back from them to the page before."""
        settings = len(self.pages) - 1
        self.showPage(self._work if self.ui.pages.currentIndex == settings else settings)

    def showKeys(self) -> None:
        """Show what keys do on the page in front; they can be changed there."""
        actions = self.page.shortcuts.actions or self.pages[self._work].shortcuts.actions
        dialog = KeysDialog(self.session.settings, [*actions, *self.shortcuts.actions])
        if dialog.ask() and self._entered:
            self.shortcuts.enter()
            self.page.shortcuts.enter()

    def enter(self):
        """The user opens the module."""
        self.initializeParameterNode()
        if not self._entered:
            self._entered = True
            self.shortcuts.enter()
            self.page.enter()

    def exit(self):
        """The user leaves the module: its keys and observers go."""
        if self._entered:
            self._entered = False
            self.shortcuts.exit()
            self.page.exit()

    def cleanup(self):
        """The panel is closed or reloaded."""
        self.exit()
        self.removeObservers()
        for page in self.pages:
            page.cleanup()
        if self.session is not None:
            self.header.cleanup()
        if self.session is not None:
            self.session.stop()
        self._setParameterNode(None)

    def onSceneStartClose(self, caller, event):
        """Let go of the nodes before they go."""
        self._setParameterNode(None)

    def onSceneEndClose(self, caller, event):
        """Tell the pages that their nodes are gone, and begin anew."""
        for page in self.pages:
            page.scene_closed()
        node = self.logic.getParameterNode()
        node.page = self._work
        self._setParameterNode(node)

    def onSceneEndImport(self, caller, event):
        """Show the page that a loaded scene was saved on."""
        if self._parameterNode is not None:
            self._showPageOfScene()

    def initializeParameterNode(self):
        """Use the scene's parameter node, made when missing."""
        self._setParameterNode(self.logic.getParameterNode())

    def _setParameterNode(self, node) -> None:
        if self._parameterNode is not None and self._parameterNodeGuiTag is not None:
            self._parameterNode.disconnectGui(self._parameterNodeGuiTag)
        self._parameterNode = node
        self._parameterNodeGuiTag = None
        if node is None:
            return
        self._parameterNodeGuiTag = node.connectGui(self.pages[1].ui)
        self._showPageOfScene()

    def _showPageOfScene(self) -> None:
        page = self._parameterNode.page
        if page != self.ui.pages.currentIndex and self.page is not self.pages[-1]:
            self.showPage(page)


class FractureAILogic(ScriptedLoadableModuleLogic):
    """The module without its panel."""

    def getParameterNode(self):
        """Return the scene's parameter node, wrapped."""
        return FractureAIParameterNode(super().getParameterNode())


class FractureAITest(ScriptedLoadableModuleTest):
    """Self-tests; the same file runs in Slicer and in the host."""

    def setUp(self):
        """Begin with an empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self):
        """Run every test: those below, and in a source tree those in Testing/Python."""
        self.setUp()
        self.test_pagesOpen()
        self.setUp()
        self.test_markIsSaved()
        self.setUp()
        run_test_files(Path(__file__).resolve().parent.parent / "Testing" / "Python")

    def test_pagesOpen(self):
        """Every page can be brought to the front and left again."""
        panel = slicer.modules.fractureai.widgetRepresentation()
        panel.enter()
        widget = panel.self()
        for index in range(len(widget.pages)):
            widget.showPage(index)
            slicer.app.processEvents()
            assert widget.page.widget.visible or not panel.visible
        widget.showPage(0)

    def test_markIsSaved(self):
        """A label given on the page is on disk at once, and can be taken back."""
        panel = slicer.modules.fractureai.widgetRepresentation()
        panel.enter()
        mark_and_undo(panel.self())
