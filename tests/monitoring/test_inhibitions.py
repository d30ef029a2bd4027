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

every_inhibition = pytest.mark.parametrize("inhibition", INHIBITIONS, ids=lambda inhibition: inhibition.source)


def alertmanager_config() -> dict[str, Any]:
    """Return the configuration of the documents with the inhibition rules."""
    (example,) = (block for block in MONITORING.split("```yaml\n") if block.startswith("route:"))
    config: dict[str, Any] = yaml.safe_load(example.partition("```")[0])
    config |= yaml.safe_load(alertmanager_inhibitions(rules(KINDS)))
    return config


@pytest.fixture(scope="module")
def alertmanager_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an Alertmanager with this configuration."""
    folder = tmp_path_factory.mktemp("alertmanager")
    config = folder / "alertmanager.yml"
    config.write_text(yaml.safe_dump(alertmanager_config()))
    command = [
        program("prometheus-alertmanager"),
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
    posted = [source, *same, *elsewhere, unrelated]
    response = http_requests.post(f"{alertmanager_url}/api/v2/alerts", json=[{"labels": labels} for labels in posted])
    assert response.status_code == 200, response.text

    def states() -> list[str] | None:
        alerts = http_requests.get(f"{alertmanager_url}/api/v2/alerts").json()
        found = {tuple(sorted(alert["labels"].items())): alert["status"]["state"] for alert in alerts}
        known = [found.get(tuple(sorted(labels.items())), "unprocessed") for labels in posted]
        return None if "unprocessed" in known else known

    assert wait_until(states, "the state of the alerts") == [
        "active",
        *("suppressed" for _ in same),
        *("active" for _ in elsewhere),
        "active",
    ]


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


def test_the_documents_describe_every_source() -> None:
    rows = [line for line in MONITORING.splitlines() if line.startswith("| `AwsIot")]
    assert all(any(f"`{inhibition.source}`" in row for row in rows) for inhibition in INHIBITIONS)
