"""The table of cells with thousands of them: failing accounts first, idle cells counted, bounded rows."""

from collections.abc import Iterable
from dataclasses import replace

import pytest
from playwright.sync_api import Page, expect

from exporter.core.errors import Reason
from exporter.core.model import CellKey, Failure, Reading, Scope, Snapshot
from exporter.core.store import Store
from exporter.kinds.thing_registration_task import KIND
from exporter.metrics.eta import Estimates
from exporter.metrics.summary import CellLine, Overview
from exporter.web.ui.cells import MAX_CELL_ROWS, CellRows, cell_rows
from tests.support import http_requests
from tests.support.status_page import ServedPage, serve_page, tasks
from tests.web.ui.conftest import Open

REFUSED = Failure(Reason.ACCESS_DENIED, "AccessDenied", "cannot assume the role")
ACCOUNTS, REGIONS = 1000, 51


def cell(account: str, region: str, *, up: bool = True, quiet: bool = False) -> Snapshot:
    """Return the snapshot of a cell that the exporter found."""
    key, scope = CellKey(account, region, KIND.name), Scope(account, "111122223333", region)
    readings = () if quiet or not up else (Reading(tasks(2)[1], 0.0),)
    snapshot = Snapshot(key, scope, readings, up=up, duration=1.0, found=True)
    return snapshot if up else replace(snapshot, reasons=frozenset({REFUSED.reason}), failures=(REFUSED,))


def organization(failing: int) -> list[Snapshot]:
    """Return the cells of an organization. The last accounts fail, and each other one has one operation."""
    return [
        cell(f"a{number}", f"r{region}", up=number < ACCOUNTS - failing, quiet=region > 0 and number < 100)
        for number in range(ACCOUNTS)
        for region in range(REGIONS)
    ]


def rows_of(cells: Iterable[Snapshot], shows_quiet: bool = False) -> CellRows:
    """Return the rows of the table. A line is made for each row only, because 51,000 lines take seconds."""
    made = list[CellLine]()

    def line(snapshot: Snapshot) -> CellLine:
        made.append(overview.cell(snapshot))
        return made[-1]

    overview = Overview((KIND,), Store(()), Estimates(), lambda: 0.0)
    rows = cell_rows(cells, line, shows_quiet)
    assert made == [shown for account in rows.accounts for shown in account.lines]
    return rows


def test_accounts_with_a_failing_cell_come_first_and_their_failing_cells_too() -> None:
    cells = [cell("a", "r1"), cell("b", "r1"), cell("b", "r2", up=False), cell("c", "r1")]
    accounts = rows_of(cells).accounts
    assert [account.account for account in accounts] == ["b", "a", "c"]
    assert [row.region for row in accounts[0].lines] == ["r2", "r1"]


def test_other_failures_come_before_denied_cells_which_a_policy_can_give_every_account() -> None:
    broken = replace(cell("c", "r2"), readings=(), up=False, reasons=frozenset({Reason.SERVER_ERROR}))
    cells = [cell("a", "r1"), cell("b", "r1", up=False), cell("c", "r1", up=False), broken]
    accounts = rows_of(cells).accounts
    assert [account.account for account in accounts] == ["c", "b", "a"]
    assert [row.region for row in accounts[0].lines] == ["r2", "r1"]
    denied = [cell(f"d{number}", f"r{region}", up=False) for number in range(1000) for region in range(9)]
    shown = rows_of([*denied, broken])
    assert shown.accounts[0].account == "c"
    assert shown.more.failing + sum(len(account.lines) + account.more_failing for account in shown.accounts) == 9001


def test_quiet_cells_are_only_counted() -> None:
    [account] = rows_of([cell("a", "r1"), *(cell("a", f"q{number}", quiet=True) for number in range(50))]).accounts
    assert ([row.region for row in account.lines], account.quiet, account.more) == (["r1"], 50, 0)


def test_accounts_with_quiet_cells_only_are_counted_together() -> None:
    rows = rows_of(cell(f"a{number}", region, quiet=True) for number in range(30) for region in ("r1", "r2"))
    assert (rows.accounts, rows.quiet.accounts, rows.quiet.cells) == ([], 30, 60)


def test_the_cells_of_a_selected_account_have_a_row_each() -> None:
    [account] = rows_of([cell("a", f"q{number}", quiet=True) for number in range(51)], shows_quiet=True).accounts
    assert (len(account.lines), account.quiet) == (51, 0)


@pytest.mark.parametrize("failing", [0, 1, 20, ACCOUNTS])
def test_the_rows_of_51000_cells_are_bounded_and_the_others_are_counted(failing: int) -> None:
    rows = rows_of(organization(failing))
    assert sum(len(account.lines) for account in rows.accounts) <= MAX_CELL_ROWS
    assert len(rows.accounts) + rows.more.accounts + rows.quiet.accounts == ACCOUNTS
    counted = sum(len(account.lines) + account.more + account.quiet for account in rows.accounts)
    assert counted + rows.more.cells + rows.quiet.cells == ACCOUNTS * REGIONS


def test_each_of_many_failing_accounts_has_some_rows() -> None:
    rows = rows_of(organization(20))
    failing = [account for account in rows.accounts if account.lines[0].needs_attention]
    assert len(failing) == 20
    assert {len(account.lines) + account.more for account in failing} == {REGIONS}
    assert rows.more.failing == 0


def test_the_rows_of_an_account_with_many_failing_cells_are_bounded() -> None:
    [account] = rows_of([cell("a", f"r{number}", up=False) for number in range(2 * MAX_CELL_ROWS)]).accounts
    assert len(account.lines) == account.more == account.more_failing == MAX_CELL_ROWS


def served_organization(page: ServedPage) -> None:
    """Fill a page with the cells of an organization, two of whose accounts fail."""
    for number in range(60):
        for region in range(17):
            is_failing = number in (40, 50)
            page.store.put(cell(f"a{number}", f"r{region}", up=not is_failing, quiet=number > 0 or region > 0))


def cell_table(page: Page) -> list[str]:
    """Return the rows of the table of cells."""
    return [" ".join(row.inner_text().split()) for row in page.locator(".cells tbody tr").all()]


def test_the_page_of_an_organization_leads_from_the_counts_to_the_cells(open_page: Open) -> None:
    with serve_page() as served:
        served_organization(served)
        page = open_page(served.url)
        rows = cell_table(page)
        assert all(row.startswith("a40") for row in rows[:17])
        assert all(row.startswith("a50") for row in rows[17:34])
        assert rows[35].endswith("16 cells without operations. Show all of this account")
        assert rows[36:] == ["57 accounts 969 cells without operations. To see them, select an account above."]
        page.get_by_role("link", name="Show all of this account").click()
        expect(page.locator(".cells tbody tr")).to_have_count(17)
        expect(page.get_by_label("Account")).to_have_value("a0")
        page.get_by_role("link", name="Show all cells").click()
        expect(page.locator(".cells tbody tr")).to_have_count(37)


def test_the_table_of_an_organization_fits_a_phone(open_page: Open) -> None:
    with serve_page() as served:
        served_organization(served)
        page = open_page(served.url, viewport={"width": 375, "height": 812}, has_touch=True, is_mobile=True)
        assert page.evaluate("document.documentElement.scrollWidth") == 375
        assert page.locator(".scroller:has(.cells)").evaluate("box => box.scrollWidth <= box.clientWidth")


def test_a_count_of_cells_uses_the_width_of_the_table(open_page: Open) -> None:
    with serve_page() as served:
        served_organization(served)
        page = open_page(served.url)
        width = page.locator(".cells td[colspan]").first.evaluate("cell => cell.getBoundingClientRect().width")
        assert width > 0.75 * page.locator(".cells").evaluate("table => table.getBoundingClientRect().width")


def test_the_json_api_selects_failing_cells_and_limits_their_number() -> None:
    with serve_page() as served:
        served_organization(served)
        body = http_requests.get(f"{served.url}/api/v1/cells?view=attention&limit=20").json()
    assert (len(body["cells"]), body["matching"], body["total"]) == (20, 34, 1020)
    assert {entry["account"] for entry in body["cells"]} == {"a40", "a50"}


def test_the_json_api_lists_the_cells_of_an_organization_in_pages() -> None:
    with serve_page() as served:
        served_organization(served)
        first, second, every = (
            http_requests.get(f"{served.url}/api/v1/cells?{query}").json() for query in ("", "offset=1000", "limit=0")
        )
    assert (len(first["cells"]), first["offset"], first["omitted"], first["matching"]) == (1000, 0, 20, 1020)
    assert (len(second["cells"]), second["offset"], second["omitted"], second["matching"]) == (20, 1000, 0, 1020)
    assert (len(every["cells"]), every["offset"], every["omitted"], every["total"]) == (1020, 0, 0, 1020)
    assert first["cells"] + second["cells"] == every["cells"]


@pytest.mark.parametrize(("query", "omitted"), [("limit=10&offset=5", 1005), ("offset=1020", 0), ("offset=5000", 0)])
def test_the_json_api_counts_the_cells_after_a_page(query: str, omitted: int) -> None:
    with serve_page() as served:
        served_organization(served)
        body = http_requests.get(f"{served.url}/api/v1/cells?{query}").json()
        assert http_requests.get(f"{served.url}/api/v1/cells?offset=x").status_code == 400
    assert (body["omitted"], body["matching"]) == (omitted, 1020)
