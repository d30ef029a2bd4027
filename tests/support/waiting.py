"""Waits for other processes and threads. The tests never judge how long that takes."""

import threading
from collections.abc import Callable
from typing import TypeVar

from exporter.core.thread import THREAD_NAME

T = TypeVar("T")

# Long enough for a machine that leaves little time to the tests. Only a test that fails waits so long.
TIMEOUT_SECONDS = 180.0
PAUSE = 0.1


def wait_until(
    found: Callable[[], T | None], subject: str, pause: float = PAUSE, timeout: float = TIMEOUT_SECONDS
) -> T:
    """Return the first result that is not None. Fail the test after ``timeout`` seconds."""
    never = threading.Event()
    for _ in range(int(timeout / pause)):
        value = found()
        if value is not None:
            return value
        never.wait(pause)
    raise AssertionError(f"timed out waiting for {subject}")


def wait_for_calls() -> None:
    """Wait for the end of all calls in threads.

    A call that retries uses the module random. Meanwhile, a test of hypothesis in the same process fails.
    """
    wait_until(lambda: all(thread.name != THREAD_NAME for thread in threading.enumerate()) or None, "the last call")
