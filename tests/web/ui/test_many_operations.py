"""The status page with many operations, with none, and with an exporter that disappears."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.support import http_requests
from tests.support.page_checks import operation_names, wait_for_update
from tests.support.status_page import ServedPage, serve_page, tasks
from tests.web.ui.conftest import Open

MANY = 5_000
TOP = "row => row.getBoundingClientRect().top"
# Two frames. The first one lays out the rows that became visible.
SETTLED = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


@pytest.fixture(scope="module")
def many() -> Iterator[ServedPage]:
    """A page of thousands of operations."""
    with serve_page(tasks(MANY)) as page:
        yield page


def test_a_page_shows_the_first_rows_and_its_counts_and_filters_cover_all(many: ServedPage, open_page: Open) -> None:
    page = open_page(many.url)
    assert len(operation_names(page)) == 200
    expect(page.locator("#result")).to_contain_text("The first 200 of 5,000 operations.")
    expect(page.get_by_role("link", name="4,000 Active")).to_be_visible()
    page.get_by_label("Text").fill("input-04999")
    with page.expect_response(lambda response: response.ok):
        page.clock.fast_forward(1_000)
    expect(page.locator(".operations tbody .name")).to_have_text(["task-04999"])


def test_all_rows_can_be_shown_and_keep_their_place_in_updates(many: ServedPage, open_page: Open) -> None:
    page = open_page(many.url)
    page.get_by_role("link", name="Show all").click()
    rows = page.locator(".operations tbody tr")
    expect(rows).to_have_count(MANY)
    middle = rows.nth(2_500)
    middle.scroll_into_view_if_needed()
    page.evaluate(SETTLED)
    top = middle.evaluate(TOP)
    page.evaluate("document.querySelectorAll('.operations tbody tr').forEach(row => { row.seen = true; })")
    many.fill(tasks(MANY, done=7))
    with page.expect_response(lambda response: response.ok):
        page.clock.fast_forward(30_000)
    name = middle.locator(".name").inner_text()
    expect(middle.locator("[data-label=Succeeded]")).to_have_text(f"{int(name[5:]) * 10 + 7:,}")
    assert middle.evaluate(TOP) == pytest.approx(top, abs=1)
    assert page.evaluate("[...document.querySelectorAll('.operations tbody tr')].every(row => row.seen)")


def test_rows_are_added_and_removed_and_the_others_stay(open_page: Open) -> None:
    with serve_page(tasks(6)) as few:
        page = open_page(f"{few.url}?sort=name")
        page.evaluate("document.querySelectorAll('.operations tbody tr').forEach(row => { row.seen = true; })")
        few.fill([*tasks(9)[7:], *tasks(5)[2:]])
        wait_for_update(page)
        expect(page.locator(".operations tbody .name")).to_have_text(
            ["task-00002", "task-00003", "task-00004", "task-00007", "task-00008"]
        )
        seen = page.locator(".operations tbody tr").evaluate_all("rows => rows.map(row => Boolean(row.seen))")
    assert seen == [True, True, True, False, False]


def test_a_row_stays_while_its_text_is_selected(open_page: Open) -> None:
    with serve_page(tasks(3)) as few:
        page = open_page(f"{few.url}?sort=name")
        page.evaluate("getSelection().selectAllChildren(document.querySelectorAll('.operations tbody .name')[1])")
        few.fill(tasks(1, done=9))
        wait_for_update(page)
        expect(page.locator("[data-label=Succeeded]").first).to_have_text("9")
        assert page.evaluate("String(getSelection())") == "task-00001"
        page.evaluate("getSelection().removeAllRanges()")
        wait_for_update(page)
        expect(page.locator(".operations tbody .name")).to_have_text(["task-00000"])


def test_a_page_without_its_exporter_shows_a_message_and_recovers(open_page: Open, complaints: list[str]) -> None:
    with serve_page(tasks(1)) as few:
        page = open_page(few.url)
        page.route("**/*", lambda route: route.fulfill(status=503))
        wait_for_update(page)
        expect(page.locator("#offline")).to_be_visible()
        expect(page.locator("#announcer")).to_contain_text("does not respond")
        assert {"503" in complaint for complaint in complaints} == {True}
        complaints.clear()
        page.unroute("**/*")
        wait_for_update(page)
        expect(page.locator("#offline")).to_be_hidden()
        assert operation_names(page) == ["task-00000"]


def test_only_new_attention_is_announced(open_page: Open) -> None:
    with serve_page(tasks(1)) as few:
        page = open_page(few.url)
        wait_for_update(page)
        expect(page.locator("#announcer")).to_have_text("")
        few.fill(tasks(2))
        wait_for_update(page)
        expect(page.locator("#announcer")).to_have_text("1 operation needs attention")


def test_a_page_without_cells_states_that_nothing_is_watched() -> None:
    with serve_page() as empty:
        assert "Nothing is watched" in http_requests.get(empty.url).text
