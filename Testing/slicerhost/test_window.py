"""The main window: panel and views, menu, style, dropped files, a real X server, and memory."""

from __future__ import annotations

import gc
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

MIB = 2**20


def actions(window):
    """All actions of the menu by their plain text."""
    found = {}

    def collect(menu):
        for action in menu.actions():
            if action.menu() is not None:
                collect(action.menu())
            elif action.text:
                found[action.text.replace("&", "")] = action

    for action in window.menuBar().actions():
        collect(action.menu())
    return found


def test_scripts_find_the_window(window, slicer):
    assert slicer.util.mainWindow() is window
    assert window.windowTitle == "Test"
    assert slicer.util.showStatusMessage("saved") is None or window.statusBar().currentMessage() == "saved"


@pytest.mark.parametrize("size", [(1280, 800), (1920, 1080)])
def test_the_panel_is_380_to_460_wide_and_never_scrolls_sideways(window, slicer, size):
    import qt

    panel = qt.QWidget()
    column = qt.QVBoxLayout(panel)
    for index in range(60):
        column.addWidget(qt.QLineEdit("a text in a line that can be short " * (index % 3 + 1)))
    window.set_module("Long", panel)
    window.resize(*size)
    slicer.app.processEvents()
    area = window.panel_area()
    assert 380 <= area.width <= 460
    assert area.horizontalScrollBar().maximum == 0
    assert area.verticalScrollBar().maximum > 0
    assert panel.width <= area.viewport().width
    red = slicer.app.layoutManager().sliceWidget("Red")
    assert red.width > size[0] - 470


def test_layouts_by_the_menu(window, slicer):
    menu = actions(window)
    manager = slicer.app.layoutManager()
    menu["Side by side"].trigger()
    slicer.app.processEvents()
    assert manager.layout == 29
    assert menu["Side by side"].checked
    manager.setLayout(6)
    assert menu["One view"].checked
    assert not menu["Side by side"].checked


def test_light_and_dark(window, slicer, picture_of):
    from slicerhost import style

    menu = actions(window)
    menu["Dark"].trigger()
    slicer.app.processEvents()
    dark = picture_of(window.panel_area()).mean()
    menu["Light"].trigger()
    slicer.app.processEvents()
    assert picture_of(window.panel_area()).mean() > dark + 120
    assert style.chosen() == "light"
    menu["As the system"].trigger()
    assert style.chosen() == "system"
    with pytest.raises(ValueError, match="no style"):
        style.choose("pink")


@pytest.mark.parametrize("name", ["light", "dark"])
def test_text_has_contrast(slicer, name):
    """WCAG 2.1: at least 4.5:1 for every text on its ground."""
    from PySide6.QtGui import QPalette

    from slicerhost import style

    palette, role = style.palette(name), QPalette.ColorRole
    pairs = [
        (role.WindowText, role.Window),
        (role.Text, role.Base),
        (role.Text, role.AlternateBase),
        (role.ButtonText, role.Button),
        (role.HighlightedText, role.Highlight),
        (role.ToolTipText, role.ToolTipBase),
        (role.Link, role.Window),
        (role.PlaceholderText, role.Base),
    ]
    for ink, ground in pairs:
        assert contrast(palette.color(ink), palette.color(ground)) >= 4.5, (ink, ground)


def contrast(first, second):
    def luminance(colour):
        channels = np.array([colour.redF(), colour.greenF(), colour.blueF()])
        linear = np.where(channels <= 0.03928, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        return float(linear @ (0.2126, 0.7152, 0.0722))

    dark, light = sorted((luminance(first), luminance(second)))
    return (light + 0.05) / (dark + 0.05)


def answer_dialog(slicer, path):
    """When a file dialog is up, choose a file in it and accept it."""
    import qt
    from PySide6.QtWidgets import QFileDialog

    def answer(tries=100):
        dialog = slicer.app.activeModalWidget()
        if isinstance(dialog, QFileDialog):
            dialog.selectFile(str(path))
            dialog.accept()
        elif tries:
            qt.QTimer.singleShot(30, lambda: answer(tries - 1))

    qt.QTimer.singleShot(0, answer)


def test_scene_saved_closed_and_opened_by_the_menu(window, slicer, scene, radiograph, tmp_path):
    menu = actions(window)
    answer_dialog(slicer, tmp_path / "case")
    menu["Save scene as…"].trigger()
    assert (tmp_path / "case.mrb").exists()
    assert window.statusBar().currentMessage() == "Scene saved"
    scene.Clear(0)
    answer_dialog(slicer, tmp_path / "case.mrb")
    menu["Open scene…"].trigger()
    assert scene.GetFirstNodeByName("radiograph") is not None


def test_data_added_by_the_menu(window, slicer, scene, radiograph, tmp_path):
    slicer.util.saveNode(radiograph, str(tmp_path / "hand.nrrd"))
    answer_dialog(slicer, tmp_path / "hand.nrrd")
    actions(window)["Add data…"].trigger()
    assert scene.GetFirstNodeByName("hand") is not None


def test_the_module_menu_is_for_developers(window, slicer):
    from slicerhost import MainWindow

    assert "Reload" in actions(window)
    plain = MainWindow(developer=False)
    assert "Reload" not in actions(plain)
    plain.close()
    plain.deleteLater()
    slicer.app.layoutManager().setViewport(window.centralWidget().widget(1))


def drop(window, slicer, paths):
    from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
    from PySide6.QtGui import QDragEnterEvent, QDropEvent

    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    none, left = Qt.KeyboardModifier.NoModifier, Qt.MouseButton.LeftButton
    enter = QDragEnterEvent(QPoint(5, 5), Qt.DropAction.CopyAction, data, left, none)
    slicer.app.sendEvent(window, enter)
    event = QDropEvent(QPointF(5, 5), Qt.DropAction.CopyAction, data, left, none)
    slicer.app.sendEvent(window, event)
    return enter.isAccepted()


def test_dropped_files_are_opened(window, slicer, scene, radiograph, tmp_path):
    slicer.util.saveNode(radiograph, str(tmp_path / "hand.nrrd"))
    (tmp_path / "odd.xyz").write_text("?")
    assert drop(window, slicer, [tmp_path / "hand.nrrd", tmp_path / "odd.xyz"])
    assert scene.GetFirstNodeByName("hand") is not None
    assert "odd.xyz" in window.statusBar().currentMessage()


def test_a_module_that_takes_drops_gets_them(window, slicer, tmp_path):
    import qt

    got = []

    class Widget:
        def dropEvent(self, event):
            got.extend(url.toLocalFile() for url in event.mimeData().urls())

    class Module:
        name = "Takes"

        def widgetRepresentation(self):
            return self

        def self(self):
            return Widget()

    window.set_module("Takes drops", qt.QWidget(), Module())
    drop(window, slicer, [tmp_path / "a.dcm"])
    assert got == [str(tmp_path / "a.dcm")]


def test_size_is_kept(slicer, window):
    import qt

    from slicerhost import MainWindow

    window.resize(790, 620)
    slicer.app.processEvents()
    window.close()
    second = MainWindow()
    second.set_module("Again", qt.QWidget())
    second.show()
    slicer.app.processEvents()
    assert (second.size.width(), second.size.height()) == (790, 620)
    second.close()
    slicer.app.processEvents()
    qt.QSettings().remove("Host/MainWindow")


X_SCRIPT = """
import sys
import numpy as np
import slicerhost
slicer = slicerhost.start()
import qt
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
assert slicer.app.platformName == "xcb", slicer.app.platformName
window = slicerhost.MainWindow()
window.set_module("X", qt.QPushButton("a panel"))
window.show()
assert QTest.qWaitForWindowExposed(window)
rows, columns = np.mgrid[0:500, 0:400]
volume = slicer.util.addVolumeFromArray((rows + columns).astype("uint16")[None], ijkToRAS=np.diag([-1, -1, 1, 1]))
volume.CreateDefaultDisplayNodes()
slicer.util.setSliceViewerLayers(background=volume, fit=True)
points = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode")
logic = slicer.app.applicationLogic()
logic.GetSelectionNode().SetReferenceActivePlaceNodeClassName(points.GetClassName())
logic.GetSelectionNode().SetReferenceActivePlaceNodeID(points.GetID())
logic.GetInteractionNode().SwitchToPersistentPlaceMode()
widget = slicer.app.layoutManager().sliceWidget("Red")
view = widget.sliceView()
for x, y in ((300, 200), (400, 300)):
    QTest.mouseMove(view, QPoint(x, y))
    slicer.app.processEvents()
    QTest.mouseClick(view, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, QPoint(x, y))
    slicer.app.processEvents()
height = view.renderWindow().GetSize()[1]
for index, (x, y) in enumerate(((300, 200), (400, 300))):
    expected = widget.mrmlSliceNode().GetXYToRAS().MultiplyPoint((x, height - 1 - y, 0, 1))[:3]
    assert np.allclose(points.GetNthControlPointPosition(index), expected, atol=1e-3)
window.grab().save(sys.argv[1])
print("placed", points.GetNumberOfDefinedControlPoints(), flush=True)
import os
os._exit(0)
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("Xvfb") is None, reason="Xvfb is not installed")
def test_on_a_real_x_server(tmp_path):
    """The same window on a screen of an X server, Qt's xcb platform, a click in the view."""
    display = f":{300 + os.getpid() % 500}"
    server = subprocess.Popen(
        ["Xvfb", display, "-screen", "0", "1600x1000x24"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        socket = Path(f"/tmp/.X11-unix/X{display[1:]}")
        deadline = time.monotonic() + 15
        while not socket.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        environment = {**os.environ, "DISPLAY": display, "QT_QPA_PLATFORM": "xcb"}
        run = subprocess.run(
            [sys.executable, "-c", X_SCRIPT, str(tmp_path / "window.png")],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    finally:
        server.terminate()
        server.wait(10)
    if "could not connect to display" in run.stderr or "Could not load the Qt platform plugin" in run.stderr:
        missing = re.findall(r"lib\S+", run.stderr) or [run.stderr.strip()[-300:]]
        pytest.skip(f"Qt's xcb platform does not start here: {missing[0]}")
    assert run.returncode == 0, run.stderr[-3000:]
    assert "placed 2" in run.stdout


def resident_bytes():
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
@pytest.mark.parametrize("how", ["remove", "clear"])
def test_fifty_volumes_closed_leave_nothing(hand, slicer, scene, volume_of, how):
    """50 radiographs of 4 MiB with landmarks, shown and closed: no nodes left, memory as before."""
    pixels = np.random.default_rng(0).integers(0, 4000, (1, 1450, 1450), np.uint16)

    def show_and_close():
        volume = volume_of(pixels)
        points = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode")
        points.AddControlPoint(-20, -20, 0)
        hand.show(volume)
        if how == "clear":
            scene.Clear(0)
        else:
            for node in (points, volume):
                display = node.GetDisplayNode()
                scene.RemoveNode(node)
                scene.RemoveNode(display)
        hand.settle()

    for _ in range(8):
        show_and_close()
    gc.collect()
    before, nodes = resident_bytes(), scene.GetNumberOfNodes()
    for _ in range(50):
        show_and_close()
    gc.collect()
    assert scene.GetNumberOfNodes() == nodes
    assert resident_bytes() - before < 40 * MIB  # 50 volumes that stayed would be 200
