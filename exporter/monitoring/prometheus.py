"""Prints the rules as a Prometheus rule file."""

from __future__ import annotations

from typing import Any

import yaml

from exporter.monitoring.rule import WIDTH, Alert, Rules

RECORDS = "aws-iot-bulk-records"
HEADER = """\
# Printed by `aws-iot-bulk-exporter show prometheus-rules`, which also takes your own thresholds: docs/monitoring.md.
# For Prometheus 2.42 or newer, which is the first that knows keep_firing_for.
"""


def prometheus_rules(rules: Rules) -> str:
    """Return the text of a rule file for ``promtool check rules``, as Prometheus's guide to its rules asks."""
    return HEADER + yaml.safe_dump(rule_file(rules), sort_keys=False, width=WIDTH)


def rule_file(rules: Rules) -> dict[str, Any]:
    """Return what a rule file holds: the recorded queries first, then a group for each group of alerts."""
    resolved = rules.resolved()
    recorded = [{"record": record.name, "expr": record.query} for record in resolved.records]
    groups = [
        {"name": group, "rules": [_rule(alert, rules) for alert in resolved.of_group(group)]} for group in rules.groups
    ]
    return {"groups": [{"name": RECORDS, "rules": recorded}, *groups]}


def _rule(alert: Alert, rules: Rules) -> dict[str, Any]:
    annotations = alert.annotations(value="$value")
    return {
        "alert": alert.name,
        "expr": alert.expression,
        "for": alert.for_,
        "keep_firing_for": alert.keep_firing_for,
        "labels": {**rules.labels, "severity": alert.severity},
        "annotations": {name: rules.filled(text) for name, text in annotations.items()},
    }
