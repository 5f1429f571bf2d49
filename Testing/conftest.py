"""What all tests share."""

from __future__ import annotations

import signal

import pytest


def pytest_configure() -> None:
    """Let Ctrl-C reach the processes that tests start, also where these tests run in the background (POSIX shells)."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run what is fast first: a mistake shows within a minute."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)
