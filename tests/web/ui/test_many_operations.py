"""The status page with many operations, with none, and with an exporter that goes away."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.support import http_requests
from tests.support.exporter_server import exporting
from tests.support.page_checks import look_again, shown
from tests.support.servers import hanging
from tests.support.status_page import Filled, filled, tasks
from tests.web.ui.conftest import Open

MANY = 5_000
TOP = "row => row.getBoundingClientRect().top"
SETTLED = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
"""Two frames: what came into sight was laid out in the first."""
HANGING_CONFIG = """
accounts: [{account_id: "111122223333", watch: [{kind: thing_registration_task, ids: [a]}]}]
refresh: {deadline: 1h}
"""


@pytest.fixture(scope="module")
def many() -> Iterator[Filled]:
    """A page of thousands of operations."""
    with filled(tasks(MANY)) as page:
        yield page


def test_a_page_shows_some_and_its_counts_and_filters_cover_all(many: Filled, open_page: Open) -> None:
    page = open_page(many.url)
    assert len(shown(page)) == 200
    expect(page.locator("#result")).to_contain_text("The first 200 of 5,000 operations.")
    expect(page.get_by_role("link", name="4,000 Active")).to_be_visible()
    page.get_by_label("Text").fill("input-04999")
    with page.expect_response(lambda response: response.ok):
        page.clock.fast_forward(1_000)
    expect(page.locator(".operations tbody .name")).to_have_text(["task-04999"])


def test_all_can_be_shown_and_stay_where_they_are_while_they_change(many: Filled, open_page: Open) -> None:
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


def test_rows_come_and_go_and_the_others_stay(open_page: Open) -> None:
    with filled(tasks(6)) as few:
        page = open_page(f"{few.url}?sort=name")
        page.evaluate("document.querySelectorAll('.operations tbody tr').forEach(row => { row.seen = true; })")
        few.fill([*tasks(9)[7:], *tasks(5)[2:]])
        look_again(page)
        expect(page.locator(".operations tbody .name")).to_have_text(
            ["task-00002", "task-00003", "task-00004", "task-00007", "task-00008"]
        )
        seen = page.locator(".operations tbody tr").evaluate_all("rows => rows.map(row => Boolean(row.seen))")
    assert seen == [True, True, True, False, False]


def test_selected_text_stays_selected_when_its_row_would_go(open_page: Open) -> None:
    with filled(tasks(3)) as few:
        page = open_page(f"{few.url}?sort=name")
        page.evaluate("getSelection().selectAllChildren(document.querySelectorAll('.operations tbody .name')[1])")
        few.fill(tasks(1, done=9))
        look_again(page)
        expect(page.locator("[data-label=Succeeded]").first).to_have_text("9")
        assert page.evaluate("String(getSelection())") == "task-00001"
        page.evaluate("getSelection().removeAllRanges()")
        look_again(page)
        expect(page.locator(".operations tbody .name")).to_have_text(["task-00000"])


def test_a_page_whose_exporter_is_gone_says_so_and_recovers(open_page: Open, complaints: list[str]) -> None:
    with filled(tasks(1)) as few:
        page = open_page(few.url)
        page.route("**/*", lambda route: route.fulfill(status=503))
        look_again(page)
        expect(page.locator("#offline")).to_be_visible()
        expect(page.locator("#announcer")).to_contain_text("does not answer")
        assert {"503" in complaint for complaint in complaints} == {True}
        complaints.clear()
        page.unroute("**/*")
        look_again(page)
        expect(page.locator("#offline")).to_be_hidden()
        assert shown(page) == ["task-00000"]


def test_the_announcer_speaks_when_something_begins_to_need_attention_and_not_with_every_look(
    open_page: Open,
) -> None:
    with filled(tasks(1)) as few:
        page = open_page(few.url)
        look_again(page)
        expect(page.locator("#announcer")).to_have_text("")
        few.fill(tasks(2))
        look_again(page)
        expect(page.locator("#announcer")).to_have_text("1 operation needs attention")


def test_a_page_without_cells_says_that_nothing_is_watched() -> None:
    with filled() as empty:
        assert "Nothing is watched" in http_requests.get(empty.url).text


def test_a_page_is_answered_although_aws_hangs_and_says_that_it_waits() -> None:
    with hanging() as (endpoint, _), exporting(HANGING_CONFIG, endpoint) as exporter:
        pages = [http_requests.get(exporter.url + path) for path in ("/", "/api/v1/operations", "/api/v1/cells")]
    assert [page.status_code for page in pages] == [200, 200, 200]
    assert "Asking AWS for the first time" in pages[0].text
    assert 'data-every="1"' in pages[0].text
    assert pages[2].json()["cells"][0]["duration"] is None


def test_a_page_asks_for_what_is_due_and_waits_for_none_of_it() -> None:
    with filled(tasks(1)) as few:
        for path in ("/", "/api/v1/operations", "/api/v1/cells"):
            assert http_requests.get(few.url + path).status_code == 200
        assert http_requests.get(f"{few.url}/api/v1/openapi.json").status_code == 200
    assert few.patience == [0.0, 0.0, 0.0]


def test_the_page_leads_to_the_metrics_whatever_their_path_is() -> None:
    with filled(path="/me'trics&<b>é%41") as page:
        link = http_requests.get(page.url).text.partition('href="./me')[2].partition('"')[0]
        assert http_requests.get(f"{page.url}/me{link}").headers["content-type"].startswith("text/plain")
    with filled(path="/") as page:
        assert http_requests.get(page.url).headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize("path", ["/", "/api/v1/operations", "/api/v1/cells", "/api/v1/openapi.json"])
def test_nothing_can_be_written(many: Filled, method: str, path: str) -> None:
    response = http_requests.request(method, many.url + path)
    assert response.status_code == 405
    assert {word.strip() for word in response.headers["allow"].split(",")} == {"GET", "HEAD"}


@pytest.mark.parametrize("path", ["/", "/api/v1/operations", "/api/v1/cells", "/api/v1/openapi.json"])
def test_a_head_tells_what_a_get_would(many: Filled, path: str) -> None:
    head, get = http_requests.head(many.url + path), http_requests.get(many.url + path)
    assert (head.status_code, head.headers["content-type"]) == (200, get.headers["content-type"])
    assert head.content == b""
