"""The alerts fire in Prometheus and in Grafana when they should, and only then."""

import copy
import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from exporter.kinds.registry import KINDS
from exporter.monitoring.alerts import ALERTS, Alert
from exporter.monitoring.grafana import grafana_alerts
from exporter.monitoring.prometheus import chart_alerts, prometheus_rules
from exporter.monitoring.records import Record, without_records
from exporter.monitoring.rules import rules
from exporter.monitoring.settings import Settings, parse_settings
from exporter.monitoring.texts import LOOKUPS, GrafanaFormat, PrometheusFormat, lookups_in
from tests.support.dashboards import PRINTED, variables
from tests.support.promql import Promtool, exposed_metrics, metric_names, recorded_metrics
from tests.support.repository import ROOT
from tests.support.yaml_texts import read_yaml

Groups = list[dict[str, Any]]

FOLDER = ROOT / "tests" / "monitoring" / "alerts"
UNIT_TESTS = sorted(FOLDER.glob("*.test.yaml"))
ALERT_TESTS = [file for file in UNIT_TESTS if "alert_rule_test" in file.read_text(encoding="utf-8")]
SCHEMA = json.loads((FOLDER / "grafana-provisioning.schema.json").read_text(encoding="utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)

# promtool's tests start in 1970. The support of a kind must end shortly after that.
KINDS_IN_1970 = [
    replace(kind, support_ended=kind.support_ended and datetime(1970, 1, 1, 0, 10, tzinfo=UTC)) for kind in KINDS
]

LINKED = parse_settings("{runbooks: https://wiki.example/docs/runbooks, dashboards: https://grafana.example}", KINDS)

every_alert = pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
every_unit_test = pytest.mark.parametrize("file", UNIT_TESTS, ids=lambda file: file.name)


def read_groups(text: str) -> Groups:
    """Return the groups of a printed file of rules."""
    groups: Groups = read_yaml(text)["groups"]
    return groups


@cache
def provisioned() -> dict[str, Any]:
    """Return the content of the printed file for Grafana."""
    content: dict[str, Any] = read_yaml(grafana_alerts(rules(KINDS)))
    return content


def grafana_rules(settings: Settings) -> Mapping[str, dict[str, Any]]:
    """Return the rules of Grafana with these settings, by the name of the alert."""
    groups = read_groups(grafana_alerts(rules(KINDS, settings)))
    return {rule["title"]: rule for group in groups for rule in group["rules"]}


def grafana_rule(alert: Alert) -> dict[str, Any]:
    """Return the printed rule of Grafana of an alert."""
    rules_by_name = {rule["title"]: rule for group in provisioned()["groups"] for rule in group["rules"]}
    rule: dict[str, Any] = rules_by_name[alert.name]
    return rule


def converted_rules(alerts: Collection[str]) -> Groups:
    """Return the rules of Grafana of some alerts as groups of Prometheus, with the query as the condition.

    The query alone must return what fires: Grafana would show everything else that it returns as Normal.

    Recording rules have the further values of the texts, each with the labels of one operation.
    """
    found = [rule for group in grafana_groups_in_1970() for rule in group["rules"] if rule["title"] in alerts]
    values = [record for rule in found for record in _recorded_values(rule)]
    return [{"name": "values", "rules": values}, {"name": "alerts", "rules": [_converted(rule) for rule in found]}]


@cache
def grafana_groups_in_1970() -> Groups:
    """Return the printed rules of Grafana, with an early end of the support."""
    return read_groups(grafana_alerts(rules(KINDS_IN_1970)))


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
def unit_tests(file: Path) -> Mapping[str, Any]:
    """Return the content of a file of unit tests."""
    content: dict[str, Any] = read_yaml(file.read_text(encoding="utf-8"))
    return content


@cache
def cases_of_alerts(file: Path) -> Sequence[dict[str, Any]]:
    return [case for group in unit_tests(file)["tests"] for case in group.get("alert_rule_test", ())]


def run_unit_tests(
    tests: Mapping[str, Any], rules_of: Callable[[Collection[str]], Groups], folder: Path, promtool: Promtool
) -> None:
    """Run unit tests. Each of their groups gets the rules of its own alerts in place of the committed ones.

    promtool evaluates each rule at each time up to the last case, so fewer rules need less time.
    """
    files = []
    for number, group in enumerate(tests["tests"]):
        groups = rules_of({case["alertname"] for case in group.get("alert_rule_test", ())})
        order = [rule_group["name"] for rule_group in groups]
        changes = {"rule_files": [f"{number}.rules.json"], "group_eval_order": order, "tests": [group]}
        # JSON is also YAML, and Python prints it faster.
        (folder / f"{number}.rules.json").write_text(json.dumps({"groups": groups}), encoding="utf-8")
        files.append(folder / f"{number}.test.json")
        files[-1].write_text(json.dumps({**tests, **changes}), encoding="utf-8")
    promtool("test", "rules", *files)


def split_by_alert(tests: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return unit tests with a group for each alert of each group, which ends with the last case of its alert."""
    return {**tests, "tests": [part for group in tests["tests"] for part in _by_alert(group)]}


def _by_alert(group: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for alert in dict.fromkeys(case["alertname"] for case in group["alert_rule_test"]):
        yield {**group, "alert_rule_test": [case for case in group["alert_rule_test"] if case["alertname"] == alert]}


def needed_rules(alerts: Collection[str]) -> Groups:
    """Return the groups with these alerts, and with the recording rules that they use, also through other ones.

    Without alerts, return every rule, because the unit tests are those of recording rules.
    """
    groups = prometheus_groups_in_1970()
    if not alerts:
        return groups
    used: set[str] = set()
    needed = []
    for group in reversed(groups):
        chosen = []
        for rule in reversed(group["rules"]):
            if rule.get("alert") in alerts or rule.get("record") in used:
                used.update(re.findall(r"[\w:]+", f"{rule['expr']} {rule.get('annotations')}"))
                chosen.append(rule)
        needed.append({**group, "rules": chosen[::-1]})
    return needed[::-1]


@cache
def prometheus_groups_in_1970() -> Groups:
    """Return the printed rules of Prometheus, with an early end of the support."""
    return read_groups(prometheus_rules(rules(KINDS_IN_1970)))


@every_unit_test
def test_an_alert_fires_in_prometheus_when_it_should_and_only_then(
    file: Path, tmp_path: Path, promtool: Promtool
) -> None:
    run_unit_tests(unit_tests(file), needed_rules, tmp_path, promtool)


@pytest.mark.parametrize("file", ALERT_TESTS, ids=lambda file: file.name)
def test_an_alert_fires_in_grafana_at_the_same_times_without_recording_rules(
    file: Path, tmp_path: Path, promtool: Promtool
) -> None:
    # The alerts share no recording rules, so that promtool needs less time if each has its own run.
    run_unit_tests(split_by_alert(unit_tests(file)), converted_rules, tmp_path, promtool)


def test_promtool_has_nothing_to_remark_on_the_rules(promtool: Promtool) -> None:
    promtool("check", "rules", "--lint=all", "--lint-fatal", ROOT / "monitoring" / "prometheus-rules.yaml")


@every_alert
def test_an_alert_has_a_unit_test_that_fires_and_one_that_stays_silent(alert: Alert) -> None:
    cases = [case for file in UNIT_TESTS for case in cases_of_alerts(file) if case["alertname"] == alert.name]
    assert {bool(case["exp_alerts"]) for case in cases} == {True, False}


@every_alert
def test_a_healthy_system_fires_no_alert(alert: Alert) -> None:
    healthy = cases_of_alerts(FOLDER / "healthy.test.yaml")
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
        groups = read_groups(text)
        assert max(len(group["rules"]) for group in groups) <= 20
        assert len({group["name"] for group in groups}) == len(groups)
    printed = read_groups(prometheus_rules(many))
    assert sum(len(group["rules"]) for group in printed) == len(many.records) + len(many.alerts)
    assert max(len(group["rules"]) for group in read_yaml(chart_alerts(many))["records"]) <= 20


def test_recording_rules_that_no_alert_needs_are_left_out_on_request() -> None:
    def printed(settings: str) -> list[dict[str, Any]]:
        groups = read_groups(prometheus_rules(rules(KINDS, parse_settings(settings, KINDS))))
        return [rule for group in groups for rule in group["rules"]]

    every, few = ({rule["record"] for rule in printed(text) if "record" in rule} for text in ("", "records: alerts"))
    assert every == recorded_metrics()
    texts = (f"{rule['expr']} {rule.get('annotations')}" for rule in printed("records: alerts"))
    assert set(re.findall(r"\w+:\w+:\w+", " ".join(texts))) == few < every


def test_the_rules_are_valid_without_kinds() -> None:
    printed = read_groups(prometheus_rules(rules(())))
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
    assert [error.message for error in VALIDATOR.iter_errors(provisioned())] == []


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
    document = copy.deepcopy(provisioned())
    break_rule(document["groups"][0]["rules"][0])
    assert not VALIDATOR.is_valid(document)


def test_grafanas_file_contains_every_alert_once_with_a_unique_uid() -> None:
    printed = [rule for group in provisioned()["groups"] for rule in group["rules"]]
    assert [rule["title"] for rule in printed] == [alert.name for alert in ALERTS]
    uids = [rule["uid"] for rule in printed]
    assert len({uid.lower() for uid in uids}) == len(ALERTS), "some databases of Grafana ignore case"


@every_alert
def test_a_query_of_grafana_needs_no_recording_rule(alert: Alert) -> None:
    queries = [query for query in grafana_rule(alert)["data"] if query["datasourceUid"] != "__expr__"]
    names = {name for query in queries for name in metric_names(query["model"]["expr"])}
    assert names - exposed_metrics() == set()


@every_alert
def test_a_comparison_of_grafana_uses_the_operator_and_the_threshold_of_the_alert(alert: Alert) -> None:
    (condition,) = grafana_rule(alert)["data"][1]["model"]["conditions"]
    assert condition["evaluator"] == {"type": {">": "gt", "<": "lt"}[alert.operator], "params": [alert.threshold]}


@every_alert
def test_a_rule_of_grafana_is_silent_without_a_result_and_only_the_one_on_missing_exporters_reports_a_failed_query(
    alert: Alert,
) -> None:
    rule = grafana_rule(alert)
    assert rule["noDataState"] == "OK"
    assert rule["execErrState"] == ("Error" if alert.name == "AwsIotBulkExporterMissing" else "KeepLast")


@pytest.mark.parametrize(("keep_firing_for", "evaluations"), [("15m", 16), ("90s", 3), ("0s", 1), ("1h30m", 91)])
def test_grafana_keeps_an_alert_without_its_series_for_the_same_time(keep_firing_for: str, evaluations: int) -> None:
    changed = parse_settings(f"alerts: {{AwsIotBulkRetryStorm: {{keep_firing_for: {keep_firing_for}}}}}", KINDS)
    rule = grafana_rules(changed)["AwsIotBulkRetryStorm"]
    assert (rule["keepFiringFor"], rule["missing_series_evals_to_resolve"]) == (keep_firing_for, evaluations)


def test_the_query_and_the_comparison_of_grafana_have_the_threshold_of_the_settings() -> None:
    changed = parse_settings("alerts: {AwsIotBulkFailureRatioHigh: {threshold: 0.2}}", KINDS)
    rule = grafana_rules(changed)["AwsIotBulkFailureRatioHigh"]
    query, comparison, *_ = rule["data"]
    assert query["model"]["expr"].endswith(") > 0.2")
    assert comparison["model"]["conditions"] == [{"evaluator": {"type": "gt", "params": [0.2]}}]


@every_alert
def test_the_texts_of_grafana_refer_only_to_labels_and_the_queries_of_the_rule(alert: Alert) -> None:
    rule = grafana_rule(alert)
    texts = " ".join(rule["annotations"].values())
    assert set(re.findall(r"\$labels\.(\w+)", texts)) <= set(alert.labels)
    queries = {query["refId"] for query in rule["data"] if query["datasourceUid"] != "__expr__"}
    used = set(re.findall(r"\$values\.(\w+)", texts))
    assert used | {"A"} == queries
    assert ("A" in used) == ("{value}" in alert.description)


@every_alert
def test_grafana_links_an_alert_to_a_panel_without_the_url_of_grafana(alert: Alert) -> None:
    rule = grafana_rule(alert)
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
