"""A training as a viewer has it done: a real engine, cancelling, kill -9, going on, the registered model."""

import json
import os
import shutil
import signal
import threading
import time
import zipfile
from dataclasses import replace

import psutil
import pytest

from fractureai.bundle import resolve_bundle
from fractureai.client import FINAL_STATES, RequestCancelledError
from fractureai.dataset import Dataset
from fractureai.engine import EngineEnvironment, EngineProcess
from fractureai.errors import ServerError
from fractureai.phantom import write_dataset
from fractureai.server.jobs import processes

pytestmark = pytest.mark.slow
PATIENCE_S = 300.0

RECIPE = """
format_version = 1
name = "tiny"
title = "tiny"
seed = 3
folds = 1
[localizer]
input_px = 64
network = { name = "hourglass", parameters = { width = 4, depth = 2, dropout = 0.0 } }
fit = { epochs = 12, batch_size = 4, optimizer = "adamw", learning_rate = 1e-3 }
augmentation = {}
[classifier]
window_px = 64
network = { name = "small_cnn", parameters = { widths = [4, 8, 8], dropout = 0.0 } }
fit = { epochs = 3, batch_size = 8, optimizer = "adamw", learning_rate = 1e-3 }
augmentation = {}
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("root").resolve()
    write_dataset(folder / "wrists", studies=12, seed=5, pixels=128, hard_fraction=0.0, workers=1)
    (folder / "tiny.toml").write_text(RECIPE, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def engine(root, tmp_path_factory):
    os.environ["OMP_NUM_THREADS"] = "1"
    started = EngineProcess.start(EngineEnvironment.of_this_python(), tmp_path_factory.mktemp("work"), [root])
    ready(started)
    yield started
    started.stop()


def ready(engine):
    wait_for(lambda: engine.poll().state == "ready")
    return engine.client()


def wait_for(condition):
    end = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)
    return found


def training(root):
    return {"dataset": str(root / "wrists"), "recipe": str(root / "tiny.toml"), "device": "cpu"}


def until_epoch(client, id, least):
    for event in client.job_events(id):
        if event.data.get("epoch", 0) >= least:
            return event
    raise AssertionError(client.job(id))


def test_a_training_cancelled_killed_and_finished(engine, root):
    client = engine.client()
    assert not Dataset.open(root / "wrists").splits
    id = client.start_job("train", training(root))["id"]
    folder = engine.work / "jobs" / id
    seen = until_epoch(client, id, 2)
    assert seen.data["fit"] == "PA localizer"
    assert 0 < seen.data["fraction"] < 1
    assert seen.data["metric_name"] == "median error (mm)"

    began = time.monotonic()
    assert client.cancel_job(id)["state"] == "cancelled"
    assert time.monotonic() - began < 5
    assert not processes.find(folder)
    first_epoch = json.loads((folder / "out/runs/PA/localizer_0/history.json").read_text())[0]

    client.resume_job(id)
    until_epoch(client, id, 4)
    os.kill(engine.pid, signal.SIGKILL)
    client = ready_again(engine)
    assert not processes.find(folder)
    job = client.job(id)
    assert job["state"] == "interrupted"
    assert "continue it" in job["error"]

    numbers = []
    collector = threading.Thread(target=lambda: numbers.extend(event.id for event in client.job_events(id)))
    client.resume_job(id)
    collector.start()
    job = wait_for(lambda: (job := client.job(id))["state"] in FINAL_STATES and job)
    collector.join(10)
    assert job["state"] == "done", job["error"]
    assert numbers == sorted(set(numbers))
    told = [(event.data["fit"], event.data["epoch"]) for event in client.job_events(id) if event.data.get("epoch")]
    assert len(told) == len(set(told))
    assert json.loads((folder / "out/runs/PA/localizer_0/history.json").read_text())[0] == first_epoch

    fits = [entry["fit"] for entry in job["history"]]
    assert {fit: fits.count(fit) for fit in fits} == {
        "PA localizer": 12, "PA classifier": 3, "LAT localizer": 12, "LAT classifier": 3
    }  # fmt: skip
    assert "no splits" in client.job_log(id)
    assert "seed 0" in client.job_log(id)
    assert Dataset.open(root / "wrists").splits
    assert job["result"]["model"] in [model["id"] for model in client.models()]
    assert "<html" in client.job_report(id).lower()
    reading = client.read([root / "wrists" / "images" / "00001_PA.dcm"], job["result"]["model"])
    assert reading["model"].startswith("wrist-tiny-")
    check_events_again(client, id, numbers)


def ready_again(engine):
    wait_for(lambda: engine.poll().state == "crashed")
    return ready(engine)


def check_events_again(client, id, numbers):
    """The events of a job that has ended come at once, from any place on."""
    assert [event.id for event in client.job_events(id)] == numbers
    assert [event.id for event in client.job_events(id, last_id=numbers[-3])] == numbers[-2:]
    assert list(client.job_events(id, last_id=numbers[-1])) == []
    with pytest.raises(ServerError, match="There is no job"):
        next(client.job_events("20260101-000000-0000"))


def test_an_archive_is_exported_and_trains(engine, root):
    client = engine.client()
    job = client.start_job("export", {"dataset": str(root / "wrists"), "out": str(root / "export.zip")})
    events = list(client.job_events(job["id"]))
    assert events[-1].data["state"] == "done", events[-1]
    assert zipfile.ZipFile(root / "export.zip").testzip() is None
    job = client.start_job("train", {**training(root), "dataset": str(root / "export.zip")})
    until_epoch(client, job["id"], 1)
    client.cancel_job(job["id"])
    assert (engine.work / "jobs" / job["id"] / "out" / "dataset" / "dataset.toml").is_file()


def test_an_evaluation_of_the_demo(engine, root):
    client = engine.client()
    job = client.start_job("evaluate", {"bundle": "demo", "dataset": str(root / "wrists"), "split": "all"})
    events = list(client.job_events(job["id"]))
    assert events[-1].data["state"] == "done", events[-1]
    result = client.job(job["id"])["result"]
    assert result["studies"] == 12
    assert "AUROC" in client.job_report(job["id"])


def test_named_or_uploaded_the_answers_are_the_same(engine, root):
    client = engine.client()
    uploading = replace(client, shared=())
    files = [root / "wrists" / "images" / f"00000_{view}.dcm" for view in ("PA", "LAT")]
    stages = []
    readings = [client.read(files, on_stage=stages.append), uploading.read(files)]
    assert readings[0]["ensemble"] == readings[1]["ensemble"]
    assert stages[:4] == ["read", "localize", "crop", "classify"]
    assert str(root) not in json.dumps(readings[1])
    assert client.activation(readings[0]["views"][0]["activation_map"]).max() <= 1
    assert client.proposals(files[0])["landmarks"] == uploading.proposals(files[0])["landmarks"]
    with pytest.raises(RequestCancelledError):
        client.read(files, cancelled=lambda: True)


def test_a_bundle_is_imported_from_a_folder_or_a_file(engine, tmp_path):
    client = engine.client()
    folder = resolve_bundle("demo")
    packed = shutil.make_archive(str(tmp_path / "bundle"), "zip", folder)
    ids = {client.import_model(folder)["id"], client.import_model(packed)["id"]}
    assert len(ids) == 1
    assert ids <= {model["id"] for model in client.models()}
    (tmp_path / "bad.zip").write_bytes(b"PK")
    with pytest.raises(ServerError, match="bundle can not be"):
        client.import_model(tmp_path / "bad.zip")
    with pytest.raises(ServerError, match="no such bundle"):
        client.import_model(tmp_path / "none")


def test_requests_that_make_no_sense(engine, root):
    client = engine.client()
    for kind, parameters, sentence in (
        ("train", {"dataset": "/etc"}, "outside the folders"),
        ("train", {}, "dataset"),
        ("dance", {}, "."),
        ("evaluate", {"bundle": "no-such", "dataset": str(root / "wrists")}, "no such model"),
    ):
        with pytest.raises(ServerError, match=sentence):
            client.start_job(kind, parameters)
    with pytest.raises(ServerError, match="There is no job"):
        client.job("none")
    with pytest.raises(ServerError, match="nothing at this address"):
        client.cancel_job("../../etc")


def test_the_engine_ends_its_jobs_when_it_is_stopped(engine, root):
    client = engine.client()
    id = client.start_job("train", training(root))["id"]
    until_epoch(client, id, 1)
    folder = engine.work / "jobs" / id
    pids = [process.pid for process in processes.find(folder)]
    assert pids
    began = time.monotonic()
    engine.stop()
    assert time.monotonic() - began < 8
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert json.loads((folder / "job.json").read_text())["state"] == "interrupted"
    engine.restart()
    assert ready(engine).job(id)["state"] == "interrupted"
