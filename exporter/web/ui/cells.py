"""The rows of the table of cells: those of an account together, failing ones first, and quiet ones only counted."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from exporter.core.model import Snapshot
from exporter.metrics.summary import CellLine

# More rows would make the page slow.
MAX_CELL_ROWS = 200
# Rows of each account if there are too many of them.
MIN_ACCOUNT_ROWS = 3


@dataclass(frozen=True, slots=True)
class AccountCells:
    """The cells of an account. ``lines`` have a row each.

    ``more`` cells, ``more_failing`` of which fail, are only counted, as are ``quiet`` cells, which have no operation.
    """

    account: str
    account_id: str
    lines: Sequence[CellLine]
    more: int
    more_failing: int
    quiet: int


@dataclass(frozen=True, slots=True)
class CellCount:
    """The cells of accounts without rows, and how many of them fail."""

    accounts: int
    cells: int
    failing: int


@dataclass(frozen=True, slots=True)
class CellRows:
    """The accounts with rows, the accounts with quiet cells only, and further accounts for which rows are left."""

    accounts: Sequence[AccountCells]
    quiet: CellCount
    more: CellCount


@dataclass(slots=True)
class _Account:
    """The snapshots of an account that have something to show, and the number of quiet ones.

    ``denied`` cells fail too. A policy that forbids Regions denies cells of all accounts, so other failures come first.
    """

    failing: list[Snapshot] = field(default_factory=list)
    denied: list[Snapshot] = field(default_factory=list)
    others: list[Snapshot] = field(default_factory=list)
    quiet: int = 0

    @property
    def shown(self) -> list[Snapshot]:
        return [*self.failing, *self.denied, *self.others]

    @property
    def number_failing(self) -> int:
        return len(self.failing) + len(self.denied)

    @property
    def rank(self) -> tuple[bool, bool]:
        """The place among the accounts: failing ones first, then those with denied cells only."""
        return not self.failing, not self.denied


def cell_rows(
    snapshots: Iterable[Snapshot],
    line: Callable[[Snapshot], CellLine],
    shows_quiet: bool = False,
    most: int = MAX_CELL_ROWS,
) -> CellRows:
    """Return the rows of the table, about ``most`` of them. Accounts with a failing cell come first.

    ``line`` makes the line of a row. ``shows_quiet`` gives quiet cells rows too.
    """
    entries = _by_account(snapshots, shows_quiet)
    quiet = [entry for entry in entries if not entry.shown]
    loud = sorted((entry for entry in entries if entry.shown), key=lambda entry: entry.rank)
    has_all = sum(len(entry.shown) for entry in loud) <= most
    limit = most if has_all else max(MIN_ACCOUNT_ROWS, most // len(loud))
    number = len(loud) if has_all else max(1, most // limit)
    accounts = [_account_cells(entry, limit, line) for entry in loud[:number]]
    return CellRows(accounts, _count(quiet), _count(loud[number:]))


def _by_account(snapshots: Iterable[Snapshot], shows_quiet: bool) -> Sequence[_Account]:
    accounts: dict[str, _Account] = {}
    for snapshot in snapshots:
        entry = accounts.get(snapshot.key.account)
        if entry is None:
            entry = accounts[snapshot.key.account] = _Account()
        if snapshot.is_quiet and not shows_quiet:
            entry.quiet += 1
        elif snapshot.needs_attention:
            (entry.denied if snapshot.is_denied else entry.failing).append(snapshot)
        else:
            entry.others.append(snapshot)
    return tuple(accounts.values())


def _account_cells(entry: _Account, limit: int, line: Callable[[Snapshot], CellLine]) -> AccountCells:
    scope, number = entry.shown[0].scope, len(entry.shown)
    return AccountCells(
        account=scope.account,
        account_id=scope.account_id,
        lines=[*map(line, entry.shown[:limit])],
        more=max(0, number - limit),
        more_failing=max(0, entry.number_failing - limit),
        quiet=entry.quiet,
    )


def _count(entries: Sequence[_Account]) -> CellCount:
    failing = sum(entry.number_failing for entry in entries)
    return CellCount(len(entries), failing + sum(len(entry.others) + entry.quiet for entry in entries), failing)
