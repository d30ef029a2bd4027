"""The alerts fire in Prometheus and in Grafana when they should, and only then."""

import copy
import json
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from exporter.kinds.registry import KINDS
from exporter.monitoring.alerts import ALERTS, Alert
from exporter.monitoring.grafana import grafana_alerts
from exporter.monitoring.prometheus import chart_alerts, prometheus_rules
from exporter.monitoring.records import Record, without_records
from exporter.monitoring.rules import Rules, rules
from exporter.monitoring.settings import Settings, parse_settings
from exporter.monitoring.texts import LOOKUPS, GrafanaFormat, PrometheusFormat, lookups_in
from tests.support.dashboards import PRINTED, variables
from tests.support.promql import Promtool, exposed_metrics, metric_names, recorded_metrics
from tests.support.repository import ROOT

FOLDER = ROOT / "tests" / "monitoring" / "alerts"
UNIT_TESTS = sorted(FOLDER.glob("*.test.yaml"))
ALERT_TESTS = [file for file in UNIT_TESTS if "alert_rule_test" in file.read_text(encoding="utf-8")]
PROVISIONED: dict[str, Any] = yaml.safe_load(grafana_alerts(rules(KINDS)))
GRAFANA_RULES = {rule["title"]: rule for group in PROVISIONED["groups"] for rule in group["rules"]}
SCHEMA = json.loads((FOLDER / "grafana-provisioning.schema.json").read_text(encoding="utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)

# promtool's tests start in 1970. The support of a kind must end shortly after that.
KINDS_IN_1970 = [
    replace(kind, support_ended=kind.support_ended and datetime(1970, 1, 1, 0, 10, tzinfo=UTC)) for kind in KINDS
]

LINKED = parse_settings("{runbooks: https://wiki.example/docs/runbooks, dashboards: https://grafana.example}", KINDS)

every_alert = pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
every_unit_test = pytest.mark.parametrize("file", UNIT_TESTS, ids=lambda file: file.name)


def grafana_rules(settings: Settings) -> list[dict[str, Any]]:
    """Return the rules of Grafana with these settings."""
    groups = yaml.safe_load(grafana_alerts(rules(KINDS, settings)))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def grafana_rule_file(rules: Rules, names: Collection[str]) -> str:
    """Return some rules of Grafana as a rule file of Prometheus, with the query as the condition.

    The query alone must return what fires: Grafana would show everything else that it returns as Normal.

    Recording rules have the further values of the texts, each with the labels of one operation.
    """
    alerts = tuple(alert for alert in rules.alerts if alert.name in names)
    groups = yaml.safe_load(grafana_alerts(replace(rules, alerts=alerts)))["groups"]
    values = [record for group in groups for rule in group["rules"] for record in _recorded_values(rule)]
    converted = [{"name": group["name"], "rules": [_converted(rule) for rule in group["rules"]]} for group in groups]
    return yaml.safe_dump({"groups": [{"name": "values", "rules": values}, *converted]})


def _recorded_values(rule: dict[str, Any]) -> list[dict[str, str]]:
    _, _, *queries = rule["data"]
    return [{"record": _recorded_name(rule, query["refId"]), "expr": query["model"]["expr"]} for query in queries]


def _recorded_name(rule: dict[str, Any], reference: str) -> str:
    return f"grafana:{rule['title']}:{reference}"


def _converted_texts(rule: dict[str, Any]) -> dict[str, str]:
    """Return the texts as templates of Prometheus, which read the recorded values."""
    (alert,) = (alert for alert in ALERTS if alert.name == rule["title"])
    texts = dict(rule["annotations"])
    recorded = {
        id: replace(lookup, metric=_recorded_name(rule, id)) for id, lookup in lookups_in(alert.description).items()
    }
    declarations = "".join(f"{{{{ {action} }}}}" for action in PrometheusFormat().declarations(recorded))
    for name, lookup in LOOKUPS.items():
        in_grafana, in_prometheus = (
            target.conditions(name, lookup) for target in (GrafanaFormat(), PrometheusFormat())
        )
        for old, new in zip(in_grafana, in_prometheus, strict=True):
            texts["description"] = texts["description"].replace(f"{{{{ with {old} }}}}", f"{{{{ with {new} }}}}")
    texts["description"] = declarations + texts["description"].replace("$values.A.Value", "$value")
    assert "$values" not in texts["description"]
    return texts


def _converted(rule: dict[str, Any]) -> dict[str, Any]:
    query, *_ = rule["data"]
    return {
        "alert": rule["title"],
        "expr": query["model"]["expr"],
        "for": rule["for"],
        "keep_firing_for": rule["keepFiringFor"],
        "labels": rule["labels"],
        "annotations": _converted_texts(rule),
    }


@cache
def unit_tests(file: Path) -> Sequence[dict[str, Any]]:
    groups = yaml.safe_load(file.read_text(encoding="utf-8"))["tests"]
    return [case for group in groups for case in group.get("alert_rule_test", ())]


def run_unit_tests(file: Path, rule_file: Callable[[Collection[str]], str], folder: Path, promtool: Promtool) -> None:
    """Run a file of unit tests. Each of its groups gets the rules of its own alerts in place of the committed ones.

    promtool evaluates each rule at each time, so fewer rules need less time.
    """
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    files = []
    for number, group in enumerate(content["tests"]):
        rules_of_group = rule_file({case["alertname"] for case in group.get("alert_rule_test", ())})
        (folder / f"{number}.rules.yaml").write_text(rules_of_group, encoding="utf-8")
        order = [rule_group["name"] for rule_group in yaml.safe_load(rules_of_group)["groups"]]
        changes = {"rule_files": [f"{number}.rules.yaml"], "group_eval_order": order, "tests": [group]}
        files.append(folder / f"{number}.{file.name}")
        files[-1].write_text(yaml.safe_dump(content | changes), encoding="utf-8")
    promtool("test", "rules", *files)


def needed_rules(rule_file: str, alerts: Collection[str]) -> str:
    """Return the rule file with these alerts, and with the recording rules that they use, also through other ones."""
    content = yaml.safe_load(rule_file)
    used: set[str] = set()
    for group in reversed(content["groups"]):
        for rule in reversed(group["rules"]):
            if rule.get("alert") in alerts or rule.get("record") in used:
                used.update(re.findall(r"[\w:]+", f"{rule['expr']} {rule.get('annotations')}"))
        group["rules"] = [rule for rule in group["rules"] if rule.get("alert") in alerts or rule.get("record") in used]
    return yaml.safe_dump(content)


@every_unit_test
def test_an_alert_fires_in_prometheus_when_it_should_and_only_then(
    file: Path, tmp_path: Path, promtool: Promtool
) -> None:
    printed = prometheus_rules(rules(KINDS_IN_1970))
    # A group without an alert tests the recording rules.
    run_unit_tests(file, lambda alerts: needed_rules(printed, alerts) if alerts else printed, tmp_path, promtool)


@pytest.mark.parametrize("file", ALERT_TESTS, ids=lambda file: file.name)
def test_an_alert_fires_in_grafana_at_the_same_times_without_recording_rules(
    file: Path, tmp_path: Path, promtool: Promtool
) -> None:
    run_unit_tests(file, lambda alerts: grafana_rule_file(rules(KINDS_IN_1970), alerts), tmp_path, promtool)


def test_promtool_has_nothing_to_remark_on_the_rules(promtool: Promtool) -> None:
    promtool("check", "rules", "--lint=all", "--lint-fatal", ROOT / "monitoring" / "prometheus-rules.yaml")


@every_alert
def test_an_alert_has_a_unit_test_that_fires_and_one_that_stays_silent(alert: Alert) -> None:
    cases = [case for file in UNIT_TESTS for case in unit_tests(file) if case["alertname"] == alert.name]
    assert {bool(case["exp_alerts"]) for case in cases} == {True, False}


@every_alert
def test_a_healthy_system_fires_no_alert(alert: Alert) -> None:
    healthy = unit_tests(FOLDER / "healthy.test.yaml")
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


def test_every_printed_group_has_at_most_twenty_rules_as_mimir_allows() -> None:
    once = rules(KINDS)
    many = replace(once, records=once.records * 3, alerts=once.alerts * 5)
    for text in (prometheus_rules(many), grafana_alerts(many)):
        groups = yaml.safe_load(text)["groups"]
        assert max(len(group["rules"]) for group in groups) <= 20
        assert len({group["name"] for group in groups}) == len(groups)
    printed = yaml.safe_load(prometheus_rules(many))["groups"]
    assert sum(len(group["rules"]) for group in printed) == len(many.records) + len(many.alerts)
    assert max(len(group["rules"]) for group in yaml.safe_load(chart_alerts(many))["records"]) <= 20


def test_recording_rules_that_no_alert_needs_are_left_out_on_request() -> None:
    def printed(settings: str) -> list[dict[str, Any]]:
        groups = yaml.safe_load(prometheus_rules(rules(KINDS, parse_settings(settings, KINDS))))["groups"]
        return [rule for group in groups for rule in group["rules"]]

    every, few = ({rule["record"] for rule in printed(text) if "record" in rule} for text in ("", "records: alerts"))
    assert every == recorded_metrics()
    texts = (f"{rule['expr']} {rule.get('annotations')}" for rule in printed("records: alerts"))
    assert set(re.findall(r"\w+:\w+:\w+", " ".join(texts))) == few < every


def test_the_rules_are_valid_without_kinds() -> None:
    printed = yaml.safe_load(prometheus_rules(rules(())))["groups"]
    names = ["aws-iot-bulk-records", "aws-iot-bulk-records-2", "aws-iot-bulk-operations", "aws-iot-bulk-exporter"]
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
    assert set(kept[1].split(", ") if kept else ()) == set(alert.labels)


@every_alert
def test_the_texts_of_an_alert_refer_only_to_labels_that_its_query_keeps(alert: Alert) -> None:
    referred = set(re.findall(r"(?<!\$)\{(\w+)\}", alert.description))
    assert referred - {"value"} - LOOKUPS.keys() <= set(alert.labels)
    # A series that may not exist has a part of the text of its own.
    assert LOOKUPS.keys().isdisjoint(re.findall(r"\{(\w+)\}", re.sub(r"\[.*?\]", "", alert.description)))
    # Alertmanager can group notifications only if all operations have the same summary.
    assert "{" not in alert.summary


def test_the_printed_rules_contain_no_placeholder() -> None:
    assert "${" not in prometheus_rules(rules(KINDS))
    assert set(re.findall(r"\$\{\w+\}", grafana_alerts(rules(KINDS)))) == {"${PROMETHEUS_DS_UID}"}


@every_alert
def test_the_durations_of_an_alert_are_well_formed(alert: Alert) -> None:
    assert re.fullmatch(r"\d+[smhd]", alert.for_)
    assert re.fullmatch(r"\d+[smhd]", alert.keep_firing_for)


@every_alert
def test_an_alert_links_to_its_runbook_and_to_variables_of_its_dashboard(alert: Alert) -> None:
    texts = rules(KINDS, LINKED).annotations(alert, PrometheusFormat())
    assert (ROOT / texts["runbook_url"].removeprefix("https://wiki.example/")).is_file()
    assert re.match(rf"https://grafana\.example/d/{alert.dashboard}(\?var-|$)", texts["dashboard_url"])
    (dashboard,) = (dashboard for dashboard in PRINTED.values() if dashboard["uid"] == alert.dashboard)
    named = set(re.findall(r"var-(\w+)=", texts["dashboard_url"]))
    assert named <= variables(dashboard).keys()
    assert ("region" in named) == ("aws_region" in alert.labels)


@every_alert
def test_an_alert_has_no_link_without_the_host_of_the_link(alert: Alert) -> None:
    assert rules(KINDS).annotations(alert, PrometheusFormat()).keys() == {"summary", "description"}


def test_labels_keywords_functions_and_ranges_are_not_metrics() -> None:
    query = 'max by (id, kind) (x_status{status=~"a|b"} == 1) and on (id) time() - delta(y_seconds[5m:1m]) > 5'
    assert metric_names(query) == {"x_status", "y_seconds"}


def test_grafanas_file_has_only_fields_of_grafana() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert [error.message for error in VALIDATOR.iter_errors(PROVISIONED)] == []


@pytest.mark.parametrize(
    "break_rule",
    [
        lambda rule: rule.pop("uid"),
        lambda rule: rule.pop("noDataState"),
        lambda rule: rule.update(noDataState="Alerting"),
        lambda rule: rule.update(missing_series_evals_to_resolve=0),
        lambda rule: rule.update(missingSeriesEvalsToResolve=rule.pop("missing_series_evals_to_resolve")),
        lambda rule: rule.update(keep_firing_for="5m"),
        lambda rule: rule.update(uid="x" * 41),
        lambda rule: rule["labels"].update(team="$labels.team"),
        lambda rule: rule["annotations"].update(description="${HOME}"),
        lambda rule: rule["data"][0].update(datasourceUid="prometheus"),
        lambda rule: rule["data"][1]["model"].update(expression="B"),
        lambda rule: rule["data"].pop(1),
    ],
)
def test_the_schema_rejects_fields_that_grafana_rejects_or_misinterprets(
    break_rule: Callable[[dict[str, Any]], object],
) -> None:
    document = copy.deepcopy(PROVISIONED)
    break_rule(document["groups"][0]["rules"][0])
    assert not VALIDATOR.is_valid(document)


def test_grafanas_file_contains_every_alert_once_with_a_unique_uid() -> None:
    assert list(GRAFANA_RULES) == [alert.name for alert in ALERTS]
    uids = [rule["uid"] for rule in GRAFANA_RULES.values()]
    assert len({uid.lower() for uid in uids}) == len(ALERTS), "some databases of Grafana ignore case"


@every_alert
def test_a_query_of_grafana_needs_no_recording_rule(alert: Alert) -> None:
    queries = [query for query in GRAFANA_RULES[alert.name]["data"] if query["datasourceUid"] != "__expr__"]
    names = {name for query in queries for name in metric_names(query["model"]["expr"])}
    assert names - exposed_metrics() == set()


@every_alert
def test_a_comparison_of_grafana_uses_the_operator_and_the_threshold_of_the_alert(alert: Alert) -> None:
    (condition,) = GRAFANA_RULES[alert.name]["data"][1]["model"]["conditions"]
    assert condition["evaluator"] == {"type": {">": "gt", "<": "lt"}[alert.operator], "params": [alert.threshold]}


@every_alert
def test_a_rule_of_grafana_is_silent_without_a_result_and_only_the_one_on_missing_exporters_reports_a_failed_query(
    alert: Alert,
) -> None:
    rule = GRAFANA_RULES[alert.name]
    assert rule["noDataState"] == "OK"
    assert rule["execErrState"] == ("Error" if alert.name == "AwsIotBulkExporterMissing" else "KeepLast")


@pytest.mark.parametrize(("keep_firing_for", "evaluations"), [("15m", 16), ("90s", 3), ("0s", 1), ("1h30m", 91)])
def test_grafana_keeps_an_alert_without_its_series_for_the_same_time(keep_firing_for: str, evaluations: int) -> None:
    changed = parse_settings(f"alerts: {{AwsIotBulkRetryStorm: {{keep_firing_for: {keep_firing_for}}}}}", KINDS)
    (rule,) = (rule for rule in grafana_rules(changed) if rule["title"] == "AwsIotBulkRetryStorm")
    assert (rule["keepFiringFor"], rule["missing_series_evals_to_resolve"]) == (keep_firing_for, evaluations)


def test_the_query_and_the_comparison_of_grafana_have_the_threshold_of_the_settings() -> None:
    changed = parse_settings("alerts: {AwsIotBulkFailureRatioHigh: {threshold: 0.2}}", KINDS)
    (rule,) = (rule for rule in grafana_rules(changed) if rule["title"] == "AwsIotBulkFailureRatioHigh")
    query, comparison, *_ = rule["data"]
    assert query["model"]["expr"].endswith(") > 0.2")
    assert comparison["model"]["conditions"] == [{"evaluator": {"type": "gt", "params": [0.2]}}]


@every_alert
def test_the_texts_of_grafana_refer_only_to_labels_and_the_queries_of_the_rule(alert: Alert) -> None:
    rule = GRAFANA_RULES[alert.name]
    texts = " ".join(rule["annotations"].values())
    assert set(re.findall(r"\$labels\.(\w+)", texts)) <= set(alert.labels)
    queries = {query["refId"] for query in rule["data"] if query["datasourceUid"] != "__expr__"}
    used = set(re.findall(r"\$values\.(\w+)", texts))
    assert used | {"A"} == queries
    assert ("A" in used) == ("{value}" in alert.description)


@every_alert
def test_grafana_links_an_alert_to_a_panel_without_the_url_of_grafana(alert: Alert) -> None:
    rule = GRAFANA_RULES[alert.name]
    (dashboard,) = (dashboard for dashboard in PRINTED.values() if dashboard["uid"] == rule["dashboardUid"])
    (panel,) = (panel for panel in dashboard["panels"] if panel["id"] == rule["panelId"])
    assert (dashboard["uid"], panel["title"]) == (alert.dashboard, alert.panel)
    assert panel["type"] != "row"


def test_a_recording_rule_is_replaced_by_its_expression_and_its_range_by_a_subquery() -> None:
    first = Record("level:one:max", 'max (x{code=~"a\\\\d"})', "A count.")
    second = Record("level:one:max_ratio", "level:one:max / 2", "Half the count.")
    query = "level:one:max_ratio > 0 and delta(level:one:max[1h]) and level:one:max[30m]"
    assert without_records(query, (first, second)) == (
        '((max (x{code=~"a\\\\d"})) / 2) > 0 and delta((max (x{code=~"a\\\\d"}))[1h:120s])'
        ' and (max (x{code=~"a\\\\d"}))[30m:60s]'
    )
