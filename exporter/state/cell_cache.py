"""What a state file has of one cell. Who has no state file need not load this, nor SQLite."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from exporter.collector.cache import CachedOperation, CellCache
from exporter.collector.cells import Cell
from exporter.collector.inventory import TrackedOperation
from exporter.core.model import Operation, Reading, Scope
from exporter.kinds.kind import ListEntry
from exporter.state.codec import Record, named
from exporter.state.database import CellId
from exporter.state.state_file import Archive


class _Fingerprint(NamedTuple):
    """All that may change of an operation that is final."""

    reading: Reading[Operation] | None
    explicit: bool
    matched: bool
    rules: str


class FileCellCache(CellCache):
    """The finished operations of one cell in a state file."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._epoch = archive.epoch
        self._owner: CellId | None = None
        self._rules = ""
        self._words: dict[str, _Fingerprint] = {}
        self._is_recalled = False

    def for_new_cell(self) -> CellCache:
        """Return the same for a cell that begins anew."""
        return FileCellCache(self._archive)

    async def recall(self, cell: Cell, scope: Scope, now: float) -> Sequence[CachedOperation]:
        """Return what was written down, once; it counts as read at a monotonic time. Nothing is raised."""
        rules = cell.watch.discover
        self._rules = named(rules.model_dump_json()) if rules else ""
        owner = CellId(cell.key, scope.account_id, cell.watch.options, self._archive.form(cell.kind.name))
        self._owner = owner
        if self._is_recalled:
            return ()
        records = await self._archive.load(owner)
        self._is_recalled = True
        found = {record.operation.id: (record, Reading(record.operation, record.at)) for record in records}
        self._words = {
            id: _Fingerprint(reading, one.explicit, one.matched, one.rules) for id, (one, reading) in found.items()
        }
        return [
            CachedOperation(_tracked(one, reading, now), one.rules == self._rules)
            for one, reading in found.values()
            if cell.kind.final(one.operation, cell.watch.options)
        ]

    def note(self, one: TrackedOperation) -> None:
        """Write down an operation if it is final."""
        if self._owner is None or one.reading is None or not one.final:
            return
        id, word = one.listed.id, _Fingerprint(one.reading, one.explicit, one.matched, self._rules)
        if self._words.get(id) != word:
            self._words[id] = word
            self._archive.put(self._owner, id, _record(one, one.reading, self._rules))

    def sync(self, everything: Iterable[TrackedOperation]) -> None:
        """Write down what changed, and remove what is gone or not final any more."""
        if self._owner is None:
            return
        if self._epoch != self._archive.epoch:
            self._epoch, self._words = self._archive.epoch, {}
        final = {one.listed.id: one for one in everything if one.final}
        for one in final.values():
            self.note(one)
        for id in self._words.keys() - final.keys():
            del self._words[id]
            self._archive.put(self._owner, id, None)
        self._archive.check(self._owner)


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


def _record(one: TrackedOperation, reading: Reading[Operation], rules: str) -> Record[Operation]:
    return Record(reading.operation, reading.at, one.listed.created, one.explicit, one.matched, rules, one.tags)
