"""The thresholds that decide whether an operation needs attention, for the rules, the dashboards and the page."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """The thresholds of one kind. A ratio is that of failed items to processed items.

    - ``failure_ratio``: above this ratio, a running operation fails too often.
    - ``min_items``: ``failure_ratio`` counts only from this number of processed items on.
    - ``finished_failure_ratio``: above this ratio, a finished operation needs attention, however few items it has.
    - ``finished_failures``: from this number of failed items on, it needs attention, however small the ratio is.
    - ``stalled_seconds``: a running operation without a changed count for this time is stalled.
    - ``stalled_ratio``: an operation with a smaller ratio of unfinished items is not stalled.
    - ``ended_seconds``: an ended operation needs attention for this time after its end.
    """

    failure_ratio: float = 0.05
    min_items: int = 20
    finished_failure_ratio: float = 0.01
    finished_failures: int = 100
    stalled_seconds: float = 1_800.0
    stalled_ratio: float = 0.0
    ended_seconds: float = 86_400.0


DEFAULT = Thresholds()
