"""The cell cache in a state file. Without a state file this module, and with it SQLite, is not imported."""

from collections.abc import Iterable, Sequence

from exporter.collector.cache import CachedOperation, CellCache
from exporter.collector.cells import Cell
from exporter.collector.inventory import TrackedOperation
from exporter.core.model import Operation, Reading, Scope
from exporter.kinds.kind import ListEntry
from exporter.state.codec import Record, short_hash
from exporter.state.database import CellId
from exporter.state.state_file import StateFile

# Everything that can change in the record of a final operation: its reading, ``explicit``, ``matched`` and ``rules``.
_Fingerprint = tuple[Reading[Operation], bool, bool, str]


class FileCellCache(CellCache):
    """The final operations of one cell in a state file. A record is only written when its fingerprint changes."""

    def __init__(self, state_file: StateFile) -> None:
        self._state_file = state_file
        self._epoch = state_file.epoch
        self._cell_id: CellId | None = None
        self._rules = ""
        self._written: dict[str, _Fingerprint] = {}
        self._is_recalled = False

    def for_new_cell(self) -> CellCache:
        """Return a cache in the same file for a cell that starts without state."""
        return FileCellCache(self._state_file)

    async def recall(self, cell: Cell, scope: Scope, now: float) -> Sequence[CachedOperation]:
        """Return the cached operations on the first call, later none. They count as read at ``now``, monotonic seconds.

        Nothing is raised.
        """
        rules = cell.watch.discover
        self._rules = short_hash(rules.model_dump_json()) if rules else ""
        form = self._state_file.form(cell.kind.name)
        self._cell_id = CellId(cell.key, scope.account_id, cell.watch.options, form)
        if self._is_recalled:
            return ()
        records = {record.operation.id: record for record in await self._state_file.load(self._cell_id)}
        self._is_recalled = True
        readings = {
            id: Reading(record.operation, record.at, cell.kind.is_final(record.operation, cell.watch.options))
            for id, record in records.items()
        }
        self._written = {
            id: (readings[id], record.explicit, record.matched, record.rules) for id, record in records.items()
        }
        return [
            CachedOperation(_tracked(record, readings[id], now), record.rules == self._rules)
            for id, record in records.items()
            if readings[id].final
        ]

    def note(self, operation: TrackedOperation) -> None:
        """Cache an operation if it is final."""
        if self._cell_id is None or operation.reading is None or not operation.final:
            return
        id, reading = operation.entry.id, operation.reading
        explicit, matched, rules = operation.explicit, operation.matched, self._rules
        fingerprint = (reading, explicit, matched, rules)
        if self._written.get(id) != fingerprint:
            self._written[id] = fingerprint
            created, tags = operation.entry.created, operation.tags
            record = Record(reading.operation, reading.at, created, explicit, matched, rules, tags)
            self._state_file.put(self._cell_id, id, record)

    def sync(self, operations: Iterable[TrackedOperation]) -> None:
        """Cache the final ones among all operations of the cell, and remove everything else."""
        if self._cell_id is None:
            return
        if self._epoch != self._state_file.epoch:
            self._epoch, self._written = self._state_file.epoch, {}
        final = {operation.entry.id: operation for operation in operations if operation.final}
        for operation in final.values():
            self.note(operation)
        for id in self._written.keys() - final.keys():
            del self._written[id]
            self._state_file.put(self._cell_id, id, None)
        self._state_file.check(self._cell_id)


def _tracked(record: Record[Operation], reading: Reading[Operation], now: float) -> TrackedOperation:
    return TrackedOperation(
        ListEntry(record.operation.id, record.created),
        explicit=record.explicit,
        matched=record.matched,
        reading=reading,
        read_at=now,
        final=True,
        tags=record.tags,
    )
