"""The port to a cache of final operations that survives restarts. Its file implementation is in ``exporter.state``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from exporter.collector.cells import Cell
from exporter.collector.inventory import TrackedOperation
from exporter.core.model import Scope


class CachedOperation(NamedTuple):
    """An operation from the cache, and whether the cell discovers operations by the same rules as when it was read."""

    operation: TrackedOperation
    same_rules: bool


class CellCache:
    """The final operations of one cell, kept across restarts. This implementation keeps nothing."""

    def for_new_cell(self) -> CellCache:
        """Return the cache for a cell that starts without state."""
        return self

    async def recall(self, cell: Cell, scope: Scope, now: float) -> Sequence[CachedOperation]:
        """Return the cached operations on the first call, later none. They count as read at ``now``, monotonic seconds.

        Nothing is raised.
        """
        return ()

    def note(self, operation: TrackedOperation) -> None:
        """Cache an operation if it is final."""

    def sync(self, operations: Iterable[TrackedOperation]) -> None:
        """Cache the final ones among all operations of the cell, and remove everything else."""
