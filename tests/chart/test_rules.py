"""The PrometheusRule of the chart: the shipped rules with the changes of the values."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.kinds.registry import KINDS
from exporter.monitoring.alerts import ALERTS, OPERATION_ALERTS
from exporter.monitoring.prometheus import rule_file
from exporter.monitoring.rules import rules
from exporter.monitoring.settings import Parameters, parse_settings
from tests.support.helm_chart import (
    CHART,
    ci_values,
    objects_of_kind,
    only_object,
    read_yaml,
    render,
    render_error,
    values_schema,
)
from tests.support.promql import promtool

ON = "--set=prometheusRule.enabled=true"
CHANGED = ci_values("alerts")


def spec(*arguments: str) -> dict[str, Any]:
    content: dict[str, Any] = only_object(render(*arguments), "PrometheusRule")["spec"]
    return content


def test_rules_are_disabled_by_default() -> None:
    assert objects_of_kind(render(), "PrometheusRule") == []


def test_the_chart_contains_the_shipped_rules() -> None:
    assert spec(ON) == rule_file(rules(KINDS))


def test_the_values_have_the_same_effect_as_a_settings_file() -> None:
    values = read_yaml(CHART / "ci" / "alerts-values.yaml")["prometheusRule"]
    settings = {key: values[key] for key in ("runbooks", "dashboards", "parameters", "labels", "alerts")}
    text = json.dumps(settings).replace("keepFiringFor", "keep_firing_for")
    assert spec(CHANGED) == rule_file(rules(KINDS, parse_settings(text)))


def test_a_large_number_is_written_without_an_exponent(tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    month = "{parameters: {ended_seconds: 2592000}, alerts: {AwsIotBulkOperationRunningLong: {threshold: 2592000}}}"
    file.write_text(f"prometheusRule: {month}")
    assert spec(ON, f"--values={file}") == rule_file(rules(KINDS, parse_settings(month)))


def test_promtool_accepts_the_rules_of_the_chart(tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump(spec(CHANGED)))
    promtool("check", "rules", "--lint-fatal", file)


def test_the_object_has_the_labels_for_the_selector_of_prometheus() -> None:
    labels = only_object(render(CHANGED), "PrometheusRule")["metadata"]["labels"]
    assert labels["release"] == "prometheus"
    assert labels["app.kubernetes.io/instance"] == "fleet"


def test_a_group_without_alerts_is_left_out() -> None:
    off = [f"--set=prometheusRule.alerts.{alert.name}.enabled=false" for alert in OPERATION_ALERTS]
    assert [group["name"] for group in spec(ON, *off)["groups"]] == ["aws-iot-bulk-records", "aws-iot-bulk-exporter"]


def test_the_schema_of_the_values_contains_every_alert_and_parameter() -> None:
    properties = values_schema()["properties"]["prometheusRule"]["properties"]
    assert properties["alerts"]["propertyNames"]["enum"] == [alert.name for alert in ALERTS]
    assert set(properties["parameters"]["properties"]) == set(Parameters.model_fields)


@pytest.mark.parametrize(
    "setting",
    [
        "alerts.AwsIotBulkRatio.enabled=false",
        "alerts.AwsIotBulkRetryStorm.treshold=5",
        "alerts.AwsIotBulkRetryStorm.for=ten",
        "parameters.staled=5m",
        "runbooks=https://${HOME}",
    ],
)
def test_an_invalid_value_is_refused(setting: str) -> None:
    assert "specifications of the schema" in render_error(ON, f"--set=prometheusRule.{setting}")
