"""Installed by helm on Kubernetes, scraped by a Prometheus of the Prometheus Operator, and alerting on failures."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.aws import HeldAws, serve_held_aws
from tests.cluster.conftest import NewFleet
from tests.cluster.node import Cluster
from tests.cluster.pods import Fleet, ServedCertificate
from tests.cluster.prometheus_operator import run_prometheus_operator, start_prometheus
from tests.support import http_requests
from tests.support.certificates import ALICE, Authority
from tests.support.prometheus import query_series
from tests.support.waiting import wait_until

SHARDS = 2
ALERT = "AwsIotBulkOperationFailed"
# A busy machine needs minutes for the reload of a configuration.
TIMEOUT = 300
FAILED_TASK = """
accounts: ["111122223333"]
operations:
  - kind: thing_registration_task
    id: failed-task
    region: eu-west-1
    created: -60s
    items: 12000
    message: "Too many lines of the input file are no JSON objects."
    timeline:
      - {at: 0s, status: InProgress}
      - {at: 1s, status: Failed, done: 0.1, failed: 0.1}
"""
CONFIG = """
accounts:
  - name: factory
    regions: [eu-west-1]
    watch:
      - kind: thing_registration_task
        discover: {statuses: [InProgress, Failed]}
refresh: {min_age: 5s}
"""
SECURED = [
    "--set=web.certificateSecret=certificate",
    "--set=web.config.tls_server_config.cert_file=tls.crt",
    "--set=web.config.tls_server_config.key_file=tls.key",
    f"--set-literal=web.config.basic_auth_users.alice={ALICE}",
    "--set=web.basicAuth.secret=login",
]


@pytest.fixture(scope="module")
def prometheus(cluster: Cluster) -> Iterator[str]:
    """Run the operator and a Prometheus in a pod, and give its URL."""
    with run_prometheus_operator(cluster):
        yield start_prometheus(cluster)


@pytest.fixture(scope="module")
def failing_aws(cluster: Cluster) -> Iterator[HeldAws]:
    """Serve a simulated AWS with a failed task."""
    with serve_held_aws(FAILED_TASK, cluster.machine.outside) as running:
        yield running


@pytest.fixture(scope="module")
def secured(new_fleet: NewFleet, failing_aws: HeldAws, tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    """Install a release with TLS, a password, a ServiceMonitor and the alerts."""
    fleet = new_fleet(aws=failing_aws.url, config=CONFIG)
    ServedCertificate(fleet, Authority(tmp_path_factory.mktemp("certificates"), "ca")).create()
    login = {"username": "alice", "password": "wonderland"}
    fleet.cluster.plane.create(f"{fleet.path}/secrets", {"metadata": {"name": "login"}, "stringData": login})
    alerts = f"--set=prometheusRule.enabled=true,prometheusRule.alerts.{ALERT}.for=0s"
    fleet.upgrade(*SECURED, "--set=serviceMonitor.enabled=true", alerts)
    fleet.ready_pods()
    return fleet


@pytest.fixture(scope="module")
def sharded(new_fleet: NewFleet, failing_aws: HeldAws) -> Fleet:
    """Install a release with shards and a PodMonitor."""
    fleet = new_fleet(aws=failing_aws.url, config=CONFIG)
    fleet.upgrade(f"--set=shards={SHARDS},podMonitor.enabled=true")
    fleet.ready_pods(SHARDS)
    return fleet


def scraped_pods(prometheus: str, fleet: Fleet) -> dict[str, str]:
    """Return the label job of each pod of a release that Prometheus can scrape."""
    series = query_series(prometheus, f'up{{namespace="{fleet.release.namespace}"}} == 1')
    return {sample["metric"]["pod"]: sample["metric"]["job"] for sample in series}


def firing_alerts(prometheus: str, name: str) -> list[dict[str, Any]]:
    """Return the firing alerts with a name."""
    alerts = http_requests.get(f"{prometheus}/api/v1/alerts").json()["data"]["alerts"]
    return [alert for alert in alerts if alert["labels"]["alertname"] == name and alert["state"] == "firing"]


def test_an_alert_fires_for_a_failed_operation(prometheus: str, secured: Fleet) -> None:
    (alert,) = wait_until(lambda: firing_alerts(prometheus, ALERT) or None, "the alert", timeout=TIMEOUT)
    labels = {"aws_account_id": "111122223333", "aws_region": "eu-west-1", "id": "failed-task"}
    assert labels.items() <= alert["labels"].items()
    assert "Operation failed-task" in alert["annotations"]["description"]


def test_prometheus_scrapes_a_secured_pod_by_the_service_monitor(prometheus: str, secured: Fleet) -> None:
    (pod,) = secured.ready_pods()
    expected = {pod["metadata"]["name"]: "fleet-aws-iot-bulk-exporter"}
    wait_until(lambda: scraped_pods(prometheus, secured) == expected or None, "a scrape", timeout=TIMEOUT)


def test_prometheus_scrapes_every_shard_by_the_pod_monitor(prometheus: str, sharded: Fleet) -> None:
    job = f"{sharded.release.namespace}/fleet-aws-iot-bulk-exporter"
    expected = {pod["metadata"]["name"]: job for pod in sharded.ready_pods(SHARDS)}
    wait_until(lambda: scraped_pods(prometheus, sharded) == expected or None, "scrapes", timeout=TIMEOUT)


def test_prometheus_evaluates_every_rule_of_the_chart(prometheus: str, secured: Fleet) -> None:
    def rules() -> list[dict[str, Any]] | None:
        groups = http_requests.get(f"{prometheus}/api/v1/rules").json()["data"]["groups"]
        found = [rule for group in groups for rule in group["rules"]]
        return found if found and all(rule["health"] != "unknown" for rule in found) else None

    found = wait_until(rules, "the evaluation of every rule", timeout=TIMEOUT)
    assert {rule["name"]: rule.get("lastError") for rule in found if rule["health"] != "ok"} == {}
    assert any(rule["name"] == ALERT for rule in found)
