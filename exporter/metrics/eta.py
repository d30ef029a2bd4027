"""Estimates the rate and the end of operations from their progress over the last minutes."""

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass

from exporter.core.model import CellKey, Operation, Reading, Snapshot

# Long enough to average the waves of a roll-out, short enough to follow a change of its rate.
WINDOW_SECONDS = 900.0
# Readings that are closer together do not improve an estimate.
MIN_SPACING_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Estimate:
    """``rate`` is the share completed per second. ``end`` is in Unix seconds, or None without progress."""

    rate: float
    end: float | None


@dataclass(frozen=True, slots=True)
class _Point:
    at: float
    progress: float


class Estimates:
    """The progress of every operation over the window, recorded from snapshots."""

    def __init__(self) -> None:
        self._points: dict[CellKey, dict[str, deque[_Point]]] = {}

    def note(self, snapshot: Snapshot) -> None:
        """Record the progress in a snapshot. Operations that are not in it are removed."""
        before = self._points.get(snapshot.key, {})
        self._points[snapshot.key] = {
            reading.operation.id: _extended(before.get(reading.operation.id), reading)
            for reading in snapshot.readings
            if reading.operation.progress is not None
        }

    def keep(self, keys: Collection[CellKey]) -> None:
        """Remove all cells but these."""
        self._points = {key: points for key, points in self._points.items() if key in keys}

    def of(self, key: CellKey, id: str) -> Estimate | None:
        """Return the estimate of an operation, or None if it has fewer than two readings."""
        points = self._points.get(key, {}).get(id)
        if not points or points[-1].at <= points[0].at:
            return None
        first, last = points[0], points[-1]
        rate = (last.progress - first.progress) / (last.at - first.at)
        return Estimate(rate, last.at + (1 - last.progress) / rate if rate > 0 else None)


def _extended(points: deque[_Point] | None, reading: Reading[Operation]) -> deque[_Point]:
    at, progress = reading.at, reading.operation.progress or 0.0
    # Most readings of a snapshot are those of the previous one, and a scrape waits for this function.
    if points and points[-1].at == at and points[-1].progress == progress:
        return points
    point = _Point(at, progress)
    kept = deque(points or ())
    # If progress or time went backwards, it is another run or the wall clock was set. The estimate starts again.
    if kept and (point.at < kept[-1].at or point.progress < kept[-1].progress):
        kept.clear()
    if len(kept) > 1 and kept[-1].at - kept[-2].at < MIN_SPACING_SECONDS:
        kept.pop()
    kept.append(point)
    while kept[0].at < point.at - WINDOW_SECONDS:
        kept.popleft()
    return kept
