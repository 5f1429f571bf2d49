"""Proposals of a real server on the annotation page."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("onnxruntime")


@pytest.fixture
def server(tmp_path, dataset_folder) -> Iterator[tuple[str, str]]:
    """A server with the demo model; its URL and token file."""
    token, address = tmp_path / "token", tmp_path / "address.json"
    command = [sys.executable, "-m", "fractureai.cli", "serve", "--port", "0", "--token-file", str(token)]
    command += ["--address-file", str(address), "--root", str(dataset_folder), "--work", str(tmp_path / "work")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while not address.exists():
        assert process.poll() is None, "the server did not start"
        assert time.monotonic() < end
        time.sleep(0.05)
    yield json.loads(address.read_text())["url"], str(token)
    process.terminate()
    process.wait(20)


@pytest.fixture(autouse=True)
def proposals_on(desk):
    desk.session.settings.proposals = True


def test_the_engine_on_this_computer_is_started_for_it(desk, dataset_folder):
    desk.open(dataset_folder)
    desk.wait(lambda: desk.page.landmarks.proposals)
    assert set(desk.page.landmarks.proposals) == set(desk.truth().landmarks)


@pytest.mark.slow
def test_a_server_that_runs_proposes_landmarks(desk, dataset_folder, server):
    desk.session.settings.server_url, desk.session.settings.server_token_file = server
    desk.session.engine.restart()
    desk.open(dataset_folder)
    assert desk.page.landmarks.proposals == {}  # nobody has started it yet
    desk.session.engine.start()
    desk.wait(lambda: desk.page.landmarks.proposals)
    truth = desk.truth().landmarks
    spacing = desk.page.case.radiograph.spacing_mm
    for name, point in desk.page.landmarks.proposals.items():
        assert math.dist(point, truth[name]) * spacing[0] < 15.0
    desk.key(desk.Qt.Key.Key_A)
    desk.wait(desk.stored)
    assert set(desk.stored().landmarks) == set(truth)
    first = desk.page.current
    desk.key(desk.Qt.Key.Key_Return)
    desk.wait(lambda: desk.page.current != first and desk.page.case is not None)
    desk.wait(lambda: desk.page.landmarks.proposals)  # of the next one, without asking
    desk.press(desk.widget.ui.blindedButton)
    assert desk.page.landmarks.proposals == {}
