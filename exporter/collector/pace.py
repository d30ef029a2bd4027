"""The time between two refreshes of a cell. An idle cell, and one that AWS refuses, is refreshed ever more rarely."""

import zlib
from dataclasses import dataclass

from exporter.collector.cells import Cell
from exporter.config.sections import Refresh

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
    return max(shortest, doubled(shortest, number - 1, longest))


def doubled(seconds: float, times: int, longest: float) -> float:
    """Return a time that was doubled so many times, at most the longest one."""
    return min(longest, seconds * 2.0 ** min(times, MAX_DOUBLINGS))
