"""The status page is safe and accessible: markup in names is text, and no content comes from other hosts."""

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from exporter.config.loader import parse_config
from exporter.core.errors import ConfigError
from exporter.kinds.registry import KINDS
from tests.support import http_requests
from tests.support.exporter_server import ServedExporter, serve_exporter, serve_simulation
from tests.support.page_checks import CONFIG, SCENARIO, operation_names, wait_for_update
from tests.support.scripted_endpoint import ScriptedAws, error_response, json_response
from tests.support.servers import serve_app
from tests.support.status_page import serve_page
from tests.web.ui.conftest import Open

HOSTILE = "<img src=x onerror=alert(1)>\"'--><script>alert(2)</script>"
HOSTILE_CONFIG = """
accounts:
  - name: "<b>bold</b>"
    account_id: "111122223333"
    watch:
      - {kind: greengrass_deployment, ids: [d1]}
      - {kind: thing_registration_task, ids: [t1, gone]}
"""
ANSWERS = {
    "/greengrass/v2/deployments/d1": json_response(
        {
            "deploymentId": "d1",
            "deploymentStatus": HOSTILE,
            "deploymentName": HOSTILE,
            "targetArn": f"javascript:{HOSTILE}",
        }
    ),
    "/thing-registration-tasks/t1": json_response(
        {"taskId": "t1", "status": "Completed", "inputFileBucket": "things", "inputFileKey": HOSTILE + "\ud800"}
    ),
    "/thing-registration-tasks/gone": error_response("ResourceNotFoundException", 404, HOSTILE),
}
ROLES = 'roles: [{arn: "arn:aws:iam::444455556666:role/iot-bulk-exporter"}]\n'
MODES: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "phone": {"viewport": {"width": 375, "height": 812}, "color_scheme": "light"},
    "dark phone": {"viewport": {"width": 375, "height": 812}, "color_scheme": "dark"},
    "contrast": {"forced_colors": "active"},
}


@pytest.fixture(scope="module")
def hostile() -> Iterator[ServedExporter]:
    """An exporter that reads markup from AWS."""
    with serve_app(ScriptedAws(ANSWERS).app()) as endpoint, serve_exporter(HOSTILE_CONFIG, endpoint) as exporter:
        exporter.scrape()
        yield exporter


@pytest.fixture(scope="module")
def exporter() -> Iterator[ServedExporter]:
    """An exporter of a small fleet that has no access to one account."""
    with serve_simulation(CONFIG.replace("role/iot", "role/no-such"), SCENARIO + ROLES) as simulation:
        simulation.exporter.scrape()
        yield simulation.exporter


def test_markup_from_aws_is_shown_as_text(hostile: ServedExporter, open_page: Open) -> None:
    page = open_page(hostile.url)
    assert HOSTILE in operation_names(page)
    assert page.locator(".badge", has_text=HOSTILE).count() == 1
    assert page.locator(".about").all_inner_texts() == [f"javascript:{HOSTILE}", f"s3://things/{HOSTILE}?"]
    assert page.locator("img").evaluate_all("images => images.map(image => image.className)") == [""]
    assert page.locator("main img, main script, main b:has-text('bold')").count() == 0
    addresses = page.locator("a, form").evaluate_all("all => all.map(element => element.href ?? element.action)")
    assert {urlsplit(address).scheme for address in addresses} == {"http"}


def test_markup_stays_text_when_the_page_refreshes_itself(hostile: ServedExporter, open_page: Open) -> None:
    page = open_page(hostile.url)
    hostile.scrape(after=90.0)
    wait_for_update(page)
    expect(page.locator(".operations tbody .name").first).to_have_text(HOSTILE)
    assert page.locator("main img, main script").count() == 0


def test_markup_in_the_address_is_shown_as_text(hostile: ServedExporter, open_page: Open) -> None:
    page = open_page(str(httpx.URL(hostile.url, params={"q": HOSTILE, "account": HOSTILE, "status": HOSTILE})))
    assert page.get_by_label("Text").input_value() == HOSTILE
    assert page.get_by_label("Account", exact=True).input_value() == HOSTILE
    expect(page.locator("#result")).to_have_text("0 of 2 operations.")


def test_no_content_comes_from_other_hosts_and_nothing_is_inline(exporter: ServedExporter) -> None:
    response = http_requests.get(exporter.url)
    policy = dict(rule.split(" ", 1) for rule in response.headers["content-security-policy"].split("; "))
    assert policy.pop("default-src") == "'none'"
    assert set(policy.values()) == {"'self'", "'none'"}
    assert {"base-uri", "form-action", "frame-ancestors"} < set(policy)
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert re.findall(r'(?:src|href|action)="(?!\./|\?|#)[^"]*"', response.text) == []
    assert re.findall(r"<style| style=| on\w+=|<script(?! type=\"module\" src=)", response.text) == []


def test_the_page_links_the_documentation_and_the_runbooks_where_the_user_has_them() -> None:
    documentation, runbooks = "https://wiki.example/a?b=1&c", "http://wiki.example/runbooks"
    links = f"links: {{documentation: '{documentation}', runbooks: '{runbooks}'}}"
    with serve_simulation(CONFIG + links, SCENARIO) as simulation:
        page = http_requests.get(simulation.exporter.url).text
        assert f'<a href="{documentation.replace("&", "&amp;")}">Documentation</a>' in page
        assert f'<a href="{runbooks}">Runbooks</a>' in page
        assert simulation.exporter.reload(CONFIG).status_code == 200
        page = http_requests.get(simulation.exporter.url).text
        assert "wiki.example" not in page
        assert '<a href="./runbooks/">Runbooks</a>' in page


@pytest.mark.parametrize("address", ["javascript:alert(1)", "//wiki.example", "https://", 'https://a/"b'])
def test_an_address_that_is_no_web_page_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match=r"links\.runbooks: expected an address that begins with https"):
        parse_config(json.dumps({"links": {"runbooks": address}}), KINDS)


def test_static_files_are_cached_without_end_because_their_paths_contain_a_hash(exporter: ServedExporter) -> None:
    paths = set(re.findall(r'"\./(static/[^"]+)"', http_requests.get(exporter.url).text))
    assert {path.rpartition(".")[2] for path in paths} == {"css", "js", "svg"}
    for path in paths:
        response = http_requests.get(f"{exporter.url}/{path}")
        assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert re.search(r"\.[0-9a-f]{16}\.", path)
    assert http_requests.get(f"{exporter.url}/static/status.js").status_code == 404


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_the_page_follows_the_rules_of_accessibility(
    exporter: ServedExporter, open_page: Open, mode: dict[str, Any]
) -> None:
    page = open_page(exporter.url, **mode)
    expect(page.locator(".cells")).to_contain_text("access_denied")
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_an_empty_page_follows_the_rules_of_accessibility(open_page: Open, mode: dict[str, Any]) -> None:
    with serve_page() as empty:
        page = open_page(empty.url, **mode)
        results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()


def test_a_failing_cell_is_shown_with_its_reason(exporter: ServedExporter, open_page: Open) -> None:
    page = open_page(exporter.url)
    heading = "1 operation needs attention and 1 of 3 cells cannot be read completely"
    assert page.locator("#attention").text_content() == heading
    expect(page.locator("section.banner.bad")).to_contain_text(
        "field, us-east-1, bulk registration of things: access_denied"
    )
    page.get_by_role("link", name="Show the cells").click()
    assert page.url.endswith("#cells")
