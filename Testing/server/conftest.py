"""Real servers in processes of their own, on a few simulated wrists."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from fractureai.dataset import Dataset
from fractureai.phantom import write_dataset

PATIENCE_S = 30.0


@dataclass
class Running:
    """A server that is running."""

    process: subprocess.Popen[bytes]
    url: str
    token: str
    work: Path
    log_file: Path

    def client(self, **options) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.token}"}
        return httpx.Client(base_url=f"{self.url}/v1/", headers=headers, timeout=60, **options)

    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8")

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait()


def start_server(work: Path, *words: object, roots=(), environment=None) -> Running:
    """Start ``fractureai serve`` and wait until it listens."""
    work.mkdir(parents=True, exist_ok=True)
    address, log_file = work / "address.json", work / "server.log"
    address.unlink(missing_ok=True)
    command = [sys.executable, "-m", "fractureai.cli", "serve", "--work", work, "--address-file", address, *words]
    for root in roots:
        command += ["--root", root]
    with log_file.open("ab") as log:
        variables = {**os.environ, **(environment or {})}
        process = subprocess.Popen([*map(str, command)], stdout=log, stderr=log, env=variables)
    end = time.monotonic() + PATIENCE_S
    while not address.is_file():
        if process.poll() is not None or time.monotonic() > end:
            process.kill()
            raise AssertionError(log_file.read_text(encoding="utf-8"))
        time.sleep(0.02)
    facts = json.loads(address.read_text(encoding="utf-8"))
    token = Path(facts["token_file"]).read_text(encoding="ascii").strip()
    return Running(process, facts["url"], token, work, log_file)


@contextlib.contextmanager
def running_server(work: Path, *words: object, **options) -> Iterator[Running]:
    server = start_server(work, *words, **options)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.process.send_signal(signal.SIGTERM)
            try:
                server.process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                server.kill()


@pytest.fixture(scope="session")
def wrists(tmp_path_factory) -> Dataset:
    """Three simulated studies in a folder that servers may use."""
    return write_dataset(tmp_path_factory.mktemp("root") / "wrists", studies=3, seed=5, workers=1)


@pytest.fixture(scope="session")
def study(wrists) -> list[Path]:
    """The two radiographs of a study."""
    return [wrists.folder / "images" / f"00000_{view}.dcm" for view in ("PA", "LAT")]


@pytest.fixture(scope="session")
def server(tmp_path_factory, wrists) -> Iterator[Running]:
    with running_server(tmp_path_factory.mktemp("server"), roots=[wrists.folder.parent]) as running:
        yield running


@pytest.fixture
def client(server) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


def detail(response: httpx.Response, status: int) -> str:
    """Return the sentence of an error, checked to be one."""
    assert response.status_code == status, response.text
    text = response.json()["detail"]
    assert isinstance(text, str)
    assert text[0].isalnum()
    assert text.endswith(".")
    assert "\n" not in text
    return text
