"""scripts/run.py: what it plans, and what it says on the wrong Python."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUN = ROOT / "scripts" / "run.py"


@pytest.fixture(scope="module")
def run() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fractureai_run", RUN)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_old_python_gets_one_clear_sentence(run: ModuleType) -> None:
    assert "needs Python 3.10 or newer; this is Python 3.9" in run.python_problem((3, 9, 1), "Linux", "x86_64", 64)
    assert "64-bit" in run.python_problem((3, 11), "Windows", "x86", 32)
    assert "Intel" in run.python_problem((3, 12), "Darwin", "x86_64", 64)
    assert run.python_problem((3, 10), "Darwin", "arm64", 64) == ""


def test_windows_and_posix_layouts(run: ModuleType) -> None:
    assert run.program(Path("v"), "python", "Windows") == str(Path("v/Scripts/python.exe"))
    assert run.program(Path("v"), "python", "Linux") == str(Path("v/bin/python"))


def test_torch_is_pinned_by_constraints(run: ModuleType) -> None:
    assert run.torch_version((ROOT / "constraints.txt").read_text(encoding="utf-8")) == "2.13.0"
    with pytest.raises(run.SetupError, match="pins no torch"):
        run.torch_version("numpy==2\n")


def test_linux_without_gpu_looks_for_the_cpu_build_first(run: ModuleType) -> None:
    found = run.torch_candidates("2.13.0", "Linux", None)
    cpu = "https://download.pytorch.org/whl/cpu"
    assert found == [("torch==2.13.0+cpu", ""), ("torch==2.13.0+cpu", cpu), ("torch==2.13.0", "")]


@pytest.mark.parametrize(("system", "cuda"), [("Linux", (13, 0)), ("Windows", None), ("Darwin", None)])
def test_where_the_plain_build_is_the_right_one(run: ModuleType, system: str, cuda: tuple[int, int] | None) -> None:
    assert run.torch_candidates("2.13.0", system, cuda) == [("torch==2.13.0", "")]


def test_windows_with_gpu_takes_no_build_newer_than_the_driver(run: ModuleType) -> None:
    requirements = [requirement for requirement, _ in run.torch_candidates("2.13.0", "Windows", (12, 8))]
    assert requirements == ["torch==2.13.0+cu128", "torch==2.13.0+cu126", "torch==2.13.0"]


def test_driver_version_is_read_from_nvidia_smi(run: ModuleType) -> None:
    header = "| NVIDIA-SMI 580.65.06    Driver Version: 580.65.06    CUDA Version: 13.0     |"
    assert run.parse_driver_cuda(header) == (13, 0)
    assert run.parse_driver_cuda("NVIDIA-SMI has failed") is None


def test_stamp_counts_only_for_the_same_files_and_a_covering_extra(run: ModuleType, tmp_path: Path) -> None:
    for name in ("pyproject.toml", "constraints.txt"):
        (tmp_path / name).write_text("a", encoding="utf-8")
    wanted = run.fingerprint(tmp_path, "3.11")
    assert not run.is_complete(tmp_path, "dev", wanted)
    (tmp_path / run.STAMP).write_text('{"extra": "de', encoding="utf-8")
    assert not run.is_complete(tmp_path, "dev", wanted)
    (tmp_path / run.STAMP).write_text(json.dumps({"extra": "train", "fingerprint": wanted}), encoding="utf-8")
    assert run.is_complete(tmp_path, "train", wanted)
    assert not run.is_complete(tmp_path, "dev", wanted)
    (tmp_path / run.STAMP).write_text(json.dumps({"extra": "dev", "fingerprint": wanted}), encoding="utf-8")
    assert run.is_complete(tmp_path, "train", wanted)
    (tmp_path / "constraints.txt").write_text("b", encoding="utf-8")
    assert not run.is_complete(tmp_path, "train", run.fingerprint(tmp_path, "3.11"))
    assert run.fingerprint(tmp_path, "3.12") != run.fingerprint(tmp_path, "3.11")


def test_packages_cut_off_by_an_interruption_are_forgotten(run: ModuleType, tmp_path: Path) -> None:
    packages = tmp_path / "lib" / "python3.11" / "site-packages"
    for name, files in {
        "whole-1.dist-info": ["METADATA", "RECORD", "INSTALLER"],
        "cut-1.dist-info": ["METADATA"],
    }.items():
        (packages / name).mkdir(parents=True)
        for file in files:
            (packages / name / file).write_text("pip", encoding="utf-8")
    assert run.drop_half_installed(tmp_path) == ["cut-1.dist-info"]
    assert [path.name for path in packages.iterdir()] == ["whole-1.dist-info"]


def test_pip_output_is_condensed(run: ModuleType) -> None:
    line = "  Downloading numpy-2.4.6-cp311-cp311-manylinux_2_27_x86_64.whl (16.9 MB)"
    assert run.condense(line) == "Downloading numpy-2.4.6 (16.9 MB)"
    assert run.condense("Installing collected packages: a, b, c").startswith("Unpacking 3 packages")
    assert run.condense("Requirement already satisfied: numpy") == ""


def test_a_failing_installation_names_its_log_and_what_to_do(run: ModuleType, tmp_path: Path) -> None:
    command = [sys.executable, "-c", "print('ERROR: No space left'); raise SystemExit(3)"]
    with pytest.raises(run.SetupError) as caught:
        run.run_logged(command, "2/3 torch", tmp_path / "setup.log")
    message = str(caught.value)
    assert "ERROR: No space left" in message
    assert str(tmp_path / "setup.log") in message
    assert "same command again" in message
    assert "No space left" in (tmp_path / "setup.log").read_text(encoding="utf-8")


def test_half_a_venv_is_made_anew(run: ModuleType, tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    program = Path(run.program(venv, "python", run.platform.system()))
    program.parent.mkdir(parents=True)
    program.write_text("not a program", encoding="utf-8")
    program.chmod(0o755)
    assert run.make_venv(venv, run.platform.system()) == f"3.{sys.version_info[1]}"
    done = subprocess.run([str(program), "-m", "pip", "--version"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_checks_run_in_order_and_on_several_cores(run: ModuleType) -> None:
    steps = run.test_steps(Path("v"), "Linux", 2)
    assert [Path(command[0]).name for _, command in steps[:5]] == ["ruff", "ruff", "lint-imports", "mypy", "python"]
    assert all(command[3:7] == ["-n", "2", "--dist", "loadgroup"] for _, command in steps[4:])
    assert run.test_steps(Path("v"), "Linux", 1)[4][1][1:4] == ["-m", "pytest", "Testing"]


def test_no_test_is_left_out_and_none_runs_twice(run: ModuleType) -> None:
    steps = [command for title, command in run.test_steps(Path("v"), "Linux", 1) if title.startswith("tests")]
    apart = [word.removeprefix("--ignore=") for word in steps[0] if word.startswith("--ignore=")]
    assert apart == [command[-1] for command in steps[1:]]
    assert all((ROOT / room).is_dir() for room in apart)


def test_exit_code_of_a_child_is_passed_on(run: ModuleType) -> None:
    assert run.run_child([sys.executable, "-c", "raise SystemExit(7)"]) == 7


def test_demo_options_are_passed_on(run: ModuleType) -> None:
    options = run.parser().parse_args(["demo", "--out", "o", "--dicom", "d", "--quick-look"])
    command = run.demo_command(Path("v"), "Linux", options)
    assert command[1:] == ["demo", str(Path("o").resolve()), "--dicom", str(Path("d").resolve()), "--quick-look"]


def test_training_and_quick_look_have_folders_and_installations_of_their_own(run: ModuleType) -> None:
    train, look = run.parser().parse_args(["demo"]), run.parser().parse_args(["demo", "--quick-look"])
    train.no_window = look.no_window = True
    assert run.needed_extra(train) == "train"
    assert run.needed_extra(look) == "evaluate"
    assert run.demo_command(Path("v"), "Linux", train)[2] != run.demo_command(Path("v"), "Linux", look)[2]


def test_the_demo_ends_with_the_window_only_where_there_is_a_screen(
    run: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = run.parser().parse_args(["demo", "--quick-look", "--out", "o"])
    monkeypatch.setattr(run.platform, "system", lambda: "Linux")
    monkeypatch.setenv("DISPLAY", ":0")
    assert run.wants_window(options)
    assert run.needed_extra(options) == "look"
    assert run.desktop_command(Path("v"), "Linux", options)[1:] == ["desktop", str(Path("o").resolve() / "phantom")]
    monkeypatch.delenv("DISPLAY")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert not run.wants_window(options)
    assert run.needed_extra(options) == "evaluate"
    assert run.has_screen("Windows", {})


def test_every_extra_is_covered_by_the_developers(run: ModuleType) -> None:
    assert all("dev" in covering for covering in run.COVERS.values())
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert all(f"\n{extra} = [" in text for extra in run.COVERS)


def test_ci_calls_exactly_the_test_command() -> None:
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert lines[-1] == "exec python3 scripts/run.py test"
