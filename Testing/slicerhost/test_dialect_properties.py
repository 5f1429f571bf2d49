"""Properties and attributes of Qt objects as PythonQt has them."""

from __future__ import annotations

import pytest


@pytest.fixture
def qt(slicer):
    import qt

    return qt


def test_properties_are_attributes_and_setters_stay_methods(qt):
    button = qt.QPushButton("first")
    assert button.text == "first"
    button.setText("second")
    assert button.text == "second"
    button.text = "third"
    assert button.text == "third"
    button.checkable = True
    button.checked = 1
    assert button.checked is True
    assert button.isChecked()


def test_a_property_can_not_be_called(qt):
    button = qt.QPushButton("x")
    with pytest.raises(TypeError, match="'str' object is not callable"):
        button.text()
    with pytest.raises(TypeError, match="'int' object is not callable"):
        button.width()
    with pytest.raises(TypeError):
        qt.QComboBox().currentIndex()


@pytest.mark.parametrize(
    ("make", "name", "value"),
    [
        (lambda qt: qt.QLabel("a"), "text", "b"),
        (lambda qt: qt.QSpinBox(), "maximum", 7),
        (lambda qt: qt.QDoubleSpinBox(), "singleStep", 0.25),
        (lambda qt: qt.QLineEdit(), "placeholderText", "search"),
        (lambda qt: qt.QWidget(), "toolTip", "tip"),
        (lambda qt: qt.QWidget(), "enabled", False),
        (lambda qt: qt.QTimer(), "interval", 20),
        (lambda qt: qt.QTimer(), "singleShot", True),
        (lambda qt: qt.QVBoxLayout(), "spacing", 3),
        (lambda qt: qt.QProgressBar(), "value", 5),
        (lambda qt: qt.QAction("a"), "checkable", True),
        (lambda qt: qt.QButtonGroup(), "exclusive", False),
        (lambda qt: qt.QTableView(), "sortingEnabled", True),
        (lambda qt: qt.QSortFilterProxyModel(), "dynamicSortFilter", False),
        (lambda qt: qt.QProgressDialog(), "labelText", "working"),
    ],
)
def test_properties_can_be_read_and_set(qt, make, name, value):
    thing = make(qt)
    setattr(thing, name, value)
    assert getattr(thing, name) == value
    assert thing.property(name) == value


def test_new_attributes_are_refused_on_cpp_objects(qt):
    button = qt.QPushButton("x")
    with pytest.raises(AttributeError, match="'caption' does not exist on QPushButton and creating new attributes"):
        button.caption = "y"
    with pytest.raises(AttributeError, match="setvalue"):
        qt.QSpinBox().setvalue = 3
    with pytest.raises(AttributeError):
        button.nothing  # noqa: B018
    with pytest.raises(AttributeError, match="new attributes"):
        qt.QStandardItem("a").note = 1


def test_slots_and_read_only_properties_can_not_be_overwritten(qt):
    button = qt.QPushButton("x")
    with pytest.raises(AttributeError, match="Slot 'setText' can not be overwritten"):
        button.setText = "y"
    with pytest.raises(AttributeError, match="'sizeHint' of QPushButton object is not writable"):
        button.sizeHint = qt.QSize(1, 1)


@pytest.mark.parametrize(
    ("name", "value"), [("enabled", "no"), ("maximum", "many"), ("maximum", None), ("toolTip", None)]
)
def test_a_value_of_a_wrong_type_is_refused(qt, name, value):
    box = qt.QSpinBox()
    before = getattr(box, name)
    with pytest.raises(AttributeError, match=f"Property '{name}' of type"):
        setattr(box, name, value)
    assert getattr(box, name) == before


def test_python_classes_take_new_attributes_but_not_the_names_of_slots(qt):
    class Panel(qt.QWidget):
        def __init__(self):
            super().__init__()
            self.count = 3

        def sizeHint(self):
            return qt.QSize(123, 45)

    panel = Panel()
    assert panel.count == 3
    with pytest.raises(AttributeError, match="Slot 'layout'"):
        panel.layout = None
    outer = qt.QWidget()
    row = qt.QHBoxLayout(outer)
    row.setContentsMargins(0, 0, 0, 0)
    row.addWidget(panel)
    assert outer.sizeHint == qt.QSize(123, 45)  # Qt itself asks the override


def test_an_override_that_fails_is_told_and_not_fatal(qt, slicer, monkeypatch):
    import sys

    told = []
    monkeypatch.setattr(sys, "excepthook", lambda kind, error, trace: told.append(str(error)))

    class Panel(qt.QWidget):
        def resizeEvent(self, event):
            raise ValueError("in resizeEvent")

        def paintEvent(self, event):
            raise ValueError("in paintEvent")

        def sizeHint(self):
            raise ValueError("in sizeHint")

        def eventFilter(self, watched, event):
            raise ValueError("in eventFilter")

    panel = Panel()
    panel.show()
    panel.installEventFilter(panel)
    panel.grab()
    slicer.app.processEvents()
    assert {"in resizeEvent", "in paintEvent", "in eventFilter"} <= set(told)
    panel.close()


def test_enumerations_are_whole_numbers(qt):
    assert qt.Qt.AlignLeft == 1
    assert qt.Qt.AlignLeft | qt.Qt.AlignTop == 0x21
    assert qt.QMessageBox.Yes == 0x4000
    assert qt.QDialog.Accepted == 1
    label = qt.QLabel()
    label.alignment = qt.Qt.AlignRight | qt.Qt.AlignVCenter
    assert label.alignment == 0x82
    label.alignment = 0x84
    assert label.alignment & qt.Qt.AlignHCenter
    dialog = qt.QDialog()
    qt.QTimer.singleShot(0, dialog.accept)
    assert dialog.exec_() == qt.QDialog.Accepted


def test_names_of_pyside_are_not_offered(qt):
    for name in ("Signal", "Slot", "Property", "SIGNAL"):
        assert not hasattr(qt, name)


def test_deleted_objects_say_so(qt):
    button = qt.QPushButton("x")
    button.delete()
    with pytest.raises(ValueError, match="Trying to read property 'text' from a destroyed QPushButton"):
        button.text  # noqa: B018
    with pytest.raises(AttributeError, match="Trying to set property 'text' on a destroyed QPushButton"):
        button.text = "y"


def test_finding_children(qt):
    panel = qt.QWidget()
    row = qt.QHBoxLayout(panel)
    for name in ("one", "two"):
        button = qt.QPushButton(name)
        button.name = name
        row.addWidget(button)
    row.addWidget(qt.QLabel("label"))
    assert [b.text for b in panel.findChildren("QPushButton")] == ["one", "two"]
    assert [b.text for b in panel.findChildren(qt.QPushButton)] == ["one", "two"]
    assert len(panel.findChildren("QWidget")) == 3
    assert panel.findChild(qt.QPushButton, "two").text == "two"
    assert panel.findChild("QPushButton", "two").text == "two"
    assert panel.findChild(qt.QSpinBox) is None
    assert panel.two.text == "two"  # PythonQt looks for children last
    assert panel.two.objectName == panel.two.name == "two"
    assert panel.two.className() == "QPushButton"
    assert panel.two.inherits("QAbstractButton")


def test_dynamic_properties_can_be_read_and_set_as_attributes(qt):
    widget = qt.QWidget()
    widget.setProperty("SlicerParameterName", "threshold")
    assert widget.property("SlicerParameterName") == "threshold"
    assert widget.SlicerParameterName == "threshold"
    widget.SlicerParameterName = "other"
    assert widget.property("SlicerParameterName") == "other"


def test_static_dialogs_return_one_value(qt, slicer):
    dialog_text = {}

    def answer():
        dialog = slicer.app.activeModalWidget()
        if dialog is None:
            qt.QTimer.singleShot(10, answer)
            return
        dialog_text["label"] = dialog.labelText()  # not a Qt property, whatever Qt's documentation says
        dialog.setTextValue("typed")
        dialog.accept()

    qt.QTimer.singleShot(0, answer)
    assert qt.QInputDialog.getText(None, "Name", "Your name") == "typed"
    assert dialog_text == {"label": "Your name"}


def test_svg_icons_are_drawn(qt, tmp_path):
    path = tmp_path / "red.svg"
    drawing = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9" fill="#f00"/></svg>'
    )
    path.write_text(drawing)
    image = qt.QIcon(str(path)).pixmap(16, 16).toImage()
    assert image.pixelColor(8, 8).name() == "#ff0000"


def test_what_modules_use_is_there(qt):
    names = """QApplication QButtonGroup QCheckBox QColor QComboBox QCompleter QCursor QDesktopServices QDialog QDir
    QEvent QFile QFileDialog QFormLayout QFrame QGridLayout QGroupBox QHBoxLayout QHeaderView QIcon QImage QInputDialog
    QKeySequence QLabel QLineEdit QListWidget QListWidgetItem QMenu QMessageBox QModelIndex QMouseEvent QObject QPainter
    QPalette QPen QPixmap QPlainTextEdit QPoint QProcess QProcessEnvironment QProgressBar QPushButton QRadioButton QRect
    QRegularExpression QScrollArea QSettings QShortcut QSize QSizePolicy QSlider QSortFilterProxyModel QSpinBox
    QSplitter QStackedWidget QStandardItem QStandardItemModel QStandardPaths QStyle QStyledItemDelegate QSvgRenderer
    QTabWidget QTableView QTableWidget QTableWidgetItem QTextBrowser QTextEdit QTimer QToolButton QTreeView QTreeWidget
    QUiLoader QUrl QVBoxLayout QWidget QNetworkAccessManager QClipboard QFontMetrics QTextCursor QDockWidget"""
    assert [n for n in names.split() if not hasattr(qt, n)] == []
