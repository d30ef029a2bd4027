"""When each cell is due: a request must not look at tens of thousands of cells to find the few that are due."""

import heapq
from collections.abc import Mapping

from exporter.core.model import CellKey


class Timetable:
    """The time at which each cell is due, in monotonic seconds. A cell that was taken has no time until it is set.

    Of cells with the same time, the one that is first in ``times`` is taken first.
    """

    def __init__(self, times: Mapping[CellKey, float]) -> None:
        self._times = dict(times)
        self._keys = list(times)
        self._positions = {key: position for position, key in enumerate(times)}
        # An entry whose time is no longer that of its cell stays in the heap, and is ignored later.
        self._heap = [(time, position) for position, time in enumerate(times.values())]
        heapq.heapify(self._heap)

    def set(self, key: CellKey, time: float) -> None:
        """Set the time at which a cell is due."""
        if self._times.get(key) != time:
            self._times[key] = time
            heapq.heappush(self._heap, (time, self._positions[key]))

    def take_due(self, now: float) -> list[CellKey]:
        """Return the cells that are due, the one that is due for the longest time first, and remove their times."""
        due = []
        while self._heap and self._heap[0][0] <= now:
            time, position = heapq.heappop(self._heap)
            key = self._keys[position]
            if self._times.get(key) == time:
                del self._times[key]
                due.append(key)
        return due
