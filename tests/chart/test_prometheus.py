"""ServiceMonitor, PodMonitor and PrometheusRule: their selectors, fields and rules."""

import json
import re
from pathlib import Path

import pytest
import yaml

from exporter.kinds.registry import KINDS
from exporter.monitoring.alerts import ALERTS, OPERATION_ALERTS
from exporter.monitoring.prometheus import rule_file
from exporter.monitoring.rules import rules
from exporter.monitoring.settings import parameters_model, parse_settings
from tests.support.helm_chart import (
    CHART,
    Document,
    ci_values,
    only_object,
    pod_of,
    read_yaml,
    render,
    render_error,
    values_schema,
)
from tests.support.promql import Promtool

ON = "--set=prometheusRule.enabled=true"
RECORD_GROUPS = ["aws-iot-bulk-records", "aws-iot-bulk-records-2"]
CHANGED = ci_values("alerts")
MONITORS = pytest.mark.parametrize(
    ("value", "kind"), [("serviceMonitor", "ServiceMonitor"), ("podMonitor", "PodMonitor")]
)


def spec(*arguments: str) -> Document:
    content: Document = only_object(render(*arguments), "PrometheusRule")["spec"]
    return content


def test_the_chart_contains_the_shipped_rules() -> None:
    assert spec(ON) == rule_file(rules(KINDS))


def test_the_values_have_the_same_effect_as_a_settings_file() -> None:
    values = read_yaml(CHART / "ci" / "alerts-values.yaml")["prometheusRule"]
    settings = {
        key: values[key] for key in ("runbooks", "dashboards", "selector", "grouping", "parameters", "labels", "alerts")
    }
    text = json.dumps(settings).replace("keepFiringFor", "keep_firing_for")
    assert spec(CHANGED) == rule_file(rules(KINDS, parse_settings(text, KINDS)))


@pytest.mark.parametrize("runbooks", ["", "https://wiki.example/runbooks"])
def test_the_alerts_of_the_chart_link_to_the_external_url_as_those_of_a_settings_file(runbooks: str) -> None:
    url = "https://exporter.example/bulk/"
    settings = {"external_url": url, **({"runbooks": runbooks} if runbooks else {})}
    linked = spec(ON, f"--set-string=web.externalUrl={url},prometheusRule.runbooks={runbooks}")
    assert linked == rule_file(rules(KINDS, parse_settings(json.dumps(settings), KINDS)))


def test_the_chart_leaves_out_the_same_recording_rules_as_a_settings_file() -> None:
    assert spec(ON, "--set=prometheusRule.records=alerts") == rule_file(
        rules(KINDS, parse_settings("records: alerts", KINDS))
    )


def test_a_large_number_is_written_without_an_exponent(tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    month = "{parameters: {ended_seconds: 2592000}, alerts: {AwsIotBulkOperationRunningLong: {threshold: 2592000}}}"
    file.write_text(f"prometheusRule: {month}")
    assert spec(ON, f"--values={file}") == rule_file(rules(KINDS, parse_settings(month, KINDS)))


def test_promtool_accepts_the_rules_of_the_chart(tmp_path: Path, promtool: Promtool) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump(spec(CHANGED)))
    promtool("check", "rules", "--lint=all", "--lint-fatal", file)


def test_the_object_has_the_labels_for_the_selector_of_prometheus() -> None:
    labels = only_object(render(CHANGED), "PrometheusRule")["metadata"]["labels"]
    assert labels["release"] == "prometheus"
    assert labels["app.kubernetes.io/instance"] == "fleet"


def test_a_group_without_alerts_is_left_out() -> None:
    off = [f"--set=prometheusRule.alerts.{alert.name}.enabled=false" for alert in OPERATION_ALERTS]
    assert [group["name"] for group in spec(ON, *off)["groups"]] == [*RECORD_GROUPS, "aws-iot-bulk-exporter"]


def test_the_schema_of_the_values_contains_every_alert_and_parameter() -> None:
    properties = values_schema()["properties"]["prometheusRule"]["properties"]
    assert properties["alerts"]["propertyNames"]["enum"] == [alert.name for alert in ALERTS]
    assert set(properties["parameters"]["properties"]) == set(parameters_model(KINDS).model_fields)


@pytest.mark.parametrize(
    "setting",
    [
        "alerts.AwsIotBulkRatio.enabled=false",
        "alerts.AwsIotBulkRetryStorm.treshold=5",
        "alerts.AwsIotBulkRetryStorm.for=ten",
        "parameters.staled=5m",
        "runbooks=https://${HOME}",
        "selector=prod",
        "selector=job='prod'",
        "grouping={pod-name}",
        "grouping=",
        "parameters.exporters=0",
    ],
)
def test_an_invalid_value_is_refused(setting: str) -> None:
    assert "specifications of the schema" in render_error(ON, f"--set=prometheusRule.{setting}")


def endpoint_of(monitor: Document) -> Document:
    """Return the only endpoint of a monitor."""
    endpoints: list[Document] = monitor["spec"].get("endpoints") or monitor["spec"]["podMetricsEndpoints"]
    (endpoint,) = endpoints
    return endpoint


@MONITORS
def test_the_endpoint_of_a_monitor_is_only_the_named_port(value: str, kind: str) -> None:
    endpoint = endpoint_of(only_object(render(f"--set={value}.enabled=true"), kind))
    assert endpoint == {"port": "http"}


@pytest.mark.parametrize("shards", [1, 2])
def test_a_service_monitor_selects_the_service_and_a_port_of_it(shards: int) -> None:
    documents = render(f"--set=serviceMonitor.enabled=true,shards={shards}")
    monitor, service = only_object(documents, "ServiceMonitor"), only_object(documents, "Service")
    labels = service["metadata"]["labels"]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert endpoint_of(monitor)["port"] in {port["name"] for port in service["spec"]["ports"]}


def job_of(kind: str, documents: list[Document]) -> str:
    """Return the label job that the Prometheus Operator gives to the targets of a release."""
    monitor = only_object(documents, kind)
    assert "jobLabel" not in monitor["spec"]
    metadata = only_object(documents, "Service")["metadata"] if kind == "ServiceMonitor" else monitor["metadata"]
    name: str = metadata["name"]
    return name if kind == "ServiceMonitor" else f"{metadata['namespace']}/{name}"


@MONITORS
@pytest.mark.parametrize("flags", ["shards=1", "shards=3", "nameOverride=fleet", "fullnameOverride=fleet"])
def test_the_job_tells_the_releases_of_a_namespace_apart_and_the_alert_on_targets_that_are_down_knows_it(
    value: str, kind: str, flags: str
) -> None:
    jobs = set()
    for release in ("prod", "staging"):
        name = flags.replace("fullnameOverride=fleet", f"fullnameOverride={release}")
        documents = render(f"--set={value}.enabled=true,{name}", ON, release=release)
        jobs.add(job := job_of(kind, documents))
        rules_of_release = only_object(documents, "PrometheusRule")["spec"]["groups"]
        (down,) = (
            rule["expr"]
            for group in rules_of_release
            for rule in group["rules"]
            if rule.get("alert", "").endswith("rDown")
        )
        matched = re.search(r'up\{job=~"([^"]*)"\}', down)
        assert matched is not None
        assert re.fullmatch(matched[1], job)
    assert len(jobs) == 2


def test_a_pod_monitor_selects_only_the_pods_of_the_exporter() -> None:
    documents = render("--set=podMonitor.enabled=true")
    selector = only_object(documents, "PodMonitor")["spec"]["selector"]["matchLabels"].items()
    assert selector <= pod_of(documents)["metadata"]["labels"].items()
    assert not selector <= only_object(documents, "Pod")["metadata"]["labels"].items()
    ports = {port["name"] for port in pod_of(documents)["spec"]["containers"][0]["ports"]}
    assert endpoint_of(only_object(documents, "PodMonitor"))["port"] in ports


@MONITORS
def test_a_monitor_in_another_namespace_selects_the_namespace_of_the_release(value: str, kind: str) -> None:
    on = f"--set={value}.enabled=true"
    monitor = only_object(render(f"{on},{value}.namespace=prometheus"), kind)
    assert monitor["metadata"]["namespace"] == "prometheus"
    assert monitor["spec"]["namespaceSelector"] == {"matchNames": ["monitoring"]}
    for arguments in (on, f"{on},{value}.namespace=monitoring"):
        assert "namespaceSelector" not in only_object(render(arguments), kind)["spec"]


@MONITORS
def test_every_field_except_the_selector_can_be_set(value: str, kind: str) -> None:
    monitor = only_object(
        render(
            f"--set={value}.enabled=true,{value}.interval=30s,{value}.scrapeTimeout=20s",
            f"--set={value}.relabelings[0].targetLabel=a,{value}.metricRelabelings[0].action=drop",
            f"--set={value}.endpoint.honorLabels=false,{value}.endpoint.params.kind={{x}},{value}.spec.sampleLimit=5",
            f"--set={value}.additionalLabels.release=prometheus",
        ),
        kind,
    )
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert monitor["spec"]["sampleLimit"] == 5
    assert endpoint_of(monitor) == {
        "port": "http",
        "honorLabels": False,
        "interval": "30s",
        "scrapeTimeout": "20s",
        "relabelings": [{"targetLabel": "a"}],
        "metricRelabelings": [{"action": "drop"}],
        "params": {"kind": ["x"]},
    }


@MONITORS
@pytest.mark.parametrize(
    ("interval", "timeout"), [("10s", "25s"), ("1m", "1m1ms"), ("1m30s", "91s"), ("1d", "1w"), ("9s", "10s")]
)
def test_a_scrape_timeout_above_the_interval_is_refused(value: str, kind: str, interval: str, timeout: str) -> None:
    settings = f"{value}.interval={interval},{value}.scrapeTimeout={timeout}"
    assert f"{value}.scrapeTimeout: must be at most" in render_error(f"--set={value}.enabled=true,{settings}")
    render(f"--set={settings}")


@MONITORS
@pytest.mark.parametrize(("interval", "timeout"), [("30s", "30s"), ("2m", "90s"), ("10s", "9s"), ("1h", "59m59s999ms")])
def test_a_scrape_timeout_up_to_the_interval_is_accepted(value: str, kind: str, interval: str, timeout: str) -> None:
    settings = f"{value}.interval={interval},{value}.scrapeTimeout={timeout}"
    endpoint = endpoint_of(only_object(render(f"--set={value}.enabled=true,{settings}"), kind))
    assert (endpoint["interval"], endpoint["scrapeTimeout"]) == (interval, timeout)


def test_a_monitor_uses_the_path_and_tls_settings_of_the_values() -> None:
    monitor = only_object(render(ci_values("client-certificate")), "PodMonitor")
    assert endpoint_of(monitor)["path"] == "/bulk/metrics"
    assert endpoint_of(monitor)["tlsConfig"]["serverName"] == "exporter.example"
