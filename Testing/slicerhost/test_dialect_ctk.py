"""CTK's and MRML's widgets: properties, signals, mouse and keys."""

from __future__ import annotations

import pytest


@pytest.fixture
def ctk(slicer):
    import ctk

    return ctk


@pytest.fixture
def shown(slicer):
    """Show a widget by itself and let events be handled."""
    made = []

    def show(widget, width=320, height=60):
        widget.resize(width, height)
        widget.show()
        made.append(widget)
        slicer.app.processEvents()
        return widget

    yield show
    for widget in made:
        widget.close()


def test_what_is_not_there_is_not_offered(ctk, slicer):
    for name in ("ctkPopupWidget", "ctkDICOMBrowser", "ctkMatrixWidget"):
        assert not hasattr(ctk, name)
    assert not hasattr(slicer, "qMRMLSegmentEditorWidget")


def test_every_widget_refuses_new_attributes_and_is_known_to_ui_files(ctk, slicer):
    from slicerhost.dialect.uiloader import CUSTOM_WIDGETS

    names = [n for n in dir(ctk) if n.startswith("ctk")]
    assert len(names) >= 12
    for name in names:
        widget = getattr(ctk, name)()
        with pytest.raises(AttributeError, match="new attributes"):
            widget.somethingElse = 1
        assert widget.className() == name
        assert CUSTOM_WIDGETS[name] is getattr(ctk, name)


def test_slider_widget(ctk, shown):
    from PySide6.QtCore import Qt
    from PySide6.QtTest import QTest

    slider, values = shown(ctk.ctkSliderWidget()), []
    assert (slider.minimum, slider.maximum, slider.value, slider.singleStep, slider.decimals) == (0, 99, 0, 1, 2)
    slider.connect("valueChanged(double)", values.append)
    slider.decimals, slider.minimum, slider.maximum, slider.singleStep = 3, 0, 1, 0.001
    slider.value = 0.125
    slider.value = 0.125
    slider.value = 5
    assert values == [0.125, 1.0]
    assert slider.spinBox().value == 1.0
    slider.value = 0.5
    inner = slider.slider().findChild("QSlider")
    QTest.keyClick(inner, Qt.Key.Key_Right)
    assert slider.value == pytest.approx(0.501)
    slider.spinBox().selectAll()
    QTest.keyClicks(slider.spinBox(), "0.25")
    QTest.keyClick(slider.spinBox(), Qt.Key.Key_Return)
    assert slider.value == 0.25
    assert slider.slider().value == 0.25
    slider.suffix = " %"
    assert slider.spinBox().suffix == " %"
    slider.spinBoxVisible = False
    assert not slider.spinBox().visible


def test_slider_widget_without_tracking(ctk, shown):
    slider, changing, changed = shown(ctk.ctkSliderWidget()), [], []
    slider.tracking = False
    slider.connect("valueIsChanging(double)", changing.append)
    slider.connect("valueChanged(double)", changed.append)
    inner = slider.slider().findChild("QSlider")
    inner.setSliderDown(True)
    inner.setValue(30)
    inner.setValue(40)
    assert (changing, changed) == ([30.0, 40.0], [])
    inner.setSliderDown(False)
    assert changed == [40.0]


def test_a_value_between_the_steps_stays(ctk):
    slider = ctk.ctkSliderWidget()
    slider.value = 12.34
    assert slider.value == 12.34


def test_range_widget(ctk, shown):
    from PySide6.QtCore import QPoint, Qt
    from PySide6.QtTest import QTest

    widget, both = shown(ctk.ctkRangeWidget()), []
    widget.setRange(0, 10)
    widget.connect("valuesChanged(double,double)", lambda low, high: both.append((low, high)))
    widget.setValues(2, 8)
    widget.minimumValue = 9
    assert (widget.minimumValue, widget.maximumValue) == (8, 8)
    widget.setValues(2, 8)
    widget.maximum = 6
    assert widget.maximumValue == 6
    assert both == [(2, 8), (8, 8), (2, 8), (2, 6)]
    line = widget._slider
    QTest.mousePress(line, Qt.MouseButton.LeftButton, pos=QPoint(line.width - 6, 8))
    QTest.mouseMove(line, QPoint(line.width // 2, 8))
    QTest.mouseRelease(line, Qt.MouseButton.LeftButton, pos=QPoint(line.width // 2, 8))
    assert widget.maximumValue == pytest.approx(3, abs=0.2)
    before = widget.maximumValue
    widget.singleStep = 0.5
    QTest.keyClick(line, Qt.Key.Key_Right)
    assert widget.maximumValue == before + 0.5


def test_path_line_edit(ctk, shown, slicer, tmp_path, monkeypatch):
    import qt

    edit, paths, valid = shown(ctk.ctkPathLineEdit()), [], []
    edit.connect("currentPathChanged(QString)", paths.append)
    edit.connect("validInputChanged(bool)", valid.append)
    edit.settingKey = "TestPaths"
    edit.currentPath = str(tmp_path)
    edit.currentPath = "/nowhere"
    assert paths == [str(tmp_path), "/nowhere"]
    assert valid == [True, False]
    edit.addCurrentPathToHistory()
    edit.currentPath = str(tmp_path)
    edit.addCurrentPathToHistory()
    other = ctk.ctkPathLineEdit()
    other.settingKey = "TestPaths"
    assert other.currentPath == str(tmp_path)
    assert [other.comboBox().itemText(i) for i in range(other.comboBox().count)] == [str(tmp_path), "/nowhere"]
    monkeypatch.setattr(qt.QFileDialog, "getExistingDirectory", staticmethod(lambda *_: "/chosen"))
    edit.filters = ctk.ctkPathLineEdit.Dirs
    edit.findChild("QToolButton").click()
    assert edit.currentPath == "/chosen"


def test_directory_button(ctk, shown, monkeypatch):
    import qt

    button, changed, selected = shown(ctk.ctkDirectoryButton("/a")), [], []
    button.connect("directoryChanged(QString)", changed.append)
    button.connect("directorySelected(QString)", selected.append)
    button.directory = "/b"
    button.directory = "/b"
    assert (changed, selected) == (["/b"], ["/b", "/b"])
    monkeypatch.setattr(qt.QFileDialog, "getExistingDirectory", staticmethod(lambda *_: ""))
    button.findChild("QPushButton").click()
    assert button.directory == "/b"
    assert button.findChild("QPushButton").text == "/b"
    button.text = "Choose"
    assert button.findChild("QPushButton").text == "Choose"


def test_search_box(ctk, shown):
    box, texts = shown(ctk.ctkSearchBox()), []
    box.connect("textChanged(QString)", texts.append)
    box.text = "ulna"
    box.clear()
    assert texts == ["ulna", ""]
    assert box.clearButtonEnabled
    box.showSearchIcon = True
    assert len(box.actions()) >= 1


def test_fitted_text_browser_is_as_high_as_its_text(ctk, shown, slicer):
    browser = shown(ctk.ctkFittedTextBrowser(), 300, 50)
    browser.setText("one line")
    slicer.app.processEvents()
    low = browser.height
    browser.setText("<br>".join(["a line that is long enough to be broken once or twice in this width"] * 5))
    slicer.app.processEvents()
    assert browser.height > 4 * low
    assert browser.verticalScrollBar().maximum == 0


def test_message_box_keeps_the_answer(ctk, slicer):
    import qt

    def answer(button):
        def press():
            box = slicer.app.activeModalWidget()
            if box is None:
                qt.QTimer.singleShot(10, press)
                return
            box.checkBox().setChecked(True)
            box.button(button).click()

        qt.QTimer.singleShot(0, press)

    for expected in (qt.QMessageBox.No, qt.QMessageBox.Yes):
        qt.QSettings().remove("TestBox")
        box = ctk.ctkMessageBox()
        box.text = "Sure?"
        box.standardButtons = qt.QMessageBox.Yes | qt.QMessageBox.No | qt.QMessageBox.Cancel
        box.dontShowAgainSettingsKey = "TestBox"
        answer(qt.QMessageBox.Cancel)
        assert box.exec_() == qt.QMessageBox.Cancel  # a cancelled box is asked again
        answer(expected)
        assert box.exec_() == expected
        again = ctk.ctkMessageBox()
        again.dontShowAgainSettingsKey = "TestBox"
        assert again.exec_() == expected  # without asking
    qt.QSettings().remove("TestBox")


@pytest.fixture
def box(slicer, scene):
    made = slicer.qMRMLNodeComboBox()
    made.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    return made


def entries(box):
    inner = box.findChild("QComboBox")
    return [inner.itemText(i) for i in range(inner.count) if inner.itemText(i)]


def test_node_box_without_a_scene(box):
    assert not box.findChild("QComboBox").enabled
    assert box.currentNode() is None


def test_node_box_follows_the_scene(box, scene):
    got = []
    box.connect("currentNodeChanged(vtkMRMLNode*)", lambda node: got.append(node and node.GetName()))
    box.connect("currentNodeChanged(bool)", got.append)
    box.connect("currentNodeIDChanged(QString)", got.append)
    box.addEnabled = box.removeEnabled = False
    box.setMRMLScene(scene)
    assert box.nodeCount() == 0
    first = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "first")
    assert got == ["first", True, first.GetID()]  # without "None" the first node is chosen
    second = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "second")
    scene.AddNewNodeByClass("vtkMRMLModelNode", "model")
    assert entries(box) == ["first", "second"]
    second.SetName("renamed")
    assert entries(box) == ["first", "renamed"]
    box.setCurrentNode(second)
    got.clear()
    scene.RemoveNode(second)
    assert got == ["first", True, first.GetID()]
    first.SetHideFromEditors(True)
    box.showHidden = True
    assert entries(box) == ["first"]
    scene.Clear(0)
    assert box.currentNode() is None


def test_node_box_with_none_and_by_mouse(box, scene, slicer):
    box.noneEnabled = True
    box.noneDisplay = "nothing"
    box.renameEnabled = True
    box.setMRMLScene(scene)
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "volume")
    assert entries(box)[:2] == ["nothing", "volume"]
    assert box.currentNodeID == ""
    inner = box.findChild("QComboBox")
    inner.activated.emit(1)
    assert box.currentNode() is node
    inner.activated.emit(inner.findText("Delete current node"))
    assert scene.GetFirstNodeByName("volume") is None
    assert box.currentNode() is None
    box.baseName = "made"
    inner.activated.emit(next(i for i in range(inner.count) if inner.itemText(i).startswith("Create new")))
    assert box.currentNode().GetName() == "made"


def test_node_box_filters(box, scene):
    box.setMRMLScene(scene)
    plain = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "plain")
    marked = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "marked")
    marked.SetAttribute("Kind", "radiograph")
    scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
    assert [n.GetName() for n in box.nodes()] == ["plain", "marked", "labels"]
    box.showChildNodeTypes = False
    assert [n.GetName() for n in box.nodes()] == ["plain", "marked"]
    box.addAttribute("vtkMRMLScalarVolumeNode", "Kind", "radiograph")
    assert box.nodes() == [marked]
    made = box.addNode()
    assert made.GetAttribute("Kind") == "radiograph"
    box.removeAttribute("vtkMRMLScalarVolumeNode", "Kind")
    assert plain in box.nodes()


def test_node_boxes_that_are_gone_are_not_asked(slicer, scene):
    box = slicer.qMRMLNodeComboBox()
    box.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    box.setMRMLScene(scene)
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "volume")
    box.delete()
    node.SetName("other")
    scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "third")


def test_ui_files(slicer, scene, tmp_path):
    path = tmp_path / "panel.ui"
    text = """<ui version="4.0"><class>Panel</class><widget class="qMRMLWidget" name="Panel">
      <layout class="QVBoxLayout">
      <item><widget class="qMRMLNodeComboBox" name="connected"/></item>
      <item><widget class="qMRMLNodeComboBox" name="alone"/></item>
      <item><widget class="ctkSliderWidget" name="slider"><property name="maximum"><double>5.5</double></property>
      </widget></item></layout></widget><connections><connection><sender>Panel</sender>
      <signal>mrmlSceneChanged(vtkMRMLScene*)</signal><receiver>connected</receiver>
      <slot>setMRMLScene(vtkMRMLScene*)</slot></connection></connections></ui>"""
    path.write_text(text)
    widget = slicer.util.loadUI(str(path))
    ui = slicer.util.childWidgetVariables(widget)
    widget.setMRMLScene(scene)
    assert ui.connected.mrmlScene() is scene
    assert ui.alone.mrmlScene() is None  # as in Slicer: only what the file connects
    assert ui.slider.maximum == 5.5
    path.write_text(text.replace("ctkSliderWidget", "ctkNoSuchWidget"))
    with pytest.raises(RuntimeError, match="ctkNoSuchWidget"):
        slicer.util.loadUI(str(path))
    with pytest.raises(RuntimeError, match="not found"):
        slicer.util.loadUI(str(tmp_path / "other.ui"))
