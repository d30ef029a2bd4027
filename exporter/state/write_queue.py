"""The changes that wait to be written, with the newest value for each record."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field

from exporter.core.model import Operation
from exporter.state.codec import Record
from exporter.state.database import CellId


@dataclass(frozen=True, slots=True)
class WriteBatch:
    """Records by cell and operation id, None for a record to remove, and the cells whose records are in use."""

    records: dict[tuple[CellId, bytes], Record[Operation] | None] = field(default_factory=dict)
    used: dict[CellId, None] = field(default_factory=dict)


class WriteQueue:
    """Passes changes from one thread to another. It keeps only the newest value for each record."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._batch = WriteBatch()

    def put(self, cell: CellId, id: bytes, record: Record[Operation] | None) -> None:
        """Add a record, or None to remove it."""
        with self._lock:
            self._batch.records[cell, id] = record

    def mark_used(self, cell: CellId, damaged: Iterable[bytes] = ()) -> None:
        """Note that a cell's records are in use, and remove the damaged ones unless they have a new value."""
        with self._lock:
            self._batch.used[cell] = None
            for id in damaged:
                self._batch.records.setdefault((cell, id), None)

    def take(self) -> WriteBatch:
        """Return all changes and remove them from the queue."""
        with self._lock:
            taken, self._batch = self._batch, WriteBatch()
        return taken

    def put_back(self, batch: WriteBatch) -> None:
        """Add changes that could not be written, unless there is a newer value."""
        with self._lock:
            newer = self._batch
            self._batch = WriteBatch({**batch.records, **newer.records}, {**batch.used, **newer.used})
