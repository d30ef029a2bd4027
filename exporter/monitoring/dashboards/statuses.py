"""What AWS's statuses come to: sorted by whether they last and by the words in them, so that no kind is named here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, Final

from exporter.families import UNKNOWN
from exporter.kind import Kind

Kinds = Sequence[Kind[Any]]


class Group(Enum):
    """What a status comes to."""

    WAITING = "waiting"
    RUNNING = "running"
    ENDING = "ending"
    UNKNOWN = "unknown"
    FAILED = "failed"
    STOPPED = "stopped"
    ENDED = "ended"


COLORS: Final[Mapping[Group, str]] = {
    Group.WAITING: "purple",
    Group.RUNNING: "blue",
    Group.ENDING: "yellow",
    Group.UNKNOWN: "super-light-yellow",
    Group.FAILED: "red",
    Group.STOPPED: "orange",
    # No green: completed does not mean success, and the count of failures has the colours for that.
    Group.ENDED: "#7b8087",
}
MOVING = (Group.RUNNING, Group.ENDING, Group.UNKNOWN)
GOING = (Group.WAITING, *MOVING)

_LASTING: Final = ((Group.FAILED, "fail"), (Group.STOPPED, "cancel|stop|abort|delet|inactive"), (Group.ENDED, ""))
_PASSING: Final = ((Group.WAITING, "schedul|pending"), (Group.ENDING, "cancel|stop|abort|delet"), (Group.RUNNING, ""))


def group_of(kind: Kind[Any], status: str) -> Group:
    """Return what a status of a kind comes to."""
    if status not in kind.statuses:
        return Group.UNKNOWN
    words = _PASSING if kind.is_active(status) else _LASTING
    return next(group for group, pattern in words if re.search(pattern, status, re.IGNORECASE))


def groups(kinds: Kinds) -> Mapping[str, Group]:
    """Return every status of the kinds with its group, in AWS's order."""
    return dict(_pairs(kinds))


def _pairs(kinds: Kinds) -> Iterator[tuple[str, Group]]:
    for kind in kinds:
        for status in (*kind.statuses, UNKNOWN):
            yield status, group_of(kind, status)


def statuses(kinds: Kinds, *wanted: Group) -> str:
    """Return the statuses of some groups as a regular expression of PromQL."""
    return "|".join(status for status, group in groups(kinds).items() if group in wanted)
