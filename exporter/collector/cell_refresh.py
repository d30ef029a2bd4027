"""One cell at work: its tracker, and the refresh that is under way, if one is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from exporter.collector.cell_refresher import Connect, Tracker
from exporter.collector.cells import Cell
from exporter.config.sections import Refresh
from exporter.core.model import Snapshot

Publish = Callable[[Snapshot], None]


class CellRefresh:
    """Refreshes one cell, once at a time. It outlives a configuration that leaves its cell as it was.

    ``started`` is in monotonic seconds, ``publish`` gets each new snapshot.
    """

    def __init__(self, tracker: Tracker, publish: Publish) -> None:
        self.tracker = tracker
        self.publish = publish
        self.started: float | None = None
        self.task: asyncio.Task[None] | None = None

    def start(self, connect: Connect, now: float) -> None:
        """Begin a refresh."""
        self.started = now
        self.task = asyncio.create_task(self._refresh(connect))

    def go_on(self, cell: Cell, settings: Refresh, publish: Publish) -> None:
        """Serve the next configuration, in which the cell is read as it was; a refresh that is under way goes on."""
        self.tracker.cell, self.tracker.settings, self.publish = cell, settings, publish

    def show(self) -> None:
        """Publish what is known now."""
        self.publish(self.tracker.snapshot())

    def end(self) -> None:
        """Cancel what is under way, and publish nothing more."""
        self.publish = _nowhere
        if self.task:
            self.task.cancel()

    async def _refresh(self, connect: Connect) -> None:
        try:
            await self.tracker.refresh(connect)
        finally:
            self.task = None
            self.show()


def _nowhere(snapshot: Snapshot) -> None:
    """Drop a snapshot of a cell that is no more."""
