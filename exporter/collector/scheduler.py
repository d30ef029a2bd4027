"""Refresh the cells that are due when a request needs them. A scrape starts refreshes or joins those under way."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from exporter.collector.cache import CellCache
from exporter.collector.cell_log import CellLog
from exporter.collector.cell_refresher import CellRefresher
from exporter.collector.cell_state import carry_over, initial
from exporter.collector.cells import Cell
from exporter.collector.operation_reader import Connect
from exporter.collector.refresh_queue import RefreshQueue
from exporter.collector.timetable import Timetable
from exporter.config.sections import Refresh
from exporter.core.clock import Clock
from exporter.core.log import Log
from exporter.core.model import CellKey, Snapshot
from exporter.core.store import Store


@dataclass(eq=False, slots=True)
class _Wait:
    """A request that waits for the end of the refreshes of cells."""

    keys: set[CellKey]
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def note_end(self, key: CellKey) -> None:
        self.keys.discard(key)
        if not self.keys:
            self.ended.set()


class RefreshScheduler:
    """Runs at most one refresh for each cell of a configuration. The store gets each new snapshot.

    A request costs time for the cells that are due or under way only, because most of tens of thousands are idle.
    """

    def __init__(
        self,
        refreshers: Mapping[CellKey, CellRefresher],
        connect: Connect,
        store: Store,
        settings: Refresh,
        log: Log,
        clock: Clock,
    ) -> None:
        self.refreshers = refreshers
        self._store = store
        self._settings = settings
        self._log = log
        self._clock = clock
        self._neighbours = _neighbours([refresher.cell for refresher in refreshers.values()])
        self._is_stopped = False
        self._under_way = {key: refresher for key, refresher in refreshers.items() if refresher.task}
        self._queue = RefreshQueue(connect, self._under_way.values())
        self._waits: list[_Wait] = []
        self._timetable = Timetable({key: refresher.due_at() for key, refresher in refreshers.items()})
        for refresher in refreshers.values():
            refresher.on_end = self._note_end

    @property
    def under_way(self) -> frozenset[CellKey]:
        """The cells whose refresh has not ended yet, or waits for its turn."""
        return frozenset(self._under_way)

    async def refresh(self, max_wait: float | None = None) -> None:
        """Refresh every cell that is due, and return when all are done or after ``max_wait`` seconds.

        The default is the configured deadline. A refresh that is not done by then continues.
        """
        self.start_due()
        await self._wait(self._under_way, self._settings.deadline if max_wait is None else max_wait)
        self._publish(may_decide=max_wait != 0)

    async def refresh_missing(self, is_needed: Callable[[Snapshot], bool], max_wait: float) -> None:
        """If no needed cell has fresh data, refresh every cell that is due, and wait at most ``max_wait`` seconds.

        A refresh is awaited until the deadline after its start, so that a cell that hangs does not delay each request.
        """
        needed = (refresher for key, refresher in self.refreshers.items() if is_needed(self._store.get(key)))
        if not any(refresher.has_fresh_data() for refresher in needed):
            self.start_due()
            keys = [key for key in self._under_way if is_needed(self._store.get(key))]
            since = max((self._queue.since(self._under_way[key]) for key in keys), default=0.0)
            await self._wait(keys, min(max_wait, since + self._settings.deadline - self._clock.monotonic()))
        self._publish(may_decide=False)

    def start_due(self) -> None:
        """Start the refresh of every cell that is due."""
        if self._is_stopped:
            return
        for key in self._timetable.take_due(self._clock.monotonic()):
            refresher = self._under_way[key] = self.refreshers[key]
            self._queue.add(refresher)

    def _note_end(self, refresher: CellRefresher) -> None:
        key = refresher.cell.key
        self._under_way.pop(key, None)
        self._timetable.set(key, refresher.due_at())
        self._queue.leave(refresher)
        for wait in self._waits:
            wait.note_end(key)

    def _publish(self, may_decide: bool) -> None:
        if self._is_stopped:
            return
        # A service that has ended is called once an hour. Its series must become stale in between.
        ended = (self.refreshers[key] for key in self._neighbours if key not in self._under_way)
        for refresher in (*self._under_way.values(), *(cell for cell in ended if cell.state.end_of_support.is_ended)):
            if not refresher.is_unread:
                refresher.publish_snapshot()
        # A caller that does not wait must not trigger the decision: neighbouring cells have had no time to fail.
        if may_decide or not self._under_way:
            self._update_end_of_support()

    def stop(self, kept: frozenset[CellRefresher] = frozenset()) -> None:
        """Start no more refreshes, cancel those under way except ``kept`` ones, and end all waiting."""
        self._is_stopped = True
        self._queue.clear()
        for wait in self._waits:
            wait.ended.set()
        for refresher in self.refreshers.values():
            if refresher not in kept:
                refresher.cancel()

    async def _wait(self, keys: Iterable[CellKey], max_wait: float) -> None:
        wait = _Wait(set(keys))
        if not wait.keys or max_wait <= 0:
            return
        self._waits.append(wait)
        try:
            await asyncio.wait_for(wait.ended.wait(), max_wait)
        except TimeoutError:
            return
        finally:
            self._waits.remove(wait)

    def _update_end_of_support(self) -> None:
        for key, neighbours in self._neighbours.items():
            refresher = self.refreshers[key]
            if refresher.state.end_of_support.update(self._store.get(neighbour) for neighbour in neighbours):
                refresher.publish_snapshot()
                self._timetable.set(key, refresher.due_at())
                is_ended = refresher.state.end_of_support.is_ended
                message = "end of support detected" if is_ended else "end of support no longer detected"
                self._log.info(message, **asdict(key))


def hand_over(
    before: RefreshScheduler | None,
    cells: Sequence[Cell],
    store: Store,
    settings: Refresh,
    clock: Clock,
    log: Log,
    cache: CellCache,
) -> dict[CellKey, CellRefresher]:
    """Return the refreshers of a configuration, which take over cells of the previous scheduler. Stop that scheduler.

    A cell that is read as before keeps its refresher, and a refresh under way. Other cells keep the part of their state
    that is still valid. Each cell publishes a snapshot.
    """
    known = before.refreshers if before else {}
    refreshers: dict[CellKey, CellRefresher] = {}
    for cell in cells:
        refresher = known.get(cell.key)
        if refresher and refresher.cell.can_share_refresh(cell):
            refresher.continue_with(cell, settings, store.put)
            refreshers[cell.key] = refresher
        else:
            state = initial(cell, clock, cache.for_new_cell())
            if refresher:
                state = carry_over(refresher.state, refresher.cell, cell, clock)
            refreshers[cell.key] = CellRefresher(
                cell, state, settings, clock, CellLog(cell.key, log.warning, log.info), store.put
            )
    if before:
        before.stop(kept=frozenset(refreshers.values()))
    for refresher in refreshers.values():
        refresher.publish_snapshot()
    return refreshers


def _neighbours(cells: Sequence[Cell]) -> dict[CellKey, tuple[CellKey, ...]]:
    """Return the other cells of the scope, for each cell whose kind has an end of support."""
    scopes: dict[tuple[str, str], list[CellKey]] = defaultdict(list)
    for cell in cells:
        scopes[cell.key.account, cell.key.region].append(cell.key)
    ended = (cell.key for cell in cells if cell.kind.support_ended)
    return {key: tuple(other for other in scopes[key.account, key.region] if other != key) for key in ended}
