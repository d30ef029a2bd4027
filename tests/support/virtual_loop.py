"""An event loop in virtual time, which jumps to the next timer when nothing is left to do."""

import asyncio
import selectors
import threading
from collections.abc import Mapping
from typing import Any

from anyio import CapacityLimiter
from anyio.to_thread import current_default_thread_limiter

from exporter.core.clock import Clock
from exporter.core.thread import THREAD_NAME

# Virtual seconds that suffice for everything that does not wait for time to pass.
INSTANT = 0.001
# Real seconds after which a thread counts as hung.
STUCK = 60.0
# The number of checks in that time. No event reports the end of a thread.
CHECKS = 6000
# The start of the virtual time in Unix seconds, later than AWS's end of support for Greengrass V1.
TODAY = 1_795_000_000.0


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop with its own time. Real time passes only while the application waits for threads."""

    def __init__(self) -> None:
        self.at = 0.0
        self.faults: list[str] = []
        # Calls that an earlier test has left to a server that hangs. This loop waits for its own ones only.
        self.earlier_calls = {thread for thread in threading.enumerate() if thread.name == THREAD_NAME}
        super().__init__(_Selector(self))
        self.threads = self.run_until_complete(_limiter())
        self.set_exception_handler(self._note)

    def time(self) -> float:
        """Return the virtual seconds since the loop was created."""
        return self.at

    def clock(self) -> Clock:
        """Return the exporter's interface to this clock."""
        return Clock(now=lambda: TODAY + self.at, monotonic=self.time, sleep=asyncio.sleep)

    def pass_time(self, seconds: float) -> None:
        """Run everything that is due in the next virtual seconds."""
        self.run_until_complete(asyncio.sleep(seconds))

    def settle(self) -> None:
        """Run everything that does not wait for time to pass."""
        self.pass_time(INSTANT)

    def _note(self, loop: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
        self.faults.append(f"{context.get('message')}: {context.get('exception')!r}")


async def _limiter() -> CapacityLimiter:
    return current_default_thread_limiter()


class _Selector(selectors.SelectSelector):
    """A selector that waits for threads in real time and for everything else in virtual time."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0:
            return super().select(0)
        threads: CapacityLimiter | None = getattr(self._loop, "threads", None)
        if threads is not None and threads.borrowed_tokens:
            found = super().select(STUCK)
            assert found, "a thread does not end"
            return found
        if found := self._of_threads():
            return found
        assert timeout is not None, "the loop waits without a timer"
        self._loop.at += timeout
        return super().select(0)

    def _of_threads(self) -> list[tuple[selectors.SelectorKey, int]]:
        """Return the events of the application's threads, or none if no thread runs. A thread ends with its event."""
        for _ in range(CHECKS):
            threads = set(threading.enumerate()) - self._loop.earlier_calls
            is_over = all(thread.name != THREAD_NAME for thread in threads)
            found = super().select(0 if is_over else STUCK / CHECKS)
            if found or is_over:
                return found
        raise AssertionError("a thread does not end")
