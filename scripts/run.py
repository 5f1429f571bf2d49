"""Set FractureAI up in .venv at the repository's root, then run the demo or all tests.

    python3 scripts/run.py demo          make radiographs, train, evaluate, read; where the results are is printed
    python3 scripts/run.py test          every check of the project
    python3 scripts/run.py setup         only install

Needs Python 3.10 or newer and nothing else; Windows, macOS and Linux. Can be run again and again: what is installed
stays, what was interrupted is finished.
"""

import argparse
import ctypes.util
import hashlib
import importlib.util
import json
import os
import platform
import queue
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TORCH_INDEX = "https://download.pytorch.org/whl/"
CUDA_BUILDS = ("cu130", "cu129", "cu128", "cu126")
STAMP = "fractureai-setup.json"
COVERS = {
    "evaluate": ("evaluate", "look", "train", "demo", "dev"),
    "look": ("look", "demo", "dev"),
    "train": ("train", "demo", "dev"),
    "demo": ("demo", "dev"),
    "dev": ("dev",),
}
"""Extra that is asked for -> extras whose installation contains it."""


def python_problem(version, system, machine, bits):
    """Return a sentence on why this Python can not run FractureAI, or ""."""
    # This much must run on any Python 3, to be able to say so: no annotations here.
    if tuple(version[:2]) < (3, 10):
        found = ".".join(str(part) for part in version[:2])
        return (
            f"FractureAI needs Python 3.10 or newer; this is Python {found}. "
            "Install one from https://www.python.org/downloads/ and start this script with it."
        )
    if bits < 64:
        return (
            "FractureAI needs a 64-bit Python; this one is 32-bit. Install the 64-bit one from https://www.python.org."
        )
    if system == "Darwin" and machine == "x86_64":
        return "PyTorch has no build for Macs with Intel processors any more; use Apple silicon, Linux or Windows."
    return ""


if __name__ == "__main__":
    _problem = python_problem(sys.version_info, platform.system(), platform.machine(), sys.maxsize.bit_length() + 1)
    if _problem:
        sys.exit(_problem)


class SetupError(Exception):
    """What went wrong and what to do, in sentences for the user."""


def say(text: str) -> None:
    print(text, flush=True)


# ---------------------------------------------------------------------------------------------------- what to install


def bin_dir(venv: Path, system: str) -> Path:
    """Return the folder of a virtual environment's programs."""
    return venv / ("Scripts" if system == "Windows" else "bin")


def program(venv: Path, name: str, system: str) -> str:
    """Return the path of one of a virtual environment's programs."""
    return str(bin_dir(venv, system) / (name + (".exe" if system == "Windows" else "")))


def fingerprint(root: Path, python_version: str) -> str:
    """Return a hash of everything that decides what is installed."""
    digest = hashlib.sha256(python_version.encode())
    for name in ("pyproject.toml", "constraints.txt"):
        digest.update((root / name).read_bytes().replace(b"\r\n", b"\n"))
    return digest.hexdigest()


def is_complete(venv: Path, extra: str, wanted: str) -> bool:
    """Tell whether an earlier run finished installing this extra (or one that contains it) from the same files."""
    try:
        stamp = json.loads((venv / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return stamp.get("extra") in COVERS[extra] and stamp.get("fingerprint") == wanted


def torch_version(constraints: str) -> str:
    """Return the version of torch that constraints.txt pins."""
    match = re.search(r"^torch==([\w.]+)", constraints, re.MULTILINE)
    if not match:
        raise SetupError("constraints.txt pins no torch; it needs a line such as torch==2.13.0.")
    return match.group(1)


def torch_candidates(version: str, system: str, driver_cuda: tuple[int, int] | None) -> list[tuple[str, str]]:
    """Return what to look for, best first: (requirement, index to look at besides pip's own or "").

    PyPI has CPU builds for Windows and macOS, and CUDA builds for Linux; the others are on PyTorch's own index. The
    last candidate is always the plain version from pip's own index.
    """
    plain = (f"torch=={version}", "")
    if system == "Linux" and driver_cuda is None:
        return [(f"torch=={version}+cpu", ""), (f"torch=={version}+cpu", TORCH_INDEX + "cpu"), plain]
    if system == "Windows" and driver_cuda is not None:
        fitting = [name for name in CUDA_BUILDS if (int(name[2:4]), int(name[4:])) <= driver_cuda]
        return [(f"torch=={version}+{name}", TORCH_INDEX + name) for name in fitting] + [plain]
    return [plain]


def size_note(system: str, driver_cuda: tuple[int, int] | None, extra: str) -> tuple[str, float]:
    """Return a sentence on how large the installation is, and the free disk space in GB that it needs."""
    if extra == "evaluate":
        return "About 220 MB to download, 1 GB on disk; PyTorch is not needed for this", 2.5
    if extra == "look":
        return "About 500 MB to download, 2.1 GB on disk, half of it for the window; PyTorch is not needed", 4.0
    rest = "the rest: about " + ("250 MB, 1.2 GB" if extra == "train" else "550 MB, 2.3 GB, half of it for the window")
    if driver_cuda is not None and system != "Darwin":
        return f"PyTorch with CUDA (an NVIDIA GPU was found): about 3 GB to download, 7 GB on disk; {rest}", 11.0
    return f"PyTorch for the CPU: about 200 MB to download, 0.8 GB on disk; {rest}", 4.5


def parse_driver_cuda(smi_output: str) -> tuple[int, int] | None:
    """Return the newest CUDA version that the driver runs, from what nvidia-smi prints; None without a GPU."""
    match = re.search(r"CUDA[\w ]* Version:\s*(\d+)\.(\d+)", smi_output)
    return (int(match.group(1)), int(match.group(2))) if match else None


def find_nvidia() -> tuple[int, int] | None:
    """Return the newest CUDA version of this machine's NVIDIA driver, or None when there is no NVIDIA GPU."""
    smi = shutil.which("nvidia-smi")
    if smi is None:
        return None
    try:
        listed = subprocess.run([smi, "-L"], capture_output=True, text=True, timeout=30, errors="replace")
        if listed.returncode or "GPU 0" not in listed.stdout:
            return None
        shown = subprocess.run([smi], capture_output=True, text=True, timeout=30, errors="replace")
    except (OSError, subprocess.TimeoutExpired):
        return None
    return parse_driver_cuda(shown.stdout) or (12, 6)


# ---------------------------------------------------------------------------------------------------- installing


def condense(line: str) -> str:
    """Return what one line of pip's output says to a person, or "" for a line that can be left out."""
    line = line.strip()
    if line.startswith("Installing collected packages:"):
        return f"Unpacking {line.count(',') + 1} packages (takes a minute or more)"
    if line.startswith("Downloading "):
        words = line.split(" ")
        return "Downloading " + words[1].rsplit("/", 1)[-1].split("-cp3")[0] + " " + " ".join(words[2:])
    if line.startswith(("Collecting ", "Building ", "Preparing ", "Installing ", "Obtaining ", "Processing ")):
        return line.split(" (from ")[0]
    return ""


class Ticker:
    """Shows what is going on and for how long: one line on a terminal, elsewhere a new line now and then."""

    def __init__(self, quiet_s: float = 20.0) -> None:
        self.start = time.monotonic()
        self.text = ""
        self.terminal = sys.stdout.isatty()
        self.quiet_s = quiet_s
        self.printed = 0.0

    def show(self, text: str = "") -> None:
        self.text = text or self.text
        elapsed = time.monotonic() - self.start
        line = f"  [{int(elapsed) // 60}:{int(elapsed) % 60:02d}] {self.text}"
        if self.terminal:
            width = shutil.get_terminal_size().columns - 1
            print("\r" + line[:width].ljust(width), end="", flush=True)
        elif elapsed - self.printed >= self.quiet_s:
            self.printed = elapsed
            say(line)

    def close(self) -> None:
        if self.terminal:
            print(flush=True)


def run_logged(command: list[str], title: str, log: Path) -> None:
    """Run a command with its output in a log file, showing what it does; raise SetupError with the log's end."""
    environment = {**os.environ, "PYTHONUTF8": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}
    say(title)
    lines: queue.Queue[str | None] = queue.Queue()
    with log.open("a", encoding="utf-8") as sink:
        sink.write("\n$ " + " ".join(command) + "\n")
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        threading.Thread(target=_pump, args=(process, lines), daemon=True).start()
        tail = _follow(lines, sink)
        code = process.wait()
    if code:
        end = "\n".join(tail[-15:])
        raise SetupError(
            f"\n{end}\n\n{title} failed. The whole log: {log}\n"
            "Check the network and the free disk space, then run the same command again: it goes on where it stopped."
        )


def _pump(process: "subprocess.Popen[str]", lines: "queue.Queue[str | None]") -> None:
    for line in process.stdout or ():
        lines.put(line)
    lines.put(None)


def _follow(lines: "queue.Queue[str | None]", sink) -> list[str]:
    ticker, tail = Ticker(), []
    ticker.show("Starting pip")
    while True:
        try:
            line = lines.get(timeout=1.0)
        except queue.Empty:
            ticker.show()
            continue
        if line is None:
            ticker.close()
            return tail
        sink.write(line)
        tail = [*tail[-30:], line.rstrip()]
        text = condense(line)
        if text:
            ticker.show(text)


def venv_version(python: str) -> str:
    """Return the version of a virtual environment's Python ("3.11"), or "" when it does not run or has no pip."""
    code = "import pip, sys; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, timeout=120)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def make_venv(venv: Path, system: str) -> str:
    """Make the virtual environment, or keep the one that is there and runs; return its Python's version."""
    python = program(venv, "python", system)
    version = venv_version(python)
    if version and python_problem([int(part) for part in version.split(".")], "", "", 64) == "":
        return version
    if importlib.util.find_spec("ensurepip") is None:
        raise SetupError(
            "This Python can not make virtual environments (ensurepip is missing). On Debian and Ubuntu: "
            f"sudo apt install python3.{sys.version_info[1]}-venv; then run the same command again."
        )
    say(f"Making a virtual environment in {venv}")
    done = subprocess.run([sys.executable, "-m", "venv", "--clear", str(venv)], capture_output=True, text=True)
    version = venv_version(python)
    if done.returncode or not version:
        raise SetupError(f"{(done.stdout + done.stderr).strip()}\nThe virtual environment {venv} could not be made.")
    return version


def drop_half_installed(venv: Path) -> list[str]:
    """Forget packages whose installation was cut off (pip writes INSTALLER last), so that pip installs them again."""
    halves = [info for info in venv.glob("**/site-packages/*.dist-info") if not (info / "INSTALLER").is_file()]
    for info in halves:
        shutil.rmtree(info)
    return [info.name for info in halves]


def find_torch(python: str, candidates: list[tuple[str, str]]) -> tuple[str, str]:
    """Return the first candidate that pip can find; asks the indexes only, downloads nothing."""
    for requirement, index in candidates[:-1]:
        command = [python, "-m", "pip", "index", "versions", "torch", "--timeout", "10", "--retries", "0"]
        command += ["--extra-index-url", index] if index else []
        listed = subprocess.run(command, capture_output=True, text=True, errors="replace")
        if requirement.split("==")[1] in re.split(r"[\s,]+", listed.stdout):
            return requirement, index
    if len(candidates) > 1:
        say(f"  {candidates[-2][0]} is not to be had from here; taking {candidates[-1][0]} from pip's own index,")
        say("  which may be another build (on Linux one with CUDA: about 3 GB).")
    return candidates[-1]


def set_up(extra: str, cpu: bool = False) -> Path:
    """Make .venv complete for ``extra``; return its folder."""
    system, venv = platform.system(), ROOT / ".venv"
    python = program(venv, "python", system)
    version = venv_version(python) if (venv / STAMP).is_file() else ""
    if version and is_complete(venv, extra, fingerprint(ROOT, version)):
        say(f"Set-up: {venv} is complete.")
        return venv
    driver_cuda = None if cpu else find_nvidia()
    note, need_gb = size_note(system, driver_cuda, extra)
    say(f"Set-up: installs FractureAI and the libraries it stands on into {venv} and nowhere else")
    say(f"  {note}. To undo, delete the folder .venv.")
    if not venv.exists() and shutil.disk_usage(ROOT).free < need_gb * 1e9:
        raise SetupError(f"{ROOT} needs {need_gb:.0f} GB of free disk space. Free some and run this again.")
    version = make_venv(venv, system)
    (venv / STAMP).unlink(missing_ok=True)
    for name in drop_half_installed(venv):
        say(f"  {name} was installed only in part; it is installed again.")
    _install(python, venv / "setup.log", extra, system, driver_cuda)
    stamp = {"extra": extra, "fingerprint": fingerprint(ROOT, version)}
    (venv / STAMP).write_text(json.dumps(stamp), encoding="utf-8")
    return venv


def _install(python: str, log: Path, extra: str, system: str, driver_cuda: tuple[int, int] | None) -> None:
    pip = [python, "-m", "pip", "install", "--progress-bar", "off"]
    start = time.monotonic()
    run_logged([*pip, "pip>=23.1"], "Installing pip", log)
    if extra != "evaluate":
        wanted = torch_version((ROOT / "constraints.txt").read_text(encoding="utf-8"))
        requirement, index = find_torch(python, torch_candidates(wanted, system, driver_cuda))
        extra_index = ["--extra-index-url", index] if index else []
        run_logged([*pip, requirement, *extra_index], f"Installing {requirement}", log)
    run_logged(
        [*pip, "-e", f".[{extra}]", "-c", "constraints.txt"], "Installing FractureAI and its other libraries", log
    )
    say(f"Set-up: complete after {time.monotonic() - start:.0f} s.")


# ---------------------------------------------------------------------------------------------------- commands


def test_steps(venv: Path, system: str, cores: int) -> list[tuple[str, list[str]]]:
    """Return the checks in order: (title, command)."""
    # Tests that are marked slow are sorted behind the others (Testing/conftest.py).
    workers = ["-n", str(min(cores, 4)), "--dist", "loadgroup"] if cores > 1 else []
    pytest = [program(venv, "python", system), "-m", "pytest", *workers]
    # One viewer a process: each of these rooms starts one of its own.
    viewers = ("Testing/scene", "Testing/slicerhost", "Testing/module")
    return [
        ("ruff check", [program(venv, "ruff", system), "check", "."]),
        ("ruff format", [program(venv, "ruff", system), "format", "--check", "."]),
        ("import layers", [program(venv, "lint-imports", system)]),
        ("types (mypy)", [program(venv, "mypy", system)]),
        ("tests", [*pytest, "Testing", *(f"--ignore={room}" for room in viewers)]),
        *((f"tests ({Path(room).name})", [*pytest, room]) for room in viewers),
    ]


def run_child(command: list[str], environment: "dict[str, str] | None" = None) -> int:
    """Run a command to its own end, also after Ctrl-C (the child gets that too and says what can be resumed)."""
    process = subprocess.Popen(command, cwd=ROOT, env=environment)
    while True:
        try:
            code = process.wait()
        except KeyboardInterrupt:
            continue
        return code if code >= 0 else 128 - code


def run_tests(venv: Path) -> int:
    """Run every check; stop at the first that fails and return its exit code."""
    start = time.monotonic()
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg", "PYTHONUTF8": "1"}
    for title, command in test_steps(venv, platform.system(), os.cpu_count() or 1):
        say(f"\n==== {title} " + "=" * (60 - len(title)))
        began = time.monotonic()
        code = run_child(command, environment)
        if code:
            say(f"\nFAILED: {title} (exit code {code}). Run it alone, in {ROOT}:\n  {subprocess.list2cmdline(command)}")
            return code
        say(f"{title}: passed in {time.monotonic() - began:.0f} s")
    say(f"\nAll checks passed in {time.monotonic() - start:.0f} s.")
    return 0


def has_screen(system: str, environment: "dict[str, str]") -> bool:
    """Tell whether a window can be opened."""
    return system != "Linux" or bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))


def wants_window(options: argparse.Namespace) -> bool:
    """Tell whether the demo ends with the window."""
    return not options.no_window and has_screen(platform.system(), dict(os.environ))


def needed_extra(options: argparse.Namespace) -> str:
    """Return the extra of pyproject.toml that a command needs."""
    if options.command == "demo" and wants_window(options):
        return "look" if options.quick_look else "demo"
    if options.command == "demo":
        return "evaluate" if options.quick_look else "train"
    return "dev"


def missing_libraries(system: str) -> list[str]:
    """Return the packages of Debian and Ubuntu that the tests of the window need and that are not there."""
    if system != "Linux":
        return []
    found = {
        "libegl1": ctypes.util.find_library("EGL"),
        "libgl1-mesa-dri": next(Path("/usr/lib").glob("*/dri/*swrast*"), None),
        "libxkbcommon0": ctypes.util.find_library("xkbcommon"),
        "libfontconfig1": ctypes.util.find_library("fontconfig"),
        "libdbus-1-3": ctypes.util.find_library("dbus-1"),
        "xvfb": shutil.which("Xvfb"),
        "libxcb-cursor0": ctypes.util.find_library("xcb-cursor"),
        "libxkbcommon-x11-0": ctypes.util.find_library("xkbcommon-x11"),
        "libxcb-icccm4": ctypes.util.find_library("xcb-icccm"),
        "libxcb-keysyms1": ctypes.util.find_library("xcb-keysyms"),
    }
    return [package for package, there in found.items() if not there]


def install_libraries(log: Path) -> None:
    """Install what the tests of the window need from the system: by apt, as root; else say what is missing."""
    missing = missing_libraries(platform.system())
    if not missing:
        return
    command = "apt-get install -y --no-install-recommends " + " ".join(missing)
    if shutil.which("apt-get") is None or not hasattr(os, "geteuid") or os.geteuid() != 0:
        say(f"For the tests of the window these are missing, and those tests are skipped: {' '.join(missing)}")
        say(f"  On Debian and Ubuntu: sudo {command}")
        return
    try:
        run_logged(["apt-get", "update"], "Refreshing the list of system packages", log)
        run_logged(command.split(), f"Installing {', '.join(missing)}", log)
    except SetupError as error:
        say(f"{error}\nWithout them the tests of the window are skipped.")


def demo_command(venv: Path, system: str, options: argparse.Namespace) -> list[str]:
    """Return the command that runs the demo."""
    out = options.out or ROOT / "out" / ("quick-look" if options.quick_look else "demo")
    command = [program(venv, "fractureai", system), "demo", str(out.resolve())]
    command += ["--dicom", str(options.dicom.resolve())] if options.dicom else []
    return command + (["--quick-look"] if options.quick_look else [])


def desktop_command(venv: Path, system: str, options: argparse.Namespace) -> list[str]:
    """Return the command that opens the window with the demo's radiographs."""
    return [
        program(venv, "fractureai", system),
        "desktop",
        str(Path(demo_command(venv, system, options)[2]) / "phantom"),
    ]


def run_demo(venv: Path, options: argparse.Namespace) -> int:
    """Run the demo; where there is a screen, end with the window."""
    code = run_child(demo_command(venv, platform.system(), options))
    if code == 0 and wants_window(options):
        say("\nOpening the window with these radiographs; close it to end.")
        return run_child(desktop_command(venv, platform.system(), options))
    return code


def parser() -> argparse.ArgumentParser:
    """Return the parser of this script's command line."""
    top = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--cpu", action="store_true", help="install torch without CUDA although there is an NVIDIA GPU")
    commands = top.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", parents=[common], help="train on simulated radiographs and read a study")
    demo.add_argument("--out", type=Path, help="folder of the results (default: out/demo, or out/quick-look)")
    demo.add_argument("--dicom", type=Path, metavar="FOLDER", help="also read the radiographs in this folder")
    demo.add_argument("--quick-look", action="store_true", help="use the model that comes along; trains nothing")
    demo.add_argument("--no-window", action="store_true", help="do not end with the window")
    commands.add_parser("test", parents=[common], help="run every check of the project")
    commands.add_parser("setup", parents=[common], help="only install")
    return top


def main() -> int:
    """Run the command line; return the exit code."""
    options = parser().parse_args()
    try:
        venv = set_up(needed_extra(options), options.cpu)
        if options.command == "test":
            install_libraries(venv / "setup.log")
            return run_tests(venv)
        if options.command == "demo":
            return run_demo(venv, options)
    except SetupError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. Run the same command again: it goes on where it stopped.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
