"""The way to the engine: crashes, silent, foreign and wrong servers, missing packages; the window never freezes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from .reading_room import ReadingRoom


@pytest.fixture
def room(desk, tmp_path):
    return ReadingRoom(desk, tmp_path)


@pytest.fixture
def study(phantoms):
    return sorted((phantoms / "images").glob("00000_*.dcm"))


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A real server, as it would run elsewhere: its address and its token's file."""
    folder = tmp_path_factory.mktemp("server")
    address = folder / "address.json"
    command = [sys.executable, "-m", "fractureai.cli", "serve", "--work", str(folder / "work")]
    command += ["--token-file", str(folder / "token"), "--address-file", str(address)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while not address.is_file():
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.05)
    yield json.loads(address.read_text())["url"], folder / "token"
    process.terminate()
    process.wait(20)


@contextlib.contextmanager
def silent_server():
    """A server that accepts and never answers."""
    listener = socket.create_server(("127.0.0.1", 0))
    kept = []

    def accept():
        with contextlib.suppress(OSError):
            while True:
                kept.append(listener.accept()[0])

    threading.Thread(target=accept, daemon=True).start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    listener.close()
    for connection in kept:
        connection.close()


@contextlib.contextmanager
def foreign_server(answer: dict):
    """A server that answers everything with one JSON object."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_words):
            pass

    running = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{running.server_port}"
    running.shutdown()
    running.server_close()


def use(room, url, token_file=""):
    room.desk.session.settings.server_url = url
    room.desk.session.settings.server_token_file = str(token_file)
    room.engine.restart()


def test_a_killed_engine_is_started_again(room, study):
    room.go()
    room.open(*study)
    room.read()
    first = room.engine.process.pid
    os.kill(first, signal.SIGKILL)
    room.desk.wait(lambda: room.engine.state == "starting", 20)
    assert "again" in room.engine.sentence or room.engine.sentence.startswith("Starting")
    reading = room.read()  # waits until it is there again
    assert room.engine.process.pid != first
    assert reading["views"]


def test_killed_in_the_middle_it_says_so_and_offers_a_retry(room, study):
    room.go()
    room.open(*study)
    room.desk.wait(lambda: room.engine.state == "ready", 90)
    os.kill(room.engine.process.pid, signal.SIGSTOP)
    room.desk.press(room.ui.readButton)
    room.desk.settle(0.5)
    os.kill(room.engine.process.pid, signal.SIGKILL)
    room.desk.wait(lambda: not room.page.run.is_running, 60)
    assert room.page.run.state == "failed"
    assert "Retry" in room.ui.engineLabel.text or "try again" in room.ui.engineLabel.text
    assert room.ui.retryButton.visible
    room.desk.press(room.ui.retryButton)
    room.desk.wait(lambda: room.page.run.state == "done", 90)
    assert room.ui.headlineLabel.visible


def test_a_dataset_opened_later_is_shared(room, dataset_folder):
    room.go()
    room.desk.wait(lambda: room.engine.state == "ready", 90)
    first = room.engine.process.pid
    assert not room.engine.process.sees(dataset_folder)
    room.desk.session.open_dataset(str(dataset_folder))
    room.desk.wait(lambda: room.engine.process is not None and room.engine.process.sees(dataset_folder), 30)
    room.desk.wait(lambda: room.engine.state == "ready", 90)
    assert room.engine.process.pid != first


def test_the_engine_ends_with_the_panel(room):
    room.go()
    room.desk.wait(lambda: room.engine.state == "ready", 90)
    pid = room.engine.process.pid
    room.engine.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_server_elsewhere(room, study, server):
    url, token = server
    use(room, url, token)
    room.go()
    room.open(*study)
    reading = room.read()
    assert reading["views"]
    assert room.engine.process is None
    assert url in room.engine.sentence


def test_a_wrong_token_is_said(room, study, server, tmp_path):
    wrong = tmp_path / "wrong"
    wrong.write_text("not-the-token")
    use(room, server[0], wrong)
    room.go()
    room.open(*study)
    room.desk.press(room.ui.readButton)
    room.desk.wait(lambda: not room.page.run.is_running, 30)
    assert "does not accept the token" in room.plain(room.ui.engineLabel)
    assert room.ui.retryButton.visible
    room.desk.session.settings.server_token_file = str(server[1])
    room.desk.press(room.ui.retryButton)
    room.desk.wait(lambda: room.page.run.state == "done", 60)


def test_a_missing_token_file_is_said(room, server, tmp_path):
    use(room, server[0], tmp_path / "nowhere")
    room.go()
    room.desk.wait(lambda: room.engine.state == "failed", 30)
    assert "token file" in room.plain(room.ui.engineLabel)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [({"api": "v9", "version": "9.0"}, "version v9 of the interface"), ({"hello": "world"}, "version None")],
)
def test_a_server_of_another_version(room, answer, sentence):
    with foreign_server(answer) as url:
        use(room, url)
        room.go()
        room.desk.wait(lambda: room.engine.state == "failed", 30)
    assert sentence in room.plain(room.ui.engineLabel)
    assert room.ui.retryButton.visible


def test_no_server_at_all(room):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    use(room, f"http://127.0.0.1:{port}")
    room.go()
    room.desk.wait(lambda: room.engine.state == "failed", 30)
    assert "no server" in room.plain(room.ui.engineLabel)


def test_a_silent_server_never_freezes_the_window(room, study):
    with silent_server() as url:
        use(room, url)
        room.go()
        room.open(*study)
        room.desk.settle(0.3)
        start = time.monotonic()
        room.desk._test.mouseClick(room.ui.readButton, room.desk.Qt.MouseButton.LeftButton)
        worst, before = 0.0, time.perf_counter()
        while room.page.run.is_running and time.monotonic() - start < 40:
            room.desk.slicer.app.processEvents()
            now = time.perf_counter()
            worst, before = max(worst, now - before), now
            time.sleep(0.001)
        assert room.page.run.state == "failed"
        assert "did not answer" in room.plain(room.ui.engineLabel)
        assert room.ui.retryButton.visible
    print(f"longest pause of the window: {1000 * worst:.0f} ms")
    assert worst < 1.0  # the server's silence lasts many seconds; on a computer at rest the pause is some 30 ms


def test_cancel_with_a_silent_server_is_at_once(room, study):
    with silent_server() as url:
        use(room, url)
        room.go()
        room.open(*study)
        room.desk.press(room.ui.readButton)
        assert room.page.run.is_running
        start = time.perf_counter()
        room.desk._test.mouseClick(room.ui.cancelButton, room.desk.Qt.MouseButton.LeftButton)
        assert time.perf_counter() - start < 1.0
        assert room.page.run.state == "cancelled"


class _Bare:
    """An environment that has nothing, as the viewer's Python in 3D Slicer."""

    def is_ready(self, _what):
        return False


def test_what_is_missing_is_asked_for_first(room, study, tmp_path):
    from fractureai.engine import EngineEnvironment

    requirements = {
        "read": {"requirements": ["nothing-of-this-name"], "modules": [], "download_mb": 200, "disk_mb": 650},
        "train": {"includes": "read", "requirements": [], "modules": []},
    }
    room.engine._this_python = _Bare()
    folder = tmp_path / "engine"
    room.engine.own = EngineEnvironment(folder, requirements=requirements, pip_options=["--no-index"])
    room.go()
    room.open(*study)
    room.desk.press(room.ui.readButton)
    room.desk.wait(lambda: "650 MB" in room.ui.installLabel.text, 20)
    assert room.ui.installBox.visible
    assert "200 MB" in room.ui.installLabel.text
    assert str(folder) in room.ui.installLabel.text
    assert not Path(folder).exists()  # nothing before it was allowed
    room.desk.press(room.ui.installCancelButton)
    assert not room.ui.installBox.visible
    room.desk.press(room.ui.readButton)
    room.desk.wait(lambda: "650 MB" in room.ui.installLabel.text, 20)
    room.desk.press(room.ui.installButton)
    assert room.engine.state == "installing"
    room.desk.wait(lambda: room.engine.state != "installing", 60)  # there is no such package
    assert room.ui.installBox.visible
    assert room.ui.installButton.text == "Retry"
    assert "Traceback" not in room.ui.installLabel.text


def test_annotating_needs_no_engine(desk, dataset_folder):
    desk.session.engine._this_python = _Bare()
    desk.open(dataset_folder)
    assert desk.page.case is not None
    assert desk.session.engine.process is None
