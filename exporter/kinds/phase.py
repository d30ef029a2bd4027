"""What a status of any kind comes to, as the kind's record says: the same on pages, in terminals and on dashboards."""

from __future__ import annotations

from enum import Enum
from typing import Any

from exporter.kinds.kind import Kind


class Phase(Enum):
    """What a status comes to. ``UNKNOWN`` is one of tomorrow, ``ENDED`` any end that is none of the others."""

    WAITING = "waiting"
    RUNNING = "running"
    ENDING = "ending"
    UNKNOWN = "unknown"
    FAILED = "failed"
    STOPPED = "stopped"
    COMPLETED = "completed"
    ENDED = "ended"


def phase(kind: Kind[Any], status: str) -> Phase:
    """Return what a status of a kind comes to."""
    if status not in kind.statuses:
        return Phase.UNKNOWN
    named = (
        (Phase.WAITING, kind.waiting),
        (Phase.ENDING, kind.ending),
        (Phase.FAILED, kind.failed),
        (Phase.STOPPED, kind.stopped),
        (Phase.COMPLETED, kind.completes),
    )
    other = Phase.RUNNING if kind.is_active(status) else Phase.ENDED
    return next((one for one, statuses in named if status in statuses), other)
