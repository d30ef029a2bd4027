"""What is wrong with an operation, how urgent it is, and why: by the thresholds that the alerts have, too."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any

from exporter.core.model import ItemCounts, Operation
from exporter.kinds.kind import Kind
from exporter.kinds.phase import Phase, phase
from exporter.metrics.eta import History

# A duration uses the largest unit that fits at least this often: 90 minutes is more precise than 1 hour.
MIN_UNITS = 2.0
UNITS = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"))


class Severity(StrEnum):
    """How urgent an operation is."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    NONE = "none"


class Problem(IntEnum):
    """What is wrong with an operation, the most urgent first."""

    FAILED = 0
    ABORTED = 1
    FAILING = 2
    STALLED = 3
    FINISHED_WITH_FAILURES = 4
    STOPPED = 5
    NONE = 6

    @property
    def severity(self) -> Severity:
        """The severity of an operation with this problem. A user knows of an operation that a user stopped."""
        return SEVERITIES.get(self, Severity.MEDIUM)


SEVERITIES = {Problem.FAILED: Severity.HIGH, Problem.STOPPED: Severity.LOW, Problem.NONE: Severity.NONE}


@dataclass(frozen=True, slots=True)
class Attention:
    """The problems of an operation, the most urgent one first, all in words, and whether they are recent.

    ``share`` orders operations with the same problem: the ratio of failed items.
    """

    problems: tuple[Problem, ...]
    reason: str
    is_recent: bool
    share: float

    @property
    def problem(self) -> Problem:
        """The most urgent problem."""
        return self.problems[0] if self.problems else Problem.NONE

    @property
    def rank(self) -> tuple[int, float]:
        """The sort key: the most urgent operation first. An old problem does not count."""
        return (self.problem, -self.share) if self.needs_attention else (Problem.NONE, 0.0)

    @property
    def needs_attention(self) -> bool:
        """Whether a user has to look at the operation."""
        return self.is_recent and self.problem is not Problem.NONE


NO_ATTENTION = Attention((), "", is_recent=True, share=0.0)


@dataclass(frozen=True, slots=True)
class State:
    """An operation with what its kind says of it."""

    kind: Kind[Any]
    operation: Operation
    history: History
    phase: Phase
    counts: ItemCounts
    is_active: bool

    @property
    def is_running(self) -> bool:
        """Whether AWS works on the operation, and it has items left."""
        return self.is_active and self.phase is not Phase.WAITING and self.operation.progress != 1


def state_of(kind: Kind[Any], operation: Operation, history: History) -> State:
    """Return the state of an operation."""
    status = operation.status
    return State(kind, operation, history, phase(kind, status), kind.item_counts(operation), kind.is_active(status))


def attention(state: State, now: float) -> Attention:
    """Return what is wrong with an operation at a time in Unix seconds."""
    found = list(_problems(state))
    if not found:
        return NO_ATTENTION
    oldest = now - state.kind.thresholds.ended_seconds
    is_recent = state.is_active or _ended_at(state.operation, state.history, now) > oldest
    problems, texts = zip(*found, strict=True)
    return Attention(problems, ", ".join(texts), is_recent, state.counts.failure_ratio or 0.0)


def _problems(state: State) -> Iterator[tuple[Problem, str]]:
    """Yield the problems of an operation in words, the most urgent one first."""
    if state.is_active:
        yield from _running_problems(state)
        return
    operation = state.operation
    if state.phase is Phase.FAILED:
        yield Problem.FAILED, "failed"
        return
    if operation.aborted:
        yield Problem.ABORTED, "cancelled by its abort criteria"
    if _has_many_failures(state.kind, state.counts):
        yield Problem.FINISHED_WITH_FAILURES, _failed_items(state.counts)
    if state.phase is Phase.STOPPED and not operation.aborted:
        yield Problem.STOPPED, "stopped" if operation.status.casefold().startswith("stop") else "cancelled"


def _running_problems(state: State) -> Iterator[tuple[Problem, str]]:
    if not state.is_running:
        return
    if _is_failing(state.kind, state.counts):
        yield Problem.FAILING, _failed_items(state.counts)
    if _is_stalled(state.kind, state.operation, state.history):
        yield Problem.STALLED, f"stalled for {rounded_duration(state.history.unchanged_seconds)}"


def _is_failing(kind: Kind[Any], counts: ItemCounts) -> bool:
    if not counts.failed:
        return False
    ratio, processed = counts.failure_ratio, counts.total_processed or 0
    return ratio is not None and ratio > kind.thresholds.failure_ratio and processed >= kind.thresholds.min_items


def _has_many_failures(kind: Kind[Any], counts: ItemCounts) -> bool:
    """Return whether too many items of a finished operation failed. A ratio that is unknown counts as too high."""
    if not counts.failed:
        return False
    ratio, thresholds = counts.failure_ratio, kind.thresholds
    too_high = ratio is None or ratio > thresholds.finished_failure_ratio
    return too_high or counts.failed >= thresholds.finished_failures


def _is_stalled(kind: Kind[Any], operation: Operation, history: History) -> bool:
    """Return whether no count has changed for too long. A continuous operation waits for things that join later."""
    if history.unchanged_seconds < kind.thresholds.stalled_seconds:
        return False
    unfinished = 1.0 if operation.progress is None else 1.0 - operation.progress
    return unfinished >= kind.thresholds.stalled_ratio and not kind.is_continuous(operation)


def _ended_at(operation: Operation, history: History, now: float) -> float:
    """Return when an ended operation changed last, in Unix seconds. A time that is unknown counts as now."""
    reported = operation.completed or operation.updated or operation.created
    return max(reported.timestamp() if reported else now, history.changed_at)


def _failed_items(counts: ItemCounts) -> str:
    total = counts.total_processed
    return f"failed: {counts.failed:,}" + (f" of {total:,}" if total else "")


def rounded_duration(seconds: float) -> str:
    """Return a duration in one unit, rounded down: ``45 s``, ``12 min``, ``3 d``."""
    for size, unit in UNITS:
        if seconds >= MIN_UNITS * size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(0, int(seconds))} s"
