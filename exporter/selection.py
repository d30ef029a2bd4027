"""Which of the found operations are kept: active and then newest first, up to a number; the rest is counted."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from exporter.config import Discover
from exporter.kind import Kind, Listed
from exporter.model import Operation, Reading
from exporter.verdict import NEVER


@dataclass(slots=True, eq=False)
class Tracked:
    """What is known of one operation between refreshes; times are monotonic seconds."""

    listed: Listed
    explicit: bool
    matched: bool
    reading: Reading[Operation] | None = None
    read_at: float = NEVER
    tried_at: float = NEVER
    gone_at: float = NEVER
    final: bool = False

    @property
    def status(self) -> str:
        """The newest status that is known, or empty."""
        return self.reading.operation.status if self.reading else self.listed.status

    @property
    def created(self) -> datetime | None:
        """When it was created, if AWS said so already."""
        return self.listed.created or (self.reading.operation.created if self.reading else None)


def select(
    tracked: Iterable[Tracked], rules: Discover | None, kind: Kind[Any], now: float
) -> tuple[list[Tracked], list[Tracked]]:
    """Return the operations that are kept, explicit ones among them, and the found ones that are left out.

    ``now`` is in Unix seconds. What AWS has not yet dated counts as newest.
    """
    explicit: list[Tracked] = []
    found: list[Tracked] = []
    for one in tracked:
        if one.explicit:
            explicit.append(one)
        elif rules and _eligible(one, rules, now):
            found.append(one)
    if rules is None or len(found) <= rules.max_operations:
        return explicit + found, []
    found.sort(key=lambda one: _rank(one, kind))
    return explicit + found[: rules.max_operations], found[rules.max_operations :]


def unsettled(tracked: Iterable[Tracked], rules: Discover | None, now: float) -> list[Tracked]:
    """Return the found operations that may still get a wanted status, where AWS's list cannot tell."""
    if rules is None:
        return []
    read = (one for one in tracked if one.reading and not one.explicit and not one.matched)
    return [one for one in read if not _is_too_old(one, rules, now)]


def _eligible(one: Tracked, rules: Discover, now: float) -> bool:
    if one.reading is not None and not one.matched:
        return False
    return not _is_too_old(one, rules, now)


def _is_too_old(one: Tracked, rules: Discover, now: float) -> bool:
    if rules.max_age is None or one.created is None:
        return False
    return now - one.created.timestamp() > rules.max_age


def _rank(one: Tracked, kind: Kind[Any]) -> tuple[bool, float, str]:
    created = one.created.timestamp() if one.created else math.inf
    return (not kind.is_active(one.status), -created, one.listed.id)
