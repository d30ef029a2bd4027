"""Moments and spans of time as people and programs read them."""

from __future__ import annotations

from datetime import UTC, datetime

UNITS = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"))
TWICE = 2.0
"""A unit is used from two of it on: 90 minutes say more than 1 hour."""


def moment(seconds: float | None) -> datetime | None:
    """Return the time of Unix seconds, None for what is unknown or beyond the calendar."""
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def span(seconds: float) -> str:
    """Return a span in one unit, rounded down: ``45 s``, ``12 min``, ``3 d``."""
    for size, unit in UNITS:
        if seconds >= TWICE * size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(0, int(seconds))} s"


def distance(at: float, now: float) -> str:
    """Return how far away a time is, both in Unix seconds: ``3 min ago``, ``in 2 h``."""
    return f"{span(now - at)} ago" if at <= now else f"in {span(at - now)}"
