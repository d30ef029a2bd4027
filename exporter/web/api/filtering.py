"""Which lines a query chooses, in which order, and how many there are of the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from exporter.metrics.summary import CellLine, OperationLine
from exporter.web.api.query import Filter, Query, Sort, View

VIEWS: Mapping[View, Callable[[OperationLine], bool]] = {
    "all": lambda line: True,
    "active": lambda line: line.active,
    "ended": lambda line: not line.active,
    "attention": lambda line: line.needs_attention,
}
SORTS: Mapping[Sort, Callable[[OperationLine], Any]] = {
    "": lambda line: (not line.active, -(line.created or 0.0)),
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
class Choice:
    """The lines to show, of ``matching`` without the limit.

    ``counts`` are of all that the filters leave, by view; ``total`` and ``attention`` are without any filter.
    """

    lines: Sequence[OperationLine]
    matching: int
    counts: Mapping[View, int]
    total: int
    attention: int


def choose(lines: Sequence[OperationLine], query: Query) -> Choice:
    """Return what a query chooses of all lines."""
    fitting = [line for line in lines if _fits(line, query)]
    viewed = list(filter(VIEWS[query.view], fitting))
    return Choice(
        lines=_sorted(viewed, query)[: query.limit or None],
        matching=len(viewed),
        counts={view: sum(map(belongs, fitting)) for view, belongs in VIEWS.items()},
        total=len(lines),
        attention=sum(map(VIEWS["attention"], lines)),
    )


def choose_cells(lines: Sequence[CellLine], wanted: Filter) -> Sequence[CellLine]:
    """Return the cells that a filter leaves."""
    return [line for line in lines if _passes(line, wanted, line.reasons)]


def _fits(line: OperationLine, query: Query) -> bool:
    texts = (line.name, line.id, line.target, line.input, line.status)
    return query.status in ("", line.status, line.known_status) and _passes(line, query, texts)


def _passes(line: OperationLine | CellLine, wanted: Filter, texts: Sequence[str]) -> bool:
    if wanted.kind not in ("", line.kind) or wanted.account not in ("", line.account, line.account_id):
        return False
    known = (*texts, line.kind, line.title, line.account, line.account_id, line.region)
    text = "\n".join(known).casefold() if wanted.q else ""
    return all(word in text for word in wanted.q.casefold().split())


def _sorted(lines: Sequence[OperationLine], query: Query) -> list[OperationLine]:
    """Return the lines in order; equal ones stand as they would without one, and what is unknown comes last."""
    lines = sorted(lines, key=SORTS[""])
    key = SORTS[query.sort]
    known = [line for line in lines if key(line) is not None]
    unknown = [line for line in lines if key(line) is None]
    return sorted(known, key=key, reverse=query.order == "desc") + unknown
