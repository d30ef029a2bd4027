"""The phase of a status: the same for all kinds, on pages, in terminals and on dashboards."""

from __future__ import annotations

from enum import Enum
from typing import Any

from exporter.kinds.kind import Kind


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
