"""The failed items of one operation with their reasons, on demand and with the lowest priority."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice, zip_longest
from typing import Any

from exporter.collector.cells import Cell
from exporter.collector.low_priority import LowestPriorityApi
from exporter.collector.operation_reader import AT_ONCE, CellApi, Connect
from exporter.core.errors import ApiError, Reason, defects_as_api_errors
from exporter.core.model import ItemCounts, Operation, Scope
from exporter.kinds.kind import FailedItem, FailureSource, FetchRequest, Kind


@dataclass(frozen=True, slots=True)
class Failures:
    """Failed items of an operation.

    - ``counts``: the number of items by the counts of AWS. With retries, these do not decide how many items failed.
    - ``items``: the requested items with their reasons. ``offset`` is the number of failed items before them.
    - ``omitted``: the number of failed items after them, as far as it is known.
    - ``problems``: the first error of each API. The items that were read before are listed.
    """

    operation: Operation
    scope: Scope
    counts: ItemCounts
    items: tuple[FailedItem, ...]
    omitted: int
    problems: tuple[ApiError, ...] = ()
    offset: int = 0

    @property
    def distinct(self) -> int:
        """The number of different items. With retries, an item can have several failed executions."""
        return len({item.item for item in self.items})

    @property
    def complete(self) -> bool:
        """Whether all failed items are listed, each with its reason."""
        return not self.offset and not self.omitted and not self.problems


async def read_failures(connected: CellApi, cell: Cell, states: Sequence[str], limit: int) -> Failures:
    """Return at most ``limit`` failed items of the only operation of a cell, evenly from the states.

    Without states, these are all states of failed items. A reason needs at most one call. Raises ApiError if the
    operation cannot be read.
    """

    async def connect(cell: Cell) -> CellApi:
        return connected

    reading = FailureReading(connect, cell, states)
    await reading.read(limit)
    return reading.failures(limit)


@dataclass(frozen=True, slots=True)
class _StateList:
    """The items in one state without their reasons.

    ``is_complete`` is set if the list of AWS was read to its end, ``has_ended`` also if a further page is refused.
    """

    items: tuple[FailedItem, ...] = ()
    is_complete: bool = False
    has_ended: bool = False

    def includes(self, count: int) -> bool:
        """Return whether the first ``count`` items are listed, and whether there are more."""
        return self.has_ended or len(self.items) > count


class FailureReading:
    """Reads the failed items of the only operation of a cell, a slice at a time.

    A slice needs at most one call for each of its items, and none for the items of earlier slices. A call that AWS
    refused is not made again.
    """

    def __init__(self, connect: Connect, cell: Cell, states: Sequence[str] = ()) -> None:
        self._connect = connect
        self._cell = cell
        self._states = states
        self._source: FailureSource[Any] | None = cell.kind.failures
        self._lock = asyncio.Lock()
        self._described: tuple[Operation, Scope] | None = None
        self._error: ApiError | None = None
        self._lists = dict.fromkeys(states or (self._source.states if self._source else ()), _StateList())
        # The listed items with their reasons. Those that cannot be explained are listed as they are.
        self._explained: dict[FailedItem, FailedItem] = {}
        self._problems: dict[str, ApiError] = {}

    @property
    def has_failed(self) -> bool:
        """Whether a call failed, other than one for an item that was deleted."""
        return bool(self._error or self._problems)

    @property
    def size(self) -> int:
        """The number of items in memory."""
        return len(self._explained) + sum(len(listed.items) for listed in self._lists.values())

    def includes(self, limit: int, offset: int = 0) -> bool:
        """Return whether a slice needs no call."""
        if self._error:
            return True
        are_listed = all(listed.includes(offset + limit) for listed in self._lists.values())
        return self._described is not None and are_listed and not self._unexplained(limit, offset)

    async def read(self, limit: int, offset: int = 0) -> None:
        """Read ``limit`` items after the first ``offset`` ones, as far as they are not read. Raises no ApiError."""
        async with self._lock:
            try:
                if not self.includes(limit, offset):
                    with defects_as_api_errors():
                        await self._read(limit, offset)
            except ApiError as error:
                self._error = error

    def failures(self, limit: int, offset: int = 0) -> Failures:
        """Return a slice that was read. Raises ApiError if the operation cannot be read."""
        if self._described is None:
            raise self._error or ApiError(Reason.OTHER, detail="the failed items are not read yet")
        operation, scope = self._described
        counts = self._cell.kind.item_counts(operation)
        items = tuple(self._explained.get(item, item) for item in self._listed(limit, offset))
        omitted = max(0, self._count(counts) - offset - len(items))
        problems = (*self._problems.values(), *([self._error] if self._error else ()))
        return Failures(operation, scope, counts, items, omitted, problems, offset)

    def _count(self, counts: ItemCounts) -> int:
        """Return the number of failed items, as far as it is known."""
        listed = sum(len(found.items) for found in self._lists.values())
        is_complete = bool(self._lists) and all(found.is_complete for found in self._lists.values())
        # With retries, the lists contain executions.
        counted = counts.failed if counts.failed_executions is None else counts.failed_executions
        return listed if self._states or is_complete else max(listed, counted or 0)

    def _listed(self, limit: int, offset: int) -> Iterator[FailedItem]:
        return islice(_alternating([found.items for found in self._lists.values()]), offset, offset + limit)

    def _unexplained(self, limit: int, offset: int) -> list[FailedItem]:
        if self._source is None or self._source.explain is None:
            return []
        return [item for item in self._listed(limit, offset) if item not in self._explained]

    async def _read(self, limit: int, offset: int) -> None:
        connected = await self._connect(self._cell)
        api = LowestPriorityApi(connected)
        if self._described is None:
            operation = await self._cell.kind.fetch(api, FetchRequest(self._cell.watch.ids[0]))
            self._described = operation, connected.scope
        operation, _ = self._described
        if self._source is None:
            return
        for state, found in self._lists.items():
            if not found.includes(offset + limit):
                pages = self._source.find(api, operation, state, offset + limit)
                self._lists[state] = await self._list(pages, offset + limit)
        if self._source.explain:
            await self._explain(partial(self._source.explain, api, operation), self._unexplained(limit, offset))

    async def _list(self, pages: AsyncIterator[Sequence[FailedItem]], limit: int) -> _StateList:
        """Return the items in a state: all, or at least one more than the limit."""
        items: list[FailedItem] = []

        async def read() -> None:
            async for page in pages:
                items.extend(page)
                if len(items) > limit:
                    return

        error = await self._error_of(read())
        is_complete = error is None and len(items) <= limit
        return _StateList(tuple(items), is_complete, has_ended=is_complete or error is not None)

    async def _explain(
        self, explained: Callable[[FailedItem], Awaitable[FailedItem]], items: Sequence[FailedItem]
    ) -> None:
        """Read the reasons of items. After a failure, the remaining ones stay without a reason."""
        waiting = iter(items)

        async def work() -> None:
            for item in waiting:
                self._explained[item] = await explained(item)

        async def work_until_refused() -> None:
            # An execution that was deleted, or one malformed response, leaves only its own item without a reason.
            while await self._has_harmless_failure(work()):
                pass

        await asyncio.gather(*(work_until_refused() for _ in range(min(AT_ONCE, len(items)))))
        for item in items:
            self._explained.setdefault(item, item)

    async def _has_harmless_failure(self, calls: Coroutine[Any, Any, None]) -> bool:
        error = await self._error_of(calls)
        return error is not None and error.reason in (Reason.NOT_FOUND, Reason.MALFORMED)

    async def _error_of(self, calls: Coroutine[Any, Any, None]) -> ApiError | None:
        """Return the failure of calls, and keep it. A failure ends the calls of its sort."""
        try:
            with defects_as_api_errors():
                await calls
        except ApiError as error:
            if error.reason is not Reason.NOT_FOUND:
                self._problems.setdefault(error.api, error)
            return error
        return None


def _alternating(lists: Iterable[Sequence[FailedItem]]) -> Iterator[FailedItem]:
    """Yield the first item of each list, then the second one of each, and so on."""
    return filter(None, chain.from_iterable(zip_longest(*lists)))


def states_problem(kind: Kind[Any], states: Iterable[str]) -> str:
    """Return the problem of the requested states of items, or an empty text if items of the kind can fail in them."""
    known = kind.failures.known_states if kind.failures else ()
    if set(states) <= set(known):
        return ""
    return f"expected one of {', '.join(known)}" if known else "remove it; AWS lists no failed items of the kind"
