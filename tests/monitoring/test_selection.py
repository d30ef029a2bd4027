"""The settings ``selector`` and ``grouping`` limit rules and dashboards to some exporters and tell releases apart."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from exporter.cli.commands.show import MONITORING
from exporter.core.errors import ConfigError
from exporter.kinds.registry import KINDS
from exporter.monitoring.prometheus import rule_file
from exporter.monitoring.rules import rules
from exporter.monitoring.selection import Selection, add_selector
from exporter.monitoring.settings import UNCHANGED, Settings, parse_settings
from tests.support.dashboards import queries, variables
from tests.support.promql import Promtool, exposed_metrics
from tests.support.repository import program

SETTINGS = parse_settings('selector: job=~"prod|test"\ngrouping: [release, cluster]', KINDS)
MATCHER = 'job=~"prod|test"'
# Histograms have one documented name and series with suffixes.
METRIC = re.compile(rf"(?<![\w:\"|])(?:{'|'.join(exposed_metrics())})(?:_bucket)?(?![\w:])")


def expressions(subject: str) -> Iterator[str]:
    """Yield all queries of a printed document."""
    text = MONITORING[subject](SETTINGS)
    if subject.startswith("dashboard"):
        dashboard = json.loads(text)
        yield from (target["expr"] for _, target in queries(dashboard))
        of_variables = (variable["query"] for variable in variables(dashboard).values() if variable["type"] == "query")
        yield from (query["query"] for query in of_variables)
    else:
        yield from re.findall(r"^ *expr: (.*)$", text, re.MULTILINE)


@pytest.mark.parametrize("subject", [subject for subject in MONITORING if subject != "alertmanager-inhibitions"])
def test_every_series_of_a_document_has_the_matchers(subject: str) -> None:
    found = list(expressions(subject))
    assert found
    for expression in found:
        for metric in METRIC.finditer(expression):
            assert expression[metric.end() :].startswith("{" + MATCHER), expression
        # Only Grafana knows its time range.
        assert "${" not in expression.replace("${__range_s}", "")


def test_promtool_sets_the_same_matchers() -> None:
    promtool = Promtool(program("promtool-3"))
    limited = dict(resolved_queries(parse_settings('selector: release="prod"', KINDS)))
    for name, query in resolved_queries(UNCHANGED):
        set_matcher = ("--experimental", "promql", "label-matchers", "set", query, "release", "prod")
        expected = re.sub(r'(\w+:\w+:\w+)\{release="prod"\}', r"\1", promtool(*set_matcher).strip())
        # Without a selector, the targets that are down are selected by their job.
        expected = expected.replace('job=~".*aws-iot-bulk.*",', "")
        assert formatted(promtool, limited[name]) == formatted(promtool, expected), name


def resolved_queries(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield the names and queries of all rules."""
    resolved = rules(KINDS, settings).resolve()
    yield from ((record.name, record.query) for record in resolved.records)
    yield from ((alert.name, alert.query) for alert in resolved.alerts)


def formatted(promtool: Promtool, query: str) -> str:
    """Return a query in promtool's format."""
    return promtool("--experimental", "promql", "format", query).strip()


@pytest.mark.parametrize(
    ("query", "limited"),
    [
        ("up == 0", 'up{job="x"} == 0'),
        ('up{instance="a"}', 'up{job="x", instance="a"}'),
        ("rate(process_cpu_seconds_total[5m])", 'rate(process_cpu_seconds_total{job="x"}[5m])'),
        ('{__name__=~"aws_iot_a|up", id="up"} > 0', '{job="x", __name__=~"aws_iot_a|up", id="up"} > 0'),
        ("max by (aws_region) (aws_iot_job_things)", 'max by (aws_region) (aws_iot_job_things{job="x"})'),
        ("operation:aws_iot_bulk_active:max", "operation:aws_iot_bulk_active:max"),
        ("up{${targets}}", 'up{job="x"}'),
        ('count_values("up", up)', 'count_values("up", up{job="x"})'),
    ],
)
def test_a_selector_is_added_to_series_only(query: str, limited: str) -> None:
    assert Selection('job="x"').apply(query) == limited
    assert Selection().apply(query) == query.replace("${targets}", 'job=~".*aws-iot-bulk.*"')
    assert "${selector}" in add_selector(query) or limited == query or "targets" in query


def test_the_grouping_replaces_the_labels_of_a_release_in_queries_and_texts() -> None:
    groups = rule_file(rules(KINDS, SETTINGS))["groups"]
    by_name = {rule.get("alert"): rule for group in groups for rule in group["rules"]}
    assert "by (release, cluster)" in by_name["AwsIotBulkExporterShardMismatch"]["expr"]
    assert "by (release, cluster, instance)" in by_name["AwsIotBulkExporterDown"]["expr"]
    assert "{{ with $labels.release }}, release {{ . }}{{ end }}" in str(
        by_name["AwsIotBulkExporterDown"]["annotations"]
    )
    assert "namespace" not in yaml.safe_dump(groups)


@pytest.mark.parametrize(
    "settings",
    ["selector: prod", "selector: 'job=\"a\" or up'", "selector: 'job=\"${x}\"'", "grouping: []", "grouping: [a-b]"],
)
def test_an_invalid_selection_is_rejected(settings: str) -> None:
    with pytest.raises(ConfigError):
        parse_settings(settings, KINDS)


def test_the_rules_of_a_selection_are_valid(tmp_path: Path, promtool: Promtool) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(MONITORING["prometheus-rules"](SETTINGS))
    promtool("check", "rules", "--lint=all", "--lint-fatal", file)
