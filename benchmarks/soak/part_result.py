"""What a part of the run found: figures for people, and promises that were broken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Outcome:
    """A table or several, and what must not have happened and did."""

    report: str
    broken: tuple[str, ...] = ()


def percentiles(seconds: Sequence[float]) -> tuple[str, ...]:
    """Return how many there are, what half and 99 % of them took at the most, and the longest, for a table."""
    if not seconds:
        return ("0", "", "", "")
    ordered = sorted(seconds)
    middle, high = (ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.99))
    return (f"{len(ordered):,}", *(_milliseconds(one) for one in (middle, high, ordered[-1])))


TIMES = ("number", "p50", "p99", "longest")


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:,.0f} ms"
