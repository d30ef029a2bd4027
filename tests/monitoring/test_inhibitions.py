"""Alertmanager loads the inhibition rules, and mutes the consequences of an alert for the same operation only."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.config.duration import parse_duration
from exporter.kinds.registry import KINDS
from exporter.monitoring.alerts import ALERTS
from exporter.monitoring.inhibitions import INHIBITIONS, Inhibition, alertmanager_inhibitions
from exporter.monitoring.rules import rules
from exporter.monitoring.settings import parse_settings
from tests.support import http_requests
from tests.support.processes import run_until_printed
from tests.support.repository import ROOT, program
from tests.support.waiting import wait_until

BY_NAME = {alert.name: alert for alert in ALERTS}
SEVERITIES = ["info", "warning", "critical"]
# These fire because of the same event, at its end. The source must not fire later than its targets.
ENDS = ("AwsIotBulkOperationFailed", "AwsIotBulkOperationAborted", "AwsIotBulkOperationFinishedWithFailures")
MONITORING = (ROOT / "docs" / "monitoring.md").read_text(encoding="utf-8")
LISTENING = r'msg="?Listening on"? .*address=\S+(?=\s)'

# Alerts that no other alert mutes, and why.
INDEPENDENT = {
    "AwsIotBulkOperationFailed": "It is the end of the operation. No other alert is more precise.",
    "AwsIotBulkOperationAborted": "AWS cancels an operation instead of failing it, so only one of both ends exists.",
    "AwsIotBulkOperationStatusUnknown": "It is an event of AWS, and it has no id.",
    "AwsIotBulkExporterDown": "It is the cause of the other alerts on the exporter.",
    "AwsIotBulkExporterMissing": "It has no labels. A down exporter of another release would hide a missing one.",
    "AwsIotBulkExporterAccountInaccessible": "It is a cause. The queries on cells leave out its cells.",
    "AwsIotBulkExporterCellDown": "Its query leaves out cells with a reason that has an alert of its own.",
    "AwsIotBulkExporterAccessDenied": "It is a cause.",
    "AwsIotBulkExporterFoundCellsDenied": "It is a cause. Its cells have no series, so that no other alert has them.",
    "AwsIotBulkExporterThrottled": "It is a cause.",
    "AwsIotBulkExporterConfigReloadFailed": "It may be the cause of an exporter that is down after a restart.",
    "AwsIotBulkExporterStateFileUnusable": "It may be the cause of an exporter that is down, such as a full disk.",
    "AwsIotBulkExporterOrganizationUnreadable": "It is a cause. The accounts of the last list are still watched.",
    "AwsIotBulkExporterActiveOmitted": "A limit is too low. A failed cell has another cause.",
    "AwsIotBulkExporterUnknownIds": "The configuration is wrong. The cell of an unknown id is up.",
    "AwsIotGreengrassV1EndOfSupport": "It is an event of AWS.",
}

every_inhibition = pytest.mark.parametrize("inhibition", INHIBITIONS, ids=lambda inhibition: inhibition.source)


def alertmanager_config() -> dict[str, Any]:
    """Return the configuration of the documents with the inhibition rules."""
    (example,) = (block for block in MONITORING.split("```yaml\n") if block.startswith("route:"))
    config: dict[str, Any] = yaml.safe_load(example.partition("```")[0])
    config |= yaml.safe_load(alertmanager_inhibitions(rules(KINDS)))
    return config


@pytest.fixture(scope="module")
def alertmanager_url(tmp_path_factory: pytest.TempPathFactory, alertmanager_program: str) -> Iterator[str]:
    """The URL of each supported Alertmanager with this configuration."""
    folder = tmp_path_factory.mktemp("alertmanager")
    config = folder / "alertmanager.yml"
    config.write_text(yaml.safe_dump(alertmanager_config()))
    command = [
        alertmanager_program,
        f"--config.file={config}",
        f"--storage.path={folder / 'data'}",
        "--web.listen-address=127.0.0.1:0",
        "--cluster.listen-address=",
    ]
    with run_until_printed(LISTENING, command, folder / "alertmanager.log") as line:
        yield f"http://{line.rpartition('=')[2]}"


def labels_of(name: str, **values: str) -> dict[str, str]:
    """Return the labels of an alert with these values. It has no other label than its own."""
    labels = {label: values.get(label, "any") for label in BY_NAME[name].labels}
    return {"alertname": name, "severity": BY_NAME[name].severity, **labels}


def test_amtool_accepts_the_example_of_the_documents_with_the_rules(tmp_path: Path) -> None:
    file = tmp_path / "alertmanager.yml"
    file.write_text(yaml.safe_dump(alertmanager_config()))
    done = subprocess.run([program("amtool"), "check-config", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f" - {len(alertmanager_config()['inhibit_rules'])} inhibit rules" in done.stdout


def post_and_wait(url: str, alerts: list[dict[str, str]]) -> list[list[dict[str, str]]]:
    """Post alerts, and return the alerts that mute each of them."""
    response = http_requests.post(f"{url}/api/v2/alerts", json=[{"labels": labels} for labels in alerts])
    assert response.status_code == 200, response.text

    def muted_by() -> list[list[dict[str, str]]] | None:
        known = http_requests.get(f"{url}/api/v2/alerts").json()
        labels_by_fingerprint = {alert["fingerprint"]: alert["labels"] for alert in known}
        found = {tuple(sorted(alert["labels"].items())): alert["status"] for alert in known}
        statuses = [found.get(tuple(sorted(labels.items())), {"state": "unprocessed"}) for labels in alerts]
        if any(status["state"] == "unprocessed" for status in statuses):
            return None
        return [[labels_by_fingerprint[by] for by in status["inhibitedBy"]] for status in statuses]

    return wait_until(muted_by, "the state of the alerts")


@every_inhibition
def test_alertmanager_mutes_the_consequences_for_the_same_labels_only(
    inhibition: Inhibition, alertmanager_url: str
) -> None:
    place = dict.fromkeys(BY_NAME[inhibition.source].labels, f"of {inhibition.source}")
    source = labels_of(inhibition.source, **place)
    same = [labels_of(name, **place) for name in inhibition.targets]
    # Each of them is elsewhere, because a target can be the source of another inhibition.
    elsewhere = [labels_of(name, **dict.fromkeys(place, f"elsewhere {name}")) for name in inhibition.targets]
    unrelated = labels_of("AwsIotBulkOperationStatusUnknown", **place)
    # Alertmanager can send an alert before it has noticed a source that comes at the same time.
    post_and_wait(alertmanager_url, [source])
    muted = post_and_wait(alertmanager_url, [source, *same, *elsewhere, unrelated])
    assert muted[0] == muted[-1] == []
    assert all(source in sources for sources in muted[1 : 1 + len(same)])
    assert not any(muted[1 + len(same) : -1])


@every_inhibition
def test_a_source_is_at_least_as_severe_as_its_targets_and_shares_labels_with_them(inhibition: Inhibition) -> None:
    ranks = [SEVERITIES.index(BY_NAME[name].severity) for name in (inhibition.source, *inhibition.targets)]
    assert ranks[0] == max(ranks)
    assert all(inhibition.by_labels(BY_NAME))
    assert sorted(name for names in inhibition.by_labels(BY_NAME).values() for name in names) == sorted(
        inhibition.targets
    )


@every_inhibition
def test_an_end_fires_at_the_latest_with_the_other_alerts_on_the_same_end(inhibition: Inhibition) -> None:
    at_end = {*ENDS, "AwsIotBulkOperationStopped", "AwsIotBulkInvalidInputRecords"} & set(inhibition.targets)
    waits = {name: parse_duration(BY_NAME[name].for_) for name in (inhibition.source, *at_end)}
    assert waits[inhibition.source] == min(waits.values())


def test_disabled_alerts_are_left_out() -> None:
    settings = "alerts: {AwsIotBulkOperationFailed: {enabled: false}, AwsIotBulkRetryStorm: {enabled: false}}"
    text = alertmanager_inhibitions(rules(KINDS, parse_settings(settings, KINDS)))
    assert 'AwsIotBulkOperationFailed"' not in text
    assert "AwsIotBulkRetryStorm" not in text
    assert "AwsIotBulkOperationAborted" in text


def test_every_alert_is_muted_by_another_one_or_is_independent_for_a_reason() -> None:
    targets = {name for inhibition in INHIBITIONS for name in inhibition.targets}
    assert sorted([*targets, *INDEPENDENT]) == sorted(BY_NAME)


def test_alertmanager_sends_operations_that_fail_together_as_a_single_group(alertmanager_url: str) -> None:
    place = {"aws_account_id": "111122223333", "aws_region": "eu-west-1", "kind": "iot_job"}
    together = [labels_of("AwsIotBulkOperationFailed", **place, id=f"together-{number}") for number in range(3)]
    elsewhere = labels_of("AwsIotBulkOperationFailed", **place | {"aws_region": "us-east-1"}, id="together-3")
    body = [{"labels": labels} for labels in (*together, elsewhere)]
    assert http_requests.post(f"{alertmanager_url}/api/v2/alerts", json=body).status_code == 200

    def groups() -> list[list[str]] | None:
        found = http_requests.get(f"{alertmanager_url}/api/v2/alerts/groups").json()
        ids = [sorted(alert["labels"].get("id", "") for alert in group["alerts"]) for group in found]
        known = sorted(group for group in ids if group[0].startswith("together"))
        return known if sum(map(len, known)) == len(body) else None

    assert wait_until(groups, "the groups of the alerts") == [
        ["together-0", "together-1", "together-2"],
        ["together-3"],
    ]


def test_the_documents_describe_every_source() -> None:
    rows = [line for line in MONITORING.splitlines() if line.startswith("| `AwsIot")]
    assert all(any(f"`{inhibition.source}`" in row for row in rows) for inhibition in INHIBITIONS)
