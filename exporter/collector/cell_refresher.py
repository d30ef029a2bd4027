"""One cell over time: what a refresh asks AWS, what it keeps, and the snapshot that others see."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

from exporter.collector.cell_state import CellState, initial, restore, with_scope
from exporter.collector.cells import Cell
from exporter.collector.inventory import Selection, TrackedOperation, select, unsettled
from exporter.collector.listing import Lists
from exporter.collector.result import NEVER, RefreshAttempt
from exporter.collector.tagging import Tagging, retagged, tagged
from exporter.config.sections import Refresh
from exporter.core.clock import Clock
from exporter.core.errors import ApiError, Reason
from exporter.core.model import Operation, Reading, Scope, Snapshot
from exporter.kinds.kind import Api, FetchRequest

AT_ONCE = 8
"""Operations described at once; the budget decides how fast."""
ASK_AGAIN_SECONDS = 3600.0
"""A configured id that AWS does not know is asked for again at most this often."""
LISTS_THAT_LACK = 2
"""So many lists in a row must lack an operation before it leaves: one alone may lag behind a change of status."""
GIVE_UP_AFTER = 5
"""Failures in a row after which a refresh leaves the rest of the cell to the next one."""

T = TypeVar("T")


class ScopeApi(Api, Protocol):
    """AWS in the cell's scope; the urgency of calls can be chosen."""

    @property
    def scope(self) -> Scope:
        """The account and the Region, the account's number known."""
        ...

    def urgent(self, priority: tuple[int, float]) -> Api:
        """Return the same scope for calls of this priority, smaller first."""
        ...


Connect = Callable[[Cell], Awaitable[ScopeApi]]
Report = Callable[[ApiError, str], None]
"""Is told of the first failure of each reason that the refresh before did not meet, with an id or a list's status."""


class Tracker:
    """The operations of one cell between refreshes. All of it runs on one event loop, and needs no lock."""

    def __init__(
        self, cell: Cell, settings: Refresh, clock: Clock, report: Report, memory: CellState | None = None
    ) -> None:
        self.cell = cell
        self.settings = settings
        self._clock = clock
        self._report = report
        self._take(memory or initial(cell, clock))
        self._pass: RefreshAttempt | None = None
        self._tagging = Tagging(None)

    def memory(self) -> CellState:
        """Return what the next tracker of the cell needs to go on."""
        return CellState(self._scope, self._tracked, self._lists, self._verdict, self.support, self._saved)

    def _take(self, known: CellState) -> None:
        self._scope, self._tracked, self._lists, self._verdict, self.support, self._saved = known

    async def refresh(self, connect: Connect) -> None:
        """Read from AWS what can have changed. A failure, even a defect, is part of the snapshot and never raised."""
        this = self._pass = RefreshAttempt(self._clock.monotonic())
        self._tagging = Tagging(self.cell.tag_source)
        try:
            api = await connect(self.cell)
            self._take(with_scope(self.memory(), api.scope, self.cell, self._clock))
            found = await self._saved.recall(self.cell, api.scope, self._clock.monotonic())
            self._tracked = restore(self._tracked, found, self.cell)
            listed_first = self._lists is not None and self._lists.tell_statuses
            at_once = [] if listed_first else self._due()
            await asyncio.gather(self._read_lists(this, api), self._describe_all(this, api, at_once))
            await self._describe_all(this, api, [one for one in self._due() if one.tried_at < this.since])
            await self._read_missing_tags(this, api)
            self._drop_unlisted()
        except ApiError as error:
            self._failed(this, error, "")
        except Exception as error:
            self._failed(this, _defect(error), "")
        finally:
            self._finish(this)

    def snapshot(self) -> Snapshot:
        """Return what is known now; rows that could not be read again for ``stale_after`` are left out."""
        selection = self._select()
        readings = tuple(one.reading for one in selection.kept if one.reading and self._is_fresh(one))
        reasons, up = self._verdict.reasons, self._verdict.up
        if self._pass:
            reasons = reasons | self._pass.reasons
            up = not reasons and (up or (self._pass.answered and bool(readings)))
        return Snapshot(
            key=self.cell.key,
            scope=self._scope,
            readings=readings,
            up=up,
            reasons=frozenset({Reason.END_OF_SUPPORT}) if self.support.is_ended else reasons,
            last_success=self._verdict.success,
            duration=self._verdict.duration,
            omitted=selection.omitted,
        )

    async def _read_lists(self, this: RefreshAttempt, api: ScopeApi) -> None:
        if self._lists is None:
            return
        followed = [one.status for one in self._tracked.values() if one.final and not one.explicit]
        for status in self._lists.due(followed):
            try:
                await _asked(self._lists.read(api.urgent((0, NEVER)), status))
                this.answered = True
            except ApiError as error:
                self._failed(this, error, status)
                if error.reason is not Reason.MALFORMED:
                    break  # what refuses one status refuses all of them
        self._find(self._lists)

    def _find(self, lists: Lists) -> None:
        for id, listed in lists.found().items():
            one = self._tracked.setdefault(id, TrackedOperation(listed, explicit=False, matched=bool(listed.status)))
            one.listed, one.gone_at = listed, NEVER
            if one.final and lists.status_since(one.read_at, id) not in ("", one.status):
                one.final = False  # even a status that AWS never leaves can turn into that of being deleted

    async def _describe_all(self, this: RefreshAttempt, api: ScopeApi, due: list[TrackedOperation]) -> None:
        waiting = iter(sorted(due, key=self._urgency))

        async def work() -> None:
            for one in waiting:
                if this.failures_in_a_row >= GIVE_UP_AFTER:
                    return
                await self._describe(this, api.urgent(self._urgency(one)), one)

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))

    async def _describe(self, this: RefreshAttempt, api: Api, one: TrackedOperation) -> None:
        one.tried_at = self._clock.monotonic()
        try:
            operation = await _asked(self.cell.kind.fetch(api, self._wanted(this, one)))
        except ApiError as error:
            if error.reason is Reason.NOT_FOUND:
                self._gone(one, error)
                this.succeed()
            else:
                this.failures_in_a_row += error.reason is not Reason.MALFORMED
                self._failed(this, error, one.listed.id)
            return
        at = self._clock.now()
        this.succeed()
        await self._learn_tags(this, api, one, operation)
        one.take(Reading(tagged(operation, one), at), self.cell.kind, self.cell.watch, self._clock.monotonic())
        self._saved.note(one)

    def _wanted(self, this: RefreshAttempt, one: TrackedOperation) -> FetchRequest[Any]:
        before = one.reading.operation if one.reading else None
        listed = self._lists.status_since(this.since, one.listed.id) if self._lists else ""
        return FetchRequest(one.listed.id, self.cell.watch.options, before, listed)

    async def _learn_tags(self, this: RefreshAttempt, api: Api, one: TrackedOperation, operation: Operation) -> None:
        if not self._tagging.is_missing(one):
            return
        try:
            await _asked(self._tagging.learn(api, one, operation))
        except ApiError as error:
            self._failed(this, error, one.listed.id)

    async def _read_missing_tags(self, this: RefreshAttempt, api: ScopeApi) -> None:
        for one in self._select().kept:
            if one.reading and self._tagging.is_missing(one):
                await self._learn_tags(this, api, one, one.reading.operation)
                one.reading = retagged(one)

    def _due(self) -> list[TrackedOperation]:
        oldest = self._clock.monotonic() - ASK_AGAIN_SECONDS
        selection = self._select()
        waiting = unsettled(self._tracked.values(), self.cell.watch.discover, self._clock.now())
        asked = (*selection.kept, *selection.unread, *waiting)
        now, most = self._clock.monotonic(), self.settings.stale_after / 2
        return [one for one in asked if not (one.final or one.is_settling(now, most)) and one.gone_at <= oldest]

    def _urgency(self, one: TrackedOperation) -> tuple[int, float]:
        active = self.cell.kind.is_active(one.status)
        return (0 if active else 1, one.tried_at)

    def _select(self) -> Selection:
        return select(self._tracked.values(), self.cell.watch.discover, self.cell.kind, self._clock.now())

    def _is_fresh(self, one: TrackedOperation) -> bool:
        now = self._clock.monotonic()
        answered = now if self._pass and self._pass.answered else self._verdict.answered
        return now - max(one.read_at, answered if one.final else NEVER) <= self.settings.stale_after

    def _gone(self, one: TrackedOperation, error: ApiError) -> None:
        id = one.listed.id
        if not one.explicit:
            self._tracked.pop(id, None)
            return
        if one.gone_at == NEVER:
            self._report(error, id)
        self._tracked[id] = TrackedOperation(one.listed, explicit=True, matched=True, gone_at=self._clock.monotonic())

    def _drop_unlisted(self) -> None:
        if self._lists is None:
            return
        found = self._lists.found()
        for id, one in tuple(self._tracked.items()):
            if one.explicit:
                continue
            self._lists.look_for(one)
            if one.unlisted >= LISTS_THAT_LACK or (one.reading is None and id not in found):
                del self._tracked[id]

    def _failed(self, this: RefreshAttempt, error: ApiError, what: str) -> None:
        if this.fail(error) and error.reason not in self._verdict.reasons:
            self._report(error, what)

    def _finish(self, this: RefreshAttempt) -> None:
        if any(one.gone_at > NEVER for one in self._tracked.values()):
            this.reasons.add(Reason.NOT_FOUND)
        if self._lists and self._lists.is_endless:
            this.reasons.add(Reason.MALFORMED)
        self.support.note(this)
        self._saved.sync(self._tracked.values())
        self._verdict = self._verdict.after(this, self._clock.now(), self._clock.monotonic())
        self._pass = None


async def _asked(answer: Awaitable[T]) -> T:
    """A defect in reading one answer is that operation's failure, not the cell's end."""
    try:
        return await answer
    except ApiError:
        raise
    except Exception as error:
        raise _defect(error) from error


def _defect(error: Exception) -> ApiError:
    return ApiError(Reason.OTHER, detail=f"unexpected {type(error).__name__}")
