"""What makes each alert go off: a scenario of the simulated AWS, or what is done to an exporter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from exporter.config.strict_yaml import parse_yaml
from exporter.monitoring.alerts import ALERTS, Alert

MAIN_JOB = "aws-iot-bulk"
DOWN_JOB = "drill-down"
SHARDS_JOB = "drill-shards"
DONE_TO_EXPORTERS: Mapping[str, str] = {
    "AwsIotBulkExporterDown": DOWN_JOB,
    "AwsIotBulkExporterConfigReloadFailed": SHARDS_JOB,
    "AwsIotBulkExporterShardMismatch": SHARDS_JOB,
}
"""The alerts that no answer of AWS causes, with the job of the exporter that is ended, spoilt or missing."""


@dataclass(frozen=True, slots=True)
class Case:
    """One alert, the scenario that causes it, if one does, and labels that it must have then."""

    alert: Alert
    scenario: Mapping[str, Any]
    labels: Mapping[str, str]

    @property
    def cells(self) -> tuple[tuple[str, str], ...]:
        """The Regions and kinds that an exporter must watch to see the scenario."""
        return tuple(dict.fromkeys((one["region"], one["kind"]) for one in self.scenario.get("operations", ())))


def cases() -> tuple[Case, ...]:
    """Return a case for each alert of the table."""
    return tuple(_staged(alert) if alert.name in DONE_TO_EXPORTERS else _simulated(alert) for alert in ALERTS)


def scenario_text(name: str) -> str:
    """Return the text of an alert's scenario, for ``simulate --scenario``."""
    return (resources.files("exporter.cli.drill") / "scenarios" / f"{name}.yaml").read_text("utf-8")


def merged(cases: Iterable[Case]) -> dict[str, Any]:
    """Return the scenarios of all cases as one: each has a Region of its own."""
    scenarios = [case.scenario for case in cases if case.scenario]
    return {
        "accounts": sorted({account for scenario in scenarios for account in scenario["accounts"]}),
        "operations": [one for scenario in scenarios for one in scenario["operations"]],
        "faults": [one for scenario in scenarios for one in scenario.get("faults", ())],
    }


def _staged(alert: Alert) -> Case:
    return Case(alert, {}, {**_announced(alert), "job": DONE_TO_EXPORTERS[alert.name]})


def _simulated(alert: Alert) -> Case:
    """The labels are those of the first operation, or of the cell that has it; accounts are named by the alert."""
    scenario = parse_yaml(scenario_text(alert.name))
    first = scenario["operations"][0]
    known = {
        "account": alert.name,
        "aws_account_id": scenario["accounts"][0],
        "aws_region": first["region"],
        "kind": first["kind"],
        "id": first["id"],
    }
    labels = {label: known[label] for label in alert.labels if label in known}
    return Case(alert, scenario, {**_announced(alert), **labels})


def _announced(alert: Alert) -> dict[str, str]:
    return {"alertname": alert.name, "severity": alert.severity}
