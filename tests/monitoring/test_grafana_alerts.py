"""The provisioning file of alerts is valid for Grafana."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from exporter.kinds.registry import KINDS
from exporter.monitoring.alerts import ALERTS, Alert
from exporter.monitoring.grafana import grafana_alerts, without_records
from exporter.monitoring.records import Record
from exporter.monitoring.rules import rules
from tests.support.promql import exposed_metrics, metric_names
from tests.support.repository import ROOT

SCHEMA = json.loads((ROOT / "tests/monitoring/alerts/grafana-provisioning.schema.json").read_text(encoding="utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)

every_alert = pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)


@cache
def provisioned() -> dict[str, Any]:
    document = yaml.safe_load(grafana_alerts(rules(KINDS)))
    assert isinstance(document, dict)
    return document


def grafana_rules() -> dict[str, dict[str, Any]]:
    return {rule["title"]: rule for group in provisioned()["groups"] for rule in group["rules"]}


def test_the_file_has_only_fields_of_grafana() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert [error.message for error in VALIDATOR.iter_errors(provisioned())] == []


@pytest.mark.parametrize(
    "break_rule",
    [
        lambda rule: rule.pop("uid"),
        lambda rule: rule.pop("noDataState"),
        lambda rule: rule.update(keep_firing_for="5m"),
        lambda rule: rule.update(uid="x" * 41),
        lambda rule: rule["labels"].update(team="$labels.team"),
        lambda rule: rule["annotations"].update(description="${HOME}"),
        lambda rule: rule["data"][0].update(datasourceUid="prometheus"),
        lambda rule: rule["data"][1]["model"].update(expression="B"),
        lambda rule: rule["data"].pop(),
    ],
)
def test_the_schema_rejects_fields_that_grafana_rejects_or_misinterprets(
    break_rule: Callable[[dict[str, Any]], object],
) -> None:
    document = copy.deepcopy(provisioned())
    break_rule(document["groups"][0]["rules"][0])
    assert not VALIDATOR.is_valid(document)


def test_the_file_contains_every_alert_once_with_a_unique_uid() -> None:
    assert list(grafana_rules()) == [alert.name for alert in ALERTS]
    uids = [rule["uid"] for rule in grafana_rules().values()]
    assert len({uid.lower() for uid in uids}) == len(ALERTS), "some databases of Grafana ignore case"


@every_alert
def test_a_query_needs_no_recording_rule(alert: Alert) -> None:
    expression = grafana_rules()[alert.name]["data"][0]["model"]["expr"]
    assert metric_names(expression) - exposed_metrics() == set()


@every_alert
def test_the_comparison_uses_the_operator_and_the_threshold_of_the_alert(alert: Alert) -> None:
    (condition,) = grafana_rules()[alert.name]["data"][1]["model"]["conditions"]
    assert condition["evaluator"] == {"type": {">": "gt", "<": "lt"}[alert.operator], "params": [alert.threshold]}


@every_alert
def test_only_the_alert_on_the_exporter_fires_without_data_and_reports_a_failed_query(alert: Alert) -> None:
    rule = grafana_rules()[alert.name]
    is_down_alert = alert.name == "AwsIotBulkExporterDown"
    assert rule["noDataState"] == ("Alerting" if is_down_alert else "OK")
    assert rule["execErrState"] == ("Error" if is_down_alert else "KeepLast")


@every_alert
def test_the_texts_refer_only_to_labels_and_the_value_of_the_query(alert: Alert) -> None:
    texts = " ".join(grafana_rules()[alert.name]["annotations"].values())
    references = {reference.partition(" | ")[0] for reference in re.findall(r"\{\{ (.*?) \}\}", texts)}
    assert references <= {f"$labels.{label}" for label in alert.labels} | {"$values.A.Value"}
    assert ("$values.A.Value" in references) == ("{value}" in alert.description)


def test_a_recording_rule_is_replaced_by_its_expression_and_its_range_by_a_subquery() -> None:
    first = Record("level:one:max", 'max (x{code=~"a\\\\d"})', "A count.")
    second = Record("level:one:max_ratio", "level:one:max / 2", "Half the count.")
    query = "level:one:max_ratio > 0 and delta(level:one:max[1h]) and level:one:max[30m]"
    assert without_records(query, (first, second)) == (
        '((max (x{code=~"a\\\\d"})) / 2) > 0 and delta((max (x{code=~"a\\\\d"}))[1h:120s])'
        ' and (max (x{code=~"a\\\\d"}))[30m:60s]'
    )
