"""The latest snapshot of each cell. Snapshots are immutable, so readers need no lock."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from exporter.core.model import CellKey, Snapshot


class Store:
    """Keeps the latest snapshot of each cell, and passes each new one to ``note``."""

    def __init__(self, initial: Iterable[Snapshot], note: Callable[[Snapshot], None] = lambda snapshot: None) -> None:
        self._snapshots = {snapshot.key: snapshot for snapshot in initial}
        self._note = note

    def put(self, snapshot: Snapshot) -> None:
        """Replace a cell's snapshot."""
        self._snapshots[snapshot.key] = snapshot
        self._note(snapshot)

    def get(self, key: CellKey) -> Snapshot:
        """Return a cell's latest snapshot."""
        return self._snapshots[key]

    def snapshots(self) -> tuple[Snapshot, ...]:
        """Return the latest snapshot of every cell, in the order of the configuration."""
        return tuple(self._snapshots.values())


def without_duplicates(snapshots: Iterable[Snapshot]) -> Iterator[Snapshot]:
    """Yield the snapshots with each operation once: two configured accounts may have the same account id."""
    by_cell = [((entry.scope.account_id, entry.scope.region, entry.key.kind), entry) for entry in snapshots]
    number = Counter(cell for cell, _ in by_cell)
    seen_ids: dict[tuple[str, str, str], set[str]] = {}
    for cell, snapshot in by_cell:
        yield snapshot if number[cell] == 1 else _without_seen(snapshot, seen_ids.setdefault(cell, set()))


def _without_seen(snapshot: Snapshot, seen_ids: set[str]) -> Snapshot:
    new = tuple(reading for reading in snapshot.readings if reading.operation.id not in seen_ids)
    seen_ids.update(reading.operation.id for reading in new)
    return snapshot if len(new) == len(snapshot.readings) else replace(snapshot, readings=new)
