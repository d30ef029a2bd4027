"""The provisioning file: well formed for Grafana, whose format is not that of Prometheus."""

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
from exporter.monitoring.alerts import ALERTS
from exporter.monitoring.grafana import grafana_alerts, inlined
from exporter.monitoring.rule import Alert, Record
from exporter.monitoring.ruleset import rules
from tests.support.promql import exposed_metrics, metrics_of
from tests.support.repository import ROOT

SCHEMA = json.loads(
    (ROOT / "tests" / "monitoring" / "alerts" / "grafana-provisioning.schema.json").read_text(encoding="utf-8")
)
VALIDATOR = Draft202012Validator(SCHEMA)

every_alert = pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)


@cache
def provisioned() -> dict[str, Any]:
    document = yaml.safe_load(grafana_alerts(rules(KINDS)))
    assert isinstance(document, dict)
    return document


def grafana_rules() -> dict[str, dict[str, Any]]:
    return {rule["title"]: rule for group in provisioned()["groups"] for rule in group["rules"]}


def test_the_file_keeps_to_grafana_s_fields() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert [error.message for error in VALIDATOR.iter_errors(provisioned())] == []


@pytest.mark.parametrize(
    "spoil",
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
def test_the_schema_sees_what_grafana_would_refuse_or_take_for_something_else(
    spoil: Callable[[dict[str, Any]], object],
) -> None:
    document = copy.deepcopy(provisioned())
    spoil(document["groups"][0]["rules"][0])
    assert not VALIDATOR.is_valid(document)


def test_every_alert_is_there_once_under_a_uid_of_its_own() -> None:
    assert list(grafana_rules()) == [alert.name for alert in ALERTS]
    uids = [rule["uid"] for rule in grafana_rules().values()]
    assert len({uid.lower() for uid in uids}) == len(ALERTS), "some databases of Grafana do not tell case"


@every_alert
def test_a_query_needs_no_recorded_one(alert: Alert) -> None:
    expression = grafana_rules()[alert.name]["data"][0]["model"]["expr"]
    assert metrics_of(expression) - exposed_metrics() == set()


@every_alert
def test_the_comparison_is_the_threshold_s(alert: Alert) -> None:
    (condition,) = grafana_rules()[alert.name]["data"][1]["model"]["conditions"]
    assert condition["evaluator"] == {"type": {">": "gt", "<": "lt"}[alert.operator], "params": [alert.threshold]}


@every_alert
def test_a_rule_says_what_no_data_and_a_failed_query_mean(alert: Alert) -> None:
    rule = grafana_rules()[alert.name]
    always_answers = alert.name == "AwsIotBulkExporterDown"
    assert rule["noDataState"] == ("Alerting" if always_answers else "OK")
    assert rule["execErrState"] == ("Error" if always_answers else "KeepLast"), "one alone tells of Prometheus's end"


@every_alert
def test_the_texts_take_labels_and_the_value_of_the_query(alert: Alert) -> None:
    texts = " ".join(grafana_rules()[alert.name]["annotations"].values())
    references = {reference.partition(" | ")[0] for reference in re.findall(r"\{\{ (.*?) \}\}", texts)}
    assert references <= {f"$labels.{label}" for label in alert.labels} | {"$values.A.Value"}
    assert ("$values.A.Value" in references) == ("{value}" in alert.description)


def test_a_recorded_query_is_written_out_and_its_range_becomes_a_subquery() -> None:
    first = Record("level:one:max", 'max (x{code=~"a\\\\d"})', "One.")
    second = Record("level:one:max_ratio", "level:one:max / 2", "Half of it.")
    query = "level:one:max_ratio > 0 and delta(level:one:max[1h]) and level:one:max[30m]"
    assert inlined(query, (first, second)) == (
        '((max (x{code=~"a\\\\d"})) / 2) > 0 and delta((max (x{code=~"a\\\\d"}))[1h:120s])'
        ' and (max (x{code=~"a\\\\d"}))[30m:60s]'
    )
