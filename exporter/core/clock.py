"""The clock, passed to everything that waits or needs the time, so that tests do not have to wait; times as text."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

# A monotonic time before every other one.
NEVER = -math.inf


@dataclass(frozen=True, slots=True)
class Clock:
    """Unix seconds for displayed times, monotonic seconds for durations, and a function that waits."""

    now: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


def rfc3339(time: datetime, timespec: str = "seconds") -> str:
    """Return a time as RFC 3339 in UTC. ``timespec`` is the unit of its last digit."""
    return time.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")
