"""The exporter serves the runbooks of its alerts as pages."""

from collections.abc import Iterator
from urllib.parse import urljoin

import pytest
from axe_playwright_python.sync_playwright import Axe

from exporter.app.exporter import new_exporter
from exporter.config.loader import parse_config
from exporter.core.errors import ConfigError
from exporter.core.log import new_log
from exporter.kinds.registry import KINDS
from exporter.monitoring.alerts import ALERTS
from exporter.web.ui.runbooks import runbook_names
from tests.support import http_requests
from tests.support.exporter_server import ServedExporter, serve_simulation
from tests.support.page_checks import CONFIG, SCENARIO
from tests.support.repository import ROOT
from tests.web.ui.conftest import Open

PHONE = {"width": 375, "height": 812}


@pytest.fixture(scope="module")
def exporter() -> Iterator[ServedExporter]:
    """An exporter without links in its configuration."""
    with serve_simulation(CONFIG, SCENARIO) as simulation:
        yield simulation.exporter


def test_every_runbook_of_the_documents_is_a_page(exporter: ServedExporter) -> None:
    assert runbook_names() == {file.stem for file in (ROOT / "docs" / "runbooks").glob("*.md")}
    for alert in ALERTS:
        response = http_requests.get(urljoin(exporter.url, f"runbooks/{alert.name}"))
        assert response.status_code == 200
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        assert "default-src 'none'" in response.headers["content-security-policy"]
        assert f"<h2>{alert.name}</h2>" in response.text
        assert '<pre tabindex="0"><code class="language-promql">' in response.text


def test_the_status_page_leads_to_the_list_and_the_list_to_every_runbook(
    exporter: ServedExporter, open_page: Open
) -> None:
    page = open_page(exporter.url)
    page.locator(".top details").evaluate("details => details.open = true")
    page.get_by_role("link", name="Runbooks").click()
    names = page.locator(".runbook a").all_inner_texts()
    assert names == [alert.name for alert in ALERTS]
    page.get_by_role("link", name=names[0]).click()
    assert page.locator(".runbook h2").inner_text() == names[0]
    page.get_by_role("link", name="Show the operations").click()
    assert page.url == urljoin(exporter.url, "./")


@pytest.mark.parametrize("name", ["", "AwsIotBulkExporterCellDown", "AwsIotBulkOperationFinishedWithFailures"])
def test_a_runbook_fits_on_a_phone_and_is_accessible(exporter: ServedExporter, open_page: Open, name: str) -> None:
    page = open_page(urljoin(exporter.url, f"runbooks/{name}"), viewport=PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert [violation["id"] for violation in Axe().run(page).response["violations"]] == []


def test_an_unknown_runbook_is_not_found_and_the_page_lists_all(exporter: ServedExporter) -> None:
    response = http_requests.get(urljoin(exporter.url, "runbooks/%3Cb%3Eold"))
    assert response.status_code == 404
    assert "No alert has the name &lt;b&gt;old." in response.text
    assert all(f'<a href="{alert.name}">' in response.text for alert in ALERTS)


def test_the_address_of_a_copy_of_the_documents_works_too(exporter: ServedExporter) -> None:
    name = ALERTS[0].name
    assert f"<h2>{name}</h2>" in http_requests.get(urljoin(exporter.url, f"runbooks/{name}.md")).text
    moved = http_requests.get(urljoin(exporter.url, "runbooks"))
    assert (moved.status_code, moved.headers["location"]) == (308, "runbooks/")


@pytest.mark.parametrize("path", ["/runbooks", "/runbooks/", "/runbooks/AwsIotBulkOperationFailed"])
def test_the_metrics_cannot_hide_a_runbook(path: str) -> None:
    with pytest.raises(ConfigError, match=f"the exporter uses {path} for another page"):
        new_exporter(parse_config(CONFIG, KINDS), KINDS, new_log("error", "logfmt"), path)
