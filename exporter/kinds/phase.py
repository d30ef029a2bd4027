"""The phase of a status, and the outcome of an operation: the same for all kinds, on pages and in terminals."""

from dataclasses import dataclass
from enum import Enum, StrEnum
from fractions import Fraction
from typing import Any

from exporter.core.model import ItemCounts, Operation
from exporter.kinds.kind import Kind, Options


class Phase(Enum):
    """The phase of a status. ``UNKNOWN``: AWS added the status later. ``ENDED``: any end without a phase of its own."""

    WAITING = "waiting"
    RUNNING = "running"
    ENDING = "ending"
    UNKNOWN = "unknown"
    FAILED = "failed"
    STOPPED = "stopped"
    COMPLETED = "completed"
    ENDED = "ended"


class Outcome(StrEnum):
    """Whether an operation is pending, or how it ended. ``UNDECIDED``: the counts of AWS do not show it."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNDECIDED = "undecided"


def phase(kind: Kind[Any], status: str) -> Phase:
    """Return the phase of a kind's status."""
    if status not in kind.statuses:
        return Phase.UNKNOWN
    phases = (
        (Phase.WAITING, kind.waiting),
        (Phase.ENDING, kind.ending),
        (Phase.FAILED, kind.failed),
        (Phase.STOPPED, kind.stopped),
        (Phase.COMPLETED, kind.completed),
    )
    default = Phase.RUNNING if kind.is_active(status) else Phase.ENDED
    return next((phase for phase, statuses in phases if status in statuses), default)


@dataclass(frozen=True, slots=True)
class FailureLimit:
    """The failed items that a completed operation may have: a number, or a ratio of the processed items."""

    number: int = 0
    ratio: Fraction | None = None

    def allows(self, failed: int, counts: ItemCounts) -> bool:
        """Return whether an operation with these counts may have so many failed items."""
        if self.ratio is None:
            return failed <= self.number
        return failed <= self.ratio * (counts.total_processed or 0)


NO_FAILURES = FailureLimit()


def outcome(kind: Kind[Any], operation: Operation, options: Options, limit: FailureLimit = NO_FAILURES) -> Outcome:
    """Return the outcome of an operation. It succeeded if it completed and its failed items are within the limit.

    If AWS sent no failure count, it did not succeed. If items may have failed, the outcome is undecided. A continuous
    operation has no end: it counts as completed while all of its items are finished.
    """
    if not (kind.is_final(operation, options) or _is_idle(kind, operation)):
        return Outcome.PENDING
    is_running = kind.is_continuous(operation) and kind.is_active(operation.status)
    counts = kind.item_counts(operation)
    has_completed = operation.status in kind.completed or is_running
    if not has_completed or counts.failed is None or not limit.allows(counts.failed, counts):
        return Outcome.FAILED
    is_certain = limit.allows(counts.failed + counts.possibly_failed, counts)
    return Outcome.SUCCEEDED if is_certain else Outcome.UNDECIDED


def _is_idle(kind: Kind[Any], operation: Operation) -> bool:
    if not kind.is_continuous(operation):
        return False
    ended_empty = operation.progress is None and not kind.is_active(operation.status)
    return operation.progress == 1 or ended_empty
