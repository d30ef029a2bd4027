"""The alerts fire in Prometheus and in Grafana when they should, and only then."""

from __future__ import annotations

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
from exporter.monitoring.alerts import ALERTS, Alert
from exporter.monitoring.grafana import grafana_alerts
from exporter.monitoring.prometheus import prometheus_rules
from exporter.monitoring.records import records
from exporter.monitoring.rules import Rules, rules
from tests.support.dashboards import PRINTED, variables
from tests.support.promql import exposed_metrics, metric_names, promtool, recorded_metrics
from tests.support.repository import ROOT

UNIT_TESTS = sorted((ROOT / "tests" / "monitoring" / "alerts").glob("*.test.yaml"))
DURATION = re.compile(r"\d+[smhd]")

# promtool's tests start in 1970. The support of a kind must end shortly after that.
KINDS_IN_1970 = [
    replace(kind, support_ended=kind.support_ended and datetime(1970, 1, 1, 0, 10, tzinfo=UTC)) for kind in KINDS
]

every_alert = pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
every_unit_test = pytest.mark.parametrize("file", UNIT_TESTS, ids=lambda file: file.name.removesuffix(".test.yaml"))


def grafana_rule_file(rules: Rules) -> str:
    """Return Grafana's rules as a rule file of Prometheus, with query and comparison in one expression."""
    groups = yaml.safe_load(grafana_alerts(rules))["groups"]
    converted = [{"name": group["name"], "rules": [_converted(rule) for rule in group["rules"]]} for group in groups]
    return yaml.safe_dump({"groups": converted}).replace("$values.A.Value", "$value")


def _converted(rule: dict[str, Any]) -> dict[str, Any]:
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
    """Run a file of unit tests with these rules in place of the committed ones."""
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
    run_unit_tests(file, prometheus_rules(rules(KINDS_IN_1970)), tmp_path)


@pytest.mark.parametrize("file", [file for file in UNIT_TESTS if "alert_rule_test" in file.read_text()], ids=str)
def test_an_alert_fires_in_grafana_at_the_same_times_without_recording_rules(file: Path, tmp_path: Path) -> None:
    run_unit_tests(file, grafana_rule_file(rules(KINDS_IN_1970)), tmp_path)


@every_alert
def test_an_alert_has_a_unit_test_that_fires_and_one_that_stays_silent(alert: Alert) -> None:
    cases = [case for file in UNIT_TESTS for case in unit_tests(file) if case["alertname"] == alert.name]
    assert {bool(case["exp_alerts"]) for case in cases} == {True, False}


@every_alert
def test_a_healthy_system_fires_no_alert(alert: Alert) -> None:
    healthy = unit_tests(ROOT / "tests" / "monitoring" / "alerts" / "healthy.test.yaml")
    assert alert.name in {case["alertname"] for case in healthy if not case["exp_alerts"]}


def test_alert_names_are_unique_and_carry_the_prefix() -> None:
    names = [alert.name for alert in ALERTS]
    assert len(names) == len(set(names))
    assert [name for name in names if not re.fullmatch(r"AwsIot(Bulk|Greengrass)([A-Z][a-z0-9]+)+", name)] == []


@every_alert
def test_an_alert_uses_only_metrics_that_exist(alert: Alert) -> None:
    used = metric_names(rules(KINDS).substitute(alert.query))
    assert used
    assert used - exposed_metrics() - recorded_metrics() == set()


def test_a_recording_rule_uses_metrics_that_exist_and_earlier_recording_rules() -> None:
    known = exposed_metrics()
    for record in rules(KINDS).resolve().records:
        assert metric_names(record.query) - known == set(), record.name
        assert re.fullmatch(r"(operation|cell|api):[a-z_]+:[a-z]+", record.name)
        known.add(record.name)


def test_the_rules_are_valid_without_kinds() -> None:
    printed = yaml.safe_load(prometheus_rules(rules(())))["groups"]
    names = ["aws-iot-bulk-records", "aws-iot-bulk-operations", "aws-iot-bulk-exporter"]
    assert [group["name"] for group in printed] == names


@every_alert
def test_an_alert_keeps_its_labels_only_and_fires_once_for_a_pair_of_exporters(alert: Alert) -> None:
    resolved = rules(KINDS).resolve()
    by_name = {record.name: record.query for record in resolved.records}
    (query,) = (candidate.query for candidate in resolved.alerts if candidate.name == alert.name)
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
    # Alertmanager can group notifications only if all operations have the same summary.
    assert "{" not in alert.summary


def test_the_printed_rules_contain_no_placeholder() -> None:
    assert "${" not in prometheus_rules(rules(KINDS))
    assert set(re.findall(r"\$\{\w+\}", grafana_alerts(rules(KINDS)))) == {"${PROMETHEUS_DS_UID}"}


@every_alert
def test_the_durations_of_an_alert_are_well_formed(alert: Alert) -> None:
    assert DURATION.fullmatch(alert.for_)
    assert DURATION.fullmatch(alert.keep_firing_for)


@every_alert
def test_an_alert_links_to_its_runbook_and_to_variables_of_its_dashboard(alert: Alert) -> None:
    texts = rules(KINDS).annotations(alert, "$value")
    assert (ROOT / texts["runbook_url"]).is_file()
    assert re.match(rf"http://localhost:3000/d/{alert.dashboard}(\?var-|$)", texts["dashboard_url"])
    (dashboard,) = (dashboard for dashboard in PRINTED.values() if dashboard["uid"] == alert.dashboard)
    named = set(re.findall(r"var-(\w+)=", texts["dashboard_url"]))
    assert named <= variables(dashboard).keys()
    assert ("region" in named) == ("aws_region" in alert.labels)


def test_labels_keywords_functions_and_ranges_are_not_metrics() -> None:
    query = 'max by (id, kind) (x_status{status=~"a|b"} == 1) and on (id) time() - delta(y_seconds[5m:1m]) > 5'
    assert metric_names(query) == {"x_status", "y_seconds"}
