"""The statuses of all kinds by what they come to, and the colours of that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from exporter.kinds.kind import Kind
from exporter.kinds.phase import Phase, phase
from exporter.metrics.families import UNKNOWN

Kinds = Sequence[Kind[Any]]

COLORS: Final[Mapping[Phase, str]] = {
    Phase.WAITING: "purple",
    Phase.RUNNING: "blue",
    Phase.ENDING: "yellow",
    Phase.UNKNOWN: "super-light-yellow",
    Phase.FAILED: "red",
    Phase.STOPPED: "orange",
    # No green: completed does not mean success, and the count of failures has the colours for that.
    Phase.COMPLETED: "#7b8087",
    Phase.ENDED: "#7b8087",
}
MOVING = (Phase.RUNNING, Phase.ENDING, Phase.UNKNOWN)
GOING = (Phase.WAITING, *MOVING)


def phases(kinds: Kinds) -> Mapping[str, Phase]:
    """Return every status of the kinds with what it comes to, in AWS's order."""
    return dict(_pairs(kinds))


def _pairs(kinds: Kinds) -> Iterator[tuple[str, Phase]]:
    for kind in kinds:
        for status in (*kind.statuses, UNKNOWN):
            yield status, phase(kind, status)


def statuses(kinds: Kinds, *wanted: Phase) -> str:
    """Return the statuses that come to one of these, as a regular expression of PromQL."""
    return "|".join(status for status, one in phases(kinds).items() if one in wanted)
