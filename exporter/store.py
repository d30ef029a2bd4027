"""The newest snapshot of each cell. Readers take references to frozen snapshots and need no lock."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from exporter.model import CellKey, Snapshot


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
