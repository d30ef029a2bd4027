"""Refresh what is due when somebody asks: scrapes start it, join it, and never wait longer than they have time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from exporter.cells import Cell
from exporter.clock import Clock
from exporter.config.sections import Refresh
from exporter.errors import ApiError
from exporter.log import Log
from exporter.model import CellKey
from exporter.store import Store
from exporter.tracker import Connect, Tracker


class Refresher:
    """Keeps one refresh going for each cell at most; its snapshots go to the store."""

    def __init__(
        self, cells: Sequence[Cell], connect: Connect, store: Store, settings: Refresh, clock: Clock, log: Log
    ) -> None:
        self._cells = tuple(cells)
        self._connect = connect
        self._store = store
        self._settings = settings
        self._clock = clock
        self._log = log
        self._trackers = {cell.key: Tracker(cell, settings, clock, self._reporter(cell)) for cell in cells}
        self._stopped = False
        self._started: dict[CellKey, float] = {}
        self._running: dict[CellKey, asyncio.Task[None]] = {}

    async def refresh(self, patience: float | None = None) -> None:
        """Start a refresh of every cell that is due, and return when all are done or after ``patience`` seconds.

        Without it the configured deadline holds. Whatever is not done by then goes on.
        """
        for cell in self._cells:
            if self._is_due(cell.key):
                self._start(cell)
        if self._running:
            waiting = self._settings.deadline if patience is None else patience
            await asyncio.wait(self._running.values(), timeout=waiting)
        for key in self._running:
            self._store.put(self._trackers[key].snapshot())

    def stop(self) -> None:
        """Start nothing more, and end what is under way."""
        self._stopped = True
        for task in self._running.values():
            task.cancel()

    def _is_due(self, key: CellKey) -> bool:
        started = self._started.get(key)
        fresh = started is not None and self._clock.monotonic() - started < self._settings.min_age
        return not (self._stopped or fresh or key in self._running)

    def _start(self, cell: Cell) -> None:
        self._started[cell.key] = self._clock.monotonic()
        self._running[cell.key] = asyncio.create_task(self._refresh(cell))

    async def _refresh(self, cell: Cell) -> None:
        tracker = self._trackers[cell.key]
        try:
            await tracker.refresh(self._connect)
        finally:
            del self._running[cell.key]
            self._store.put(tracker.snapshot())

    def _reporter(self, cell: Cell) -> Callable[[ApiError, str], None]:
        facts: dict[str, Any] = {"account": cell.account.name, "region": cell.region, "kind": cell.kind.name}

        def report(error: ApiError, what: str) -> None:
            self._log.warning("call failed", **facts, what=what, reason=error.reason.value, detail=error.detail)

        return report
