"""How refreshes of a cell go: what one has met so far, and what the last finished one came to."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from exporter.core.errors import ApiError, Reason

NEVER = -math.inf


@dataclass(slots=True)
class RefreshAttempt:
    """One refresh so far; ``since`` is in monotonic seconds."""

    since: float
    reasons: set[Reason] = field(default_factory=set)
    errors: dict[tuple[Reason, str, str], ApiError] = field(default_factory=dict)
    answered: bool = False
    failures_in_a_row: int = 0

    def succeed(self) -> None:
        """Note an answer of AWS."""
        self.answered, self.failures_in_a_row = True, 0

    def fail(self, error: ApiError) -> bool:
        """Note a failure; tell whether it is the first one of its reason."""
        is_new = error.reason not in self.reasons
        self.reasons.add(error.reason)
        self.errors.setdefault((error.reason, error.code, error.api), error)
        return is_new


@dataclass(frozen=True, slots=True)
class LastRefresh:
    """What the last finished refresh came to; ``success`` is in Unix seconds, ``answered`` in monotonic ones."""

    reasons: frozenset[Reason] = frozenset()
    up: bool = False
    success: float = 0.0
    answered: float = NEVER
    duration: float | None = None

    def after(self, this: RefreshAttempt, now: float, monotonic: float) -> LastRefresh:
        """Return the verdict when a refresh has ended."""
        up = not this.reasons
        return LastRefresh(
            reasons=frozenset(this.reasons),
            up=up,
            success=now if up else self.success,
            # Where nothing had to be asked, AWS refused nothing.
            answered=monotonic if this.answered or not this.errors else self.answered,
            duration=monotonic - this.since,
        )
