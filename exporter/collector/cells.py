"""The cells of a configuration: one for each kind in each Region of each account."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from exporter.config.sections import Account, Config, Watch
from exporter.core.model import CellKey, Scope
from exporter.kinds.kind import Kind, TagSource


@dataclass(frozen=True, slots=True)
class Cell:
    """One watched kind in one scope: the unit of isolation, freshness and ``up``.

    ``tags`` is true if AWS tags become labels.
    """

    account: Account
    region: str
    kind: Kind[Any]
    watch: Watch
    tags: bool = False

    @property
    def key(self) -> CellKey:
        """The name of the cell."""
        return CellKey(self.account.name, self.region, self.kind.name)

    @property
    def tag_source(self) -> TagSource[Any] | None:
        """The separate API for tags, or None if tags are not wanted or are part of the operations."""
        return self.kind.tag_source if self.tags else None

    @property
    def configured_scope(self) -> Scope:
        """The scope as far as the configuration names it: the account id may be empty."""
        return Scope(self.account.name, self.account.known_id, self.region)

    def can_share_refresh(self, other: Cell) -> bool:
        """Return whether a refresh of one cell can serve the other: same watch, same credentials."""
        # Compared by content: each reading of the configuration creates new objects.
        same_watch = self.watch.model_dump() == other.watch.model_dump()
        return same_watch and self.account.credentials_key == other.account.credentials_key

    def has_same_rules(self, other: Cell) -> bool:
        """Return whether both cells discover operations by the same rules."""
        mine, others = self.watch.discover, other.watch.discover
        return (mine and mine.model_dump()) == (others and others.model_dump())


def configured_cells(config: Config, kinds: Sequence[Kind[Any]], default_region: Callable[[], str]) -> tuple[Cell, ...]:
    """Return every cell in the order of the configuration. ``default_region`` is only called where it is needed."""
    by_name = {kind.name: kind for kind in kinds}
    return tuple(
        Cell(account, region, by_name[watch.kind], watch, bool(config.labels.tags))
        for account in config.accounts
        for region in account.regions or (default_region(),)
        for watch in account.watch
    )


def scope_name(cell: Cell) -> str:
    """Return the name of the cell's scope. Shards are chosen by it, so all cells of a scope are on one shard."""
    return f"{cell.account.known_id or cell.account.name}/{cell.region}"
