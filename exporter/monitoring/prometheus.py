"""Prints the rules as a Prometheus rule file."""

from __future__ import annotations

from typing import Any

import yaml

from exporter.monitoring.alerts import Alert
from exporter.monitoring.rules import RECORDS_GROUP, YAML_WIDTH, Rules

HEADER = """\
# Printed by `aws-iot-bulk-exporter show prometheus-rules`. docs/monitoring.md explains how to set your own thresholds.
# For Prometheus 2.42 or newer: older versions do not support keep_firing_for.
"""


def prometheus_rules(rules: Rules) -> str:
    """Return the text of a rule file. ``promtool check rules`` accepts it."""
    return HEADER + yaml.safe_dump(rule_file(rules), sort_keys=False, width=YAML_WIDTH)


def rule_file(rules: Rules) -> dict[str, Any]:
    """Return the content of a rule file: the group of recording rules, then the groups of alerts."""
    resolved = rules.resolve()
    recorded = [{"record": record.name, "expr": record.query} for record in resolved.records]
    groups = [
        {"name": name, "rules": [_rule(alert, rules) for alert in alerts]} for name, alerts in resolved.groups.items()
    ]
    return {"groups": [{"name": RECORDS_GROUP, "rules": recorded}, *groups]}


def _rule(alert: Alert, rules: Rules) -> dict[str, Any]:
    return {
        "alert": alert.name,
        "expr": alert.expression,
        "for": alert.for_,
        "keep_firing_for": alert.keep_firing_for,
        "labels": rules.alert_labels(alert),
        "annotations": rules.annotations(alert, value="$value"),
    }
