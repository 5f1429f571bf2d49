"""Several processes that train together: started by torchrun, as a user would, on the CPU."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from fractureai.bundle import load_bundle
from fractureai.dataset import make_splits
from fractureai.errors import TrainingError
from fractureai.phantom import write_dataset
from fractureai.training.device import choose_device
from fractureai.training.ranks import ALONE, Ranks

RECIPE = """
format_version = 1
name = "shared"
title = "shared"
seed = 3
folds = 1
[localizer]
input_px = 64
network = { name = "hourglass", parameters = { width = 8, depth = 2, dropout = 0.0 } }
fit = { epochs = 2, batch_size = 8, optimizer = "adamw", learning_rate = 3e-3, mixup_alpha = 0.4 }
augmentation = { rotation_deg = 10.0 }
[classifier]
train_px = 128
window_px = 128
network = { name = "small_cnn", parameters = { widths = [8, 8, 8], dropout = 0.0 } }
fit = { epochs = 2, batch_size = 8, learning_rate = 1e-2, head_only_epochs = 1, average_decay = 0.9 }
augmentation = { rotation_deg = 10.0 }
"""
STAGES = ("PA/localizer_0", "PA/classifier_0", "LAT/localizer_0", "LAT/classifier_0")

STEP = """
import sys
from pathlib import Path
import numpy as np, torch
from safetensors.torch import save_file
from fractureai.training.execution import Execution
from fractureai.training.localizer import LocalizerData, LocalizerTask
from fractureai.training.loop import FitTarget, fit_network
from fractureai.training.ranks import join_ranks
from fractureai.training.recipe import AugmentationRecipe, FitRecipe, LocalizerRecipe, NetworkRecipe

out = Path(sys.argv[1])
rng = np.random.default_rng(0)
images = rng.integers(0, 65536, (23, 64, 64), dtype=np.uint16)
data = LocalizerData(images, rng.uniform(0.3, 0.7, (23, 2, 2)), np.full((23, 2), 100.0))
fit = FitRecipe(epochs=2, batch_size=6, accumulate=2, learning_rate=0.3, amp=False)
still = AugmentationRecipe(flip_probability=0.0, warp_probability=0.0)
recipe = LocalizerRecipe(64, NetworkRecipe("hourglass", {"width": 8, "depth": 2, "dropout": 0.0}), fit, still)
task = LocalizerTask(recipe, data, np.arange(17), np.arange(17, 23), 1)
task.network.eval()
for module in task.network.modules():  # batch statistics differ by design: see TrainingState
    module.train = lambda mode=True, module=module: module
with join_ranks("cpu") as ranks:
    execution, target = Execution(torch.device("cpu"), ranks=ranks), FitTarget(out, "k", 7)
    result = fit_network(task, fit, data.feed(execution.device), execution, target, lambda record, earlier: None)
    weights = {name: value.contiguous() for name, value in result.network.state_dict().items()}
    save_file(weights, out / f"weights_{ranks.rank}.safetensors")
"""


def torchrun(processes, *words, **options):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    return subprocess.Popen(
        [*command, *map(str, words)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **options,
    )


def end(process):
    out, err = process.communicate(timeout=400)
    return process.returncode, out, err


@pytest.fixture(scope="module")
def wrists(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wrists") / "d"
    make_splits(write_dataset(folder, studies=16, seed=5, pixels=128), fractions=(0.6, 0.25, 0.15), folds=2, seed=0)
    return folder


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    path = tmp_path_factory.mktemp("recipe") / "shared.toml"
    path.write_text(RECIPE, encoding="utf-8")
    return path


@pytest.mark.slow
def test_the_gradients_of_two_processes_are_those_of_one(tmp_path):
    """Four steps with the batch's statistics switched off: equal to float32's rounding, and equal on both ranks."""
    script = tmp_path / "step.py"
    script.write_text(STEP, encoding="utf-8")
    found = {}
    for processes in (1, 2):
        out = tmp_path / str(processes)
        out.mkdir()
        code, _, err = end(torchrun(processes, script, out))
        assert code == 0, err
        found[processes] = [load_file(out / f"weights_{rank}.safetensors") for rank in range(processes)]
        assert "2 processes" in json.loads((out / "history.json").read_text())[0]["how"] or processes == 1
    for name, value in found[1][0].items():
        assert torch.equal(found[2][0][name], found[2][1][name]), name
        assert torch.allclose(found[2][0][name], value, atol=2e-6), name


@pytest.mark.slow
def test_one_command_for_two_processes_killed_and_resumed(wrists, recipe, tmp_path):
    """Only the first process talks and writes; kill -9 of everything in between costs no more than an epoch."""
    out = tmp_path / "out"
    words = ("-m", "fractureai.cli", "train", wrists, out, "--recipe", recipe, "--device", "cpu", "--json")
    process = torchrun(2, *words)
    history = out / "runs" / "PA" / "classifier_0" / "history.json"
    while process.poll() is None and not history.is_file():
        time.sleep(0.01)
    for pid in [process.pid, *children(process.pid)]:
        os.kill(pid, signal.SIGKILL)
    process.communicate()
    assert history.is_file()
    before = json.loads(history.read_text())
    code, said, err = end(torchrun(2, *words))
    assert code == 0, err
    document = json.loads(said)  # one document: the second process is silent
    bundle = load_bundle(document["bundle"])
    assert len(bundle.spec.views) == 2
    for stage in STAGES:
        records = json.loads((out / "runs" / stage / "history.json").read_text())
        assert [record["epoch"] for record in records] == [1, 2]
        assert all("2 processes" in record["how"] for record in records)
        assert np.isfinite([record["loss"] for record in records]).all()
    assert json.loads(history.read_text())[: len(before)] == before


@pytest.mark.slow
def test_when_one_process_ends_all_do(tmp_path):
    """The second dies before a gradient is averaged: the first does not wait for it."""
    script = tmp_path / "dies.py"
    script.write_text(
        STEP.replace("    execution, target", "    ranks.first or sys.exit(3)\n    execution, target"), encoding="utf-8"
    )
    started = torchrun(2, script, tmp_path / "out")
    code, _, err = end(started)
    assert code != 0
    assert "exitcode" in err
    assert not children(started.pid)


def children(pid):
    """Return the processes that a process started, and theirs."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:  # it ended just now
            continue
        if int(fields[1]) == pid:
            child = int(stat.parent.name)
            found += [child, *children(child)]
    return found


def test_parts_of_a_batch_are_all_of_it():
    indices = np.arange(11)
    parts = [Ranks(rank, 3).share(indices) for rank in range(3)]
    assert np.concatenate(parts).tolist() == indices.tolist()
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_alone_nothing_is_shared():
    assert ALONE.first
    assert ALONE.agree("x") == "x"
    assert ALONE.in_turn(lambda: 7) == 7
    assert ALONE.gather(np.arange(3)).tolist() == [0, 1, 2]


def test_each_process_needs_a_device_of_its_own():
    assert choose_device("cpu", 5) == torch.device("cpu")
    for name in ("cuda:0", "mps"):
        with pytest.raises(TrainingError, match="Several processes"):
            choose_device(name, 1)
