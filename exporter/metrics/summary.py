"""What people see of the snapshots: a line for each operation and cell, the same on a page, in JSON, in a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from exporter.core.model import Operation, Reading, Snapshot
from exporter.core.store import Store, without_twins
from exporter.kinds.kind import Kind
from exporter.kinds.phase import Phase, phase
from exporter.metrics.eta import Estimates
from exporter.metrics.families import UNKNOWN
from exporter.metrics.self_metrics import BudgetKey

GIVEN_UP = (Phase.FAILED, Phase.STOPPED)
"""What a status comes to that asks for attention, whatever the counts say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationLine:
    """One operation. Times are Unix seconds, ``progress`` and ``rate`` (each second) shares of the whole.

    ``status`` is AWS's own text, ``known_status`` the same or ``Unknown``, ``meaning`` what it comes to. What AWS did
    not tell is None or empty.
    """

    account: str
    account_id: str
    region: str
    kind: str
    title: str
    id: str
    name: str
    target: str
    input: str
    status: str
    known_status: str
    phase: Phase
    active: bool
    continuous: bool
    progress: float | None
    succeeded: int | None
    failed: int | None
    created: float | None
    updated: float | None
    read: float
    rate: float | None
    estimated_end: float | None

    @property
    def needs_attention(self) -> bool:
        """Whether something of it failed, or all of it was given up: a status alone does not tell."""
        return bool(self.failed) or self.phase in GIVEN_UP


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetLine:
    """The share of AWS's quota that calls may use now, of one API, or of APIs that AWS counts together."""

    service: str
    api: str
    ratio: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CellLine:
    """One cell. ``last_success`` is in Unix seconds, 0 before the first; ``duration`` in seconds.

    ``budgets`` are those of the APIs that it has called; cells of one scope share them.
    """

    account: str
    account_id: str
    region: str
    kind: str
    title: str
    up: bool
    reasons: tuple[str, ...]
    last_success: float
    duration: float | None
    operations: int
    omitted: int
    budgets: tuple[BudgetLine, ...]

    @property
    def waits(self) -> bool:
        """Whether its first refresh has not ended yet."""
        return self.duration is None

    @property
    def needs_attention(self) -> bool:
        """Whether its last refresh could not read everything."""
        return not (self.up or self.waits)


class Overview:
    """The lines of all cells, from the newest snapshots. Its methods may be called from any thread."""

    def __init__(
        self,
        kinds: Sequence[Kind[Any]],
        store: Store,
        estimates: Estimates,
        budgets: Callable[[], Mapping[BudgetKey, float]] = dict,
    ) -> None:
        self._kinds: Mapping[str, Kind[Any]] = {kind.name: kind for kind in kinds}
        self._store = store
        self._estimates = estimates
        self._budgets = budgets

    def operations(self) -> tuple[OperationLine, ...]:
        """Return a line for each operation that has rows, in the order of the configuration."""
        return tuple(line for one in without_twins(self._store.snapshots()) for line in self._operations(one))

    def cells(self) -> tuple[CellLine, ...]:
        """Return a line for each cell."""
        ratios = self._budgets()
        return tuple(self._cell(snapshot, ratios) for snapshot in self._store.snapshots())

    def _operations(self, snapshot: Snapshot) -> Iterator[OperationLine]:
        kind = self._kinds[snapshot.key.kind]
        for reading in snapshot.readings:
            yield self._operation(snapshot, kind, reading)

    def _operation(self, snapshot: Snapshot, kind: Kind[Any], reading: Reading[Operation]) -> OperationLine:
        operation, item_counts = reading.operation, kind.item_counts(reading.operation)
        active = kind.is_active(operation.status)
        estimate = self._estimates.of(snapshot.key, operation.id) if active else None
        return OperationLine(
            account=snapshot.scope.account,
            account_id=snapshot.scope.account_id,
            region=snapshot.scope.region,
            kind=kind.name,
            title=kind.title,
            id=_written(operation.id),
            name=_written(operation.name),
            target=_written(operation.target),
            input=_written(operation.input),
            status=_written(operation.status),
            known_status=operation.status if operation.status in kind.statuses else UNKNOWN,
            phase=phase(kind, operation.status),
            active=active,
            continuous=kind.continuous(operation),
            progress=operation.progress,
            succeeded=item_counts.succeeded,
            failed=item_counts.failed,
            created=operation.created.timestamp() if operation.created else None,
            updated=operation.updated.timestamp() if operation.updated else None,
            read=reading.at,
            rate=estimate.rate if estimate else None,
            estimated_end=estimate.end if estimate else None,
        )

    def _cell(self, snapshot: Snapshot, ratios: Mapping[BudgetKey, float]) -> CellLine:
        return CellLine(
            account=snapshot.scope.account,
            account_id=snapshot.scope.account_id,
            region=snapshot.scope.region,
            kind=snapshot.key.kind,
            title=self._kinds[snapshot.key.kind].title,
            up=snapshot.up,
            reasons=tuple(sorted(snapshot.reasons)),
            last_success=snapshot.last_success,
            duration=snapshot.duration,
            operations=len(snapshot.readings),
            omitted=snapshot.omitted,
            budgets=tuple(self._budgets_of(snapshot, ratios)),
        )

    def _budgets_of(self, snapshot: Snapshot, ratios: Mapping[BudgetKey, float]) -> Iterator[BudgetLine]:
        counted = {(call.service, call.quota_name) for call in self._kinds[snapshot.key.kind].calls}
        for service, api in sorted(counted):
            ratio = ratios.get((snapshot.scope.account_id, snapshot.scope.region, service, api))
            if ratio is not None:
                yield BudgetLine(service=service, api=api, ratio=ratio)


def _written(text: str) -> str:
    """Return a text as UTF-8 can hold it: JSON has halves of surrogate pairs, each becomes a question mark."""
    return text if text.isascii() else text.encode(errors="replace").decode()
