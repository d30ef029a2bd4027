"""The dashboards and Grafana alerts that the chart creates from the committed files."""

import json
from typing import Any

import pytest

from exporter.kinds.registry import KINDS
from exporter.monitoring.grafana import grafana_alerts
from exporter.monitoring.rules import rules
from exporter.monitoring.settings import parse_settings
from tests.support.helm_chart import Document, ci_values, objects_of_kind, render, render_error
from tests.support.repository import ROOT
from tests.support.yaml_texts import read_yaml

DASHBOARDS = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "monitoring" / "dashboards").iterdir()}
ALERTS = (ROOT / "monitoring" / "grafana-alerts.yaml").read_text(encoding="utf-8")
CONFIG_MAPS = "--set=dashboards.configMaps.enabled=true"
OPERATOR = "--set=dashboards.grafanaOperator.enabled=true"
ALERTING = "--set=grafanaAlerts.enabled=true"
MAX_CONFIG_MAP = 1024 * 1024
# ``kubectl apply`` stores the whole object in an annotation.
MAX_ANNOTATION = 256 * 1024


def labelled_config_maps(documents: list[Document], label: str, value: str = "1") -> list[Document]:
    """Return the ConfigMaps that a sidecar finds by a label."""
    config_maps = objects_of_kind(documents, "ConfigMap")
    return [config_map for config_map in config_maps if config_map["metadata"]["labels"].get(label) == value]


def provisioning_file(*arguments: str) -> str:
    """Return the content of the file from which Grafana provisions the alerts."""
    (config_map,) = labelled_config_maps(render(ALERTING, *arguments), "grafana_alert")
    ((name, text),) = config_map["data"].items()
    assert name.endswith(".yaml")
    return f"{text}"


def rules_of(text: str) -> list[dict[str, Any]]:
    return [rule for group in read_yaml(text)["groups"] for rule in group["rules"]]


def sources_of(text: str) -> set[str]:
    return {query["datasourceUid"] for rule in rules_of(text) for query in rule["data"]}


def test_the_sidecar_finds_every_committed_dashboard() -> None:
    config_maps = labelled_config_maps(render(CONFIG_MAPS), "grafana_dashboard")
    assert {name: text for config_map in config_maps for name, text in config_map["data"].items()} == DASHBOARDS
    assert len(config_maps) == len(DASHBOARDS) > 1
    assert all(len(json.dumps(config_map)) < MAX_ANNOTATION for config_map in config_maps)


def test_the_operator_gets_every_committed_dashboard() -> None:
    dashboards = objects_of_kind(render(OPERATOR), "GrafanaDashboard")
    assert sorted(dashboard["spec"].pop("json") for dashboard in dashboards) == sorted(DASHBOARDS.values())
    assert [dashboard["spec"] for dashboard in dashboards] == [{"instanceSelector": {}}] * len(DASHBOARDS)
    assert {dashboard["apiVersion"] for dashboard in dashboards} == {"grafana.integreatly.org/v1beta1"}


def test_fields_of_the_values_cannot_replace_the_dashboard() -> None:
    assert "'json'" in render_error(OPERATOR, "--set=dashboards.grafanaOperator.spec.json=x")


@pytest.mark.parametrize(("path", "on"), [("dashboards.configMaps", CONFIG_MAPS), ("grafanaAlerts", ALERTING)])
def test_the_label_for_the_sidecar_can_be_changed(path: str, on: str) -> None:
    documents = render(on, f"--set={path}.label=acme.example/grafana", f"--set-string={path}.labelValue=true")
    assert labelled_config_maps(documents, "acme.example/grafana", "true")
    assert not labelled_config_maps(documents, "grafana_dashboard") + labelled_config_maps(documents, "grafana_alert")


def test_grafana_provisions_the_committed_alerts() -> None:
    assert provisioning_file().rstrip() == ALERTS.rstrip()
    assert len(ALERTS) < MAX_CONFIG_MAP


def test_the_values_limit_the_alerts_to_some_exporters_as_a_settings_file_does() -> None:
    selection = {"selector": 'job=~"prod|staging",namespace!="test"', "grouping": ["release", "cluster"]}
    printed = grafana_alerts(rules(KINDS, parse_settings(json.dumps(selection), KINDS)))
    assert provisioning_file(f"--set-json=grafanaAlerts={json.dumps(selection)}").rstrip() == printed.rstrip()


def test_the_values_set_the_data_source_and_the_links_of_the_alerts() -> None:
    text = provisioning_file(ci_values("grafana"))
    assert sources_of(text) == {"prometheus", "__expr__"}
    assert sources_of(provisioning_file("--set-string=grafanaAlerts.datasourceUid=1e3")) == {"1e3", "__expr__"}
    linked = parse_settings("{runbooks: https://wiki.example/runbooks, dashboards: https://grafana.example}", KINDS)
    expected = grafana_alerts(rules(KINDS, linked)).replace("${PROMETHEUS_DS_UID}", "prometheus")
    assert rules_of(text) == rules_of(expected)


@pytest.mark.parametrize("runbooks", ["", "https://wiki.example/runbooks"])
def test_the_alerts_link_to_the_external_url_as_those_of_a_settings_file(runbooks: str) -> None:
    url = "https://exporter.example/bulk/"
    settings = {"external_url": url, **({"runbooks": runbooks} if runbooks else {})}
    text = provisioning_file(f"--set-string=web.externalUrl={url},grafanaAlerts.runbooks={runbooks}")
    assert rules_of(text) == rules_of(grafana_alerts(rules(KINDS, parse_settings(json.dumps(settings), KINDS))))


@pytest.mark.parametrize("link", ["a b", "${HOME}", "&x", "*x", "'x"])
def test_a_link_that_yaml_would_not_read_as_text_is_refused(link: str) -> None:
    assert "'/grafanaAlerts/runbooks'" in render_error(ALERTING, f"--set-string=grafanaAlerts.runbooks={link}")
