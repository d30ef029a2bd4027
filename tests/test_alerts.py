"""The alerts: what is printed is what is committed, fires when it should, and is well formed for both programs."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.monitoring.alerts import ALERTS, Alert
from exporter.monitoring.grafana import grafana_alerts
from exporter.monitoring.prometheus import prometheus_rules
from tests.support.programs import program

REPOSITORY = Path(__file__).parents[1]
RULES = REPOSITORY / "monitoring" / "prometheus-rules.yaml"
UNIT_TESTS = REPOSITORY / "tests" / "alerts" / "prometheus-rules.test.yaml"
METRICS = REPOSITORY / "docs" / "metrics.md"

DURATION = re.compile(r"\d+[smhd]")
MATCHERS = re.compile(r"\{[^}]*\}")
GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right) *\([^)]*\)")
WORDS = {"and", "or", "unless", "bool", "offset"}

every_alert = pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)


def known_metrics() -> set[str]:
    """Give the names in the first column of the documented table."""
    return set(re.findall(r"^\| *`(\w+)", METRICS.read_text(encoding="utf-8"), re.MULTILINE))


def metrics_of(query: str) -> set[str]:
    """Give every name in a query that is neither a label, nor a word of PromQL, nor a function."""
    bare = GROUPING.sub("", MATCHERS.sub("", query))
    return set(re.findall(r"\b[a-zA-Z_:][\w:]*\b(?! *\()", bare)) - WORDS


def labels_of(query: str) -> set[str]:
    """Give the labels that the outermost aggregation keeps."""
    grouping = re.match(r"\w+ by \(([^)]*)\)", query)
    assert grouping is not None, f"not aggregated, so a pair of exporters would fire twice: {query}"
    return set(grouping[1].split(", "))


def promtool(*arguments: str | Path) -> str:
    """Give what promtool says, and fail with it when promtool does not approve."""
    done = subprocess.run([program("promtool"), *arguments], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def grafana_group() -> dict[str, Any]:
    document = yaml.safe_load(grafana_alerts())
    assert document["apiVersion"] == 1
    (group,) = document["groups"]
    assert isinstance(group, dict)
    return group


def grafana_rule(alert: Alert) -> dict[str, Any]:
    (rule,) = [rule for rule in grafana_group()["rules"] if rule["title"] == alert.name]
    assert isinstance(rule, dict)
    return rule


@pytest.mark.parametrize(
    ("name", "printed"), [("prometheus-rules.yaml", prometheus_rules), ("grafana-alerts.yaml", grafana_alerts)]
)
def test_the_committed_file_is_what_the_code_prints(name: str, printed: Callable[[], str]) -> None:
    assert (REPOSITORY / "monitoring" / name).read_text(encoding="utf-8") == printed()


def test_promtool_accepts_the_rules() -> None:
    assert f"SUCCESS: {len(ALERTS)} rules found" in promtool("check", "rules", "--lint-fatal", RULES)


def test_every_alert_fires_when_it_should_and_only_then() -> None:
    promtool("test", "rules", UNIT_TESTS)


@every_alert
def test_an_alert_has_a_unit_test_that_fires_and_one_that_stays_silent(alert: Alert) -> None:
    groups = yaml.safe_load(UNIT_TESTS.read_text(encoding="utf-8"))["tests"]
    cases = [case for group in groups for case in group["alert_rule_test"] if case["alertname"] == alert.name]
    assert {bool(case["exp_alerts"]) for case in cases} == {True, False}


def test_alert_names_are_unique_and_carry_the_prefix() -> None:
    names = [alert.name for alert in ALERTS]
    assert len(names) == len(set(names))
    assert [name for name in names if not re.fullmatch(r"AwsIotBulk([A-Z][a-z0-9]+)+", name)] == []


@every_alert
def test_an_alert_asks_only_for_metrics_that_exist(alert: Alert) -> None:
    used = metrics_of(alert.query)
    assert used
    assert used - known_metrics() == set()


@every_alert
def test_the_texts_of_an_alert_refer_only_to_labels_that_its_query_keeps(alert: Alert) -> None:
    referred = set(re.findall(r"\{(\w+)\}", alert.summary + alert.description))
    assert referred - {"value"} <= labels_of(alert.query)
    assert "{" not in alert.summary, "a summary is the same for all operations, so that notifications can be grouped"


@every_alert
def test_the_durations_of_an_alert_are_well_formed(alert: Alert) -> None:
    assert DURATION.fullmatch(alert.for_)
    assert DURATION.fullmatch(alert.keep_firing_for)


def test_a_metric_is_told_from_labels_words_and_functions() -> None:
    query = 'max by (id, kind) (x_status{status=~"a|b"} == 1) and on (id) time() - y_seconds > 5'
    assert metrics_of(query) == {"x_status", "y_seconds"}


def test_the_grafana_group_has_what_grafana_requires() -> None:
    group = grafana_group()
    assert group["name"]
    assert group["folder"]
    assert DURATION.fullmatch(group["interval"])
    assert [rule["title"] for rule in group["rules"]] == [alert.name for alert in ALERTS]


def test_the_uids_of_the_grafana_rules_are_unique_and_short_enough() -> None:
    uids = [rule["uid"] for rule in grafana_group()["rules"]]
    assert len({uid.lower() for uid in uids}) == len(ALERTS), "some databases of Grafana do not tell case"
    assert [uid for uid in uids if not re.fullmatch(r"[A-Za-z0-9_-]{1,40}", uid)] == []


@every_alert
def test_the_condition_of_a_grafana_rule_leads_to_its_query(alert: Alert) -> None:
    rule = grafana_rule(alert)
    nodes = {node["refId"]: node for node in rule["data"]}
    assert len(nodes) == len(rule["data"])
    assert [ref for ref, node in nodes.items() if node["model"]["refId"] != ref] == []
    condition = nodes[rule["condition"]]
    assert condition["datasourceUid"] == "__expr__"
    assert nodes[condition["model"]["expression"]]["datasourceUid"] == "${PROMETHEUS_DS_UID}"


@every_alert
def test_a_grafana_rule_asks_for_one_instant_and_compares_in_the_threshold_only(alert: Alert) -> None:
    query, threshold = grafana_rule(alert)["data"]
    assert (query["model"]["instant"], query["model"]["range"]) == (True, False)
    assert not re.search(r"[<>]|[=!]=", MATCHERS.sub("", query["model"]["expr"]))
    (condition,) = threshold["model"]["conditions"]
    assert condition["evaluator"] == {"type": {">": "gt", "<": "lt"}[alert.operator], "params": [alert.threshold]}


@every_alert
def test_a_grafana_rule_says_what_no_data_and_a_failed_query_mean(alert: Alert) -> None:
    rule = grafana_rule(alert)
    without_exporter = "Alerting" if "_exporter_up" in alert.query else "OK"
    assert rule["noDataState"] == without_exporter
    assert rule["execErrState"] in {"KeepLast", "Error"}, "Grafana's own default would page for the operation"


@every_alert
def test_the_texts_of_a_grafana_rule_take_the_value_from_its_query(alert: Alert) -> None:
    rule = grafana_rule(alert)
    texts = " ".join(rule["annotations"].values())
    references = re.findall(r"\{\{ (.*?) \}\}", texts)
    allowed = {f"$labels.{label}" for label in labels_of(alert.query)} | {"$values.A.Value"}
    assert set(references) <= allowed
    assert "${" not in texts, "Grafana would put an environment variable here"
    assert "$" not in " ".join(rule["labels"].values()), "and here it would for a bare dollar sign"
