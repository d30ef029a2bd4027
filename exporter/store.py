"""The newest snapshot of each cell. Readers take references to frozen snapshots and need no lock."""

from __future__ import annotations

from collections.abc import Iterable

from exporter.model import Snapshot


class Store:
    """Holds one snapshot for each cell, replaced whole."""

    def __init__(self, initial: Iterable[Snapshot]) -> None:
        self._snapshots = {snapshot.key: snapshot for snapshot in initial}

    def put(self, snapshot: Snapshot) -> None:
        """Replace a cell's snapshot."""
        self._snapshots[snapshot.key] = snapshot

    def snapshots(self) -> tuple[Snapshot, ...]:
        """Return the newest snapshot of every cell, in the order of the configuration."""
        return tuple(self._snapshots.values())
