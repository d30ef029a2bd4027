"""The history of operations over the last minutes: their progress, rate, estimated end, and last change."""

import math
from collections.abc import Collection
from dataclasses import dataclass, replace

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


@dataclass(frozen=True, slots=True)
class History:
    """The readings of one operation, all times in Unix seconds. ``points`` are its progress over the window.

    ``changed_at`` is the first reading after the last change, or minus infinity if no change was seen. ``since`` is the
    first reading, or the last change if there is one.
    """

    reading: Reading[Operation]
    since: float
    changed_at: float = -math.inf
    points: tuple[_Point, ...] = ()

    @property
    def unchanged_seconds(self) -> float:
        """How long the operation has been read without a change."""
        return self.reading.at - self.since

    @property
    def estimate(self) -> Estimate | None:
        """The estimate from the points, or None if there are fewer than two."""
        if not self.points or self.points[-1].at <= self.points[0].at:
            return None
        first, last = self.points[0], self.points[-1]
        rate = (last.progress - first.progress) / (last.at - first.at)
        return Estimate(rate, last.at + (1 - last.progress) / rate if rate > 0 else None)


class Estimates:
    """The history of every operation, recorded from snapshots."""

    def __init__(self) -> None:
        self._histories: dict[CellKey, dict[str, History]] = {}

    def note(self, snapshot: Snapshot) -> None:
        """Record the readings in a snapshot. Operations that are not in it are removed."""
        before = self._histories.get(snapshot.key, {})
        self._histories[snapshot.key] = {
            reading.operation.id: _extended(before.get(reading.operation.id), reading) for reading in snapshot.readings
        }

    def keep(self, keys: Collection[CellKey]) -> None:
        """Remove all cells but these."""
        self._histories = {key: histories for key, histories in self._histories.items() if key in keys}

    def history(self, key: CellKey, reading: Reading[Operation]) -> History:
        """Return the history of an operation, which begins with this reading if none was recorded."""
        return self._histories.get(key, {}).get(reading.operation.id) or _extended(None, reading)


def _extended(history: History | None, reading: Reading[Operation]) -> History:
    # Most readings of a snapshot are those of the previous one, and a scrape waits for this function.
    if history and history.reading is reading:
        return history
    # If time went backwards, the wall clock was set, and the history starts again.
    if history is None or reading.at < history.reading.at:
        return History(reading, reading.at, points=_extended_points((), reading))
    points = _extended_points(history.points, reading)
    if _has_changed(history.reading.operation, reading.operation):
        return History(reading, reading.at, reading.at, points)
    return History(reading, history.since, history.changed_at, points)


def _has_changed(before: Operation, now: Operation) -> bool:
    """Return whether a status, a count or the progress differs. AWS may update an operation without any of them."""
    return before != now and replace(before, updated=now.updated, tags=now.tags) != now


def _extended_points(points: tuple[_Point, ...], reading: Reading[Operation]) -> tuple[_Point, ...]:
    progress = reading.operation.progress
    if progress is None:
        return ()
    point = _Point(reading.at, progress)
    # If progress went backwards, it is another run. The estimate starts again.
    if points and progress < points[-1].progress:
        return (point,)
    if len(points) > 1 and points[-1].at - points[-2].at < MIN_SPACING_SECONDS:
        points = points[:-1]
    kept = (*points, point)
    return tuple(entry for entry in kept if entry.at >= point.at - WINDOW_SECONDS)
