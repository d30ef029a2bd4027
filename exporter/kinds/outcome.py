"""The outcome of an operation. A completed one is not always a success: its counts decide."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from exporter.core.model import Operation
from exporter.kinds.kind import Kind, Options


class Outcome(StrEnum):
    """Whether an operation is pending, or how it ended."""

    PENDING = "open"
    SUCCEEDED = "well"
    FAILED = "badly"


def outcome(kind: Kind[Any], operation: Operation, options: Options) -> Outcome:
    """Return the outcome of an operation. It succeeded if it completed and the number of failed items is 0.

    If AWS sent no failure count, it did not succeed. A continuous operation has no end: it counts as completed while
    all of its items are finished.
    """
    if not (kind.is_final(operation, options) or _is_idle(kind, operation)):
        return Outcome.PENDING
    is_running = kind.is_continuous(operation) and kind.is_active(operation.status)
    completed = operation.status in kind.completed or is_running
    return Outcome.SUCCEEDED if completed and kind.item_counts(operation).failed == 0 else Outcome.FAILED


def _is_idle(kind: Kind[Any], operation: Operation) -> bool:
    if not kind.is_continuous(operation):
        return False
    ended_empty = operation.progress is None and not kind.is_active(operation.status)
    return operation.progress == 1 or ended_empty
