"""The same functions in a real window of the host: Qt events place landmarks, the text stands on the view."""

from __future__ import annotations

import numpy as np
import pytest

from fractureai.geometry import Roi, crop_matrix
from fractureai.scene import landmarks, overlay, reading, text, verdicts, views
from fractureai.scene import radiograph as radiographs
from fractureai.sites import load_site

pytest.importorskip("PySide6")
PA = load_site("wrist").view("PA")


@pytest.fixture
def host(tmp_path_factory, can_render):
    from slicerhost import testing
    from slicerhost.errors import HostError

    try:
        slicer = testing.begin(tmp_path_factory.mktemp("settings"))
    except HostError as error:
        pytest.skip(str(error))
    yield slicer
    testing.restore(slicer)


@pytest.fixture
def red(host):
    """The Red slice widget, shown, 700 x 700."""
    host.app.layoutManager().setLayout(host.vtkMRMLLayoutNode.SlicerLayoutOneUpRedSliceView)
    widget = host.app.layoutManager().sliceWidget("Red")
    parent = widget.parentWidget()
    widget.setParent(None)
    widget.resize(700, 700)
    widget.show()
    host.app.processEvents()
    yield widget
    widget.hide()
    widget.setParent(parent)


def grab(host, view):
    view.forceRender()
    host.app.processEvents()
    image = view.grab().toImage()
    image = image.convertToFormat(image.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return rows[:, : image.width() * 3].reshape(image.height(), image.width(), 3).copy()


def test_a_case_in_the_window(host, red, radiograph):
    from PySide6.QtCore import QPoint, Qt
    from PySide6.QtTest import QTest

    logic, view = red.sliceLogic(), red.sliceView()
    item = radiographs.add_study("1.2", "Study", patient="W-0041")
    volume = radiographs.add_radiograph(radiograph(np.full((400, 400), 60, np.float32), spacing_mm=(0.15, 0.15)))
    views.show(logic, volume)
    views.fit(logic, volume)
    host.app.processEvents()
    bare = grab(host, view)
    assert np.ptp(bare[bare.shape[0] // 2, bare.shape[1] // 2].astype(int)) == 0

    words = text.ViewText(view.renderWindow())
    words.set(top_left="PA  left", bottom_left="demo", alarm="header says LAT")
    words.set_scale(volume, red.mrmlSliceNode())
    changed = np.abs(grab(host, view).astype(int) - bare).sum(axis=2) > 40
    assert changed[:60, :200].any()
    assert changed[-60:, :200].any()
    assert changed[-60:, -200:].any()
    assert not changed[200:400].any()

    node = landmarks.add_landmarks(volume, PA)
    landmarks.start_placing(node)
    ratio = view.devicePixelRatio if not callable(view.devicePixelRatio) else view.devicePixelRatio()
    for point in ((100, 80), (110, 300), (60, 200)):
        x, y = views.pixel_to_xy(logic, volume, point) / ratio
        where = QPoint(round(x), round(view.height - 1 - y if not callable(view.height) else view.height() - 1 - y))
        QTest.mouseMove(view, where)
        host.app.processEvents()
        QTest.mouseClick(view, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, where)
        host.app.processEvents()
    landmarks.stop_placing()
    placed = landmarks.read_landmarks(node, volume)
    assert [placed[name] for name in PA.landmark_names] == [
        pytest.approx(point, abs=1) for point in ((100, 80), (110, 300), (60, 200))
    ]

    made = overlay.add_activation(volume, np.ones((8, 8)), crop_matrix(Roi(250, 200, 15, (0.15, 0.15)), 8))
    views.show(logic, volume, foreground=made.rgba)
    assert np.ptp(grab(host, view)[450, 350].astype(int)) > 30

    verdicts.store_verdict("1.2", verdicts.Verdict("AM", True, "", "", "2026-01-01T10:00:00Z", "demo"))
    host.subject = host.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(host.mrmlScene)
    host.subject.RemoveItem(item, True, True)  # as Slicer's Data module removes a study
    del host.subject
    assert radiographs.find_radiograph("1.2.3") is None
    assert verdicts.verdicts() == ()
    assert reading.find_readings() == ()
    words.remove()
    host.app.processEvents()
