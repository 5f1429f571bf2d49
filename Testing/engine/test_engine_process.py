"""The engine's real process: started, killed, started again, ended with its parent."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from fractureai.engine import EngineEnvironment, EngineError, EngineProcess
from fractureai.engine.process import MOST_RESTARTS

PATIENCE_S = 60.0

VIEWER = """
import sys, time
from fractureai.engine import EngineEnvironment, EngineProcess
engine = EngineProcess.start(EngineEnvironment.of_this_python(), sys.argv[1])
while engine.poll().state == "starting":
    time.sleep(0.05)
print(engine.poll().state, engine.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def engine(tmp_path):
    started = EngineProcess.start(EngineEnvironment.of_this_python(), tmp_path / "work", [tmp_path / "data"])
    yield started
    started.stop()


def until(engine, state, patience_s=PATIENCE_S):
    end = time.monotonic() + patience_s
    seen = []
    while (status := engine.poll()).state != state:
        seen.append(status)
        assert time.monotonic() < end, seen[-1]
        time.sleep(0.05)
    return status


def runs(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_start_does_not_wait_and_the_engine_answers(tmp_path):
    began = time.monotonic()
    engine = EngineProcess.start(EngineEnvironment.of_this_python(), tmp_path / "work", [tmp_path / "data"])
    try:
        assert time.monotonic() - began < 0.5
        assert engine.poll().state == "starting"
        with pytest.raises(EngineError, match="starting"):
            engine.client()
        until(engine, "ready")
        client = engine.client()
        assert client.health()["pid"] == engine.pid
        assert client.shared == (str(tmp_path / "data"),)
        assert client.is_loopback
        assert engine.sees(tmp_path / "data" / "x.dcm")
        assert not engine.sees(tmp_path / "other" / "x.dcm")
        assert client.token not in engine.log.read_text()
    finally:
        pid = engine.pid
        began = time.monotonic()
        engine.stop()
    assert time.monotonic() - began < 6
    assert not runs(pid)
    assert engine.poll().state == "stopped"
    engine.stop()


def test_killed_it_comes_back_with_the_same_token(engine):
    until(engine, "ready")
    pid, token = engine.pid, engine.client().token
    os.kill(pid, signal.SIGKILL)
    status = until(engine, "crashed", 5)
    assert "starts again" in status.text
    assert status.restarts_in_s is not None
    until(engine, "ready")
    assert engine.pid != pid
    assert engine.client().token == token
    assert engine.client().health()["pid"] == engine.pid


def test_a_crash_after_the_other_ends_with_a_sentence(tmp_path):
    """A Python that ends at once, whatever it is told."""
    environment = EngineEnvironment.of_this_python()
    environment.python = sys.executable
    engine = EngineProcess(environment, tmp_path / "work")
    environment.command = lambda *_: [sys.executable, "-c", "import os; os._exit(7)"]
    engine.restart()
    end = time.monotonic() + 30
    while (status := engine.poll()).state != "crashed" or status.restarts_in_s is not None:
        assert time.monotonic() < end
        time.sleep(0.02)
    assert f"{MOST_RESTARTS + 1} times within a minute" in status.text
    assert engine.pid is None


def test_bad_arguments_are_said_at_once(tmp_path):
    engine = EngineProcess(EngineEnvironment.of_this_python(), tmp_path / "work", arguments=["--tls-cert", "x"])
    engine.restart()
    status = until(engine, "crashed")
    assert "--tls-cert and --tls-key together" in status.text
    assert status.restarts_in_s is None


def test_nothing_installed(tmp_path):
    with pytest.raises(EngineError, match="not installed yet"):
        EngineProcess.start(EngineEnvironment(tmp_path / "none"), tmp_path / "work")


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGTERM])
def test_the_engine_ends_with_its_viewer(tmp_path, blow):
    viewer = subprocess.Popen([sys.executable, "-c", VIEWER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    state, pid = viewer.stdout.readline().split()
    assert state == "ready"
    os.kill(viewer.pid, blow)
    viewer.wait()
    end = time.monotonic() + 10
    while runs(int(pid)):
        assert time.monotonic() < end
        time.sleep(0.05)


def test_old_logs_are_kept_and_not_many(tmp_path):
    engine = EngineProcess(EngineEnvironment.of_this_python(), tmp_path)
    for number in range(6):
        engine.log.write_bytes(b"%d" % number + b"x" * 2_000_000)
        engine._rotate_log()
    names = sorted(path.name for path in tmp_path.glob("engine*.log"))
    assert names == ["engine.1.log", "engine.2.log", "engine.3.log"]
    assert (tmp_path / "engine.1.log").read_bytes()[:1] == b"5"
