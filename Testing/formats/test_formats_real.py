"""Real data sets, where they are at hand."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fractureai.dataset import Annotation, Dataset, Region
from fractureai.dataset.formats import FORMATS, ImportOptions
from fractureai.dataset.formats.fracatlas import parse_atlas_csv
from fractureai.dataset.formats.grazpedwri import graz_csv, parse_graz_csv

NewDataset = Callable[..., Dataset]


@pytest.fixture(scope="module")
def real(kit: Any) -> Path:
    folder: Path = kit.real
    if not folder.is_dir():
        pytest.skip(f"no real radiographs at {folder}")
    return folder


def test_the_whole_grazpedwri_table(real: Path) -> None:
    path = real / "grazpedwri" / "dataset.csv"
    start = time.perf_counter()
    lines, problems = parse_graz_csv(path.read_text(encoding="utf-8-sig"), path)
    assert time.perf_counter() - start < 20  # measured 0.2 s; the bound only catches a loop over all pairs of lines
    assert (len(lines), problems) == (20_327, ())
    assert Counter(line.view for line in lines) == {"PA": 10_086, "LAT": 10_148, "OBLIQUE": 93}
    assert sum(line.fracture for line in lines) == 13_550
    assert len({line.patient for line in lines}) == 6_091
    studies: dict[tuple[str, str], set[bool]] = {}
    for line in lines:
        studies.setdefault((line.patient, line.study), set()).add(line.fracture)
    assert any(len(labels) == 2 for labels in studies.values())  # the views of a study differ
    assert parse_graz_csv(graz_csv(lines), path) == (lines, ())


def test_the_grazpedwri_original_with_its_boxes(real: Path, new_dataset: NewDataset) -> None:
    dataset = new_dataset()
    report = FORMATS["grazpedwri"].import_(real / "grazpedwri", dataset)
    assert (report.added, report.annotations, len(report.problems)) == (1, 1, 1)
    assert "20,326 of the 20,327 images" in str(report.problems[0])
    (row,) = dataset.radiographs
    (marks,) = dataset.annotations("grazpedwri")
    assert (row.view, row.side, row.sex, row.age_years, row.spacing_mm) == ("PA", "R", "M", 11.1, (0.144, 0.144))
    assert (marks.label, marks.extra["ao_classification"]) == ("fracture", "23-M/3.1")
    assert Region("fracture", ((660.5, 209.5), (731.5, 335.5))) in marks.regions
    assert Counter(region.kind for region in marks.regions) == {"fracture": 2, "text": 1}
    radiograph = dataset.read(row)
    assert radiograph.pixels.shape == (1130, 704)
    assert radiograph.pixels.max() > 255


@pytest.mark.slow
def test_fracatlas_with_its_truncated_images(real: Path, new_dataset: NewDataset) -> None:
    folder = real / "fracatlas"
    files = list(folder.rglob("*.jpg"))
    lines, problems = parse_atlas_csv((folder / "dataset.csv").read_text(encoding="utf-8-sig"), folder)
    assert (len(lines), problems) == (4_024, ())
    dataset = new_dataset()
    report = FORMATS["fracatlas"].import_(folder, dataset, ImportOptions(copy=False))

    cut = [problem for problem in report.problems if "cut off" in problem.reason]
    twice = [problem for problem in report.problems if "twice" in problem.reason]
    assert len(cut) == 6
    assert {problem.path.suffix for problem in cut} == {".jpg"}
    assert report.added == report.annotations == len(files) - len(cut) - len(twice)
    labels = {row.file: row.id for row in dataset.radiographs}
    for file, radiograph in labels.items():
        marks = dataset.annotation(radiograph, "fracatlas")
        assert marks is not None
        assert marks.label == {"Fractured": "fracture", "Non_fractured": "normal"}[Path(file).parent.name]


def test_real_landmarks_go_through_slicer_markups_and_back(
    real: Path, new_dataset: NewDataset, kit: Any, tmp_path: Path
) -> None:
    """Hand radiographs with spacing: point 1 is the distal ulna, 5 the distal radius, 10 near the wrist's centre."""
    source = new_dataset("source")
    folder = real / "hand_landmarks"
    for line in (folder / "landmarks.csv").read_text().splitlines()[:2]:
        name, *numbers = line.split(",")
        added = source.add([folder / f"{name}.mha"], copy=False, view="PA")
        xy = [(float(x), float(y)) for x, y in zip(numbers[::2], numbers[1::2], strict=True)]
        places = {"distal_ulna": 1, "distal_radius": 5, "wrist_centre": 10}
        marks = {landmark: (xy[place][1], xy[place][0]) for landmark, place in places.items()}
        source.save(Annotation(added.added[0].id, "consensus", "done", landmarks=marks))
    for name in ("mrk_json", "deepwrist", "via", "coco"):
        target = new_dataset(f"target {name}")
        written = FORMATS[name].export(source, tmp_path / name)
        assert written.problems == ()
        files = {"via": "via_project.json", "coco": "annotations.json"}
        start = tmp_path / name / files.get(name, "")
        images = folder if name == "mrk_json" else None
        report = FORMATS[name].import_(start, target, ImportOptions(images=images, rater="consensus"))
        assert (report.added, report.problems) == (2, ())
        pairs = zip(*(sorted(kit.contents(d), key=_ulna) for d in (source, target)), strict=True)
        for old, new in pairs:
            for landmark, point in old.landmarks.items():
                assert new.landmarks[landmark] == pytest.approx(point, abs=1e-6)


def _ulna(marks: Annotation) -> tuple[float, float]:
    return marks.landmarks["distal_ulna"]
