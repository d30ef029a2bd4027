"""Refresh what is due when somebody asks: scrapes start it, join it, and never wait longer than they have time."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from exporter.collector.cache import CellCache
from exporter.collector.cell_refresh import CellRefresh
from exporter.collector.cell_refresher import Connect, Report, Tracker
from exporter.collector.cell_state import carry_over, initial
from exporter.collector.cells import Cell
from exporter.collector.end_of_support import ASK_AGAIN_SECONDS as SUPPORT_SECONDS
from exporter.config.sections import Refresh
from exporter.core.clock import Clock
from exporter.core.errors import ApiError
from exporter.core.log import Log
from exporter.core.model import CellKey
from exporter.core.store import Store


class RefreshScheduler:
    """Keeps one refresh going for each cell at most; its snapshots go to the store.

    ``before`` is the refresher of the configuration before: it ends, and what goes on in its cells goes on here.
    ``saved`` makes that of each cell which outlives the process.
    """

    def __init__(
        self,
        cells: Sequence[Cell],
        connect: Connect,
        store: Store,
        settings: Refresh,
        clock: Clock,
        log: Log,
        before: RefreshScheduler | None = None,
        saved: CellCache = CellCache(),
    ) -> None:
        self._connect = connect
        self._store = store
        self._settings = settings
        self._clock = clock
        self._log = log
        self._saved = saved
        self._neighbours = _neighbours(cells)
        self._stopped = asyncio.Event()
        self._cells = {cell.key: self._begun(cell, before.at(cell.key) if before else None) for cell in cells}
        if before:
            before.stop(kept=frozenset(self._cells.values()))
        for one in self._cells.values():
            one.show()

    def at(self, key: CellKey) -> CellRefresh | None:
        """Return the refresh of a cell, None where there is no such cell."""
        return self._cells.get(key)

    async def refresh(self, patience: float | None = None) -> None:
        """Start a refresh of every cell that is due, and return when all are done or after ``patience`` seconds.

        Without it the configured deadline holds. Whatever is not done by then goes on.
        """
        for one in self._cells.values():
            if self._is_due(one):
                one.start(self._connect, self._clock.monotonic())
        waiting = self._settings.deadline if patience is None else patience
        await self._wait(waiting)
        if self._stopped.is_set():
            return
        running = [one for one in self._cells.values() if one.task]
        # What AWS has switched off is asked once an hour, and its rows grow stale in between.
        ended = [one for one in self._cells.values() if one.tracker.support.is_ended and not one.task]
        for one in (*running, *ended):
            one.show()
        # Who does not wait gives nobody the time to fail as a neighbour did.
        if waiting or not running:
            self._judge_support()

    def stop(self, kept: frozenset[CellRefresh] = frozenset()) -> None:
        """Start nothing more, keep nobody waiting, and end what is under way, save for what is kept by another."""
        self._stopped.set()
        for one in self._cells.values():
            if one not in kept:
                one.end()

    def _begun(self, cell: Cell, before: CellRefresh | None) -> CellRefresh:
        """Go on with a cell as it was, or begin with what is still true of it."""
        if before and before.tracker.cell.is_read_as(cell):
            before.go_on(cell, self._settings, self._store.put)
            return before
        if before:
            memory = carry_over(before.tracker.memory(), before.tracker.cell, cell, self._clock)
        else:
            memory = initial(cell, self._clock, self._saved.for_new_cell())
        tracker = Tracker(cell, self._settings, self._clock, self._reporter(cell), memory)
        return CellRefresh(tracker, self._store.put)

    def _is_due(self, one: CellRefresh) -> bool:
        min_age = SUPPORT_SECONDS if one.tracker.support.is_ended else self._settings.min_age
        fresh = one.started is not None and self._clock.monotonic() - one.started < min_age
        return not (self._stopped.is_set() or fresh or one.task)

    async def _wait(self, patience: float) -> None:
        tasks = [one.task for one in self._cells.values() if one.task]
        if not tasks:
            return
        stopped = asyncio.create_task(self._stopped.wait())
        done = asyncio.gather(*tasks, return_exceptions=True)
        either: set[asyncio.Future[Any]] = {stopped, done}
        try:
            await asyncio.wait(either, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()

    def _judge_support(self) -> None:
        """A kind whose support has ended is judged beside the others of its scope, when all have had their time."""
        for key, neighbours in self._neighbours.items():
            one = self._cells[key]
            if one.tracker.support.judge(self._store.get(neighbour) for neighbour in neighbours):
                one.show()
                self._log.info("support by AWS", ended=one.tracker.support.is_ended, **asdict(key))

    def _reporter(self, cell: Cell) -> Report:
        def report(error: ApiError, what: str) -> None:
            self._log.warning(
                "call failed", **asdict(cell.key), what=what, reason=error.reason.value, detail=error.detail
            )

        return report


def _neighbours(cells: Sequence[Cell]) -> dict[CellKey, tuple[CellKey, ...]]:
    """Return, for each cell whose kind's support has ended, the other cells of its scope."""
    scopes: dict[tuple[str, str], list[CellKey]] = defaultdict(list)
    for cell in cells:
        scopes[cell.key.account, cell.key.region].append(cell.key)
    ended = (cell.key for cell in cells if cell.kind.support_ended)
    return {key: tuple(one for one in scopes[key.account, key.region] if one != key) for key in ended}
