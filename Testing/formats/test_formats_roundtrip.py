"""What is exported comes back the same: onto the same radiographs, and into an empty dataset."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fractureai.dataset import Annotation, Dataset, Region
from fractureai.dataset.formats import FORMATS, ExportOptions, ImportOptions
from fractureai.errors import DatasetError

EVERYTHING = {
    "via json": "via_project.json",
    "via csv": "via_annotations.csv",
    "coco": "annotations.json",
    "mrk_json": "",
}


def near(marks: Annotation) -> Annotation:
    """Round coordinates to a millionth of a pixel."""
    landmarks = {name: (round(r, 6), round(c, 6)) for name, (r, c) in marks.landmarks.items()}
    regions = tuple(
        replace(region, points=tuple((round(r, 6), round(c, 6)) for r, c in region.points)) for region in marks.regions
    )
    return replace(marks, landmarks=landmarks, regions=regions)


@pytest.mark.parametrize("case", EVERYTHING)
def test_all_marks_come_back_onto_the_same_radiographs(
    kit: Any, case: str, marked: Dataset, unmarked: Dataset, tmp_path: Path
) -> None:
    fmt = FORMATS[case.split()[0]]
    written = fmt.export(marked, tmp_path / "out")
    assert (written.annotations, written.problems) == (4, ())

    report = fmt.import_(tmp_path / "out" / EVERYTHING[case], unmarked, ImportOptions(rater="back"))

    assert (report.added, report.annotations, report.skipped, report.problems) == (0, 4, 0, ())
    assert [near(marks) for marks in kit.contents(unmarked, "back")] == kit.contents(marked)


@pytest.mark.parametrize("case", ["via json", "via csv", "coco"])
def test_all_marks_and_facts_come_back_into_an_empty_dataset(
    kit: Any, case: str, marked: Dataset, new_dataset: Callable[..., Dataset], tmp_path: Path
) -> None:
    fmt = FORMATS[case.split()[0]]
    assert fmt.export(marked, tmp_path / "out").images == 4
    target = new_dataset()

    report = fmt.import_(tmp_path / "out" / EVERYTHING[case], target)

    assert (report.added, report.annotations, report.problems) == (4, 4, ())
    assert [near(marks) for marks in kit.contents(target)] == kit.contents(marked)
    for old, new in zip(marked.radiographs, target.radiographs, strict=True):
        facts = ("study", "patient", "view", "side", "age_years", "sex", "date")
        assert [getattr(new, name) for name in facts] == [getattr(old, name) for name in facts]


def test_slicer_markups_bring_their_images_into_an_empty_dataset(
    kit: Any, marked: Dataset, new_dataset: Callable[..., Dataset], tmp_path: Path
) -> None:
    FORMATS["mrk_json"].export(marked, tmp_path / "out")
    target = new_dataset()
    report = FORMATS["mrk_json"].import_(tmp_path / "out", target, ImportOptions(images=marked.folder))
    assert (report.added, report.annotations, report.problems) == (4, 4, ())
    assert [near(marks) for marks in kit.contents(target)] == kit.contents(marked)
    assert [row.id for row in target.radiographs] == [row.id for row in marked.radiographs]


def test_deepwrist_brings_back_landmarks_labels_and_readers(
    kit: Any, marked: Dataset, new_dataset: Callable[..., Dataset], tmp_path: Path
) -> None:
    for row in marked.radiographs[:2]:
        marked.save(Annotation(row.id, "Resident", status="done", label="normal"))
    for row in marked.radiographs:
        marked.save(Annotation(row.id, "R1", status="done", label="fracture"))

    written = FORMATS["deepwrist"].export(marked, tmp_path / "out")
    target = new_dataset()
    report = FORMATS["deepwrist"].import_(tmp_path / "out", target)

    assert (written.images, written.annotations, report.added, report.problems) == (4, 4, 4, ())
    kept = [
        replace(Annotation("", ""), status="done", label=m.label, landmarks=m.landmarks, extra=m.extra)
        for m in kit.contents(marked, "consensus")
    ]
    assert kit.contents(target, "consensus") == kept
    assert [m.label for m in kit.contents(target, "Resident")] == ["normal", "normal"]
    assert [m.label for m in kit.contents(target, "R1")] == ["fracture"] * 4
    assert target.raters == ("R1", "Resident", "consensus")
    assert [row.view for row in target.radiographs] == ["PA", "LAT", "PA", "LAT"]
    assert [row.study for row in target.radiographs] == [row.study for row in marked.radiographs]
    groups = [row.group for row in target.radiographs]
    assert groups[0] == groups[1] != groups[2] == groups[3]


def test_deepwrist_files_are_those_the_published_code_reads(marked: Dataset, tmp_path: Path) -> None:
    FORMATS["deepwrist"].export(marked, tmp_path)
    study = marked.radiographs[0].study
    landmarks = (tmp_path / "landmarks.csv").read_text().splitlines()
    labels = (tmp_path / "classifier.csv").read_text().splitlines()
    assert landmarks[:2] == ["Fname,Points,Side", f'{study}_PA.png,"[(5.5, 10.25), (8.5, 17.25), (11.5, 24.25)]",0']
    assert labels[0].startswith("ID,Side,Fname,Fracture")
    assert labels[1].startswith(f"{study},0,PA/{study}_PA.png,1")
    assert labels[2].startswith(f"{study},1,LAT/{study}_LAT.png,0")
    whole, roi = tmp_path / "PA" / f"{study}_PA.png", tmp_path / "roi" / "PA" / f"{study}_PA.png"
    assert _png_header(whole) == (36, 48, 8)
    assert _png_header(roi) == (256, 256, 8)


def test_grazpedwri_brings_back_what_it_carries(
    kit: Any, marked: Dataset, new_dataset: Callable[..., Dataset], tmp_path: Path
) -> None:
    boxes = (Region("fracture", ((12.5, 4.5), (20.5, 16.25))), Region("metal", ((2.5, 1.5), (3.5, 2.5))))
    extra = {"ao_classification": "23r-M/2.1; 23u-E/7", "osteopenia": "1"}
    for row, marks in zip(marked.radiographs, kit.contents(marked), strict=True):
        marks = replace(marks, radiograph=row.id, rater="consensus", regions=boxes, extra=extra, landmarks={})
        marked.save(marks)

    written = FORMATS["grazpedwri"].export(marked, tmp_path / "out")
    target = new_dataset()
    report = FORMATS["grazpedwri"].import_(tmp_path / "out", target)

    assert (written.annotations, written.problems) == (4, ())
    assert (report.added, report.annotations, report.problems) == (4, 4, ())
    for old, new in zip(kit.contents(marked), kit.contents(target), strict=True):
        assert (new.label, new.regions, new.cast, new.implant) == (old.label, boxes, True, False)
        assert extra.items() <= new.extra.items()
        assert new.extra["study_label"] == "fracture"  # the PA of each study shows one
    row = target.radiographs[1]
    assert (row.view, row.side, row.sex, row.age_years) == ("LAT", "L", "F", 42.0)
    assert row.spacing_mm == (0.15, 0.15)
    for old_row, new_row in zip(marked.radiographs, target.radiographs, strict=True):
        assert (marked.read(old_row).pixels == target.read(new_row).pixels).all()  # 16 bit without loss

    for xml in (tmp_path / "out").rglob("*.xml"):
        xml.unlink()
    again = new_dataset("from yolo")
    FORMATS["grazpedwri"].import_(tmp_path / "out", again)
    assert [near(marks).regions for marks in kit.contents(again)] == [boxes] * 4


def test_fracatlas_brings_back_what_it_carries(kit: Any, new_dataset: Callable[..., Dataset], tmp_path: Path) -> None:
    source = new_dataset("source")
    source.add([kit.write_png(tmp_path / "in" / f"{n}.png", seed=n) for n in range(3)], copy=True)
    outline = Region("fracture", ((1.0, 2.0), (1.5, 9.0), (8.0, 5.25)), "polygon")
    box = Region("fracture", ((12.5, 4.5), (20.5, 16.25)))
    for number, row in enumerate(source.radiographs):
        regions = ((outline, box), (box,), ())[number]
        label = "fracture" if regions else "normal"
        extra = {"image_id": f"IMG{number:07}.png", "hand": "1", "fracture_count": str(len(regions)), "frontal": "1"}
        source.save(Annotation(row.id, "a", "done", label, regions=regions, implant=number == 2, extra=extra))

    FORMATS["fracatlas"].export(source, tmp_path / "out")
    target = new_dataset()
    report = FORMATS["fracatlas"].import_(tmp_path / "out", target)

    assert (report.added, report.problems) == (3, ())
    for old, new in zip(kit.contents(source), kit.contents(target), strict=True):
        assert (new.label, new.regions, new.implant) == (old.label, old.regions, old.implant)
        assert old.extra.items() <= new.extra.items()
    assert {row.view for row in target.radiographs} == {"PA"}
    folders = {path.parent.name for path in (tmp_path / "out" / "images").rglob("*.png")}
    assert folders == {"Fractured", "Non_fractured"}


@pytest.mark.parametrize("name", FORMATS)
def test_an_export_names_the_raters_when_several_marked(name: str, marked: Dataset, tmp_path: Path) -> None:
    for annotation in list(marked.annotations("consensus")):
        for rater in ("A", "B"):
            marked.save(replace(annotation, rater=rater))
        marked.annotation_path(annotation.radiograph, "consensus").unlink()
    with pytest.raises(DatasetError, match="A and B both marked"):
        FORMATS[name].export(marked, tmp_path / "out")
    assert FORMATS[name].export(marked, tmp_path / "out", ExportOptions(raters=["B"])).annotations == 4
    with pytest.raises(DatasetError, match="C has no annotations"):
        FORMATS[name].export(marked, tmp_path / "out", ExportOptions(raters=["C"]))


def test_marks_that_are_there_are_kept_unless_replaced(kit: Any, marked: Dataset, tmp_path: Path) -> None:
    FORMATS["via"].export(marked, tmp_path / "out")
    first = marked.radiographs[0].id
    mine = replace(kit.marks_for(0, first), rater="via", comment="my own")
    marked.save(mine)
    source = tmp_path / "out" / "via_project.json"

    report = FORMATS["via"].import_(source, marked)
    assert (report.annotations, report.skipped) == (3, 1)
    kept = marked.annotation(first, "via")
    assert kept is not None
    assert kit.content(kept) == kit.content(mine)

    report = FORMATS["via"].import_(source, marked, ImportOptions(replace=True))
    assert (report.annotations, report.skipped) == (4, 0)
    replaced = marked.annotation(first, "via")
    assert replaced is not None
    assert (replaced.comment, replaced.revision) == (kit.marks_for(0, first).comment, 2)


def test_an_export_without_images_finds_the_original_files(marked: Dataset, unmarked: Dataset, tmp_path: Path) -> None:
    report = FORMATS["coco"].export(marked, tmp_path / "out", ExportOptions(images=False))
    assert (report.images, list((tmp_path / "out").iterdir())) == (0, [tmp_path / "out" / "annotations.json"])
    back = FORMATS["coco"].import_(tmp_path / "out" / "annotations.json", unmarked)
    assert (back.annotations, back.problems) == (4, ())


def test_a_radiograph_that_can_not_be_read_is_reported_and_the_rest_exported(marked: Dataset, tmp_path: Path) -> None:
    marked.image_path(marked.radiographs[1]).write_bytes(b"not an image")
    for name in FORMATS:
        report = FORMATS[name].export(marked, tmp_path / name)
        broken = [problem for problem in report.problems if problem.path == marked.image_path(marked.radiographs[1])]
        assert (report.annotations, len(broken)) == (3, 1), name


def test_progress_counts_every_image(marked: Dataset, new_dataset: Callable[..., Dataset], tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    FORMATS["via"].export(marked, tmp_path / "out", ExportOptions(progress=lambda done, of: seen.append((done, of))))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    seen.clear()
    options = ImportOptions(progress=lambda done, of: seen.append((done, of)))
    FORMATS["via"].import_(tmp_path / "out" / "via_project.json", new_dataset(), options)
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def _png_header(path: Path) -> tuple[int, int, int]:
    head = path.read_bytes()[:33]
    assert head[12:16] == b"IHDR"
    return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big"), head[24]
