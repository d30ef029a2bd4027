"""Dashboards and Grafana's alerts: what the chart makes of the files that are committed."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from tests.support.helm_chart import Document, ci_values, objects, refusal, render
from tests.support.repository import ROOT

DASHBOARDS = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "monitoring" / "dashboards").iterdir()}
ALERTS = (ROOT / "monitoring" / "grafana-alerts.yaml").read_text(encoding="utf-8")
CONFIG_MAPS = "--set=dashboards.configMaps.enabled=true"
OPERATOR = "--set=dashboards.grafanaOperator.enabled=true"
ALERTING = "--set=grafanaAlerts.enabled=true"
LARGEST_CONFIG_MAP = 1024 * 1024
LARGEST_ANNOTATION = 256 * 1024
"""In which ``kubectl apply`` keeps the whole object."""


def labelled(documents: list[Document], label: str, value: str = "1") -> list[Document]:
    """The ConfigMaps that a sidecar finds by a label."""
    return [one for one in objects(documents, "ConfigMap") if one["metadata"]["labels"].get(label) == value]


def provisioned(*arguments: str) -> str:
    """What Grafana's file provisioning of alerts reads."""
    (found,) = labelled(render(ALERTING, *arguments), "grafana_alert")
    ((name, text),) = found["data"].items()
    assert name.endswith(".yaml")
    return f"{text}"


def rules_of(text: str) -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]


def sources_of(text: str) -> set[str]:
    return {query["datasourceUid"] for rule in rules_of(text) for query in rule["data"]}


def test_the_sidecar_finds_every_dashboard_as_it_is_committed() -> None:
    found = labelled(render(CONFIG_MAPS), "grafana_dashboard")
    assert {name: text for one in found for name, text in one["data"].items()} == DASHBOARDS
    assert len(found) == len(DASHBOARDS) > 1
    assert all(len(json.dumps(one)) < LARGEST_ANNOTATION for one in found)


def test_the_operator_gets_every_dashboard_as_it_is_committed() -> None:
    found = objects(render(OPERATOR), "GrafanaDashboard")
    assert sorted(one["spec"].pop("json") for one in found) == sorted(DASHBOARDS.values())
    assert [one["spec"] for one in found] == [{"instanceSelector": {}}] * len(DASHBOARDS)
    assert {one["apiVersion"] for one in found} == {"grafana.integreatly.org/v1beta1"}


def test_fields_of_the_values_cannot_replace_the_dashboard() -> None:
    assert "'json'" in refusal(OPERATOR, "--set=dashboards.grafanaOperator.spec.json=x")


@pytest.mark.parametrize(("place", "on"), [("dashboards.configMaps", CONFIG_MAPS), ("grafanaAlerts", ALERTING)])
def test_a_sidecar_may_look_for_another_label(place: str, on: str) -> None:
    documents = render(on, f"--set={place}.label=acme.example/grafana", f"--set-string={place}.labelValue=true")
    assert labelled(documents, "acme.example/grafana", "true")
    assert not labelled(documents, "grafana_dashboard") + labelled(documents, "grafana_alert")


def test_names_fit_and_two_releases_share_none() -> None:
    on = (CONFIG_MAPS, OPERATOR, ALERTING)
    first, second = (
        {(one["kind"], one["metadata"]["name"]) for one in render(*on, release=f"{'a' * 52}{end}")} for end in "bc"
    )
    assert not first & second
    assert max(len(name) for _, name in first) <= 63


def test_grafana_provisions_the_alerts_that_are_committed() -> None:
    assert provisioned().rstrip() == ALERTS.rstrip()
    assert len(ALERTS) < LARGEST_CONFIG_MAP


def test_the_values_name_the_data_source_and_where_the_links_of_the_alerts_lead() -> None:
    before, after = ALERTS, provisioned(ci_values("grafana"))
    assert sources_of(after) == {"prometheus", "__expr__"}
    assert sources_of(provisioned("--set-string=grafanaAlerts.datasourceUid=1e3")) == {"1e3", "__expr__"}
    for old, new in zip(rules_of(before), rules_of(after), strict=True):
        links = [
            (rule["annotations"].pop("runbook_url"), rule["annotations"].pop("dashboard_url")) for rule in (old, new)
        ]
        (runbook, dashboard), changed = links
        assert changed == (
            runbook.replace("docs/runbooks/", "https://wiki.example/runbooks/"),
            dashboard.replace("http://localhost:3000/", "https://grafana.example/"),
        )
        assert changed != (runbook, dashboard)
        assert old["annotations"] == new["annotations"]
        assert old["labels"] == new["labels"]


@pytest.mark.parametrize("link", ["a b", "${HOME}", "&x", "*x", "'x"])
def test_a_link_that_would_not_stay_text_is_refused(link: str) -> None:
    assert "'/grafanaAlerts/runbooks'" in refusal(ALERTING, f"--set-string=grafanaAlerts.runbooks={link}")
