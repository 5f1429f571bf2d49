"""The commands at work, in processes of their own, on what one small demo made."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import SimpleITK

if TYPE_CHECKING:
    from conftest import Demo  # type: ignore[import-not-found]

Run = Callable[..., "subprocess.CompletedProcess[str]"]

# One demo for all: with pytest-xdist they run in one process.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("cli-demo")]


ROOT = Path(__file__).resolve().parents[2]
DOCUMENTED = ROOT / "docs" / "command-line.md"


def parsed(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert isinstance(document, dict)
    return document


def png_size(path: Path) -> tuple[int, int]:
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", data[16:24])
    return width, height


def documented_keys(command: str) -> set[str]:
    """Return the top-level keys of the example that docs/command-line.md gives for a command."""
    text = DOCUMENTED.read_text(encoding="utf-8").split(f"### `fractureai {command} --json`", 1)[1]
    return set(json.loads(text.split("```json\n", 1)[1].split("```", 1)[0]))


def test_phantom_writes_a_dataset(fractureai: Run, tmp_path: Path) -> None:
    words = ("phantom", tmp_path / "new", "--studies", "1", "--pixels", "128", "--oblique", "--workers", "1", "--json")
    document = parsed(fractureai(*words))
    assert set(document) == documented_keys("phantom")
    assert document["radiographs"] == 3


def test_train_on_what_is_trained_already_only_says_where_it_is(fractureai: Run, demo: Demo, tmp_path: Path) -> None:
    shutil.copytree(demo.out / "training", tmp_path / "training")
    words = ("train", demo.dataset, tmp_path / "training", "--recipe", demo.recipe, "--device", "cpu", "--json")
    document = parsed(fractureai(*words))
    assert set(document) == documented_keys("train")
    assert Path(document["bundle"]) == tmp_path / "training" / "bundle"
    assert document["splits_made"] is False


def test_demo_writes_what_it_says(demo: Demo) -> None:
    document = demo.document
    for key in ("overlay", "reading", "report"):
        assert Path(document[key]).is_file(), key
        assert Path(document[key]).is_absolute()
    assert png_size(Path(document["overlay"]))[0] > 400
    assert "<html" in Path(document["report"]).read_text(encoding="utf-8").lower()
    assert document["notice"] == "trained on simulated images; not for clinical use"
    assert document["study"]["truth"] in ("fracture", "normal")
    assert document["figures"][0][0] == "All studies"
    assert set(document) == documented_keys("demo")
    assert [line[:5] for line in demo.stderr.splitlines() if line.startswith("[")] == [
        "[1/4]",
        "[2/4]",
        "[3/4]",
        "[4/4]",
    ]


def test_demo_run_again_keeps_what_is_finished(fractureai: Run, demo: Demo) -> None:
    bundle = {path: path.stat().st_mtime_ns for path in demo.bundle.rglob("*")}
    done = fractureai(*demo.words)
    again = parsed(done)
    assert again["figures"] == demo.document["figures"]
    assert done.stderr.count("finished by an earlier run, kept") == 3
    assert {path: path.stat().st_mtime_ns for path in demo.bundle.rglob("*")} == bundle


def test_demo_refuses_the_folder_of_another_demo(fractureai: Run, demo: Demo) -> None:
    done = fractureai("demo", demo.out, "--quick-look")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "other settings" in done.stderr


def test_quick_look_reads_with_the_bundle_that_comes_along(fractureai: Run, demo: Demo, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    for file in demo.pair:
        shutil.copy(file, own)
    document = parsed(fractureai("demo", tmp_path / "out", "--quick-look", "--dicom", own, "--json"))
    assert document["quick_look"] is True
    assert all(Path(document[key]).is_file() for key in ("overlay", "reading", "report"))
    assert document["notice"] == "trained on simulated images; not for clinical use"
    assert document["figures"][0][1] == "12"
    assert Path(document["dicom"][0]["overlay"]).is_file()
    assert set(document) == documented_keys("demo") | {"dicom"}


def test_read_json_is_one_object_with_the_documented_keys(fractureai: Run, demo: Demo) -> None:
    done = fractureai("read", demo.bundle, *demo.pair, "--json")
    document = parsed(done)
    assert done.stderr == ""
    assert set(document) == documented_keys("read")
    assert [view["view"] for view in document["views"]] == ["PA", "LAT"]
    for view in document["views"]:
        assert {"file", "view", "side", "probability", "landmarks", "roi", "activation_map"} <= set(view)
        assert {"row", "col", "side_px", "side_mm"} <= set(view["roi"])
        assert view["activation_map"] is None
    names = [mark["name"] for mark in document["views"][0]["landmarks"]]
    assert names == ["distal_ulna", "distal_radius", "wrist_centre"]
    assert "not for clinical use" in document["notice"]


def test_read_writes_json_maps_and_overlay_that_show_draws_again(fractureai: Run, demo: Demo, tmp_path: Path) -> None:
    printed = parsed(fractureai("read", demo.bundle, *demo.pair, "--out", tmp_path / "reading", "--json"))
    stored = json.loads((tmp_path / "reading" / "reading.json").read_text(encoding="utf-8"))
    assert stored == printed
    assert all(Path(view["activation_map"]).is_file() for view in stored["views"])
    moved = shutil.move(tmp_path / "reading", tmp_path / "moved")
    shown = parsed(fractureai("show", moved, tmp_path / "again.png", "--json"))
    assert shown["study"] == printed["study"]
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "moved" / "overlay.png").read_bytes()


def test_read_tells_people_decision_and_notice(fractureai: Run, demo: Demo) -> None:
    done = fractureai("read", demo.bundle, *demo.pair)
    assert done.returncode == 0
    assert "PA " in done.stdout
    assert "trained on simulated images; not for clinical use" in done.stdout


def test_read_an_image_without_header_with_view_and_side_given(fractureai: Run, demo: Demo, tmp_path: Path) -> None:
    from PIL import Image

    from fractureai.radiograph import normalise, read_radiograph

    for file, name in zip(demo.pair, ("pa.png", "lat.png"), strict=True):
        pixels = (normalise(read_radiograph(file).pixels) * 255).astype("uint8")
        Image.fromarray(pixels).save(tmp_path / name)
    files = [tmp_path / "pa.png", tmp_path / "lat.png"]
    document = parsed(fractureai("read", demo.bundle, files[0], "--view", "PA", "--side", "l", "--json"))
    assert document["views"][0]["side"] == "L"
    assert document["views"][0]["spacing_source"] == "landmarks"
    assert "spacing-missing" in [reason["code"] for reason in document["reasons"]]
    options = ["--view", "PA", "--view", "LAT", "--spacing-mm", "0.3"]
    document = parsed(fractureai("read", demo.bundle, *files, *options, "--json"))
    assert [view["view"] for view in document["views"]] == ["PA", "LAT"]
    assert [view["spacing_mm"] for view in document["views"]] == [[0.3, 0.3], [0.3, 0.3]]


def test_read_a_folder_reads_each_study_and_reports_broken_files(fractureai: Run, demo: Demo, tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    for index in (0, 1):
        for view in ("PA", "LAT"):
            shutil.copy(demo.dataset / "images" / f"{index:05d}_{view}.dcm", folder)
    (folder / "cut.dcm").write_bytes(demo.pair[0].read_bytes()[:3000])
    (folder / "noise.dcm").write_bytes(bytes(range(256)))
    (folder / "notes.txt").write_text("not an image", encoding="utf-8")
    document = parsed(fractureai("read", demo.bundle, folder, "--out", tmp_path / "out", "--json"))
    assert len(document["studies"]) >= 2
    assert {Path(v["file"]).name for s in document["studies"] for v in s["views"]} <= {p.name for p in folder.iterdir()}
    assert any("noise.dcm" in problem for problem in document["problems"])
    of_studies = [problem for study in document["studies"] for problem in study["problems"]]
    assert any("cut.dcm" in problem for problem in of_studies)  # its header is whole, its pixels are not
    assert not any("notes.txt" in problem for problem in [*document["problems"], *of_studies])
    assert len(list((tmp_path / "out").glob("*/reading.json"))) == len(document["studies"])


@pytest.mark.parametrize("content", [b"", b"hello", None], ids=["empty", "text", "cut off"])
def test_read_refuses_a_file_that_is_no_radiograph(
    fractureai: Run, demo: Demo, tmp_path: Path, content: bytes | None
) -> None:
    bad = tmp_path / "bad.dcm"
    bad.write_bytes(demo.pair[0].read_bytes()[:3000] if content is None else content)
    done = fractureai("read", demo.bundle, bad, "--json")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "bad.dcm" in done.stderr


def test_read_refuses_a_bundle_that_was_changed(fractureai: Run, demo: Demo, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(demo.bundle, bundle)
    model = next(bundle.rglob("*.onnx"))
    model.write_bytes(model.read_bytes() + b" ")
    done = fractureai("read", bundle, *demo.pair)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert model.name in done.stderr


def test_check_finds_nothing_then_finds_a_changed_image(fractureai: Run, demo: Demo, tmp_path: Path) -> None:
    clean = parsed(fractureai("check", demo.dataset, "--json"))
    assert clean["errors"] == 0
    assert set(clean) == documented_keys("check")
    copy = tmp_path / "copy"
    shutil.copytree(demo.dataset, copy)
    (copy / "images" / "00000_PA.dcm").write_bytes(b"not the image")
    done = fractureai("check", copy, "--json")
    assert done.returncode == 1
    document = json.loads(done.stdout)
    assert document["errors"] == len([p for p in document["problems"] if p["severity"] == "error"]) > 0
    assert any("00000_PA.dcm" in problem["file"] for problem in document["problems"])


def test_split_is_written_once(fractureai: Run, demo: Demo, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(demo.dataset, copy)
    (copy / "splits.csv").unlink()
    document = parsed(fractureai("split", copy, "--folds", "3", "--seed", "1", "--json"))
    assert document["folds"] == 3
    assert set(document) == documented_keys("split")
    assert all(document["patients"].values())
    again = fractureai("split", copy, "--json")
    assert again.returncode == 2
    assert again.stderr.count("\n") == 1


def test_export_and_import_carry_the_marks(fractureai: Run, demo: Demo, tmp_path: Path) -> None:
    from fractureai.dataset import Dataset

    exported = parsed(fractureai("export", "via", demo.dataset, tmp_path / "via", "--json"))
    assert exported["annotations"] == 28
    assert set(exported) == documented_keys("export")
    source = tmp_path / "via" / "via_project.json"
    imported = parsed(fractureai("import", "via", source, tmp_path / "new", "--spacing-mm", "0.4", "--json"))
    assert imported["annotations"] == 28
    assert imported["problems"] == []
    assert set(imported) == documented_keys("import")
    assert len(Dataset.open(tmp_path / "new").radiographs) == 28


def test_import_dicom_creates_a_dataset_and_skips_what_is_there(fractureai: Run, demo: Demo, tmp_path: Path) -> None:
    words = ("import", "dicom", demo.dataset / "images", tmp_path / "new", "--reference", "--json")
    first, second = parsed(fractureai(*words)), parsed(fractureai(*words))
    assert (first["added"], first["skipped"]) == (28, 0)
    assert (second["added"], second["skipped"]) == (0, 28)
    table = (tmp_path / "new" / "radiographs.csv").read_text(encoding="utf-8")
    assert "SIM-" not in table  # patient identifiers became pseudonyms


def test_import_lists_its_formats(fractureai: Run) -> None:
    formats = parsed(fractureai("import", "formats", "--json"))["formats"]
    assert {"dicom", "deepwrist", "via", "grazpedwri", "fracatlas", "coco", "mrk_json"} <= set(formats)


def test_show_draws_the_marks_of_a_rater(fractureai: Run, demo: Demo, tmp_path: Path) -> None:
    document = parsed(fractureai("show", demo.dataset, tmp_path / "marks.png", "--rater", "truth", "--json"))
    assert document["rater"] == "truth"
    assert set(document) == documented_keys("show")
    assert png_size(tmp_path / "marks.png")[1] > 900
    done = fractureai("show", demo.dataset, tmp_path / "none.png", "--rater", "nobody")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


def test_evaluate_writes_report_and_numbers(fractureai: Run, demo: Demo, tmp_path: Path) -> None:
    words = ("evaluate", demo.bundle, demo.dataset, tmp_path / "report", "--split", "all", "--json")
    document = parsed(fractureai(*words))
    assert Path(document["report"]).is_file()
    assert document["strata"][0]["name"] == "all"
    assert set(document) == documented_keys("evaluate")
    assert document["strata"][0]["n"] == 14
    assert "not for clinical use" in document["notice"]


def test_evaluate_tells_foreign_images_from_the_sites_own(fractureai: Run, demo: Demo, tmp_path: Path) -> None:
    folder = tmp_path / "foreign"
    folder.mkdir()
    (folder / "letter.txt").write_text("no image")
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 256, (300, 260), dtype=np.uint8)
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(pixels), str(folder / f"noise{number}.png"))
    words = ("evaluate", "demo", demo.dataset, tmp_path / "report", "--split", "all", "--occlusion", 0, "--json")
    selective = parsed(fractureai(*words, "--foreign", folder))["selective"]
    assert (selective["n_foreign"], selective["foreign_refused"]) == (3, 1)
    by_score = {row["score"]: row["foreign"]["value"] for row in selective["separations"]}
    assert by_score["combined"] == 1


def test_foreign_images_need_a_calibrated_bundle(fractureai: Run, demo: Demo, tmp_path: Path) -> None:
    done = fractureai("evaluate", demo.bundle, demo.dataset, tmp_path / "report", "--foreign", tmp_path)
    assert done.returncode == 2
    assert "fractureai calibrate" in done.stderr


def test_train_refuses_a_recipe_and_a_device_that_do_not_exist(fractureai: Run, demo: Demo, tmp_path: Path) -> None:
    for option, value in (("--recipe", "nonsense"), ("--device", "nonsense")):
        done = fractureai("train", demo.dataset, tmp_path / "out", option, value)
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1, done.stderr
        assert value in done.stderr
