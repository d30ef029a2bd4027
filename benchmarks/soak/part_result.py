"""The result of a part of the load test."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PartResult:
    """The tables of a part, and its failures."""

    report: str
    failures: tuple[str, ...] = ()


def percentiles(seconds: Sequence[float]) -> tuple[str, ...]:
    """Return the number, the 50th and the 99th percentile, and the maximum, for a table."""
    if not seconds:
        return ("0", "", "", "")
    ordered = sorted(seconds)
    p50, p99 = (ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.99))
    return (f"{len(ordered):,}", *(_milliseconds(value) for value in (p50, p99, ordered[-1])))


TIMES = ("number", "p50", "p99", "longest")


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:,.0f} ms"
