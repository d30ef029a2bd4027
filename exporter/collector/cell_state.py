"""What is remembered of a cell between refreshes, and what of it is still true under a new configuration."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from exporter.collector.cache import Recalled, Saved
from exporter.collector.cells import Cell
from exporter.collector.end_of_support import Support
from exporter.collector.inventory import Tracked
from exporter.collector.listing import Lists
from exporter.collector.result import NEVER, Verdict
from exporter.config.sections import Discover
from exporter.core.clock import Clock
from exporter.core.model import Scope
from exporter.kinds.kind import Listed


class Memory(NamedTuple):
    """One cell: where it is, its operations by id, AWS's lists, how refreshes went, whether AWS still serves it.

    ``saved`` is what of it outlives the process.
    """

    scope: Scope
    tracked: dict[str, Tracked]
    lists: Lists | None
    verdict: Verdict
    support: Support
    saved: Saved


def blank(cell: Cell, clock: Clock, saved: Saved = Saved()) -> Memory:
    """Return what is known of a cell before its first refresh: the ids of the configuration."""
    named = {id: Tracked(Listed(id), explicit=True, matched=True) for id in cell.watch.ids}
    return Memory(cell.untouched().scope, named, _lists(cell, clock), Verdict(), Support(cell.kind, clock), saved)


def entered(memory: Memory, scope: Scope, cell: Cell, clock: Clock) -> Memory:
    """Return what is known of a cell in the scope that AWS has told: with credentials of another account, nothing."""
    is_same = memory.scope.account_id in ("", scope.account_id)
    known = memory if is_same else blank(cell, clock, memory.saved.anew())
    return known._replace(scope=scope)


def inherited(memory: Memory, before: Cell, cell: Cell, clock: Clock) -> Memory:
    """Return what is known of a cell that is read in another way: what is still watched keeps all that was read of it.

    Other options mean other readings, and another account other operations: then nothing is kept.
    """
    new = blank(cell, clock, memory.saved.anew())
    if cell.watch.options != before.watch.options or cell.account.known_id != before.account.known_id:
        return new
    same_rules = cell.is_found_as(before)
    kept = {id: _kept(one, cell, same_rules) for id, one in memory.tracked.items()}
    tracked = {**new.tracked, **{id: one for id, one in kept.items() if one}}
    return memory._replace(tracked=tracked, lists=memory.lists if same_rules else new.lists)


def recalled(tracked: dict[str, Tracked], found: Iterable[Recalled], cell: Cell) -> dict[str, Tracked]:
    """Return the operations with those that outlived a process, where nothing newer is known of them."""
    kept = {one.listed.id: _kept(one, cell, same_rules) for one, same_rules in found}
    newer = {id: one for id, one in tracked.items() if one.reading}
    return {**tracked, **{id: one for id, one in kept.items() if one}, **newer}


def _kept(one: Tracked, cell: Cell, same_rules: bool) -> Tracked | None:
    """Return the operation as it goes on, None where nothing names or finds it; the lists tell again what they told."""
    rules = cell.watch.discover
    if one.listed.id in cell.watch.ids:
        return replace(one, explicit=True, matched=True)
    if rules is None or one.reading is None:
        return None
    if same_rules and not one.explicit:
        return replace(one)
    return replace(one, explicit=False, matched=True, unlisted=0, looked_at=NEVER) if _fits(one, rules) else None


def _fits(one: Tracked, rules: Discover) -> bool:
    wanted = not rules.statuses or one.status in rules.statuses
    return wanted and (rules.id_pattern is None or bool(rules.id_pattern.search(one.listed.id)))


def _lists(cell: Cell, clock: Clock) -> Lists | None:
    return Lists(cell.kind, cell.watch.discover, clock) if cell.watch.discover else None
