"""Packages installed with the real pip from a small index of one's own: whole, cancelled, killed, again, removed."""

import base64
import contextlib
import hashlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest

from fractureai.engine import EngineEnvironment, EngineError, InstallCancelledError, builds
from fractureai.engine.environment import shipped_requirements

ROOT = Path(__file__).resolve().parents[2]
WHEEL = "tinyengine-1.0-py3-none-any.whl"
PADDING = 3_000_000

INSTALL = """
import sys
from fractureai.engine import EngineEnvironment
requirements = {"read": {"requirements": ["tinyengine"]}, "train": {"includes": "read", "requirements": []}}
environment = EngineEnvironment(sys.argv[1], requirements=requirements, pip_options=["--index-url", sys.argv[2]])
environment.install("read", lambda progress: print(progress.text, flush=True))
"""


def wheel_bytes(folder):
    """Make a wheel of one module, large enough to take its time on a slow line."""
    files = {
        "tinyengine.py": b"VERSION = '1.0'\n",
        "numpy.py": b"__version__ = 'of the engine'\n",
        "padding.bin": os.urandom(PADDING),
        "tinyengine-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: tinyengine\nVersion: 1.0\n",
        "tinyengine-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()},{len(data)}\n"
        for name, data in files.items()
    )
    files["tinyengine-1.0.dist-info/RECORD"] = (record + "tinyengine-1.0.dist-info/RECORD,,\n").encode()
    path = folder / WHEEL
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path.read_bytes()


class Index(BaseHTTPRequestHandler):
    """A package index (PEP 503) whose line is as slow as wanted."""

    pause_s = 0.0
    served = 0
    wheel = b""

    def do_GET(self):
        if self.path.endswith(".whl"):
            return self.send_wheel()
        if self.path == "/tinyengine/":
            return self.answer(200, f'<a href="/files/{WHEEL}">{WHEEL}</a>'.encode())
        return self.answer(404, b"")

    def send_wheel(self):
        cls = type(self)
        cls.served += 1
        self.send_response(200)
        self.send_header("Content-Length", str(len(cls.wheel)))
        self.end_headers()
        with contextlib.suppress(OSError):
            for start in range(0, len(cls.wheel), 30_000):
                self.wfile.write(cls.wheel[start : start + 30_000])
                time.sleep(cls.pause_s)

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def index(tmp_path):
    handler = type("Handler", (Index,), {"wheel": wheel_bytes(tmp_path)})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    handler.url = f"http://127.0.0.1:{server.server_address[1]}/"
    yield handler
    server.shutdown()


def environment_of(folder, index, **entry):
    read = {"requirements": ["tinyengine"], **entry}
    requirements = {"read": read, "train": {"includes": "read", "requirements": []}}
    return EngineEnvironment(folder, requirements=requirements, pip_options=["--index-url", index.url])


def leftovers(folder):
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


def run(environment, code):
    words = environment.command("run_this")
    words[words.index("-m") :] = ["-m", "code_to_run"]
    script = environment.folder / "code_to_run.py"
    script.write_text(code, encoding="utf-8")
    words[words.index("-m") : words.index("-m")] = ["--path", str(environment.folder)]
    # Its standard input stays open: when it closes, the process takes its parent for gone.
    with subprocess.Popen(
        words, env=environment.variables(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        said = process.stdout.read()
    assert process.returncode == 0
    script.unlink()
    return said.split()


def test_installed_by_pip_into_a_folder_of_its_own(index, tmp_path):
    environment = environment_of(tmp_path / "engine", index, download_mb=3, disk_mb=4)
    assert not environment.is_ready("read")
    plan = environment.plan("read")
    assert plan.fits
    assert "3 MB" in plan.text
    assert "4 MB" in plan.text
    assert str(environment.folder) in plan.text
    messages = []
    environment.install("read", messages.append)
    assert environment.is_ready("read")
    fractions = [message.fraction for message in messages]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert any("tinyengine" in message.text for message in messages)
    assert leftovers(environment.folder) == [".lock"]
    assert "tinyengine" not in sys.modules
    environment.install("read")  # nothing to do
    assert index.served == 1


def test_the_engine_sees_its_own_packages_first_and_no_other_process_does(index, tmp_path):
    environment = environment_of(tmp_path / "engine", index)
    environment.install("read")
    code = (
        "import numpy, tinyengine, fractureai, os, site, subprocess, sys\n"
        "print(numpy.__version__.replace(' ', '-'), tinyengine.VERSION, fractureai.__file__, site.ENABLE_USER_SITE)\n"
        "again = [sys.executable, '-c', 'import numpy; print(numpy.__version__)']\n"
        "print(subprocess.run(again, capture_output=True, text=True).stdout.replace(' ', '-'))\n"
    )
    version, tiny, package, user_site, of_child = run(environment, code)
    assert (version, tiny, user_site, of_child) == ("of-the-engine", "1.0", "False", "of-the-engine")
    assert Path(package).is_relative_to(ROOT / "Lib")
    assert "PYTHONPATH" not in os.environ or str(environment.folder) not in os.environ["PYTHONPATH"]


def test_cancelled_in_the_middle_and_finished_later(index, tmp_path):
    environment = environment_of(tmp_path / "engine", index)
    index.pause_s = 0.2
    began = []

    def cancelled():
        if index.served:
            began.append(time.monotonic())
        return bool(began) and time.monotonic() > began[0] + 0.5

    with pytest.raises(InstallCancelledError, match="kept for the next time"):
        environment.install("read", cancelled=cancelled)
    assert time.monotonic() - began[0] < 3
    assert not environment.is_ready("read")
    assert leftovers(environment.folder) == [".lock"]
    assert not pips(environment.folder)
    index.pause_s = 0.0
    environment.install("read")
    assert environment.is_ready("read")


def pips(folder):
    """Return the processes whose command line names a folder."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if "pip" in process.cmdline() and any(str(folder) in word for word in process.cmdline()):
                found.append(process)
    return found


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="kill -9")
def test_killed_in_the_middle_and_finished_later(index, tmp_path):
    folder = tmp_path / "engine"
    index.pause_s = 0.2
    viewer = subprocess.Popen([sys.executable, "-c", INSTALL, str(folder), index.url], stdout=subprocess.DEVNULL)
    wait_for(lambda: index.served)
    os.kill(viewer.pid, signal.SIGKILL)
    viewer.wait()
    wait_for(lambda: not pips(folder), 12)  # pip ends with the viewer
    environment = environment_of(folder, index)
    assert not environment.is_ready("read")
    index.pause_s = 0.0
    environment.install("read")
    assert environment.is_ready("read")
    assert leftovers(folder) == [".lock"]


def wait_for(condition, patience_s=30.0):
    end = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)


def test_what_was_downloaded_is_not_downloaded_again(index, tmp_path):
    environment = environment_of(tmp_path / "engine", index)
    environment.install("read")
    other = environment_of(tmp_path / "engine", index, requirements=["tinyengine>=1"])
    assert not other.is_ready("read")
    other.install("read")
    assert other.is_ready("read")
    assert not environment.is_ready("read")  # the older set is gone: one at a time
    assert len(list(environment.folder.glob("read-*"))) == 1


def test_two_installations_at_once(index, tmp_path):
    folder = tmp_path / "engine"
    index.pause_s = 0.1
    first = subprocess.Popen([sys.executable, "-c", INSTALL, str(folder), index.url], stdout=subprocess.DEVNULL)
    try:
        wait_for(lambda: index.served)
        with pytest.raises(EngineError, match="Another installation runs"):
            environment_of(folder, index).install("read")
        index.pause_s = 0.0
        assert first.wait(60) == 0
    finally:
        first.kill()
    assert environment_of(folder, index).is_ready("read")


def test_failures_are_sentences(index, tmp_path):
    missing = environment_of(tmp_path / "a", index, requirements=["tinyengine==9"])
    with pytest.raises(EngineError, match="not to be had") as error:
        missing.install("read")
    assert str(tmp_path / "a" / "install.log") in str(error.value)
    assert leftovers(tmp_path / "a") == [".lock"]
    with pytest.raises(EngineError, match="free space are needed"):
        environment_of(tmp_path / "b", index, disk_mb=10**12).install("read")
    no_python = EngineEnvironment(tmp_path / "c", python=str(tmp_path / "python"), requirements=missing._table)
    with pytest.raises(EngineError, match="can not be started"):
        no_python.install("read")
    (tmp_path / "file").write_text("")
    with pytest.raises(EngineError):
        environment_of(tmp_path / "file" / "engine", index).install("read")


def test_remove_takes_only_what_was_installed(index, tmp_path):
    environment = environment_of(tmp_path / "engine", index)
    environment.install("read")
    mine = environment.folder / "notes.txt"
    mine.write_text("mine")
    environment.remove()
    assert not environment.is_ready("read")
    assert [path.name for path in environment.folder.iterdir()] == ["notes.txt"]
    mine.unlink()
    environment.remove()
    assert not environment.folder.exists()


def test_a_pip_installation_is_ready_at_once_and_is_left_alone():
    environment = EngineEnvironment.of_this_python()
    assert environment.is_ready("read")
    environment.install("read")
    with pytest.raises(EngineError, match="nothing to remove"):
        environment.remove()
    assert environment.command("fractureai.cli", "--version")[0] == sys.executable


@pytest.mark.parametrize(
    ("platform", "cuda", "first"),
    [
        ("linux", None, ("torch==2.0+cpu", "")),
        ("linux", (12, 8), ("torch==2.0", "")),
        ("win32", (12, 8), ("torch==2.0+cu128", builds.TORCH_INDEX + "cu128")),
        ("win32", None, ("torch==2.0", "")),
        ("darwin", None, ("torch==2.0", "")),
    ],
)
def test_which_pytorch(platform, cuda, first):
    found = builds.candidates("2.0", platform, cuda)
    assert found[0] == first
    assert found[-1] == ("torch==2.0", "")


def test_driver_cuda():
    assert builds.parse_driver_cuda("| NVIDIA-SMI 580.1  Driver Version: 580.1  CUDA Version: 13.0 |") == (13, 0)
    assert builds.parse_driver_cuda("no devices") is None


def test_the_requirements_are_those_of_the_package():
    """The engine installs what pyproject.toml asks for, in the versions of constraints.txt."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    extras = {
        name: re.findall(r'"([^"]+)"', found) for name, found in re.findall(r"^(\w+) = \[(.*?)\]$", text, re.M | re.S)
    }
    wanted = {"read": ("dependencies", "codecs", "read", "serve"), "train": ("evaluate", "train")}
    pinned = re.findall(r"^[\w.-]+", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.M)
    shipped = shipped_requirements()
    for what, names in wanted.items():
        expected = {name_of(word) for extra in names for word in extras[extra] if not word.startswith("fractureai")}
        found = {name_of(word): word for word in shipped[what]["requirements"]}
        assert set(found) | ({"torch"} if what == "train" else set()) == expected
        for name in set(found) & {name_of(word) for word in pinned}:
            assert any(mark in found[name] for mark in ("==", "<"))
    assert f"torch=={shipped['train']['torch']}\n" in (ROOT / "constraints.txt").read_text(encoding="utf-8")


def name_of(requirement):
    return re.match(r"[\w.-]+", requirement).group().lower()
