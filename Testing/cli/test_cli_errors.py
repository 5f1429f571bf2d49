"""Bad input: exit code 2 and exactly one line on stderr, for every command; nothing on stdout."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fractureai.dataset import Dataset

Run = Callable[..., "subprocess.CompletedProcess[str]"]

COMMANDS = ("phantom", "import", "export", "check", "split", "train", "evaluate", "read", "explain", "show", "demo")

BAD_INPUT = [
    (["nonsense"], "No such command"),
    (["phantom"], "out"),
    (["phantom", "x", "--studies", "0"], "--studies"),
    (["phantom", "x", "--pixels", "1000000", "--studies", "1"], "64 to 4096"),
    (["import", "nonsense", "a", "b"], "no format nonsense"),
    (["import", "dicom", "missing", "b"], "missing: there is no such file"),
    (["import", "coco", "a"], "DATASET"),
    (["export", "coco", "missing", "out"], "missing"),
    (["export", "nonsense", "missing", "out"], "no format nonsense"),
    (["check", "missing"], "it is not a dataset"),
    (["split", "missing"], "it is not a dataset"),
    (["train", "missing", "out"], "it is not a dataset"),
    (["evaluate", "demo", "missing", "out"], "it is not a dataset"),
    (["evaluate", "demo", "missing", "out", "--split", "nonsense"], "no split nonsense"),
    (["read", "missing", "x.dcm"], "there is no such bundle"),
    (["read", "demo"], "files"),
    (["read", "demo", "x.dcm", "--view", "FRONT"], "FRONT is not one of"),
    (["read", "demo", "x.dcm", "--spacing-mm", "0"], "not a spacing"),
    (["read", "demo", "x.dcm", "--view", "PA", "--view", "LAT"], "2 times for 1 files"),
    (["read", "demo", "x.dcm", "--runtime", "nonsense"], "no runtime nonsense"),
    (["show", "missing", "x.png"], "missing: there is neither"),
    (["demo", "out", "--dicom", "missing"], "missing: there is no such folder"),
    (["demo", "out", "--studies", "3"], "--studies"),
]


def assert_refused(done: subprocess.CompletedProcess[str], expected: str) -> None:
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert done.stderr.endswith("\n")
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert expected.lower() in done.stderr.lower()


@pytest.mark.parametrize(("words", "expected"), BAD_INPUT, ids=[" ".join(words) for words, _ in BAD_INPUT])
def test_bad_input_gets_one_line_and_exit_code_2(
    fractureai: Run, tmp_path: Path, words: list[str], expected: str
) -> None:
    assert_refused(fractureai(*words, cwd=tmp_path), expected)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example_of_the_command(fractureai: Run, command: str) -> None:
    done = fractureai(command, "--help")
    assert done.returncode == 0
    assert re.search(rf"Example: fractureai {command} \S+", done.stdout)


def test_help_names_every_command(fractureai: Run) -> None:
    shown = fractureai("--help").stdout
    assert "Not a medical device." in shown
    for command in COMMANDS:
        assert re.search(rf"^\W*{command}\b", shown, re.MULTILINE), command
    assert fractureai().stdout == shown


def test_help_loads_no_heavy_library() -> None:
    code = (
        "import sys, contextlib, io; from fractureai.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()): main(['--help'])\n"
        "print([name for name in ('torch', 'monai', 'onnxruntime', 'matplotlib', 'sklearn', 'SimpleITK', 'scipy.stats')"
        " if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_version(fractureai: Run) -> None:
    assert re.fullmatch(r"fractureai \d+\.\d+\.\d+\n", fractureai("--version").stdout)


def test_a_place_that_can_not_be_written_is_one_line(fractureai: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert_refused(fractureai("demo", "file", cwd=tmp_path), "choose another folder")
    assert_refused(fractureai("phantom", "file/below", "--studies", "1", cwd=tmp_path), "file")


def test_a_mistake_of_our_own_is_loud(tmp_path: Path) -> None:
    code = (
        "import sys; from fractureai.cli import app, check\n"
        "import fractureai.dataset as rooms\n"
        "del rooms.Dataset\n"
        "sys.exit(app.main(['check', 'x']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1
    assert "Traceback" in done.stderr


@pytest.mark.parametrize(("module", "extra"), [("torch", "train"), ("typer", "read")])
def test_a_library_that_is_not_installed_is_one_line(tmp_path: Path, module: str, extra: str) -> None:
    Dataset.create(tmp_path / "data", name="empty")
    code = (
        f"import sys; sys.modules['{module}'] = None\n"
        "from fractureai.cli import main; sys.exit(main(['train', 'data', 'out']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert_refused(done, f"pip install 'fractureai[{extra}]'")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_ctrl_c_says_what_to_do_and_exits_with_130(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "fractureai.cli", "phantom", "out", "--studies", "500", "--workers", "1"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    images = tmp_path / "out" / "images"
    while process.poll() is None and not (images.is_dir() and any(images.iterdir())):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    assert err == "Stopped. Remove the unfinished folder, then run the same command again.\n"
