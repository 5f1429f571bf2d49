"""For all marks: written and read back they are the same; and no content makes a parser fail in an unforeseen way."""

from __future__ import annotations

import contextlib
import json
import string
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fractureai.dataset import Annotation, Dataset, Region
from fractureai.dataset.formats.boxes import parse_voc, parse_yolo, to_voc, to_yolo
from fractureai.dataset.formats.coco import CocoImage, coco_json, parse_coco
from fractureai.dataset.formats.deepwrist import (
    ClassifierLine,
    LandmarkLine,
    classifier_csv,
    landmarks_csv,
    parse_classifier,
    parse_landmarks,
)
from fractureai.dataset.formats.grazpedwri import CLASSES, GrazLine, graz_csv, parse_graz_csv
from fractureai.dataset.formats.mrk_json import marks_of, markups_json, parse_markups, to_lps
from fractureai.dataset.formats.records import Marks, annotation_from, fields_from
from fractureai.dataset.formats.via import ViaFile, parse_via_csv, parse_via_json, via_csv, via_project
from fractureai.errors import DatasetError
from fractureai.geometry import pixel_to_ras
from fractureai.sites import load_site

HERE = Path("sample")
SITE = load_site("wrist")
NAMES = SITE.view("PA").landmark_names

coordinates = st.floats(-50, 5000, allow_nan=False).map(lambda value: round(value, 6))
points = st.tuples(coordinates, coordinates)
spacings = st.tuples(st.floats(0.02, 2), st.floats(0.02, 2))
kinds = st.sampled_from(CLASSES)
bones = st.sampled_from(("", *SITE.bones))
# Letters of many scripts, quotes, commas; no control characters, and no blanks at the ends, which CSV drops.
words = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zs", "Zl", "Zp")), min_size=1, max_size=12)
plain_words = st.text(string.ascii_letters + string.digits + "_-.", min_size=1, max_size=12)


@st.composite
def boxes(draw: st.DrawFn) -> Region:
    (r0, c0), height, width = draw(points), draw(st.floats(0.5, 900)), draw(st.floats(0.5, 900))
    corners = ((r0, c0), (round(r0 + height, 6), round(c0 + width, 6)))
    return Region(draw(kinds), corners, "box", draw(bones))


@st.composite
def outlines(draw: st.DrawFn) -> Region:
    shape = draw(st.sampled_from(("polygon", "curve")))
    vertices = draw(st.lists(points, min_size=3, max_size=6))
    return Region(draw(kinds), tuple(vertices), shape, draw(bones))


regions = st.lists(st.one_of(boxes(), outlines()), max_size=4).map(tuple)
landmarks = st.dictionaries(st.sampled_from(NAMES), points, max_size=3)
fields = st.dictionaries(words, words, max_size=3)


def assert_near(found: Marks, landmarks_: dict[str, Any], regions_: tuple[Region, ...], tolerance: float) -> None:
    assert found.problems == ()
    got = dict(found.points)
    assert got.keys() == landmarks_.keys()
    for name, point in landmarks_.items():
        assert np.allclose(got[name], point, rtol=0, atol=tolerance)
    assert_regions_near(found.regions, regions_, tolerance)


def assert_regions_near(found: tuple[Region, ...], wanted: tuple[Region, ...], tolerance: float) -> None:
    assert [(r.kind, r.shape, r.bone, len(r.points)) for r in found] == [
        (r.kind, r.shape, r.bone, len(r.points)) for r in wanted
    ]
    for got, want in zip(found, wanted, strict=True):
        assert np.allclose(got.points, want.points, rtol=0, atol=tolerance)


@given(landmarks, regions, fields)
def test_via(landmarks_: dict[str, Any], regions_: tuple[Region, ...], fields_: dict[str, str]) -> None:
    file = ViaFile(Marks('a ö,".png', tuple(landmarks_.items()), regions_, fields_), 17)
    (from_json,) = parse_via_json(via_project([file], "n", SITE), HERE)
    (from_csv,) = parse_via_csv(via_csv([file]), HERE)
    for found in (from_json, from_csv):
        assert (found.size, found.marks.file) == (17, 'a ö,".png')
        assert_near(found.marks, landmarks_, regions_, 1e-9)
    unset = ("None", "undefined")
    assert from_json.marks.fields == {name: text for name, text in fields_.items() if text not in unset}


@given(landmarks, regions, fields)
def test_coco(landmarks_: dict[str, Any], regions_: tuple[Region, ...], fields_: dict[str, str]) -> None:
    fields_.pop("hidden_landmarks", None)
    image = CocoImage(Marks("a.png", tuple(landmarks_.items()), regions_, fields_), (40, 30), "PA")
    text = coco_json([image], SITE)
    (found,) = parse_coco(text, HERE)
    assert (found.shape, found.marks.file, found.marks.fields) == ((40, 30), "a.png", fields_)
    assert_near(found.marks, landmarks_, regions_, 1e-9)
    annotations = json.loads(text)["annotations"]
    assert all(annotation["bbox"][2] >= 0 and annotation["bbox"][3] >= 0 for annotation in annotations)
    assert sum(annotation.get("num_keypoints", 0) for annotation in annotations) == len(landmarks_)


@given(landmarks, regions, fields, spacings)
def test_slicer_markups(
    landmarks_: dict[str, Any], regions_: tuple[Region, ...], fields_: dict[str, str], spacing: tuple[float, float]
) -> None:
    marks = Marks("a", tuple(landmarks_.items()), regions_, fields_)
    found = marks_of(parse_markups(markups_json(marks, spacing, NAMES), HERE), "a", spacing, SITE)
    assert_near(found, landmarks_, regions_, 1e-7)
    assert found.fields == fields_


@given(points, spacings)
def test_lps_is_ras_with_two_signs_turned_and_x_along_the_columns(
    point: tuple[float, float], spacing: tuple[float, float]
) -> None:
    (x, y, z) = to_lps(point, spacing)[0]
    r, a, s = pixel_to_ras(point, spacing)
    assert (x, y, z) == pytest.approx((-r, -a, s))
    assert (x, y, z) == pytest.approx((point[1] * spacing[1], point[0] * spacing[0], 0.0))


@given(st.lists(boxes().map(lambda box: Region(box.kind, box.points)), max_size=4).map(tuple))
def test_voc_and_yolo_boxes(regions_: tuple[Region, ...]) -> None:
    shape = (1130, 704)
    found, problems = parse_voc(to_voc('a<&>".png', shape, regions_), HERE)
    assert problems == ()
    assert_regions_near(found, regions_, 1e-9)
    found, problems = parse_yolo(to_yolo(shape, regions_, CLASSES), shape, CLASSES)
    assert problems == ()
    assert_regions_near(found, regions_, 1e-6)


@given(st.integers(0, 700), st.integers(0, 400), st.integers(1, 300), st.integers(1, 300))
def test_a_box_of_whole_pixels_covers_the_same_pixels_in_every_format(
    top: int, left: int, height: int, width: int
) -> None:
    region = Region("fracture", ((top - 0.5, left - 0.5), (top + height - 0.5, left + width - 0.5)))
    shape = (1000, 700)
    image = CocoImage(Marks("a", regions=(region,)), shape)
    (annotation,) = json.loads(coco_json([image], SITE))["annotations"]
    assert annotation["bbox"] == [left, top, width, height]
    voc = to_voc("a", shape, [region])
    for tag, value in {"xmin": left, "ymin": top, "xmax": left + width - 1, "ymax": top + height - 1}.items():
        assert f"<{tag}>{value}</{tag}>" in voc
    x, y, w, h = (float(word) for word in to_yolo(shape, [region], CLASSES).split()[1:])
    assert (x * 700, y * 1000, w * 700, h * 1000) == pytest.approx((left + width / 2, top + height / 2, width, height))


@given(
    st.lists(st.builds(LandmarkLine, words, st.sampled_from(("PA", "LAT")), st.lists(points, min_size=1).map(tuple)))
)
def test_deepwrist_landmarks(lines: list[LandmarkLine]) -> None:
    assert parse_landmarks(landmarks_csv(lines), HERE) == (tuple(lines), ())


classifier_lines = st.builds(
    ClassifierLine,
    words,
    st.sampled_from(("PA", "LAT")),
    st.one_of(st.just(""), words),
    st.sampled_from((None, False, True)),
    st.dictionaries(plain_words.filter(lambda word: word != "Prediction"), st.booleans(), max_size=3),
    st.dictionaries(st.sampled_from(("Age", "Hospital")), words, max_size=2),
)


@given(st.lists(classifier_lines, max_size=5))
def test_deepwrist_classifier(lines: list[ClassifierLine]) -> None:
    assert parse_classifier(classifier_csv(lines), HERE) == (tuple(lines), ())


graz_lines = st.builds(
    GrazLine,
    words,
    plain_words,
    plain_words,
    st.sampled_from(("PA", "LAT", "OBLIQUE", "")),
    st.sampled_from(("L", "R", "")),
    st.one_of(st.none(), st.floats(0, 120)),
    st.sampled_from(("F", "M", "O", "")),
    st.one_of(st.none(), st.floats(0.01, 1)),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.dictionaries(st.sampled_from(("ao_classification", "osteopenia", "timehash")), words, max_size=3),
)


@given(st.lists(graz_lines, max_size=5))
def test_grazpedwri_lines(lines: list[GrazLine]) -> None:
    found, problems = parse_graz_csv(graz_csv(lines), HERE)
    assert problems == ()
    own = ("filestem", "patient_id", "study_number", "projection")
    for got, want in zip(found, lines, strict=True):
        assert {name: text for name, text in got.extra.items() if name not in own} == want.extra
        assert GrazLine(**{**vars(got), "extra": {}}) == GrazLine(**{**vars(want), "extra": {}})


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return Dataset.create(tmp_path_factory.mktemp("fields") / "d", name="d")


annotations = st.builds(
    Annotation,
    st.just("1.2"),
    st.just("A"),
    st.sampled_from(("open", "done", "flagged")),
    st.sampled_from((None, "normal", "fracture", "uncertain")),
    landmarks,
    regions,
    words,
    st.sampled_from((None, False, True)),
    st.sampled_from((None, False, True)),
    st.sampled_from(("", "good", "limited", "non-diagnostic")),
    st.sampled_from(("", "PA", "AP", "LAT", "unknown")),
    st.sampled_from(("", "L", "R")),
    words,
    extra=st.dictionaries(st.one_of(words, st.sampled_from(("side", "study", "extra.side"))), words, max_size=4),
)


@given(annotations)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_annotation_survives_as_fields(dataset: Dataset, annotation: Annotation) -> None:
    marks = Marks("a", tuple(annotation.landmarks.items()), annotation.regions, fields_from(annotation))
    assert annotation_from(marks, "1.2", "A", dataset, "PA") == (annotation, ())


anything = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-9, 9), st.floats(), st.sampled_from(("", "point", "rect", "LPS", "ROI"))
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(plain_words, inner, max_size=3)),
    max_leaves=6,
)


def some_of(**values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with some of these keys, whose values are as expected or anything."""
    return st.fixed_dictionaries({}, optional={name: st.one_of(value, anything) for name, value in values.items()})


names = st.sampled_from(("point", "rect", "polygon", "polyline", "circle"))
numbers = st.one_of(st.floats(), st.integers(-9, 9), st.just("x"))
shapes = some_of(
    name=names, cx=numbers, cy=numbers, x=numbers, y=numbers, width=numbers, all_points_x=st.lists(numbers)
)


@given(
    st.lists(some_of(shape_attributes=shapes, region_attributes=some_of(landmark=st.just("a"))), max_size=3), anything
)
def test_no_via_content_is_fatal(listed: list[Any], attributes: Any) -> None:
    entry = {"filename": "a.png", "size": attributes, "regions": listed, "file_attributes": attributes}
    (file,) = parse_via_json(json.dumps({"k": entry}), HERE)
    assert file.marks.file == "a.png"


coco_entries = some_of(
    image_id=st.just(1),
    category_id=st.sampled_from((1, 2)),
    keypoints=st.lists(numbers, max_size=9),
    bbox=st.lists(numbers, max_size=5),
    segmentation=st.lists(st.lists(numbers, max_size=7), max_size=2),
    attributes=some_of(shape=st.just("curve")),
)


@given(st.lists(coco_entries, max_size=3), anything)
def test_no_coco_content_is_fatal(entries: list[Any], size: Any) -> None:
    categories = [{"id": 1, "name": "w", "keypoints": list(NAMES)}, {"id": 2, "name": "fracture"}]
    image = {"id": 1, "file_name": "a.png", "width": size, "height": size, "fractureai": size}
    table = {"images": [image], "annotations": entries, "categories": categories}
    (found,) = parse_coco(json.dumps(table), HERE)
    assert found.marks.file == "a.png"


controls = some_of(label=st.just("a"), position=st.lists(numbers, max_size=4), positionStatus=st.just("undefined"))
markups = some_of(
    type=st.sampled_from(("Fiducial", "ROI", "ClosedCurve", "Curve", "Line", "Plane")),
    coordinateSystem=st.sampled_from(("LPS", "RAS", "XYZ")),
    controlPoints=st.lists(controls, max_size=4),
    center=st.lists(numbers, max_size=4),
    size=st.lists(numbers, max_size=4),
    orientation=st.lists(numbers, max_size=9),
)


@given(st.lists(st.one_of(markups, anything), max_size=3), anything)
def test_no_markups_content_is_fatal(listed: list[Any], own: Any) -> None:
    table = {"@schema": "https://x/markups-schema-v1.0.3.json#", "markups": listed, "fractureai": own}
    marks = marks_of(parse_markups(json.dumps(table), HERE), "a", (1.0, 1.0), SITE)
    assert marks.file == "a"


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    for parse in (
        parse_via_json,
        parse_via_csv,
        parse_coco,
        parse_markups,
        parse_voc,
        parse_landmarks,
        parse_classifier,
    ):
        with contextlib.suppress(DatasetError):
            parse(text, HERE)  # type: ignore[operator]


@given(st.text(max_size=200))
def test_any_yolo_text_is_read(text: str) -> None:
    parse_yolo(text, (10, 10), CLASSES)
