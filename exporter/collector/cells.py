"""The cells that a configuration names: one for each kind in each Region of each account."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from exporter.config.sections import Account, Config, Watch
from exporter.core.model import CellKey, Scope, Snapshot
from exporter.kinds.kind import Kind, TagSource


@dataclass(frozen=True, slots=True)
class Cell:
    """What is watched of one kind in one scope: the unit of isolation, freshness and ``up``.

    ``tags`` says whether tags are wanted as labels.
    """

    account: Account
    region: str
    kind: Kind[Any]
    watch: Watch
    tags: bool = False

    @property
    def key(self) -> CellKey:
        """The cell's name."""
        return CellKey(self.account.name, self.region, self.kind.name)

    @property
    def tag_source(self) -> TagSource[Any] | None:
        """Where wanted tags are read apart from the operations, None where they are not, or come by themselves."""
        return self.kind.tag_source if self.tags else None

    def is_read_as(self, other: Cell) -> bool:
        """Tell whether a refresh of one cell is as good as a refresh of the other.

        Watches are compared by what they say: each reading of the configuration makes types of its own.
        """
        same_watch = self.watch.model_dump() == other.watch.model_dump()
        return same_watch and self.account.credentials_key == other.account.credentials_key

    def is_found_as(self, other: Cell) -> bool:
        """Tell whether both cells find operations by the same rules."""
        mine, others = self.watch.discover, other.watch.discover
        return (mine and mine.model_dump()) == (others and others.model_dump())

    def untouched(self) -> Snapshot:
        """Return the snapshot before the first refresh: no rows, not up."""
        return Snapshot(self.key, Scope(self.account.name, self.account.known_id, self.region))


def cells_of(config: Config, kinds: Sequence[Kind[Any]], default_region: Callable[[], str]) -> tuple[Cell, ...]:
    """Return every cell, in the order of the configuration; the default Region is asked for only where needed."""
    by_name = {kind.name: kind for kind in kinds}
    return tuple(
        Cell(account, region, by_name[watch.kind], watch, bool(config.labels.tags))
        for account in config.accounts
        for region in account.regions or (default_region(),)
        for watch in account.watch
    )


def scope_name(cell: Cell) -> str:
    """Return a name of the cell's scope, by which shards choose: all cells of a scope stay together."""
    return f"{cell.account.known_id or cell.account.name}/{cell.region}"
