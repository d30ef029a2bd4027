"""The rows of the table of cells: those of an account together, failing ones first, and quiet ones only counted."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from exporter.metrics.summary import CellLine

# More rows would make the page slow. The JSON API lists all cells.
MAX_CELL_ROWS = 500


@dataclass(frozen=True, slots=True)
class AccountCells:
    """The cells of one account. ``lines`` have a row each. ``quiet`` cells were found, and have no operation."""

    account: str
    account_id: str
    lines: Sequence[CellLine]
    quiet: int


@dataclass(frozen=True, slots=True)
class CellRows:
    """The accounts that the page shows, and the numbers of accounts and cells that it leaves out."""

    accounts: Sequence[AccountCells]
    more_accounts: int
    more_cells: int


def cell_rows(cells: Iterable[CellLine], most: int = MAX_CELL_ROWS) -> CellRows:
    """Return the rows of the table, at most about ``most`` of them. Accounts with a failing cell come first."""
    by_account: dict[str, list[CellLine]] = {}
    for line in cells:
        by_account.setdefault(line.account, []).append(line)
    accounts = sorted(by_account.values(), key=lambda lines: not any(line.needs_attention for line in lines))
    shown, left = list[AccountCells](), most
    for lines in accounts:
        if left <= 0:
            break
        loud = sorted((line for line in lines if not line.is_quiet), key=lambda line: not line.needs_attention)
        quiet = len(lines) - len(loud)
        kept = loud[:left]
        shown.append(AccountCells(lines[0].account, lines[0].account_id, kept, quiet))
        left -= len(kept) + bool(quiet)
    number = sum(len(account.lines) + account.quiet for account in shown)
    return CellRows(shown, len(accounts) - len(shown), sum(map(len, accounts)) - number)
