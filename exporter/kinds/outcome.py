"""What became of an operation. Completed does not mean success: the counts decide."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from exporter.core.model import Operation
from exporter.kinds.kind import Kind, Options


class Outcome(StrEnum):
    """Whether an operation goes on, or how it ended."""

    PENDING = "open"
    SUCCEEDED = "well"
    FAILED = "badly"


def outcome(kind: Kind[Any], operation: Operation, options: Options) -> Outcome:
    """Return what became of an operation; well means that it came to its end by itself and nothing in it failed.

    Where AWS tells no count of failures, nobody knows that it went well.
    A continuous one never ends: it counts as ended while nothing of it is under way.
    """
    if not (kind.final(operation, options) or _pauses(kind, operation)):
        return Outcome.PENDING
    goes_on = kind.continuous(operation) and kind.is_active(operation.status)
    completed = operation.status in kind.completes or goes_on
    return Outcome.SUCCEEDED if completed and kind.item_counts(operation).failed == 0 else Outcome.FAILED


def _pauses(kind: Kind[Any], operation: Operation) -> bool:
    if not kind.continuous(operation):
        return False
    nothing_in_it = operation.progress is None and not kind.is_active(operation.status)
    return operation.progress == 1 or nothing_in_it
