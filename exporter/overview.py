"""What people see of the snapshots: a line for each operation and cell, the same on a page, in JSON, in a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from exporter.estimate import Estimates
from exporter.families import UNKNOWN
from exporter.kind import Kind
from exporter.model import Operation, Reading, Snapshot
from exporter.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationLine:
    """One operation. Times are Unix seconds, ``progress`` and ``rate`` (each second) shares of the whole.

    ``status`` is AWS's own text, ``known_status`` the same or ``Unknown``. What AWS did not tell is None or empty.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class CellLine:
    """One cell. ``last_success`` is in Unix seconds, 0 before the first; ``duration`` in seconds."""

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


class Overview:
    """The lines of all cells, from the newest snapshots."""

    def __init__(self, kinds: Sequence[Kind[Any]], store: Store, estimates: Estimates) -> None:
        self._kinds: Mapping[str, Kind[Any]] = {kind.name: kind for kind in kinds}
        self._store = store
        self._estimates = estimates

    def operations(self) -> tuple[OperationLine, ...]:
        """Return a line for each operation that has rows, in the order of the configuration."""
        return tuple(line for snapshot in self._store.snapshots() for line in self._operations(snapshot))

    def cells(self) -> tuple[CellLine, ...]:
        """Return a line for each cell."""
        return tuple(self._cell(snapshot) for snapshot in self._store.snapshots())

    def _operations(self, snapshot: Snapshot) -> Iterator[OperationLine]:
        kind = self._kinds[snapshot.key.kind]
        for reading in snapshot.readings:
            yield self._operation(snapshot, kind, reading)

    def _operation(self, snapshot: Snapshot, kind: Kind[Any], reading: Reading[Operation]) -> OperationLine:
        operation, tally = reading.operation, kind.tally(reading.operation)
        active = kind.is_active(operation.status)
        estimate = self._estimates.of(snapshot.key, operation.id) if active else None
        return OperationLine(
            account=snapshot.scope.account,
            account_id=snapshot.scope.account_id,
            region=snapshot.scope.region,
            kind=kind.name,
            title=kind.title,
            id=operation.id,
            name=operation.name,
            target=operation.target,
            input=operation.input,
            status=operation.status,
            known_status=operation.status if operation.status in kind.statuses else UNKNOWN,
            active=active,
            continuous=kind.continuous(operation),
            progress=operation.progress,
            succeeded=tally.succeeded,
            failed=tally.failed,
            created=operation.created.timestamp() if operation.created else None,
            updated=operation.updated.timestamp() if operation.updated else None,
            read=reading.at,
            rate=estimate.rate if estimate else None,
            estimated_end=estimate.end if estimate else None,
        )

    def _cell(self, snapshot: Snapshot) -> CellLine:
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
        )
