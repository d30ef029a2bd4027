"""What a state file has of one cell, told by what the cell knows; without a file nothing is told, and nothing known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from exporter.collector.cells import Cell
from exporter.collector.inventory import TrackedOperation
from exporter.core.model import Scope


class CachedOperation(NamedTuple):
    """An operation as it was written down, and whether the cell finds operations by the same rules today."""

    one: TrackedOperation
    same_rules: bool


class CellCache:
    """The finished operations of one cell that outlive the process: here, without a state file, none."""

    def for_new_cell(self) -> CellCache:
        """Return what there is for a cell that begins anew."""
        return self

    async def recall(self, cell: Cell, scope: Scope, now: float) -> Sequence[CachedOperation]:
        """Return what was written down, once; it counts as read at a monotonic time. Nothing is raised."""
        return ()

    def note(self, one: TrackedOperation) -> None:
        """Write down an operation if it is final."""

    def sync(self, everything: Iterable[TrackedOperation]) -> None:
        """Write down what changed, and remove what is gone or not final any more."""
