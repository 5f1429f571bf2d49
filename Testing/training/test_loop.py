"""The loop on small arrays: learning, resuming, limits."""

import dataclasses
import functools
import json

import numpy as np
import pytest
import torch

from fractureai.errors import RecipeError, TrainingError
from fractureai.training.checkpoint import read_checkpoint
from fractureai.training.classifier import ClassifierData, ClassifierTask
from fractureai.training.device import choose_device
from fractureai.training.execution import Execution, choose_execution
from fractureai.training.localizer import LocalizerData, LocalizerTask, locate
from fractureai.training.loop import FitTarget, fit_network, training_batches
from fractureai.training.memory import largest_fitting_batch, out_of_memory_error
from fractureai.training.recipe import AugmentationRecipe, FitRecipe, NetworkRecipe, load_recipe

CPU = torch.device("cpu")
QUICK = load_recipe("quick")
PLAIN = AugmentationRecipe(warp_probability=0.5, rotation_deg=10, shift=0.05, noise_probability=0.3)


def localizer_task(fit, count=24, seed=1, augmentation=PLAIN, network=None):
    """Find the centre of a bright disc on a noisy background."""
    rng = np.random.default_rng(0)
    where = rng.uniform(0.3, 0.7, (count, 1, 2))
    rows, cols = np.meshgrid((np.arange(64) + 0.5) / 64, (np.arange(64) + 0.5) / 64, indexing="ij")
    square = (rows - where[:, :1, 0, None]) ** 2 + (cols - where[:, :1, 1, None]) ** 2
    images = np.clip((square < 0.01) * 0.8 + rng.uniform(0, 0.2, (count, 64, 64)), 0, 1)
    data = LocalizerData((images * 65535).astype(np.uint16), where, np.full((count, 2), 100.0))
    network = NetworkRecipe("hourglass", network or {"width": 16, "depth": 2, "dropout": 0.1})
    recipe = dataclasses.replace(QUICK.localizer, input_px=64, network=network, fit=fit, augmentation=augmentation)
    indices = np.arange(count)
    return LocalizerTask(recipe, data, indices[: count - 6], indices[count - 6 :], seed), data


FIT = FitRecipe(
    epochs=4,
    batch_size=6,
    learning_rate=3e-3,
    optimizer="adamw",
    schedule="one_cycle",
    average_decay=0.9,
    mixup_alpha=0.3,
)


def run_fit(task, data, recipe, folder, *, key="k", seed=7, on_epoch=lambda record, earlier: None, resident=None):
    feed = data.feed(CPU, resident=resident)
    return fit_network(task, recipe, feed, choose_execution(recipe, CPU), FitTarget(folder, key, seed), on_epoch)


def fit(folder, recipe, stop_after=None, key="k", resident=None):
    """Fit; where asked, stop after some epochs as a kill between two epochs would."""

    class StopError(Exception):
        pass

    seen = []

    def on_epoch(record, earlier):
        seen.append((record.epoch, earlier))
        if record.epoch == stop_after and not earlier:
            raise StopError

    task, data = localizer_task(recipe)
    try:
        result = run_fit(task, data, recipe, folder, key=key, on_epoch=on_epoch, resident=resident)
    except StopError:
        return None, seen
    return result, seen


@pytest.mark.parametrize("schedule", ["one_cycle", "step"])
def test_resumed_training_ends_with_the_same_weights(tmp_path, schedule):
    recipe = dataclasses.replace(FIT, schedule=schedule, milestones=(2,))
    whole, _ = fit(tmp_path / "a", recipe)
    stopped, _ = fit(tmp_path / "b", recipe, stop_after=2)
    assert stopped is None
    resumed, seen = fit(tmp_path / "b", recipe)
    assert seen == [(1, True), (2, True), (3, False), (4, False)]
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, resumed.network.state_dict()[name]), name
    losses = [[record.loss for record in result.history] for result in (whole, resumed)]
    assert losses[0] == losses[1]
    assert len(json.loads((tmp_path / "b" / "history.json").read_text())) == 4


def test_where_the_data_lie_changes_nothing_but_the_record(tmp_path):
    """In memory, and fetched ahead by a thread: the same weights to the last bit; both say how they were trained."""
    results = [fit(tmp_path / str(resident), FIT, resident=resident)[0] for resident in (True, False)]
    for one, other in zip(results[0].network.parameters(), results[1].network.parameters(), strict=True):
        assert torch.equal(one, other)
    records = [result.history[-1] for result in results]
    assert records[0].how.endswith("not compiled, data in memory")
    assert records[1].how.endswith("not compiled, data fetched ahead")
    for record in records:
        assert record.images_per_second > 0
        assert 0 <= record.waiting < 1
        assert 0 < record.augmenting < 1


def test_a_recipe_is_compiled_only_where_that_pays_and_the_record_says_so():
    execution = choose_execution(dataclasses.replace(FIT, compile=True), CPU)
    assert not execution.compiled
    assert "not compiled" in execution.describe()
    assert "not compiled" not in dataclasses.replace(execution, compiled=True).describe()


def test_a_compiled_network_learns_the_same(tmp_path, monkeypatch):
    """Traced and differentiated by the compiler, but run without generated code, which takes a minute to build."""
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="aot_eager"))
    recipe = dataclasses.replace(FIT, epochs=1, amp=False, average_decay=0.0, optimizer="sgd", learning_rate=0.1)
    results = []
    for compiled in (False, True):
        task, data = localizer_task(recipe)
        target, execution = FitTarget(tmp_path / str(compiled), "k", 7), Execution(CPU, compiled=compiled)
        results.append(fit_network(task, recipe, data.feed(CPU), execution, target, lambda record, earlier: None))
    assert ", compiled," in results[1].history[0].how
    for one, other in zip(results[0].network.parameters(), results[1].network.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_a_network_that_can_not_be_compiled_is_a_clear_error(tmp_path, monkeypatch):
    def refuse(network, dynamic):
        def call(image):
            raise torch._dynamo.exc.TorchDynamoException("no compiler is installed\nand more lines")

        return call

    monkeypatch.setattr(torch, "compile", refuse)
    task, data = localizer_task(FIT)
    with pytest.raises(TrainingError, match=r"no compiler is installed\); set compile = false"):
        fit_network(
            task, FIT, data.feed(CPU), Execution(CPU, compiled=True), FitTarget(tmp_path, "k", 7), lambda r, e: None
        )


def test_a_batch_too_small_for_batch_normalisation_waits_for_another_epoch():
    order = np.arange(13)
    assert [len(batch) for batch in training_batches(order, 6)] == [6, 6]
    assert [len(batch) for batch in training_batches(order, 5)] == [5, 5, 3]
    assert [len(batch) for batch in training_batches(order, 5, processes=2)] == [5, 5]
    assert [len(batch) for batch in training_batches(order[:1], 6)] == [1]


def test_one_sample_more_than_full_batches_trains(tmp_path):
    """The hourglass shrinks to one pixel: a batch of one image has no variance there."""
    recipe = dataclasses.replace(FIT, epochs=1)
    task, data = localizer_task(recipe, count=19, network={"width": 16, "depth": 4, "dropout": 0.0})
    assert len(task.training) % recipe.batch_size == 1
    assert run_fit(task, data, recipe, tmp_path).history


def test_a_checkpoint_of_another_training_is_refused(tmp_path):
    fit(tmp_path, FIT, stop_after=1)
    with pytest.raises(TrainingError, match="--fresh"):
        fit(tmp_path, FIT, key="other")


def test_a_checkpoint_with_code_in_it_is_not_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return (print, ("ran",))

    path = tmp_path / "checkpoint.pt"
    torch.save({"key": Evil()}, path)
    with pytest.raises(Exception, match=r"[Ww]eights.only"):
        read_checkpoint(path, "k")


def test_it_learns(tmp_path):
    recipe = dataclasses.replace(FIT, epochs=25, mixup_alpha=0.0)
    task, data = localizer_task(recipe)
    result = run_fit(task, data, recipe, tmp_path)
    found = locate(result.network, data.feed(CPU), task.validation, Execution(CPU))
    errors = np.linalg.norm(found.landmarks - data.landmarks[task.validation], axis=-1)
    assert np.median(errors) < 0.04
    assert result.history[-1].validation_loss < result.history[0].validation_loss / 3


def test_early_stop_and_best(tmp_path):
    recipe = dataclasses.replace(
        FIT, epochs=30, early_stop_epochs=2, keep="best", learning_rate=0.05, average_decay=0.0, schedule="step"
    )
    task, data = localizer_task(recipe)
    result = run_fit(task, data, recipe, tmp_path)
    losses = [record.validation_loss for record in result.history]
    assert len(losses) < 30
    best = task.validate(result.network, data.feed(CPU), choose_execution(recipe, CPU))
    assert best.loss == pytest.approx(min(losses), rel=1e-3)


def test_head_only_epochs_leave_the_backbone_alone(tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 65535, (12, 64, 64)).astype(np.uint16)
    labels = np.arange(12) % 2
    data = ClassifierData(images, labels, np.zeros((12, 64, 64), bool), np.zeros(12, bool), 64)
    fit_recipe = FitRecipe(epochs=1, batch_size=4, learning_rate=0.1, head_only_epochs=1)
    network = NetworkRecipe("small_cnn", {"widths": [8, 8, 8], "dropout": 0.5})
    recipe = dataclasses.replace(
        QUICK.classifier, network=network, fit=fit_recipe, augmentation=PLAIN, window_px=64, context=1.0
    )
    task = ClassifierTask(recipe, data, np.arange(8), np.arange(8, 12), 1, 2, 1)
    before = {name: value.clone() for name, value in task.network.named_parameters()}
    run_fit(task, data, fit_recipe, tmp_path)
    changed = {name for name, value in task.network.named_parameters() if not torch.equal(value, before[name])}
    assert changed
    assert all(name.startswith(("head", "region")) for name in changed)
    assert all(parameter.requires_grad for parameter in task.network.parameters())


def test_accumulation_steps_as_one_large_batch(tmp_path):
    """Six images in one batch, or twice three accumulated: one step each, the same weights."""
    networks = []
    for batch_size, accumulate in ((6, 1), (3, 2)):
        recipe = FitRecipe(epochs=1, batch_size=batch_size, accumulate=accumulate, learning_rate=0.01, amp=False)
        still = AugmentationRecipe(flip_probability=0.0, warp_probability=0.0)
        task, data = localizer_task(recipe, count=12, augmentation=still)
        task.network.eval()
        for module in task.network.modules():
            module.train = lambda mode=True, module=module: module  # batch statistics would differ by design
        networks.append(run_fit(task, data, recipe, tmp_path / str(batch_size)).network)
    for one, other in zip(networks[0].parameters(), networks[1].parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-7, rtol=1e-4)


@pytest.mark.parametrize(
    "network",
    [NetworkRecipe("small_cnn", {"widths": [8, 8]}), NetworkRecipe("small_cnn", {"depth": 3}), NetworkRecipe("x", {})],
)
def test_a_network_that_can_not_be_built_is_a_clear_error(network):
    data = ClassifierData(np.zeros((2, 8, 8), np.uint16), np.arange(2), np.zeros((2, 8, 8), bool), np.zeros(2, bool), 8)
    recipe = dataclasses.replace(QUICK.classifier, network=network)
    with pytest.raises(RecipeError, match=network.name):
        ClassifierTask(recipe, data, np.arange(2), np.arange(0), 1, 2, 1)


def test_out_of_memory_names_a_batch_that_fits():
    def step(size):
        if size > 3:
            raise RuntimeError(
                "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"
            )

    assert largest_fitting_batch(step, 16) == 2
    text = str(out_of_memory_error(CPU, 16, 2))
    assert "batch_size = 2" in text
    assert "accumulate = 8" in text


def test_real_memory_exhaustion_is_a_clear_error(tmp_path):
    recipe = dataclasses.replace(FIT, epochs=1)
    task, data = localizer_task(recipe)
    loss = task.loss

    def hungry(network, images, targets, mixed, share):
        if len(images) > 2:
            torch.empty(2**62, dtype=torch.uint8)
        return loss(network, images, targets, mixed, share)

    task.loss = hungry
    with pytest.raises(TrainingError, match=r"a batch_size of 1 fits"):
        run_fit(task, data, recipe, tmp_path)


def test_a_loss_that_is_not_finite_stops_with_advice(tmp_path):
    recipe = dataclasses.replace(FIT, optimizer="sgd", learning_rate=1e12, schedule="step", average_decay=0.0)
    with pytest.raises(TrainingError, match="learning rate"):
        fit(tmp_path, recipe)


@pytest.mark.parametrize("name", ["cuda:7", "gpu", "tpu"])
def test_a_missing_device_is_a_clear_error(name):
    with pytest.raises(TrainingError, match=name):
        choose_device(name)
    assert choose_device("cpu") == CPU
    assert choose_device("auto").type in ("cpu", "cuda", "mps")
