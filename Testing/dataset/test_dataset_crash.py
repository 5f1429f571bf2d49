"""Kill -9 at random moments, and several writers at once, with real processes."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fractureai.dataset import Annotation, Dataset, RadiographRow
from fractureai.dataset.files import LEFTOVER_AGE_S, sha256_of

WRITER = Path(__file__).with_name("dataset_writer.py")
IMAGES = 4


def start(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, str(WRITER), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def kill_after(processes: list[subprocess.Popen[str]], seconds: float) -> list[list[str]]:
    """Let all run for a random time after their first word, kill them, return the complete lines each has said."""
    lines: list[list[str]] = [[] for _ in processes]
    readers = []
    for process, said in zip(processes, lines, strict=True):
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        reader = threading.Thread(target=lambda p=process, s=said: s.extend(p.stdout))
        reader.start()
        readers.append(reader)
    time.sleep(seconds)
    for process in processes:
        process.kill()
    for reader in readers:
        reader.join()
    for process in processes:
        process.wait()
        assert process.stderr is not None
        error = process.stderr.read()
        assert error == "", error
        process.stderr.close()
        process.stdout.close()
    return [[line for line in said if line.endswith("\n")] for said in lines]


@pytest.mark.slow
def test_a_writer_killed_at_any_moment_loses_at_most_the_mark_it_was_making(dataset: Dataset) -> None:
    rng = random.Random(7)
    last: dict[tuple[str, str], tuple[int, str, int]] = {}
    saves = 0
    for attempt in range(20):
        raters = ("AM", "HP")
        processes = [start("marks", dataset.folder, rater, attempt, IMAGES, 0) for rater in raters]
        for rater, lines in zip(raters, kill_after(processes, rng.uniform(0.0, 0.35)), strict=True):
            for line in lines:
                radiograph, revision, token, points = line.split()
                last[radiograph, rater] = (int(revision), token, int(points))
                saves += 1
            check_nothing_lost(dataset, rater, last, attempt)
    assert saves > 200  # the kills hit writers at work
    assert not list(dataset.folder.rglob("*.broken-*"))


def check_nothing_lost(
    dataset: Dataset, rater: str, last: dict[tuple[str, str], tuple[int, str, int]], attempt: int
) -> None:
    """Every acknowledged save is there and whole; at most one of a rater's files is one unacknowledged save ahead."""
    problems: list[Exception] = []
    found = {mark.radiograph: mark for mark in dataset.annotations(rater, report=problems.append)}
    assert problems == []
    ahead = 0
    for image in range(IMAGES):
        radiograph = f"1.2.{image}"
        mark = found.get(radiograph)
        revision, token, points = last.get((radiograph, rater), (0, "", 0))
        if mark is None:
            assert revision == 0
        elif mark.revision == revision:
            assert (mark.comment, len(mark.landmarks)) == (token, points)
        else:
            assert mark.revision == revision + 1
            assert mark.comment.startswith(f"{attempt}-")
            last[radiograph, rater] = (mark.revision, mark.comment, len(mark.landmarks))
            ahead += 1
    assert ahead <= 1


def test_what_a_killed_writer_left_is_ignored_and_removed_later(dataset: Dataset) -> None:
    process = start("marks", dataset.folder, "AM", 1, 1, 1)
    process.communicate()
    folder = dataset.annotation_path("1.2.0", "AM").parent
    fresh, old = folder / ".1.2.0.json.77-00.tmp", folder / ".1.2.0.json.78-00.tmp"
    for path in (fresh, old):
        path.write_text('{"half a fi')
    os.utime(old, (time.time() - 2 * LEFTOVER_AGE_S,) * 2)
    assert [mark.radiograph for mark in dataset.annotations("AM")] == ["1.2.0"]
    assert fresh.exists()
    assert not old.exists()


def test_two_raters_writing_the_same_radiographs_at_once_lose_nothing(dataset: Dataset) -> None:
    raters = ("AM", "HP")
    processes = [start("marks", dataset.folder, rater, seed, IMAGES, 60) for seed, rater in enumerate(raters)]
    for rater, process in zip(raters, processes, strict=True):
        out, error = process.communicate(timeout=60)
        assert error == ""
        said = {line.split()[0]: line.split()[1:] for line in out.splitlines()[1:]}
        found = {mark.radiograph: mark for mark in dataset.annotations(rater)}
        assert {
            radiograph: [str(mark.revision), mark.comment, str(len(mark.landmarks))]
            for radiograph, mark in found.items()
        } == said
        assert sum(mark.revision for mark in found.values()) == 60


def test_processes_adding_rows_at_once_lose_nothing(dataset: Dataset) -> None:
    processes = [start("rows", dataset.folder, f"1.{number}", 40) for number in range(3)]
    for process in processes:
        _, error = process.communicate(timeout=60)
        assert error == ""
    expected = {f"1.{prefix}.{number}" for prefix in range(3) for number in range(40)}
    assert {row.id for row in dataset.radiographs} == expected


@pytest.mark.slow
def test_processes_killed_while_adding_rows_lose_nothing_and_leave_no_lock(dataset: Dataset) -> None:
    rng = random.Random(3)
    acknowledged: set[str] = set()
    for attempt in range(8):
        processes = [start("rows", dataset.folder, f"{attempt}.{number}", 0) for number in range(2)]
        for lines in kill_after(processes, rng.uniform(0.0, 0.3)):
            acknowledged |= {line.strip() for line in lines}
        known = {row.id for row in dataset.radiographs}
        assert acknowledged <= known
        assert len(known - acknowledged) <= 2 * (attempt + 1)
        dataset.add_rows([RadiographRow(f"after.{attempt}")])
        acknowledged.add(f"after.{attempt}")
    assert len(acknowledged) > 50


@pytest.mark.slow
def test_an_import_killed_at_any_moment_can_be_repeated(
    dataset: Dataset, tmp_path: Path, dicom_writer: Callable[..., Path]
) -> None:
    rng = random.Random(5)
    for number in range(60):
        dicom_writer(
            tmp_path / "in" / f"{number}.dcm", rows=300, columns=300, SOPInstanceUID=f"1.{number}", seed=number
        )
    for _ in range(8):
        process = start("files", dataset.folder, tmp_path / "in")
        kill_after([process], rng.uniform(0.0, 0.5))
        assert all(sha256_of(dataset.image_path(row)) == row.sha256 for row in dataset.radiographs)
    dataset.add([tmp_path / "in"], copy=True)
    assert {row.id for row in dataset.radiographs} == {f"1.{number}" for number in range(60)}
    assert len({row.patient for row in dataset.radiographs}) == 1
    assert all(sha256_of(dataset.image_path(row)) == row.sha256 for row in dataset.radiographs)


@pytest.mark.skipif(os.name == "nt", reason="needs a limit on the size of files")
def test_a_full_disk_is_reported_and_leaves_the_old_marks(dataset: Dataset) -> None:
    old = dataset.save(Annotation("1.2.0", "AM", comment="old"))
    code = (
        "import resource, signal, sys\nfrom fractureai.dataset import Annotation, Dataset\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\nresource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))\n"
        "try:\n Dataset.open(sys.argv[1]).save(Annotation('1.2.0', 'AM', comment='x' * 5000))\n"
        "except Exception as error:\n print(type(error).__name__, error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, dataset.folder], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("DatasetError")
    assert "1.2.0.json: it could not be written" in done.stdout
    assert dataset.annotation("1.2.0", "AM") == old
    assert [path.name for path in dataset.annotation_path("1.2.0", "AM").parent.iterdir()] == ["1.2.0.json"]


def test_threads_of_one_process_adding_rows_at_once_lose_nothing(dataset: Dataset) -> None:
    def add(prefix: int) -> None:
        for number in range(20):
            dataset.add_rows([RadiographRow(f"{prefix}.{number}")])

    threads = [threading.Thread(target=add, args=(prefix,)) for prefix in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(dataset.radiographs) == 80
