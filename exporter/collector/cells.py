"""The cells of a configuration: one for each kind in each Region of each account. A probe has a cell of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from exporter.collector.shards import items_of_shard
from exporter.collector.watched_accounts import (
    NOTHING_FOUND,
    Found,
    RegionsOf,
    WatchedAccount,
    account_key,
    cell_regions,
    no_regions,
    possible_regions,
    watched_accounts,
)
from exporter.config.partitions import OPT_IN_PARTITION, partition_of
from exporter.config.sections import Account, Config, Watch
from exporter.config.strict_yaml import problems_in
from exporter.core.errors import ConfigError, QueryError
from exporter.core.model import CellKey, Scope, Shard
from exporter.kinds.kind import Kind, TagSource


@dataclass(frozen=True, slots=True)
class Cell:
    """One watched kind in one scope: the unit of isolation, freshness and ``up``.

    ``tags`` is true if AWS tags become labels. ``found`` is true if the exporter found the account or the Region, and
    the configuration does not name it.
    """

    account: Account
    region: str
    kind: Kind[Any]
    watch: Watch
    tags: bool = False
    found: bool = False

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


def is_offered_everywhere(kind: Kind[Any], region: str) -> bool:
    """Return true."""
    return True


def configured_cells(
    config: Config,
    kinds: Sequence[Kind[Any]],
    default_region: Callable[[], str],
    is_offered: Callable[[Kind[Any], str], bool] = is_offered_everywhere,
    regions_of: RegionsOf = no_regions,
    found: Found = NOTHING_FOUND,
) -> tuple[Cell, ...]:
    """Return every cell in the order of the configuration. Raises ConfigError.

    ``default_region`` is only called where it is needed. ``is_offered`` decides where a kind is watched by default.
    ``regions_of`` returns the Regions of a partition.
    ``found`` are the accounts of the organizations, and the Regions that accounts have enabled.
    """
    by_name = {kind.name: kind for kind in kinds}
    accounts = watched_accounts(config, default_region, regions_of, found)
    cells = tuple(
        Cell(watched.account, region, by_name[watch.kind], watch, bool(config.labels.tags), watched.is_cell_found)
        for watched in accounts
        for region in cell_regions(watched, config, default_region)
        for watch in _watches(watched, by_name, region, is_offered)
    )
    problems = _duplicate_cells(accounts, cells)
    if problems:
        with problems_in(config.file):
            raise ConfigError(problems)
    return cells


def _duplicate_cells(accounts: Iterable[WatchedAccount], cells: Iterable[Cell]) -> tuple[str, ...]:
    """Return a problem for each Region of an account whose cells another account has too.

    The default Region and the kinds that are watched by default are known only here. Accounts without an id use the
    default credentials, so they are the same account.
    """
    by_name = {watched.account.name: watched for watched in accounts}
    first: dict[tuple[str, str, str], WatchedAccount] = {}
    problems: dict[str, str] = {}
    for cell in cells:
        watched = by_name[cell.account.name]
        earlier = first.setdefault((cell.account.known_id, cell.region, cell.kind.name), watched)
        if earlier is not watched:
            path = watched.region_path(cell.region)
            fault = f"{earlier.path} watches {cell.kind.name} in the same account and Region; remove one"
            problems.setdefault(path, f"{path}: {fault}")
    return tuple(problems.values())


def _watches(
    watched: WatchedAccount, kinds: Mapping[str, Kind[Any]], region: str, is_offered: Callable[[Kind[Any], str], bool]
) -> tuple[Watch, ...]:
    """Return what an account watches: what it names, else the offered kinds. In a found Region only offered kinds.

    If none of the default kinds is offered in a named Region, the data about the Region may be too old. Then all of
    them are watched.
    """
    account = watched.account
    offered = tuple(watch for watch in account.watch if is_offered(kinds[watch.kind], region))
    if watched.has_found_regions:
        return offered
    return account.watch if "watch" in account.model_fields_set else offered or account.watch


def not_offered(
    cells: Iterable[Cell], is_offered: Callable[[Kind[Any], str], bool]
) -> Mapping[tuple[str, str], tuple[str, ...]]:
    """Return the names of the accounts that watch a kind where AWS does not offer it, by the kind and the Region."""
    watching: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        watching.setdefault((cell.kind.name, cell.region), []).append(cell)
    return {
        (kind, region): tuple(cell.account.name for cell in group)
        for (kind, region), group in watching.items()
        if not is_offered(group[0].kind, region)
    }


def scope_name(cell: Cell) -> str:
    """Return the name of the cell's scope. Shards are chosen by it, so all cells of a scope are on one shard."""
    return _scope_name(cell.account, cell.region)


def _scope_name(account: Account, region: str) -> str:
    return f"{account_key(account)}/{region}"


def accounts_with_opt_in_regions(
    config: Config, default_region: Callable[[], str], regions_of: RegionsOf, found: Found, shard: Shard
) -> tuple[Account, ...]:
    """Return the accounts of a shard of which AWS knows which Regions are watched. They are all in one partition."""
    watched = watched_accounts(config, default_region, regions_of, found)
    regions = regions_of(OPT_IN_PARTITION)
    return tuple(
        account
        for account in (entry.account for entry in watched if entry.has_found_regions)
        if partition_of(account.regions[0]) == OPT_IN_PARTITION
        and items_of_shard(possible_regions(account, regions), partial(_scope_name, account), shard)
    )


def target_cell(
    cells: Iterable[Cell], kinds: Sequence[Kind[Any]], kind: str, ids: Sequence[str], region: str, account: str
) -> Cell:
    """Return a cell for these ids, with the options of the scope's watched cell for this kind if there is one.

    The account or the Region may be empty if only one is watched. Raises QueryError, which quotes no parameter.
    """
    by_name = {known.name: known for known in kinds}
    known = by_name.get(kind)
    problems = [] if known else [f"kind: expected one of {', '.join(by_name)}"]
    if known and not (ids and all(known.is_id(id) for id in ids)):
        problems.append(f"id: expected an id in AWS's format with at most {known.id_length} characters")
    try:
        scope = _matching_cells("account", account, tuple(cells), lambda cell: cell.account.name)
        scope = _matching_cells("region", region, scope, lambda cell: cell.region)
    except QueryError as error:
        raise QueryError([*problems, *error.problems]) from None
    if known is None or problems:
        raise QueryError(problems)
    watch = next((cell.watch for cell in scope if cell.kind is known), Watch(kind=kind))
    target = watch.model_copy(update={"ids": tuple(dict.fromkeys(ids)), "discover": None})
    return replace(scope[0], kind=known, watch=target)


def with_only_id(cell: Cell, id: str) -> Cell:
    """Return a cell that watches only one of its operations."""
    return replace(cell, watch=cell.watch.model_copy(update={"ids": (id,), "discover": None}))


def _matching_cells(
    parameter: str, wanted: str, cells: tuple[Cell, ...], value: Callable[[Cell], str]
) -> tuple[Cell, ...]:
    """Return the cells with the wanted value, or all cells if no value is given and all have the same."""
    values = {value(cell) for cell in cells}
    if wanted and wanted not in values:
        raise QueryError([f"{parameter}: not watched by this exporter"])
    if not wanted and len(values) > 1:
        raise QueryError([f"{parameter}: required, because this exporter watches more than one"])
    if not values:
        raise QueryError([f"{parameter}: this exporter watches none"])
    return tuple(cell for cell in cells if wanted in ("", value(cell)))
