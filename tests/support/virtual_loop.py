"""An event loop whose time stands still while there is anything to do, and then jumps to whatever comes next."""

from __future__ import annotations

import asyncio
import selectors
import threading
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

from anyio import CapacityLimiter
from anyio.to_thread import current_default_thread_limiter

from exporter.core.clock import Clock
from exporter.core.thread import NAME

T = TypeVar("T")

# Virtual seconds in which everything is done that waits for no time to pass.
INSTANT = 0.001
# Real seconds after which a thread that an application waits for will never come back.
STUCK = 60.0
# How often is looked for it in that time: nothing tells that a thread has ended.
LOOKS = 6000
# When the virtual time begins, in Unix seconds: after AWS ended its support of Greengrass V1.
TODAY = 1_795_000_000.0


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs on its own time. Real time passes only while threads work that the application has asked something."""

    def __init__(self) -> None:
        self.at = 0.0
        self.faults: list[str] = []
        super().__init__(_Selector(self))
        self.threads = self.run_until_complete(_limiter())
        self.set_exception_handler(self._note)

    def time(self) -> float:
        """Return the virtual seconds since the loop was made."""
        return self.at

    def clock(self) -> Clock:
        """Return the clock to pass in."""
        return Clock(now=lambda: TODAY + self.at, monotonic=self.time, sleep=asyncio.sleep)

    def pass_time(self, seconds: float) -> None:
        """Let virtual time pass, and everything happen that is due meanwhile."""
        self.run_until_complete(asyncio.sleep(seconds))

    def settle(self) -> None:
        """Let everything happen that waits for no time to pass."""
        self.pass_time(INSTANT)

    def result(self, doing: Coroutine[Any, Any, T]) -> T:
        """Return what a coroutine gives, however long it takes."""
        return self.run_until_complete(doing)

    def _note(self, loop: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
        self.faults.append(f"{context.get('message')}: {context.get('exception')!r}")


async def _limiter() -> CapacityLimiter:
    return current_default_thread_limiter()


class _Selector(selectors.SelectSelector):
    """Waits for threads in real time, and for everything else by moving the virtual time."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0:
            return super().select(0)
        threads: CapacityLimiter | None = getattr(self._loop, "threads", None)
        if threads is not None and threads.borrowed_tokens:
            found = super().select(STUCK)
            assert found, "a thread never came back"
            return found
        if found := self._of_threads():
            return found
        assert timeout is not None, "nothing will ever happen again"
        self._loop.at += timeout
        return super().select(0)

    def _of_threads(self) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what threads of the application tell, nothing if there are none: they end when they have told."""
        for _ in range(LOOKS):
            is_over = all(thread.name != NAME for thread in threading.enumerate())
            found = super().select(0 if is_over else STUCK / LOOKS)
            if found or is_over:
                return found
        raise AssertionError("a thread never came back")
