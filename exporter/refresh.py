"""Refresh what is due when somebody asks: scrapes start it, join it, and never wait longer than they have time."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from exporter.cells import Cell
from exporter.clock import Clock
from exporter.config.sections import Refresh
from exporter.errors import ApiError
from exporter.log import Log
from exporter.model import CellKey
from exporter.store import Store
from exporter.support import ASK_AGAIN_SECONDS as SUPPORT_SECONDS
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
        self._neighbours = _neighbours(cells)
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
        waiting = self._settings.deadline if patience is None else patience
        if self._running:
            await asyncio.wait(self._running.values(), timeout=waiting)
        for key in self._running:
            self._store.put(self._trackers[key].snapshot())
        # Who does not wait gives nobody the time to fail as a neighbour did.
        if waiting or not self._running:
            self._judge_support()

    def stop(self) -> None:
        """Start nothing more, and end what is under way."""
        self._stopped = True
        for task in self._running.values():
            task.cancel()

    def _is_due(self, key: CellKey) -> bool:
        started = self._started.get(key)
        min_age = SUPPORT_SECONDS if self._trackers[key].support.is_ended else self._settings.min_age
        fresh = started is not None and self._clock.monotonic() - started < min_age
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

    def _judge_support(self) -> None:
        """A kind whose support has ended is judged beside the others of its scope, when all have had their time."""
        for key, neighbours in self._neighbours.items():
            tracker = self._trackers[key]
            if tracker.support.judge(self._store.get(one) for one in neighbours):
                self._store.put(tracker.snapshot())
                facts = {"account": key.account, "region": key.region, "kind": key.kind}
                self._log.info("support by AWS", ended=tracker.support.is_ended, **facts)

    def _reporter(self, cell: Cell) -> Callable[[ApiError, str], None]:
        facts: dict[str, Any] = {"account": cell.account.name, "region": cell.region, "kind": cell.kind.name}

        def report(error: ApiError, what: str) -> None:
            self._log.warning("call failed", **facts, what=what, reason=error.reason.value, detail=error.detail)

        return report


def _neighbours(cells: Sequence[Cell]) -> dict[CellKey, tuple[CellKey, ...]]:
    """Return, for each cell whose kind's support has ended, the other cells of its scope."""
    scopes: dict[tuple[str, str], list[CellKey]] = defaultdict(list)
    for cell in cells:
        scopes[cell.key.account, cell.key.region].append(cell.key)
    ended = (cell.key for cell in cells if cell.kind.support_ended)
    return {key: tuple(one for one in scopes[key.account, key.region] if one != key) for key in ended}
