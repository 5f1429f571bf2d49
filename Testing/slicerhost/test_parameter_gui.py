"""Parameters bound to widgets, both ways."""

from __future__ import annotations

import enum
import pathlib
from typing import Annotated

import pytest


class Kind(enum.Enum):
    FIRST = 1
    SECOND = 2

    def label(self):
        return self.name.title()


@pytest.fixture
def bind(slicer, scene):
    """Bind one widget to a parameter of the type; returns the wrapper."""
    from slicer.parameterNodeWrapper import parameterNodeWrapper

    def make(widget, kind, *default):
        members = {"__annotations__": {"p": kind}} | ({"p": default[0]} if default else {})
        parameters = parameterNodeWrapper(type("Parameters", (), members))(
            scene.AddNewNodeByClass("vtkMRMLScriptedModuleNode")
        )
        parameters.tag = parameters.connectParametersToGui({"p": widget})
        return parameters

    return make


def limits(low, high):
    from slicer.parameterNodeWrapper import WithinRange

    return WithinRange(low, high)


def cases():
    import ctk
    import qt
    from slicer.parameterNodeWrapper import Choice

    return [
        (qt.QCheckBox(), bool, True, lambda w: w.checked),
        (qt.QPushButton(), bool, True, lambda w: w.checked),
        (qt.QSpinBox(), int, 12345, lambda w: w.value),
        (qt.QSlider(), Annotated[int, limits(0, 9)], 4, lambda w: w.value),
        (qt.QDoubleSpinBox(), float, 0.25, lambda w: w.value),
        (ctk.ctkSliderWidget(), Annotated[float, limits(0, 2)], 1.5, lambda w: w.value),
        (qt.QComboBox(), Annotated[str, Choice(["a", "b"])], "b", lambda w: w.currentText),
        (qt.QComboBox(), Annotated[int, Choice([10, 20])], 20, lambda w: int(w.currentText)),
        (qt.QComboBox(), Kind, Kind.SECOND, lambda w: Kind[w.currentText.upper()]),
        (qt.QLineEdit(), str, "text", lambda w: w.text),
        (qt.QTextEdit(), str, "two\nlines", lambda w: w.toPlainText()),
        (ctk.ctkPathLineEdit(), pathlib.Path, pathlib.Path("/a"), lambda w: pathlib.Path(w.currentPath)),
        (ctk.ctkDirectoryButton(), pathlib.Path, pathlib.Path("/a"), lambda w: pathlib.Path(w.directory)),
    ]


def write(widget, value):
    """What a user does to the widget."""
    name = widget.className()
    if name in ("QCheckBox", "QPushButton"):
        widget.click()
    elif name == "QComboBox":
        widget.setCurrentIndex(1)
    elif name == "QTextEdit":
        widget.setPlainText(value)
    else:
        attribute = {"QLineEdit": "text", "ctkPathLineEdit": "currentPath", "ctkDirectoryButton": "directory"}
        setattr(widget, attribute.get(name, "value"), str(value) if isinstance(value, pathlib.Path) else value)


@pytest.mark.parametrize("index", range(13))
def test_both_ways(slicer, bind, index):
    widget, kind, value, shown = cases()[index]
    first = {6: "a", 7: 10}.get(index)
    parameters = bind(widget, kind, *([first] if first is not None else []))
    before = parameters.p
    write(widget, value)
    assert parameters.p == value
    parameters.p = before
    assert shown(widget) == before
    parameters.p = value
    assert shown(widget) == value
    parameters.disconnectGui(parameters.tag)
    parameters.p = before
    assert shown(widget) == value
    write(widget, value)
    assert parameters.p == before


def test_nodes(slicer, scene, bind):
    box = slicer.qMRMLNodeComboBox()
    box.noneEnabled = True
    box.setMRMLScene(scene)
    parameters = bind(box, slicer.vtkMRMLScalarVolumeNode)
    assert list(box.nodeTypes) == ["vtkMRMLScalarVolumeNode"]
    volume = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "V")
    box.setCurrentNode(volume)
    assert parameters.p is volume
    parameters.p = None
    assert box.currentNode() is None
    parameters.p = volume
    scene.RemoveNode(volume)
    assert box.currentNode() is None
    assert parameters.p is None


def test_hints_and_limits_reach_the_widget(bind):
    import qt
    from slicer.parameterNodeWrapper import Decimals, Maximum, Minimum, SingleStep

    box = qt.QDoubleSpinBox()
    bind(box, Annotated[float, Decimals(4), SingleStep(0.125), Minimum(-1), Maximum(2)])
    assert (box.decimals, box.singleStep, box.minimum, box.maximum) == (4, 0.125, -1, 2)


def test_a_slider_without_limits_is_refused(bind):
    import ctk
    import qt

    with pytest.raises(RuntimeError, match="unbounded"):
        bind(ctk.ctkSliderWidget(), float)
    with pytest.raises(RuntimeError, match="unbounded"):
        bind(qt.QSlider(), int)


@pytest.mark.parametrize("name", ["QPlainTextEdit", "QRadioButton", "QLabel", "QProgressBar"])
def test_widgets_that_slicer_can_not_bind_are_refused(bind, name):
    import qt

    with pytest.raises(RuntimeError, match="Unable to create GUI connector"):
        bind(getattr(qt, name)(), str)


def test_a_combo_box_needs_choices(bind):
    import qt

    with pytest.raises(RuntimeError, match="Choice"):
        bind(qt.QComboBox(), str)


def test_a_connector_of_ones_own(bind):
    import qt
    from slicer.parameterNodeWrapper import GuiConnector, parameterNodeGuiConnector

    @parameterNodeGuiConnector
    class Dial(GuiConnector):
        @staticmethod
        def canRepresent(widget, datatype):
            return type(widget) is qt.QDial and datatype is int

        @staticmethod
        def create(widget, datatype):
            return Dial(widget)

        def __init__(self, widget):
            super().__init__()
            self._widget = widget

        def _connect(self):
            self._widget.valueChanged.connect(self.changed)

        def _disconnect(self):
            self._widget.valueChanged.disconnect(self.changed)

        def widget(self):
            return self._widget

        def read(self):
            return self._widget.value

        def write(self, value):
            self._widget.value = value

    dial = qt.QDial()
    parameters = bind(dial, int)
    dial.value = 5
    assert parameters.p == 5


def test_connecting_by_the_property_of_a_ui_file(slicer, scene, tmp_path):
    from slicer.parameterNodeWrapper import findChildWidgetForParameter, parameterNodeWrapper

    path = tmp_path / "panel.ui"
    path.write_text(
        """<ui version="4.0"><class>Panel</class><widget class="QWidget" name="Panel"><layout class="QVBoxLayout"><item>
        <widget class="QLineEdit" name="edit"><property name="SlicerParameterName" stdset="0"><string>title</string>
        </property></widget></item><item><widget class="QLabel" name="label"/></item></layout></widget></ui>"""
    )

    @parameterNodeWrapper
    class Parameters:
        title: str = "first"

    parameters = Parameters(scene.AddNewNodeByClass("vtkMRMLScriptedModuleNode"))
    widget = slicer.util.loadUI(str(path))
    ui = slicer.util.childWidgetVariables(widget)
    tag = parameters.connectGui(ui)
    assert ui.edit.text == "first"
    ui.edit.text = "second"
    assert parameters.title == "second"
    parameters.disconnectGui(tag)
    ui.edit.text = "third"
    assert parameters.title == "second"
    parameters.connectGui(widget)
    assert ui.edit.text == "second"
    assert findChildWidgetForParameter(widget, "title") is ui.edit
    assert findChildWidgetForParameter(widget, "none") is None


def test_an_unknown_parameter_is_refused(slicer, scene):
    import qt
    from slicer.parameterNodeWrapper import parameterNodeWrapper

    @parameterNodeWrapper
    class Parameters:
        title: str

    parameters = Parameters(scene.AddNewNodeByClass("vtkMRMLScriptedModuleNode"))
    with pytest.raises(ValueError, match="Cannot find a param"):
        parameters.connectParametersToGui({"titel": qt.QLineEdit()})
