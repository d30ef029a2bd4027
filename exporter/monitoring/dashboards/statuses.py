"""The statuses of all kinds by what they come to, and the colours of that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from exporter.kinds.kind import Kind
from exporter.kinds.phase import Meaning, meaning
from exporter.metrics.families import UNKNOWN

Kinds = Sequence[Kind[Any]]

COLORS: Final[Mapping[Meaning, str]] = {
    Meaning.WAITING: "purple",
    Meaning.RUNNING: "blue",
    Meaning.ENDING: "yellow",
    Meaning.UNKNOWN: "super-light-yellow",
    Meaning.FAILED: "red",
    Meaning.STOPPED: "orange",
    # No green: completed does not mean success, and the count of failures has the colours for that.
    Meaning.COMPLETED: "#7b8087",
    Meaning.ENDED: "#7b8087",
}
MOVING = (Meaning.RUNNING, Meaning.ENDING, Meaning.UNKNOWN)
GOING = (Meaning.WAITING, *MOVING)


def meanings(kinds: Kinds) -> Mapping[str, Meaning]:
    """Return every status of the kinds with what it comes to, in AWS's order."""
    return dict(_pairs(kinds))


def _pairs(kinds: Kinds) -> Iterator[tuple[str, Meaning]]:
    for kind in kinds:
        for status in (*kind.statuses, UNKNOWN):
            yield status, meaning(kind, status)


def statuses(kinds: Kinds, *wanted: Meaning) -> str:
    """Return the statuses that come to one of these, as a regular expression of PromQL."""
    return "|".join(status for status, one in meanings(kinds).items() if one in wanted)
