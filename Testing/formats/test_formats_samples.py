"""Files as the other programs write them, by hand, and what is wrong with them in practice."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fractureai.dataset import Dataset, Region
from fractureai.dataset.annotation import Annotation
from fractureai.dataset.formats import FORMATS, ImportOptions
from fractureai.dataset.formats.boxes import parse_voc, parse_yolo
from fractureai.dataset.formats.coco import parse_coco
from fractureai.dataset.formats.deepwrist import parse_classifier, parse_landmarks
from fractureai.dataset.formats.grazpedwri import CLASSES, parse_graz_csv
from fractureai.dataset.formats.mrk_json import marks_of, parse_markups
from fractureai.dataset.formats.via import parse_via_csv, parse_via_json
from fractureai.errors import DatasetError
from fractureai.sites import load_site

HERE = Path("sample")
SITE = load_site("wrist")
NewDataset = Callable[..., Dataset]


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding=encoding)
    return path


def only(dataset: Dataset, rater: str | None = None) -> Annotation:
    (annotation,) = dataset.annotations(rater)
    return annotation


# --- DeepWrist ---


def test_deepwrist_points_are_x_before_y_in_the_order_of_the_profile(
    kit: Any, new_dataset: NewDataset, tmp_path: Path
) -> None:
    kit.write_png(tmp_path / "in" / "PA" / "7.png")
    kit.write_png(tmp_path / "in" / "LAT" / "7.png", seed=1)
    source = write(
        tmp_path / "in" / "landmarks.csv",
        'Fname, Points, Side\n7.png, "[(3, 40), (20.5, 41), (12, 22)]", 0\n7.png,"[[1, 2], [3, 4], [5, 6]]",1.0\n',
    )
    dataset = new_dataset()
    report = FORMATS["deepwrist"].import_(source, dataset, ImportOptions(spacing_mm=(0.2, 0.1)))

    assert (report.added, report.annotations, report.problems) == (2, 2, ())
    by_view = {row.view: dataset.annotation(row.id, "consensus") for row in dataset.radiographs}
    expected = {"distal_ulna": (40.0, 3.0), "distal_radius": (41.0, 20.5), "wrist_centre": (22.0, 12.0)}
    assert by_view["PA"] is not None
    assert by_view["PA"].landmarks == expected
    assert (by_view["PA"].label, by_view["PA"].status, by_view["PA"].view) == (None, "done", "")
    assert by_view["LAT"] is not None
    assert by_view["LAT"].landmarks["palmar_rim"] == (4.0, 3.0)
    assert dataset.radiographs[0].spacing_mm == (0.2, 0.1)


def test_deepwrist_classifier_with_readers_and_without_file_names() -> None:
    text = (
        "ID,Side,Fracture,Fracture_Resident,Fracture_R1,Fracture_Prediction,Age\n12,0,1,0,,0.87,61\n12,1,1.0,1,1,,61\n"
    )
    lines, problems = parse_classifier(text, HERE)
    assert problems == ()
    assert (lines[0].study, lines[0].view, lines[0].file, lines[0].label) == ("12", "PA", "", True)
    assert lines[0].readers == {"Resident": False}
    assert lines[1].readers == {"Resident": True, "R1": True}
    assert lines[0].extra == {"Fracture_Prediction": "0.87", "Age": "61"}


def test_deepwrist_bad_lines_are_reported_and_the_others_read(tmp_path: Path) -> None:
    evil = "__import__('os').mkdir('evil')"
    text = f'Fname,Points,Side\na.png,"{evil}",0\nb.png,"[(1, 2)]",7\n,"[(1, 2)]",0\n'
    text += 'd.png,"[(1, nan)]",0\ne.png,"[(1, 2)]",1\n'
    lines, problems = parse_landmarks(text, HERE)
    assert [line.file for line in lines] == ["e.png"]
    assert [problem.split(" has")[0] for problem in problems] == [f"line {n} of sample" for n in (2, 3, 4, 5)]
    lines_, problems_ = parse_classifier("ID,Side,Fracture\n1,0,perhaps\n,0,1\n2,1,0\n", HERE)
    assert ([line.study for line in lines_], len(problems_)) == (["2"], 2)


def test_deepwrist_wrong_number_of_points_is_reported(kit: Any, new_dataset: NewDataset, tmp_path: Path) -> None:
    kit.write_png(tmp_path / "in" / "PA" / "7.png")
    source = write(tmp_path / "in" / "x.csv", 'Fname,Points,Side\n7.png,"[(3, 40), (20, 41)]",0\n')
    dataset = new_dataset()
    report = FORMATS["deepwrist"].import_(source, dataset)
    assert "2 points where the view PA has 3 landmarks" in str(report.problems[0])
    assert only(dataset).landmarks == {}


def test_deepwrist_side_that_contradicts_the_header_is_said_in_the_annotation(
    kit: Any, new_dataset: NewDataset, tmp_path: Path
) -> None:
    kit.write_dicom(tmp_path / "in" / "a.dcm", 1, view="LAT")
    source = write(tmp_path / "in" / "c.csv", "ID,Side,Fname,Fracture\n1,0,/data/in/a.dcm,1\n")
    dataset = new_dataset()
    report = FORMATS["deepwrist"].import_(source, dataset)
    assert report.problems == ()
    assert (dataset.radiographs[0].view, only(dataset).view, only(dataset).label) == ("LAT", "PA", "fracture")


# --- VIA ---

VIA = {
    "_via_settings": {"ui": {}, "core": {}, "project": {"name": "wrists"}},
    "_via_img_metadata": {
        "a.png1801": {
            "filename": "a.png",
            "size": 1801,
            "regions": [
                {
                    "shape_attributes": {"name": "point", "cx": 3, "cy": 40},
                    "region_attributes": {"landmark": "distal_ulna"},
                },
                {
                    "shape_attributes": {"name": "rect", "x": 4, "y": 10, "width": 6, "height": 8},
                    "region_attributes": {"kind": "fracture", "bone": "radius"},
                },
                {
                    "shape_attributes": {
                        "name": "polygon",
                        "all_points_x": [1, 5, 3],
                        "all_points_y": [2, 2, 9],
                    },
                    "region_attributes": {},
                },
                {"shape_attributes": {"name": "circle", "cx": 5, "cy": 5, "r": 2}, "region_attributes": {}},
            ],
            "file_attributes": {
                "label": "fracture",
                "view": "PA",
                "side": "r",
                "caption": 'a "note"',
                "seen": {"cast": True, "clip": False, "ring": True},
            },
        }
    },
    "_via_attributes": {"region": {}, "file": {}},
    "_via_data_format_version": "2.0.10",
    "_via_image_id_list": ["a.png1801"],
}


@pytest.mark.parametrize("content", [VIA, VIA["_via_img_metadata"]], ids=["project", "exported annotations"])
def test_via_json(content: dict[str, Any], kit: Any, new_dataset: NewDataset, tmp_path: Path) -> None:
    kit.write_png(tmp_path / "in" / "a.png")
    dataset = new_dataset()
    report = FORMATS["via"].import_(write(tmp_path / "in" / "p.json", json.dumps(content)), dataset)

    assert (report.added, report.annotations) == (1, 1)
    assert [str(problem).split(": ", 1)[1] for problem in report.problems] == [
        "a.png: region 3 is no point, rectangle, polygon or polyline."
    ]
    marks = only(dataset)
    assert marks.landmarks == {"distal_ulna": (40.0, 3.0)}
    assert marks.regions == (
        Region("fracture", ((10.0, 4.0), (18.0, 10.0)), "box", "radius"),
        Region("fracture", ((2.0, 1.0), (2.0, 5.0), (9.0, 3.0)), "polygon"),
    )
    assert (marks.label, marks.status, marks.view, marks.side) == ("fracture", "done", "PA", "R")
    assert marks.extra == {"caption": 'a "note"', "seen": "cast; ring"}
    assert (dataset.radiographs[0].view, dataset.radiographs[0].side) == ("PA", "R")


def test_via_points_without_names_are_taken_in_order_when_the_view_is_known(
    kit: Any, new_dataset: NewDataset, tmp_path: Path
) -> None:
    points = [{"shape_attributes": {"name": "point", "cx": n, "cy": 10 + n}, "region_attributes": {}} for n in range(3)]
    entries = {}
    for name, view in (("a.png", "LAT"), ("b.png", "")):
        kit.write_png(tmp_path / "in" / name, seed=ord(name[0]))
        entries[name] = {"filename": name, "size": 1, "regions": points, "file_attributes": {"view": view}}
    dataset = new_dataset()
    report = FORMATS["via"].import_(write(tmp_path / "in" / "p.json", json.dumps(entries)), dataset)
    first, second = dataset.radiographs
    marks = dataset.annotation(first.id, "via")
    assert marks is not None
    assert marks.landmarks == {"dorsal_rim": (10.0, 0.0), "palmar_rim": (11.0, 1.0), "wrist_centre": (12.0, 2.0)}
    unnamed = dataset.annotation(second.id, "via")
    assert unnamed is None or unnamed.landmarks == {}
    assert len(report.problems) == 3


def test_via_csv_as_via_1_wrote_it() -> None:
    text = (
        "#filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes\n"
        'qb.jpg,129855,"{""caption"":""+-08374*&$£*""}",2,0,"{""name"":""rect"",""x"":290,""y"":208,""width"":127,'
        '""height"":113}","{""name"":""rectangle \'black\'""}"\n'
        'qb.jpg,129855,"{""caption"":""+-08374*&$£*""}",2,1,"{""name"":""point"",""cx"":51,""cy"":37}",'
        '"{""landmark"":""distal_radius""}"\n'
        'swan.jpg,62201,"{""caption"":""a swan \\""}",1,0,"{""name"":broken","{}"\n'
        'empty.jpg,3,"{}",0,0,"{}","{}"\n'
    )
    black, swan, empty = parse_via_csv(text, HERE)
    assert black.marks.regions == (Region("fracture", ((208.0, 290.0), (321.0, 417.0))),)
    assert black.marks.points == (("distal_radius", (37.0, 51.0)),)
    assert (black.size, black.marks.fields) == (129855, {"caption": "+-08374*&$£*"})
    assert swan.marks.problems == ("line 4 holds no JSON in its attribute cells",)
    assert (empty.marks.points, empty.marks.regions, empty.marks.problems) == ((), (), ())


def test_via_1_json_with_numbered_regions() -> None:
    point = {"shape_attributes": {"name": "point", "cx": 1, "cy": 2}, "region_attributes": {"landmark": "wrist_centre"}}
    text = json.dumps({"k": {"filename": "a.png", "size": 5, "regions": {"0": point}, "file_attributes": {}}})
    (file,) = parse_via_json(text, HERE)
    assert file.marks.points == (("wrist_centre", (2.0, 1.0)),)


# --- GRAZPEDWRI-DX ---

GRAZ = (
    "\ufefffilestem,patient_id,study_number,timehash,gender,age,laterality,projection,initial_exam,ao_classification,"
    "cast,diagnosis_uncertain,osteopenia,fracture_visible,metal,pixel_spacing,device_manufacturer\n"
    "0001_1_01_WRI-L1_M014,1,1,11,M,14.1,L,1,1,23r-M/2.1; 23u-E/7,,,,,,0.144,Siemens\n"
    "0001_2_01_WRI-L2_M014,1,1,12,M,14.1,L,2,1,23r-M/2.1; 23u-E/7,1,,,1,1,0.143,Agfa\n"
    "0001_3_02_WRI-L2_M014,1,2,13,M,14.3,L,3,,,,,,,,,\n"
    "0009_9_01_WRI-R1_F009,9,1,14,F,,R,1,,,,,,,,0.144,Siemens\n"
)
VOC = (
    "<annotation><filename>x.png</filename><size/>"
    "<object><name>\n fracture\n</name>"
    "<bndbox><xmax> 9 </xmax><xmin>3</xmin><ymax>20</ymax><ymin>10</ymin></bndbox></object>"
    "<object><name>text</name></object></annotation>"
)


def test_grazpedwri_folder_with_views_that_differ_and_boxes_of_both_kinds(
    kit: Any, new_dataset: NewDataset, tmp_path: Path
) -> None:
    folder = tmp_path / "graz"
    write(folder / "dataset.csv", GRAZ)
    for number, stem in enumerate(("0001_1_01_WRI-L1_M014", "0001_2_01_WRI-L2_M014", "0001_3_02_WRI-L2_M014")):
        kit.write_png(folder / "images_part1" / f"{stem}.png", seed=number, bits=16, shape=(40, 20))
    write(folder / "folder_structure" / "pascalvoc" / "0001_2_01_WRI-L2_M014.xml", VOC)
    write(folder / "yolov5" / "labels" / "0001_2_01_WRI-L2_M014.txt", "8 0.1 0.1 0.1 0.1\n")
    write(folder / "yolov5" / "labels" / "0001_1_01_WRI-L1_M014.txt", "5 0.5 0.5 0.2 0.5\n99 0.5 0.5 0.2 0.5\n")
    dataset = new_dataset()
    report = FORMATS["grazpedwri"].import_(folder, dataset)

    reasons = [problem.reason for problem in report.problems]
    assert reasons[0] == "1 of the 4 images that it names are not there (0009_9_01_WRI-R1_F009.png)"
    assert sorted(reasons[1:]) == [
        "0001_1_01_WRI-L1_M014.png: line 2 is no box of a known class",
        "0001_2_01_WRI-L2_M014.png: object 2 has no name or no box",
    ]
    first, second, third = dataset.radiographs
    assert (first.view, second.view, third.view, first.side) == ("PA", "LAT", "OBLIQUE", "L")
    assert (first.spacing_mm, second.spacing_mm, third.spacing_mm) == ((0.144, 0.144), (0.143, 0.143), None)
    assert first.study == second.study != third.study
    assert first.patient == second.patient == third.patient == "GRAZPEDWRI-1"
    marks = [dataset.annotation(row.id, "grazpedwri") for row in dataset.radiographs]
    pa, lat, oblique = (m for m in marks if m is not None)
    assert (pa.label, lat.label, oblique.label) == ("normal", "fracture", "normal")
    assert [m.extra["study_label"] for m in (pa, lat, oblique)] == ["fracture", "fracture", "normal"]
    assert (lat.cast, lat.implant, pa.cast, pa.implant) == (True, True, False, False)
    assert pa.extra["ao_classification"] == "23r-M/2.1; 23u-E/7"
    assert lat.regions == (Region("fracture", ((9.5, 2.5), (20.5, 9.5))),)  # pixels 3..9 and 10..20, both inside
    (box,) = pa.regions
    assert box.kind == "periostealreaction"
    assert [round(v, 9) for point in box.points for v in point] == [9.5, 7.5, 29.5, 11.5]


def test_grazpedwri_lines_that_can_not_be_used_are_reported() -> None:
    lines, problems = parse_graz_csv(GRAZ.removeprefix("\ufeff") + ",5,1\nx,,1\n", HERE)
    assert len(lines) == 4
    assert problems == ("line 6 has no filestem or no patient_id", "line 7 has no filestem or no patient_id")
    assert (lines[3].age_years, lines[2].spacing_mm) == (None, None)


def test_yolo_outlines_and_classes() -> None:
    regions, problems = parse_yolo("3 0 0 0.5 0 0.5 1\n\n3 0.5 0.5 x 0.1\n", (10, 20), CLASSES)
    assert regions == (Region("fracture", ((-0.5, -0.5), (-0.5, 9.5), (9.5, 9.5)), "polygon"),)
    assert problems == ("line 3 is no box of a known class",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('<!DOCTYPE a [<!ENTITY x "boom">]><annotation>&x;</annotation>', "declares a document type"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><annotation/>', "declares a document type"),
        ("<annotation><object>", "not valid XML"),
        ("<svg/>", "root is <svg>"),
    ],
)
def test_unsafe_and_foreign_xml_is_refused(text: str, words: str) -> None:
    with pytest.raises(DatasetError, match=words):
        parse_voc(text, HERE)


# --- FracAtlas ---

ATLAS = (
    "image_id,hand,leg,hip,shoulder,mixed,hardware,multiscan,fractured,fracture_count,frontal,lateral,oblique\n"
    "IMG0000001.jpg,1,0,0,0,0,0,0,1,1,1,0,0\n"
    "IMG0000002.jpg,0,1,0,0,0,1,0,0,0,0,1,0\n"
    "IMG0000003.jpg,1,0,0,0,0,0,1,1,1,1,1,0\n"
    "IMG0000004.jpg,1,0,0,0,0,0,0,perhaps,1,1,0,0\n"
    "IMG0000005.jpg,1,0,0,0,0,0,0,1,2,0,0,1\n"
)


def test_fracatlas_with_outlines_boxes_a_truncated_and_an_unlisted_image(
    kit: Any, new_dataset: NewDataset, tmp_path: Path
) -> None:
    folder = tmp_path / "FracAtlas"
    write(folder / "dataset.csv", ATLAS)
    for number in (1, 2, 3, 5, 6):
        group = "Non_fractured" if number == 2 else "Fractured"
        kit.write_png(folder / "images" / group / f"IMG000000{number}.jpg", seed=number, shape=(40, 20))
    cut = folder / "images" / "Fractured" / "IMG0000003.jpg"
    cut.write_bytes(cut.read_bytes()[:400])
    coco = {
        "images": [{"id": 0, "width": 20, "height": 40, "file_name": "IMG0000001.jpg"}],
        "categories": [{"id": 1, "name": "fractured"}],
        "annotations": [
            {
                "id": 0,
                "iscrowd": 0,
                "image_id": 0,
                "category_id": 1,
                "segmentation": [[1, 2, 5, 2, 3, 9]],
                "bbox": [1, 2, 4, 7],
            }
        ],
    }
    write(folder / "Annotations" / "COCO JSON" / "COCO_fracture_masks.json", json.dumps(coco))
    write(folder / "Annotations" / "YOLO" / "IMG0000005.txt", "0 0.5 0.5 0.2 0.5\n")
    dataset = new_dataset()
    report = FORMATS["fracatlas"].import_(folder, dataset)

    assert (report.added, report.annotations) == (4, 4)
    reasons = " | ".join(f"{problem.path.name}: {problem.reason}" for problem in report.problems)
    assert "line 5 has no image_id, or fractured is not 0 or 1" in reasons
    assert "IMG0000003.jpg: its JPEG data are cut off" in reasons
    marks = {m.extra["image_id"][9]: m for m in dataset.annotations("fracatlas")}
    views = {row.study[-1]: row.view for row in dataset.radiographs}
    assert views == {"1": "PA", "2": "LAT", "5": "OBLIQUE", "6": "unknown"}
    assert {key: m.label for key, m in marks.items()} == {
        "1": "fracture",
        "2": "normal",
        "5": "fracture",
        "6": "fracture",
    }
    assert (marks["2"].implant, marks["1"].implant, marks["6"].implant) == (True, False, None)
    assert marks["1"].regions == (Region("fracture", ((1.5, 0.5), (1.5, 4.5), (8.5, 2.5)), "polygon"),)
    assert marks["5"].regions[0].kind == "fracture"


def test_fracatlas_can_be_limited_to_hands(kit: Any, new_dataset: NewDataset, tmp_path: Path) -> None:
    from fractureai.dataset.formats import fracatlas

    write(tmp_path / "in" / "dataset.csv", ATLAS)
    for number in (1, 2):
        kit.write_png(tmp_path / "in" / f"IMG000000{number}.jpg", seed=number)
    dataset = new_dataset()
    assert fracatlas.import_(tmp_path / "in", dataset, parts=("hand",)).added == 1
    assert only(dataset).extra["image_id"] == "IMG0000001.jpg"


# --- COCO ---


def test_coco_key_points_are_pixel_indices_and_boxes_are_edges() -> None:
    table = {
        "images": [{"id": 9, "file_name": "a.png", "width": 20, "height": 40}, {"id": 10, "file_name": "b.png"}],
        "categories": [
            {"id": 1, "name": "wrist", "keypoints": ["distal_ulna", "distal_radius", "wrist_centre"], "skeleton": []},
            {"id": 7, "name": "fracture"},
        ],
        "annotations": [
            {"id": 1, "image_id": 9, "category_id": 1, "keypoints": [3, 4, 2, 0, 0, 0, 5, 6, 1], "num_keypoints": 2},
            {"id": 2, "image_id": 9, "category_id": 7, "bbox": [3, 10, 2, 5]},
            {
                "id": 3,
                "image_id": 9,
                "category_id": 7,
                "segmentation": {"counts": "abc", "size": [1, 1]},
                "bbox": [0, 0, 1, 1],
            },
            {"id": 4, "image_id": 9, "category_id": 99, "bbox": [3, 10, 2, 5]},
            {"id": 5, "image_id": 9, "category_id": 1, "keypoints": [3, 4, 2]},
        ],
    }
    first, second = parse_coco(json.dumps(table), HERE)
    assert first.marks.points == (("distal_ulna", (4.0, 3.0)), ("wrist_centre", (6.0, 5.0)))
    assert first.marks.fields == {"hidden_landmarks": "wrist_centre"}
    assert first.marks.regions == (
        Region("fracture", ((9.5, 2.5), (14.5, 4.5))),  # columns 3 and 4, rows 10 to 14
        Region("fracture", ((-0.5, -0.5), (0.5, 0.5))),  # the first pixel
    )
    assert len(first.marks.problems) == 2
    assert (first.shape, second.marks.points) == ((40, 20), ())


# --- Slicer markups ---

MARKUPS = {
    "@schema": "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/Schema/"
    "markups-schema-v1.0.3.json#",
    "markups": [
        {
            "type": "Fiducial",
            "coordinateSystem": "LPS",
            "coordinateUnits": "mm",
            "locked": False,
            "fixedNumberOfControlPoints": False,
            "labelFormat": "%N-%d",
            "lastUsedControlPointNumber": 3,
            "controlPoints": [
                {
                    "id": "1",
                    "label": "distal_ulna",
                    "description": "",
                    "associatedNodeID": "vtkMRMLScalarVolumeNode1",
                    "position": [3.0, 8.0, 0.0],
                    "orientation": [-1.0, -0.0, -0.0, -0.0, -1.0, -0.0, 0.0, 0.0, 1.0],
                    "selected": True,
                    "locked": False,
                    "visibility": True,
                    "positionStatus": "defined",
                },
                {"id": "2", "label": "Top of distal radius", "position": [6.0, 8.2, 0.0]},
                {"id": "3", "label": "wrist_centre", "position": "", "positionStatus": "undefined"},
            ],
            "measurements": [],
            "display": {"visibility": True},
        },
        {
            "type": "ROI",
            "coordinateSystem": "LPS",
            "roiType": "Box",
            "center": [3.0, 2.0, 0.0],
            "orientation": [-1.0, -0.0, -0.0, -0.0, -1.0, -0.0, 0.0, 0.0, 1.0],
            "size": [1.5, 1.0, 10.0],
            "controlPoints": [{"position": [3.0, 2.0, 0.0], "description": "fracture/radius"}],
        },
        {"type": "Plane", "controlPoints": []},
    ],
}


def test_slicer_positions_are_lps_millimetres() -> None:
    marks = marks_of(parse_markups(json.dumps(MARKUPS), HERE), "a", (0.2, 0.15), SITE)
    assert [name for name, _ in marks.points] == ["distal_ulna", "distal_radius"]
    assert marks.points[0][1] == pytest.approx((40.0, 20.0))
    assert marks.points[1][1] == pytest.approx((41.0, 40.0))
    (box,) = marks.regions
    assert (box.kind, box.bone, box.shape) == ("fracture", "radius", "box")
    assert [v for point in box.points for v in point] == pytest.approx([7.5, 15.0, 12.5, 25.0])
    assert marks.problems == ("markup 2 is no point list, ROI, curve or line with positions",)


def test_slicer_positions_in_ras_and_micrometres_and_without_names() -> None:
    points = [{"label": f"F-{n}", "position": [-1000.0 * n, -2000.0 * n, 5.0]} for n in (1, 2, 3)]
    units = ["um", "UCUM", "micrometer"]
    markup = {"type": "Fiducial", "coordinateSystem": "RAS", "coordinateUnits": units, "controlPoints": points}
    table = {"@schema": str(MARKUPS["@schema"]), "markups": [markup]}
    marks = marks_of(table, "a", (0.5, 0.25), SITE)
    assert [name for name, _ in marks.points] == ["", "", ""]
    assert [point for _, point in marks.points] == [pytest.approx((4.0 * n, 4.0 * n)) for n in (1, 2, 3)]


def test_a_turned_slicer_roi_becomes_a_polygon() -> None:
    half = 0.5**0.5
    turned = [half, -half, 0.0, half, half, 0.0, 0.0, 0.0, 1.0]
    roi = {"type": "ROI", "center": [4.0, 5.0, 0.0], "size": [2.0, 2.0, 1.0], "orientation": turned}
    table = {"@schema": str(MARKUPS["@schema"]), "markups": [roi | {"controlPoints": []}]}
    (region,) = marks_of(table, "a", (1.0, 1.0), SITE).regions
    assert region.shape == "polygon"
    far = 2**0.5
    corners = {(round(r, 9), round(c, 9)) for r, c in region.points}
    assert corners == {
        (round(5 - far, 9), 4.0),
        (5.0, round(4 + far, 9)),
        (round(5 + far, 9), 4.0),
        (5.0, round(4 - far, 9)),
    }


def test_slicer_markups_use_the_radiographs_spacing_or_say_that_they_assume_one(
    kit: Any, new_dataset: NewDataset, tmp_path: Path
) -> None:
    kit.write_dicom(tmp_path / "in" / "with.dcm", 1)
    kit.write_dicom(tmp_path / "in" / "without.dcm", 2, spacing=None)
    for name in ("with", "without"):
        write(tmp_path / "in" / f"{name}.mrk.json", json.dumps(MARKUPS))
    write(tmp_path / "in" / "broken.mrk.json", "{")
    dataset = new_dataset()
    report = FORMATS["mrk_json"].import_(tmp_path / "in", dataset)
    assert report.annotations == 2
    assert any(problem.path.name == "broken.mrk.json" for problem in report.problems)
    marks = {
        row.spacing_mm or dataset.read(row).spacing_mm: dataset.annotation(row.id, "slicer")
        for row in dataset.radiographs
    }
    known, assumed = marks[0.2, 0.15], marks[None]
    assert known is not None
    assert assumed is not None
    assert known.landmarks["distal_ulna"] == pytest.approx((40.0, 20.0))
    assert known.extra == {}
    assert assumed.landmarks["distal_ulna"] == pytest.approx((8.0, 3.0))
    assert assumed.extra == {"mrk_json_spacing": "1.0 1.0 mm (assumed)"}


def test_slicer_markups_written_say_what_is_not_marked_and_follow_the_schema(marked: Dataset, tmp_path: Path) -> None:
    row = marked.radiographs[0]
    marks = marked.annotation(row.id, "consensus")
    assert marks is not None
    from dataclasses import replace

    marked.save(replace(marks, landmarks={"distal_radius": (10.0, 20.0)}))
    FORMATS["mrk_json"].export(marked, tmp_path)
    table = json.loads((tmp_path / f"{row.id}.mrk.json").read_text())
    first, box, polygon, curve = table["markups"]
    assert [(p["label"], p["positionStatus"]) for p in first["controlPoints"]] == [
        ("distal_ulna", "undefined"),
        ("distal_radius", "defined"),
        ("wrist_centre", "undefined"),
    ]
    assert "position" not in first["controlPoints"][0]
    assert first["controlPoints"][1]["position"] == [3.0, 2.0, 0.0]  # col x 0.15, row x 0.2
    assert [m["type"] for m in (first, box, polygon, curve)] == ["Fiducial", "ROI", "ClosedCurve", "Curve"]
    assert box["size"] == pytest.approx([11.75 * 0.15, 8.0 * 0.2, 1.0])
    assert table["fractureai"]["spacing_mm"] == [0.2, 0.15]


# --- all ---

WRONG = {
    "deepwrist": ("x.csv", "a,b\n1,2\n"),
    "via": ("x.json", '{"images": []}'),
    "grazpedwri": ("dataset.csv", "a,b\n1,2\n"),
    "fracatlas": ("dataset.csv", "filestem,b\n1,2\n"),
    "coco": ("x.json", '{"images": 3}'),
    "mrk_json": ("x.mrk.json", '{"@schema": "other", "markups": []}'),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("text", [None, "", "[]", "\x00\xff", "{" * 200_000])
def test_a_source_of_another_structure_is_one_clear_error(
    name: str, text: str | None, new_dataset: NewDataset, tmp_path: Path
) -> None:
    file, wrong = WRONG[name]
    source = write(tmp_path / file, wrong if text is None else text, "utf-8" if text != "\x00\xff" else "latin-1")
    dataset = new_dataset()
    with pytest.raises(DatasetError) as caught:
        FORMATS[name].import_(source, dataset)
    assert str(source) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert (dataset.radiographs, dataset.raters) == ((), ())


@pytest.mark.parametrize("name", WRONG)
def test_a_missing_source_is_one_clear_error(name: str, new_dataset: NewDataset, tmp_path: Path) -> None:
    with pytest.raises(DatasetError):
        FORMATS[name].import_(tmp_path / "nowhere" / WRONG[name][0], new_dataset())


def test_a_via_3_project_is_named_as_such() -> None:
    with pytest.raises(DatasetError, match="VIA 3"):
        parse_via_json('{"project": {}, "config": {}, "metadata": {}}', HERE)


def test_values_that_no_annotation_can_have_are_reported_and_the_rest_is_kept(
    kit: Any, new_dataset: NewDataset, tmp_path: Path
) -> None:
    kit.write_png(tmp_path / "in" / "a.png")
    point = {"shape_attributes": {"name": "point", "cx": 1, "cy": 2}, "region_attributes": {"landmark": "elbow"}}
    attributes = {"label": "broken", "view": "upside", "quality": "good"}
    entry = {"filename": "a.png", "size": 1, "regions": [point], "file_attributes": attributes}
    dataset = new_dataset()
    report = FORMATS["via"].import_(write(tmp_path / "in" / "p.json", json.dumps({"k": entry})), dataset)
    words = " | ".join(str(problem) for problem in report.problems)
    assert "label is 'broken', which is none of normal, fracture, uncertain" in words
    assert "view is 'upside'" in words
    assert "a point named 'elbow' is no landmark of site wrist" in words
    assert (only(dataset).quality, only(dataset).label) == ("good", None)


def test_infinite_coordinates_are_reported(kit: Any, new_dataset: NewDataset, tmp_path: Path) -> None:
    kit.write_png(tmp_path / "in" / "a.png")
    text = (
        '{"k": {"filename": "a.png", "size": 1, "file_attributes": {}, "regions": [{"shape_attributes": '
        '{"name": "point", "cx": Infinity, "cy": 2}, "region_attributes": {"landmark": "wrist_centre"}}]}}'
    )
    dataset = new_dataset()
    report = FORMATS["via"].import_(write(tmp_path / "in" / "p.json", text), dataset)
    assert (report.annotations, len(report.problems)) == (0, 1)


def test_two_files_of_one_name_are_not_guessed(kit: Any, new_dataset: NewDataset, tmp_path: Path) -> None:
    kit.write_png(tmp_path / "in" / "one" / "a.png")
    kit.write_png(tmp_path / "in" / "two" / "a.png", seed=1)
    entry = {"filename": "a.png", "size": 1, "regions": [], "file_attributes": {"label": "normal"}}
    source = write(tmp_path / "in" / "p.json", json.dumps({"k": entry}))
    report = FORMATS["via"].import_(source, new_dataset())
    assert (report.added, report.annotations, len(report.problems)) == (0, 0, 1)
    entry["filename"] = "C:\\work\\two\\a.png"
    write(source, json.dumps({"k": entry}))
    assert FORMATS["via"].import_(source, new_dataset("second")).annotations == 1


def test_a_name_can_not_lead_out_of_the_target(marked: Dataset, tmp_path: Path) -> None:
    from dataclasses import replace

    for annotation in list(marked.annotations("consensus")):
        extra = {"filestem": "../../evil", "image_id": "../../evil.png"}
        marked.save(replace(annotation, extra=extra, landmarks={}))
    for name in ("grazpedwri", "fracatlas"):
        FORMATS[name].export(marked, tmp_path / "deep" / "er" / name)
    assert not [path for path in tmp_path.rglob("*evil*") if "er" not in path.parts]


def test_patients_of_a_foreign_table_get_pseudonyms(kit: Any, new_dataset: NewDataset, tmp_path: Path) -> None:
    kit.write_png(tmp_path / "in" / "a.png")
    entry = {
        "filename": "a.png",
        "size": 1,
        "regions": [],
        "file_attributes": {"label": "normal", "patient": "Doe 1970"},
    }
    dataset = new_dataset()
    FORMATS["via"].import_(write(tmp_path / "in" / "p.json", json.dumps({"k": entry})), dataset)
    assert dataset.radiographs[0].patient.startswith("P-")
    everything = b"".join(path.read_bytes() for path in dataset.folder.rglob("*") if path.is_file())
    assert b"Doe 1970" not in everything
