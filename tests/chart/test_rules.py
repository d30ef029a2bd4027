"""The PrometheusRule of the chart: the rules of the table, as the values of a release change them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.kinds.registry import KINDS
from exporter.monitoring.alerts import ALERTS, ON_OPERATIONS
from exporter.monitoring.prometheus import rule_file
from exporter.monitoring.ruleset import rules
from exporter.monitoring.settings import Parameters, parse_settings
from tests.support.helm_chart import CHART, ci_values, objects, one, read, refusal, render, schema
from tests.support.promql import promtool

ON = "--set=prometheusRule.enabled=true"
CHANGED = ci_values("alerts")


def spec(*arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = one(render(*arguments), "PrometheusRule")["spec"]
    return found


def test_no_rules_are_made_unless_asked() -> None:
    assert objects(render(), "PrometheusRule") == []


def test_the_chart_has_the_rules_of_the_table() -> None:
    assert spec(ON) == rule_file(rules(KINDS))


def test_the_values_of_a_release_change_what_a_file_of_settings_changes() -> None:
    values = read(CHART / "ci" / "alerts-values.yaml")["prometheusRule"]
    settings = {key: values[key] for key in ("runbooks", "dashboards", "parameters", "labels", "alerts")}
    text = json.dumps(settings).replace("keepFiringFor", "keep_firing_for")
    assert spec(CHANGED) == rule_file(rules(KINDS, parse_settings(text)))


def test_a_large_number_is_written_without_an_exponent(tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    month = "{parameters: {ended_seconds: 2592000}, alerts: {AwsIotBulkOperationRunningLong: {threshold: 2592000}}}"
    file.write_text(f"prometheusRule: {month}")
    assert spec(ON, f"--values={file}") == rule_file(rules(KINDS, parse_settings(month)))


def test_promtool_accepts_what_the_chart_makes(tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump(spec(CHANGED)))
    promtool("check", "rules", "--lint-fatal", file)


def test_the_labels_let_a_prometheus_choose_the_rules() -> None:
    labels = one(render(CHANGED), "PrometheusRule")["metadata"]["labels"]
    assert labels["release"] == "prometheus"
    assert labels["app.kubernetes.io/instance"] == "fleet"


def test_a_group_without_alerts_is_left_out() -> None:
    off = [f"--set=prometheusRule.alerts.{alert.name}.enabled=false" for alert in ON_OPERATIONS]
    assert [group["name"] for group in spec(ON, *off)["groups"]] == ["aws-iot-bulk-records", "aws-iot-bulk-exporter"]


def test_the_schema_of_the_values_knows_every_alert_and_parameter() -> None:
    properties = schema()["properties"]["prometheusRule"]["properties"]
    assert properties["alerts"]["propertyNames"]["enum"] == [alert.name for alert in ALERTS]
    assert set(properties["parameters"]["properties"]) == set(Parameters.model_fields)


@pytest.mark.parametrize(
    "wrong",
    [
        "alerts.AwsIotBulkRatio.enabled=false",
        "alerts.AwsIotBulkRetryStorm.treshold=5",
        "alerts.AwsIotBulkRetryStorm.for=ten",
        "parameters.staled=5m",
        "runbooks=https://${HOME}",
    ],
)
def test_a_wrong_value_is_refused(wrong: str) -> None:
    assert "specifications of the schema" in refusal(ON, f"--set=prometheusRule.{wrong}")
