"""How fast an operation goes and when it may end, from the progress that was read over the last minutes."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from exporter.core.model import CellKey, Operation, Reading, Snapshot

WINDOW_SECONDS = 900.0
"""How far back a rate looks: long enough to even out waves of a roll-out, short enough to follow a change of pace."""
SPACING_SECONDS = 15.0
"""Readings closer together than this add nothing to a rate."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """``rate`` is the share of the whole that gets done each second; ``end`` in Unix seconds, None where it stands."""

    rate: float
    end: float | None


@dataclass(frozen=True, slots=True)
class _Point:
    at: float
    progress: float


class Estimates:
    """The progress of every operation over the window. Fed with snapshots, read at any time."""

    def __init__(self) -> None:
        self._points: dict[CellKey, dict[str, deque[_Point]]] = {}

    def note(self, snapshot: Snapshot) -> None:
        """Take in what a snapshot says; operations that it lacks are forgotten."""
        before = self._points.get(snapshot.key, {})
        self._points[snapshot.key] = {
            reading.operation.id: _with(before.get(reading.operation.id), reading)
            for reading in snapshot.readings
            if reading.operation.progress is not None
        }

    def keep(self, keys: Collection[CellKey]) -> None:
        """Forget every other cell."""
        self._points = {key: points for key, points in self._points.items() if key in keys}

    def of(self, key: CellKey, id: str) -> Estimate | None:
        """Return the estimate of one operation, None where too little was read of it yet."""
        points = self._points.get(key, _NOTHING).get(id)
        if not points or points[-1].at <= points[0].at:
            return None
        first, last = points[0], points[-1]
        rate = (last.progress - first.progress) / (last.at - first.at)
        return Estimate(rate, last.at + (1 - last.progress) / rate if rate > 0 else None)


_NOTHING: Mapping[str, deque[_Point]] = {}


def _with(points: deque[_Point] | None, reading: Reading[Operation]) -> deque[_Point]:
    at, progress = reading.at, reading.operation.progress or 0.0
    # Most of what a snapshot holds is what the one before held, and a scrape waits for this.
    if points and points[-1].at == at and points[-1].progress == progress:
        return points
    point = _Point(at, progress)
    kept = deque(points or ())
    # What went backwards is another run, or a wall clock that was set: the rate begins anew.
    if kept and (point.at < kept[-1].at or point.progress < kept[-1].progress):
        kept.clear()
    if len(kept) > 1 and kept[-1].at - kept[-2].at < SPACING_SECONDS:
        kept.pop()
    kept.append(point)
    while kept[0].at < point.at - WINDOW_SECONDS:
        kept.popleft()
    return kept
