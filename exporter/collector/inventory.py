"""Which of the found operations are kept: active and then newest first, up to a number; the rest is counted."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from exporter.collector.result import NEVER
from exporter.config.sections import Discover, Watch
from exporter.core.model import Operation, Reading
from exporter.kinds.kind import Kind, ListEntry
from exporter.kinds.response import Tags

SETTLING_SHARE = 0.1
"""Things or groups may go on after the end, for days where devices are away: ten minutes after it the operation is read
every minute, and later ever more rarely."""


@dataclass(slots=True, eq=False)
class TrackedOperation:
    """What is known of one operation between refreshes; times are monotonic seconds.

    ``unlisted`` counts the lists in a row that lacked it, the newest of them read at ``looked_at``. ``tags`` is None
    until a kind whose operations do not bring their tags has read them.
    """

    listed: ListEntry
    explicit: bool
    matched: bool
    reading: Reading[Operation] | None = None
    read_at: float = NEVER
    tried_at: float = NEVER
    gone_at: float = NEVER
    unlisted: int = 0
    looked_at: float = NEVER
    ended_at: float = NEVER
    final: bool = False
    tags: Tags | None = None

    @property
    def status(self) -> str:
        """The newest status that is known, or empty."""
        return self.reading.operation.status if self.reading else self.listed.status

    def take(self, reading: Reading[Operation], kind: Kind[Any], watch: Watch, now: float) -> None:
        """Note what was read of AWS at a monotonic time, and what it means for the operation."""
        status = reading.operation.status
        if status != self.status:
            self.unlisted, self.ended_at = 0, NEVER
        self.reading, self.read_at, self.gone_at = reading, now, NEVER
        self.final = kind.final(reading.operation, watch.options)
        if not kind.is_active(status) and self.ended_at == NEVER:
            self.ended_at = now
        self.matched |= watch.discover is None or not watch.discover.statuses or status in watch.discover.statuses

    def is_settling(self, now: float, most: float) -> bool:
        """Tell whether it ended and the little that may still change can wait, ``most`` seconds at the most."""
        wait = min(most, SETTLING_SHARE * (self.read_at - self.ended_at))
        return self.ended_at > NEVER and now - self.read_at < wait

    @property
    def created(self) -> datetime | None:
        """When it was created, if AWS said so already."""
        return self.listed.created or (self.reading.operation.created if self.reading else None)


@dataclass(frozen=True, slots=True)
class Selection:
    """The operations that have rows once they are read, those to read for the first time, and how many are left out."""

    kept: tuple[TrackedOperation, ...]
    unread: tuple[TrackedOperation, ...]
    omitted: int


def select(tracked: Iterable[TrackedOperation], rules: Discover | None, kind: Kind[Any], now: float) -> Selection:
    """Return what is kept: what is configured, and of what was found and read, active and then newest ones.

    ``now`` is in Unix seconds. What was never read is read once, since only that tells its status and its date.
    """
    everything = list(tracked)
    explicit = [one for one in everything if one.explicit]
    if rules is None:
        return Selection(tuple(explicit), (), 0)
    found = [one for one in everything if not one.explicit and _eligible(one, rules, now)]
    read = sorted((one for one in found if one.reading), key=lambda one: _rank(one, kind))
    unread = tuple(one for one in found if not one.reading)
    omitted = max(0, len(found) - rules.max_operations)
    return Selection((*explicit, *read[: rules.max_operations]), unread, omitted)


def unsettled(tracked: Iterable[TrackedOperation], rules: Discover | None, now: float) -> list[TrackedOperation]:
    """Return the found operations that may still get a wanted status, where AWS's list cannot tell."""
    if rules is None:
        return []
    read = (one for one in tracked if one.reading and not one.explicit and not one.matched)
    return [one for one in read if not _is_too_old(one, rules, now)]


def _eligible(one: TrackedOperation, rules: Discover, now: float) -> bool:
    if one.reading is not None and not one.matched:
        return False
    return not _is_too_old(one, rules, now)


def _is_too_old(one: TrackedOperation, rules: Discover, now: float) -> bool:
    if rules.max_age is None or one.created is None:
        return False
    return now - one.created.timestamp() > rules.max_age


def _rank(one: TrackedOperation, kind: Kind[Any]) -> tuple[bool, float, str]:
    created = one.created.timestamp() if one.created else math.inf
    return (not kind.is_active(one.status), -created, one.listed.id)
