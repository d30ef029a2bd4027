"""One cell over time: what a refresh asks AWS, what it keeps, and the snapshot that others see."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from exporter.cells import Cell
from exporter.clock import Clock
from exporter.config.sections import Refresh
from exporter.discovery import Lists
from exporter.errors import ApiError, Reason
from exporter.kind import Api, Listed
from exporter.model import Reading, Scope, Snapshot
from exporter.selection import NEVER, Tracked, select

AT_ONCE = 8
"""Operations described at once; the budget decides how fast."""
ASK_AGAIN_SECONDS = 3600.0
"""A configured id that AWS does not know is asked for again at most this often."""
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
"""Is told of the first failure of each reason in a refresh, with the operation's id or the list's status."""


@dataclass(slots=True)
class _Pass:
    """One refresh so far."""

    since: float
    reasons: set[Reason] = field(default_factory=set)
    answered: bool = False
    failures_in_a_row: int = 0


@dataclass(frozen=True, slots=True)
class _Verdict:
    """How the last finished refresh went; ``success`` is in Unix seconds, ``answered`` in monotonic ones."""

    reasons: frozenset[Reason] = frozenset()
    up: bool = False
    success: float = 0.0
    answered: float = NEVER
    duration: float | None = None


class Tracker:
    """The operations of one cell between refreshes. All of it runs on one event loop, and needs no lock."""

    def __init__(self, cell: Cell, settings: Refresh, clock: Clock, report: Report) -> None:
        self._cell = cell
        self._settings = settings
        self._clock = clock
        self._report = report
        self._scope = cell.untouched().scope
        self._lists = Lists(cell.kind, cell.watch.discover, clock) if cell.watch.discover else None
        self._tracked = {id: Tracked(Listed(id), explicit=True, matched=True) for id in cell.watch.ids}
        self._pass: _Pass | None = None
        self._verdict = _Verdict()

    async def refresh(self, connect: Connect) -> None:
        """Read from AWS what can have changed. A failed call is part of the snapshot, never raised."""
        this = self._pass = _Pass(self._clock.monotonic())
        try:
            api = await connect(self._cell)
        except ApiError as error:
            self._failed(this, error, "")
        else:
            self._scope = api.scope
            await self._read_lists(this, api)
            await self._describe_due(this, api)
            self._drop_unlisted()
        self._finish(this)

    def snapshot(self) -> Snapshot:
        """Return what is known now; rows that could not be read again for ``stale_after`` are left out."""
        kept, omitted = self._select()
        reasons, up = self._verdict.reasons, self._verdict.up
        if self._pass:
            reasons = reasons | self._pass.reasons
            up = not reasons and (up or self._pass.answered)
        return Snapshot(
            key=self._cell.key,
            scope=self._scope,
            readings=tuple(one.reading for one in kept if one.reading and self._is_fresh(one)),
            up=up,
            reasons=reasons,
            last_success=self._verdict.success,
            duration=self._verdict.duration,
            omitted=len(omitted),
        )

    async def _read_lists(self, this: _Pass, api: ScopeApi) -> None:
        if self._lists is None:
            return
        finished = [one.status for one in self._tracked.values() if one.final]
        for status in self._lists.due(finished):
            try:
                await _asked(self._lists.read(api.urgent((0, NEVER)), status))
                self._answered(this)
            except ApiError as error:
                self._failed(this, error, status)
        by_status = bool(self._cell.kind.discovery.status_parameter)
        for id, listed in self._lists.found().items():
            one = self._tracked.setdefault(id, Tracked(listed, explicit=False, matched=by_status))
            one.listed = listed

    async def _describe_due(self, this: _Pass, api: ScopeApi) -> None:
        waiting = iter(sorted(self._due(), key=self._urgency))

        async def work() -> None:
            for one in waiting:
                if this.failures_in_a_row >= GIVE_UP_AFTER:
                    return
                await self._describe(this, api.urgent(self._urgency(one)), one)

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))

    async def _describe(self, this: _Pass, api: Api, one: Tracked) -> None:
        watch, id = self._cell.watch, one.listed.id
        one.tried_at = self._clock.monotonic()
        try:
            operation = await _asked(self._cell.kind.fetch(api, id, watch.options))
        except ApiError as error:
            if error.reason is Reason.NOT_FOUND:
                self._gone(one, error)
                self._answered(this)
            else:
                self._failed(this, error, id)
            return
        one.reading, one.read_at = Reading(operation, self._clock.now()), self._clock.monotonic()
        one.final, one.gone_at = self._cell.kind.final(operation, watch.options), NEVER
        one.matched |= (
            watch.discover is None or not watch.discover.statuses or operation.status in watch.discover.statuses
        )
        self._answered(this)

    def _due(self) -> list[Tracked]:
        oldest = self._clock.monotonic() - ASK_AGAIN_SECONDS
        kept, omitted = self._select()
        undated = [one for one in omitted if one.created is None and one.reading is None]
        return [one for one in kept + undated if not one.final and one.gone_at <= oldest]

    def _urgency(self, one: Tracked) -> tuple[int, float]:
        active = self._cell.kind.is_active(one.status)
        return (0 if active else 1, one.tried_at)

    def _select(self) -> tuple[list[Tracked], list[Tracked]]:
        return select(self._tracked.values(), self._cell.watch.discover, self._cell.kind, self._clock.now())

    def _is_fresh(self, one: Tracked) -> bool:
        confirmed = max(one.read_at, self._verdict.answered) if one.final else one.read_at
        return self._clock.monotonic() - confirmed <= self._settings.stale_after

    def _gone(self, one: Tracked, error: ApiError) -> None:
        id = one.listed.id
        if not one.explicit:
            self._tracked.pop(id, None)
            return
        if one.gone_at == NEVER:
            self._report(error, id)
        self._tracked[id] = Tracked(one.listed, explicit=True, matched=True, gone_at=self._clock.monotonic())

    def _drop_unlisted(self) -> None:
        if self._lists is None:
            return
        found = self._lists.found()
        for id, one in tuple(self._tracked.items()):
            never_read = one.reading is None and id not in found
            ended = one.final and self._lists.has_left(id, one.status, one.read_at)
            if not one.explicit and (never_read or ended):
                del self._tracked[id]

    def _answered(self, this: _Pass) -> None:
        this.answered, this.failures_in_a_row = True, 0

    def _failed(self, this: _Pass, error: ApiError, what: str) -> None:
        if error.reason not in this.reasons:
            self._report(error, what)
        this.reasons.add(error.reason)
        if error.reason is not Reason.MALFORMED:
            this.failures_in_a_row += 1

    def _finish(self, this: _Pass) -> None:
        if any(one.gone_at > NEVER for one in self._tracked.values()):
            this.reasons.add(Reason.NOT_FOUND)
        up, now = not this.reasons, self._clock.monotonic()
        self._verdict = _Verdict(
            reasons=frozenset(this.reasons),
            up=up,
            success=self._clock.now() if up else self._verdict.success,
            answered=now if up or this.answered else self._verdict.answered,
            duration=now - this.since,
        )
        self._pass = None


async def _asked(answer: Awaitable[T]) -> T:
    """A defect in reading one answer is that operation's failure, not the cell's end."""
    try:
        return await answer
    except ApiError:
        raise
    except Exception as error:
        raise ApiError(Reason.OTHER, detail=f"unexpected {type(error).__name__}") from error
