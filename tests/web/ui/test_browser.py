"""The status page in a real browser: a small fleet, many operations, and an exporter that disappears."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from exporter.kinds.thing_registration_task import ThingRegistrationTask
from tests.support.exporter_server import ServedExporter
from tests.support.page_checks import operation_names, wait_for_update
from tests.support.status_page import ServedPage, serve_page, tasks
from tests.web.ui.conftest import Open

PHONE = {"viewport": {"width": 375, "height": 812}, "has_touch": True, "is_mobile": True}
# Milliseconds. The page applies a changed filter earlier.
TYPING_PAUSE = 1_000
MANY = 5_000
# Whether a character of a box, the first or the last one, lies within the box.
IS_VISIBLE = """(box, place) => {
  const text = box.querySelector("bdi").firstChild;
  const range = document.createRange();
  const start = place < 0 ? text.length + place : place;
  range.setStart(text, start);
  range.setEnd(text, start + 1);
  const [inner, outer] = [range.getBoundingClientRect(), box.getBoundingClientRect()];
  return inner.left >= outer.left - 1 && inner.right <= outer.right + 1;
}"""
TOP = "row => row.getBoundingClientRect().top"
# Two frames. The first one lays out the rows that became visible.
SETTLED = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


@pytest.fixture(scope="module")
def many() -> Iterator[ServedPage]:
    """A page of thousands of operations."""
    with serve_page(tasks(MANY)) as page:
        yield page


def row(page: Page, name: str) -> dict[str, str]:
    """Return the texts in the row of an operation by their headings."""
    cells = page.locator(".operations tbody tr", has_text=name).locator("td").all()
    return {cell.get_attribute("data-label") or "": " ".join(cell.inner_text().split()) for cell in cells}


def row_text(row: Locator, label: str) -> str:
    """Return the text of a cell of a row."""
    return row.locator(f"[data-label={label}]").inner_text()


def test_the_page_has_a_row_for_each_operation_and_cell(exporter: ServedExporter, open_page: Open) -> None:
    page = open_page(exporter.url)
    assert operation_names(page) == ["broken", "partly", "running", "clean"]
    partly = row(page, "partly")
    assert partly["Account"] == "field us-east-1 444455556666"
    assert (partly["Problem"], partly["Status"], partly["Progress"]) == ("failed: 25 of 100", "Completed", "100 %")
    assert (partly["Succeeded"], partly["Failed"]) == ("75", "25")
    assert (partly["Created"], partly["May end"]) == ("3 h ago", "ended")
    assert row(page, "clean")["Succeeded"] == "200,000"
    assert page.get_by_role("table", name="Operations").get_by_role("row").count() == 5
    cells = page.get_by_role("table", name="Cells").locator("tbody tr")
    assert [cell.locator(".badge").inner_text() for cell in cells.all()] == ["up"] * 3
    expect(cells.first).to_contain_text("DescribeThingRegistrationTask 50 %")


def test_a_banner_counts_and_links_what_needs_attention(exporter: ServedExporter, open_page: Open) -> None:
    page = open_page(f"{exporter.url}?status=InProgress")
    assert page.title().startswith("(2) ")
    assert operation_names(page) == ["running"]
    assert page.locator("#attention").text_content() == "2 operations need attention"
    worst = page.locator("section.banner li").all_inner_texts()
    assert worst == ["broken: failed (factory, eu-west-1)", "lamps.jsonl: failed: 25 of 100 (field, us-east-1)"]
    page.get_by_role("link", name="Show all 2 operations").click()
    expect(page.locator("#result")).to_contain_text("2 of 4 operations.")
    assert operation_names(page) == ["broken", "partly"]
    assert page.get_by_label("Status", exact=True).input_value() == ""


@pytest.mark.parametrize(
    ("label", "option", "expected"),
    [
        ("Status", "Failed", ["broken"]),
        ("Kind", "bulk registration of things", ["partly", "running", "clean"]),
        ("Account", "field", ["partly"]),
        ("Sort by", "Succeeded", ["partly", "running", "clean", "broken"]),
    ],
)
def test_a_filter_applies_as_soon_as_it_changes(
    exporter: ServedExporter, open_page: Open, label: str, option: str, expected: list[str]
) -> None:
    page = open_page(exporter.url)
    page.get_by_label(label, exact=True).select_option(label=option)
    wait_for_update(page, TYPING_PAUSE)
    expect(page.locator(".operations tbody .name")).to_have_text(expected)
    page.reload()
    assert operation_names(page) == expected
    assert page.get_by_label(label, exact=True).locator("option:checked").inner_text() == option


def test_a_search_runs_while_the_text_is_typed(exporter: ServedExporter, open_page: Open) -> None:
    page = open_page(exporter.url)
    field = page.get_by_label("Text")
    field.press_sequentially("LAMPS us-east")
    wait_for_update(page, TYPING_PAUSE)
    expect(page.locator(".operations tbody .name")).to_have_text(["partly"])
    expect(field).to_be_focused()
    expect(page.locator("#announcer")).to_have_text("1 of 4 operations.")
    field.fill("no such thing")
    wait_for_update(page, TYPING_PAUSE)
    expect(page.locator("#result")).to_have_text("0 of 4 operations.")
    expect(page.locator(".operations")).to_be_hidden()


def test_a_heading_sorts_in_both_orders_and_the_back_button_works(exporter: ServedExporter, open_page: Open) -> None:
    page = open_page(exporter.url)
    heading = page.get_by_role("columnheader", name="Failed")
    heading.get_by_role("link").click()
    expect(heading).to_have_attribute("aria-sort", "ascending")
    assert operation_names(page) == ["broken", "running", "clean", "partly"]
    heading.get_by_role("link").click()
    expect(heading).to_have_attribute("aria-sort", "descending")
    assert operation_names(page)[0] == "partly"
    assert page.get_by_label("Order").input_value() == "desc"
    page.go_back()
    expect(heading).to_have_attribute("aria-sort", "ascending")
    assert page.get_by_label("Order").input_value() == "asc"


def test_an_update_keeps_scroll_position_selection_and_focus(exporter: ServedExporter, open_page: Open) -> None:
    page = open_page(f"{exporter.url}?status=InProgress&q=sensors", viewport={"width": 1440, "height": 300})
    before = int(row(page, "running")["Progress"].split()[0])
    page.evaluate("scrollTo(0, 150)")
    page.evaluate("getSelection().selectAllChildren(document.querySelector('.operations tbody .name'))")
    page.get_by_label("Status", exact=True).focus()
    scrolled = page.evaluate("scrollY")
    exporter.scrape(after=120.0)
    wait_for_update(page)
    bar = page.get_by_role("progressbar")
    expect(bar).not_to_have_attribute("aria-valuenow", str(before))
    assert int(row(page, "running")["Progress"].split()[0]) >= before + 9
    assert page.evaluate("scrollY") == scrolled > 0
    assert page.evaluate("String(getSelection())") == "running"
    expect(page.get_by_label("Status", exact=True)).to_be_focused()
    assert operation_names(page) == ["running"]
    assert "min" in row(page, "running")["May end"]


def test_updates_can_be_paused(exporter: ServedExporter, open_page: Open) -> None:
    page = open_page(exporter.url)
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url) if request.resource_type == "fetch" else None)
    page.get_by_role("button", name="Pause updates").click()
    page.clock.fast_forward(60_000)
    assert requests == []
    with page.expect_response(lambda response: response.ok):
        page.get_by_role("button", name="Resume updates").click()


def test_everything_works_without_javascript(exporter: ServedExporter, open_page: Open) -> None:
    page = open_page(exporter.url, java_script_enabled=False)
    expect(page.get_by_role("button", name="Pause updates")).to_be_hidden()
    page.get_by_label("Account").select_option(label="factory")
    page.get_by_role("button", name="Apply").click()
    assert operation_names(page) == ["broken", "running", "clean"]
    page.get_by_role("columnheader", name="Operation").get_by_role("link").click()
    assert operation_names(page) == ["broken", "clean", "running"]
    assert page.get_by_label("Account").input_value() == "factory"
    page.get_by_role("link", name="1 Active").click()
    assert operation_names(page) == ["running"]
    page.get_by_role("link", name="Clear").click()
    assert len(operation_names(page)) == 4


def test_a_phone_scrolls_vertically_only(exporter: ServedExporter, open_page: Open) -> None:
    page = open_page(exporter.url, **PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") == 375
    for table in (".operations", ".cells"):
        assert page.locator(table).evaluate("table => table.scrollWidth <= table.parentElement.clientWidth")
    rows = page.locator(".operations tbody tr")
    assert max(rows.evaluate_all("rows => rows.map(row => row.offsetHeight)")) < 200
    first, last = (rows.first.locator(cell) for cell in ("th", "[data-label=Created]"))
    assert last.evaluate("cell => cell.offsetTop") > first.evaluate("cell => cell.offsetTop + cell.offsetHeight")


def test_the_first_screen_of_a_phone_shows_what_is_worst_and_folds_the_rest(
    exporter: ServedExporter, open_page: Open
) -> None:
    page = open_page(exporter.url, **PHONE)
    first = page.locator("section.banner li").first
    expect(first).to_have_text("broken: failed (factory, eu-west-1)")
    row = page.locator(".operations tbody tr").first
    assert 0 < first.evaluate(TOP) < row.evaluate(TOP) < 450
    expect(page.get_by_label("Status", exact=True)).to_be_hidden()
    page.get_by_text("Filter and sort").click()
    page.get_by_label("Status", exact=True).select_option(label="Failed")
    wait_for_update(page, TYPING_PAUSE)
    expect(page.locator(".operations tbody .name")).to_have_text(["broken"])
    # A filter that is in use stays visible.
    page.reload()
    expect(page.get_by_label("Status", exact=True)).to_be_visible()


def test_a_wide_page_folds_nothing(exporter: ServedExporter, open_page: Open) -> None:
    page = open_page(exporter.url)
    expect(page.get_by_label("Status", exact=True)).to_be_visible()
    expect(page.get_by_text("Filter and sort")).to_be_hidden()
    page.get_by_role("link", name="Configuration").click()
    assert page.url == f"{exporter.url}/config"


# A window of 1280 pixels with a scroll bar of 15 pixels.
@pytest.mark.parametrize("width", [1265, 1280, 1440])
def test_the_tables_fit_into_their_panels(exporter: ServedExporter, open_page: Open, width: int) -> None:
    page = open_page(exporter.url, viewport={"width": width, "height": 800})
    for table in (".operations", ".cells"):
        assert page.locator(table).evaluate("table => table.scrollWidth <= table.parentElement.clientWidth")


@pytest.mark.parametrize("window", [{"viewport": {"width": 1280, "height": 800}}, PHONE], ids=["desktop", "phone"])
def test_a_long_path_is_cut_at_its_beginning(open_page: Open, window: dict[str, Any]) -> None:
    path = f"s3://{'factory-onboarding/' * 9}week-47/pumps.jsonl"
    with serve_page([replace(task, input=path) for task in tasks(1)]) as served:
        page = open_page(served.url, **window)
        about = page.locator(".about")
        assert about.get_attribute("title") == about.inner_text() == path
        assert about.evaluate("box => box.scrollWidth > box.clientWidth")
        for character, is_visible in ((0, False), (-1, True)):
            assert about.evaluate(IS_VISIBLE, character) == is_visible


def test_the_page_says_how_old_its_data_is(open_page: Open) -> None:
    with serve_page(tasks(2)) as served:
        served.clock.advance(107)
        page = open_page(served.url)
        expect(page.locator("[data-live=freshness]")).to_contain_text("UTC, 107 s ago")
    with serve_page() as served:
        expect(open_page(served.url).locator("[data-live=freshness]")).to_have_text("No data yet")


def test_one_failed_item_of_many_is_quiet(open_page: Open) -> None:
    completed = ThingRegistrationTask(id="imperfect", status="Completed", progress=1.0, succeeded=1_258, failed=1)
    with serve_page([completed, replace(completed, id="broken", status="Failed")]) as served:
        page = open_page(served.url)
        broken, imperfect = page.locator(".operations tbody tr").all()
        colors = [
            found.locator("[data-label=Failed]").evaluate("cell => getComputedStyle(cell).color")
            for found in (broken, imperfect)
        ]
    assert row_text(broken, "Problem") == "failed"
    assert row_text(imperfect, "Problem") == "none"
    assert colors[0] != colors[1]


def test_the_page_has_a_dark_and_a_light_theme(exporter: ServedExporter, open_page: Open) -> None:
    ground = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"
    light = open_page(exporter.url, color_scheme="light").evaluate(ground)
    dark = open_page(exporter.url, color_scheme="dark").evaluate(ground)
    assert min(light) > 220
    assert max(dark) < 40


def test_the_keyboard_reaches_everything(exporter: ServedExporter, open_page: Open) -> None:
    page = open_page(exporter.url)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the operations")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="4 Operations")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".operations tbody .name")).to_have_text(["running"])
    expect(page.get_by_role("link", name="1 Active")).to_be_focused()
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


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
    page = open_page(f"{many.url}?sort=name")
    page.get_by_role("link", name="Show all", exact=True).click()
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


@pytest.mark.parametrize("status", [404, 503])
def test_a_page_without_its_exporter_shows_a_message_and_recovers(
    open_page: Open, complaints: list[str], status: int
) -> None:
    with serve_page(tasks(1)) as few:
        page = open_page(few.url)
        page.route("**/*", lambda route: route.fulfill(status=status, body="<h1>A proxy</h1>"))
        wait_for_update(page)
        expect(page.locator("#offline")).to_be_visible()
        expect(page.locator("#announcer")).to_contain_text("does not respond")
        assert {str(status) in complaint for complaint in complaints} == {True}
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
        few.fill([replace(tasks(1)[0], status="Failed")])
        wait_for_update(page)
        expect(page.locator("#announcer")).to_have_text("1 operation needs attention")
