"""One cell over time: its state, the refresh under way, and the snapshot that readers see."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from exporter.collector.cell_log import ACCESS, REFRESH, CellLog
from exporter.collector.cell_state import CellState, restore, with_scope
from exporter.collector.cells import Cell
from exporter.collector.end_of_support import RETRY_SECONDS
from exporter.collector.inventory import Selection, TrackedOperation, select, unmatched
from exporter.collector.listing import Lists
from exporter.collector.operation_reader import CellApi, Connect, OperationReader
from exporter.collector.pace import Pace
from exporter.collector.refresh_result import RefreshAttempt
from exporter.config.sections import Refresh
from exporter.core.clock import NEVER, Clock
from exporter.core.errors import ApiError, Reason, defects_as_api_errors
from exporter.core.model import Failure, Snapshot
from exporter.kinds.kind import Api

# A configured id that AWS does not know is requested again at most this often, and at most so many of them in a
# refresh, after everything else. Any number of them therefore delays a refresh by a few calls only.
UNKNOWN_RETRY_SECONDS = 300.0
MAX_UNKNOWN_RETRIES = 8
# An active operation beyond the limit is read again this often if AWS's list has no status. Otherwise the exporter
# would not notice its end.
LEFT_OUT_SECONDS = 3600.0
# This many consecutive lists must lack an operation before it is removed: a single one may lag behind a status change.
LISTS_BEFORE_REMOVAL = 2
# The first success after a failure counts as recent for this time. The windows in which alerts look for a success are
# shorter.
RECENT_SECONDS = 900.0

Publish = Callable[[Snapshot], None]


def discard(snapshot: Snapshot) -> None:
    """Publish nothing."""


@dataclass(eq=False, slots=True)
class CellRefresher:
    """Refreshes one cell, with one refresh at a time, and passes each new snapshot to ``publish``.

    It continues under a new configuration that leaves its cell unchanged. It runs on one event loop and needs no lock.
    ``started`` is in monotonic seconds.
    """

    cell: Cell
    state: CellState
    settings: Refresh
    clock: Clock
    log: CellLog
    publish: Publish = discard
    on_end: Callable[[CellRefresher], None] = field(default=lambda refresher: None, init=False)
    started: float | None = field(default=None, init=False)
    task: asyncio.Task[None] | None = field(default=None, init=False)
    _attempt: RefreshAttempt | None = field(default=None, init=False)

    @property
    def is_unread(self) -> bool:
        """Whether nothing is known, so that the snapshot stays the same until a refresh starts."""
        return not (self.task or self.state.tracked or self.state.last_refresh.ended_at > NEVER)

    def start(self, connect: Connect) -> None:
        """Start a refresh."""
        self.started = self.clock.monotonic()
        self.task = asyncio.create_task(self.refresh(connect))

    def continue_with(self, cell: Cell, settings: Refresh, publish: Publish) -> None:
        """Serve the next configuration. A refresh that is under way continues. A refused cell is due at once."""
        self.cell, self.settings, self.publish = cell, settings, publish
        if self.state.pace.refused and not self.task:
            self.state.pace, self.started = Pace(), None

    def due_at(self) -> float:
        """Return the monotonic seconds at which the next refresh is due: never while one is under way."""
        if self.task:
            return math.inf
        is_ended = self.state.end_of_support.is_ended
        seconds = RETRY_SECONDS if is_ended else self.state.pace.seconds(self.cell, self.settings)
        return NEVER if self.started is None else self.started + seconds

    def publish_snapshot(self) -> None:
        """Publish what is known now."""
        self.publish(self.snapshot())

    def cancel(self) -> None:
        """Cancel the refresh under way, and publish nothing more."""
        self.publish = discard
        if self.task:
            self.task.cancel()

    def is_younger_than(self, seconds: float) -> bool:
        """Return whether the last refresh started less than so many seconds ago."""
        return self.started is not None and self.clock.monotonic() - self.started < seconds

    def has_fresh_data(self) -> bool:
        """Return whether the state of the cell is known: its operations, that it has none, or why they are unknown."""
        if self._is_expired():
            return False
        read = [operation for operation in self.state.tracked.values() if operation.reading]
        return bool(self.state.last_refresh.reasons) or not read or any(map(self._is_fresh, read))

    async def refresh(self, connect: Connect) -> None:
        """Read from AWS what can have changed. A failure, even a defect, becomes part of the snapshot."""
        attempt = RefreshAttempt(self.clock.monotonic(), self.log, self.state.last_refresh, self.cell.found)
        self._attempt = attempt
        try:
            await self._read_all(attempt, connect)
            snapshot = self._finished(attempt)
            self._log_omission(snapshot.active_omitted)
            self._log_denial(attempt, snapshot.is_denied)
            self.publish(snapshot)
        finally:
            # A cancelled refresh has no result: a part of the state belongs to the successor of this cell already.
            # Even after a defect, the cell must become due again.
            self.task = self._attempt = None
            self.on_end(self)

    def snapshot(self) -> Snapshot:
        """Return what is known now. Operations whose last reading is older than ``stale_after`` are left out."""
        selection, last, attempt = self._select(), self.state.last_refresh, self._attempt
        recently = self.clock.monotonic() - RECENT_SECONDS
        fresh = [operation for operation in selection.kept if self._is_fresh(operation)]
        readings = tuple(operation.reading for operation in fresh if operation.reading)
        unknown_ids = tuple(operation.entry.id for operation in selection.kept if operation.gone_at > NEVER)
        reasons, up, account_failures = last.reasons, last.up, last.account_failures
        if attempt:
            reasons = reasons | attempt.reasons
            account_failures = {**account_failures, **attempt.account_failures}
            up = not reasons and (up or (attempt.has_response and bool(readings)))
        return Snapshot(
            key=self.cell.key,
            scope=self.state.scope,
            readings=readings,
            up=up,
            reasons=frozenset({Reason.END_OF_SUPPORT}) if self.state.end_of_support.is_ended else reasons,
            failures=self._failures(),
            last_success=last.succeeded_at,
            duration=last.duration,
            omitted=selection.omitted,
            expired=self._is_expired(),
            missing=max(0, len(selection.kept) + len(selection.unread) - len(fresh) - len(unknown_ids)),
            listed=len(selection.unread),
            active_omitted=selection.active_omitted,
            unknown_ids=unknown_ids,
            found=self.cell.found,
            # A service that has ended is called so rarely that its last failure says nothing about the account.
            account_failures=() if self.state.end_of_support.is_ended else tuple(account_failures.values()),
            recovered_recently=last.recovered_at > recently,
            regained_credentials_recently=last.regained_at > recently,
        )

    def _failures(self) -> tuple[Failure, ...]:
        if self.state.end_of_support.is_ended:
            return (Failure(Reason.END_OF_SUPPORT, detail="AWS has ended the service"),)
        current = self._attempt.failures if self._attempt else {}
        return tuple({**self.state.last_refresh.failures, **current}.values())

    async def _read_all(self, attempt: RefreshAttempt, connect: Connect) -> None:
        subject = ACCESS
        try:
            with defects_as_api_errors():
                api = await connect(self.cell)
                subject = REFRESH
                await self._read(attempt, api)
        except ApiError as error:
            attempt.fail(error, subject)

    async def _read(self, attempt: RefreshAttempt, api: CellApi) -> None:
        self.state = state = with_scope(self.state, api.scope, self.cell, self.clock)
        attempt.last = state.last_refresh
        cached = await state.cache.recall(self.cell, api.scope, self.clock.monotonic())
        state.tracked = restore(state.tracked, cached, self.cell)
        reader = OperationReader(self.cell, state, attempt, api, self.clock)
        # A kind uses the status in a list when it reads an operation. If the list has statuses, it is read first.
        waits_for_lists = state.lists is not None and state.lists.has_statuses
        await asyncio.gather(
            self._read_lists(attempt, api), reader.describe([] if waits_for_lists else self._due_operations())
        )
        # When an operation ends, another one can take its place within the limit. It is read in the same refresh.
        while (due := self._untried_operations(attempt)) and not attempt.fails_repeatedly:
            await reader.describe(due)
        await reader.describe(self._due_unknown_ids())
        await reader.read_missing_tags(self._select().kept)
        self._remove_unlisted()

    async def _read_lists(self, attempt: RefreshAttempt, api: CellApi) -> None:
        lists = self.state.lists
        if lists is None:
            return
        discovered = (operation for operation in self.state.tracked.values() if not operation.explicit)
        final_statuses = [operation.status for operation in discovered if operation.final]
        listing = api.with_priority((0, NEVER))
        try:
            with defects_as_api_errors():
                at_once = self._can_read_at_once(lists) and await lists.read_at_once(listing)
            attempt.has_response |= at_once
        except ApiError as error:
            attempt.fail(error, "list")
        else:
            due = lists.due_beside_all(final_statuses) if at_once else lists.due_statuses(final_statuses)
            await self._read_each(attempt, listing, lists, due)
        self._track_listed(lists)

    async def _read_each(self, attempt: RefreshAttempt, api: Api, lists: Lists, statuses: Iterable[str]) -> None:
        for status in statuses:
            try:
                with defects_as_api_errors():
                    await lists.read(api, status)
                attempt.has_response = True
            except ApiError as error:
                attempt.fail(error, f"list of {status}" if status else "list")
                # If AWS refuses the list for one status, it refuses the list for every status.
                if error.reason is not Reason.MALFORMED:
                    break

    def _can_read_at_once(self, lists: Lists) -> bool:
        """Return whether one list is enough: nothing is active, and new ids are found among known ones.

        A found cell takes all ids of its first list as new ones: most of these cells have none.
        """
        is_known_idle = self.state.pace.idle and lists.knows_all_ids
        is_first = self.cell.found and self.state.last_refresh.ended_at == NEVER
        return lists.can_read_at_once and bool(is_known_idle or is_first)

    def _track_listed(self, lists: Lists) -> None:
        for id, entry in lists.entries().items():
            new = TrackedOperation(entry, explicit=False, matched=bool(entry.status))
            operation = self.state.tracked.setdefault(id, new)
            operation.entry, operation.gone_at = entry, NEVER
            # A terminal status can still change to the status of being deleted.
            if operation.final and lists.status_since(operation.read_at, id) not in ("", operation.status):
                operation.final = False

    def _remove_unlisted(self) -> None:
        if self.state.lists is None:
            return
        listed = self.state.lists.entries()
        for id, operation in tuple(self.state.tracked.items()):
            if operation.explicit:
                continue
            self.state.lists.check_presence(operation)
            # An operation that was described only for its status is not watched.
            is_unwanted = operation.reading is None or (operation.final and not operation.matched)
            if (is_unwanted and id not in listed) or operation.missed_lists >= LISTS_BEFORE_REMOVAL:
                del self.state.tracked[id]

    def _due_operations(self) -> list[TrackedOperation]:
        selection, now = self._select(), self.clock.monotonic()
        changed = (operation for operation in selection.left_out if self._may_have_changed(operation, now))
        candidates = (*selection.kept, *selection.unread, *self._unmatched(), *changed)
        return [
            operation
            for operation in candidates
            if not (operation.final or operation.is_settling(now, self.settings.stale_after / 2))
            and operation.gone_at == NEVER
        ]

    def _untried_operations(self, attempt: RefreshAttempt) -> list[TrackedOperation]:
        return [operation for operation in self._due_operations() if operation.tried_at < attempt.started]

    def _due_unknown_ids(self) -> list[TrackedOperation]:
        until = self.clock.monotonic() - UNKNOWN_RETRY_SECONDS
        due = (operation for operation in self.state.tracked.values() if NEVER < operation.gone_at <= until)
        return sorted(due, key=lambda operation: operation.gone_at)[:MAX_UNKNOWN_RETRIES]

    def _may_have_changed(self, operation: TrackedOperation, now: float) -> bool:
        """Return whether an operation beyond the limit must be read again to know whether it is still active."""
        lists, discovery = self.state.lists, self.cell.kind.discovery
        if lists and lists.status_since(operation.read_at, operation.entry.id) not in ("", operation.status):
            return True
        has_statuses = bool(discovery.status_parameter) or discovery.has_statuses
        is_active = self.cell.kind.is_active(operation.status)
        return is_active and not has_statuses and operation.tried_at <= now - LEFT_OUT_SECONDS

    def _select(self) -> Selection:
        return select(self.state.tracked.values(), self.cell.watch.discover, self.cell.kind, self.clock.now())

    def _unmatched(self) -> list[TrackedOperation]:
        return unmatched(self.state.tracked.values(), self.cell.watch.discover, self.clock.now())

    def _unfinished(self) -> list[TrackedOperation]:
        """Return the operations that may still change, without those that are older than ``max_age``."""
        selection = self._select()
        watched = (*selection.kept, *selection.unread, *selection.left_out, *self._unmatched())
        return [operation for operation in watched if not operation.final]

    def _is_expired(self) -> bool:
        # A refused cell is tried rarely, and its last result stays true.
        pause = self.state.pace.seconds(self.cell, self.settings) if self.state.pace.refused else 0.0
        return self.clock.monotonic() - self.state.last_refresh.ended_at > max(self.settings.stale_after, 2 * pause)

    def _is_fresh(self, operation: TrackedOperation) -> bool:
        now, response_at = self.clock.monotonic(), self.state.last_refresh.response_at
        if self._attempt and self._attempt.has_response:
            response_at = now
        # A final operation is not read again: it stays fresh while AWS responds.
        return now - max(operation.read_at, response_at if operation.final else NEVER) <= self.settings.stale_after

    def _finished(self, attempt: RefreshAttempt) -> Snapshot:
        """End an attempt, and return the snapshot after it."""
        state = self.state
        if state.lists and state.lists.has_endless_list:
            attempt.add(Failure(Reason.MALFORMED, detail="a list of AWS has no end"))
        state.end_of_support.note(attempt)
        state.cache.sync(state.tracked.values())
        state.last_refresh = state.last_refresh.after(attempt, self.clock.now(), self.clock.monotonic())
        active = self._unfinished()
        # A refused cell whose active operations have expired is tried rarely. A named id is always tried at full pace.
        has_expired = all(operation.reading and not self._is_fresh(operation) for operation in active)
        state.pace.note(not (active or attempt.reasons), attempt.is_refused and has_expired)
        self._attempt = None
        snapshot = self.snapshot()
        if not (snapshot.up or snapshot.is_counted):
            state.last_refresh = replace(state.last_refresh, has_own_failure=True)
        return snapshot

    def _log_denial(self, attempt: RefreshAttempt, is_counted: bool) -> None:
        """Log once that AWS denies calls, unless the account has one line for all of its denied cells."""
        is_own = bool(attempt.denial) and not is_counted
        if attempt.denial and is_own and not self.state.denial_logged:
            self.log.failure(*attempt.denial)
        self.state.denial_logged = is_own

    def _log_omission(self, number: int) -> None:
        """Log once that active operations are omitted, until none is."""
        if number and not self.state.omission_logged:
            self.log.active_omitted(number)
        self.state.omission_logged = bool(number)
