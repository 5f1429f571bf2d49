"""Batches from memory and batches that a thread fetched ahead."""

import threading

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fractureai.training import feed as feed_module
from fractureai.training.feed import AHEAD, Feed, images_of, in_batches, to_numpy

CPU = torch.device("cpu")
META = torch.device("meta")


@given(hnp.arrays(np.uint16, (5, 3, 3)), st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=4), max_size=9))
@settings(max_examples=60, deadline=None)
def test_both_ways_give_what_numpy_gives(images, batches):
    arrays = {"images": images, "labels": np.arange(5), "masks": images > 9, "points": images[:, 0] / 7}
    indices = [np.array(batch) for batch in batches]
    for resident in (True, False):
        found = list(Feed(arrays, CPU, resident=resident).batches(indices))
        assert len(found) == len(indices)
        for rows, chosen in zip(found, indices, strict=True):
            assert np.array_equal(
                images_of(rows["images"])[:, 0].numpy(), np.float32(images[chosen]) / np.float32(65535)
            )
            assert np.array_equal(rows["labels"].numpy(), chosen)
            assert np.array_equal(rows["masks"].numpy(), images[chosen] > 9)
            assert rows["points"].dtype == torch.float32
            assert np.allclose(rows["points"].numpy(), images[chosen, 0] / 7, rtol=1e-6)


def test_images_in_a_memory_mapped_file_are_not_copied(tmp_path):
    """The cache of a large collection need not fit into memory."""
    file = np.memmap(tmp_path / "x.u16", np.uint16, "w+", shape=(4, 8, 8))
    feed = Feed({"images": file}, CPU)
    file[2] = 65535
    (rows,) = feed.batches([np.array([2])])
    assert images_of(rows["images"]).min() == 1


@pytest.mark.parametrize(("free", "resident"), [(1000, True), (999, False)])
def test_on_a_gpu_data_are_resident_where_half_of_the_free_memory_holds_them(monkeypatch, free, resident):
    monkeypatch.setattr(feed_module, "free_bytes", lambda device: free)
    assert Feed({"images": np.zeros((10, 5, 5), np.uint16)}, META).resident is resident


def test_fetching_stays_a_few_batches_ahead_and_ends_with_its_reader(monkeypatch):
    asked = []
    fetch = Feed._fetch
    monkeypatch.setattr(Feed, "_fetch", lambda self, indices: asked.append(int(indices[0])) or fetch(self, indices))
    feed = Feed({"x": np.arange(100)}, CPU, resident=False)
    batches = feed.batches(in_batches(np.arange(100), 1))
    assert int(next(batches)["x"]) == 0
    batches.close()
    assert asked == list(range(AHEAD + 1))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("fractureai-feed")]


def test_an_error_while_fetching_reaches_the_reader():
    with pytest.raises((IndexError, RuntimeError), match=r"[Ii]ndex"):
        list(Feed({"x": np.arange(3)}, CPU, resident=False).batches([np.array([7])]))


def test_results_of_no_batch_are_no_rows():
    assert to_numpy([]).shape == (0,)
    assert to_numpy([torch.ones(2, 3), torch.zeros(1, 3)]).tolist() == [[1, 1, 1], [1, 1, 1], [0, 0, 0]]
