"""What a cell keeps between refreshes, and how much of it remains valid under a new configuration."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from exporter.collector.cache import CachedOperation, CellCache
from exporter.collector.cells import Cell
from exporter.collector.end_of_support import EndOfSupportDetector
from exporter.collector.inventory import TrackedOperation
from exporter.collector.listing import Lists
from exporter.collector.pace import Pace
from exporter.collector.refresh_result import LastRefresh
from exporter.core.clock import NEVER, Clock
from exporter.core.model import Scope
from exporter.kinds.kind import ListEntry


@dataclass(slots=True)
class CellState:
    """The state of one cell. ``tracked`` has its operations by id; ``lists`` is None without discovery.

    ``logged_ids`` are unknown ids that the log contains already. ``omission_logged`` is true if it contains that active
    operations are omitted, and ``denial_logged`` if it contains that AWS denies calls. ``pace`` decides when the next
    refresh is due.
    """

    scope: Scope
    tracked: dict[str, TrackedOperation]
    lists: Lists | None
    last_refresh: LastRefresh
    end_of_support: EndOfSupportDetector
    cache: CellCache
    logged_ids: set[str] = field(default_factory=set)
    omission_logged: bool = False
    denial_logged: bool = False
    pace: Pace = field(default_factory=Pace)


def initial(cell: Cell, clock: Clock, cache: CellCache = CellCache()) -> CellState:
    """Return the state before the first refresh: only the configured ids are known."""
    return CellState(
        scope=cell.configured_scope,
        tracked={id: TrackedOperation(ListEntry(id), explicit=True, matched=True) for id in cell.watch.ids},
        lists=Lists(cell.kind, cell.watch.discover, clock) if cell.watch.discover else None,
        last_refresh=LastRefresh(),
        end_of_support=EndOfSupportDetector(cell.kind, clock),
        cache=cache,
    )


def with_scope(state: CellState, scope: Scope, cell: Cell, clock: Clock) -> CellState:
    """Return the state for the scope that AWS reported. Credentials of another account start with an initial state."""
    is_same = state.scope.account_id in ("", scope.account_id)
    return replace(state if is_same else initial(cell, clock, state.cache.for_new_cell()), scope=scope)


def carry_over(state: CellState, before: Cell, cell: Cell, clock: Clock) -> CellState:
    """Return the state for a cell whose configuration changed. Operations that are still watched keep their readings.

    Nothing is kept if the account or the options differ, because options change the content of a reading.
    """
    new = initial(cell, clock, state.cache.for_new_cell())
    if cell.watch.options != before.watch.options or cell.account.known_id != before.account.known_id:
        return new
    same_rules = cell.has_same_rules(before)
    kept = _still_watched((CachedOperation(operation, same_rules) for operation in state.tracked.values()), cell)
    return replace(state, tracked={**new.tracked, **kept}, lists=state.lists if same_rules else new.lists)


def restore(
    tracked: dict[str, TrackedOperation], cached: Iterable[CachedOperation], cell: Cell
) -> dict[str, TrackedOperation]:
    """Return the tracked operations together with cached ones, unless this process has already read them."""
    read = {id: operation for id, operation in tracked.items() if operation.reading}
    return {**tracked, **_still_watched(cached, cell), **read}


def _still_watched(candidates: Iterable[CachedOperation], cell: Cell) -> dict[str, TrackedOperation]:
    kept = (_kept(operation, cell, same_rules) for operation, same_rules in candidates)
    return {operation.entry.id: operation for operation in kept if operation}


def _kept(operation: TrackedOperation, cell: Cell, same_rules: bool) -> TrackedOperation | None:
    """Return a copy of the operation as the cell watches it, or None if the cell no longer watches it."""
    rules = cell.watch.discover
    if operation.entry.id in cell.watch.ids:
        return replace(operation, explicit=True, matched=True)
    if rules is None or operation.reading is None:
        return None
    if same_rules and not operation.explicit:
        return replace(operation)
    has_id = rules.id_pattern is None or rules.id_pattern.search(operation.entry.id)
    if not has_id or not rules.finds(operation.status, cell.kind.statuses):
        return None
    return replace(operation, explicit=False, matched=True, missed_lists=0, list_checked_at=NEVER)
