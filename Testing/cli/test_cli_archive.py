"""A dataset is exported, carried elsewhere and trained on, by one command each; nobody in it can be told any more."""

from __future__ import annotations

import hashlib
import json
import subprocess
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest

from fractureai.dataset import Dataset, make_splits
from fractureai.phantom import write_dataset

pytestmark = [pytest.mark.slow]

Run = Callable[..., "subprocess.CompletedProcess[str]"]
NAME, NUMBER, DATE, PHYSICIAN = "Virtanen^Aino", "010190-123A", "20240229", "Korhonen^Eero"
RECIPE = """
format_version = 1
name = "tiny"
title = "tiny"
seed = 1
folds = 1
[localizer]
input_px = 64
network = { name = "hourglass", parameters = { width = 4, depth = 2, dropout = 0.0 } }
fit = { epochs = 1, batch_size = 8, optimizer = "adamw", learning_rate = 1e-3 }
augmentation = {}
[classifier]
window_px = 64
network = { name = "small_cnn", parameters = { widths = [4, 8, 8], dropout = 0.0 } }
fit = { epochs = 1, batch_size = 8, optimizer = "adamw", learning_rate = 1e-3 }
augmentation = {}
"""


@pytest.fixture(scope="module")
def wrists(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset whose files, table and marks are full of what tells who it is."""
    folder = tmp_path_factory.mktemp("a") / "wrists"
    dataset = write_dataset(folder, studies=14, seed=4, pixels=128, hard_fraction=0.0, workers=1)
    rows = []
    for row in dataset.radiographs:
        path = dataset.image_path(row)
        file = pydicom.dcmread(path)
        file.PatientName, file.PatientID, file.StudyDate = NAME, f"{NUMBER}-{row.patient}", DATE
        file.ReferringPhysicianName, file.PatientBirthDate = PHYSICIAN, "19900101"
        file.SeriesDescription = f"Wrist of {NAME}"
        file.private_block(0x0029, "SECRET", create=True).add_new(1, "LO", NAME)
        named = path.with_name(f"{NAME}_{path.name}")
        file.save_as(named)
        path.unlink()
        sha256 = hashlib.sha256(named.read_bytes()).hexdigest()
        changed = replace(row, file=f"images/{named.name}", sha256=sha256, date=DATE, description=f"of {NAME}")
        rows.append(replace(changed, extra={"ward": NUMBER}))
    dataset.update_rows(rows)
    for mark in list(dataset.annotations("truth")):
        dataset.save(replace(mark, rater="consensus", comment=f"discussed with {PHYSICIAN}"))
        dataset.save(replace(mark, rater="AM", label="uncertain"))
    make_splits(dataset, seed=0)
    return folder


@pytest.fixture(scope="module")
def archive(wrists: Path, fractureai: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("b") / "export.zip"
    done = fractureai("export", "archive", wrists, target, "--rater", "consensus", "--json")
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert (facts["images"], facts["annotations"], facts["problems"]) == (28, 28, [])
    return target


def test_nothing_in_it_tells_who_it_is(archive: Path, wrists: Path) -> None:
    old = Dataset.open(wrists)
    secrets = [NAME, NUMBER, DATE, PHYSICIAN, "Virtanen", "Korhonen", str(wrists.parent), "pseudonym.key"]
    secrets += [value for row in old.radiographs for value in (row.id, row.study)]
    with zipfile.ZipFile(archive) as opened:
        content = {name: opened.read(name) for name in opened.namelist()}
    manifest = json.loads(content["manifest.json"])
    for name, data in content.items():
        for secret in secrets:
            assert secret.encode() not in data, (secret, name)
            assert secret not in name
        if name != "manifest.json":
            assert hashlib.sha256(data).hexdigest() == manifest["files"][name]["sha256"]
    assert {name.split("/")[1] for name in content if name.startswith("annotations/")} == {"consensus"}


def test_it_trains_elsewhere_by_one_command_and_again(archive: Path, wrists: Path, fractureai: Run) -> None:
    recipe = archive.with_name("tiny.toml")
    recipe.write_text(RECIPE, encoding="utf-8")
    words = ("train", "--dataset", archive.name, "--recipe", recipe, "--device", "cpu", "--json")
    done = fractureai(*words, cwd=archive.parent)
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    out = archive.with_name("export-training")
    assert Path(facts["bundle"]) == out / "bundle"
    assert facts["splits_made"] is False
    assert not list(out.glob(".unpacking-*"))
    checked = json.loads(fractureai("check", out / "dataset", "--json").stdout)
    assert checked["errors"] == 0, checked
    self_made = Dataset.open(out / "dataset")
    assert sorted(split.split for split in self_made.splits.values()) == sorted(
        split.split for split in Dataset.open(wrists).splits.values()
    )
    again = fractureai(*words, cwd=archive.parent)  # nothing is unpacked or trained twice
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["seconds"] < facts["seconds"]


@pytest.mark.parametrize("harm", ["changed", "outside", "no archive"])
def test_a_damaged_archive_is_one_sentence(archive: Path, fractureai: Run, tmp_path: Path, harm: str) -> None:
    bad = tmp_path / "bad.zip"
    with zipfile.ZipFile(archive) as source, zipfile.ZipFile(bad, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            if harm == "changed" and name == "radiographs.csv":
                data = data.replace(b"PA", b"AP")
            target.writestr(name, data)
        if harm == "outside":
            target.writestr("../evil.txt", b"x")
    if harm == "no archive":
        bad.write_bytes(b"PK not really")
    done = fractureai("train", "--dataset", bad, tmp_path / "out", "--device", "cpu")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1, done.stderr
    assert "bad.zip" in done.stderr
    assert not (tmp_path / "evil.txt").exists()
    assert not (tmp_path / "out" / "dataset").exists()


def test_the_dataset_is_given_once(fractureai: Run, tmp_path: Path) -> None:
    for words in ((), ("a", "b", "--dataset", "c")):
        done = fractureai("train", *words)
        assert done.returncode == 2
        assert "dataset" in done.stderr
