"""What is remembered of a cell between refreshes, and what of it is still true under a new configuration."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from exporter.collector.cache import CachedOperation, CellCache
from exporter.collector.cells import Cell
from exporter.collector.end_of_support import EndOfSupportDetector
from exporter.collector.inventory import TrackedOperation
from exporter.collector.listing import Lists
from exporter.collector.result import NEVER, LastRefresh
from exporter.config.sections import Discover
from exporter.core.clock import Clock
from exporter.core.model import Scope
from exporter.kinds.kind import ListEntry


class CellState(NamedTuple):
    """One cell: where it is, its operations by id, AWS's lists, how refreshes went, whether AWS still serves it.

    ``saved`` is what of it outlives the process.
    """

    scope: Scope
    tracked: dict[str, TrackedOperation]
    lists: Lists | None
    verdict: LastRefresh
    support: EndOfSupportDetector
    saved: CellCache


def initial(cell: Cell, clock: Clock, saved: CellCache = CellCache()) -> CellState:
    """Return what is known of a cell before its first refresh: the ids of the configuration."""
    named = {id: TrackedOperation(ListEntry(id), explicit=True, matched=True) for id in cell.watch.ids}
    return CellState(
        cell.untouched().scope, named, _lists(cell, clock), LastRefresh(), EndOfSupportDetector(cell.kind, clock), saved
    )


def with_scope(memory: CellState, scope: Scope, cell: Cell, clock: Clock) -> CellState:
    """Return what is known of a cell in the scope that AWS has told: with credentials of another account, nothing."""
    is_same = memory.scope.account_id in ("", scope.account_id)
    known = memory if is_same else initial(cell, clock, memory.saved.for_new_cell())
    return known._replace(scope=scope)


def carry_over(memory: CellState, before: Cell, cell: Cell, clock: Clock) -> CellState:
    """Return what is known of a cell that is read in another way: what is still watched keeps all that was read of it.

    Other options mean other readings, and another account other operations: then nothing is kept.
    """
    new = initial(cell, clock, memory.saved.for_new_cell())
    if cell.watch.options != before.watch.options or cell.account.known_id != before.account.known_id:
        return new
    same_rules = cell.is_found_as(before)
    kept = {id: _kept(one, cell, same_rules) for id, one in memory.tracked.items()}
    tracked = {**new.tracked, **{id: one for id, one in kept.items() if one}}
    return memory._replace(tracked=tracked, lists=memory.lists if same_rules else new.lists)


def restore(
    tracked: dict[str, TrackedOperation], found: Iterable[CachedOperation], cell: Cell
) -> dict[str, TrackedOperation]:
    """Return the operations with those that outlived a process, where nothing newer is known of them."""
    kept = {one.listed.id: _kept(one, cell, same_rules) for one, same_rules in found}
    newer = {id: one for id, one in tracked.items() if one.reading}
    return {**tracked, **{id: one for id, one in kept.items() if one}, **newer}


def _kept(one: TrackedOperation, cell: Cell, same_rules: bool) -> TrackedOperation | None:
    """Return the operation as it goes on, None where nothing names or finds it; the lists tell again what they told."""
    rules = cell.watch.discover
    if one.listed.id in cell.watch.ids:
        return replace(one, explicit=True, matched=True)
    if rules is None or one.reading is None:
        return None
    if same_rules and not one.explicit:
        return replace(one)
    return replace(one, explicit=False, matched=True, unlisted=0, looked_at=NEVER) if _fits(one, rules) else None


def _fits(one: TrackedOperation, rules: Discover) -> bool:
    wanted = not rules.statuses or one.status in rules.statuses
    return wanted and (rules.id_pattern is None or bool(rules.id_pattern.search(one.listed.id)))


def _lists(cell: Cell, clock: Clock) -> Lists | None:
    return Lists(cell.kind, cell.watch.discover, clock) if cell.watch.discover else None
