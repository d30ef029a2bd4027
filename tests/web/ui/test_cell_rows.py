"""The table of cells with thousands of them: failing accounts first, idle cells counted, bounded rows."""

from dataclasses import replace

from exporter.metrics.summary import CellLine
from exporter.web.ui.cells import MAX_CELL_ROWS, cell_rows
from tests.cli.watch_lines import CELL


def line(account: str, region: str, *, up: bool = True, quiet: bool = False) -> CellLine:
    reasons = () if up else ("access_denied",)
    return replace(CELL, account=account, region=region, up=up, reasons=reasons, duration=1.0, is_quiet=quiet)


def test_accounts_with_a_failing_cell_come_first_and_their_failing_cells_too() -> None:
    cells = [line("a", "r1"), line("b", "r1"), line("b", "r2", up=False), line("c", "r1")]
    accounts = cell_rows(cells).accounts
    assert [account.account for account in accounts] == ["b", "a", "c"]
    assert [row.region for row in accounts[0].lines] == ["r2", "r1"]


def test_quiet_cells_are_only_counted() -> None:
    [account] = cell_rows([line("a", "r1"), *(line("a", f"q{number}", quiet=True) for number in range(50))]).accounts
    assert ([row.region for row in account.lines], account.quiet) == (["r1"], 50)


def test_the_rows_of_51000_cells_are_bounded_and_the_others_are_counted() -> None:
    cells = [line(f"a{number // 51}", f"r{number % 51}", quiet=number % 51 > 0) for number in range(51_000)]
    rows = cell_rows(cells)
    assert sum(len(account.lines) + bool(account.quiet) for account in rows.accounts) <= MAX_CELL_ROWS + 1
    assert len(rows.accounts) + rows.more_accounts == 1000
    assert sum(len(account.lines) + account.quiet for account in rows.accounts) + rows.more_cells == 51_000


def test_the_rows_of_an_account_with_many_failing_cells_are_bounded() -> None:
    rows = cell_rows([line("a", f"r{number}", up=False) for number in range(2 * MAX_CELL_ROWS)])
    assert len(rows.accounts[0].lines) == rows.more_cells == MAX_CELL_ROWS
