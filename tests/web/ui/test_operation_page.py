"""The page of an operation: one click from the status page, and one from an alert, to the reasons of its failures."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Route, expect

from exporter.cli.drill.cases import scenario_text
from exporter.config.strict_yaml import parse_yaml
from exporter.metrics.attention import Problem
from exporter.monitoring.alerts import OPERATION_ALERTS
from exporter.web.ui.operation import ALERTS, OUTCOME_UNKNOWN, UPDATE_SECONDS
from exporter.web.ui.runbooks import runbook_names
from tests.support import http_requests
from tests.support.exporter_server import Simulation, serve_simulation
from tests.support.page_checks import wait_for_update
from tests.support.status_page import serve_page, tasks
from tests.support.waiting import wait_until
from tests.web.api.test_failures import ALLOWED, CONFIG, SCENARIO, fault
from tests.web.ui.conftest import Open
from tests.web.ui.test_safety import MODES

PHONE = {"width": 375, "height": 812}
# The smallest phones, and a window of 1280 pixels at a zoom of 400 %.
NARROW = {"width": 320, "height": 640}
PATH = "/operations/iot_job/firmware"
HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(2)>'


@pytest.fixture(scope="module")
def simulation() -> Iterator[Simulation]:
    """An exporter that may show failed items, after its first scrape."""
    with serve_simulation(ALLOWED, SCENARIO) as simulation:
        simulation.exporter.scrape()
        yield simulation


def text_with_items(url: str) -> str | None:
    """Return the page of an operation, None until it has read the failed items."""
    text = http_requests.get(url).text
    return None if "are being read" in text else text


def reasons(page: Page) -> list[str]:
    """Return the reasons that the page shows, after it has read them."""
    page.locator(".reasons").wait_for()
    return page.locator(".reasons tbody th").all_inner_texts()


@pytest.mark.parametrize(
    "viewport", [{"width": 1280, "height": 900}, PHONE, NARROW], ids=["desktop", "phone", "narrow phone"]
)
def test_a_click_in_the_table_leads_to_the_reasons(
    simulation: Simulation, open_page: Open, viewport: dict[str, int]
) -> None:
    page = open_page(simulation.exporter.url, viewport=viewport)
    page.locator(".operations tbody a", has_text="firmware").click()
    assert reasons(page) == ["reason: disk <number> is full"]
    assert page.locator(".items tbody tr").count() == 10
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    assert [violation["id"] for violation in Axe().run(page).response["violations"]] == []


@pytest.mark.parametrize("alert", [*ALERTS.values(), OUTCOME_UNKNOWN])
def test_the_page_links_the_runbook_of_the_alert_on_its_problem(alert: str) -> None:
    scenario = scenario_text(alert)
    operation = parse_yaml(scenario)["operations"][0]
    watch = f"watch: [{{kind: {operation['kind']}, discover: true}}]"
    config = f'accounts: [{{account_id: "111122223333", regions: [{operation["region"]}], {watch}}}]'
    with serve_simulation(config, scenario) as simulation:
        simulation.exporter.scrape()
        # Until then, every operation has ended or is stalled.
        simulation.exporter.scrape(after=2000)
        url = httpx.URL(f"{simulation.exporter.url}/operations/{operation['kind']}/{operation['id']}")
        links = re.findall(rf'<a href="([^"]*/{alert})">{alert}</a>', http_requests.get(str(url)).text)
        (link,) = links
        assert f"<h2>{alert}</h2>" in http_requests.get(str(url.join(link))).text


def test_every_problem_has_the_alert_with_its_runbook() -> None:
    assert set(ALERTS) == set(Problem) - {Problem.NONE}
    assert {*ALERTS.values(), OUTCOME_UNKNOWN} <= {alert.name for alert in OPERATION_ALERTS} & runbook_names()


def test_an_operation_without_a_problem_has_no_runbook() -> None:
    well = SCENARIO.replace("failed: 0.25", "failed: 0.0")
    with serve_simulation(ALLOWED, well) as simulation:
        simulation.exporter.scrape()
        assert "Runbook:" not in http_requests.get(simulation.exporter.url + PATH).text


@pytest.mark.parametrize("viewport", [{"width": 1280, "height": 900}, PHONE], ids=["desktop", "phone"])
def test_one_click_leads_from_the_page_to_the_runbook(
    simulation: Simulation, open_page: Open, viewport: dict[str, int]
) -> None:
    page = open_page(simulation.exporter.url + PATH, viewport=viewport)
    page.get_by_role("link", name=ALERTS[Problem.FAILING]).click()
    assert page.locator("h2").first.inner_text() == ALERTS[Problem.FAILING]


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_the_page_follows_the_rules_of_accessibility(
    simulation: Simulation, open_page: Open, mode: dict[str, Any]
) -> None:
    page = open_page(simulation.exporter.url + PATH, **mode)
    assert reasons(page)
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()


def test_a_job_with_retries_shows_the_executions_and_the_items() -> None:
    retried = SCENARIO.replace("items: 40\n", "items: 40\n    allowed_retries: {FAILED: 2}\n")
    with serve_simulation(ALLOWED, retried) as simulation:
        simulation.exporter.scrape()
        text = wait_until(lambda: text_with_items(simulation.exporter.url + PATH), "the items")
        text = re.sub("<[^>]+>", "", text)
        assert re.search(r"not items: [1-9]\d* failed\. By these counts, \d+( to \d+)? items failed finally\.", text)
        assert "This page lists 10 failed executions of 10 items." in text
        content = http_requests.get(f"{simulation.exporter.url}/api/v1{PATH}/failures").json()
        assert content["failed_executions"] >= content["distinct_items"] == 10


def test_markup_in_a_reason_is_shown_as_text(open_page: Open) -> None:
    hostile = SCENARIO.replace('"disk 7 is full"', json.dumps(HOSTILE))
    with serve_simulation(ALLOWED, hostile) as simulation:
        simulation.exporter.scrape()
        page = open_page(simulation.exporter.url + PATH)
        (reason,) = reasons(page)
        assert reason.startswith("reason: <script>alert(")
        assert page.locator(".failures :is(img, script)").count() == 0


def test_long_reasons_leave_enough_space_for_the_other_columns(open_page: Open) -> None:
    lines = "element => { const range = new Range(); range.selectNodeContents(element); return range.getClientRects() }"
    with serve_simulation(ALLOWED, SCENARIO.replace("disk 7 is full", "disk 7 is full, " * 60)) as simulation:
        simulation.exporter.scrape()
        page = open_page(simulation.exporter.url + PATH, viewport={"width": 1280, "height": 900})
        reasons(page)
        for cell in page.locator(".items tbody tr > :is(th, .state)").all():
            assert len(cell.evaluate(lines)) == 1


def test_a_phone_shows_what_a_number_is_and_the_whole_command(simulation: Simulation, open_page: Open) -> None:
    page = open_page(simulation.exporter.url + PATH, viewport=PHONE)
    reasons(page)
    label = page.locator(".items td.number").first.evaluate("cell => getComputedStyle(cell, '::before').content")
    assert "Attempt" in label
    with serve_simulation(CONFIG, SCENARIO) as off:
        off.exporter.scrape()
        page = open_page(off.exporter.url + PATH, viewport=PHONE)
        assert page.locator(".failures pre").evaluate("text => text.scrollWidth <= text.clientWidth")


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
@pytest.mark.parametrize("config", [CONFIG, ALLOWED], ids=["not allowed", "denied"])
def test_a_page_without_reasons_follows_the_rules_of_accessibility(
    open_page: Open, config: str, mode: dict[str, Any]
) -> None:
    denied = fault("DescribeJobExecution", "error: AccessDeniedException, status: 403")
    with serve_simulation(config, denied) as simulation:
        simulation.exporter.scrape()
        page = open_page(simulation.exporter.url + PATH, **mode)
        results = Axe().run(page)
        assert results.violations_count == 0, results.generate_report()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_page_shows_the_counts_the_dates_and_the_settings(simulation: Simulation) -> None:
    text = http_requests.get(simulation.exporter.url + PATH).text
    for shown in ("IN_PROGRESS", "50&nbsp;%", "things: failed", "Created", "Last change", "those in the target at"):
        assert shown in text


def test_the_page_works_without_a_script(simulation: Simulation, open_page: Open) -> None:
    page = open_page(simulation.exporter.url + PATH, java_script_enabled=False)
    assert "firmware" in page.locator("h2").first.inner_text()
    page.get_by_role("link", name="Show all operations").click()
    assert page.locator(".operations").count() == 1


def test_items_that_take_long_appear_later_by_themselves(open_page: Open) -> None:
    with serve_simulation(ALLOWED, fault("DescribeJobExecution", "delay: 1500ms")) as slow:
        slow.exporter.scrape()
        page = open_page(slow.exporter.url + PATH)
        assert "are being read from AWS" in page.locator(".failures").inner_text()
        for _ in range(60):
            if page.locator(".reasons").count():
                break
            page.clock.run_for(1000)
            page.wait_for_timeout(0)
        assert reasons(page) == ["reason: disk <number> is full"]


def test_without_the_setting_the_page_says_how_to_see_the_items() -> None:
    with serve_simulation(CONFIG, SCENARIO) as simulation:
        simulation.exporter.scrape()
        text = http_requests.get(simulation.exporter.url + PATH).text
        assert "Set <code>failures: true</code>" in text
        assert "aws-iot-bulk-exporter failures --kind=iot_job --id=firmware --region=eu-west-1" in text


def test_a_missing_permission_is_named() -> None:
    denied = fault("ListJobExecutionsForJob", "error: AccessDeniedException, status: 403")
    with serve_simulation(ALLOWED, denied) as simulation:
        simulation.exporter.scrape()
        text = wait_until(lambda: text_with_items(simulation.exporter.url + PATH), "the items")
        assert "needs the permission iot:ListJobExecutionsForJob" in text


@pytest.mark.parametrize("path", ["iot_job/other", "none/firmware", "iot_job/%00%0A"])
def test_an_unknown_operation_is_not_found(simulation: Simulation, path: str) -> None:
    response = http_requests.get(f"{simulation.exporter.url}/operations/{path}")
    assert response.status_code == 404
    assert "the exporter knows no operation" in response.text


def test_an_open_page_says_that_its_operation_is_gone_and_shows_it_again(
    open_page: Open, complaints: list[str]
) -> None:
    with serve_page(tasks(1)) as served:
        page = open_page(f"{served.url}/operations/thing_registration_task/task-00000")
        served.fill([])
        wait_for_update(page, UPDATE_SECONDS * 1000)
        for part in ("main section", "#announcer"):
            expect(page.locator(part)).to_have_text("the exporter knows no operation task-00000 of this kind there")
        expect(page.locator("main .panel")).to_have_count(0)
        expect(page.locator("#offline")).to_be_hidden()
        assert {"404" in complaint for complaint in complaints} == {True}
        complaints.clear()
        served.fill(tasks(1))
        wait_for_update(page, UPDATE_SECONDS * 1000)
        expect(page.locator("main .panel")).to_have_count(3)
        expect(page.locator("main section")).to_have_count(0)
        expect(page.locator("#announcer")).to_have_text("The exporter knows the operation again.")


def test_an_open_page_is_loaded_again_from_a_newer_exporter_that_does_not_know_its_operation(
    open_page: Open, complaints: list[str]
) -> None:
    def respond_as_newer_exporter(route: Route) -> None:
        response = route.fetch()
        body = re.sub(r'(<script[^>]* src="[^"]*)', r"\1-newer", response.text())
        route.fulfill(response=response, body=body if route.request.resource_type == "fetch" else response.text())

    with serve_page(tasks(1)) as served:
        page = open_page(f"{served.url}/operations/thing_registration_task/task-00000")
        served.fill([])
        page.route("**/operations/**", respond_as_newer_exporter)
        page.evaluate("window.isFirstDocument = true")
        wait_for_update(page, UPDATE_SECONDS * 1000)
        page.wait_for_function("window.isFirstDocument === undefined")
        expect(page.locator("main section")).to_contain_text("the exporter knows no operation")
        expect(page.locator("#offline")).to_be_hidden()
        complaints.clear()


@pytest.mark.parametrize("id", ["a/b", "a%2Fb", "50 %", "é ü", "a?b#c", HOSTILE])
def test_every_id_has_a_page_that_contains_it_only_as_text(id: str, open_page: Open) -> None:
    with serve_page([]) as served:
        served.fill([replace(task, id=id, input="") for task in tasks(1)])
        page = open_page(served.url)
        page.locator(".operations tbody a").click()
        assert page.locator("h2").first.inner_text() == id
        assert page.locator(".operation img, .operation script").count() == 0
        page.get_by_role("link", name="Show all operations").click()
        assert page.locator(".operations tbody a").inner_text() == id
