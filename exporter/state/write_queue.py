"""What is still to be written, by the newest word on each record."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field

from exporter.core.model import Operation
from exporter.state.codec import Record
from exporter.state.database import CellId


@dataclass(frozen=True, slots=True)
class Batch:
    """Records by owner and id, None where one is to be removed, and owners whose records are in use."""

    records: dict[tuple[CellId, bytes], Record[Operation] | None] = field(default_factory=dict)
    used: dict[CellId, None] = field(default_factory=dict)


class Pending:
    """Takes records from one thread and gives them to another. It holds no more than one word on each operation."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._batch = Batch()

    def put(self, owner: CellId, id: bytes, record: Record[Operation] | None) -> None:
        """Add a record, or the word that there is none any more."""
        with self._lock:
            self._batch.records[owner, id] = record

    def use(self, owner: CellId, damaged: Iterable[bytes] = ()) -> None:
        """Note that an owner's records are in use, save for those that are damaged."""
        with self._lock:
            self._batch.used[owner] = None
            for id in damaged:
                self._batch.records.setdefault((owner, id), None)

    def take(self) -> Batch:
        """Return everything, and keep nothing."""
        with self._lock:
            taken, self._batch = self._batch, Batch()
        return taken

    def put_back(self, batch: Batch) -> None:
        """Take again what could not be written, save where there is a newer word."""
        with self._lock:
            newer = self._batch
            self._batch = Batch({**batch.records, **newer.records}, {**batch.used, **newer.used})
