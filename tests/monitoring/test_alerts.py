"""The alerts: each fires when it should and only then, in Prometheus and as Grafana asks, and says what it means."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.kinds.registry import KINDS
from exporter.monitoring.alerts import ALERTS
from exporter.monitoring.grafana import grafana_alerts
from exporter.monitoring.prometheus import prometheus_rules
from exporter.monitoring.records import records
from exporter.monitoring.rule import Alert, Rules
from exporter.monitoring.ruleset import rules
from tests.support.promql import exposed_metrics, metrics_of, promtool, recorded_metrics
from tests.support.repository import ROOT

UNIT_TESTS = sorted((ROOT / "tests" / "monitoring" / "alerts").glob("*.test.yaml"))
DURATION = re.compile(r"\d+[smhd]")

# promtool's tests begin in 1970: the support of a kind must have ended then.
BEGINNING = [
    replace(kind, support_ended=kind.support_ended and datetime(1970, 1, 1, 0, 10, tzinfo=UTC)) for kind in KINDS
]

every_alert = pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
every_unit_test = pytest.mark.parametrize("file", UNIT_TESTS, ids=lambda file: file.name.removesuffix(".test.yaml"))


def as_grafana_asks(rules: Rules) -> str:
    """Return the rules of Grafana's provisioning as a rule file of Prometheus: query and comparison put together."""
    groups = yaml.safe_load(grafana_alerts(rules))["groups"]
    asked = [{"name": group["name"], "rules": [_as_asked(rule) for rule in group["rules"]]} for group in groups]
    return yaml.safe_dump({"groups": asked}).replace("$values.A.Value", "$value")


def _as_asked(rule: dict[str, Any]) -> dict[str, Any]:
    query, threshold = rule["data"]
    ((evaluator),) = (condition["evaluator"] for condition in threshold["model"]["conditions"])
    sign = {"gt": ">", "lt": "<"}[evaluator["type"]]
    return {
        "alert": rule["title"],
        "expr": f"({query['model']['expr']}) {sign} {evaluator['params'][0]}",
        "for": rule["for"],
        "keep_firing_for": rule["keepFiringFor"],
        "labels": rule["labels"],
        "annotations": rule["annotations"],
    }


@cache
def unit_tests(file: Path) -> Sequence[dict[str, Any]]:
    groups = yaml.safe_load(file.read_text(encoding="utf-8"))["tests"]
    return [case for group in groups for case in group.get("alert_rule_test", ())]


def run_unit_tests(file: Path, rule_file: str, folder: Path) -> None:
    """Run a file of unit tests on other rules than the committed ones."""
    (folder / "rules.yaml").write_text(rule_file, encoding="utf-8")
    groups = [group["name"] for group in yaml.safe_load(rule_file)["groups"]]
    changes = {"rule_files": ["rules.yaml"], "group_eval_order": groups}
    content = yaml.safe_load(file.read_text(encoding="utf-8")) | changes
    (folder / file.name).write_text(yaml.safe_dump(content), encoding="utf-8")
    promtool("test", "rules", folder / file.name)


def test_promtool_accepts_the_rules() -> None:
    found = f"SUCCESS: {len(records(KINDS)) + len(ALERTS)} rules found"
    assert found in promtool("check", "rules", "--lint-fatal", ROOT / "monitoring" / "prometheus-rules.yaml")


@every_unit_test
def test_an_alert_fires_in_prometheus_when_it_should_and_only_then(file: Path, tmp_path: Path) -> None:
    run_unit_tests(file, prometheus_rules(rules(BEGINNING)), tmp_path)


@pytest.mark.parametrize("file", [file for file in UNIT_TESTS if "alert_rule_test" in file.read_text()], ids=str)
def test_what_grafana_asks_without_recorded_queries_fires_just_so(file: Path, tmp_path: Path) -> None:
    run_unit_tests(file, as_grafana_asks(rules(BEGINNING)), tmp_path)


@every_alert
def test_an_alert_has_a_unit_test_that_fires_and_one_that_stays_silent(alert: Alert) -> None:
    cases = [case for file in UNIT_TESTS for case in unit_tests(file) if case["alertname"] == alert.name]
    assert {bool(case["exp_alerts"]) for case in cases} == {True, False}


@every_alert
def test_an_alert_keeps_silent_while_all_is_well(alert: Alert) -> None:
    healthy = unit_tests(ROOT / "tests" / "monitoring" / "alerts" / "healthy.test.yaml")
    assert alert.name in {case["alertname"] for case in healthy if not case["exp_alerts"]}


def test_alert_names_are_unique_and_carry_the_prefix() -> None:
    names = [alert.name for alert in ALERTS]
    assert len(names) == len(set(names))
    assert [name for name in names if not re.fullmatch(r"AwsIot(Bulk|Greengrass)([A-Z][a-z0-9]+)+", name)] == []


@every_alert
def test_an_alert_asks_only_for_metrics_that_exist(alert: Alert) -> None:
    used = metrics_of(rules(KINDS).filled(alert.query))
    assert used
    assert used - exposed_metrics() - recorded_metrics() == set()


def test_a_recorded_query_uses_metrics_that_exist_and_queries_recorded_before_it() -> None:
    known = exposed_metrics()
    for record in rules(KINDS).resolved().records:
        assert metrics_of(record.query) - known == set(), record.name
        assert re.fullmatch(r"(operation|cell|api):[a-z_]+:[a-z]+", record.name)
        known.add(record.name)


def test_without_kinds_no_rule_breaks() -> None:
    printed = yaml.safe_load(prometheus_rules(rules(())))["groups"]
    assert [group["name"] for group in printed] == [
        "aws-iot-bulk-records",
        "aws-iot-bulk-operations",
        "aws-iot-bulk-exporter",
    ]


@every_alert
def test_an_alert_keeps_the_labels_that_it_says_and_so_fires_once_for_a_pair_of_exporters(alert: Alert) -> None:
    resolved = rules(KINDS).resolved()
    by_name = {record.name: record.query for record in resolved.records}
    (query,) = (one.query for one in resolved.alerts if one.name == alert.name)
    recorded = re.match(r"\(*(?:delta\()?(\w+:\w+:\w+)", query)
    while recorded:
        query = by_name[recorded[1]]
        recorded = re.match(r"\(*(\w+:\w+:\w+)", query)
    kept = re.search(r"\b(?:max|min|sum) by \(([^)]*)\)", query)
    assert kept is not None
    assert set(kept[1].split(", ")) == set(alert.labels)


@every_alert
def test_the_texts_of_an_alert_refer_only_to_labels_that_its_query_keeps(alert: Alert) -> None:
    referred = set(re.findall(r"(?<!\$)\{(\w+)\}", alert.description))
    assert referred - {"value"} <= set(alert.labels)
    assert "{" not in alert.summary, "a summary is the same for all operations, so that notifications can be grouped"


def test_no_placeholder_is_left_in_what_is_printed() -> None:
    assert "${" not in prometheus_rules(rules(KINDS))
    assert set(re.findall(r"\$\{\w+\}", grafana_alerts(rules(KINDS)))) == {"${PROMETHEUS_DS_UID}"}


@every_alert
def test_the_durations_of_an_alert_are_well_formed(alert: Alert) -> None:
    assert DURATION.fullmatch(alert.for_)
    assert DURATION.fullmatch(alert.keep_firing_for)


@every_alert
def test_an_alert_links_to_its_runbook_and_a_dashboard(alert: Alert) -> None:
    texts = {name: rules(KINDS).filled(text) for name, text in alert.annotations("$value").items()}
    assert (ROOT / texts["runbook_url"]).is_file()
    assert re.match(r"http://localhost:3000/d/aws-iot-bulk-(operation|exporter)(\?var-|$)", texts["dashboard_url"])


def test_a_metric_is_told_from_labels_words_functions_and_ranges() -> None:
    query = 'max by (id, kind) (x_status{status=~"a|b"} == 1) and on (id) time() - delta(y_seconds[5m:1m]) > 5'
    assert metrics_of(query) == {"x_status", "y_seconds"}


@every_alert
def test_a_link_names_only_variables_that_the_dashboard_has(alert: Alert) -> None:
    dashboard = json.loads((ROOT / "monitoring" / "dashboards" / f"{alert.dashboard}.json").read_text())
    known = {variable["name"] for variable in dashboard["templating"]["list"]}
    named = set(re.findall(r"var-(\w+)=", alert.annotations("$value")["dashboard_url"]))
    assert named <= known
    assert ("region" in named) == ("aws_region" in alert.labels)
