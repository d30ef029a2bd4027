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


class PendingError(ExporterError):
    """The failed items are still being read, or other ones are."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """A reading of at most ``limit`` items that started at a monotonic time."""

    task: asyncio.Task[Failures]
    limit: int
    started: float


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

    async def read(
        self, cell: Cell, limit: int, max_wait: float | None = None, max_age: float | None = None
    ) -> Failures:
        """Return at least ``limit`` failed items of the only operation of a cell, if it has so many.

        A result that is at most ``max_age`` seconds old is returned again; the default is ``min_age``.
        Raises ApiError if the operation cannot be read, and PendingError after ``max_wait`` seconds. The default is the
        configured deadline. The reading then continues for the next request.
        """
        task = self._task(cell, limit, self.min_age if max_age is None else max(max_age, self.min_age))
        done, _ = await asyncio.wait([task], timeout=self.deadline if max_wait is None else max_wait)
        if not done:
            raise PendingError("the failed items are being read; try again in a second")
        return task.result()

    def stop(self) -> None:
        """Cancel the readings under way."""
        for kept in self._kept.values():
            kept.task.cancel()

    def _task(self, cell: Cell, limit: int, max_age: float) -> asyncio.Task[Failures]:
        key, now = (cell.key, cell.watch.ids[0]), self.clock.monotonic()
        kept = self._kept.get(key)
        if kept and kept.limit >= limit and (not kept.task.done() or now - kept.started < max_age):
            return kept.task
        if sum(not other.task.done() for other in self._kept.values()) >= MOST_AT_ONCE:
            raise PendingError(f"the failed items of {MOST_AT_ONCE} operations are being read; try again in a second")
        if kept:
            kept.task.cancel()
        task = asyncio.create_task(self._read(cell, limit))
        task.add_done_callback(_retrieve_exception)
        self._keep(key, _Kept(task, limit, now))
        return task

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


def _retrieve_exception(task: asyncio.Task[Failures]) -> None:
    # Otherwise asyncio logs a failure that no request waits for.
    if not task.cancelled():
        task.exception()
