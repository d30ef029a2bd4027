"""The result of a watch: how each operation ended, and whether AWS can be read."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from exporter.cli.exit_status import ExitStatus
from exporter.collector.cells import Cell
from exporter.core.clock import Clock
from exporter.core.errors import CONNECT_TIMEOUT, Reason
from exporter.core.model import CellKey, ItemCounts, Operation, Snapshot
from exporter.kinds.kind import FailedItem
from exporter.kinds.phase import NO_FAILURES, FailureLimit, Outcome, outcome
from exporter.metrics.reasons import ReasonGroup, grouped

# If the first refresh of a cell fails for one of these reasons, a later refresh would fail too.
PERMANENT_REASONS = frozenset({Reason.ACCESS_DENIED, Reason.CREDENTIALS, Reason.END_OF_SUPPORT, Reason.NOT_OFFERED})
# Codes of failures to get credentials from a source that does not respond. A later refresh may succeed.
TEMPORARY_CODES = frozenset({Reason.CONNECTION.value, Reason.TIMEOUT.value, CONNECT_TIMEOUT})
# The result names at most this many reasons of failed items.
MAX_REASONS = 10
# Reasons of an operation that no reading describes.
NOT_READ, NOT_FOUND = "not read yet", "AWS does not know it"
# The cause of a cell that the watch gives up, if no refresh has failed.
NO_REFRESH = "no refresh ended within --give-up-after"


@dataclass(frozen=True, slots=True)
class WatchedOperation:
    """An operation of a watch, its outcome, and its status and failures in words."""

    cell: CellKey
    id: str
    outcome: Outcome
    reason: str

    def __str__(self) -> str:
        return f"{self.cell.account} {self.cell.region} {self.cell.kind} {self.id}: {self.reason}"


@dataclass(frozen=True, slots=True)
class FailureReasons:
    """The most frequent reasons of the failures that were read.

    With retries, an item can have several failures: ``failures`` are executions, ``items`` are things.
    """

    groups: tuple[ReasonGroup, ...] = ()
    failures: int = 0
    items: int = 0


def most_frequent_reasons(failures: Sequence[tuple[str, FailedItem]]) -> FailureReasons:
    """Return the most frequent reasons of failed items, each with the name of its operation."""
    items = {(operation, failure.item) for operation, failure in failures}
    groups = grouped(failure for _, failure in failures)
    return FailureReasons(groups[:MAX_REASONS], len(failures), len(items))


@dataclass(frozen=True, slots=True)
class WatchResult:
    """The current result. ``exit_status`` is None while an operation is pending.

    ``unreadable`` has the causes of each cell because of which the watch gives up. ``reasons`` are those of failed
    items, if the watch ends because of them.
    """

    exit_status: ExitStatus | None
    operations: tuple[WatchedOperation, ...]
    unreadable: Mapping[CellKey, tuple[str, ...]]
    reasons: FailureReasons = field(default_factory=FailureReasons)

    def with_outcome(self, outcome: Outcome) -> tuple[WatchedOperation, ...]:
        """Return the operations with an outcome."""
        return tuple(operation for operation in self.operations if operation.outcome is outcome)


class ResultTracker:
    """Derives the result of a watch from snapshots of finished refreshes.

    An operation that was discovered, and had ended before the watch began, does not count. ``limit`` is the number of
    failed items that an operation may have.
    """

    def __init__(
        self, cells: Sequence[Cell], clock: Clock, give_up_after: float, limit: FailureLimit = NO_FAILURES
    ) -> None:
        self._cells = {cell.key: cell for cell in cells}
        self._clock = clock
        self._give_up_after = give_up_after
        self._limit = limit
        self._read_at = dict.fromkeys(self._cells, clock.monotonic())
        self._newest_reading = dict.fromkeys(self._cells, 0.0)
        self._read: set[CellKey] = set()
        self._complete: set[CellKey] = set()
        self._omits_active: set[CellKey] = set()
        self._refused: set[CellKey] = set()
        self._causes: dict[CellKey, tuple[str, ...]] = {}
        self._ended_before: set[tuple[CellKey, str]] = set()
        self._operations = {
            (cell.key, id): WatchedOperation(cell.key, id, Outcome.PENDING, NOT_READ)
            for cell in cells
            for id in cell.watch.ids
        }

    def update(self, snapshots: Iterable[Snapshot], under_way: Collection[CellKey] = ()) -> WatchResult:
        """Read the newest snapshots, and return the current result.

        The snapshot of a refresh that is ``under_way`` is incomplete: it can lack the operations that are read last.
        It only shows that AWS responds.
        """
        for snapshot in snapshots:
            self._update_read_time(snapshot)
            if snapshot.key not in under_way and snapshot.duration is not None:
                self._update_cell(snapshot)
        return self.result()

    def _update_read_time(self, snapshot: Snapshot) -> None:
        newest = max((reading.at for reading in snapshot.readings), default=0.0)
        if newest > self._newest_reading[snapshot.key]:
            self._newest_reading[snapshot.key] = newest
            self._read_at[snapshot.key] = self._clock.monotonic()

    def _update_cell(self, snapshot: Snapshot) -> None:
        self._causes[snapshot.key] = snapshot.causes
        self._omits_active.discard(snapshot.key)
        if snapshot.active_omitted:
            self._omits_active.add(snapshot.key)
        self._refused.discard(snapshot.key)
        self._update_operations(snapshot)
        # A list that cannot be read may contain an operation that is not known yet.
        self._complete.discard(snapshot.key)
        # An id that AWS does not know is no failure of the cell.
        if not snapshot.reasons:
            self._read.add(snapshot.key)
            self._complete.add(snapshot.key)
            self._read_at[snapshot.key] = self._clock.monotonic()
            self._fail_missing(snapshot)
        elif snapshot.key not in self._read and _has_permanent_failure(snapshot) and not snapshot.readings:
            self._refused.add(snapshot.key)

    def _update_operations(self, snapshot: Snapshot) -> None:
        cell = self._cells[snapshot.key]
        for reading in snapshot.readings:
            key, operation = (snapshot.key, reading.operation.id), reading.operation
            current = outcome(cell.kind, operation, cell.watch.options, self._limit)
            if key not in self._operations and current is not Outcome.PENDING and snapshot.key not in self._read:
                self._ended_before.add(key)
            if key not in self._ended_before:
                reason = _reason(operation, cell.kind.item_counts(operation))
                self._operations[key] = WatchedOperation(*key, current, reason)

    def _fail_missing(self, snapshot: Snapshot) -> None:
        """Count an operation that was active and has disappeared although AWS responded as failed."""
        known = {reading.operation.id for reading in snapshot.readings}
        configured = self._cells[snapshot.key].watch.ids
        for (key, id), operation in self._operations.items():
            may_be_omitted = snapshot.omitted and id not in configured
            is_missing = key == snapshot.key and id not in known and operation.outcome is Outcome.PENDING
            if is_missing and not may_be_omitted:
                self._operations[key, id] = WatchedOperation(key, id, Outcome.FAILED, NOT_FOUND)

    def result(self) -> WatchResult:
        """Return the current result."""
        oldest = self._clock.monotonic() - self._give_up_after
        silent = (key for key, at in self._read_at.items() if at <= oldest)
        unreadable = {key: self._causes.get(key) or (NO_REFRESH,) for key in (*self._refused, *silent)}
        operations = tuple(self._operations.values())
        exit_status = None
        if unreadable:
            exit_status = ExitStatus.UNREACHABLE
        elif self._complete >= self._cells.keys() and not self._omits_active:
            exit_status = _ended_status({operation.outcome for operation in operations})
        return WatchResult(exit_status, operations, unreadable)


def _ended_status(outcomes: Collection[Outcome]) -> ExitStatus | None:
    """Return the status of the worst outcome, or None while an operation is pending.

    A failure is certain, so it is worse than an undecided outcome.
    """
    if Outcome.PENDING in outcomes:
        return None
    if Outcome.FAILED in outcomes:
        return ExitStatus.FAILED
    return ExitStatus.UNDECIDED if Outcome.UNDECIDED in outcomes else ExitStatus.SUCCEEDED


def _reason(operation: Operation, counts: ItemCounts) -> str:
    """Return the status of an operation and the number of its failed items."""
    if counts.failed is None:
        return f"{operation.status}, number of failures unknown"
    if not counts.failed and not counts.possibly_failed:
        return operation.status
    failed = str(counts.failed)
    if counts.possibly_failed:
        failed = f"{counts.failed} to {counts.failed + counts.possibly_failed}"
    total = counts.total_processed
    return f"{operation.status}, {failed}{f' of {total}' if total else ''} failed"


def _has_permanent_failure(snapshot: Snapshot) -> bool:
    return any(
        failure.reason in PERMANENT_REASONS and failure.code not in TEMPORARY_CODES for failure in snapshot.failures
    )
