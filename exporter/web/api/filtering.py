"""Filters, sorts and counts the lines that a query selects."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from typing import Any

from exporter.core.model import Snapshot
from exporter.metrics.summary import CellLine, OperationLine, Overview
from exporter.web.api.query import CellsQuery, CellView, Filter, Query, Sort, View

# The most severe operations that a page names first.
MAX_WORST = 3
VIEWS: Mapping[View, Callable[[OperationLine], bool]] = {
    "all": lambda line: True,
    "active": lambda line: line.active,
    "ended": lambda line: not line.active,
    "attention": lambda line: line.needs_attention,
}
CELL_VIEWS: Mapping[CellView, Callable[[Snapshot], bool]] = {
    "all": lambda snapshot: True,
    "attention": lambda snapshot: snapshot.needs_attention,
}
SORTS: Mapping[Sort, Callable[[OperationLine], Any]] = {
    "": lambda line: (line.rank, not line.active, -(line.created or 0.0)),
    "severity": lambda line: line.rank,
    "name": lambda line: (line.name or line.id).casefold(),
    "id": lambda line: line.id,
    "kind": lambda line: line.title,
    "account": lambda line: (line.account.casefold(), line.account_id),
    "region": lambda line: line.region,
    "status": lambda line: line.status.casefold(),
    "progress": lambda line: line.progress,
    "succeeded": lambda line: line.succeeded,
    "failed": lambda line: line.failed,
    "created": lambda line: line.created,
    "read": lambda line: line.read,
    "estimated_end": lambda line: line.estimated_end,
}


@dataclass(frozen=True, slots=True)
class Selection:
    """The selected lines up to the limit. ``matching`` is their number without the limit.

    ``counts`` are per view, of the lines that match the filters. ``total``, ``attention`` and ``worst``, which are the
    most severe lines, ignore the filters.
    """

    lines: Sequence[OperationLine]
    matching: int
    counts: Mapping[View, int]
    total: int
    attention: int
    worst: Sequence[OperationLine]


def select_operations(lines: Sequence[OperationLine], query: Query) -> Selection:
    """Return the operations that a query selects."""
    matching = [line for line in lines if _matches_query(line, query)]
    viewed = list(filter(VIEWS[query.view], matching))
    attention = list(filter(VIEWS["attention"], lines))
    return Selection(
        lines=_sorted(viewed, query)[: query.limit or None],
        matching=len(viewed),
        counts={view: sum(map(is_in_view, matching)) for view, is_in_view in VIEWS.items()},
        total=len(lines),
        attention=len(attention),
        worst=nsmallest(MAX_WORST, attention, key=SORTS[""]),
    )


def select_cells(overview: Overview, query: CellsQuery) -> tuple[Sequence[CellLine], int]:
    """Return the cells that a query selects, from its offset to its limit, and their number without both."""
    is_in_view = CELL_VIEWS[query.view]
    matching = [
        snapshot
        for snapshot in overview.snapshots()
        if is_in_view(snapshot) and is_of_filter(snapshot, query) and _has_words(_texts(snapshot, overview), query)
    ]
    selected = matching[query.offset :][: query.limit or None]
    return [overview.cell(snapshot) for snapshot in selected], len(matching)


def incomplete_cells(snapshots: Iterable[Snapshot], query: Filter) -> Sequence[Snapshot]:
    """Return the cells whose operations are not all known, of the kind and account of a query."""
    return [snapshot for snapshot in snapshots if not snapshot.is_complete and is_of_filter(snapshot, query)]


def is_of_filter(snapshot: Snapshot, query: Filter) -> bool:
    """Return whether a cell is of the kind and the account of a query."""
    accounts = ("", snapshot.scope.account, snapshot.scope.account_id)
    return query.kind in ("", snapshot.key.kind) and query.account in accounts


def _texts(snapshot: Snapshot, overview: Overview) -> Iterator[str]:
    scope = snapshot.scope
    yield from sorted(snapshot.reasons)
    yield from (snapshot.key.kind, overview.title(snapshot), scope.account, scope.account_id, scope.region)


def _matches_query(line: OperationLine, query: Query) -> bool:
    texts = (line.name, line.id, line.target, line.input, line.status)
    searched = (*texts, line.kind, line.title, line.account, line.account_id, line.region)
    return (
        query.status in ("", line.status, line.known_status)
        and query.kind in ("", line.kind)
        and query.account in ("", line.account, line.account_id)
        and _has_words(searched, query)
    )


def _has_words(texts: Iterable[str], query: Filter) -> bool:
    """Return whether all words of the query are in the texts. Without words, the texts are not read."""
    text = "\n".join(texts).casefold() if query.q else ""
    return all(word in text for word in query.q.casefold().split())


def _sorted(lines: Sequence[OperationLine], query: Query) -> list[OperationLine]:
    """Return the lines in order. Equal lines are in the default order, lines with an unknown value come last."""
    lines = sorted(lines, key=SORTS[""])
    key = SORTS[query.sort]
    known = [line for line in lines if key(line) is not None]
    unknown = [line for line in lines if key(line) is None]
    return sorted(known, key=key, reverse=query.order == "desc") + unknown
