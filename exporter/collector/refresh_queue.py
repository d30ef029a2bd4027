"""The cells that wait for a refresh, and the number of refreshes that run at the same time."""

import asyncio
from collections.abc import Iterable

from exporter.collector.cell_refresher import CellRefresher
from exporter.collector.operation_reader import Connect

# Refreshes that run at the same time. Each of them needs threads and memory.
REFRESHES_AT_ONCE = 128
# A refresh that takes longer waits for AWS. It no longer counts, so that cells that hang delay no others.
SLOW_SECONDS = 2.0


class RefreshQueue:
    """Starts refreshes in the order in which they arrive, and limits how many run at the same time.

    A cell that waits has no task, because tens of thousands of cells are due after a pause of the scrapes. ``connect``
    returns the API of a cell. The refreshes ``under_way`` continue from the last configuration, and count too.
    """

    def __init__(
        self,
        connect: Connect,
        under_way: Iterable[CellRefresher] = (),
        limit: int = REFRESHES_AT_ONCE,
        slow_seconds: float = SLOW_SECONDS,
    ) -> None:
        self._connect = connect
        self._limit = limit
        self._slow_seconds = slow_seconds
        # The values are the times of arrival, in monotonic seconds. A dictionary keeps the order.
        self._waiting: dict[CellRefresher, float] = {}
        self._counted: dict[CellRefresher, asyncio.TimerHandle] = {}
        for refresher in under_way:
            self._count(refresher)

    def add(self, refresher: CellRefresher) -> None:
        """Start a refresh, at once or in its turn."""
        self._waiting[refresher] = refresher.clock.monotonic()
        self._start_next()

    def since(self, refresher: CellRefresher) -> float:
        """Return the monotonic seconds at which a refresh has started, or since which it waits."""
        return self._waiting.get(refresher, refresher.started or 0.0)

    def leave(self, refresher: CellRefresher) -> None:
        """Start the next refresh in the place of one that has ended or is slow."""
        timer = self._counted.pop(refresher, None)
        if timer:
            timer.cancel()
            self._start_next()

    def clear(self) -> None:
        """Start no further refresh."""
        self._waiting.clear()
        for timer in self._counted.values():
            timer.cancel()

    def _start_next(self) -> None:
        while self._waiting and len(self._counted) < self._limit:
            refresher = next(iter(self._waiting))
            del self._waiting[refresher]
            refresher.start(self._connect)
            self._count(refresher)

    def _count(self, refresher: CellRefresher) -> None:
        """Count a refresh that has started, until it ends or is slow."""
        slow_at = (refresher.started or 0.0) + self._slow_seconds
        seconds = slow_at - refresher.clock.monotonic()
        if seconds > 0:
            self._counted[refresher] = asyncio.get_running_loop().call_later(seconds, self.leave, refresher)
