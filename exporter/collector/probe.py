"""Read one operation on demand, as a cell reads it and within the same budgets."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from exporter.collector.cell_log import CellLog
from exporter.collector.cell_refresher import CellRefresher
from exporter.collector.cell_state import initial
from exporter.collector.cells import Cell
from exporter.collector.failure_reader import STOPPED
from exporter.collector.low_priority import LowestPriorityApi
from exporter.collector.operation_reader import CellApi, Connect
from exporter.config.sections import Refresh
from exporter.core.clock import Clock
from exporter.core.errors import ExporterError, Reason
from exporter.core.log import Log, shortened
from exporter.core.model import CellKey, Failure, Snapshot
from exporter.metrics.families import Table

# Operations that are read at the same time.
MAX_AT_ONCE = 64
# Operations whose last reading is kept.
MAX_KEPT = 1000


class UnavailableError(ExporterError):
    """The operation is not read now, but a later probe can read it."""


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """The result of a probe. ``duration`` is that of the refresh in seconds, or how long the probe waited for it."""

    snapshot: Snapshot
    duration: float


@dataclass(slots=True)
class Prober:
    """Reads operations on demand, each at most once in ``min_age`` for any number of requests.

    ``target`` returns the cell of a kind, ids, a Region and an account. It raises QueryError.
    """

    target: Callable[[str, Sequence[str], str, str], Cell]
    tables: Mapping[str, Table]
    connect: Connect
    settings: Refresh
    clock: Clock
    log: Log
    _kept: OrderedDict[tuple[CellKey, str], CellRefresher] = field(default_factory=OrderedDict, init=False)
    _is_stopped: bool = field(default=False, init=False)

    async def probe(self, cell: Cell, max_wait: float | None) -> ProbeResult:
        """Return what is known of the only operation of a cell, after at most ``max_wait`` seconds.

        The default is the configured deadline. A refresh that is not done by then continues for the next probe.
        Raises UnavailableError if too many operations are being read, or if the prober is stopped.
        """
        if self._is_stopped:
            raise UnavailableError(STOPPED)
        started = self.clock.monotonic()
        refresher = self._refresher(cell)
        if task := refresher.task:
            await asyncio.wait([task], timeout=self.settings.deadline if max_wait is None else max_wait)
            if task.cancelled():
                raise UnavailableError(STOPPED)
        snapshot = refresher.snapshot()
        # An id that AWS does not know is no failure of a cell, but a probe of it cannot succeed.
        for id in snapshot.unknown_ids:
            snapshot = _with_failure(snapshot, Failure(Reason.NOT_FOUND, detail=f"AWS does not know {shortened(id)}"))
        if refresher.task:
            running = "the refresh is still running; the next probe gets its result"
            snapshot = _with_failure(snapshot, Failure(Reason.TIMEOUT, detail=running))
            return ProbeResult(snapshot, self.clock.monotonic() - started)
        return ProbeResult(snapshot, snapshot.duration or 0.0)

    def stop(self) -> None:
        """Cancel the refreshes under way, and start no more. Those of every earlier configuration would add up."""
        self._is_stopped = True
        for refresher in self._kept.values():
            refresher.cancel()

    def _refresher(self, cell: Cell) -> CellRefresher:
        key = (cell.key, cell.watch.ids[0])
        refresher = self._kept.get(key)
        if refresher and (refresher.task or refresher.is_younger_than(self.settings.min_age)):
            return refresher
        if sum(kept.task is not None for kept in self._kept.values()) >= MAX_AT_ONCE:
            raise UnavailableError(f"{MAX_AT_ONCE} operations are being read already; try again later")
        # A refresher waits some minutes before it requests an unknown id again, but a probe must request it now.
        if refresher is None or refresher.snapshot().unknown_ids:
            log = CellLog(cell.key, self.log.debug, self.log.debug, "probe failed", has_account_failures=True)
            refresher = CellRefresher(cell, initial(cell, self.clock), self.settings, self.clock, log)
        self._keep(key, refresher)
        refresher.start(self._connect_with_lowest_priority)
        return refresher

    def _keep(self, key: tuple[CellKey, str], refresher: CellRefresher) -> None:
        self._kept[key] = refresher
        self._kept.move_to_end(key)
        if len(self._kept) > MAX_KEPT:
            del self._kept[next(oldest for oldest, kept in self._kept.items() if kept.task is None)]

    async def _connect_with_lowest_priority(self, cell: Cell) -> CellApi:
        return LowestPriorityApi(await self.connect(cell))


def _with_failure(snapshot: Snapshot, failure: Failure) -> Snapshot:
    """Return a snapshot with a further failure, which replaces one of the same reason."""
    failures = (*snapshot.failures, failure)
    return replace(snapshot, reasons=snapshot.reasons | {failure.reason}, failures=failures)
