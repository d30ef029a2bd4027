"""The failed items of one operation with their reasons, on demand and with the lowest priority."""

import asyncio
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice, zip_longest
from typing import Any

from exporter.collector.cells import Cell
from exporter.collector.low_priority import LowestPriorityApi
from exporter.collector.operation_reader import AT_ONCE, ScopeApi
from exporter.collector.result import defects_as_api_errors
from exporter.core.errors import ApiError, Reason
from exporter.core.model import ItemCounts, Operation, Scope
from exporter.kinds.kind import FailedItem, FailureApi, FailureSource, FetchRequest


@dataclass(frozen=True, slots=True)
class Failures:
    """The failed items of an operation.

    - ``counts``: the number of items by the counts of AWS. With retries, these do not decide how many items failed.
    - ``omitted``: the number of further failed items, as far as it is known.
    - ``problems``: the first error of each API. The items that were read before are listed.
    """

    operation: Operation
    scope: Scope
    counts: ItemCounts
    items: tuple[FailedItem, ...]
    omitted: int
    problems: tuple[ApiError, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether all failed items are listed, each with its reason."""
        return not self.omitted and not self.problems


async def read_failures(connected: ScopeApi, cell: Cell, states: Sequence[str], limit: int) -> Failures:
    """Return at most ``limit`` failed items of the only operation of a cell, evenly from the states.

    Without states, these are all states of failed items. A reason needs at most one call. Raises ApiError if the
    operation cannot be read.
    """
    api = LowestPriorityApi(connected)
    with defects_as_api_errors():
        operation: Operation = await cell.kind.fetch(api, FetchRequest(cell.watch.ids[0]))
    counts = cell.kind.item_counts(operation)
    source = cell.kind.failures
    if source is None:
        return Failures(operation, connected.scope, counts, (), counts.failed or 0)
    reader = _Reader(api, source, operation, limit)
    lists = [await reader.list_of(state) for state in states or source.states]
    chosen = tuple(islice(_alternating([found.items for found in lists]), limit))
    items = await reader.explained(chosen)
    omitted = sum(len(found.items) for found in lists) - len(items)
    if not states and not all(found.is_complete for found in lists):
        omitted = max(omitted, (counts.failed or 0) - len(items))
    return Failures(operation, connected.scope, counts, items, omitted, tuple(reader.problems.values()))


@dataclass(frozen=True, slots=True)
class _StateList:
    """The items in one state. ``is_complete`` is set if the list of AWS was read to its end."""

    items: tuple[FailedItem, ...]
    is_complete: bool


class _Reader:
    """Reads the items of one operation. A failure ends the calls of its sort, and is kept for the result."""

    def __init__(self, api: FailureApi, source: FailureSource[Any], operation: Operation, limit: int) -> None:
        self._api = api
        self._source = source
        self._operation = operation
        self._limit = limit
        self.problems: dict[str, ApiError] = {}

    async def list_of(self, state: str) -> _StateList:
        """Return the items in a state: all, or at least one more than the limit."""
        items: list[FailedItem] = []

        async def read() -> None:
            async for page in self._source.find(self._api, self._operation, state):
                items.extend(page)
                if len(items) > self._limit:
                    return

        error = await self._error_of(read())
        return _StateList(tuple(items), error is None and len(items) <= self._limit)

    async def explained(self, items: Sequence[FailedItem]) -> tuple[FailedItem, ...]:
        """Return the items with their reasons. After a failure, the remaining ones stay without a reason."""
        explain = self._source.explain
        if explain is None:
            return tuple(items)
        explained = list(items)
        waiting = iter(enumerate(items))

        async def work() -> None:
            for position, item in waiting:
                explained[position] = await explain(self._api, self._operation, item)

        async def work_until_refused() -> None:
            # An execution that was deleted, or one malformed response, leaves only its own item without a reason.
            while await self._has_harmless_failure(work()):
                pass

        await asyncio.gather(*(work_until_refused() for _ in range(min(AT_ONCE, len(items)))))
        return tuple(explained)

    async def _has_harmless_failure(self, calls: Coroutine[Any, Any, None]) -> bool:
        error = await self._error_of(calls)
        return error is not None and error.reason in (Reason.NOT_FOUND, Reason.MALFORMED)

    async def _error_of(self, calls: Coroutine[Any, Any, None]) -> ApiError | None:
        try:
            with defects_as_api_errors():
                await calls
        except ApiError as error:
            if error.reason is not Reason.NOT_FOUND:
                self.problems.setdefault(error.api, error)
            return error
        return None


def _alternating(lists: Iterable[Sequence[FailedItem]]) -> Iterator[FailedItem]:
    """Yield the first item of each list, then the second one of each, and so on."""
    return filter(None, chain.from_iterable(zip_longest(*lists)))
