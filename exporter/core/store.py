"""The newest snapshot of each cell. Readers take references to frozen snapshots and need no lock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from exporter.core.model import CellKey, Snapshot


class Store:
    """Holds one snapshot for each cell, replaced whole; ``note`` is told of each new one."""

    def __init__(self, initial: Iterable[Snapshot], note: Callable[[Snapshot], None] = lambda snapshot: None) -> None:
        self._snapshots = {snapshot.key: snapshot for snapshot in initial}
        self._note = note

    def put(self, snapshot: Snapshot) -> None:
        """Replace a cell's snapshot."""
        self._snapshots[snapshot.key] = snapshot
        self._note(snapshot)

    def get(self, key: CellKey) -> Snapshot:
        """Return a cell's newest snapshot."""
        return self._snapshots[key]

    def snapshots(self) -> tuple[Snapshot, ...]:
        """Return the newest snapshot of every cell, in the order of the configuration."""
        return tuple(self._snapshots.values())


def without_twins(snapshots: Iterable[Snapshot]) -> Iterator[Snapshot]:
    """Give the snapshots with each operation once: two configured accounts may turn out to be one."""
    cells = [((one.scope.account_id, one.scope.region, one.key.kind), one) for one in snapshots]
    number = Counter(cell for cell, _ in cells)
    seen: dict[tuple[str, str, str], set[str]] = {}
    for cell, snapshot in cells:
        yield snapshot if number[cell] == 1 else _unseen(snapshot, seen.setdefault(cell, set()))


def _unseen(snapshot: Snapshot, ids: set[str]) -> Snapshot:
    own = tuple(reading for reading in snapshot.readings if reading.operation.id not in ids)
    ids.update(reading.operation.id for reading in own)
    return snapshot if len(own) == len(snapshot.readings) else replace(snapshot, readings=own)
