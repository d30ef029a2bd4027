"""Describe the operations of a cell during one refresh, and read their tags."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import Any, Protocol

from exporter.collector.cell_state import CellState
from exporter.collector.cells import Cell
from exporter.collector.inventory import TrackedOperation
from exporter.collector.refresh_result import RefreshAttempt
from exporter.core.clock import NEVER, Clock
from exporter.core.errors import ApiError, Reason, defects_as_api_errors
from exporter.core.model import Operation, Reading, Scope
from exporter.kinds.kind import Api, ApiCall, FailureApi, FetchRequest

# Operations that are described at the same time. The quota budget limits the rate.
AT_ONCE = 8


class CellApi(Api, Protocol):
    """AWS as a cell uses it. Calls can have a priority."""

    @property
    def scope(self) -> Scope:
        """The account, with its id, and the Region."""
        ...

    def with_priority(self, priority: tuple[int, float]) -> FailureApi:
        """Return the API with another priority for its calls. Smaller values go first."""
        ...


Connect = Callable[[Cell], Awaitable[CellApi]]


class OperationReader:
    """Reads operations of one cell for one refresh. Failures are noted in the attempt and never raised.

    After a failure to read tags it reads no more tags, except after a malformed response: others may be well-formed.
    """

    def __init__(self, cell: Cell, state: CellState, attempt: RefreshAttempt, api: CellApi, clock: Clock) -> None:
        self._cell = cell
        self._state = state
        self._attempt = attempt
        self._api = api
        self._clock = clock
        self._tag_source = cell.tag_source

    async def describe(self, operations: Iterable[TrackedOperation]) -> None:
        """Describe operations: active ones first, then those whose last attempt is the oldest."""
        waiting = iter(sorted(operations, key=self._priority))

        async def work() -> None:
            for operation in waiting:
                if self._attempt.fails_repeatedly:
                    return
                await self._describe(operation)

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))

    async def read_missing_tags(self, operations: Iterable[TrackedOperation]) -> None:
        """Read the tags of operations that were described before tags were wanted, or whose tags could not be read.

        Those whose last attempt is the oldest come first: tags that AWS always refuses must not delay other tags.
        """
        for operation in sorted(operations, key=lambda operation: operation.tags_tried_at):
            reading = operation.reading
            if reading and self._needs_tags(operation) and operation.tags_tried_at < self._attempt.started:
                await self._read_tags(self._api, operation, reading.operation)
                operation.reading = replace(reading, operation=_with_tags(reading.operation, operation))

    def _priority(self, operation: TrackedOperation) -> tuple[int, float]:
        return (0 if self._cell.kind.is_active(operation.status) else 1, operation.tried_at)

    async def _describe(self, operation: TrackedOperation) -> None:
        api = self._api.with_priority(self._priority(operation))
        operation.tried_at = self._clock.monotonic()
        try:
            with defects_as_api_errors():
                described = await self._cell.kind.fetch(api, self._request(operation))
        except ApiError as error:
            self._note_failure(operation, error)
            return
        read_at = self._clock.now()
        self._attempt.note_response()
        self._note_described(operation)
        # Tags that could not be read are read again at the end of a refresh.
        if self._needs_tags(operation) and operation.tags_tried_at == NEVER:
            await self._read_tags(api, operation, described)
        reading = Reading(_with_tags(described, operation), read_at)
        operation.update(reading, self._cell.kind, self._cell.watch, self._clock.monotonic())
        self._state.logged_ids.discard(operation.entry.id)
        self._state.cache.note(operation)

    def _request(self, operation: TrackedOperation) -> FetchRequest[Any]:
        id, lists = operation.entry.id, self._state.lists
        before = operation.reading.operation if operation.reading else None
        listed_status = lists.status_since(self._attempt.started, id) if lists else ""
        return FetchRequest(id, self._cell.watch.options, before, listed_status)

    def _note_failure(self, operation: TrackedOperation, error: ApiError) -> None:
        # Only a call that describes the operation can report that it is gone.
        if is_not_found(error, self._cell.kind.describe_calls):
            self._note_gone(operation)
            self._attempt.note_response()
            return
        self._attempt.consecutive_failures += error.reason is not Reason.MALFORMED
        self._attempt.fail(error, operation.entry.id)

    def _note_gone(self, operation: TrackedOperation) -> None:
        id = operation.entry.id
        self._note_described(operation)
        if not operation.explicit:
            self._state.tracked.pop(id, None)
            return
        if id not in self._state.logged_ids:
            self._state.logged_ids.add(id)
            self._attempt.log.unknown_id(id)
        now = self._clock.monotonic()
        self._state.tracked[id] = TrackedOperation(operation.entry, explicit=True, matched=True, gone_at=now)

    def _note_described(self, operation: TrackedOperation) -> None:
        if self._state.lists:
            self._state.lists.note_described(operation.entry.id)

    def _needs_tags(self, operation: TrackedOperation) -> bool:
        return self._tag_source is not None and operation.tags is None

    async def _read_tags(self, api: Api, operation: TrackedOperation, described: Operation) -> None:
        if self._tag_source is None:
            return
        operation.tags_tried_at = self._clock.monotonic()
        try:
            with defects_as_api_errors():
                operation.tags = await self._tag_source.read(api, described)
        except ApiError as error:
            if is_not_found(error, [self._tag_source.call]):
                operation.tags = ()
                return
            if error.reason is not Reason.MALFORMED:
                self._tag_source = None
            self._attempt.fail(error, operation.entry.id)


def is_not_found(error: ApiError, calls: Iterable[ApiCall]) -> bool:
    """Return whether one of these calls did not find what it names."""
    return error.reason is Reason.NOT_FOUND and error.api in {call.name for call in calls}


def _with_tags(described: Operation, operation: TrackedOperation) -> Operation:
    """Return the operation with the tags that were read from their own API, if any."""
    return described if operation.tags is None else replace(described, tags=operation.tags)
