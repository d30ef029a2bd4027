"""The state of an operation at a moment, in whole items, which never goes backwards."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from math import floor

from exporter.simulator.scenario import Point

ROUNDING = 1e-6
"""A share of items may come out just below the whole number that it means."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A point of a timeline with its counts; ``at`` is in seconds since the operation was created."""

    at: float
    status: str
    succeeded: int
    failed: int

    @property
    def state(self) -> tuple[str, int, int]:
        """All but the time."""
        return self.status, self.succeeded, self.failed


def stages(points: Sequence[Point], items: int) -> tuple[Stage, ...]:
    """Return the points in items. Each count is whole and at least what it was, and together they fit the items."""
    found: list[Stage] = []
    succeeded = 0
    for point in points:
        failed = floor(point.failed * items + ROUNDING)
        done = floor(point.done * items + ROUNDING)
        succeeded = max(succeeded, done - failed)
        found.append(Stage(point.at, point.status, succeeded, failed))
    return tuple(found)


def state(stages: Sequence[Stage], age: float) -> Stage:
    """Return the state at an age in seconds; its ``at`` is when it last changed."""
    index = max(0, bisect_right(stages, age, key=lambda stage: stage.at) - 1)
    stage, after = stages[index], stages[min(index + 1, len(stages) - 1)]
    succeeded, since = _grown(stage.at, after.at, stage.succeeded, after.succeeded, age)
    failed, failed_since = _grown(stage.at, after.at, stage.failed, after.failed, age)
    grown_since = max(since, failed_since)
    changed = grown_since if grown_since > stage.at else _unchanged_since(stages, index)
    return Stage(changed, stage.status, succeeded, failed)


def _grown(start: float, end: float, low: int, high: int, age: float) -> tuple[int, float]:
    """Return a count that grows evenly from ``low`` to ``high``, and when it last did."""
    if low == high:
        return low, start
    steps = min(high - low, int((high - low) * (age - start) / (end - start)))
    return low + steps, min(age, start + (end - start) * steps / (high - low))


def _unchanged_since(stages: Sequence[Stage], index: int) -> float:
    while index and stages[index - 1].state == stages[index].state:
        index -= 1
    return stages[index].at
