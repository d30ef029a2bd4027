"""Prints the rules for the Helm chart. The chart replaces the placeholders with the values of a release."""

from __future__ import annotations

from typing import Any

import yaml

from exporter.monitoring.alerts import Alert
from exporter.monitoring.promql import Kinds
from exporter.monitoring.rules import RECORDS_GROUP, YAML_WIDTH, rules

HEADER = """\
# Printed by `aws-iot-bulk-exporter show chart-alerts`. templates/prometheusrule.yaml reads this file without rendering
# it, because {{ }} belongs to the templates of Prometheus and not to Helm. ${...} are the parameters.
"""


def chart_alerts(kinds: Kinds) -> str:
    """Return the file from which the chart makes a PrometheusRule."""
    unresolved = rules(kinds)
    recorded = [{"record": record.name, "expr": record.query} for record in unresolved.records]
    groups = [
        {"name": name, "alerts": [_alert(alert) for alert in alerts]} for name, alerts in unresolved.groups.items()
    ]
    content = {
        "parameters": dict(unresolved.parameters),
        "records": {"name": RECORDS_GROUP, "rules": recorded},
        "groups": groups,
    }
    return HEADER + yaml.safe_dump(content, sort_keys=False, width=YAML_WIDTH)


def _alert(alert: Alert) -> dict[str, Any]:
    return {
        "name": alert.name,
        "query": alert.operand,
        "operator": alert.operator,
        "threshold": alert.threshold,
        "for": alert.for_,
        "keepFiringFor": alert.keep_firing_for,
        "severity": alert.severity,
        "annotations": alert.annotations(value="$value"),
    }
