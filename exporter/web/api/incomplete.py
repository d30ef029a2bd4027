"""The cells whose operations are not all known, as the JSON API lists them: some of them, and all reasons."""

from collections.abc import Iterator, Sequence

from exporter.core.model import Snapshot
from exporter.web.api.schemas import MAX_INCOMPLETE, IncompleteCell, IncompleteReason


def listed_cells(cells: Sequence[Snapshot]) -> Sequence[IncompleteCell]:
    """Return the entries of at most ``MAX_INCOMPLETE`` cells.

    If there are more cells, one cell of each account and its reasons comes first. Otherwise, the cells of two accounts
    could hide those of all others.
    """
    if len(cells) > MAX_INCOMPLETE:
        different = {(cell.key.account, _reasons(cell)): cell.key for cell in reversed(cells)}
        first = frozenset(different.values())
        cells = sorted(cells, key=lambda cell: cell.key not in first)[:MAX_INCOMPLETE]
    return [
        IncompleteCell(
            account=cell.scope.account,
            account_id=cell.scope.account_id,
            region=cell.scope.region,
            kind=cell.key.kind,
            reasons=_reasons(cell),
        )
        for cell in cells
    ]


def counted_reasons(cells: Sequence[Snapshot]) -> Sequence[IncompleteReason]:
    """Return the reasons of all cells, the most frequent first, with the numbers of cells and accounts."""
    accounts: dict[str, list[str]] = {}
    for cell in cells:
        for reason in _reasons(cell):
            accounts.setdefault(reason, []).append(cell.key.account)
    counts = (
        IncompleteReason(reason=reason, cells=len(names), accounts=len(set(names)))
        for reason, names in accounts.items()
    )
    return sorted(counts, key=lambda count: (-count.cells, count.reason))


def _reasons(cell: Snapshot) -> tuple[str, ...]:
    return tuple(_each_reason(cell))


def _each_reason(cell: Snapshot) -> Iterator[str]:
    yield from (reason.value for reason in sorted(cell.reasons))
    if cell.is_pending:
        yield "pending"
    if cell.active_omitted:
        yield "omitted"
