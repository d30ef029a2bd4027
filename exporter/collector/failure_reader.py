"""The failed items of an operation for many requests: they join one reading, and its result is kept for a while."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from exporter.collector.cells import Cell
from exporter.collector.failures import FailureReading, Failures
from exporter.collector.operation_reader import Connect
from exporter.collector.permissions import permission_hint
from exporter.core.clock import Clock
from exporter.core.errors import ApiError, ExporterError
from exporter.core.model import CellKey
from exporter.kinds.kind import ApiCall

# Operations whose failed items are read at the same time, and the slices of each. Their calls share one budget.
MAX_AT_ONCE = 4
MAX_SLICES = 16
# Operations whose failed items are kept, and the items of all of them. These need some megabytes.
MAX_KEPT = 16
MAX_KEPT_ITEMS = 10_000
# The items of a slice.
MAX_ITEMS = 1000

STOPPED = "the configuration was reloaded, or the exporter stops; try again in a second"


class PendingError(ExporterError):
    """The failed items are not read yet. A later request gets them."""


# An operation and the states of its items.
_Key = tuple[CellKey, str, tuple[str, ...]]
# The maximum number of items, and the number of items before them.
_Slice = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Kept:
    """A reading that started at a monotonic time, and the slices that it is reading."""

    reading: FailureReading
    started: float
    tasks: dict[_Slice, asyncio.Task[None]] = field(default_factory=dict)


@dataclass(slots=True)
class FailureReader:
    """Reads each failed item of an operation at most once in ``min_age`` seconds.

    - ``target`` returns the cell of a kind, ids, a Region and an account. It raises QueryError.
    - ``action`` returns the IAM action of a call.
    """

    target: Callable[[str, Sequence[str], str, str], Cell]
    connect: Connect
    action: Callable[[ApiCall], str]
    min_age: float
    deadline: float
    clock: Clock
    _kept: OrderedDict[_Key, _Kept] = field(default_factory=OrderedDict, init=False)
    _is_stopped: bool = field(default=False, init=False)

    async def read(
        self,
        cell: Cell,
        limit: int,
        offset: int = 0,
        states: Sequence[str] = (),
        max_wait: float | None = None,
        max_age: float | None = None,
    ) -> Failures:
        """Return at most ``limit`` failed items of the only operation of a cell, after the first ``offset`` ones.

        Without ``states``, these are all states of failed items.
        The items are at most ``max_age`` seconds old; the default is ``min_age``, also after a failure. Only the
        returned items are explained. Raises ApiError if the operation cannot be read, and PendingError after a reload
        or after ``max_wait`` seconds. The default is the configured deadline. The reading then continues for the next
        request.
        """
        # A request that began before a reload must not start a reading that the new configuration may forbid.
        if self._is_stopped:
            raise PendingError(STOPPED)
        key = (cell.key, cell.watch.ids[0], tuple(states))
        kept = self._usable(cell, key, self.min_age if max_age is None else max(max_age, self.min_age))
        if not kept.reading.includes(limit, offset):
            await self._wait(self._task(key, kept, (limit, offset)), self.deadline if max_wait is None else max_wait)
        return kept.reading.failures(limit, offset)

    def stop(self) -> None:
        """Cancel the readings under way, and start no more."""
        self._is_stopped = True
        for kept in self._kept.values():
            for task in kept.tasks.values():
                task.cancel()

    def _usable(self, cell: Cell, key: _Key, max_age: float) -> _Kept:
        """Return the reading of an operation that is under way or young enough, or a new one that is not kept."""
        kept, now = self._kept.get(key), self.clock.monotonic()
        states = key[-1]
        if kept is None:
            return _Kept(FailureReading(self.connect, cell, states), now)
        # Otherwise the page of an ended operation would still show a missing permission long after it was added.
        age = self.min_age if kept.reading.has_failed else max_age
        is_usable = kept.tasks or now - kept.started < age
        return kept if is_usable else _Kept(FailureReading(self.connect, cell, states), now)

    def _task(self, key: _Key, kept: _Kept, slice: _Slice) -> asyncio.Task[None]:
        """Return the task that reads a slice. Requests for the same slice share it."""
        task = kept.tasks.get(slice)
        if task:
            return task
        busy = sum(1 for other in self._kept.values() if other.tasks)
        if len(kept.tasks) >= MAX_SLICES or (not kept.tasks and busy >= MAX_AT_ONCE):
            raise PendingError("the exporter is reading many other failed items; try again in a second")
        # Later slices of the operation wait until this one is read. They then need no call for its items.
        task = kept.tasks[slice] = asyncio.create_task(kept.reading.read(*slice))
        task.add_done_callback(lambda task: self._end(kept, slice))
        self._kept[key] = kept
        self._kept.move_to_end(key)
        return task

    async def _wait(self, task: asyncio.Task[None], seconds: float) -> None:
        done, _ = await asyncio.wait([task], timeout=seconds)
        if not done:
            raise PendingError("the failed items are being read; try again in a second")
        if task.cancelled():
            raise PendingError(STOPPED)

    def _end(self, kept: _Kept, slice: _Slice) -> None:
        """Note that a slice was read, and drop the oldest readings that are too many."""
        del kept.tasks[slice]
        for key in [key for key, other in self._kept.items() if not other.tasks]:
            items = sum(other.reading.size for other in self._kept.values())
            if len(self._kept) <= MAX_KEPT and items <= MAX_KEPT_ITEMS:
                return
            del self._kept[key]


def problem_text(cell: Cell, error: ApiError, action: Callable[[ApiCall], str]) -> str:
    """Return an error in words, with the missing IAM action."""
    api = f"{error.api}: " if error.api else ""
    hint = permission_hint(error, cell.kind.every_call, action)
    return f"{api}{error}{hint}{', see show iam-policy --failures' if hint else ''}"
