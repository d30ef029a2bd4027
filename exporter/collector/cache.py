"""What a state file has of one cell, told by what the cell knows; without a file nothing is told, and nothing known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from exporter.collector.cells import Cell
from exporter.collector.inventory import Tracked
from exporter.core.model import Scope


class Recalled(NamedTuple):
    """An operation as it was written down, and whether the cell finds operations by the same rules today."""

    one: Tracked
    same_rules: bool


class Saved:
    """The finished operations of one cell that outlive the process: here, without a state file, none."""

    def anew(self) -> Saved:
        """Return what there is for a cell that begins anew."""
        return self

    async def recall(self, cell: Cell, scope: Scope, now: float) -> Sequence[Recalled]:
        """Return what was written down, once; it counts as read at a monotonic time. Nothing is raised."""
        return ()

    def note(self, one: Tracked) -> None:
        """Write down an operation if it is final."""

    def settle(self, everything: Iterable[Tracked]) -> None:
        """Write down what changed, and remove what is gone or not final any more."""
