"""A reading in the scene: named and grouped for people, found again after saving, gone with its study."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import slicer
import vtk

import fractureai.inference
from fractureai.geometry import crop_matrix, transform_points
from fractureai.scene import landmarks, nodes, overlay, reading, regions, verdicts
from fractureai.scene import radiograph as radiographs
from fractureai.sites import load_site
from slicerhost.applogic import SubjectHierarchyKeeper

MODEL = "wrist-demo-2026"


@pytest.fixture(autouse=True, params=["slicer-core", "items as in Slicer"])
def keeper(scene, request):
    """Slicer's subject hierarchy plugins add and remove items with their nodes; bare slicer-core does not."""
    if request.param == "slicer-core":
        yield None
        return
    made = SubjectHierarchyKeeper(slicer, scene)
    yield made
    for tag in made._tags:
        scene.RemoveObserver(tag)


SCHEMA = json.loads((Path(fractureai.inference.__file__).parent / "reading.schema.json").read_text())


def view_json(uid, name, turns=0):
    return {
        "file": f"{name}.dcm",
        "sop_instance_uid": uid,
        "view": name,
        "side": "L",
        "probability": 0.87,
        "fold_probabilities": [0.8, 0.94],
        "threshold": 0.5,
        "interval": [0.79, 0.93],
        "interval_text": "over folds",
        "landmarks": [{"name": "distal_ulna", "row": 10.5, "col": 20.25}, {"name": "wrist_centre", "row": 5, "col": 9}],
        "roi": {
            "row": 12.0,
            "col": 21.0,
            "side_px": 14.14,
            "side_mm": 2.0,
            "height_px": 10.0,
            "width_px": 20.0,
            "turns": turns,
        },
        "activation_map": None,
        "overlay": None,
        "spacing_mm": [0.2, 0.1],
        "spacing_source": "ImagerPixelSpacing",
    }


@pytest.fixture
def record():
    content = {
        "study": "1.2",
        "views": [view_json("1.2.3", "PA"), view_json("1.2.4", "LAT", turns=1)],
        "ensemble": {"probability": 0.87, "threshold": 0.5, "interval": [0.79, 0.93], "interval_text": "over folds"},
        "reliability": None,
        "decision": "positive",
        "decision_text": "Fracture likely",
        "refer": False,
        "reasons": [],
        "problems": [],
        "overlay": None,
        "model": MODEL,
        "notice": "Trained on simulated radiographs – not for clinical use",
        "not_a_medical_device": "Not a medical device.",
        "timings_ms": dict.fromkeys(("read", "localize", "crop", "classify", "total"), 1.0),
    }
    jsonschema.validate(content, SCHEMA)
    return content


@pytest.fixture
def volumes(scene, radiograph):
    radiographs.add_study("1.2", "Study 2014-03-02", patient="W-0041")
    pa = radiographs.add_radiograph(radiograph())
    lat = radiographs.add_radiograph(radiograph(sop_instance_uid="1.2.4", view="LAT"))
    return {"1.2.3": pa, "1.2.4": lat}


@pytest.fixture
def activations():
    return {
        uid: np.random.default_rng(i).random((16, 16)).astype(np.float32) for i, uid in enumerate(("1.2.3", "1.2.4"))
    }


def names_below(item):
    """Names of all items below one, as paths."""
    tree = nodes.hierarchy()
    ids = vtk.vtkIdList()
    tree.GetItemChildren(item, ids, False)
    result = []
    for index in range(ids.GetNumberOfIds()):
        child = ids.GetId(index)
        name = tree.GetItemName(child)
        result += [name, *(f"{name}/{below}" for below in names_below(child))]
    return result


def test_named_and_grouped_for_people(volumes, record, activations):
    made = reading.add_reading(record, volumes, activations)
    tree = nodes.hierarchy()
    patient = tree.GetItemParent(radiographs.find_study_item("1.2"))
    assert tree.GetItemName(patient) == "W-0041"
    folder = f"Reading - {MODEL}"
    parts = ("Landmarks", "Region of interest", "Activation")
    expected = {f"{folder}/{part} {name} - {MODEL}" for part in parts for name in ("PA", "LAT")}
    expected |= {f"{folder}/Activation {name} - {MODEL} (values)" for name in ("PA", "LAT")}
    assert set(names_below(radiographs.find_study_item("1.2"))) == expected | {
        "PA left",
        "LAT left",
        folder,
        f"{folder}/{folder} (record)",
    }
    assert made.reading == record


def test_everything_lies_where_the_reading_says(volumes, record, activations):
    made = reading.add_reading(record, volumes, activations)
    for view in record["views"]:
        uid, drawn = view["sop_instance_uid"], made.views[view["sop_instance_uid"]]
        assert drawn.volume is volumes[uid]
        assert landmarks.read_landmarks(drawn.landmarks, volumes[uid]) == {
            "distal_ulna": pytest.approx((10.5, 20.25)),
            "wrist_centre": pytest.approx((5, 9)),
        }
        assert drawn.landmarks.GetLocked()
        assert drawn.roi.GetLocked()
        np.testing.assert_allclose(drawn.roi.GetSize()[:2], (2, 2))
        np.testing.assert_allclose(
            radiographs.ras_to_pixel(volumes[uid], drawn.roi.GetCenterWorld()), (12, 21), atol=1e-5
        )
        matrix = crop_matrix(reading.roi_of(view), 16)
        places = radiographs.pixel_to_ras(drawn.activation.rgba, [(0, 0), (15, 3)])
        expected = radiographs.pixel_to_ras(volumes[uid], transform_points(matrix, [(0, 0), (15, 3)]))
        np.testing.assert_allclose(places, expected, atol=1e-9)
        np.testing.assert_array_equal(radiographs.pixels_of(drawn.activation.values), activations[uid])


def test_a_reading_of_one_view_without_map_or_landmarks(volumes, record):
    record["views"][0]["landmarks"] = []
    made = reading.add_reading(record, {"1.2.3": volumes["1.2.3"]})
    assert list(made.views) == ["1.2.3"]
    assert made.views["1.2.3"].landmarks is None
    assert made.views["1.2.3"].activation is None
    assert made.reading["views"][1]["sop_instance_uid"] == "1.2.4", "the record keeps what is not drawn"


def test_a_reading_of_which_nothing_is_in_the_scene(scene, record):
    record["views"] = []
    made = reading.add_reading(record, {})
    assert made.views == {}
    assert reading.find_readings("1.2")[0].record is made.record


def test_reading_again_replaces_and_another_model_is_added(scene, volumes, record, activations):
    before = scene.GetNumberOfNodes()
    first = reading.add_reading(record, volumes, activations)
    count = scene.GetNumberOfNodes()
    second = reading.add_reading(record, volumes, activations)
    assert scene.GetNumberOfNodes() == count
    assert not scene.IsNodePresent(first.record)
    other = reading.add_reading(record | {"model": "other"}, volumes, activations)
    assert [found.record for found in reading.find_readings("1.2")] == [second.record, other.record]
    reading.remove_reading(other)
    reading.remove_reading(second)
    assert scene.GetNumberOfNodes() == before
    assert reading.find_readings() == ()
    assert radiographs.find_radiograph("1.2.3") is volumes["1.2.3"]


def test_removed_with_the_study(scene, radiograph, record, activations):
    keep = radiographs.add_radiograph(radiograph(sop_instance_uid="9", study_instance_uid="8"))
    before = scene.GetNumberOfNodes()
    item = radiographs.add_study("1.2", "Study", patient="W-0041")
    volume = radiographs.add_radiograph(radiograph())
    landmarks.add_landmarks(volume, load_site("wrist").view("PA"), {"distal_ulna": (1, 2)})
    regions.add_region(volume, regions.Region("fracture", ((1, 2), (3, 4))))
    reading.add_reading(record, {"1.2.3": volume}, activations)
    verdicts.store_verdict("1.2", verdicts.Verdict("AM", True, "", "", "2026-01-01T10:00:00Z", MODEL))
    assert scene.GetNumberOfNodes() > before + 10
    radiographs.remove_study(item)
    assert scene.GetNumberOfNodes() == before
    assert radiographs.find_study_item("1.2") is None
    assert nodes.hierarchy().GetItemByName("W-0041") == 0
    assert radiographs.find_radiograph("9") is keep


def test_removed_with_the_study_by_slicers_own_menu(keeper, scene, radiograph, record, activations):
    """Slicer's Data module removes the item with all below: no node of ours is left that anybody could see."""
    if keeper is None:
        pytest.skip("without the plugins the hierarchy itself does not come to an end here")
    item = radiographs.add_study("1.2", "Study", patient="W-0041")
    volume = radiographs.add_radiograph(radiograph())
    landmarks.add_landmarks(volume, load_site("wrist").view("PA"), {"distal_ulna": (1, 2)})
    reading.add_reading(record, {"1.2.3": volume}, activations)
    verdicts.store_verdict("1.2", verdicts.Verdict("AM", True, "", "", "2026-01-01T10:00:00Z", MODEL))
    nodes.hierarchy().RemoveItem(item, True, True)
    left = [scene.GetNthNode(index) for index in range(scene.GetNumberOfNodes())]
    assert [node.GetName() for node in left if nodes.kind_of(node)] == []
    assert [node for node in left if node.IsA("vtkMRMLDisplayableNode")] == []
    assert reading.find_readings() == ()


def test_removed_with_the_radiograph(scene, volumes, record, activations):
    reading.add_reading(record, volumes, activations)
    radiographs.remove_radiograph(volumes["1.2.3"])
    (left,) = reading.find_readings("1.2")
    assert list(left.views) == ["1.2.4"]


def test_saved_and_opened_again(volumes, record, activations, reopen):
    pixels = {uid: radiographs.pixels_of(volume).copy() for uid, volume in volumes.items()}
    windows = {uid: radiographs.window_of(volume) for uid, volume in volumes.items()}
    kinds = {uid: held.dtype for uid, held in pixels.items()}
    reading.add_reading(record, volumes, activations, cutoff=0.3)
    tree_before = names_below(radiographs.find_study_item("1.2"))
    reopen()
    assert sorted(names_below(radiographs.find_study_item("1.2"))) == sorted(tree_before)
    (made,) = reading.find_readings("1.2")
    assert made.reading == record
    assert made.views.keys() == {"1.2.3", "1.2.4"}
    for view in record["views"]:
        uid = view["sop_instance_uid"]
        volume, drawn = radiographs.find_radiograph(uid), made.views[uid]
        assert drawn.volume is volume
        assert radiographs.pixels_of(volume).dtype == kinds[uid]
        np.testing.assert_array_equal(radiographs.pixels_of(volume), pixels[uid])
        window = radiographs.window_of(volume)  # a scene file has six digits
        assert (window.center, window.width) == pytest.approx((windows[uid].center, windows[uid].width), rel=1e-5)
        assert radiographs.spacing_of(volume) == pytest.approx((0.2, 0.1), abs=1e-12)
        np.testing.assert_array_equal(radiographs.pixels_of(drawn.activation.values), activations[uid])
        assert overlay.cutoff_of(drawn.activation) == 0.3
        assert landmarks.read_landmarks(drawn.landmarks, volume)["distal_ulna"] == pytest.approx(
            (10.5, 20.25), abs=1e-6
        )
        places = radiographs.pixel_to_ras(drawn.activation.rgba, [(0, 0), (15, 3)])
        matrix = crop_matrix(reading.roi_of(view), 16)
        expected = radiographs.pixel_to_ras(volume, transform_points(matrix, [(0, 0), (15, 3)]))
        np.testing.assert_allclose(places, expected, atol=1e-6)
    reading.remove_reading(made)
    assert reading.find_readings() == ()


def verdict(**changes):
    values = {
        "reader": "AM",
        "agrees": False,
        "reason": "missed fracture",
        "comment": 'seen on LAT, "clearly"; größer\nthan 2 mm',
        "time": "2026-11-20T12:03:11Z",
        "model": MODEL,
    }
    return verdicts.Verdict(**(values | changes))


def test_verdicts_are_kept_in_order_and_by_study(volumes):
    radiographs.add_study("8", "other")
    first = verdicts.store_verdict("1.2", verdict())
    assert verdicts.store_verdict("1.2", verdict(agrees=True, reason="", comment="")) is first
    verdicts.store_verdict("8", verdict(reader="BC"))
    assert [(v.reader, v.agrees, v.study) for v in verdicts.verdicts("1.2")] == [
        ("AM", False, "1.2"),
        ("AM", True, "1.2"),
    ]
    assert [v.reader for v in verdicts.verdicts()] == ["AM", "AM", "BC"]
    assert nodes.hierarchy().GetItemParent(nodes.hierarchy().GetItemByDataNode(first)) == radiographs.find_study_item(
        "1.2"
    )


def test_a_verdict_needs_its_study(scene):
    with pytest.raises(nodes.SceneError, match="no longer"):
        verdicts.store_verdict("1.2", verdict())


def test_verdicts_survive_saving(volumes, reopen):
    verdicts.store_verdict("1.2", verdict())
    for index in range(300):  # long enough for Slicer to keep the text in a file of its own
        verdicts.store_verdict("1.2", verdict(comment=f"number {index}"))
    before = verdicts.verdicts()
    reopen()
    assert verdicts.verdicts() == before
    verdicts.store_verdict("1.2", verdict(reader="late"))
    assert len(verdicts.verdicts("1.2")) == 302


def test_exported(volumes):
    verdicts.store_verdict("1.2", verdict())
    verdicts.store_verdict("1.2", verdict(reader="=cmd|x", agrees=True))
    listed = verdicts.verdicts()
    rows = list(csv.DictReader(io.StringIO(verdicts.verdicts_csv(listed))))
    assert [row["agrees"] for row in rows] == ["no", "yes"]
    assert rows[0]["comment"] == listed[0].comment
    assert rows[1]["reader"] == "'=cmd|x", "no formula for a spreadsheet"
    assert rows[0]["study"] == "1.2"
    assert [verdicts.Verdict(**row) for row in json.loads(verdicts.verdicts_json(listed))] == list(listed)
