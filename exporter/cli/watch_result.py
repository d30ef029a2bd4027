"""Follow what is watched to its end: what became of each operation, and whether AWS can be read at all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from exporter.collector.cells import Cell
from exporter.core.clock import Clock
from exporter.core.errors import Reason
from exporter.core.model import CellKey, Snapshot
from exporter.kinds.outcome import Outcome, outcome

HOPELESS = frozenset({Reason.ACCESS_DENIED, Reason.CREDENTIALS, Reason.END_OF_SUPPORT})
"""What no waiting cures when it meets the very first refresh of a cell."""


class Ending(IntEnum):
    """How a watch ended, as an exit status."""

    SUCCEEDED = 0
    FAILED = 1
    UNREACHABLE = 3


@dataclass(frozen=True, slots=True)
class Findings:
    """What is known so far. ``ending`` is None while something goes on; ids are those that ended, well or badly."""

    ending: Ending | None
    well: tuple[str, ...]
    badly: tuple[str, ...]
    unreachable: tuple[CellKey, ...]


class Watching:
    """Judges the snapshots of one watch. A found operation that had ended before the watch began does not count."""

    def __init__(self, cells: Sequence[Cell], clock: Clock, give_up_after: float) -> None:
        self._cells = {cell.key: cell for cell in cells}
        self._clock = clock
        self._give_up_after = give_up_after
        self._read_at = dict.fromkeys(self._cells, clock.monotonic())
        self._read: set[CellKey] = set()
        self._past: set[tuple[CellKey, str]] = set()
        self._outcomes = {(cell.key, id): Outcome.PENDING for cell in cells for id in cell.watch.ids}

    def look(self, snapshots: Iterable[Snapshot]) -> Findings:
        """Take in the newest snapshots, and return what is known now."""
        refused: list[CellKey] = []
        for snapshot in snapshots:
            self._note_operations(snapshot)
            if self._is_readable(snapshot):
                self._read.add(snapshot.key)
                self._read_at[snapshot.key] = self._clock.monotonic()
                self._note_missing(snapshot)
            elif snapshot.key not in self._read and snapshot.reasons & HOPELESS and not snapshot.readings:
                refused.append(snapshot.key)
        return self._findings(refused)

    def _note_operations(self, snapshot: Snapshot) -> None:
        cell = self._cells[snapshot.key]
        for reading in snapshot.readings:
            one = (snapshot.key, reading.operation.id)
            now = outcome(cell.kind, reading.operation, cell.watch.options)
            if one not in self._outcomes and now is not Outcome.PENDING and snapshot.key not in self._read:
                self._past.add(one)
            if one not in self._past:
                self._outcomes[one] = now

    def _note_missing(self, snapshot: Snapshot) -> None:
        """What went on and has no row, although AWS was read, AWS does not know: nobody can say that it went well."""
        known = {reading.operation.id for reading in snapshot.readings}
        named = self._cells[snapshot.key].watch.ids
        for (key, id), now in self._outcomes.items():
            left_out = snapshot.omitted and id not in named
            if key == snapshot.key and id not in known and now is Outcome.PENDING and not left_out:
                self._outcomes[key, id] = Outcome.FAILED

    def _is_readable(self, snapshot: Snapshot) -> bool:
        """Tell whether a finished refresh read everything, but ids that AWS does not know."""
        return snapshot.duration is not None and snapshot.reasons <= {Reason.NOT_FOUND}

    def _findings(self, refused: Sequence[CellKey]) -> Findings:
        latest = self._clock.monotonic() - self._give_up_after
        unreachable = (*refused, *(key for key, at in self._read_at.items() if at <= latest and key not in refused))
        badly = self._ended(Outcome.FAILED)
        ending = None
        if unreachable:
            ending = Ending.UNREACHABLE
        elif self._read >= self._cells.keys() and Outcome.PENDING not in self._outcomes.values():
            ending = Ending.FAILED if badly else Ending.SUCCEEDED
        return Findings(ending, self._ended(Outcome.SUCCEEDED), badly, unreachable)

    def _ended(self, wanted: Outcome) -> tuple[str, ...]:
        return tuple(id for (_, id), one in self._outcomes.items() if one is wanted)
