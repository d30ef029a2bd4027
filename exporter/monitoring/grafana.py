"""Prints the alerts as a file for Grafana's provisioning of alert rules. Its format differs from Prometheus's."""

import math
from collections.abc import Mapping
from typing import Any, Final

import yaml

from exporter.config.duration import format_duration, parse_duration
from exporter.monitoring.alerts import Alert, Operator
from exporter.monitoring.dashboards.panel_ids import panel_ids
from exporter.monitoring.records import Record, without_records
from exporter.monitoring.rules import YAML_WIDTH, Rules
from exporter.monitoring.selection import add_selector
from exporter.monitoring.texts import GrafanaFormat, lookup_query, lookups_in

HEADER = """\
# Printed by `aws-iot-bulk-exporter show grafana-alerts`. docs/monitoring.md explains how to set your own thresholds.
# Copy it to provisioning/alerting/ of Grafana 10.4 or newer. Set PROMETHEUS_DS_UID in the environment of Grafana to the
# uid of its Prometheus data source. keepFiringFor and missing_series_evals_to_resolve take effect from Grafana 12.1.2.
# Older versions ignore them.
# The queries contain the expressions of the recording rules. They do not need the Prometheus rule file.
"""
FOLDER = "AWS IoT bulk operations"
# All versions of Grafana support these two. The evaluators for "or equal" are newer.
EVALUATORS: Final[dict[Operator, str]] = {">": "gt", "<": "lt"}
# The time between two evaluations of a rule, in seconds.
INTERVAL = 60


def grafana_alerts(rules: Rules) -> str:
    """Return the text of a provisioning file, as in Grafana's guide to file provisioning of alerting resources."""
    resolved, panels = rules.resolve(), panel_ids(rules.kinds)
    groups = [
        {
            "orgId": 1,
            "name": name,
            "folder": FOLDER,
            "interval": format_duration(INTERVAL),
            "rules": [_rule(alert, resolved, panels) for alert in alerts],
        }
        for name, alerts in resolved.groups.items()
    ]
    return HEADER + yaml.safe_dump({"apiVersion": 1, "groups": groups}, sort_keys=False, width=YAML_WIDTH)


def _rule(alert: Alert, rules: Rules, panels: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
    return {
        # A name has at most 40 characters and is stable, so that it is also a valid uid.
        "uid": alert.name,
        "title": alert.name,
        "condition": "C",
        # The query compares too, so that Grafana gets only the operations that fire, and not each one as Normal.
        "data": [_query("A", alert.expression, rules.records), _threshold(alert), *_lookups(alert, rules)],
        "for": alert.for_,
        "keepFiringFor": alert.keep_firing_for,
        "missing_series_evals_to_resolve": _missing_evaluations(alert.keep_firing_for),
        # Without a result, nothing fires.
        "noDataState": "OK",
        "execErrState": alert.query_error,
        "labels": {**rules.labels, "severity": alert.severity},
        # In Grafana `$value` would print the values of all nodes with all labels.
        "annotations": rules.annotations(alert, GrafanaFormat()),
        "dashboardUid": alert.dashboard,
        "panelId": panels[alert.dashboard][alert.panel],
    }


def _missing_evaluations(keep_firing_for: str) -> int:
    """Return after how many evaluations without its series an alert ends, so that it fires at least for a duration.

    Grafana applies keepFiringFor only to a series that is still in the result, or if the result is empty. An alert can
    end just before an evaluation, so that one more evaluation is needed.
    """
    return math.ceil(parse_duration(keep_firing_for) / INTERVAL) + 1


def _lookups(alert: Alert, rules: Rules) -> list[dict[str, Any]]:
    """Return the queries for further values in the texts."""
    queries = {
        id: rules.substitute(add_selector(lookup_query(lookup))) for id, lookup in lookups_in(alert.description).items()
    }
    return [_query(id, query, rules.records) for id, query in queries.items()]


def _query(id: str, query: str, records: tuple[Record, ...]) -> dict[str, Any]:
    return {
        "refId": id,
        "datasourceUid": "${PROMETHEUS_DS_UID}",
        "relativeTimeRange": {"from": 600, "to": 0},
        "model": {
            "refId": id,
            "expr": without_records(query, records),
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
