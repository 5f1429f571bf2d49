import multiprocessing
import os
import signal
import time

import numpy as np
import pytest

from fractureai.errors import RadiographError
from fractureai.training.cache import CacheItem, fill_cache


def items(count, made, content="a"):
    def item(index):
        def make():
            made.append(index)
            return np.full((8, 8), index / count, np.float32), (80, 90, 0.1, 0.2 + index)

        return CacheItem(str(index), f"{content}{index}", make)

    return [item(index) for index in range(count)]


def test_images_are_made_once_and_read_back(tmp_path):
    made = []
    first = fill_cache(tmp_path, "c", items(5, made), 8)
    again = fill_cache(tmp_path, "c", items(5, made), 8)
    assert sorted(made) == list(range(5))
    assert again.key == first.key
    assert again.ids == tuple("01234")
    assert again.images[:, 0, 0] == pytest.approx(np.arange(5) / 5 * 65535, abs=0.5)
    assert again.facts[:, 3] == pytest.approx(0.2 + np.arange(5))


@pytest.mark.parametrize("change", ["content", "size", "more"])
def test_a_stale_cache_is_made_anew(tmp_path, change):
    made = []
    first = fill_cache(tmp_path, "c", items(4, made), 8)
    made.clear()
    if change == "content":
        second = fill_cache(tmp_path, "c", items(4, made, content="b"), 8)
    elif change == "size":
        with pytest.raises(ValueError, match="broadcast"):  # these items make 8 x 8 images only
            fill_cache(tmp_path, "c", items(4, made), 16)
        return
    else:
        second = fill_cache(tmp_path, "c", items(5, made), 8)
    assert second.key != first.key
    assert len(made) == len(second.ids)


def test_a_bad_image_is_left_out_reported_and_tried_again(tmp_path):
    def broken():
        raise RadiographError("x.dcm", "it is cut off")

    made = []
    mixed = [*items(2, made), CacheItem("bad", "bad", broken)]
    cache = fill_cache(tmp_path, "c", mixed, 8)
    assert cache.ids == ("0", "1")
    assert len(cache.images) == 2
    assert [str(problem) for problem in cache.problems] == ["x.dcm: it is cut off."]
    mended = [*mixed[:2], CacheItem("bad", "bad", lambda: (np.ones((8, 8), np.float32), (1, 1, 1, 1)))]
    assert fill_cache(tmp_path, "c", mended, 8).ids == ("0", "1", "bad")
    assert sorted(made) == [0, 1]


def _slow_fill(folder):
    def item(index):
        def make():
            time.sleep(0.02)
            return np.full((8, 8), index / 100, np.float32), (1.0, 1.0, 1.0, float(index))

        return CacheItem(str(index), str(index), make)

    fill_cache(folder, "c", [item(index) for index in range(100)], 8, workers=2)


def test_a_killed_fill_goes_on_where_it_stopped(tmp_path):
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_slow_fill, args=(tmp_path,))
    process.start()
    state = tmp_path / "c.state"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and (not state.is_file() or sum(state.read_bytes()) < 20):
        process.join(0.01)
    os.kill(process.pid, getattr(signal, "SIGKILL", signal.SIGTERM))
    process.join()
    before = sum(state.read_bytes())
    assert 20 <= before < 100
    made = []

    def item(index):
        def make():
            made.append(index)
            return np.full((8, 8), index / 100, np.float32), (1.0, 1.0, 1.0, float(index))

        return CacheItem(str(index), str(index), make)

    cache = fill_cache(tmp_path, "c", [item(index) for index in range(100)], 8)
    assert len(made) == 100 - before
    assert cache.images[:, 3, 3] == pytest.approx(np.arange(100) / 100 * 65535, abs=0.5)
    assert cache.facts[:, 3] == pytest.approx(np.arange(100))
