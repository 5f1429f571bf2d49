"""The job store with real processes: queue, refusals, cancel, crashes."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from fractureai.dataset import Annotation, Dataset
from fractureai.errors import FractureAIError
from fractureai.phantom import write_dataset
from fractureai.server.jobs import JobConflictError, JobRequestError, JobStore, UnknownJobError, lanes, processes
from fractureai.server.jobs.folder import EventReader, append_event
from fractureai.server.jobs.model import STATES
from fractureai.server.jobs.parameters import recipe_of

RECIPE = """
format_version = 1
name = "tiny"
title = "tiny"
seed = 3
folds = 1
[localizer]
input_px = 64
network = {{ name = "hourglass", parameters = {{ width = 4, depth = 2, dropout = 0.0 }} }}
fit = {{ epochs = {epochs}, batch_size = 8, optimizer = "adamw", learning_rate = 1e-3 }}
augmentation = {{}}
[classifier]
window_px = 64
network = {{ name = "small_cnn", parameters = {{ widths = [4, 8, 8], dropout = 0.0 }} }}
fit = {{ epochs = {epochs}, batch_size = 8, optimizer = "adamw", learning_rate = 1e-3 }}
augmentation = {{}}
"""
PATIENCE_S = 240.0

# A server that does nothing but run jobs, in a process of its own, to be killed.
SERVER = """
import sys, time
from pathlib import Path
from fractureai.server.jobs import JobStore
jobs = JobStore(Path(sys.argv[1]), [Path(sys.argv[2])])
jobs.start()
print("ready", jobs.is_owner, flush=True)
for line in sys.stdin:
    words = line.split()
    if words[0] == "loop":  # export and cancel until killed
        while True:
            job = jobs.create("export", {"dataset": words[1], "raters": ["truth"]})
            print("made", job["id"], flush=True)
            jobs.cancel(job["id"])
            print("cancelled", job["id"], flush=True)
    job = jobs.create("train", {"dataset": words[1], "recipe": words[2], "device": "cpu"})
    print("made", job["id"], flush=True)
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("root").resolve()
    write_dataset(folder / "wrists", studies=12, seed=5, pixels=128, hard_fraction=0.0, workers=1)
    (folder / "long.toml").write_text(RECIPE.format(epochs=2000), encoding="utf-8")
    Dataset.create(folder / "empty", name="empty")
    return folder


@pytest.fixture
def jobs(root, tmp_path):
    store = JobStore(tmp_path / "work", [root])
    store.start()
    yield store
    store.stop()


@contextlib.contextmanager
def server(work, root):
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(work), str(root)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    try:
        assert process.stdout.readline().split() == ["ready", "True"]
        yield process
    finally:
        process.kill()
        process.wait()


def wait_for(condition, patience_s=PATIENCE_S):
    end = time.monotonic() + patience_s
    while not (found := condition()):
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)
    return found


def ended(jobs, id):
    return wait_for(lambda: (job := jobs.job(id))["state"] not in ("queued", "running") and job)


def long_training(root):
    return {"dataset": str(root / "wrists"), "recipe": str(root / "long.toml"), "device": "cpu"}


# --- what is asked for ---


@pytest.mark.parametrize(
    ("kind", "change", "sentence"),
    [
        ("train", {"dataset": "/etc"}, "outside the folders"),
        ("train", {"dataset": "wrists"}, "outside the folders"),
        ("train", {"dataset": "{root}/../x"}, "outside the folders"),
        ("train", {"dataset": "{root}/link"}, "outside the folders"),
        ("train", {"dataset": "{root}/wrists\0"}, "makes no sense|outside"),
        ("train", {"dataset": "{root}"}, "not a dataset"),
        ("train", {"out": "/tmp/elsewhere"}, "outside the folders"),
        ("train", {"out": "{root}/wrists/images"}, "lies in a dataset"),
        ("train", {"recipe": "huge"}, "There is no recipe huge"),
        ("train", {"recipe": "/etc/x.toml"}, "outside the folders"),
        ("train", {"recipe": "deepwrist", "variant": "as-guessed"}, "known variants: as-published"),
        ("train", {"weights": "/etc/passwd"}, "outside the folders"),
        ("train", {"device": "gpu"}, "Parameter device"),
        ("train", {"folds": "2"}, "Parameter folds"),
        ("train", {"raters": []}, "Parameter raters"),
        ("train", {"shell": "rm"}, "Parameter shell"),
        ("evaluate", {"bundle": "../other"}, "no model"),
        ("evaluate", {"bundle": "demo", "split": "some"}, "Parameter split"),
        ("export", {"format": "csv"}, "Parameter format"),
        ("export", {"out": "{root}/export.txt"}, r"end with \.zip"),
        ("delete", {}, "no kind of job"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_sentence(jobs, root, kind, change, sentence):
    link = root / "link"
    if not link.is_symlink():
        link.symlink_to("/etc")
    given = {"dataset": "{root}/wrists", **change}
    given = {name: v.replace("{root}", str(root)) if isinstance(v, str) else v for name, v in given.items()}
    with pytest.raises(JobRequestError, match=sentence):
        jobs.create(kind, given)
    assert jobs.jobs() == []


def test_a_recipe_may_not_load_weights_from_elsewhere(jobs, root):
    text = (root / "long.toml").read_text(encoding="utf-8")
    sly = root / "sly.toml"
    sly.write_text(text.replace('name = "hourglass"', 'name = "hourglass", weights = "/etc/passwd"'), encoding="utf-8")
    with pytest.raises(JobRequestError, match="weights in the recipe"):
        jobs.create("train", {"dataset": str(root / "wrists"), "recipe": str(sly)})
    with pytest.raises(JobRequestError, match="weights in the recipe"):
        jobs.create("train", {"dataset": str(root / "wrists"), "recipe": sly.read_text(encoding="utf-8")})


def test_a_variant_and_initial_weights_are_part_of_the_recipe(jobs, root):
    words = {"recipe": "deepwrist", "variant": "as-published", "weights": str(root / "imagenet.safetensors")}
    job = jobs.create("train", {"dataset": str(root / "wrists"), "device": "cpu", **words})
    jobs.cancel(job["id"])
    given = job["parameters"]
    recipe = recipe_of(given["recipe"], given["variant"], given["weights"])
    assert recipe.variant == "as-published"
    assert recipe.classifier.network.weights == str((root / "imagenet.safetensors").resolve())


def test_a_recipe_can_be_sent_as_its_text(jobs, root):
    text = (root / "long.toml").read_text(encoding="utf-8")
    job = jobs.create("train", {"dataset": str(root / "wrists"), "recipe": text, "device": "cpu"})
    assert recipe_of(job["parameters"]["recipe"]) == recipe_of(str(root / "long.toml"))
    jobs.cancel(job["id"])
    with pytest.raises(FractureAIError, match="The recipe that was sent"):
        jobs.create("train", {"dataset": str(root / "wrists"), "recipe": "name = 1\n"})


@pytest.mark.parametrize(
    ("one", "other", "collide"),
    [
        ("cpu", "cpu", True),
        ("cuda:0", "cuda:1", False),
        ("cuda", "cuda:1", True),
        ("cuda:1", "cuda", True),
        ("cpu", "cuda", False),
        ("disk", "cpu", False),
    ],
)
def test_devices_that_are_the_same(one, other, collide):
    assert lanes.collide(one, other) is collide


# --- what becomes of it ---


def test_an_export_is_made_and_told(jobs, root):
    made = jobs.create("export", {"dataset": str(root / "wrists"), "raters": ["truth"]})
    assert made["state"] == "queued"
    job = ended(jobs, made["id"])
    assert job["state"] == "done", job["error"]
    assert Path(job["result"]["file"]).is_file()
    assert job["result"]["radiographs"] == job["result"]["annotations"] == 24
    assert job["progress"]["fraction"] == 1.0
    assert [job["id"] for job in jobs.jobs()] == [made["id"]]
    assert jobs.result_file(made["id"], "file").suffix == ".zip"


def test_a_failure_is_one_sentence_and_the_log_has_the_rest(jobs, root):
    job = ended(jobs, jobs.create("train", {"dataset": str(root / "empty")})["id"])
    assert job["state"] == "failed"
    assert job["error"].endswith(".")
    assert "\n" not in job["error"]
    assert "Traceback" not in job["error"]
    assert "Traceback" in jobs.log(job["id"])
    assert jobs.resume(job["id"])["state"] in ("queued", "running")


def test_unknown_jobs(jobs):
    for ask in (jobs.job, jobs.log, jobs.cancel, jobs.resume, jobs.delete, jobs.state):
        with pytest.raises(UnknownJobError):
            ask("../wrists")


def test_one_at_a_time_and_cancel_ends_every_process(jobs, root):
    first = jobs.create("train", long_training(root))["id"]
    second = jobs.create("train", long_training(root))["id"]
    wait_for(lambda: jobs.job(first)["history"])
    assert jobs.state(second) == "queued"
    folder = jobs.path(first)
    assert processes.find(folder)
    start = time.monotonic()
    assert jobs.cancel(first)["state"] == "cancelled"
    assert time.monotonic() - start < 5
    assert not processes.find(folder)
    wait_for(lambda: jobs.state(second) == "running")
    jobs.cancel(second)
    with pytest.raises(JobConflictError, match="nothing to cancel"):
        jobs.cancel(second)
    jobs.delete(second)
    assert not (jobs.folder / second).exists()


def test_who_came_first_is_served_first(jobs, root, monkeypatch):
    """Also within a second, whatever the random part of the ids is."""
    parts = iter(("ffffffff", "88888888", "00000000"))
    monkeypatch.setattr("fractureai.server.jobs.model.secrets", SimpleNamespace(token_hex=lambda _: next(parts)))
    with jobs._guard:  # as if the worker were busy meanwhile
        ids = [jobs.create("train", long_training(root))["id"] for _ in range(3)]
    wait_for(lambda: jobs.state(ids[0]) == "running")
    assert [jobs.state(id) for id in ids[1:]] == ["queued", "queued"]
    assert [job["id"] for job in jobs.jobs()] == ids[::-1]
    jobs.cancel(ids[1])
    jobs.cancel(ids[0])
    wait_for(lambda: jobs.state(ids[2]) == "running")


def test_stop_ends_what_left_the_tree(tmp_path):
    """A grandchild in a session of its own whose parent has ended."""
    code = (
        "import subprocess, sys, time\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True)\n"
        "if sys.argv[1] == 'stay': time.sleep(600)\n"
    )
    for word in ("stay", "go"):
        child = processes.start([sys.executable, "-c", code, word], tmp_path, tmp_path / "log.txt")
        wait_for(lambda: len(processes.find(tmp_path)) == (2 if word == "stay" else 1))  # noqa: B023
        left = [process.pid for process in processes.find(tmp_path)]
        assert processes.stop(tmp_path, child.pid)
        child.wait()
        assert not any(psutil.pid_exists(pid) and _runs(pid) for pid in left)


def _runs(pid):
    with contextlib.suppress(psutil.Error):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


# --- crashes ---


def test_a_job_does_not_outlive_its_server_and_is_interrupted(root, tmp_path):
    with server(tmp_path, root) as process:
        process.stdin.write(f"train {root / 'wrists'} {root / 'long.toml'}\n")
        process.stdin.flush()
        id = process.stdout.readline().split()[1]
        folder = tmp_path / "jobs" / id
        wait_for(lambda: [event for event in EventReader(folder).read() if event.data.get("epoch")])
        os.kill(process.pid, signal.SIGKILL)
    wait_for(lambda: not processes.find(folder), 3.0)
    store = JobStore(tmp_path, [root])
    store.start()
    try:
        job = store.job(id)
        assert job["state"] == "interrupted"
        assert "continue it" in job["error"]
        seen = len(job["history"])
        assert seen > 0
        store.resume(id)
        wait_for(lambda: len(store.job(id)["history"]) > seen)
        epochs = [(entry["fit"], entry["epoch"]) for entry in store.job(id)["history"]]
        assert epochs == sorted(set(epochs), key=epochs.index)
        assert [epoch for _, epoch in epochs] == list(range(1, len(epochs) + 1))
    finally:
        store.stop()
    assert not processes.find(folder)
    assert json.loads((folder / "job.json").read_text())["state"] == "interrupted"


def test_killed_while_it_writes_no_job_is_lost(root, tmp_path):
    """Every job that was answered is there after kill -9, in a state that is true, whenever the blow falls."""
    told: dict[str, str] = {}
    for number in range(6):
        with server(tmp_path, root) as process:
            process.stdin.write(f"loop {root / 'wrists'}\n")
            process.stdin.flush()
            for _ in range(2 + number):
                word, id = process.stdout.readline().split()
                told[id] = word
            time.sleep(0.037 * number)
            os.kill(process.pid, signal.SIGKILL)
            for line in process.stdout.read().splitlines():
                told[line.split()[1]] = line.split()[0]
    store = JobStore(tmp_path, [root])
    store.start()
    try:
        states = {job["id"]: job["state"] for job in store.jobs()}
        assert set(told) <= set(states)
        assert set(states.values()) <= set(STATES)
        for id, word in told.items():
            if word == "cancelled":
                assert states[id] in ("cancelled", "done")
        for id in states:
            assert ended(store, id)["state"] in ("cancelled", "done", "interrupted")
    finally:
        store.stop()
    assert not list(tmp_path.rglob("*.tmp"))


def test_an_unfinished_file_of_a_job_that_was_cut_off_goes(jobs, root, tmp_path):
    id = jobs.create("export", {"dataset": str(root / "wrists"), "raters": ["truth"]})["id"]
    ended(jobs, id)
    path = jobs.path(id) / "job.json"
    jobs.stop()
    left = jobs.path(id) / "out" / ".export.zip.tmp"
    left.write_bytes(b"half")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"state": "running", "finished": "", "pid": 2**22 - 1}))
    store = JobStore(tmp_path / "work", [root])
    store.start()
    try:
        assert not left.exists()
        assert (store.path(id) / "out" / "export.zip").is_file()
    finally:
        store.stop()


def test_a_job_whose_process_had_finished_is_done(jobs, root, tmp_path):
    """The server died after the job said its result and before it was noted."""
    id = jobs.create("export", {"dataset": str(root / "wrists"), "raters": ["truth"]})["id"]
    ended(jobs, id)
    path = jobs.path(id) / "job.json"
    jobs.stop()
    table = json.loads(path.read_text()) | {"state": "running", "result": {}, "finished": "", "pid": 2**22 - 1}
    path.write_text(json.dumps(table))
    store = JobStore(tmp_path / "work", [root])
    store.start()
    try:
        assert store.state(id) == "done"
        assert store.job(id)["result"]["radiographs"] == 24
    finally:
        store.stop()


def test_two_servers_on_one_folder_do_no_harm(jobs, root, tmp_path):
    id = jobs.create("train", long_training(root))["id"]
    wait_for(lambda: jobs.state(id) == "running")
    other = JobStore(tmp_path / "work", [root])
    other.start()
    try:
        assert not other.is_owner
        assert other.state(id) == "running"
        for ask in (other.cancel, other.resume):
            with pytest.raises(JobConflictError, match="Another FractureAI"):
                ask(id)
    finally:
        other.stop()
    assert jobs.state(id) == "running"
    assert processes.find(jobs.path(id))


def test_a_line_that_was_cut_off_is_skipped_and_ended(tmp_path):
    append_event(tmp_path, "progress", {"text": "one"})
    with (tmp_path / "events.jsonl").open("ab") as file:
        file.write(b'{"event": "progress", "da')
    reader = EventReader(tmp_path)
    assert [event.data["text"] for event in reader.read()] == ["one"]
    append_event(tmp_path, "progress", {"text": "two"})
    assert [(event.id, event.data["text"]) for event in reader.read()] == [(3, "two")]
    assert [event.id for event in EventReader(tmp_path).read()] == [1, 3]


def test_a_damaged_job_file_is_shown_and_not_lost(root, tmp_path):
    folder = tmp_path / "jobs" / "20260101-000000-aaaa"
    folder.mkdir(parents=True)
    (folder / "job.json").write_text("{")
    store = JobStore(tmp_path, [root])
    store.start()
    try:
        (job,) = store.jobs()
        assert job["state"] == "failed"
        assert "can not be read" in job["error"]
    finally:
        store.stop()


def test_marks_without_a_consensus_are_said_in_plain_words(jobs, root):
    dataset = Dataset.create(root / f"two-{time.time_ns()}", name="two")
    dataset.add([root / "wrists" / "images"], copy=True)
    row = dataset.radiographs[0]
    for rater in ("AM", "BK"):
        dataset.save(Annotation(row.id, rater, status="done", label="normal"))
    job = ended(jobs, jobs.create("train", {"dataset": str(dataset.folder)})["id"])
    assert job["state"] == "failed"
    assert "without a consensus" in job["error"]
