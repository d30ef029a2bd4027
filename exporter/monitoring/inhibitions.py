"""The alerts that mute other alerts in Alertmanager, so that one event sends one notification.

Prometheus evaluates alerts independently, and only Alertmanager knows which of them fire together.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from exporter.monitoring.alerts import ALERTS
from exporter.monitoring.rules import YAML_WIDTH, Rules

HEADER = """\
# Printed by `aws-iot-bulk-exporter show alertmanager-inhibitions`. docs/monitoring.md explains it.
# Add these rules to the inhibit_rules of your Alertmanager 0.22 or newer.
"""
LABELS = {alert.name: alert.labels for alert in ALERTS}


@dataclass(frozen=True, slots=True)
class Inhibition:
    """While the alert ``source`` fires, the alerts ``targets`` with the same labels send no notification.

    A source is at least as severe as its targets: a route may drop less severe alerts.
    """

    source: str
    targets: tuple[str, ...]

    def by_labels(self, names: Collection[str]) -> Mapping[tuple[str, ...], list[str]]:
        """Return those targets that have one of the names, by the labels that they share with the source."""
        found: dict[tuple[str, ...], list[str]] = {}
        for target in self.targets:
            if target in names:
                equal = tuple(label for label in LABELS[self.source] if label in LABELS[target])
                found.setdefault(equal, []).append(target)
        return found


# Symptoms of an operation that ends badly.
_SYMPTOMS = (
    "AwsIotBulkFailureRatioHigh",
    "AwsIotBulkRetryStorm",
    "AwsIotBulkOperationStalled",
    "AwsIotBulkOperationRunningLong",
)

INHIBITIONS: tuple[Inhibition, ...] = (
    Inhibition(
        "AwsIotBulkOperationFailed",
        (
            "AwsIotBulkOperationFinishedWithFailures",
            "AwsIotBulkOperationOutcomeUnknown",
            "AwsIotBulkInvalidInputRecords",
            *_SYMPTOMS,
        ),
    ),
    Inhibition(
        "AwsIotBulkOperationAborted",
        ("AwsIotBulkOperationFinishedWithFailures", "AwsIotBulkOperationStopped", *_SYMPTOMS),
    ),
    Inhibition(
        "AwsIotBulkOperationFinishedWithFailures",
        (
            "AwsIotBulkOperationOutcomeUnknown",
            "AwsIotBulkInvalidInputRecords",
            "AwsIotBulkOperationStopped",
            *_SYMPTOMS,
        ),
    ),
    Inhibition("AwsIotBulkOperationStalled", ("AwsIotBulkOperationRunningLong",)),
    # A cell that cannot be read becomes stale.
    Inhibition("AwsIotBulkExporterCellDown", ("AwsIotBulkExporterDataStale",)),
    Inhibition("AwsIotBulkExporterAccessDenied", ("AwsIotBulkExporterDataStale",)),
    Inhibition("AwsIotBulkExporterThrottled", ("AwsIotBulkExporterBudgetTooSmall",)),
    # Operations that are read too rarely become stale in the end.
    Inhibition("AwsIotBulkExporterBudgetTooSmall", ("AwsIotBulkExporterDataStale",)),
    # A shard that is down is missing. An exporter that restarts all the time is down most of the time.
    Inhibition("AwsIotBulkExporterDown", ("AwsIotBulkExporterShardMismatch", "AwsIotBulkExporterRestarting")),
)


def alertmanager_inhibitions(rules: Rules) -> str:
    """Return the inhibition rules of the enabled alerts as a part of Alertmanager's configuration.

    Format: https://prometheus.io/docs/alerting/latest/configuration/#inhibit_rule
    """
    return HEADER + yaml.safe_dump({"inhibit_rules": [*_inhibit_rules(rules)]}, sort_keys=False, width=YAML_WIDTH)


def _inhibit_rules(rules: Rules) -> Iterable[dict[str, Any]]:
    names = {alert.name for alert in rules.alerts}
    for inhibition in INHIBITIONS:
        if inhibition.source in names:
            for equal, targets in inhibition.by_labels(names).items():
                yield {
                    "source_matchers": [f'alertname="{inhibition.source}"'],
                    "target_matchers": [f'alertname=~"{"|".join(targets)}"'],
                    "equal": [*equal],
                }
