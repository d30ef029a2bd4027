"""The phase of a status, and the outcome of an operation: the same for all kinds, on pages and in terminals."""

from enum import Enum, StrEnum
from typing import Any

from exporter.core.model import Operation
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

    PENDING = "open"
    SUCCEEDED = "well"
    FAILED = "badly"
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


def outcome(kind: Kind[Any], operation: Operation, options: Options) -> Outcome:
    """Return the outcome of an operation. It succeeded if it completed and its number of failed items is 0.

    If AWS sent no failure count, it did not succeed. If items may have failed, the outcome is undecided. A continuous
    operation has no end: it counts as completed while all of its items are finished.
    """
    if not (kind.is_final(operation, options) or _is_idle(kind, operation)):
        return Outcome.PENDING
    is_running = kind.is_continuous(operation) and kind.is_active(operation.status)
    counts = kind.item_counts(operation)
    if not (operation.status in kind.completed or is_running) or counts.failed != 0:
        return Outcome.FAILED
    return Outcome.UNDECIDED if counts.possibly_failed else Outcome.SUCCEEDED


def _is_idle(kind: Kind[Any], operation: Operation) -> bool:
    if not kind.is_continuous(operation):
        return False
    ended_empty = operation.progress is None and not kind.is_active(operation.status)
    return operation.progress == 1 or ended_empty
