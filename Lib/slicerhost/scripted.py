"""`slicer.ScriptedLoadableModule`: the base classes of scripted modules.

The classes, their attributes and what they do follow Slicer 5.12; only texts and the developer section's looks differ.
"""

from __future__ import annotations

import importlib
import logging
import unittest
from pathlib import Path
from typing import Any

import ctk
import qt
import slicer

__all__ = [
    "ScriptedLoadableModule",
    "ScriptedLoadableModuleLogic",
    "ScriptedLoadableModuleTest",
    "ScriptedLoadableModuleWidget",
]


class ScriptedLoadableModule:
    """What the application knows of a module: its titles, texts, icon and test."""

    def __init__(self, parent: Any) -> None:
        super().__init__()
        self.parent = parent
        self.moduleName = type(self).__name__
        parent.title = ""
        parent.categories = []
        parent.dependencies = []
        parent.contributors = []
        parent.helpText = ""
        parent.acknowledgementText = ""
        icons = (Path(self.resourcePath(f"Icons/{self.moduleName}{suffix}")) for suffix in (".svg", ".png"))
        icon = next((path for path in icons if path.is_file()), None)
        if icon is not None:
            parent.icon = qt.QIcon(str(icon))
        if not hasattr(slicer, "selfTests"):
            slicer.selfTests = {}
        slicer.selfTests[self.moduleName] = self.runTest

    def resourcePath(self, filename: str) -> str:
        """The path of a file in the module's folder `Resources`."""
        return str(Path(self.parent.path).parent / "Resources" / filename)

    def getDefaultModuleDocumentationLink(self, docPage: str | None = None) -> str:
        """A sentence with a link to the module's page in Slicer's documentation."""
        app = slicer.app
        url = app.documentationBaseUrl + docPage if docPage else app.moduleDocumentationUrl(self.moduleName)
        return f'<p>For more information see the <a href="{url}">online documentation</a>.</p>'

    def runTest(self, msec: int = 100, **arguments: Any) -> None:
        """Run the class `<Name>Test` of the module; raises AssertionError when there is none."""
        python_module = importlib.import_module(type(self).__module__)
        test_class = getattr(python_module, f"{self.moduleName}Test", None)
        if test_class is None:
            raise AssertionError(f"Test case class not found: {type(self).__module__}.{self.moduleName}Test")
        test = test_class()
        test.messageDelay = msec
        test.runTest(**arguments)


class ScriptedLoadableModuleWidget:
    """The panel of a module."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.developerMode = slicer.util.settingsValue("Developer/DeveloperMode", False, converter=slicer.util.toBool)
        self.parent = parent
        if not parent:
            self.parent = slicer.qMRMLWidget()
            self.parent.setLayout(qt.QVBoxLayout())
            self.parent.setMRMLScene(slicer.mrmlScene)
        self.layout = self.parent.layout()
        if not parent:
            self.setup()
            self.parent.show()
        manager = slicer.app.moduleManager()
        manager.connect("moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded)

    def resourcePath(self, filename: str) -> str:
        """The path of a file in the module's folder `Resources`."""
        return str(Path(slicer.util.modulePath(self.moduleName)).parent / "Resources" / filename)

    def cleanup(self) -> None:
        """For the module to override: called before it is unloaded or made anew."""

    def _onModuleAboutToBeUnloaded(self, module_name: str) -> None:
        if module_name != self.moduleName:
            return
        self.cleanup()
        manager = slicer.app.moduleManager()
        manager.disconnect("moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded)

    def setup(self) -> None:
        """Begin the panel: the developer's buttons, where the settings ask for them."""
        self.setupDeveloperSection()

    def setupDeveloperSection(self) -> None:
        """Buttons to reload and test the module, in developer mode only."""
        if not self.developerMode:
            return
        self.reloadCollapsibleButton = ctk.ctkCollapsibleButton()
        self.reloadCollapsibleButton.text = "Reload && Test"
        self.layout.addWidget(self.reloadCollapsibleButton)
        rows = qt.QFormLayout(self.reloadCollapsibleButton)
        self.reloadButton = self._developer_button("Reload", "Reload this module.", self.onReload)
        self.reloadButton.name = "ScriptedLoadableModuleTemplate Reload"
        self.reloadTestMenuButton = self._test_menu()
        self.restartButton = self._developer_button("Restart Slicer", "Restart Slicer", slicer.app.restart)
        self.restartButton.name = "ScriptedLoadableModuleTemplate Restart"
        self.editSourceButton = self._developer_button("Edit", "Edit the module's source code.", self.onEditSource)
        self.editModuleUiButton = None
        second = [self.editSourceButton]
        ui_file = self.resourcePath(f"UI/{self.moduleName}.ui")
        if Path(ui_file).is_file():
            text = "Edit the module's .ui file."
            self.editModuleUiButton = self._developer_button(
                "Edit UI", text, lambda: slicer.util.startQtDesigner(ui_file)
            )
            second.append(self.editModuleUiButton)
        for buttons in ([self.reloadButton, self.reloadTestMenuButton, self.restartButton], second):
            row = qt.QHBoxLayout()
            for button in buttons:
                row.addWidget(button)
            rows.addRow(row)

    def _developer_button(self, text: str, tip: str, action: Any) -> Any:
        button = qt.QPushButton(text)
        button.toolTip = tip
        button.connect("clicked()", action)
        return button

    def _test_menu(self) -> Any:
        self.reloadTestMenu = qt.QMenu()
        self.testAction = self._test_action("Test", "TestAction", self.onTest)
        self.reloadTestAction = self._test_action("Reload and Test", "ReloadTestAction", self.onReloadAndTest)
        button = qt.QToolButton()
        button.setSizePolicy(qt.QSizePolicy(qt.QSizePolicy.Preferred, qt.QSizePolicy.Preferred))
        button.toolTip = "Test or Reload & Test"
        button.name = "ScriptedLoadableModuleTemplate Testing"
        button.setMenu(self.reloadTestMenu)
        last = qt.QSettings().value(f"{self.moduleName}/PreferredReloadAndTestAction", "ReloadTestAction")
        button.setDefaultAction(self.testAction if last == "TestAction" else self.reloadTestAction)
        return button

    def _test_action(self, text: str, name: str, function: Any) -> Any:
        action = qt.QAction(text, self.reloadTestMenu)
        action.setObjectName(name)
        action.connect("triggered()", lambda: function())
        self.reloadTestMenu.addAction(action)
        return action

    def onReload(self) -> None:
        """Load the module's file again and make its panel anew."""
        logging.info("Reloading module: %s", self.moduleName)
        slicer.util.reloadScriptedModule(self.moduleName)

    def onTest(self, **arguments: Any) -> None:
        """Run the module's test."""
        self._remember(self.testAction)
        with slicer.util.tryWithErrorDisplay("Test failed."):
            slicer.selfTests[self.moduleName](msec=_message_delay(), **arguments)

    def onReloadAndTest(self, **arguments: Any) -> None:
        """Reload the module, then run its test."""
        self._remember(self.reloadTestAction)
        with slicer.util.tryWithErrorDisplay("Reload and Test failed."):
            self.onReload()
            slicer.selfTests[self.moduleName](msec=_message_delay(), **arguments)

    def _remember(self, action: Any) -> None:
        self.reloadTestMenuButton.setDefaultAction(action)
        qt.QSettings().setValue(f"{self.moduleName}/PreferredReloadAndTestAction", action.objectName)

    def onEditSource(self) -> None:
        """Open the module's file with the program that the system has for it."""
        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(slicer.util.modulePath(self.moduleName)))


def _message_delay() -> int:
    return int(slicer.app.userSettings().value("Developer/SelfTestDisplayMessageDelay", 100))


class ScriptedLoadableModuleLogic:
    """The part of a module that works without a window, and its parameter node."""

    def __init__(self, parent: Any = None) -> None:  # noqa: ARG002
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Logic")
        self.isSingletonParameterNode = True

    def getParameterNode(self) -> Any:
        """The module's parameter node; made when the scene has none."""
        if self.isSingletonParameterNode:
            node = slicer.mrmlScene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
            if node is not None:
                if node.GetAttribute("ModuleName") != self.moduleName:  # closing the scene resets attributes
                    node.SetAttribute("ModuleName", self.moduleName)
                return node
        else:
            nodes = self.getAllParameterNodes()
            if nodes:
                return nodes[0]
        return slicer.mrmlScene.AddNode(self.createParameterNode())

    def getAllParameterNodes(self) -> list[Any]:
        """All parameter nodes of this module in the scene."""
        kind = "vtkMRMLScriptedModuleNode"
        count = slicer.mrmlScene.GetNumberOfNodesByClass(kind)
        nodes = (slicer.mrmlScene.GetNthNodeByClass(i, kind) for i in range(count))
        return [node for node in nodes if node.GetAttribute("ModuleName") == self.moduleName]

    def createParameterNode(self) -> Any:
        """A new parameter node, not yet in the scene."""
        if slicer.mrmlScene is None:
            return None
        node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
        node.UnRegister(None)
        if self.isSingletonParameterNode:
            node.SetSingletonTag(self.moduleName)
        node.SetAttribute("ModuleName", self.moduleName)
        node.SetName(slicer.mrmlScene.GenerateUniqueName(self.moduleName))
        return node


class ScriptedLoadableModuleTest(unittest.TestCase):
    """The test of a module: `runTest` is called by the developer's buttons, and by the host's --self-test."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        super(unittest.TestCase, self).__init__()
        self.enableScreenshots = False
        self.screenshotScaleFactor = 1.0

    def delayDisplay(self, message: str, requestedDelay: int | None = None, msec: int | None = None) -> None:
        """Show a message for a moment (milliseconds), letting events be handled; `messageDelay` goes before both."""
        if hasattr(self, "messageDelay"):
            msec = self.messageDelay
        wanted = msec if msec is not None else requestedDelay
        slicer.util.delayDisplay(message, 100 if wanted is None else wanted)

    def takeScreenshot(self, name: str, description: str, type: int = -1) -> None:  # noqa: ARG002
        """Slicer stores a snapshot when `enableScreenshots` is set; the host shows the description only."""
        self.delayDisplay(description)

    def runTest(self) -> None:
        """For the module to override."""
        logging.warning("No test is defined in %s", type(self).__name__)
