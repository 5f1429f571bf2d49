"""Signals as PythonQt connects them."""

from __future__ import annotations

import gc
import time

import pytest


@pytest.fixture
def qt(slicer):
    import qt

    return qt


def test_slots_get_no_more_arguments_than_they_take(qt):
    button = qt.QPushButton("x")
    button.checkable = True
    calls = []
    button.connect("clicked(bool)", lambda: calls.append("none"))
    button.connect("clicked(bool)", lambda checked: calls.append(("one", checked)))
    button.connect("clicked(bool)", lambda *every: calls.append(("all", every)))
    button.connect("clicked(bool)", lambda checked="default": calls.append(("default", checked)))
    button.connect("clicked()", lambda checked="kept": calls.append(("kept", checked)))
    button.click()
    assert calls == ["none", ("one", True), ("all", (True,)), ("default", True), ("kept", "kept")]


def test_bound_methods_are_trimmed_and_kept_alive(qt):
    calls = []

    class Receiver:
        def slot(self, value):
            calls.append(value)

    box = qt.QSpinBox()
    box.connect("valueChanged(int)", Receiver().slot)  # nobody else holds the receiver, as often in modules
    gc.collect()
    box.value = 4
    assert calls == [4]


@pytest.mark.parametrize("signal", ["clickd(bool)", "clicked(int)", "clicked", "", "nothing()"])
def test_an_unknown_signal_raises(qt, signal):
    button = qt.QPushButton("x")
    with pytest.raises(ValueError, match="does not exist on QPushButton"):
        button.connect(signal, lambda: None)
    with pytest.raises(ValueError, match="does not exist on QPushButton"):
        button.disconnect(signal, lambda: None)


def test_something_that_can_not_be_called_is_refused(qt):
    with pytest.raises(TypeError):
        qt.QPushButton("x").connect("clicked()", None)
    with pytest.raises(TypeError):
        qt.QPushButton("x").connect("clicked()")


def test_signatures_are_normalised(qt):
    model = qt.QStandardItemModel()
    texts = []
    assert model.connect("itemChanged( QStandardItem * )", lambda item: texts.append(item.text()))
    model.appendRow(qt.QStandardItem("a"))
    model.item(0).setText("b")
    assert texts == ["b"]
    edit = qt.QLineEdit()
    edit.connect("textChanged(const QString &)", texts.append)
    edit.text = "c"
    assert texts == ["b", "c"]


def test_disconnecting(qt):
    button = qt.QPushButton("x")
    calls = []

    def one():
        calls.append(1)

    def two():
        calls.append(2)

    button.connect("clicked()", one)
    button.connect("clicked()", one)
    button.connect("clicked()", two)
    assert button.disconnect("clicked()", one) is True  # one connection of the two, as PythonQt does
    button.click()
    assert calls == [1, 2]
    assert button.disconnect("clicked()", one) is True
    assert button.disconnect("clicked()", one) is False
    calls.clear()
    button.click()
    assert calls == [2]
    assert button.disconnect("clicked()") is True
    calls.clear()
    button.click()
    assert calls == []


def test_disconnecting_a_bound_method(qt):
    class Receiver:
        calls = 0

        def slot(self):
            self.calls += 1

    receiver, button = Receiver(), qt.QPushButton("x")
    button.connect("clicked()", receiver.slot)
    assert button.disconnect("clicked()", receiver.slot)  # another object of the same method
    button.click()
    assert receiver.calls == 0


def test_signal_objects(qt):
    box, calls = qt.QSpinBox(), []
    box.valueChanged.connect(calls.append)
    box.value = 2
    box.valueChanged.emit(9)
    box.valueChanged(10)  # PythonQt: calling emits
    box.valueChanged.disconnect(calls.append)
    box.value = 3
    assert calls == [2, 9, 10]


def test_receiver_and_slot_by_name(qt):
    edit, label = qt.QLineEdit(), qt.QLabel()
    assert edit.connect("textChanged(QString)", label, "setText(QString)")
    edit.text = "typed"
    assert label.text == "typed"
    assert edit.disconnect("textChanged(QString)", label, "setText(QString)")
    edit.text = "more"
    assert label.text == "typed"


def test_a_connection_survives_the_python_half_of_the_sender(qt):
    panel, calls = qt.QWidget(), []
    qt.QVBoxLayout(panel).addWidget(qt.QPushButton("x"))
    panel.findChild("QPushButton").connect("clicked()", lambda: calls.append(1))
    gc.collect()
    panel.findChild("QPushButton").click()
    assert calls == [1]


def test_connections_go_with_their_sender(qt):
    from slicerhost.dialect import signals

    before = len(signals._connections)
    for _ in range(20):
        button = qt.QPushButton("x")
        button.connect("clicked()", lambda: None)
        button.delete()
    assert len(signals._connections) <= before


def test_an_exception_in_a_slot_is_told_and_stays_there(qt, monkeypatch):
    import sys

    told, button, calls = [], qt.QPushButton("x"), []
    monkeypatch.setattr(sys, "excepthook", lambda kind, error, trace: told.append(str(error)))

    def fail():
        raise ValueError("in a slot")

    button.connect("clicked()", fail)
    button.connect("clicked()", lambda: calls.append(1))
    button.click()
    assert (told, calls) == (["in a slot"], [1])


def test_timers(qt, slicer):
    calls = []
    timer = qt.QTimer()
    timer.singleShot = True
    timer.interval = 1
    timer.connect("timeout()", lambda: calls.append("timer"))
    timer.start()
    assert timer.active
    qt.QTimer.singleShot(1, lambda: calls.append("single"))
    end = time.monotonic() + 5
    while len(calls) < 2 and time.monotonic() < end:
        slicer.app.processEvents()
    assert sorted(calls) == ["single", "timer"]
    assert not timer.active


def test_keys_by_real_events(qt, slicer, window):
    from PySide6.QtCore import Qt
    from PySide6.QtTest import QTest

    calls = []
    shortcut = qt.QShortcut(qt.QKeySequence("k"), window)
    shortcut.connect("activated()", lambda: calls.append("k"))
    window.activateWindow()
    QTest.qWaitForWindowActive(window)
    QTest.keyClick(window, Qt.Key.Key_K)
    slicer.app.processEvents()
    assert calls == ["k"]
    shortcut.enabled = False
    QTest.keyClick(window, Qt.Key.Key_K)
    slicer.app.processEvents()
    assert calls == ["k"]
    shortcut.delete()


def test_processes(qt, slicer):
    import sys

    process, done = qt.QProcess(), []
    process.connect("finished(int,QProcess::ExitStatus)", lambda code, status: done.append((code, status)))
    process.start(sys.executable, ["-c", "print('out'); raise SystemExit(3)"])
    assert process.waitForFinished(30000)
    slicer.app.processEvents()
    assert done == [(3, qt.QProcess.NormalExit)]
    assert process.readAllStandardOutput().data().strip() == b"out"


def test_selection_and_filter_models(qt):
    model = qt.QStandardItemModel()
    for text in ("ulna", "radius", "ulnar styloid"):
        model.appendRow(qt.QStandardItem(text))
    proxy = qt.QSortFilterProxyModel()
    proxy.setSourceModel(model)
    view, rows = qt.QTableView(), []
    view.setModel(proxy)
    view.selectionModel().connect(
        "currentRowChanged(QModelIndex,QModelIndex)", lambda now, before: rows.append((now.row(), before.row()))
    )
    proxy.setFilterFixedString("ul")
    assert proxy.rowCount() == 2
    view.setCurrentIndex(proxy.index(1, 0))
    view.setCurrentIndex(proxy.index(0, 0))
    assert rows == [(1, -1), (0, 1)]
