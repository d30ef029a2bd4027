"""A clock that moves when a test says so, or when somebody would have slept."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from exporter.core.clock import Clock


@dataclass
class ManualClock:
    """Unix and monotonic seconds from one counter; sleeping moves it and gives way to other tasks.

    It starts today, since botocore compares when credentials end to the real date.
    """

    at: float = field(default_factory=time.time)
    jumped: float = 0.0
    slept: list[float] = field(default_factory=list)

    def jump(self, seconds: float) -> None:
        """Set the wall clock to another time; monotonic seconds do not notice."""
        self.jumped += seconds

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.at += seconds

    async def sleep(self, seconds: float) -> None:
        """Let the time pass that somebody waits for."""
        self.slept.append(seconds)
        self.advance(seconds)
        await asyncio.sleep(0)

    def clock(self) -> Clock:
        """Return the clock to pass in."""
        return Clock(now=lambda: self.at + self.jumped, monotonic=lambda: self.at, sleep=self.sleep)
