"""What a fault came to, as the matrix tells it."""

from __future__ import annotations

from dataclasses import dataclass

FRESH, KEPT, UNTAGGED, UNKNOWN, FEWER, NONE = "fresh", "kept", "untagged", "Unknown", "fewer", "none"
"""What became of an operation's rows: read anew, the last good ones, all but tags, the status Unknown, fewer, none."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What one case came to.

    ``rows`` is what became of the operation's rows, ``later`` after ``stale_after``; ``back`` the refreshes after the
    end of the fault until all was as before; ``hurt`` the other cells and operations that noticed.
    """

    reasons: tuple[str, ...]
    up: bool
    rows: str
    later: str
    back: int
    hurt: tuple[str, ...] = ()
