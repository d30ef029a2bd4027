"""Filters, sorts and counts the lines that a query selects."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from typing import Any

from exporter.metrics.summary import CellLine, OperationLine
from exporter.web.api.query import Filter, Query, Sort, View

# The most severe operations that a page names first.
MAX_WORST = 3
VIEWS: Mapping[View, Callable[[OperationLine], bool]] = {
    "all": lambda line: True,
    "active": lambda line: line.active,
    "ended": lambda line: not line.active,
    "attention": lambda line: line.needs_attention,
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


def select_cells(lines: Sequence[CellLine], query: Filter) -> Sequence[CellLine]:
    """Return the cells that a filter selects."""
    return [line for line in lines if _matches_filter(line, query, line.reasons)]


def incomplete_cells(lines: Sequence[CellLine], query: Filter) -> Sequence[CellLine]:
    """Return the cells whose operations are not all known, of the kind and account of a query."""
    return [line for line in lines if not line.complete and _has_kind_and_account(line, query)]


def _matches_query(line: OperationLine, query: Query) -> bool:
    texts = (line.name, line.id, line.target, line.input, line.status)
    return query.status in ("", line.status, line.known_status) and _matches_filter(line, query, texts)


def _matches_filter(line: OperationLine | CellLine, query: Filter, texts: Sequence[str]) -> bool:
    if not _has_kind_and_account(line, query):
        return False
    searched = (*texts, line.kind, line.title, line.account, line.account_id, line.region)
    text = "\n".join(searched).casefold() if query.q else ""
    return all(word in text for word in query.q.casefold().split())


def _has_kind_and_account(line: OperationLine | CellLine, query: Filter) -> bool:
    return query.kind in ("", line.kind) and query.account in ("", line.account, line.account_id)


def _sorted(lines: Sequence[OperationLine], query: Query) -> list[OperationLine]:
    """Return the lines in order. Equal lines are in the default order, lines with an unknown value come last."""
    lines = sorted(lines, key=SORTS[""])
    key = SORTS[query.sort]
    known = [line for line in lines if key(line) is not None]
    unknown = [line for line in lines if key(line) is None]
    return sorted(known, key=key, reverse=query.order == "desc") + unknown
