"""A clock that tests move by hand."""

import asyncio
import time
from dataclasses import dataclass, field

from exporter.core.clock import Clock


@dataclass
class ManualClock:
    """A source of Unix and monotonic seconds. Sleeping moves it at once and yields to other tasks.

    It starts at the real time, because botocore compares the end of credentials with the real time.
    """

    at: float = field(default_factory=time.time)
    jumped: float = 0.0
    slept: list[float] = field(default_factory=list)

    def jump(self, seconds: float) -> None:
        """Move the wall clock only, not the monotonic seconds."""
        self.jumped += seconds

    def advance(self, seconds: float) -> None:
        """Move the clock forward."""
        self.at += seconds

    async def sleep(self, seconds: float) -> None:
        """Move the clock forward instead of waiting."""
        self.slept.append(seconds)
        self.advance(seconds)
        await asyncio.sleep(0)

    def clock(self) -> Clock:
        """Return the exporter's interface to this clock."""
        return Clock(now=lambda: self.at + self.jumped, monotonic=lambda: self.at, sleep=self.sleep)
