"""The operations that a cell tracks, and which of them it keeps: active ones first, then the newest, up to a limit."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from exporter.config.sections import Discover, Watch
from exporter.core.clock import NEVER
from exporter.core.model import Operation, Reading
from exporter.kinds.kind import Kind, ListEntry
from exporter.kinds.response import Tags

# Things or groups can change after the operation has ended, for days if devices are offline. The wait between two
# readings is this share of the time since the end: a minute after ten minutes, and longer later.
SETTLING_SHARE = 0.1


@dataclass(slots=True, eq=False)
class TrackedOperation:
    """What is known of one operation between refreshes. Times are monotonic seconds.

    ``missed_lists`` counts the consecutive lists without the operation; the newest one was read at ``list_checked_at``.
    ``gone_at`` is the last time that AWS did not know a configured id, NEVER if AWS knows it or was not called yet.
    ``tags`` is None until they are read, for kinds whose tags have an API of their own.
    """

    entry: ListEntry
    explicit: bool
    matched: bool
    reading: Reading[Operation] | None = None
    read_at: float = NEVER
    tried_at: float = NEVER
    gone_at: float = NEVER
    missed_lists: int = 0
    list_checked_at: float = NEVER
    ended_at: float = NEVER
    final: bool = False
    tags: Tags | None = None
    tags_tried_at: float = NEVER

    @property
    def status(self) -> str:
        """The newest known status, or empty."""
        return self.reading.operation.status if self.reading else self.entry.status

    @property
    def created(self) -> datetime | None:
        """When AWS created it, or None if that is not known yet."""
        return self.entry.created or (self.reading.operation.created if self.reading else None)

    def update(self, reading: Reading[Operation], kind: Kind[Any], watch: Watch, now: float) -> None:
        """Store a new reading, made at a monotonic time."""
        status = reading.operation.status
        if status != self.status:
            self.missed_lists, self.ended_at = 0, NEVER
        self.final = kind.is_final(reading.operation, watch.options)
        self.reading, self.read_at, self.gone_at = replace(reading, final=self.final), now, NEVER
        if not kind.is_active(status) and self.ended_at == NEVER:
            self.ended_at = now
        self.matched |= watch.discover is None or watch.discover.finds(status, kind.statuses)

    def is_settling(self, now: float, max_wait: float) -> bool:
        """Return whether the operation has ended and its next reading can wait, at most ``max_wait`` seconds."""
        wait = min(max_wait, SETTLING_SHARE * (self.read_at - self.ended_at))
        return self.ended_at > NEVER and now - self.read_at < wait


@dataclass(frozen=True, slots=True)
class Selection:
    """The operations that get series once they are read, those without a first reading, and those beyond the limit.

    ``omitted`` is the number of operations beyond the limit, and ``active_omitted`` of them are active. ``left_out``
    contains those of them that were read.
    """

    kept: tuple[TrackedOperation, ...]
    unread: tuple[TrackedOperation, ...] = ()
    left_out: tuple[TrackedOperation, ...] = ()
    omitted: int = 0
    active_omitted: int = 0


def select(tracked: Iterable[TrackedOperation], rules: Discover | None, kind: Kind[Any], now: float) -> Selection:
    """Return the configured operations, and the active and newest ones among those that were discovered and read.

    ``now`` is in Unix seconds. Every discovered operation is read once, because only a reading has its status and date.
    """
    operations = list(tracked)
    explicit = [operation for operation in operations if operation.explicit]
    if rules is None:
        return Selection(tuple(explicit))
    found = [operation for operation in operations if not operation.explicit and _is_eligible(operation, rules, now)]
    read = sorted((operation for operation in found if operation.reading), key=lambda found: _rank(found, kind))
    unread = tuple(operation for operation in found if not operation.reading)
    limit = rules.max_operations
    # Active operations come first, so one of them is beyond the limit only if all within the limit are active. An
    # operation without a known status is not counted before its first reading.
    active = sum(1 for operation in found if operation.status and kind.is_active(operation.status))
    return Selection(
        kept=(*explicit, *read[:limit]),
        unread=unread,
        left_out=tuple(read[limit:]),
        omitted=max(0, len(found) - limit),
        active_omitted=max(0, active - limit),
    )


def unmatched(tracked: Iterable[TrackedOperation], rules: Discover | None, now: float) -> list[TrackedOperation]:
    """Return the discovered operations that never had a wanted status. AWS's list may not report a change to one."""
    if rules is None:
        return []
    read = (operation for operation in tracked if operation.reading and not operation.explicit)
    return [operation for operation in read if not operation.matched and not _is_too_old(operation, rules, now)]


def _is_eligible(operation: TrackedOperation, rules: Discover, now: float) -> bool:
    return (operation.matched or operation.reading is None) and not _is_too_old(operation, rules, now)


def _is_too_old(operation: TrackedOperation, rules: Discover, now: float) -> bool:
    if rules.max_age is None or operation.created is None:
        return False
    return now - operation.created.timestamp() > rules.max_age


def _rank(operation: TrackedOperation, kind: Kind[Any]) -> tuple[bool, float, str]:
    created = operation.created.timestamp() if operation.created else math.inf
    return (not kind.is_active(operation.status), -created, operation.entry.id)
