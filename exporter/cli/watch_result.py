"""The result of a watch: how each operation ended, and whether AWS can be read."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from exporter.collector.cells import Cell
from exporter.core.clock import Clock
from exporter.core.errors import CONNECT_TIMEOUT, Reason
from exporter.core.model import CellKey, Snapshot
from exporter.kinds.phase import Outcome, outcome

# If the first refresh of a cell fails for one of these reasons, a later refresh would fail too.
PERMANENT_REASONS = frozenset({Reason.ACCESS_DENIED, Reason.CREDENTIALS, Reason.END_OF_SUPPORT, Reason.NOT_OFFERED})
# Codes of failures to get credentials from a source that does not respond. A later refresh may succeed.
TEMPORARY_CODES = frozenset({Reason.CONNECTION.value, Reason.TIMEOUT.value, CONNECT_TIMEOUT})


class ExitStatus(IntEnum):
    """How a watch ended."""

    SUCCEEDED = 0
    FAILED = 1
    UNREACHABLE = 3
    UNDECIDED = 4


@dataclass(frozen=True, slots=True)
class WatchResult:
    """The current result, with the ids of ended operations. ``exit_status`` is None while an operation is pending."""

    exit_status: ExitStatus | None
    succeeded: tuple[str, ...]
    failed: tuple[str, ...]
    undecided: tuple[str, ...]
    unreachable: tuple[CellKey, ...]


class ResultTracker:
    """Derives the result of a watch from snapshots.

    An operation that was discovered, and had ended before the watch began, does not count.
    """

    def __init__(self, cells: Sequence[Cell], clock: Clock, give_up_after: float) -> None:
        self._cells = {cell.key: cell for cell in cells}
        self._clock = clock
        self._give_up_after = give_up_after
        self._read_at = dict.fromkeys(self._cells, clock.monotonic())
        self._read: set[CellKey] = set()
        self._ended_before: set[tuple[CellKey, str]] = set()
        self._outcomes = {(cell.key, id): Outcome.PENDING for cell in cells for id in cell.watch.ids}

    def update(self, snapshots: Iterable[Snapshot]) -> WatchResult:
        """Read the newest snapshots, and return the current result."""
        refused: list[CellKey] = []
        omits_active = False
        for snapshot in snapshots:
            omits_active |= snapshot.active_omitted > 0
            self._update_outcomes(snapshot)
            if _is_readable(snapshot):
                self._read.add(snapshot.key)
                self._read_at[snapshot.key] = self._clock.monotonic()
                self._fail_missing(snapshot)
            elif snapshot.key not in self._read and _has_permanent_failure(snapshot) and not snapshot.readings:
                refused.append(snapshot.key)
        return self._result(refused, omits_active)

    def _update_outcomes(self, snapshot: Snapshot) -> None:
        cell = self._cells[snapshot.key]
        for reading in snapshot.readings:
            key = (snapshot.key, reading.operation.id)
            current = outcome(cell.kind, reading.operation, cell.watch.options)
            if key not in self._outcomes and current is not Outcome.PENDING and snapshot.key not in self._read:
                self._ended_before.add(key)
            if key not in self._ended_before:
                self._outcomes[key] = current

    def _fail_missing(self, snapshot: Snapshot) -> None:
        """Count an operation that was active and has disappeared although AWS responded as failed."""
        known = {reading.operation.id for reading in snapshot.readings}
        configured = self._cells[snapshot.key].watch.ids
        for (key, id), current in self._outcomes.items():
            may_be_omitted = snapshot.omitted and id not in configured
            if key == snapshot.key and id not in known and current is Outcome.PENDING and not may_be_omitted:
                self._outcomes[key, id] = Outcome.FAILED

    def _result(self, refused: Sequence[CellKey], omits_active: bool) -> WatchResult:
        oldest = self._clock.monotonic() - self._give_up_after
        unreachable = (*refused, *(key for key, at in self._read_at.items() if at <= oldest and key not in refused))
        exit_status = None
        if unreachable:
            exit_status = ExitStatus.UNREACHABLE
        elif not omits_active and self._read >= self._cells.keys() and Outcome.PENDING not in self._outcomes.values():
            exit_status = self._ended_status()
        succeeded, failed, undecided = map(self._ids, (Outcome.SUCCEEDED, Outcome.FAILED, Outcome.UNDECIDED))
        return WatchResult(exit_status, succeeded, failed, undecided, unreachable)

    def _ended_status(self) -> ExitStatus:
        """Return the status of the worst outcome. A failure is certain, so it is worse than an undecided outcome."""
        outcomes = self._outcomes.values()
        if Outcome.FAILED in outcomes:
            return ExitStatus.FAILED
        return ExitStatus.UNDECIDED if Outcome.UNDECIDED in outcomes else ExitStatus.SUCCEEDED

    def _ids(self, wanted: Outcome) -> tuple[str, ...]:
        return tuple(id for (_, id), current in self._outcomes.items() if current is wanted)


def _has_permanent_failure(snapshot: Snapshot) -> bool:
    return any(
        failure.reason in PERMANENT_REASONS and failure.code not in TEMPORARY_CODES for failure in snapshot.failures
    )


def _is_readable(snapshot: Snapshot) -> bool:
    """Return whether a finished refresh read everything. An id that AWS does not know is no failure."""
    return snapshot.duration is not None and not snapshot.reasons
