"""Wait for another process to get there; how long it took is never judged."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

import pytest

T = TypeVar("T")

TIMEOUT_SECONDS = 60.0
PAUSE = 0.1


def wait_until(found: Callable[[], T | None], what: str, pause: float = PAUSE) -> T:
    """Return the first thing that is found; fail the test when nothing is after a minute."""
    never = threading.Event()
    for _ in range(int(TIMEOUT_SECONDS / pause)):
        value = found()
        if value is not None:
            return value
        never.wait(pause)
    pytest.fail(f"gave up waiting for {what}")
