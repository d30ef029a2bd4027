"""Prints the rules as a Prometheus rule file, and as the file from which the Helm chart makes a PrometheusRule."""

from collections.abc import Iterator
from typing import Any

import yaml

from exporter.monitoring.alerts import Alert
from exporter.monitoring.rules import LINKS, YAML_WIDTH, Rules
from exporter.monitoring.texts import PrometheusFormat

RULE_FILE_HEADER = """\
# Printed by `aws-iot-bulk-exporter show prometheus-rules`. docs/monitoring.md explains how to set your own thresholds.
# For Prometheus 2.42 or newer: older versions do not support keep_firing_for.
"""
CHART_HEADER = """\
# Printed by `aws-iot-bulk-exporter show chart-alerts`. templates/prometheusrule.yaml reads this file without rendering
# it, because {{ }} belongs to the templates of Prometheus and not to Helm. ${...} are the parameters.
"""


def prometheus_rules(rules: Rules) -> str:
    """Return the text of a rule file. ``promtool check rules`` accepts it."""
    return RULE_FILE_HEADER + yaml.safe_dump(rule_file(rules), sort_keys=False, width=YAML_WIDTH)


def rule_file(rules: Rules) -> dict[str, Any]:
    """Return the content of a rule file: the groups of recording rules, then the groups of alerts."""
    resolved = rules.resolve()
    groups = [
        {"name": name, "rules": [_rule(alert, rules) for alert in alerts]} for name, alerts in resolved.groups.items()
    ]
    return {"groups": [*_recording_groups(resolved), *groups]}


def _recording_groups(rules: Rules) -> Iterator[dict[str, Any]]:
    for name, records in rules.recording_groups.items():
        chosen = [record for record in records if rules.with_optional or record.name not in rules.optional]
        if chosen:
            yield {"name": name, "rules": [{"record": record.name, "expr": record.query} for record in chosen]}


def _rule(alert: Alert, rules: Rules) -> dict[str, Any]:
    return {
        "alert": alert.name,
        "expr": alert.expression,
        "for": alert.for_,
        "keep_firing_for": alert.keep_firing_for,
        "labels": {**rules.labels, "severity": alert.severity},
        "annotations": rules.annotations(alert, PrometheusFormat()),
    }


def chart_alerts(rules: Rules) -> str:
    """Return the rules with their placeholders. The chart replaces them with the values of a release."""
    groups = [
        {"name": name, "alerts": [_chart_alert(alert) for alert in alerts]} for name, alerts in rules.groups.items()
    ]
    content = {"parameters": dict(rules.parameters), "records": _chart_records(rules), "groups": groups}
    return CHART_HEADER + yaml.safe_dump(content, sort_keys=False, width=YAML_WIDTH)


def _chart_records(rules: Rules) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "rules": [
                {"record": record.name, "expr": record.query, "optional": record.name in rules.optional}
                for record in records
            ],
        }
        for name, records in rules.recording_groups.items()
    ]


def _chart_alert(alert: Alert) -> dict[str, Any]:
    return {
        "name": alert.name,
        "query": alert.operand,
        "operator": alert.operator,
        "threshold": alert.threshold,
        "for": alert.for_,
        "keepFiringFor": alert.keep_firing_for,
        "severity": alert.severity,
        "annotations": alert.texts(PrometheusFormat()) | {LINKS[host]: link for host, link in alert.links.items()},
    }
