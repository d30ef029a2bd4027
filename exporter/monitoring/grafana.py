"""Prints the alerts as a file for Grafana's provisioning of alert rules, which is not the format of Prometheus."""

from __future__ import annotations

import re
from typing import Any, Final

import yaml

from exporter.config.duration import seconds
from exporter.monitoring.rule import WIDTH, Alert, Operator, Record, Rules

HEADER = """\
# Printed by `aws-iot-bulk-exporter show grafana-alerts`, which also takes your own thresholds: docs/monitoring.md.
# Goes to provisioning/alerting/ of Grafana 10.4 or newer. Set PROMETHEUS_DS_UID in the environment of Grafana to the
# uid of its Prometheus data source. keepFiringFor takes effect from Grafana 12.1.2; older ones ignore it.
# The queries hold what the Prometheus rule file records, so that they work without it.
"""
FOLDER = "AWS IoT bulk operations"
# The two that every Grafana knows; the evaluators for "or equal" are younger.
EVALUATORS: Final[dict[Operator, str]] = {">": "gt", "<": "lt"}
STEPS = 30
SHORTEST_STEP = 60.0
"""Seconds, and into how many steps a window is cut, where the rule file has recorded values to look at."""


def grafana_alerts(rules: Rules) -> str:
    """Return the text of a provisioning file, as Grafana's guide to file provisioning of alerting resources asks."""
    resolved = rules.resolved()
    groups = [
        {
            "orgId": 1,
            "name": group,
            "folder": FOLDER,
            "interval": "1m",
            "rules": [_rule(alert, resolved) for alert in resolved.of_group(group)],
        }
        for group in rules.groups
    ]
    return HEADER + yaml.safe_dump({"apiVersion": 1, "groups": groups}, sort_keys=False, width=WIDTH)


def inlined(query: str, records: tuple[Record, ...]) -> str:
    """Return a query with the recorded ones written out; a range of recorded values becomes a subquery."""
    for record in reversed(records):
        name = rf"(?<![\w:]){re.escape(record.name)}(?![\w:])"
        query = re.sub(rf"({name})\[(\w+)\]", _subquery, query)
        query = re.sub(name, f"({record.query})".replace("\\", r"\\"), query)
    return query


def _subquery(match: re.Match[str]) -> str:
    return f"{match[1]}[{match[2]}:{max(SHORTEST_STEP, seconds(match[2]) / STEPS):.0f}s]"


def _rule(alert: Alert, rules: Rules) -> dict[str, Any]:
    # `$value` would print every node's value here, with all labels.
    annotations = alert.annotations(value="$values.A.Value")
    return {
        # The name itself is a lawful uid: at most 40 characters, and stable.
        "uid": alert.name,
        "title": alert.name,
        "condition": "C",
        "data": [_query(alert, rules.records), _threshold(alert)],
        "for": alert.for_,
        "keepFiringFor": alert.keep_firing_for,
        "noDataState": alert.no_data,
        "execErrState": alert.query_error,
        "labels": {**rules.labels, "severity": alert.severity},
        "annotations": {name: rules.filled(text) for name, text in annotations.items()},
    }


def _query(alert: Alert, records: tuple[Record, ...]) -> dict[str, Any]:
    return {
        "refId": "A",
        "datasourceUid": "${PROMETHEUS_DS_UID}",
        "relativeTimeRange": {"from": 600, "to": 0},
        "model": {
            "refId": "A",
            "expr": inlined(alert.query, records),
            "instant": True,
            "range": False,
            "intervalMs": 60000,
            "maxDataPoints": 43200,
        },
    }


def _threshold(alert: Alert) -> dict[str, Any]:
    evaluator = {"type": EVALUATORS[alert.operator], "params": [alert.threshold]}
    return {
        "refId": "C",
        "datasourceUid": "__expr__",
        "relativeTimeRange": {"from": 0, "to": 0},
        "model": {"refId": "C", "type": "threshold", "expression": "A", "conditions": [{"evaluator": evaluator}]},
    }
