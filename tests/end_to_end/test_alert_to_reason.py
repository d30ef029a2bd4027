"""The link of an alert that a real Prometheus fires leads to the reasons of the failures."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from exporter.aws.models import Models
from exporter.cli.drill.cases import scenario_text
from exporter.cli.drill.speed_up import speed_up
from exporter.kinds.registry import KINDS
from exporter.monitoring.prometheus import rule_file
from exporter.monitoring.rules import rules
from exporter.monitoring.settings import parse_settings
from exporter.simulator.app import application
from exporter.simulator.scenario import parse_scenario
from tests.support import http_requests
from tests.support.processes import run_exporter_process
from tests.support.prometheus import query_series, run_configured_prometheus
from tests.support.servers import serve_app
from tests.support.waiting import wait_until

NAME = "AwsIotBulkOperationFinishedWithFailures"
CONFIG = """
accounts:
  - account_id: "111122223333"
    regions: [eu-west-2]
    watch: [{kind: thing_registration_task, discover: true}]
refresh: {min_age: 1s}
failures: true
"""
# 5 minutes become 5 seconds.
SPEED = 60.0
# Characters that mean something else in a path.
ID = "a+b%2F"


@pytest.fixture
def exporter_url(tmp_path: Path) -> Iterator[str]:
    """The external URL of an exporter, below a prefix, whose registration task ends with failures."""
    scenario = parse_scenario(scenario_text(NAME).replace("drill-completed", f"'{ID}'"), KINDS)
    with (
        serve_app(application(scenario, KINDS, Models(), now=time.time)) as aws,
        run_exporter_process(tmp_path, CONFIG, aws, "--web.route-prefix=/bulk") as exporter,
    ):
        yield wait_until(lambda: exporter.url, "the exporter's start")


def test_the_link_of_a_firing_alert_opens_the_reasons(
    exporter_url: str, prometheus_program: str, tmp_path: Path
) -> None:
    file = tmp_path / "rules.yaml"
    linked = rules(KINDS, parse_settings(f"external_url: {exporter_url}", KINDS))
    file.write_text(yaml.safe_dump(rule_file(speed_up(linked, SPEED))))
    target = exporter_url.removeprefix("http://").removesuffix("/bulk")
    job = {"job_name": "aws-iot-bulk", "metrics_path": "/bulk/metrics", "static_configs": [{"targets": [target]}]}
    intervals = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    config = {"global": intervals, "rule_files": [str(file)], "scrape_configs": [job]}
    with run_configured_prometheus(tmp_path, config, prometheus_program) as prometheus:
        link = wait_until(lambda: operation_link(prometheus), NAME)
    assert link.startswith(f"{exporter_url}/operations/thing_registration_task/a%2Bb%252F?account=111122223333&")
    page = wait_until(lambda: page_with_reasons(link), "the reasons")
    assert "already exists with other attributes" in page


def operation_link(prometheus: str) -> str | None:
    """Return the link of the alert to its operation, or None while the alert does not fire."""
    if not query_series(prometheus, f'ALERTS{{alertname="{NAME}", alertstate="firing"}}'):
        return None
    alerts = http_requests.get(f"{prometheus}/api/v1/alerts").json()["data"]["alerts"]
    found = (alert for alert in alerts if alert["labels"]["alertname"] == NAME)
    return next((alert["annotations"]["operation_url"] for alert in found), None)


def page_with_reasons(link: str) -> str | None:
    """Return the page of an operation, or None while it has no reasons."""
    response = http_requests.get(link)
    assert response.status_code == 200
    return response.text if 'class="reasons"' in response.text else None
