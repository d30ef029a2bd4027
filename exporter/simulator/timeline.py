"""The state of an operation at a time, in whole items. Counts never decrease."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from math import floor

from exporter.simulator.scenario import Point, point_values

# A share of the items can be slightly below the whole number that it means.
ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class Stage:
    """A status with counts. ``at`` is in seconds since the operation was created."""

    at: float
    status: str
    succeeded: int
    failed: int

    @property
    def state(self) -> tuple[str, int, int]:
        """All values except the time."""
        return self.status, self.succeeded, self.failed


def stages_of(points: Sequence[Point], items: int) -> tuple[Stage, ...]:
    """Return the points with whole counts. No count decreases, and the sum never exceeds the number of items."""
    stages: list[Stage] = []
    succeeded = 0
    for point, (status, done_share, failed_share) in zip(points, point_values(points), strict=True):
        failed = floor(failed_share * items + ROUNDING)
        done = floor(done_share * items + ROUNDING)
        succeeded = max(succeeded, done - failed)
        stages.append(Stage(point.at, status, succeeded, failed))
    return tuple(stages)


def stage_at(stages: Sequence[Stage], age: float) -> Stage:
    """Return the state at an age in seconds. Its ``at`` is the age at the last change."""
    index = max(0, bisect_right(stages, age, key=lambda stage: stage.at) - 1)
    stage, after = stages[index], stages[min(index + 1, len(stages) - 1)]
    succeeded, succeeded_changed = _interpolated(stage.at, after.at, stage.succeeded, after.succeeded, age)
    failed, failed_changed = _interpolated(stage.at, after.at, stage.failed, after.failed, age)
    changed = max(succeeded_changed, failed_changed)
    return Stage(changed if changed > stage.at else _unchanged_since(stages, index), stage.status, succeeded, failed)


def _interpolated(start: float, end: float, low: int, high: int, age: float) -> tuple[int, float]:
    """Return a count that grows evenly from ``low`` to ``high``, and the age at its last change."""
    if low == high:
        return low, start
    steps = min(high - low, int((high - low) * (age - start) / (end - start)))
    return low + steps, min(age, start + (end - start) * steps / (high - low))


def _unchanged_since(stages: Sequence[Stage], index: int) -> float:
    while index and stages[index - 1].state == stages[index].state:
        index -= 1
    return stages[index].at
