"""What all tests share."""

from __future__ import annotations

import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest


def pytest_configure() -> None:
    """Let Ctrl-C reach the processes that tests start, also where these tests run in the background (POSIX shells)."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run what is fast first: a mistake shows within a minute."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)


@pytest.fixture(scope="session")
def calibrated_demo(tmp_path_factory) -> Path:
    """A copy of the demo bundle, calibrated on figures drawn at random: its networks are real, its limits are not."""
    import numpy as np

    from fractureai.bundle import load_bundle
    from fractureai.bundle.load import resolve_bundle
    from fractureai.bundle.reliability import write_with_reliability
    from fractureai.reliability import SCORES, HeldOut, Reliability

    rng = np.random.default_rng(0)
    folder = Path(shutil.copytree(resolve_bundle("demo"), tmp_path_factory.mktemp("calibrated") / "demo"))
    labels = rng.random(200) < 0.5
    probabilities = np.clip(rng.normal(0.35 + 0.3 * labels, 0.2), 0, 1)
    scores = {key: rng.random(200) for key in SCORES}
    held_out = HeldOut(tuple(map(str, range(200))), labels, probabilities, probabilities >= 0.5, scores)
    reliability = Reliability.fit(held_out, {}, coverage=0.9)
    source = {"dataset": "drawn", "studies": 200, "positive": int(labels.sum()), "patients": 200, "wrong": 0}
    bundle = load_bundle(folder)
    spec = replace(bundle.spec, id="wrist-calibrated-1", title="Wrist, calibrated")
    table = {**reliability.to_json(), "source": source}
    return write_with_reliability(replace(bundle, spec=spec), table, reliability.to_arrays())
