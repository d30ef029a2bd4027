"""Wait for another process to get there; how long it took is never judged."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

import pytest

T = TypeVar("T")

PATIENCE = 60.0
PAUSE = 0.1


def until(found: Callable[[], T | None], what: str) -> T:
    """Return the first thing that is found; fail the test when nothing is after a minute."""
    pause = threading.Event()
    for _ in range(int(PATIENCE / PAUSE)):
        value = found()
        if value is not None:
            return value
        pause.wait(PAUSE)
    pytest.fail(f"gave up waiting for {what}")
