"""The time between two refreshes of a cell, and the number of refreshes that run at the same time.

An idle cell, and a cell that AWS refuses, is refreshed ever more rarely.
"""

import asyncio
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from exporter.collector.cells import Cell
from exporter.config.sections import Refresh

# Refreshes that run at the same time. Each of them needs threads and memory.
REFRESHES_AT_ONCE = 128
# A refresh that takes longer waits for AWS. It no longer counts, so that cells that hang delay no others.
SLOW_SECONDS = 2.0
# Larger numbers of refreshes exceed every limit.
MAX_DOUBLINGS = 30


@dataclass(slots=True)
class Pace:
    """The number of consecutive refreshes that found the cell idle, and of those that AWS refused."""

    idle: int = 0
    refused: int = 0

    def note(self, is_idle: bool, is_refused: bool) -> None:
        """Note the result of a refresh."""
        self.idle = self.idle + 1 if is_idle else 0
        self.refused = self.refused + 1 if is_refused else 0

    def seconds(self, cell: Cell, settings: Refresh) -> float:
        """Return the time between the starts of the last refresh and of the next one."""
        if self.refused:
            return _interval(self.refused, cell, settings.min_age, settings.refused_max_age)
        if self.idle:
            return _interval(self.idle, cell, settings.min_age, settings.idle_seconds)
        return settings.min_age


def _interval(number: int, cell: Cell, shortest: float, longest: float) -> float:
    """Return an interval that doubles with each refresh.

    A found cell waits the longest time at once. Its first wait is a share of that, so that the refreshes of many cells
    are spread over the time.
    """
    if cell.found:
        share = zlib.crc32(f"{cell.key.account}/{cell.key.region}/{cell.key.kind}".encode()) / 2**32
        return max(shortest, longest * share if number == 1 else longest)
    return max(shortest, min(longest, shortest * 2.0 ** min(number - 1, MAX_DOUBLINGS)))


class Admission:
    """Limits how many refreshes run at the same time. They start in the order in which they arrive."""

    def __init__(self, limit: int = REFRESHES_AT_ONCE, slow_seconds: float = SLOW_SECONDS) -> None:
        self._places = asyncio.Semaphore(limit)
        self._slow_seconds = slow_seconds

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a place, which the block keeps until its end or until it is slow."""
        await self._places.acquire()
        place = _Place(self._places)
        timer = asyncio.get_running_loop().call_later(self._slow_seconds, place.leave)
        try:
            yield
        finally:
            timer.cancel()
            place.leave()


@dataclass(slots=True)
class _Place:
    """A place of a refresh, which is left once."""

    places: asyncio.Semaphore
    is_left: bool = False

    def leave(self) -> None:
        if not self.is_left:
            self.is_left = True
            self.places.release()
