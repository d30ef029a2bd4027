"""The links of an alert open pages of the exporter: the runbook, and the page of the operation."""

import re
from urllib.parse import quote

from exporter.kinds.registry import KINDS
from exporter.monitoring.prometheus import rule_file
from exporter.monitoring.rules import rules
from exporter.monitoring.settings import parse_settings
from tests.support.exporter_server import serve_simulation
from tests.support.page_checks import CONFIG, SCENARIO
from tests.web.ui.conftest import Open

LABEL = re.compile(r"\{\{ \$labels\.(\w+) \| urlquery [^}]*\}\}")
NAME = "AwsIotBulkOperationFinishedWithFailures"
LABELS = {
    "aws_account_id": "444455556666",
    "aws_region": "us-east-1",
    "kind": "thing_registration_task",
    "id": "partly",
}


def links(external_url: str) -> dict[str, str]:
    """Return the links of the alert on an operation by annotation, as Prometheus fills them."""
    groups = rule_file(rules(KINDS, parse_settings(f"external_url: {external_url}", KINDS)))["groups"]
    (rule,) = (rule for group in groups for rule in group["rules"] if rule.get("alert") == NAME)
    return {
        name: LABEL.sub(lambda match: quote(LABELS[match[1]], safe=""), text)
        for name, text in rule["annotations"].items()
        if name.endswith("_url")
    }


def test_the_links_of_an_alert_open_its_runbook_and_its_operation(open_page: Open) -> None:
    with serve_simulation(CONFIG, SCENARIO) as simulation:
        simulation.exporter.scrape()
        opened = links(simulation.exporter.url)
        assert opened.keys() == {"runbook_url", "operation_url"}
        assert open_page(opened["runbook_url"]).locator(".runbook h2").inner_text() == NAME
        page = open_page(opened["operation_url"])
        assert page.get_by_text("partly", exact=True).count() > 0
