"""The failed items of an operation for many requests: they join one reading, and its result is kept for a while."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from exporter.collector.cells import Cell
from exporter.collector.failures import Failures, read_failures
from exporter.collector.operation_reader import Connect
from exporter.core.clock import Clock
from exporter.core.errors import ApiError, ExporterError, Reason
from exporter.core.model import CellKey
from exporter.kinds.kind import ApiCall

# Operations whose failed items are read at the same time. Their calls share one budget.
MOST_AT_ONCE = 4
# Operations whose failed items are kept, and the items of each. Together they need some megabytes.
MOST_KEPT = 16
MOST_ITEMS = 1000

RELOADED = "the configuration was reloaded; try again in a second"


class PendingError(ExporterError):
    """The failed items are not read yet. A later request gets them."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """A reading of at most ``limit`` items that started at a monotonic time."""

    task: asyncio.Task[Failures]
    limit: int
    started: float

    @property
    def has_failed(self) -> bool:
        """Whether the reading has ended without everything that it requested."""
        task = self.task
        return task.done() and (task.cancelled() or task.exception() is not None or bool(task.result().problems))


@dataclass(slots=True)
class FailureReader:
    """Reads the failed items of each operation at most once in ``min_age`` seconds.

    - ``target`` returns the cell of a kind, ids, a Region and an account. It raises ConfigError.
    - ``action`` returns the IAM action of a call.
    """

    target: Callable[[str, Sequence[str], str, str], Cell]
    connect: Connect
    action: Callable[[ApiCall], str]
    min_age: float
    deadline: float
    clock: Clock
    _kept: OrderedDict[tuple[CellKey, str], _Kept] = field(default_factory=OrderedDict, init=False)
    _running: set[asyncio.Task[Failures]] = field(default_factory=set, init=False)
    _is_stopped: bool = field(default=False, init=False)

    async def read(
        self, cell: Cell, limit: int, max_wait: float | None = None, max_age: float | None = None
    ) -> Failures:
        """Return at least ``limit`` failed items of the only operation of a cell, if it has so many.

        A result that is at most ``max_age`` seconds old is returned again; the default is ``min_age``, also after a
        failure. Raises ApiError if the operation cannot be read, and PendingError after a reload or after ``max_wait``
        seconds. The default is the configured deadline. The reading then continues for the next request.
        """
        # A request that began before a reload must not start a reading that the new configuration may forbid.
        if self._is_stopped:
            raise PendingError(RELOADED)
        task = self._task(cell, limit, self.min_age if max_age is None else max(max_age, self.min_age))
        done, _ = await asyncio.wait([task], timeout=self.deadline if max_wait is None else max_wait)
        if not done:
            raise PendingError("the failed items are being read; try again in a second")
        if task.cancelled():
            raise PendingError(RELOADED)
        return task.result()

    def stop(self) -> None:
        """Cancel the readings under way, and start no more."""
        self._is_stopped = True
        for task in self._running:
            task.cancel()

    def _task(self, cell: Cell, limit: int, max_age: float) -> asyncio.Task[Failures]:
        key, now = (cell.key, cell.watch.ids[0]), self.clock.monotonic()
        kept = self._kept.get(key)
        if kept and kept.limit >= limit and self._is_usable(kept, now, max_age):
            return kept.task
        if len(self._running) >= MOST_AT_ONCE:
            raise PendingError(f"the failed items of {MOST_AT_ONCE} operations are being read; try again in a second")
        # A reading of fewer items continues for the requests that wait for it.
        task = asyncio.create_task(self._read(cell, limit))
        self._running.add(task)
        task.add_done_callback(self._end)
        self._keep(key, _Kept(task, limit, now))
        return task

    def _is_usable(self, kept: _Kept, now: float, max_age: float) -> bool:
        # Otherwise the page of an ended operation would still show a missing permission long after it was added.
        age = self.min_age if kept.has_failed else max_age
        return not kept.task.done() or now - kept.started < age

    def _end(self, task: asyncio.Task[Failures]) -> None:
        self._running.discard(task)
        # Otherwise asyncio logs a failure that no request waits for.
        if not task.cancelled():
            task.exception()

    async def _read(self, cell: Cell, limit: int) -> Failures:
        return await read_failures(await self.connect(cell), cell, (), limit)

    def _keep(self, key: tuple[CellKey, str], kept: _Kept) -> None:
        self._kept[key] = kept
        self._kept.move_to_end(key)
        if len(self._kept) > MOST_KEPT:
            del self._kept[next(oldest for oldest, other in self._kept.items() if other.task.done())]

    def problem_text(self, cell: Cell, error: ApiError) -> str:
        """Return an error in words, with the missing IAM action."""
        api = f"{error.api}: " if error.api else ""
        return f"{api}{error}{permission_hint(cell, error, self.action)}"


def permission_hint(cell: Cell, error: ApiError, action: Callable[[ApiCall], str]) -> str:
    """Return which permission a refused call needs, or an empty text for any other error."""
    call = next((call for call in cell.kind.every_call if call.name == error.api), None)
    if call is None or error.reason is not Reason.ACCESS_DENIED:
        return ""
    return f"; needs the permission {action(call)}, see show iam-policy --failures"
