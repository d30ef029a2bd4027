"""Prints the rules for the Helm chart, which fills in the values of a release by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from exporter.kinds.kind import Kind
from exporter.monitoring.prometheus import RECORDS
from exporter.monitoring.rule import WIDTH, Alert
from exporter.monitoring.ruleset import rules

HEADER = """\
# Printed by `aws-iot-bulk-exporter show chart-alerts`. templates/prometheusrule.yaml reads it as it stands, so that the
# templates of Prometheus in it are not Helm's; ${...} are the parameters.
"""


def chart_alerts(kinds: Sequence[Kind[Any]]) -> str:
    """Return the file that the chart makes a PrometheusRule of."""
    all = rules(kinds)
    recorded = [{"record": record.name, "expr": record.query} for record in all.records]
    content = {
        "parameters": dict(all.parameters),
        "records": {"name": RECORDS, "rules": recorded},
        "groups": [{"name": group, "alerts": [_alert(one) for one in all.of_group(group)]} for group in all.groups],
    }
    return HEADER + yaml.safe_dump(content, sort_keys=False, width=WIDTH)


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
