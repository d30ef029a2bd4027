"""The settings file of the rules: thresholds, windows, labels and links."""

from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.core.errors import ConfigError
from exporter.kinds.kind import Kind
from exporter.kinds.registry import KINDS
from exporter.monitoring import records as recorded
from exporter.monitoring.alerts import ALERTS
from exporter.monitoring.grafana import grafana_alerts
from exporter.monitoring.prometheus import prometheus_rules
from exporter.monitoring.rules import rules
from exporter.monitoring.settings import UNCHANGED, parse_settings, with_thresholds
from tests.support.promql import Promtool

CHANGED = """
runbooks: https://wiki.example/runbooks/
dashboards: https://grafana.example
labels: {team: fleet}
parameters: {stalled_iot_job_seconds: 3600, stalled_iot_job_ratio: 0.2, ended_seconds: 3600, rate: 1h, items: 100}
alerts:
  AwsIotBulkFailureRatioHigh: {threshold: 0.2, for: 1h30m, keep_firing_for: 0s, severity: page}
  AwsIotBulkOperationStopped: {enabled: false}
"""


def printed(settings: str) -> dict[str, Any]:
    """Return the rules of a rule file with these settings, by name."""
    groups = yaml.safe_load(prometheus_rules(rules(KINDS, parse_settings(settings, KINDS))))["groups"]
    return {rule.get("alert", rule.get("record")): rule for group in groups for rule in group["rules"]}


def test_an_empty_file_changes_nothing() -> None:
    assert rules(KINDS, parse_settings("", KINDS)) == rules(KINDS, UNCHANGED)


def test_an_alert_has_the_threshold_durations_and_severity_of_the_file() -> None:
    rule = printed(CHANGED)["AwsIotBulkFailureRatioHigh"]
    assert rule["expr"].endswith(" > 0.2")
    assert "operation:aws_iot_bulk_processed_items:max >= 100" in rule["expr"]
    assert (rule["for"], rule["keep_firing_for"]) == ("1h30m", "0s")
    assert rule["labels"] == {"severity": "page", "team": "fleet"}


def test_the_status_page_has_the_thresholds_of_the_file() -> None:
    changed = """
    parameters: {items: 5, failed_items: 7, failed_ratio: 0.5, ended_seconds: 60,
                 stalled_iot_job_seconds: 90, stalled_iot_job_ratio: 0.25}
    alerts: {AwsIotBulkFailureRatioHigh: {threshold: 0.75}}
    """
    kinds = {kind.name: kind.thresholds for kind in with_thresholds(KINDS, parse_settings(changed, KINDS))}
    shared: dict[str, Any] = {
        "failure_ratio": 0.75,
        "min_items": 5,
        "finished_failure_ratio": 0.5,
        "finished_failures": 7,
        "ended_seconds": 60,
    }
    assert asdict(kinds["iot_job"]) == {**shared, "stalled_seconds": 90, "stalled_ratio": 0.25}
    default = {kind.name: kind.thresholds for kind in KINDS}
    assert kinds["greengrass_deployment"] == replace(default["greengrass_deployment"], **shared)


@pytest.mark.parametrize("settings", ["", "alerts: {AwsIotBulkFailureRatioHigh: {enabled: false}}"])
def test_without_a_threshold_in_the_file_the_status_page_keeps_its_own(settings: str) -> None:
    kinds = with_thresholds(KINDS, parse_settings(settings, KINDS))
    assert [values_of(kind) for kind in kinds] == [values_of(kind) for kind in KINDS]


def values_of(kind: Kind[Any]) -> dict[str, Any]:
    """Return the fields of a kind. Two kinds with the same values are not equal."""
    return {field.name: getattr(kind, field.name) for field in fields(kind)}


def test_windows_appear_in_queries_and_texts() -> None:
    found = printed(CHANGED)
    stalled = found["operation:aws_iot_bulk_stalled_seconds:max"]["expr"]
    assert "(aws_iot_job_things[3600s])" in stalled
    assert '{kind="iot_job"} > 1 - 0.2' in stalled
    assert "(aws_greengrass_deployment_things[7200s])" in stalled
    assert '{kind="greengrass_deployment"} > 1 - 0.01' in stalled
    assert "in the last 1h." in found["AwsIotBulkRetryStorm"]["annotations"]["description"]
    assert "time() - 3600" in found["operation:aws_iot_bulk_recent:max"]["expr"]


def test_links_use_the_urls_of_the_file() -> None:
    texts = printed(CHANGED)["AwsIotBulkRetryStorm"]["annotations"]
    assert texts["runbook_url"] == "https://wiki.example/runbooks/AwsIotBulkRetryStorm.md"
    assert texts["dashboard_url"].startswith("https://grafana.example/d/aws-iot-bulk-operation?var-")


def test_links_lead_to_the_exporter_with_its_url_and_to_your_own_runbooks_if_they_have_a_url() -> None:
    external = "external_url: https://exporter.example/bulk/\n"
    texts = printed(external)["AwsIotBulkRetryStorm"]["annotations"]
    assert texts["runbook_url"] == "https://exporter.example/bulk/runbooks/AwsIotBulkRetryStorm"
    assert texts["operation_url"].startswith("https://exporter.example/bulk/operations/{{ $labels.kind | urlquery }}/")
    assert "dashboard_url" not in texts
    assert "operation_url" not in printed(external)["AwsIotBulkExporterDown"]["annotations"]
    both = printed(CHANGED + external)["AwsIotBulkRetryStorm"]["annotations"]
    assert both["runbook_url"] == "https://wiki.example/runbooks/AwsIotBulkRetryStorm.md"
    assert both["operation_url"] == texts["operation_url"]


@pytest.mark.parametrize(
    "url", ["exporter.example", "/runbooks", "https://", "https://a/?b=c", "https://a/{b}", "ftp://a"]
)
def test_an_external_url_that_no_pager_can_open_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match=r"external_url: expected a URL such as https://exporter\.example/bulk"):
        parse_settings(f"external_url: '{url}'", KINDS)


def test_the_link_to_an_operation_escapes_its_labels(tmp_path: Path, promtool: Promtool) -> None:
    rule = printed("external_url: https://exporter.example/bulk")["AwsIotBulkOperationFailed"]
    links = {name: text for name, text in rule["annotations"].items() if name in ("operation_url", "runbook_url")}
    groups = [{"name": "links", "rules": [{**rule, "annotations": links}]}]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": groups}))
    labels = {"aws_account_id": "111122223333", "aws_region": "eu-west-1", "kind": "iot_job", "id": "a/b?c&d#e%f g+h"}
    selector = ",".join(f'{name}="{value}"' for name, value in labels.items())
    alert = {
        "exp_labels": {**labels, "severity": "warning"},
        "exp_annotations": {
            "runbook_url": "https://exporter.example/bulk/runbooks/AwsIotBulkOperationFailed",
            "operation_url": "https://exporter.example/bulk/operations/iot_job/a%2Fb%3Fc%26d%23e%25f%20g%2Bh"
            "?account=111122223333&region=eu-west-1",
        },
    }
    series = [{"series": f"{name}{{{selector}}}", "values": "1x20"} for name in (recorded.FAILED, recorded.RECENT)]
    case = {"eval_time": "15m", "alertname": "AwsIotBulkOperationFailed", "exp_alerts": [alert]}
    tests = [{"interval": "1m", "input_series": series, "alert_rule_test": [case]}]
    (tmp_path / "links.test.yaml").write_text(yaml.safe_dump({"rule_files": ["rules.yaml"], "tests": tests}))
    promtool("test", "rules", tmp_path / "links.test.yaml")


def test_a_disabled_alert_is_in_no_format() -> None:
    enabled = rules(KINDS, parse_settings(CHANGED, KINDS))
    assert "AwsIotBulkOperationStopped" not in prometheus_rules(enabled) + grafana_alerts(enabled)
    assert len(enabled.alerts) == len(ALERTS) - 1


@pytest.mark.parametrize("settings", ["", CHANGED], ids=["unchanged", "changed"])
def test_promtool_accepts_the_rules(settings: str, tmp_path: Path, promtool: Promtool) -> None:
    file, enabled = tmp_path / "rules.yaml", rules(KINDS, parse_settings(settings, KINDS))
    file.write_text(prometheus_rules(enabled))
    found = f"SUCCESS: {len(enabled.records) + len(enabled.alerts)} rules found"
    assert found in promtool("check", "rules", "--lint-fatal", file)


LONG_NAME = "AwsIotBulkOperationFinishedWithFailures"


def test_all_errors_are_reported_at_once_with_their_paths() -> None:
    wrong = """
runbooks: "https://x/{a}"
labels: {te-am: x, team: 5, site: "$HOME"}
parameters: {rate: 0m, ended_seconds: 0, stalled: 2h, failed_ratio: 2, itmes: 3}
alerts:
  AwsIotBulkRetry: {}
  AwsIotBulkOperationFinishedWithFailuers: {}
  AwsIotBulkOperationFinishedWithFailures: {enabled: 1}
  AwsIotBulkRetryStorm: {for: ten, threshold: "5", serverity: page, enabled: 1}
"""
    with pytest.raises(ConfigError) as rejected:
        parse_settings(wrong, KINDS)
    assert rejected.value.problems == (
        "runbooks: expected a URL without white space, braces or dollar signs",
        "parameters.ended_seconds: must be above 0",
        "parameters.rate: expected a duration such as 90s, 10m or 1h30m",
        "parameters.failed_ratio: must be at most 1",
        "parameters.stalled: unknown key",
        "parameters.itmes: unknown key; did you mean items?",
        "labels.te-am: expected the name of a label",
        "labels.team: expected text; put it in quotes",
        "labels.site: expected text without braces or dollar signs: Prometheus and Grafana interpret them as templates",
        "alerts.AwsIotBulkRetry: expected the name of an alert; did you mean AwsIotBulkRetryStorm?",
        f"alerts.?: expected the name of an alert, hidden because it may be a value; did you mean {LONG_NAME}?",
        f"alerts.{LONG_NAME}.enabled: expected true or false",
        "alerts.AwsIotBulkRetryStorm.enabled: expected true or false",
        "alerts.AwsIotBulkRetryStorm.threshold: expected a number",
        "alerts.AwsIotBulkRetryStorm.for: expected a duration such as 90s, 10m or 1h30m",
        "alerts.AwsIotBulkRetryStorm.serverity: unknown key; did you mean severity?",
    )


@pytest.mark.parametrize("text", ["[1]", "alerts: [x]", "alerts: {AwsIotBulkRetryStorm: 5}", "a: &a [*a]"])
def test_an_invalid_file_is_rejected(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_settings(text, KINDS)
