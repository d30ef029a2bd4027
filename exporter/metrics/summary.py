"""Summaries of the snapshots: a line for each operation and cell, for the status page, the JSON API and terminals.

pydantic serialises the lines for the JSON API, so their names, descriptions and docstrings are in its OpenAPI document.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import Field, PlainSerializer

from exporter.core.model import CellResult, Operation, Reading, Snapshot
from exporter.core.store import Store, without_duplicates
from exporter.kinds.kind import Kind
from exporter.kinds.phase import Phase
from exporter.metrics.attention import NO_ATTENTION, Problem, Severity, attention, state_of
from exporter.metrics.eta import Estimates
from exporter.metrics.families import UNKNOWN
from exporter.metrics.self_metrics import BudgetKey

# The significant digits of numbers in the lines. Even of a billion items, a single one is visible in the progress.
DIGITS = 9


def utc_datetime(seconds: float | None) -> datetime | None:
    """Return the time of Unix seconds, or None if it is unknown or outside the calendar."""
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


# Unix seconds in the lines, RFC 3339 in the JSON.
_RFC3339 = PlainSerializer(utc_datetime, return_type=datetime | None)
Time = Annotated[float, _RFC3339]
OptionalTime = Annotated[float | None, _RFC3339]
# 0 before the first success, null in the JSON.
LastTime = Annotated[float, PlainSerializer(lambda at: utc_datetime(at or None), return_type=datetime | None)]
# Empty if it is unknown, null in the JSON.
OptionalText = Annotated[str, PlainSerializer(lambda text: text or None, return_type=str | None)]

Ratio = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
AccountName = Annotated[str, Field(description="The name of the account in the configuration.")]
AccountId = Annotated[
    OptionalText,
    Field(
        serialization_alias="aws_account_id",
        description="The account number; null until AWS or the configuration has supplied it.",
    ),
]
Region = Annotated[str, Field(serialization_alias="aws_region")]
KindName = Annotated[str, Field(description="The kind of the operations, as in the label of the metrics.")]
# For the page and terminals only.
Title = Annotated[str, Field(exclude=True)]
# The account id, the Region, the kind and the id of an operation.
_OperationKey = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationLine:
    """One bulk operation. A value that AWS has not supplied is null, never 0."""

    account: AccountName
    account_id: AccountId
    region: Region
    kind: KindName
    title: Title
    id: str
    name: OptionalText
    target: Annotated[OptionalText, Field(description="The target of the roll-out.")]
    input: Annotated[OptionalText, Field(description="The input file.")]
    status: Annotated[str, Field(description="The status as AWS spells it.")]
    # The status, or ``Unknown`` if AWS does not document it.
    known_status: Annotated[str, Field(exclude=True)]
    phase: Annotated[Phase, Field(exclude=True)]
    active: Annotated[bool, Field(description="Whether AWS may still change the operation.")]
    continuous: Annotated[
        bool, Field(description="Whether the operation never ends, and includes things that join its target later.")
    ]
    needs_attention: Annotated[
        bool, Field(description="Whether the severity is not `none`, and the operation is active or ended recently.")
    ]
    severity: Annotated[
        Severity,
        Field(
            description="`high`: the operation failed; `medium`: too many items failed, it is stalled, or its abort "
            "criteria cancelled it; `low`: a user cancelled or stopped it; `none` for the job of a deployment that the "
            "exporter watches. The thresholds are those of the alerts: the default ones, or those of `--alerts.file`."
        ),
    ]
    reason: Annotated[OptionalText, Field(description="Why the operation has its severity, in words.")]
    # The sort key of the severity.
    rank: Annotated[tuple[int, float], Field(exclude=True)]
    # What the reason says, for links to runbooks.
    problems: Annotated[tuple[Problem, ...], Field(exclude=True)] = ()
    # With retries, AWS counts executions. No item may have failed finally yet.
    failed_executions: Annotated[int | None, Field(exclude=True)] = None
    progress: Annotated[Ratio | None, Field(description="The completed share, from 0 to 1.")]
    succeeded: Annotated[Count | None, Field(description="The number of items that succeeded.")]
    failed: Annotated[
        Count | None, Field(description="The number of items that failed. Retried failures are not included.")
    ]
    possibly_failed: Annotated[
        Count,
        Field(description="The number of further items that may have failed. Above 0 only for jobs with retries."),
    ]
    reason_code: Annotated[
        OptionalText, Field(description="The reason that AWS or a user gave for the last change of a job's status.")
    ]
    aborted: Annotated[
        bool, Field(description="Whether AWS cancelled the operation because its failures met its abort criteria.")
    ]
    created: OptionalTime
    updated: Annotated[OptionalTime, Field(description="When AWS last changed the operation.")]
    completed: Annotated[OptionalTime, Field(description="When the operation ended, if AWS reports it.")]
    read: Annotated[Time, Field(description="When the exporter last read the operation from AWS.")]
    rate: Annotated[float | None, Field(description="The share completed per second, measured over the last minutes.")]
    estimated_end: Annotated[OptionalTime, Field(description="The estimated end at this rate.")]


@dataclass(frozen=True, slots=True)
class OperationDetails:
    """An operation with everything that its page shows.

    - ``counts``: the name of a metric of its kind without its prefix, the state or code, and the number.
    - ``settings``: names and values of its settings.
    """

    line: OperationLine
    scheduled_start: float | None
    counts: tuple[tuple[str, str, float], ...]
    settings: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetLine:
    """The share of an AWS quota that the exporter allows itself now."""

    service: str
    api: Annotated[str, Field(description="An API, or the name of several that share one quota.")]
    ratio: Annotated[Ratio, Field(description="The share of the quota. Throttling halves it for a while.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class CellLine(CellResult):
    """One kind in one Region of an account: the unit that is refreshed."""

    account: AccountName
    account_id: AccountId
    region: Region
    kind: KindName
    title: Title
    up: Annotated[
        bool,
        Field(description="Whether the last refresh read everything from AWS, at most `refresh.stale_after` ago."),
    ]
    complete: Annotated[bool, Field(description="Whether all active operations of the cell are known.")]
    pending: Annotated[bool, Field(description="Whether a refresh has still to read operations, or to find them.")]
    # No refresh has ended within ``refresh.stale_after``.
    expired: Annotated[bool, Field(exclude=True)]
    reasons: Annotated[
        tuple[str, ...], Field(description="Why the last refresh was incomplete; a closed set of words.")
    ]
    causes: Annotated[
        tuple[str, ...],
        Field(description="A sentence for each reason, for people: `connection: cannot connect to ...`."),
    ]
    last_success: Annotated[LastTime, Field(description="When a refresh last read everything.")]
    duration: Annotated[
        float | None,
        Field(ge=0, description="The duration of the last refresh in seconds; null before the first one has ended."),
    ]
    operations: Annotated[Count, Field(description="The number of known operations.")]
    omitted: Annotated[Count, Field(description="The number of operations omitted because of `max_operations`.")]
    active_omitted: Annotated[Count, Field(description="The number of active ones among the omitted operations.")]
    unknown_ids: Annotated[tuple[str, ...], Field(description="The configured ids that AWS does not know.")]
    # Of the APIs that the cell has called. Cells of one scope share them.
    budgets: tuple[BudgetLine, ...]


def data_time(operations: Iterable[OperationLine], cells: Iterable[CellLine | Snapshot]) -> float | None:
    """Return the time, in Unix seconds, at which everything shown was true, or None if nothing is known.

    It is the oldest reading of an active operation, because ended ones do not change. Without active ones, it is the
    oldest refresh that read everything.
    """
    reads = [line.read for line in operations if line.active] or [cell.last_success for cell in cells if cell.is_up]
    return min(reads, default=None)


class Overview:
    """The lines of the current snapshots. Its methods can be called from any thread. ``now`` is in Unix seconds."""

    def __init__(
        self,
        kinds: Sequence[Kind[Any]],
        store: Store,
        estimates: Estimates,
        now: Callable[[], float],
        budget: Callable[[BudgetKey], float | None] = lambda key: None,
    ) -> None:
        self._kinds: Mapping[str, Kind[Any]] = {kind.name: kind for kind in kinds}
        self._store = store
        self._estimates = estimates
        self._now = now
        self._budget = budget

    def operations(self) -> tuple[OperationLine, ...]:
        """Return a line for each operation that has series, in the order of the configuration."""
        snapshots, now = self._with_operations(), self._now()
        jobs = self._rollout_jobs(snapshots)
        return tuple(
            self._operation(snapshot, reading, now, jobs) for snapshot in snapshots for reading in snapshot.readings
        )

    def details(self, kind: str, id: str) -> tuple[OperationDetails, ...]:
        """Return the operations of a kind with an id: one for each account and Region that has it."""
        snapshots, now = self._with_operations(), self._now()
        jobs = self._rollout_jobs(snapshots)
        return tuple(
            self._details(snapshot, reading, now, jobs)
            for snapshot in snapshots
            if snapshot.key.kind == kind
            for reading in snapshot.readings
            if _utf8_text(reading.operation.id) == id
        )

    def snapshots(self) -> tuple[Snapshot, ...]:
        """Return the latest snapshot of each cell, in the order of the configuration."""
        return self._store.snapshots()

    def cells(self) -> tuple[CellLine, ...]:
        """Return a line for each cell. With thousands of cells, make lines only of the snapshots that are shown."""
        return tuple(map(self.cell, self.snapshots()))

    def cell(self, snapshot: Snapshot) -> CellLine:
        """Return the line of a cell."""
        return CellLine(
            account=snapshot.scope.account,
            account_id=snapshot.scope.account_id,
            region=snapshot.scope.region,
            kind=snapshot.key.kind,
            title=self.title(snapshot),
            up=snapshot.is_up,
            complete=snapshot.is_complete,
            pending=snapshot.is_pending,
            expired=snapshot.expired,
            reasons=tuple(sorted(snapshot.reasons)),
            causes=snapshot.causes,
            last_success=snapshot.last_success,
            duration=_rounded(snapshot.duration),
            operations=len(snapshot.readings),
            omitted=snapshot.omitted,
            active_omitted=snapshot.active_omitted,
            unknown_ids=tuple(map(_utf8_text, snapshot.unknown_ids)),
            budgets=tuple(self._budgets_of(snapshot)),
        )

    def title(self, snapshot: Snapshot) -> str:
        """Return what users call the operations of a cell."""
        return self._kinds[snapshot.key.kind].title

    def _with_operations(self) -> tuple[Snapshot, ...]:
        """Return the snapshots that have operations, each operation once. Most cells of an organization have none."""
        return tuple(without_duplicates(snapshot for snapshot in self.snapshots() if snapshot.readings))

    def _operation(
        self, snapshot: Snapshot, reading: Reading[Operation], now: float, rollout_jobs: frozenset[_OperationKey]
    ) -> OperationLine:
        kind, operation = self._kinds[snapshot.key.kind], reading.operation
        history = self._estimates.history(snapshot.key, reading)
        state = state_of(kind, operation, history)
        estimate = history.estimate if state.is_active else None
        is_rollout_job = _operation_key(snapshot, kind.name, operation.id) in rollout_jobs
        found = NO_ATTENTION if is_rollout_job else attention(state, now)
        return OperationLine(
            account=snapshot.scope.account,
            account_id=snapshot.scope.account_id,
            region=snapshot.scope.region,
            kind=kind.name,
            title=kind.title,
            id=_utf8_text(operation.id),
            name=_utf8_text(operation.name),
            target=_utf8_text(operation.target),
            input=_utf8_text(operation.input),
            status=_utf8_text(operation.status),
            known_status=operation.status if operation.status in kind.statuses else UNKNOWN,
            phase=state.phase,
            active=state.is_active,
            continuous=kind.is_continuous(operation),
            needs_attention=found.needs_attention,
            severity=found.problem.severity,
            reason=found.reason,
            rank=found.rank,
            problems=found.problems,
            failed_executions=state.counts.failed_executions,
            progress=_rounded(operation.progress),
            succeeded=state.counts.succeeded,
            failed=state.counts.failed,
            possibly_failed=state.counts.possibly_failed,
            reason_code=_utf8_text(operation.reason_code),
            aborted=operation.aborted,
            created=_timestamp(operation.created),
            updated=_timestamp(operation.updated),
            completed=_timestamp(operation.completed),
            read=reading.at,
            rate=_rounded(estimate.rate if estimate else None),
            # The rate has changed since an estimate that has passed.
            estimated_end=estimate.end if estimate and estimate.end and estimate.end > now else None,
        )

    def _details(
        self, snapshot: Snapshot, reading: Reading[Operation], now: float, rollout_jobs: frozenset[_OperationKey]
    ) -> OperationDetails:
        kind = snapshot.key.kind
        return OperationDetails(
            self._operation(snapshot, reading, now, rollout_jobs),
            _timestamp(reading.operation.scheduled_start),
            tuple(
                (metric.name.rpartition(f"{kind}_")[2].replace("_", " "), " ".join(labels), number)
                for metric in self._kinds[kind].metrics
                for labels, number in metric.read(reading)
            ),
            tuple((name, _utf8_text(value)) for name, value in reading.operation.settings),
        )

    def _rollout_jobs(self, snapshots: Iterable[Snapshot]) -> frozenset[_OperationKey]:
        """Return the jobs that roll out other operations. They need no attention, as they have no alerts."""
        return frozenset(
            _operation_key(snapshot, rollout_kind, reading.operation.job_id)
            for snapshot in snapshots
            if (rollout_kind := self._kinds[snapshot.key.kind].rollout_kind)
            for reading in snapshot.readings
            if reading.operation.job_id
        )

    def _budgets_of(self, snapshot: Snapshot) -> Iterator[BudgetLine]:
        counted = {(call.service, call.quota_name) for call in self._kinds[snapshot.key.kind].calls}
        for service, api in sorted(counted):
            ratio = self._budget((snapshot.scope.account_id, snapshot.scope.region, service, api))
            if ratio is not None:
                yield BudgetLine(service=service, api=api, ratio=float(f"{ratio:.{DIGITS}g}"))


def _operation_key(snapshot: Snapshot, kind: str, id: str) -> _OperationKey:
    return snapshot.scope.account_id, snapshot.scope.region, kind, id


def _rounded(number: float | None) -> float | None:
    """Return a number without the error of binary fractions: 0.57 instead of 0.5700000000000001."""
    return None if number is None else float(f"{number:.{DIGITS}g}")


def _timestamp(when: datetime | None) -> float | None:
    return when.timestamp() if when else None


def _utf8_text(text: str) -> str:
    """Return a text that UTF-8 can encode: half of a surrogate pair, which JSON allows, becomes a question mark."""
    return text if text.isascii() else text.encode(errors="replace").decode()
