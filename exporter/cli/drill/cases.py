"""The cause of each alert: a scenario of the simulated AWS, or a fault of an exporter."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

from exporter.config.strict_yaml import parse_yaml
from exporter.monitoring.alerts import ALERTS, Alert

MAIN_JOB = "aws-iot-bulk"
DOWN_JOB = "aws-iot-bulk-down"
RESTART_JOB = "aws-iot-bulk-restart"
SHARDS_JOB = "aws-iot-bulk-shards"
# Alerts without a scenario, with the job of the exporter that is stopped, restarted, misconfigured or missing.
EXPORTER_FAULTS: Mapping[str, str] = {
    "AwsIotBulkExporterDown": DOWN_JOB,
    "AwsIotBulkExporterMissing": SHARDS_JOB,
    "AwsIotBulkExporterRestarting": RESTART_JOB,
    "AwsIotBulkExporterStateFileUnusable": RESTART_JOB,
    "AwsIotBulkExporterConfigReloadFailed": SHARDS_JOB,
    "AwsIotBulkExporterOrganizationUnreadable": MAIN_JOB,
    "AwsIotBulkExporterShardMismatch": SHARDS_JOB,
}
DISCOVERY: Mapping[str, Any] = {"discover": True}
# What an exporter watches in the cells of a case, if its alert needs more than discovery.
WATCHES: Mapping[str, Mapping[str, Any]] = {
    "AwsIotBulkExporterActiveOmitted": {"discover": {"max_operations": 1}},
    "AwsIotBulkExporterUnknownIds": {**DISCOVERY, "ids": ["drill-unknown"]},
}
# The roles of the accounts of cases. Other accounts have none.
ROLES: Mapping[str, str] = {"AwsIotBulkExporterAccountInaccessible": "arn:aws:iam::111122223333:role/drill"}
# The cases in which the exporter finds the Region of the scenario.
FOUND = frozenset({"AwsIotBulkExporterFoundCellsDenied"})


@dataclass(frozen=True, slots=True)
class Case:
    """An alert, the labels that it must have, and the scenario that causes it, empty for an exporter fault.

    ``watch`` is what an exporter watches in the cells of the scenario, and ``role`` the ARN of the account's role.
    ``is_found``: the exporter finds the Region.
    """

    alert: Alert
    scenario: Mapping[str, Any]
    labels: Mapping[str, str]
    watch: Mapping[str, Any] = field(default_factory=lambda: DISCOVERY)
    role: str = ""
    is_found: bool = False

    def __str__(self) -> str:
        labels = ", ".join(f'{name}="{value}"' for name, value in self.labels.items() if name != "alertname")
        return f"{self.alert.name}{{{labels}}}"

    @property
    def cells(self) -> tuple[tuple[str, str], ...]:
        """The Regions and kinds that an exporter must watch to read the scenario."""
        operations = self.scenario.get("operations", ())
        return tuple(dict.fromkeys((operation["region"], operation["kind"]) for operation in operations))


def cases() -> tuple[Case, ...]:
    """Return a case for each alert."""
    return tuple(_exporter_case(alert) if alert.name in EXPORTER_FAULTS else _simulated_case(alert) for alert in ALERTS)


def scenario_text(name: str) -> str:
    """Return the text of an alert's scenario, for ``simulate --scenario``."""
    return (resources.files("exporter.cli.drill") / "scenarios" / f"{name}.yaml").read_text("utf-8")


def combined_scenario(cases: Iterable[Case]) -> dict[str, Any]:
    """Return the scenarios of all cases in one. Each case has its own Region."""
    scenarios = [case.scenario for case in cases if case.scenario]
    return {
        "accounts": sorted({account for scenario in scenarios for account in scenario["accounts"]}),
        "operations": [operation for scenario in scenarios for operation in scenario["operations"]],
        "faults": [fault for scenario in scenarios for fault in scenario.get("faults", ())],
    }


def _exporter_case(alert: Alert) -> Case:
    job = {"job": EXPORTER_FAULTS[alert.name]} if "job" in alert.labels else {}
    return Case(alert, {}, {**_rule_labels(alert), **job})


def _simulated_case(alert: Alert) -> Case:
    """Return a case with the labels of the first operation or its cell. The account has the name of the alert."""
    scenario = parse_yaml(scenario_text(alert.name))
    operation = scenario["operations"][0]
    values = {
        "account": alert.name,
        "aws_account_id": scenario["accounts"][0],
        "aws_region": operation["region"],
        "kind": operation["kind"],
        "id": operation["id"],
    }
    job = {"job": MAIN_JOB} if "job" in alert.labels else {}
    labels = {label: values[label] for label in alert.labels if label in values}
    watch, role = WATCHES.get(alert.name, DISCOVERY), ROLES.get(alert.name, "")
    return Case(alert, scenario, {**_rule_labels(alert), **job, **labels}, watch, role, alert.name in FOUND)


def _rule_labels(alert: Alert) -> dict[str, str]:
    return {"alertname": alert.name, "severity": alert.severity}
