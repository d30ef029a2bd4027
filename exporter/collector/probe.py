"""One operation on demand: read as a cell reads it, within the same budgets, for whoever asks at the same time."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from exporter.collector.cell_refresh import CellRefresh
from exporter.collector.cell_refresher import Connect, Report, ScopeApi, Tracker
from exporter.collector.cells import Cell
from exporter.collector.result import NEVER
from exporter.collector.targets import TargetResolver
from exporter.config.sections import Refresh
from exporter.core.clock import Clock
from exporter.core.errors import ApiError, ExporterError, Reason
from exporter.core.log import Log
from exporter.core.model import CellKey, Scope, Snapshot
from exporter.kinds.kind import Api, ApiCall
from exporter.kinds.response import Answer
from exporter.metrics.families import Table

MOST_AT_ONCE = 64
"""Operations that are read at the same time."""
MOST_KEPT = 1000
"""Operations whose last reading is kept."""
LAST = 2
"""The first part of the priority of calls: behind all calls of the cells."""


class BusyError(ExporterError):
    """So many operations are being read that another one has to wait."""


@dataclass(frozen=True, slots=True)
class Probed:
    """What a probe found; ``duration`` are the seconds of the pass through AWS that it stands for."""

    snapshot: Snapshot
    reasons: frozenset[Reason]
    duration: float


class Prober:
    """Reads operations that somebody asks for, each at most once in ``min_age`` however many ask."""

    def __init__(
        self,
        scopes: TargetResolver,
        tables: Mapping[str, Table],
        connect: Connect,
        settings: Refresh,
        clock: Clock,
        log: Log,
    ) -> None:
        self.scopes = scopes
        self.tables = tables
        self._connect = connect
        self._settings = settings
        self._clock = clock
        self._log = log
        self._kept: OrderedDict[tuple[CellKey, str], CellRefresh] = OrderedDict()

    async def probe(self, cell: Cell, patience: float | None) -> Probed:
        """Return what is known of a cell's one operation, after ``patience`` seconds at the most.

        Without it the configured deadline holds. What is not read by then goes on, for the next one who asks.
        Raises BusyError.
        """
        since = self._clock.monotonic()
        one = self._begun(cell)
        if one.task:
            await asyncio.wait([one.task], timeout=self._settings.deadline if patience is None else patience)
        snapshot = one.tracker.snapshot()
        if one.task:
            return Probed(snapshot, snapshot.reasons | {Reason.TIMEOUT}, self._clock.monotonic() - since)
        return Probed(snapshot, snapshot.reasons, snapshot.duration or 0.0)

    def _begun(self, cell: Cell) -> CellRefresh:
        """Return the operation with what was read of it, or being read if that is older than ``min_age``."""
        key, now = (cell.key, cell.watch.ids[0]), self._clock.monotonic()
        one = self._kept.get(key)
        if one and (one.task or (one.started is not None and now - one.started < self._settings.min_age)):
            return one
        if sum(other.task is not None for other in self._kept.values()) >= MOST_AT_ONCE:
            raise BusyError(f"{MOST_AT_ONCE} operations are being read already")
        # A cell asks for an unknown id again after an hour; here somebody asks for it now.
        if one is None or Reason.NOT_FOUND in one.tracker.snapshot().reasons:
            one = CellRefresh(Tracker(cell, self._settings, self._clock, self._reporter(cell)), _keep_to_itself)
        self._keep(key, one)
        one.start(self._connect_last, now)
        return one

    def _keep(self, key: tuple[CellKey, str], one: CellRefresh) -> None:
        self._kept[key] = one
        self._kept.move_to_end(key)
        if len(self._kept) > MOST_KEPT:
            del self._kept[next(oldest for oldest, other in self._kept.items() if other.task is None)]

    async def _connect_last(self, cell: Cell) -> ScopeApi:
        return _LastInLine(await self._connect(cell))

    def _reporter(self, cell: Cell) -> Report:
        def report(error: ApiError, what: str) -> None:
            self._log.debug(
                "probe failed", **asdict(cell.key), what=what, reason=error.reason.value, detail=error.detail
            )

        return report


def _keep_to_itself(snapshot: Snapshot) -> None:
    """Publish nothing: a probe is no cell."""


class _LastInLine:
    """A scope's API whose calls wait behind those of all cells: who probes cannot starve what is watched.

    It shares no question with a cell, which would wait as long as a probe does for the answer.
    """

    def __init__(self, api: ScopeApi, since: float = NEVER) -> None:
        self._api = api
        self._since = since
        self.scope: Scope = api.scope

    def urgent(self, priority: tuple[int, float]) -> _LastInLine:
        """Return the same scope for calls that wait longer than any cell's."""
        return _LastInLine(self._api, priority[1])

    async def call(self, call: ApiCall, **parameters: Any) -> Answer:
        """Return the answer to one call. Raises ApiError."""
        return await self._last().call(replace(call, shared=False), **parameters)

    def pages(self, call: ApiCall, **parameters: Any) -> AsyncIterator[Answer]:
        """Give a list's pages. Raises ApiError."""
        return self._last().pages(call, **parameters)

    def _last(self) -> Api:
        return self._api.urgent((LAST, self._since))
